"""A batch is sent, or asked about where it may have arrived, and what comes of it is written down.

A refusal touches its own items only: those the partner names fail alone and the rest goes again; where it names
none the batch is halved until the bad one stands alone.
"""

import contextlib
import random

from assets.drain import outcomes
from assets.drain.batch_shared import Shared, Work
from assets.drain.bodies import unpack_batch
from assets.drain.making import Making
from assets.drain.outcomes import Breaker, Outcome, Tried
from assets.drain.settings import BatchReceipt, ItemsRefused, Remark, TooLarge
from resources.errors import DeliveryError, Refused
from resources.store import batches, claims, pauses
from resources.store.batches import Batch, Finish, Member
from resources.store.books import Settled, settle
from resources.store.claims import Claimed
from resources.store.connect import AsyncConnection
from resources.store.ids import moment
from resources.store.seal import KeyMissing, Unreadable
from resources.store.values import State


class Sending:
    """Sends batches that are written down."""

    def __init__(self, ours: Shared, making: Making) -> None:
        self._ours = ours
        self._making = making
        self._breaker = Breaker(ours.drain.pace.breaker_after)
        self._chance = random.Random().random  # noqa: S311 - jitter, not a secret

    async def send(self, db: AsyncConnection, work: Work, *, probe: bool, only_ask: bool = False) -> None:
        """Send one, or ask about it, and write down what came of it; halves of a refused one follow at once."""
        claimed = work.claimed
        if self._ours.drain.stopping or (self._ours.paused and not (probe or only_ask)):
            await claims.rest(db, [claimed.queue], self._ours.drain.lease)
            return
        try:
            batch = await self._read(db, work)
        except (KeyMissing, Unreadable) as error:
            unopened = Tried(Outcome.PROBE, text=str(error), away=True)
            await self._later(db, claimed, unopened, 0, probe=probe, unsure=claimed.unsure_for is not None)
            return
        started = self._ours.drain.clock()
        try:
            tried, receipt = await self._try(work, batch, only_ask)
            fault: DeliveryError | None = None
        except DeliveryError as error:
            tried, receipt, fault = outcomes.fault(error), None, error
        ms = int((self._ours.drain.clock() - started) * 1000)
        self._ours.drain.figures.tried(tried.outcome)
        if receipt is not None:
            await self._partner_answers(db, probe)
            await self._taken(db, work, batch, receipt, tried, ms)
        elif tried.outcome is Outcome.REFUSED:
            await self._partner_answers(db, probe)
            for half in await self._refused(db, work, batch, fault, tried, ms):
                await self.send(db, half, probe=False)
        else:
            await self._later(db, claimed, tried, ms, probe=probe)

    async def _read(self, db: AsyncConnection, work: Work) -> Batch:
        """The batch with its keys and bytes; from the store where another run had made it."""
        if work.batch is None:
            work.batch = await batches.read(db, work.claimed.arrival)
            work.body, work.keys = unpack_batch(
                self._ours.drain.sealer.open(work.batch.body, b"batch", work.batch.id)
            )
        return work.batch

    async def _members(self, db: AsyncConnection, work: Work, batch: Batch) -> list[Member]:
        if work.members is None:
            work.members = await batches.members_of(db, batch)
        return work.members

    async def _try(self, work: Work, batch: Batch, only_ask: bool) -> tuple[Tried, BatchReceipt | None]:
        """Ask first where the batch may have arrived; a no is believed only after the settle time."""
        if (unsure_for := work.claimed.unsure_for) is not None:
            try:
                known = await self._ours.client.ask_batch(batch.payload, work.keys, moment(batch.id))
            except Refused:
                raise
            except DeliveryError as error:
                return Tried(Outcome.NOT_FOUND, error.status, error.answer, text=str(error)), None
            if known is not None:
                return Tried(Outcome.FOUND, known.status, known.answer), known
            used_up = self._ours.drain.pace.retry.used_up(work.claimed.attempts)
            if only_ask or used_up or unsure_for < self._send_after(work.claimed.attempts):
                final = used_up and unsure_for >= self._ours.drain.pace.settle
                text = "the partner does not have it"
                return Tried(Outcome.NOT_FOUND, text=text, final=final, said=True), None
        receipt = await self._ours.client.send_batch(batch.payload, work.body, work.keys)
        outcome = Outcome.ACCEPTED if receipt.accepted else Outcome.DELIVERED
        return Tried(outcome, receipt.status, receipt.answer), receipt

    def _send_after(self, attempts: int) -> float:
        """Seconds after an unsure try before it may be sent again: by the plan, and never unsettled."""
        planned = self._ours.drain.pace.retry.wait(attempts, 0.0, lambda: 0.0) if attempts else None
        return max(self._ours.drain.pace.settle, planned or 0.0)

    def _ask_again(self, claimed: Claimed, tried: Tried) -> float:
        """Seconds until the next question: often until a no can be believed, then right before it is sent."""
        since = claimed.unsure_for or 0.0
        send_after = self._send_after(claimed.attempts)
        if not tried.said or since >= send_after:  # nobody tells, or the partner is away: ever more rarely
            return max(self._ours.drain.pace.ask_every, tried.after_seconds, min(60.0, since / 8))
        if since < self._ours.drain.pace.settle:
            return max(0.05, min(self._ours.drain.pace.ask_every, self._ours.drain.pace.settle - since))
        return max(0.05, send_after - since)

    async def _taken(
        self, db: AsyncConnection, work: Work, batch: Batch, receipt: BatchReceipt, tried: Tried, ms: int
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
            poll_seconds=self._ours.lane.polls[0] if receipt.accepted else None,
        )
        # A question is no try; what a run has sent that was killed at it is found without having been counted.
        tries = max(1, work.claimed.attempts + (tried.outcome is not Outcome.FOUND))
        closing = self._ours.closing(batch.lease, members, state, batch.id, tries=tries)
        async with db.transaction() if receipt.remarks else contextlib.nullcontext():
            if not await batches.finish(db, batch, self._ours.drain.lease, end, closing):
                return
            await self._ours.remark(db, batch, receipt.remarks)
        self._ours.drain.figures.batches += 1
        self._ours.drain.figures.ended(state.name.lower(), members[0].arrival, len(members))

    async def _refused(
        self,
        db: AsyncConnection,
        work: Work,
        batch: Batch,
        error: DeliveryError | None,
        tried: Tried,
        ms: int,
    ) -> list[Work]:
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
            tries = work.claimed.attempts + 1
            closing = self._ours.closing(
                batch.lease, bad, State.FAILED, batch.id, [why] * len(bad), tries=tries
            )
            if not await batches.finish(db, batch, self._ours.drain.lease, end, closing):
                return []
            if bad:
                self._ours.drain.figures.ended("failed", bad[0].arrival, len(bad))
            await self._ours.remark(db, batch, remarks)
            made: list[Work] = []
            for some in filter(None, rest):
                lease = self._ours.drain.next_lease()
                await batches.regroup(db, some, batch.lease, lease)
                made += await self._making.make(db, some, lease, batch.id)
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
            track=self._ours.track,
            attempts=claimed.attempts,
            outcome=tried.outcome,
            status=tried.status,
            ms=ms,
            answer=self._ours.drain.sealer.seal(tried.answer, b"attempt", claimed.id)
            if tried.answer
            else None,
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
                await pauses.no_probe(db, self._ours.lane.breaker)
        elif pause:
            settled.outcome = Outcome.UNSURE if tried.outcome is Outcome.UNSURE else Outcome.PROBE
            settled.wait = max(0.05, tried.after_seconds)
        else:
            pause = self._breaker.failed(self._ours.drain.clock())
            settled.attempts += 1
            wait = self._ours.drain.pace.retry.wait(settled.attempts, tried.after_seconds, self._chance)
            if settled.unsure:
                settled.wait = max(
                    tried.after_seconds, min(self._ours.drain.pace.ask_every, self._ours.drain.pace.settle)
                )
            elif wait is None:
                await self._give_up(db, claimed, tried, ms)
                return
            else:
                settled.wait = wait
        if pause:
            self._ours.paused = True
            self._breaker.answered()
            await pauses.away(db, self._ours.lane.breaker, tried.text)
        await settle(db, self._ours.drain.lease, [settled], drain=self._ours.drain.lease)

    async def _give_up(self, db: AsyncConnection, claimed: Claimed, tried: Tried, ms: int) -> None:
        """All tries used up: the members have failed; a person may send them again."""
        batch = await batches.read(db, claimed.arrival)
        members = await batches.members_of(db, batch)
        tries = claimed.attempts + (not tried.final)
        why = f"given up after {tries} tries: {tried.text}"[:500]
        end = self._finish(batch, State.FAILED, tried, ms)
        closing = self._ours.closing(
            batch.lease, members, State.FAILED, batch.id, [why] * len(members), tries=tries
        )
        await batches.finish(db, batch, self._ours.drain.lease, end, closing)
        self._ours.drain.figures.ended("failed", claimed.arrival, len(members))

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
            answer=self._ours.drain.sealer.seal(tried.answer, b"attempt", batch.id) if tried.answer else None,
            external_id=external_id,
            poll_seconds=poll_seconds,
        )

    async def _partner_answers(self, db: AsyncConnection, probe: bool) -> None:
        self._breaker.answered()
        if probe or self._ours.paused:
            self._ours.paused = False
            await pauses.back(db, self._ours.lane.breaker)
