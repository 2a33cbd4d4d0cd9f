"""Batches are made: members claimed, mapped, what cannot be mapped set aside, the batch written down.

It is durable before its first byte leaves.
"""

from collections.abc import Sequence

from assets.drain.batch_shared import Shared, Work
from assets.drain.bodies import pack_batch, reason
from assets.drain.settings import Item, NotCarried
from assets.drain.writing import TakenOver
from resources.store import batches, claims, pauses
from resources.store.batches import Batch, Member
from resources.store.claims import Claimed
from resources.store.connect import AsyncConnection
from resources.store.ids import moment
from resources.store.seal import KeyMissing, Unreadable
from resources.store.values import Arrival, State

#: More arrivals in a row than this that cannot be mapped are a fault of ours: the lane stops and says so.
MAPPING_FAULTS = 20


class Making:
    """Makes batches of what waits."""

    def __init__(self, ours: Shared) -> None:
        self._ours = ours
        self._mapping_faults = 0
        self._plenty = False

    async def due(self) -> tuple[bool, float | None]:
        """Whether a batch is to be made, and else in how many seconds one may be."""
        events = await claims.ready_async(
            self._ours.drain.claims, self._ours.lane.track, self._ours.lane.most_items
        )
        left = self._ours.lane.window - events.oldest_seconds
        if events.queues and (left <= 0 or events.queues >= self._ours.lane.most_items):
            return True, None
        return False, sooner(left if events.queues else None, events.next_seconds)

    async def gather(self, db: AsyncConnection, known_due: bool) -> list[Work] | None:
        """Make a batch (or several, where one would be too large) if one is due."""
        # Where the last claim was full the next may be too: it is tried without looking first.
        hoped = self._plenty and not known_due
        if not (hoped or known_due or (await self.due())[0]):
            return None
        lease = self._ours.drain.next_lease()
        members, empty = await batches.claim_members(
            db, self._ours.lane.track, lease, self._ours.lane.most_items
        )
        self._plenty = len(members) == self._ours.lane.most_items
        too_few = hoped and not self._plenty and self._ours.lane.window > 0
        if back := empty + [member.queue for member in members if too_few]:
            await claims.rest(db, back, lease)
        if too_few:
            return await self.gather(db, known_due=False)
        if not members:
            return [] if empty else None
        return await self.make(db, members, lease, None)

    async def make(
        self, db: AsyncConnection, members: list[Member], lease: int, parent: int | None
    ) -> list[Work]:
        """Map the members, set aside what cannot be mapped, and write the batch down (or several)."""
        try:
            arrivals = await self._ours.lane.recall(
                db, self._ours.drain.sealer, [self._open(one) for one in members]
            )
            good, items, bad, errors = self._map(members, arrivals)
        except (KeyMissing, Unreadable) as error:
            self._ours.paused = True
            await pauses.away(db, self._ours.lane.breaker, str(error))
            await claims.rest(db, [member.queue for member in members], lease)
            return []
        if bad:
            await self._put_by(db, lease, bad, errors)
        made = []
        while good:
            fits = self._fit(items)
            some, items_of_it, good, items = good[:fits], items[:fits], good[fits:], items[fits:]
            own = lease if not good else self._ours.drain.next_lease()
            if own != lease:
                await batches.regroup(db, some, lease, own)
            made.append(await self._write(db, some, items_of_it, own, parent))
        return made

    def _open(self, member: Member) -> Arrival:
        return Arrival(
            id=member.arrival,
            kind=member.kind,
            body=self._ours.drain.sealer.open(member.body, b"inbox", member.arrival),
            received_at=moment(member.arrival),
        )

    def _map(
        self, members: list[Member], arrivals: Sequence[Arrival]
    ) -> tuple[list[Member], list[Item], list[Member], list[Exception]]:
        good: list[Member] = []
        items: list[Item] = []
        bad: list[Member] = []
        errors: list[Exception] = []
        for member, arrival in zip(members, arrivals, strict=True):
            try:
                item = self._ours.lane.item(arrival)
            except (
                Exception
            ) as error:  # a fault of a mapping, also a bug of ours, concerns this arrival alone
                bad.append(member)
                errors.append(error)
                self._mapping_faults += not getattr(error, "safe", False)
                continue
            self._mapping_faults = 0
            member.flag = member.flag or item.flag
            good.append(member)
            items.append(item)
        return good, items, bad, errors

    def _fit(self, items: Sequence[Item]) -> int:
        """How many of the items fit in one request; at least one."""
        room = self._ours.lane.most_bytes - 10_000  # a header row, separators
        for count, item in enumerate(items):
            room -= len(item.line) + 1
            if room < 0:
                return max(1, count)
        return len(items)

    async def _put_by(
        self, db: AsyncConnection, lease: int, members: list[Member], errors: list[Exception]
    ) -> None:
        """What cannot be mapped waits for a person; what another destination carries is done with here."""
        for state in (State.SET_ASIDE, State.SKIPPED):
            some = [
                (member, reason(error))
                for member, error in zip(members, errors, strict=True)
                if isinstance(error, NotCarried) is (state is State.SKIPPED)
            ]
            if some:
                own, why = zip(*some, strict=True)
                await batches.close_members(db, self._ours.closing(lease, own, state, 0, why))
        if self._mapping_faults > MAPPING_FAULTS:
            self._ours.paused = True
            await pauses.hold(
                db,
                self._ours.lane.number,
                f"more than {MAPPING_FAULTS} arrivals in a row could not be mapped",
            )

    async def _write(
        self, db: AsyncConnection, members: list[Member], items: list[Item], lease: int, parent: int | None
    ) -> Work:
        identifier = self._ours.drain.ids()
        body = self._ours.lane.join(items)
        keys = [item.key for item in items]
        batch = Batch(
            id=identifier,
            track=self._ours.track,
            destination=self._ours.lane.destination,
            queue=self._ours.drain.sealer.blind("batch", str(identifier)),
            lease=lease,
            parent=parent,
            payload=f"handoff-{identifier}",
            part=self._ours.lane.part,
            members=[member.arrival for member in members],
            digest=self._ours.drain.sealer.digest(body),
            body=self._ours.drain.sealer.seal(pack_batch(body, keys), b"batch", identifier),
        )
        if not await batches.make(db, batch, self._ours.drain.lease):
            raise TakenOver("another run holds what this one was about to send")
        claimed = Claimed(
            queue=batch.queue,
            seq=1,
            part=0,
            arrival=batch.id,
            version=0,
            attempts=0,
            unsure_for=None,
            flag=None,
            stored=True,
            kind="batch",
            body=b"",
        )
        return Work(claimed, batch, members, keys, body)


def sooner(one: float | None, other: float | None) -> float | None:
    """The smaller of two waits, either of which may be none."""
    return min(one, other) if one is not None and other is not None else other if one is None else one
