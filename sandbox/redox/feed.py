"""The feed of a subscription: strict order, one message at a time, paused by any answer of 400 or above."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import aiohttp
import msgspec
import orjson


class Subscription(msgspec.Struct, forbid_unknown_fields=True):
    """What ``POST /_sandbox/redox/feed`` asks for; messages of later calls queue up behind the earlier."""

    url: str
    token: str
    messages: list[dict[str, Any]] = []
    #: After a refusal the waits double from the first to the most, as Redox's settle at a minute or two.
    first_wait_seconds: float = 1.0
    most_wait_seconds: float = 90.0


class Feed:
    """Delivers what is waiting until it is empty or stopped."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.sent = self.attempts = 0
        self.state = "idle"
        self.last_status: int | None = None
        self._task: asyncio.Task[None] | None = None

    def take(self, asked: Subscription) -> None:
        """Queues messages and starts sending if nothing is under way."""
        self.waiting.extend(orjson.dumps(message) for message in asked.messages)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(asked))

    def stop(self) -> None:
        """Ends the feed and forgets what was waiting."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.waiting.clear()
        self.state = "idle"

    def shown(self) -> dict[str, object]:
        """How the feed stands."""
        return {
            "state": self.state,
            "sent": self.sent,
            "waiting": len(self.waiting),
            "attempts": self.attempts,
            "last_status": self.last_status,
        }

    async def _run(self, asked: Subscription) -> None:
        wait = asked.first_wait_seconds
        async with aiohttp.ClientSession(headers=headers(asked.token)) as session:
            while self.waiting:
                self.state = "sending"
                self.last_status = await self._post(session, asked.url, self.waiting[0])
                if self.last_status is not None and self.last_status < 400:
                    self.waiting.popleft()
                    self.sent += 1
                    wait = asked.first_wait_seconds
                else:
                    self.state = "paused"
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, asked.most_wait_seconds)
        self.state = "idle"

    async def _post(self, session: aiohttp.ClientSession, url: str, body: bytes) -> int | None:
        """The door's answer; None where there was none."""
        self.attempts += 1
        try:
            async with session.post(url, data=body, allow_redirects=False) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None


def headers(token: str) -> dict[str, str]:
    """How a subscription proves itself: a shared secret, no signature."""
    return {"content-type": "application/json", "verification-token": token}


async def verify(url: str, token: str, method: str, challenge: str) -> bool:
    """The check of an endpoint: the challenge must come back anywhere in the body of a 200."""
    proof = {"verification-token": token, "challenge": challenge}
    async with aiohttp.ClientSession() as session:
        asked = session.get(url, params=proof) if method == "GET" else session.post(url, json=proof)
        async with asked as answer:
            return answer.status == 200 and challenge in await answer.text()
