"""What lives as long as the service: started before the first request, ended after the last answer."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.applications import Starlette

from web import logs


class Starts(Protocol):
    """Something with a beginning and an end: the intake's writer, a listener."""

    async def start(self) -> object:
        """Begin."""
        ...

    async def stop(self) -> None:
        """End, after what is in hand."""
        ...


class Runs(Protocol):
    """Something that goes on until it is cancelled: the watch, the asker."""

    async def run(self) -> None:
        """Until cancelled."""
        ...


class Closes(Protocol):
    """Something that is only given back: connections, threads."""

    def close(self) -> None:
        """Give it back; what uses it has ended."""
        ...


@dataclass(frozen=True)
class Life:
    """For Starlette's ``lifespan``. Ended in the order: what runs, what was started (last first), what closes."""

    starts: Sequence[Starts]
    runs: Sequence[Runs]
    closes: Sequence[Closes]

    def __call__(self, app: Starlette) -> AbstractAsyncContextManager[None]:
        """The time between start and end."""
        return self._live()

    @asynccontextmanager
    async def _live(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        logs.set_up()
        # A door waits for no thread longer than this: a file that is examined holds the interpreter five times as long.
        sys.setswitchinterval(0.001)
        # What is loaded now stays for good: a collection that walks over it would hold up everybody.
        gc.collect()
        gc.freeze()
        loop.set_exception_handler(logs.task_failed)
        started: list[Starts] = []
        tasks: list[asyncio.Task[Any]] = []
        try:
            for one in self.starts:
                await one.start()
                started.append(one)
            tasks = [loop.create_task(runner.run()) for runner in self.runs]
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for one in reversed(started):
                await one.stop()
            await loop.shutdown_default_executor()  # threads give back what they have borrowed
            for closing in self.closes:
                closing.close()
