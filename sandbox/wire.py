"""HTTP/1.1 on httptools: just enough of a server, so that it costs little beside what it measures.

Not an ASGI server: those spend more on a request than the whole budget here, and none of them can drop a
connection on purpose.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

import httptools

from .core import Reply, as_json

#: Answers one request: method, target (path and query), raw headers, body.
Answer = Callable[[str, bytes, list[tuple[bytes, bytes]], bytes], Reply | Awaitable[Reply]]
#: No partner takes more; beyond it the connection is closed before the rest is read.
MOST_BYTES = 128 * 1024 * 1024

LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus}


def head(reply: Reply) -> bytes:
    """The status line and headers of a reply."""
    line = LINES.get(reply.status) or f"HTTP/1.1 {reply.status} Unknown".encode()
    parts = [line, b"\r\ncontent-length: %d\r\n" % len(reply.body)]
    if reply.body:
        parts.append(f"content-type: {reply.content_type}\r\n".encode())
    if reply.headers:
        parts.extend(f"{name}: {value}\r\n".encode("latin-1") for name, value in reply.headers.items())
    parts.append(b"\r\n")
    return b"".join(parts)


class Connection(asyncio.Protocol):
    """One connection: requests are answered in the order they came, one at a time."""

    def __init__(self, answer: Answer, open_ones: set[Connection]) -> None:
        self._answer = answer
        self._open_ones = open_ones
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._size = 0
        self._waiting: deque[tuple[str, bytes, list[tuple[bytes, bytes]], bytes, bool]] = deque()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open_ones.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_ones.discard(self)

    def abort(self) -> None:
        """Closes at once, whatever is under way."""
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._transport.close()
        except httptools.HttpParserError:
            self._write(as_json(400, {"detail": "The request is not HTTP/1.1."}), keep_alive=False)

    # What httptools calls while it reads.

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = []
        self._chunks = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        if name.lower() == b"expect" and value.lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._size += len(body)
        if self._size > MOST_BYTES:
            self._write(as_json(413, {"detail": "Request entity too large."}), keep_alive=False)

    def on_message_complete(self) -> None:
        if self._transport.is_closing():
            return
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        method = self._parser.get_method().decode()
        keep_alive = self._parser.should_keep_alive()
        if self._task is None:
            self._start(method, self._target, self._headers, body, keep_alive)
        else:
            self._waiting.append((method, self._target, self._headers, body, keep_alive))

    def _start(
        self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes, keep_alive: bool
    ) -> None:
        try:
            reply = self._answer(method, target, headers, body)
        except Exception:
            reply = failed()
        if isinstance(reply, Reply):
            self._write(reply, keep_alive, method == "HEAD")
        else:
            self._task = asyncio.ensure_future(self._finish(reply, keep_alive, method == "HEAD"))

    async def _finish(self, reply: Awaitable[Reply], keep_alive: bool, without_body: bool) -> None:
        try:
            answer = await reply
        except Exception:
            answer = failed()
        self._task = None
        self._write(answer, keep_alive, without_body)
        while self._waiting and self._task is None:
            self._start(*self._waiting.popleft())

    def _write(self, reply: Reply, keep_alive: bool, without_body: bool = False) -> None:
        if self._transport.is_closing():
            return
        if reply.drop:
            self._transport.abort()
            return
        self._transport.write(head(reply) if without_body else head(reply) + reply.body)
        if not keep_alive:
            self._transport.close()


def failed() -> Reply:
    """The sandbox itself went wrong: the trace goes to its console."""
    traceback.print_exc(file=sys.stderr)
    return as_json(500, {"detail": "The sandbox failed; its console says why."})
