"""Many messages in one request: gather, write the batch down, send it, follow what becomes of it.

A batch is durable before its first byte leaves. A refusal touches its own items only: those the partner
names fail alone and the rest goes again; where it names none the batch is halved until the bad one stands
alone. What the partner has only accepted is asked about at due times that stand in the store.
"""

import asyncio
import contextlib
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from assets.drain import outcomes
from assets.drain.bodies import pack_batch, reason, unpack_batch
from assets.drain.frame import Drain
from assets.drain.outcomes import Breaker, Outcome, Tried
from assets.drain.settings import (
    BatchClient,
    BatchLane,
    BatchReceipt,
    Fate,
    Hearing,
    Item,
    ItemsRefused,
    NotCarried,
    Remark,
    TooLarge,
)
from assets.drain.writing import TakenOver
from resources.errors import DeliveryError, Refused
from resources.store import batches, claims, pauses
from resources.store.batches import Batch, Closing, Finish, Member, Remarked
from resources.store.books import Settled, settle
from resources.store.claims import Claimed
from resources.store.connect import AsyncConnection
from resources.store.ids import moment
from resources.store.lanes import batches as batch_track
from resources.store.seal import KeyMissing, Unreadable
from resources.store.values import Arrival, OnFailure, State

#: Seconds after which a question about an accepted batch, whose run may have died, is asked again.
_ASKING = 180.0

#: Seconds until a lane that a person holds is looked at again.
_HELD = 5.0

#: Turns side by side in one run: while one waits for the database or the partner, another maps.
TURNS = 5

#: More arrivals in a row than this that cannot be mapped are a fault of ours: the lane stops and says so.
MAPPING_FAULTS = 20


@dataclass(slots=True)
class _Work:
    """A batch in hand: what was claimed of its own queue, and its members where we have them already."""

    claimed: Claimed
    batch: Batch | None = None
    members: list[Member] | None = None
    keys: Sequence[str] = ()
    body: bytes = b""


class Batching:
    """The track of a lane that sends in batches."""

    def __init__(
        self, drain: Drain, lane: BatchLane, client: BatchClient, connections: Sequence[AsyncConnection]
    ) -> None:
        self._drain = drain
        self._lane = lane
        self._client = client
        self._connections = connections
        self._pace = drain.pace
        self._track = batch_track(lane.track)
        self._breaker = Breaker(drain.pace.breaker_after)
        self._go = asyncio.Event()
        self._look = asyncio.Event()
        self._busy = 0
        self._following = False
        self._paused = False
        self._mapping_faults = 0
        self._known_due = False
        self._plenty = False
        self._chance = random.Random().random  # noqa: S311 - jitter, not a secret

    def helpers(self) -> list[Coroutine[Any, Any, None]]:
        *turning, following = self._connections
        return [*(self._work(db) for db in turning), self._follow_forever(following)]

    @property
    def idle(self) -> bool:
        return self._busy == 0 and not self._following and not self._go.is_set()

    async def close(self) -> None:
        await self._client.close()
        for connection in self._connections:
            await connection.close()

    # -- taking work -----------------------------------------------------------------------------------------

    async def step(self) -> float | None:
        """Let the turns go on if there is anything for them; else say when there may be."""
        self._look.set()
        if self._go.is_set() or self._busy == TURNS:
            return None
        pause = await pauses.look(self._drain.claims, self._lane.breaker)
        self._paused = pause is not None
        if pause is not None and pause.held:
            return _HELD
        if pause is not None and pause.seconds > 0:
            question = await claims.next_in_doubt(self._drain.claims, self._track)
            if question is not None and question <= 0:
                self._go.set()
                return None
            return _sooner(pause.seconds, question)
        # A probe, too, is asked for only when there is something to probe with.
        made = await claims.ready_async(self._drain.claims, self._track, 1)
        if made.queues:
            self._go.set()
            return None
        due, wait = await self._due()
        if due:
            self._known_due = True  # the turn that comes next need not look again
            self._go.set()
            return None
        return _sooner(wait, made.next_seconds)

    async def _due(self) -> tuple[bool, float | None]:
        """Whether a batch is to be made, and else in how many seconds one may be."""
        events = await claims.ready_async(self._drain.claims, self._lane.track, self._lane.most_items)
        left = self._lane.window - events.oldest_seconds
        if events.queues and (left <= 0 or events.queues >= self._lane.most_items):
            return True, None
        return False, _sooner(left if events.queues else None, events.next_seconds)

    async def _work(self, db: AsyncConnection) -> None:
        while True:
            await self._go.wait()
            self._busy += 1
            try:
                took = not self._drain.stopping and await self._turn(db)
            finally:
                self._busy -= 1
            if not took:
                self._go.clear()
            self._drain.wake()

    async def _turn(self, db: AsyncConnection) -> bool:
        """Take the batch that waits longest, else make one, and send it; False when there was nothing."""
        gate = await pauses.gate(db, self._lane.breaker)
        self._paused = gate.away
        if gate.away and not gate.probe:
            return await self._ask_only(db)
        if not gate.open and not gate.probe:
            return False
        known_due, self._known_due = self._known_due, False
        work = None if known_due else await self._claim(db)
        work = work or await self._gather(db, known_due)
        if work is None:
            if gate.probe:
                await pauses.no_probe(db, self._lane.breaker)
            return False
        for one in work:
            await self._send(db, one, probe=gate.probe)
        return True

    async def _ask_only(self, db: AsyncConnection) -> bool:
        """While the partner is away nothing is sent; what became of a batch in doubt it may know all the same."""
        work = await self._claim(db, in_doubt=True)
        for one in work:
            await self._send(db, one, probe=False, only_ask=True)
        return bool(work)

    async def _claim(self, db: AsyncConnection, *, in_doubt: bool = False) -> list[_Work]:
        found = await claims.claim(db, self._track, self._drain.lease, queues=1, each=1, in_doubt=in_doubt)
        return [_Work(claimed) for items in found.values() for claimed in items]

    async def _gather(self, db: AsyncConnection, known_due: bool) -> list[_Work] | None:
        """Make a batch (or several, where one would be too large) if one is due."""
        # Where the last claim was full the next may be too: it is tried without looking first.
        hoped = self._plenty and not known_due
        if not (hoped or known_due or (await self._due())[0]):
            return None
        lease = self._drain.next_lease()
        members, empty = await batches.claim_members(db, self._lane.track, lease, self._lane.most_items)
        self._plenty = len(members) == self._lane.most_items
        too_few = hoped and not self._plenty and self._lane.window > 0
        if back := empty + [member.queue for member in members if too_few]:
            await claims.rest(db, back, lease)
        if too_few:
            return await self._gather(db, known_due=False)
        if not members:
            return [] if empty else None
        return await self._make(db, members, lease, None)

    async def _make(
        self, db: AsyncConnection, members: list[Member], lease: int, parent: int | None
    ) -> list[_Work]:
        """Map the members, set aside what cannot be mapped, and write the batch down (or several)."""
        try:
            arrivals = await self._lane.recall(db, self._drain.sealer, [self._open(one) for one in members])
            good, items, bad, errors = self._map(members, arrivals)
        except (KeyMissing, Unreadable) as error:
            self._paused = True
            await pauses.away(db, self._lane.breaker, str(error))
            await claims.rest(db, [member.queue for member in members], lease)
            return []
        if bad:
            await self._put_by(db, lease, bad, errors)
        made = []
        while good:
            fits = self._fit(items)
            some, items_of_it, good, items = good[:fits], items[:fits], good[fits:], items[fits:]
            own = lease if not good else self._drain.next_lease()
            if own != lease:
                await batches.regroup(db, some, lease, own)
            made.append(await self._write(db, some, items_of_it, own, parent))
        return made

    def _open(self, member: Member) -> Arrival:
        return Arrival(
            id=member.arrival,
            kind=member.kind,
            body=self._drain.sealer.open(member.body, b"inbox", member.arrival),
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
                item = self._lane.item(arrival)
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
        room = self._lane.most_bytes - 10_000  # a header row, separators
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
                await batches.close_members(db, self._closing(lease, own, state, 0, why))
        if self._mapping_faults > MAPPING_FAULTS:
            self._paused = True
            await pauses.hold(
                db, self._lane.number, f"more than {MAPPING_FAULTS} arrivals in a row could not be mapped"
            )

    async def _write(
        self, db: AsyncConnection, members: list[Member], items: list[Item], lease: int, parent: int | None
    ) -> _Work:
        identifier = self._drain.ids()
        body = self._lane.join(items)
        keys = [item.key for item in items]
        batch = Batch(
            id=identifier,
            track=self._track,
            destination=self._lane.destination,
            queue=self._drain.sealer.blind("batch", str(identifier)),
            lease=lease,
            parent=parent,
            payload=f"handoff-{identifier}",
            part=self._lane.part,
            members=[member.arrival for member in members],
            digest=self._drain.sealer.digest(body),
            body=self._drain.sealer.seal(pack_batch(body, keys), b"batch", identifier),
        )
        if not await batches.make(db, batch, self._drain.lease):
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
        return _Work(claimed, batch, members, keys, body)

    # -- sending ---------------------------------------------------------------------------------------------

    async def _send(self, db: AsyncConnection, work: _Work, *, probe: bool, only_ask: bool = False) -> None:
        claimed = work.claimed
        if self._drain.stopping or (self._paused and not (probe or only_ask)):
            await claims.rest(db, [claimed.queue], self._drain.lease)
            return
        try:
            batch = await self._read(db, work)
        except (KeyMissing, Unreadable) as error:
            unopened = Tried(Outcome.PROBE, text=str(error), away=True)
            await self._later(db, claimed, unopened, 0, probe=probe, unsure=claimed.unsure_for is not None)
            return
        started = self._drain.clock()
        try:
            tried, receipt = await self._try(work, batch, only_ask)
            fault: DeliveryError | None = None
        except DeliveryError as error:
            tried, receipt, fault = outcomes.fault(error), None, error
        ms = int((self._drain.clock() - started) * 1000)
        self._drain.figures.tried(tried.outcome)
        if receipt is not None:
            await self._partner_answers(db, probe)
            await self._taken(db, work, batch, receipt, tried, ms)
        elif tried.outcome is Outcome.REFUSED:
            await self._partner_answers(db, probe)
            for half in await self._refused(db, work, batch, fault, tried, ms):
                await self._send(db, half, probe=False)
        else:
            await self._later(db, claimed, tried, ms, probe=probe)

    async def _read(self, db: AsyncConnection, work: _Work) -> Batch:
        """The batch with its keys and bytes; from the store where another run had made it."""
        if work.batch is None:
            work.batch = await batches.read(db, work.claimed.arrival)
            work.body, work.keys = unpack_batch(
                self._drain.sealer.open(work.batch.body, b"batch", work.batch.id)
            )
        return work.batch

    async def _members(self, db: AsyncConnection, work: _Work, batch: Batch) -> list[Member]:
        if work.members is None:
            work.members = await batches.members_of(db, batch)
        return work.members

    async def _try(self, work: _Work, batch: Batch, only_ask: bool) -> tuple[Tried, BatchReceipt | None]:
        """Ask first where the batch may have arrived; a no is believed only after the settle time."""
        if (unsure_for := work.claimed.unsure_for) is not None:
            try:
                known = await self._client.ask_batch(batch.payload, work.keys, moment(batch.id))
            except Refused:
                raise
            except DeliveryError as error:
                return Tried(Outcome.NOT_FOUND, error.status, error.answer, text=str(error)), None
            if known is not None:
                return Tried(Outcome.FOUND, known.status, known.answer), known
            used_up = self._pace.retry.used_up(work.claimed.attempts)
            if only_ask or used_up or unsure_for < self._send_after(work.claimed.attempts):
                final = used_up and unsure_for >= self._pace.settle
                text = "the partner does not have it"
                return Tried(Outcome.NOT_FOUND, text=text, final=final, said=True), None
        receipt = await self._client.send_batch(batch.payload, work.body, work.keys)
        outcome = Outcome.ACCEPTED if receipt.accepted else Outcome.DELIVERED
        return Tried(outcome, receipt.status, receipt.answer), receipt

    def _send_after(self, attempts: int) -> float:
        """Seconds after an unsure try before it may be sent again: by the plan, and never unsettled."""
        planned = self._pace.retry.wait(attempts, 0.0, lambda: 0.0) if attempts else None
        return max(self._pace.settle, planned or 0.0)

    def _ask_again(self, claimed: Claimed, tried: Tried) -> float:
        """Seconds until the next question: often until a no can be believed, then right before it is sent."""
        since = claimed.unsure_for or 0.0
        send_after = self._send_after(claimed.attempts)
        if not tried.said or since >= send_after:  # nobody tells, or the partner is away: ever more rarely
            return max(self._pace.ask_every, tried.after_seconds, min(60.0, since / 8))
        if since < self._pace.settle:
            return max(0.05, min(self._pace.ask_every, self._pace.settle - since))
        return max(0.05, send_after - since)

    async def _taken(
        self, db: AsyncConnection, work: _Work, batch: Batch, receipt: BatchReceipt, tried: Tried, ms: int
    ) -> None:
        """The partner has the batch: its members are free, and what it said of single ones is kept."""
        state = State.ACCEPTED if receipt.accepted else State.DELIVERED
        members = await self._members(db, work, batch)
        end = self._finish(
            batch,
            state,
            tried,
            ms,
            external_id=receipt.external_id,
            poll_seconds=self._lane.polls[0] if receipt.accepted else None,
        )
        closing = self._closing(batch.lease, members, state, batch.id)
        async with db.transaction() if receipt.remarks else contextlib.nullcontext():
            if not await batches.finish(db, batch, self._drain.lease, end, closing):
                return
            await self._remark(db, batch, receipt.remarks)
        self._drain.figures.batches += 1
        self._drain.figures.ended(state.name.lower(), members[0].arrival, len(members))

    async def _refused(
        self,
        db: AsyncConnection,
        work: _Work,
        batch: Batch,
        error: DeliveryError | None,
        tried: Tried,
        ms: int,
    ) -> list[_Work]:
        """Only its own items pay: the named ones fail and the rest goes again; without names, halves go."""
        members = await self._members(db, work, batch)
        remarks = error.remarks if isinstance(error, ItemsRefused) else ()
        places = range(len(members))
        named = {remark.index for remark in remarks if remark.severity == "error" and remark.index in places}
        divisible = isinstance(error, ItemsRefused | TooLarge) and len(members) > 1
        if named:
            bad = [member for index, member in enumerate(members) if index in named]
            rest = [[member for index, member in enumerate(members) if index not in named]]
        elif divisible:
            half = (len(members) + 1) // 2
            bad, rest = [], [members[:half], members[half:]]
        else:
            bad, rest = members, []
            # of one that stood alone the partner need not say which it was
            remarks = remarks or [Remark(place, "error", tried.text) for place in places]
        async with db.transaction():
            end = self._finish(batch, State.SUPERSEDED if any(rest) else State.FAILED, tried, ms)
            why = f"refused: {tried.text}"[:500]
            closing = self._closing(batch.lease, bad, State.FAILED, batch.id, [why] * len(bad))
            if not await batches.finish(db, batch, self._drain.lease, end, closing):
                return []
            if bad:
                self._drain.figures.ended("failed", bad[0].arrival, len(bad))
            await self._remark(db, batch, remarks)
            made: list[_Work] = []
            for some in filter(None, rest):
                lease = self._drain.next_lease()
                await batches.regroup(db, some, batch.lease, lease)
                made += await self._make(db, some, lease, batch.id)
        return made

    async def _later(
        self,
        db: AsyncConnection,
        claimed: Claimed,
        tried: Tried,
        ms: int,
        *,
        probe: bool,
        unsure: bool = False,
    ) -> None:
        """It waits: for its next try, for the partner to say whether it has it, or for the lane."""
        settled = Settled(
            queue=claimed.queue,
            seq=claimed.seq,
            part=claimed.part,
            arrival=claimed.arrival,
            version=claimed.version,
            track=self._track,
            attempts=claimed.attempts,
            outcome=tried.outcome,
            status=tried.status,
            ms=ms,
            answer=self._drain.sealer.seal(tried.answer, b"attempt", claimed.id) if tried.answer else None,
            release=True,
        )
        settled.unsure = unsure or tried.outcome in (Outcome.UNSURE, Outcome.NOT_FOUND)
        pause = probe or tried.away
        if tried.outcome is Outcome.NOT_FOUND and tried.final:
            await self._give_up(db, claimed, tried, ms)
            return
        if tried.outcome is Outcome.NOT_FOUND:
            settled.wait = self._ask_again(claimed, tried)
            pause = False
            if probe:  # a question is no probe: nothing was sent
                await pauses.no_probe(db, self._lane.breaker)
        elif pause:
            settled.outcome = Outcome.UNSURE if tried.outcome is Outcome.UNSURE else Outcome.PROBE
            settled.wait = max(0.05, tried.after_seconds)
        else:
            pause = self._breaker.failed(self._drain.clock())
            settled.attempts += 1
            wait = self._pace.retry.wait(settled.attempts, tried.after_seconds, self._chance)
            if settled.unsure:
                settled.wait = max(tried.after_seconds, min(self._pace.ask_every, self._pace.settle))
            elif wait is None:
                await self._give_up(db, claimed, tried, ms)
                return
            else:
                settled.wait = wait
        if pause:
            self._paused = True
            self._breaker.answered()
            await pauses.away(db, self._lane.breaker, tried.text)
        await settle(db, self._drain.lease, [settled], drain=self._drain.lease)

    async def _give_up(self, db: AsyncConnection, claimed: Claimed, tried: Tried, ms: int) -> None:
        """All tries used up: the members have failed; a person may send them again."""
        batch = await batches.read(db, claimed.arrival)
        members = await batches.members_of(db, batch)
        tries = claimed.attempts + (not tried.final)
        why = f"given up after {tries} tries: {tried.text}"[:500]
        end = self._finish(batch, State.FAILED, tried, ms)
        closing = self._closing(batch.lease, members, State.FAILED, batch.id, [why] * len(members))
        await batches.finish(db, batch, self._drain.lease, end, closing)
        self._drain.figures.ended("failed", claimed.arrival, len(members))

    # -- following -------------------------------------------------------------------------------------------

    async def _follow_forever(self, db: AsyncConnection) -> None:
        """Ask what became of accepted batches when that is due."""
        while True:
            while not self._drain.stopping and (due := await batches.due_polls(db, self._track, 1, _ASKING)):
                self._following = True
                try:
                    await self._follow(db, due[0])
                finally:
                    self._following = False
                    self._drain.wake()
            wait = await batches.next_poll(db, self._track)
            self._look.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if wait is None else max(0.05, wait)):
                    await self._look.wait()
            if wait is None or wait > 0.05:
                await asyncio.sleep(0.05)  # many wakes of the frame are one look

    async def _follow(self, db: AsyncConnection, batch: Batch) -> None:
        async def keys() -> Sequence[str]:
            stored = await batches.read(db, batch.id)
            return unpack_batch(self._drain.sealer.open(stored.body, b"batch", batch.id))[1]

        try:
            fate = await self._client.fate(batch.external_id or "", keys)
        except DeliveryError:
            fate = Fate(final=False)
        if not fate.final:
            plan = self._lane.polls
            more = batch.age_seconds < self._lane.poll_for
            await batches.postpone_poll(db, batch.id, plan[min(batch.polls, len(plan) - 1)] if more else None)
            return
        lost = {batch.members[remark.index]: remark.text[:500] for remark in fate.lost}
        async with db.transaction():
            await batches.conclude(db, batch, lost=lost, state=State.DELIVERED, tally=fate.tally)
            await self._remark(db, batch, [*fate.lost, *fate.remarks])
        self._drain.figures.messages["confirmed"] += len(batch.members) - len(lost)
        self._drain.figures.messages["failed"] += len(lost)

    # -- writing ---------------------------------------------------------------------------------------------

    def _finish(
        self,
        batch: Batch,
        state: State,
        tried: Tried,
        ms: int,
        *,
        external_id: str | None = None,
        poll_seconds: float | None = None,
    ) -> Finish:
        return Finish(
            state=state,
            outcome=tried.outcome.value,
            status=tried.status,
            ms=ms,
            answer=self._drain.sealer.seal(tried.answer, b"attempt", batch.id) if tried.answer else None,
            external_id=external_id,
            poll_seconds=poll_seconds,
        )

    def _closing(
        self,
        lease: int,
        members: Sequence[Member],
        state: State,
        by: int,
        reasons: Sequence[str] | None = None,
    ) -> Closing:
        hold = state is State.FAILED and self._lane.on_failure is OnFailure.HOLD
        return Closing(
            lease=lease,
            members=members,
            lane=self._lane.number,
            state=state,
            by=by,
            reasons=reasons,
            hold=hold,
        )

    async def _remark(self, db: AsyncConnection, batch: Batch, remarks: Sequence[Remark]) -> None:
        said = [
            (batch.members[remark.index] + batch.part, remark)
            for remark in remarks
            if 0 <= remark.index < len(batch.members)
        ]
        if not said:
            return
        hearing = Hearing(db=db, sealer=self._drain.sealer, ids=self._drain.ids)
        concerns = await self._lane.heard(hearing, said)
        rows = [
            Remarked(
                message,
                remark.severity,
                self._drain.sealer.seal(remark.whole.encode(), b"remark", message),
                concerns.get(message),
            )
            for message, remark in said
        ]
        await batches.remark(db, batch.id, rows)

    async def _partner_answers(self, db: AsyncConnection, probe: bool) -> None:
        self._breaker.answered()
        if probe or self._paused:
            self._paused = False
            await pauses.back(db, self._lane.breaker)


def _sooner(one: float | None, other: float | None) -> float | None:
    return min(one, other) if one is not None and other is not None else other if one is None else one
