"""Senders for the intake benchmarks: so many connections, each with one request on its way, as fast as answered.

Bare protocols, because a client library would take more of the two cores than the door. Requests are made before
the clock starts.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import uvloop


@dataclass(frozen=True)
class Sent:
    """What came of it: answers with the wanted status, all others, and the time it took."""

    good: int
    other: int
    seconds: float

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.good / self.seconds


def request(url: str, body: bytes, token: str) -> bytes:
    """The bytes of a POST."""
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends the next request when the last one has been answered."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None], status: bytes) -> None:
        self._requests, self.done, self._status = requests, done, b"HTTP/1.1 " + status
        self._answer = b""
        self.good = self.other = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but does not inherit from it
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        if head.startswith(self._status):
            self.good += 1
        else:
            self.other += 1
        self._answer = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _next(self) -> None:
        following = next(self._requests, None)
        if following is None:
            self._transport.close()
        else:
            self._transport.write(following)


def _length(head: bytes) -> int:
    after = head.lower().partition(b"content-length:")[2]
    return int(after.partition(b"\r\n")[0] or 0)


async def _send(url: str, requests: Sequence[bytes], connections: int, status: int) -> Sent:
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    left = iter(requests)
    senders = [_Connection(left, loop.create_future(), str(status).encode()) for _ in range(connections)]
    began = perf_counter()
    for sender in senders:
        await loop.create_connection(lambda: sender, parts.hostname or "", parts.port or 80)  # noqa: B023
    await asyncio.gather(*(sender.done for sender in senders))
    seconds = perf_counter() - began
    return Sent(sum(one.good for one in senders), sum(one.other for one in senders), seconds)


def send(url: str, requests: Sequence[bytes], connections: int, status: int = 202) -> Sent:
    """Send them all over so many connections."""
    return uvloop.run(_send(url, requests, connections, status))
