"""Senders for the intake benchmarks: so many connections, each with one request on its way, as fast as answered.

Bare protocols, because a client library would take more of the two cores than the door. Requests are made before
the clock starts.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
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
    """Sends the next request when the last one has been answered (answers here fit in one segment)."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None], status: bytes) -> None:
        self._requests, self._done, self._status = requests, done, b"HTTP/1.1 " + status
        self.good = self.other = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        if data.startswith(self._status):
            self.good += 1
        else:
            self.other += 1
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _next(self) -> None:
        following = next(self._requests, None)
        if following is None:
            self._transport.close()
        else:
            self._transport.write(following)


async def _send(url: str, requests: Sequence[bytes], connections: int, status: int) -> Sent:
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    left = iter(requests)
    began = perf_counter()
    done = [loop.create_future() for _ in range(connections)]
    made = [
        await loop.create_connection(
            lambda one=one: _Connection(left, one, str(status).encode()), parts.hostname, parts.port
        )
        for one in done
    ]
    await asyncio.gather(*done)
    seconds = perf_counter() - began
    protocols = [protocol for _, protocol in made]
    return Sent(sum(one.good for one in protocols), sum(one.other for one in protocols), seconds)


def send(url: str, requests: Sequence[bytes], connections: int, status: int = 202) -> Sent:
    """Send them all over so many connections."""
    return uvloop.run(_send(url, requests, connections, status))
