"""What the partner has only accepted is asked about, at due times that stand in the store."""

import asyncio
import contextlib
from collections.abc import Sequence

from assets.drain.batch_shared import Shared
from assets.drain.bodies import unpack_batch
from assets.drain.settings import Fate
from resources.errors import DeliveryError
from resources.store import batches
from resources.store.batches import Batch
from resources.store.connect import AsyncConnection
from resources.store.values import State

#: Seconds after which a question about an accepted batch, whose run may have died, is asked again.
_ASKING = 180.0


class Following:
    """Follows accepted batches to their end."""

    def __init__(self, ours: Shared) -> None:
        self._ours = ours
        self._woken = asyncio.Event()
        self.busy = False

    def look(self) -> None:
        """A question may have become due."""
        self._woken.set()

    async def forever(self, db: AsyncConnection) -> None:
        """Ask what became of accepted batches when that is due."""
        while True:
            while not self._ours.drain.stopping and (
                due := await batches.due_polls(db, self._ours.track, 1, _ASKING)
            ):
                self.busy = True
                try:
                    await self._follow(db, due[0])
                finally:
                    self.busy = False
                    self._ours.drain.wake()
            wait = await batches.next_poll(db, self._ours.track)
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if wait is None else max(0.05, wait)):
                    await self._woken.wait()
            if wait is None or wait > 0.05:
                await asyncio.sleep(0.05)  # many wakes of the frame are one look

    async def _follow(self, db: AsyncConnection, batch: Batch) -> None:
        async def keys() -> Sequence[str]:
            stored = await batches.read(db, batch.id)
            return unpack_batch(self._ours.drain.sealer.open(stored.body, b"batch", batch.id))[1]

        try:
            fate = await self._ours.client.fate(batch.external_id or "", keys)
        except DeliveryError:
            fate = Fate(final=False)
        if not fate.final:
            plan = self._ours.lane.polls
            more = batch.age_seconds < self._ours.lane.poll_for
            await batches.postpone_poll(db, batch.id, plan[min(batch.polls, len(plan) - 1)] if more else None)
            return
        lost = {batch.members[remark.index]: remark.text[:500] for remark in fate.lost}
        async with db.transaction():
            await batches.conclude(db, batch, lost=lost, state=State.DELIVERED, tally=fate.tally)
            await self._ours.remark(db, batch, [*fate.lost, *fate.remarks])
        self._ours.drain.figures.messages["confirmed"] += len(batch.members) - len(lost)
        self._ours.drain.figures.messages["failed"] += len(lost)
