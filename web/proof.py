"""The sender's proof: a secret we both know, compared in constant time on bytes.

Two secrets may live at a time, so that a sender can change over without a gap.
"""

import hashlib
import hmac
from dataclasses import dataclass

from resources.settings import SettingError, Settings


@dataclass(frozen=True)
class Secrets:
    """The live secrets of one sender, hashed: a comparison tells nothing of their length either."""

    hashes: tuple[bytes, ...]

    @classmethod
    def read(cls, settings: Settings, name: str) -> "Secrets":
        """Of this setting: one or two, comma between, none of them empty. A blank setting opens to nobody."""
        parts = [part.strip() for part in settings.text(name).split(",")]
        if parts == [""]:
            return cls(())
        if not all(parts):
            raise SettingError(f"{name} holds an empty secret: remove the comma or write the secret")
        if len(parts) > 2:
            raise SettingError(f"{name} holds {len(parts)} secrets; two may live at a time")
        return cls(tuple(_hash(part.encode()) for part in parts))

    def known(self, given: bytes) -> bool:
        """Whether this is one of them."""
        hashed = _hash(given)
        found = False
        for one in self.hashes:
            found |= hmac.compare_digest(one, hashed)
        return found

    def bearer(self, authorization: bytes) -> bool:
        """Whether an ``Authorization`` header carries one of them."""
        scheme, _, given = authorization.partition(b" ")
        return scheme.lower() == b"bearer" and self.known(given.strip())


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
