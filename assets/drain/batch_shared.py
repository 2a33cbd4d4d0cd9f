"""What the parts of one track of batches share: run, lane, partner, whether it pauses, how members end.

Not how batches are made, sent or followed: see ``making``, ``batch_sending``, ``following``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assets.drain.frame import Drain
from assets.drain.settings import BatchClient, BatchLane, Hearing, Remark
from resources.store import batches
from resources.store.batches import Batch, Closing, Member, Remarked
from resources.store.claims import Claimed
from resources.store.connect import AsyncConnection
from resources.store.lanes import batches as batch_track
from resources.store.values import OnFailure, State


@dataclass(slots=True)
class Work:
    """A batch in hand: what was claimed of its own queue, and its members where we have them already."""

    claimed: Claimed
    batch: Batch | None = None
    members: list[Member] | None = None
    keys: Sequence[str] = ()
    body: bytes = b""


class Shared:
    """One lane's way to one destination within one run."""

    def __init__(self, drain: Drain, lane: BatchLane, client: BatchClient) -> None:
        self.drain = drain
        self.lane = lane
        self.client = client
        self.track = batch_track(lane.track)
        self.paused = False

    def closing(
        self,
        lease: int,
        members: Sequence[Member],
        state: State,
        by: int,
        reasons: Sequence[str] | None = None,
        *,
        tries: int = 0,
    ) -> Closing:
        """How these members end, after so many tries of the batch they were in."""
        hold = state is State.FAILED and self.lane.on_failure is OnFailure.HOLD
        return Closing(
            lease=lease,
            members=members,
            lane=self.lane.number,
            state=state,
            by=by,
            tries=tries,
            reasons=reasons,
            hold=hold,
        )

    async def remark(self, db: AsyncConnection, batch: Batch, remarks: Sequence[Remark]) -> None:
        """Keep what the partner said of single members, in the transaction that ends them."""
        said = [
            (batch.members[remark.index] + batch.part, remark)
            for remark in remarks
            if 0 <= remark.index < len(batch.members)
        ]
        if not said:
            return
        hearing = Hearing(db=db, sealer=self.drain.sealer, ids=self.drain.ids)
        concerns = await self.lane.heard(hearing, said)
        rows = [
            Remarked(
                message,
                remark.severity,
                self.drain.sealer.seal(remark.whole.encode(), b"remark", message),
                concerns.get(message),
            )
            for message, remark in said
        ]
        await batches.remark(db, batch.id, rows)
