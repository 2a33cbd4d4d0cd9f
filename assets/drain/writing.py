"""One writer for a run: what its workers want written while a statement commits is the next statement."""

import asyncio
from collections.abc import Sequence

from resources.store import books, standing
from resources.store.books import Settled, Stored
from resources.store.connect import AsyncConnection


class TakenOver(Exception):
    """Another run has taken this one for dead; whatever it still does would not count."""


class Writing:
    """Workers await ``write``; it returns when their lines are committed."""

    def __init__(self, db: AsyncConnection, lease: int) -> None:
        self.db = db
        self._lease = lease
        self._stored: list[Stored] = []
        self._settled: list[Settled] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._more = asyncio.Event()

    def write(self, stored: Sequence[Stored], settled: Sequence[Settled]) -> "asyncio.Future[None]":
        """Queue lines for the next statement; the future is done once they are committed."""
        self._stored += stored
        self._settled += settled
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._more.set()
        return future

    async def run(self) -> None:
        """Write for ever; an error here must end the run, for its workers wait on it."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                # Whoever is just finishing goes with this statement, not with the next.
                await asyncio.sleep(0)
                stored, self._stored = self._stored, []
                settled, self._settled = self._settled, []
                waiting, self._waiting = self._waiting, []
                await self._flush(stored, settled)
                for future in waiting:
                    if not future.done():
                        future.set_result(None)

    async def _flush(self, stored: list[Stored], settled: list[Settled]) -> None:
        left = [one.left for one in settled if one.left]
        # One transaction, by the one synchronisation at its end.
        async with self.db.pipeline():
            # Outcomes last: they give queues back, and nothing is written for a queue that is not ours.
            if stored:
                kept = await books.store(self.db, self._lease, stored)
            if left:
                await standing.note(self.db, self._lease, left)
            if settled:
                await books.settle(self.db, self._lease, settled, drain=self._lease)
        if stored and kept.rowcount < len(stored):
            # Whoever waits for these lines would send what another run sends too.
            raise TakenOver("another run holds queues that this one had")
