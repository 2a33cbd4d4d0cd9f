"""Many messages in one request: the track of a run that takes batches, or makes them, and has them sent.

How a batch is made, sent and followed: see ``making``, ``batch_sending``, ``following``.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from assets.drain.batch_sending import Sending
from assets.drain.batch_shared import Shared, Work
from assets.drain.following import Following
from assets.drain.frame import Drain
from assets.drain.making import Making, sooner
from assets.drain.settings import BatchClient, BatchLane
from resources.store import claims, pauses
from resources.store.connect import AsyncConnection

#: Seconds until a lane that a person holds is looked at again.
_HELD = 5.0

#: Turns side by side in one run: while one waits for the database or the partner, another maps.
TURNS = 5


class Batching:
    """The track of a lane that sends in batches."""

    def __init__(
        self, drain: Drain, lane: BatchLane, client: BatchClient, connections: Sequence[AsyncConnection]
    ) -> None:
        self._ours = Shared(drain, lane, client)
        self._making = Making(self._ours)
        self._sending = Sending(self._ours, self._making)
        self._following = Following(self._ours)
        self._connections = connections
        self._go = asyncio.Event()
        self._busy = 0
        self._known_due = False

    def helpers(self) -> list[Coroutine[Any, Any, None]]:
        *turning, following = self._connections
        return [*(self._work(db) for db in turning), self._following.forever(following)]

    @property
    def idle(self) -> bool:
        return self._busy == 0 and not self._following.busy and not self._go.is_set()

    async def close(self) -> None:
        await self._ours.client.close()
        for connection in self._connections:
            await connection.close()

    async def step(self) -> float | None:
        """Let the turns go on if there is anything for them; else say when there may be."""
        self._following.look()
        if self._go.is_set() or self._busy == TURNS:
            return None
        pause = await pauses.look(self._ours.drain.claims, self._ours.lane.breaker)
        self._ours.paused = pause is not None
        if pause is not None and pause.held:
            return _HELD
        if pause is not None and pause.seconds > 0:
            question = await claims.next_in_doubt(self._ours.drain.claims, self._ours.track)
            if question is not None and question <= 0:
                self._go.set()
                return None
            return sooner(pause.seconds, question)
        # A probe, too, is asked for only when there is something to probe with.
        made = await claims.ready_async(self._ours.drain.claims, self._ours.track, 1)
        if made.queues:
            self._go.set()
            return None
        due, wait = await self._making.due()
        if due:
            self._known_due = True  # the turn that comes next need not look again
            self._go.set()
            return None
        return sooner(wait, made.next_seconds)

    async def _work(self, db: AsyncConnection) -> None:
        while True:
            await self._go.wait()
            self._busy += 1
            try:
                took = not self._ours.drain.stopping and await self._turn(db)
            finally:
                self._busy -= 1
            if not took:
                self._go.clear()
            self._ours.drain.wake()

    async def _turn(self, db: AsyncConnection) -> bool:
        """Take the batch that waits longest, else make one, and send it; False when there was nothing."""
        gate = await pauses.gate(db, self._ours.lane.breaker)
        self._ours.paused = gate.away
        if gate.away and not gate.probe:
            return await self._ask_only(db)
        if not gate.open and not gate.probe:
            return False
        known_due, self._known_due = self._known_due, False
        work = None if known_due else await self._claim(db)
        work = work or await self._making.gather(db, known_due)
        if work is None:
            if gate.probe:
                await pauses.no_probe(db, self._ours.lane.breaker)
            return False
        for one in work:
            await self._sending.send(db, one, probe=gate.probe)
        return True

    async def _ask_only(self, db: AsyncConnection) -> bool:
        """While the partner is away nothing is sent; what became of a batch in doubt it may know all the same."""
        work = await self._claim(db, in_doubt=True)
        for one in work:
            await self._sending.send(db, one, probe=False, only_ask=True)
        return bool(work)

    async def _claim(self, db: AsyncConnection, *, in_doubt: bool = False) -> list[Work]:
        found = await claims.claim(
            db, self._ours.track, self._ours.drain.lease, queues=1, each=1, in_doubt=in_doubt
        )
        return [Work(claimed) for items in found.values() for claimed in items]
