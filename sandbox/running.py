"""Starts and stops the sandbox: in a process of its own, or in a thread beside a test."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import uvloop

from .core import System
from .front import Front
from .wire import Connection

LOOPBACK = "127.0.0.1"


async def serve(
    systems: Iterable[System], port: int, stop: asyncio.Event, ready: Callable[[Front, int], None]
) -> None:
    """Serves until ``stop`` is set; ``ready`` is called with the port, also when it was 0."""
    front = Front(systems)
    connections: set[Connection] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(front.answer, connections), LOOPBACK, port, backlog=1024
    )
    for desk in front.desks.values():
        await desk.system.open(desk)
    # What is received is kept for long and holds no cycles: walking over it again and again is pure cost.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    try:
        ready(front, server.sockets[0].getsockname()[1])
        await stop.wait()
    finally:
        server.close()
        for connection in list(connections):
            connection.abort()
        for desk in front.desks.values():
            await desk.system.close()


@contextmanager
def sandbox_thread(systems: Iterable[System]) -> Iterator[str]:
    """Serves these systems on a free port in a thread, and gives the address."""
    started = threading.Event()
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event
    url = ""

    async def main() -> None:
        nonlocal loop, stop
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(systems, 0, stop, told)

    def told(front: Front, port: int) -> None:
        nonlocal url
        url = f"http://{LOOPBACK}:{port}"
        started.set()

    thread = threading.Thread(target=lambda: uvloop.run(main()), name="sandbox", daemon=True)
    thread.start()
    if not started.wait(30):
        raise TimeoutError("the sandbox did not start within 30 seconds")
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        if thread.is_alive():
            raise TimeoutError("the sandbox did not stop within 30 seconds")
