"""A far end that costs next to nothing: it answers every request alike, at once or after a delay.

``python -m benchmarks.sink PORT [MILLISECONDS]``. It signs everybody in, knows every patient and has no list of
languages; for one patient it always fails. What a partner does with a request is not its matter. It prints a line
once it listens.
"""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvloop

from handoff.ports import free_port

TOKEN = b'{"access_token":"bench","token_type":"Bearer","expires_in":36000}'
PATIENT = b'{"id":7,"metadata":{"object_id":"bench"}}'


def answer(body: bytes) -> bytes:
    """A whole response."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


SIGNED_IN, DONE = answer(TOKEN), answer(PATIENT)
NOT_THERE = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


AWAY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
#: The patient for whom every request fails.
FAILING = "666666"
_FAILING = f"/patients/{FAILING}/".encode()


def said(head: bytes) -> bytes:
    """What a request is answered."""
    line = head[:80]
    if b"/oauth2/token" in line:
        return SIGNED_IN
    if _FAILING in line:
        return AWAY
    return NOT_THERE if b"/languages" in line else DONE


class Sink(asyncio.Protocol):
    """One connection: requests one after the other, each with its content-length."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            total = end + 4 + _length(head)
            if len(self._buffer) < total:
                return
            del self._buffer[:total]
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._transport.write, said(head))
            else:
                self._transport.write(said(head))


def _length(head: bytes) -> int:
    _, found, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def main(port: int, delay: float) -> None:
    """Serve until it is told to stop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: Sink(delay), "127.0.0.1", port, backlog=1024)
    print("listening", flush=True)
    await stop.wait()
    server.close()


@contextmanager
def serving(milliseconds: int) -> Iterator[str]:
    """A sink in a process of its own; yields its address."""
    port = free_port()
    words = [sys.executable, "-m", "benchmarks.sink", str(port), str(milliseconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if b"listening" not in process.stdout.readline():
            raise RuntimeError("the sink does not listen")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0))
