"""Takes up what an application of the same database has recorded by SQL, and puts it in by the lane's own door.

A row is deleted once its event is in the inbox; after a crash between the two it comes again as a duplicate. The
application has its answer already, so nothing is refused here: what has not the agreed shape is stored all the
same, and the run that maps it sets it aside with the reason.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from resources.store import door
from resources.store.connect import AsyncConnection, Away, connect_async
from resources.store.door import Recorded
from resources.store.intake import Busy, Incoming, StoreAway, Verdict
from web.intake import Surroundings
from web.logs import place_of

log = logging.getLogger("handoff.door")

#: Looked for so often; a NOTIFY would make the application's transactions commit one after the other.
LOOK_SECONDS = 0.2
MOST = 500
#: After a fault, and where another process takes.
REST_SECONDS = 2.0

Make = Callable[[Recorded], Incoming]


class Takes:
    """One task of the web service; of several processes one takes at a time."""

    def __init__(self, url: str, around: Surroundings, lanes: Mapping[str, Make]) -> None:
        self._url, self._around, self._lanes = url, around, lanes
        self._meters = {lane: around.figures.meter(lane) for lane in lanes}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with await connect_async(self._url, "handoff recorded") as db:
                    await self._attend(db)
            except (*Away, StoreAway, Busy):
                log.info("recorded events wait: the store is away or busy")
            except Exception as error:
                log.error("recorded events wait (%s)", place_of(error))
            await asyncio.sleep(REST_SECONDS)

    async def _attend(self, db: AsyncConnection) -> None:
        ours = False
        while True:
            ours = ours or await door.is_ours(db)
            taken = await self.take(db) if ours and not self._around.opening.closed else 0
            if taken < MOST:
                await asyncio.sleep(LOOK_SECONDS if ours else REST_SECONDS)

    async def take(self, db: AsyncConnection) -> int:
        """Put in what waits, in its order; return how many."""
        found = await door.waiting(db, MOST)
        if not found:
            return 0
        verdicts = await self._around.intake.put([self._lanes[one.lane](one) for one in found])
        await door.remove(db, found)
        self._count(found, verdicts)
        return len(found)

    def _count(self, found: Sequence[Recorded], verdicts: Sequence[Verdict]) -> None:
        for lane, meter in self._meters.items():
            mine = [verdict for one, verdict in zip(found, verdicts, strict=True) if one.lane == lane]
            meter.stored(mine)
            if Verdict.RECEIVED in mine:
                self._around.arrived(lane)
