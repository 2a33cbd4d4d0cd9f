"""The life of a run that drains a lane: register, take over, work, linger, hand over, end.

Dead helpers end the run: a run whose heartbeat lives while its writer is dead would hold its queues for ever.
SIGINT and SIGTERM stop it in order (under uvloop Dagster's own handling is not enough): claim nothing more,
finish what is in flight, settle, give back, end.
"""

import asyncio
import contextlib
import itertools
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Protocol

from assets.drain.figures import Figures
from assets.drain.settings import Pace
from assets.drain.writing import TakenOver, Writing
from resources.store import drains, pauses
from resources.store.connect import AsyncConnection, connect_async, process_number
from resources.store.ids import Ids
from resources.store.seal import Sealer


class Track(Protocol):
    """One way of sending within a run."""

    def helpers(self) -> list[Coroutine[Any, Any, None]]:
        """What must run as long as the run does."""
        ...

    async def step(self) -> float | None:
        """Take work if there is room; 0 to be called again at once, else seconds until more may be ready."""
        ...

    @property
    def idle(self) -> bool:
        """Nothing in hand."""
        ...

    async def close(self) -> None:
        """Close connections to the partner."""
        ...


class Drain:
    """What the tracks of one run share: the connections, the lease, the clock, the way to stop."""

    def __init__(
        self,
        *,
        url: str,
        sealer: Sealer,
        lane: int,
        run_id: str,
        code: str = "",
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        connect: Callable[[str, str], Awaitable[AsyncConnection]] = connect_async,
    ) -> None:
        self.sealer = sealer
        self.lane = lane
        self.pace = pace or Pace()
        self.figures = Figures()
        self.clock = clock
        self.how = ""
        self.lease = 0
        self._url = url
        self._connect = connect
        self._run_id = run_id
        self._code = code
        self._wake = asyncio.Event()
        self._stop: str | None = None
        self._started = clock()
        self._leases = 0
        self._first_code: str | None = None
        self._handing_over = False
        self.taken_over = 0

    @property
    def stopping(self) -> bool:
        """Nothing more is to be claimed."""
        return self._stop is not None

    def stop(self, how: str) -> None:
        """Claim nothing more, finish what is in flight, end."""
        self._stop = self._stop or how
        self._wake.set()

    def wake(self) -> None:
        """Something may have become ready, or there is room again."""
        self._wake.set()

    def next_lease(self) -> int:
        """A lease number for one batch of this run."""
        self._leases += 1
        return self.lease + self._leases

    async def gate(self, breaker: int) -> pauses.Gate:
        """Whether the lane, or this destination of it, may claim now."""
        return await pauses.gate(self.claims, breaker)

    async def away(self, breaker: int, reason: str) -> None:
        """Open a breaker, or wait longer for its next probe."""
        await pauses.away(self.claims, breaker, reason)

    async def back(self, breaker: int) -> None:
        """Close a breaker."""
        await pauses.back(self.claims, breaker)

    async def no_probe(self, breaker: int) -> None:
        """There was nothing to probe with."""
        await pauses.no_probe(self.claims, breaker)

    async def hold(self, why: str) -> None:
        """Stop the lane until a person releases it."""
        await pauses.hold(self.claims, self.lane, why)

    async def run(self, tracks: Callable[["Drain"], list[Track]]) -> Figures:
        """Drain until quiet (or asked to stop) and return what was counted."""
        async with self._connected() as listening:
            made = tracks(self)
            try:
                await self._with_helpers(made, listening)
            finally:
                for track in made:
                    await track.close()
        return self.figures

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        names = ("handoff claims", "handoff books", "handoff listen")
        self.claims, books, listening = await asyncio.gather(
            *(self._connect(self._url, name) for name in names)
        )
        try:
            self.lease = await drains.register(listening, self.lane, self._run_id, self._code)
            self.ids = Ids(await process_number(listening))
            self.books = Writing(books, self.lease)
            await listening.execute("LISTEN work")
            self.taken_over = await drains.take_over(self.claims, self.lane, self.lease)
            yield listening
        finally:
            for connection in (self.claims, books, listening):
                with contextlib.suppress(Exception):
                    await connection.close()

    async def _with_helpers(self, tracks: list[Track], listening: AsyncConnection) -> None:
        helpers = [self.books.run(), self._listen(listening), self._beat_forever()]
        helpers += [helper for track in tracks for helper in track.helpers()]
        with self._signals():
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(helper) for helper in helpers]
                await self._work(tracks)
                for task in tasks:
                    task.cancel()
        await drains.leave(self.claims, self.lease, self.how)

    async def _work(self, tracks: list[Track]) -> None:
        quiet_since = self.clock()
        while not self.stopping:
            self._wake.clear()
            waits = [await track.step() for track in tracks]
            if self.stopping or any(wait == 0 for wait in waits):
                continue
            now = self.clock()
            idle = all(track.idle for track in tracks)
            if not idle:
                quiet_since = now
            elif now - quiet_since >= self.pace.linger:
                self.stop("quiet")
                continue
            # While something is in hand its workers wake us; the bound covers what nobody announces.
            left = self.pace.linger - (now - quiet_since) if idle else 1.0
            await self._sleep(min([left, *(wait for wait in waits if wait is not None)]))
        while not all(track.idle for track in tracks):
            self._wake.clear()
            await self._sleep(0.05)
        self.how = self._stop or "quiet"

    async def _sleep(self, seconds: float) -> None:
        # Not wait_for: under Python 3.11 it swallows the cancellation by which a dead helper ends the run.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.001, seconds)):
                await self._wake.wait()

    async def _listen(self, listening: AsyncConnection) -> None:
        ours = str(self.lane)
        while True:
            async for notice in listening.notifies():
                if notice.payload == ours:
                    self._wake.set()

    async def _beat_forever(self) -> None:
        for beats in itertools.count(1):
            if beats % 4 == 0 and (freed := await drains.take_over(self.claims, self.lane, self.lease)):
                self.taken_over += freed
                self.wake()
            leaving = self.stopping or self.clock() - self._started > self.pace.leave_after
            standing = await drains.beat(self.claims, self.lane, self.lease, leaving=leaving)
            if standing.taken_over:
                raise TakenOver(f"lane {self.lane}: another run holds what this one had")
            if self._first_code is None:
                self._first_code = standing.code
            elif standing.code not in (self._first_code, self._code):
                self.stop("new code")
            if leaving and standing.successor:
                self.stop("handed over")
            if self.clock() - self._started > self.pace.end_after:
                self.stop("time is up")
            await asyncio.sleep(self.pace.heartbeat)

    @contextlib.contextmanager
    def _signals(self) -> Any:
        loop = asyncio.get_running_loop()
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self.stop, "asked to stop")
        except (RuntimeError, ValueError):  # not the main thread: the caller stops us
            yield
            return
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
