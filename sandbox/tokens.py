"""Bearer tokens of a simulated partner: given for a while, known until they end."""

from __future__ import annotations

import secrets
import time


class Tokens:
    """The tokens one partner has given."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def give(self, seconds: float) -> str:
        """A new token that is good for so long."""
        now = time.time()
        self._until = {token: until for token, until in self._until.items() if until > now}
        token = secrets.token_urlsafe(24)
        self._until[token] = now + seconds
        return token

    def know(self, authorization: str) -> bool:
        """Whether an Authorization header carries one that is still good."""
        kind, _, token = authorization.partition(" ")
        return kind in ("Bearer", "bearer") and self._until.get(token, 0.0) > time.time()

    def forget(self) -> None:
        """Ends all of them: the next request of every client gets a 401."""
        self._until.clear()
