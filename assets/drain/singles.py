"""Message by message: one in flight a queue, the next only after the one before is committed.

An arrival is mapped by the run that has claimed it, so a mapping that is deployed is in force with the next
claim. Its bytes stand in the outbox, committed together with the outcome of the message before it, when the
first byte leaves.
"""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

from msgspec import structs

from assets.drain import outcomes
from assets.drain.bodies import reason
from assets.drain.frame import Drain
from assets.drain.hand import Hand
from assets.drain.outcomes import Breaker, Outcome, Tried
from assets.drain.settings import Client, SinglesLane
from resources.errors import DeliveryError, Refused
from resources.store import claims, standing
from resources.store.books import Settled, cancel_rest
from resources.store.claims import Claimed
from resources.store.seal import KeyMissing, Unreadable
from resources.store.standing import Stands
from resources.store.values import Message, OnFailure, State

#: Why a message failed that may have arrived, at a partner who cannot be asked.
IN_DOUBT = "sent once more, and no answer came again: ask the partner whether it has it, then send it again or skip it"

#: More arrivals in a row than this that cannot be mapped are a fault of ours: the lane stops and says so.
MAPPING_FAULTS = 20


class Singles:
    """The track of a lane that sends message by message."""

    def __init__(self, drain: Drain, lane: SinglesLane, client: Client, *, only: int | None = None) -> None:
        self._drain = drain
        self._lane = lane
        self._client = client
        self._only = only
        self._pace = drain.pace
        self._breaker = Breaker(drain.pace.breaker_after)
        self._queues: asyncio.Queue[Hand] = asyncio.Queue()
        self._held = 0
        self._paused = False
        self._probing = False
        self._mapping_faults = 0
        self._chance = random.Random().random  # noqa: S311 - jitter, not a secret

    def helpers(self) -> list[Coroutine[Any, Any, None]]:
        return [self._work() for _ in range(self._pace.concurrency)]

    @property
    def idle(self) -> bool:
        return self._held == 0

    async def close(self) -> None:
        await self._client.close()

    async def step(self) -> float | None:
        """Claim when fewer queues wait here than half the workers could take."""
        room = 2 * self._pace.concurrency - self._queues.qsize()
        if room < self._pace.concurrency or (self._probing and self._held):
            return None
        gate = await self._drain.gate(self._lane.number)
        self._paused, self._probing = gate.away, gate.probe
        if not gate.open and not gate.probe:
            return gate.wait
        if not await self._prepared():
            return 0.0
        claimed = await self._claim(1 if gate.probe else room, 1 if gate.probe else self._pace.each)
        if gate.probe and not claimed:
            self._probing = False
            await self._drain.no_probe(self._lane.number)
        if claimed == room:
            return 0.0
        if claimed or self._held:
            return None
        ready = await claims.ready_async(self._drain.claims, self._lane.number, 1)
        if ready.queues:  # since the claim: no future time announces it; or it is not the one to work alone
            return 0.01 if self._only is None else 0.2
        return ready.next_seconds

    async def _claim(self, queues: int, each: int) -> int:
        found = await claims.claim(
            self._drain.claims,
            self._lane.number,
            self._drain.lease,
            queues=queues,
            each=each,
            only=self._only,
        )
        empty = [queue for queue, items in found.items() if not items]
        if empty:
            await claims.rest(self._drain.claims, empty, self._drain.lease)
        stands = await standing.of(self._drain.claims, list(found)) if found and self._lane.remembers else {}
        for queue, items in found.items():
            if items:
                self._held += 1
                here = {aspect: stood for (where, aspect), stood in stands.items() if where == queue}
                hand = Hand(self._lane, self._drain.sealer, items, here, more=len(items) == each)
                self._queues.put_nowait(hand)
        return len(found) - len(empty)

    async def _prepared(self) -> bool:
        """What the lane must know of its partner before it can map; without it the lane pauses."""
        try:
            await self._lane.prepare()
        except DeliveryError as error:
            self._paused = True
            await self._drain.away(self._lane.number, str(error))
            return False
        return True

    async def _work(self) -> None:
        while True:
            await self._drain_queue(await self._queues.get())
            self._held -= 1
            # Room for another claim, or nothing left to do: either way the frame should look.
            if self._queues.qsize() < max(1, self._pace.concurrency // 2):
                self._drain.wake()

    async def _drain_queue(self, hand: Hand) -> None:
        """Send a queue's messages one after the other until one must wait, then give the queue back."""
        while hand and not self._drain.stopping and not (self._paused and not self._probing):
            item = hand.take()
            if item.error is None and await self._send_or_close(hand, item):
                continue
            if item.error is None:
                break
            if isinstance(item.error, KeyMissing | Unreadable):
                hand.settled.append(await self._unopened(item, item.error))
                break
            hand.settled.append(await self._set_aside(item, item.error))
        await self._give_back(hand)

    async def _send_or_close(self, hand: Hand, item: Claimed) -> bool:
        """True when the next of the queue may follow; what keeps it from being sent at all is in ``item.error``."""
        if newer := hand.newer(item):
            hand.close(item, self._superseded(item, newer.id))
            return True
        if newer_there := hand.outdated(item):
            hand.close(item, self._superseded(item, newer_there))
            return True
        try:
            message = hand.message(item)
        except Exception as error:  # a key is missing, or a body is damaged
            item.error = error
            return False
        self._mapping_faults = 0
        if by := hand.unchanged(item):
            hand.close(item, self._unchanged(item, by))
            return True
        tried, ms = await self._try(hand, item, message)
        settled = await self._judge(item, tried, ms)
        self._leave(hand, item, settled)
        hand.settled.append(settled)
        return not settled.release

    def _leave(self, hand: Hand, item: Claimed, settled: Settled) -> None:
        """Note what stands at the partner now; after anything but a plain yes it is not certain any more."""
        if not self._lane.remembers:
            return
        aspect = self._lane.aspect(item.kind)
        if settled.state is State.DELIVERED and aspect is not None:
            digest = hand.digest(item)
            hand.standing[aspect] = digest, item.id
            settled.left = Stands(item.queue, aspect, digest, item.id)
        elif doubtful := [name for name in hand.standing if aspect in (None, name)]:
            settled.left = Stands(item.queue, aspect or standing.ALL, None, item.id)
            for name in doubtful:
                hand.standing[name] = None, hand.standing[name][1]

    async def _give_back(self, hand: Hand) -> None:
        stored = hand.to_store()
        if not hand.settled:
            await claims.rest(self._drain.claims, [hand.queue], self._drain.lease)
            return
        last = hand.settled[-1]
        if not last.release:
            last.release, last.again = True, hand.more
        if last.cancel_rest:
            # While the queue is still ours: a run that claims it next finds nothing to send.
            await cancel_rest(self._drain.claims, last)
        await self._drain.books.write(stored, hand.settled)

    # -- trying ----------------------------------------------------------------------------------------------

    async def _try(self, hand: Hand, item: Claimed, message: Message) -> tuple[Tried, int]:
        """Ask first where the message may have arrived; else send it, once its bytes are committed."""
        stored = hand.to_store(item)
        settled, hand.settled = hand.settled, []
        if stored or settled:
            await self._drain.books.write(stored, settled)
        started = self._drain.clock()
        if item.unsure_for is None or not (tried := await self._ask(item, message)):
            try:
                tried = outcomes.taken(await self._client.send(message))
            except DeliveryError as error:
                tried = outcomes.fault(error)
        return tried, int((self._drain.clock() - started) * 1000)

    async def _ask(self, item: Claimed, message: Message) -> Tried | None:
        """What to do about a message that may have arrived; None: send it now.

        A yes ends the matter at once; a no is believed only after the settle time, because a front door has
        answered 504 while the upload behind it was still running.
        """
        if not self._lane.can_ask:
            due = (item.unsure_for or 0.0) >= self._send_after(item.attempts)
            return None if due else Tried(Outcome.NOT_FOUND)
        settled = (item.unsure_for or 0.0) >= self._pace.settle
        used_up = self._pace.retry.used_up(item.attempts)
        no = None
        if used_up or (item.unsure_for or 0.0) < self._send_after(item.attempts):
            final = settled and used_up
            no = Tried(Outcome.NOT_FOUND, text="the partner does not have it", final=final, said=True)
        try:
            receipt = await self._client.ask(message)
        except DeliveryError as error:
            refused = settled and isinstance(error, Refused)  # it will not tell: a person has to
            return structs.replace(outcomes.fault(error), outcome=Outcome.NOT_FOUND, final=refused)
        if receipt is not None:
            return outcomes.taken(receipt, found=True)
        return no

    def _send_after(self, attempts: int) -> float:
        """Seconds after an unsure try before it may be sent again: by the plan, and never unsettled."""
        planned = self._pace.retry.wait(attempts, 0.0, lambda: 0.0) if attempts else None
        return max(self._pace.settle, planned or 0.0)

    def _ask_again(self, item: Claimed, tried: Tried) -> float:
        """Seconds until the next question: often until a no can be believed, then right before it is sent."""
        since = item.unsure_for or 0.0
        if self._lane.can_ask and not tried.said:
            return max(self._pace.ask_every, tried.after_seconds)
        if self._lane.can_ask and since < self._pace.settle:
            return max(0.05, min(self._pace.ask_every, self._pace.settle - since))
        return max(0.05, self._send_after(item.attempts) - since)

    # -- judging ---------------------------------------------------------------------------------------------

    async def _judge(self, item: Claimed, tried: Tried, ms: int) -> Settled:
        settled = self._line(item, tried, ms)
        if tried.outcome is Outcome.NOT_FOUND and not self._lane.can_ask:
            # Nobody was asked, it is only not due: there is nothing to write down.
            settled.outcome, settled.release, settled.unsure = None, True, True
            settled.wait = self._ask_again(item, tried)
            return settled
        self._drain.figures.tried(tried.outcome)
        if tried.outcome in (Outcome.DELIVERED, Outcome.ACCEPTED, Outcome.FOUND):
            await self._partner_answers()
            accepted = tried.outcome is Outcome.ACCEPTED
            settled.state = State.ACCEPTED if accepted else State.DELIVERED
            settled.attempts += tried.outcome is not Outcome.FOUND
            self._drain.figures.ended("accepted" if accepted else "delivered", item.arrival)
        elif tried.outcome is Outcome.REFUSED:
            await self._partner_answers()
            settled.attempts += 1
            self._fail(settled, item, tried.text)
        elif tried.outcome is Outcome.NOT_FOUND and tried.final:
            self._fail(settled, item, f"given up after {item.attempts} tries: {tried.text}")
        elif tried.outcome is Outcome.NOT_FOUND:
            settled.release, settled.unsure = True, True
            settled.wait = self._ask_again(item, tried)
            if tried.said:
                await self._partner_answers()
            else:
                await self._no_answer(tried)
        else:
            await self._later(settled, item, tried)
        return settled

    async def _later(self, settled: Settled, item: Claimed, tried: Tried) -> None:
        settled.release = True
        # What may have arrived stays in doubt while a partner who cannot be asked is away.
        doubted = item.unsure_for is not None and not self._lane.can_ask
        settled.unsure = tried.outcome is Outcome.UNSURE or (doubted and tried.away)
        if tried.away or self._probing:
            # The breaker's probe, or a lane that cannot work at all: no attempt is eaten.
            settled.outcome = Outcome.UNSURE if tried.outcome is Outcome.UNSURE else Outcome.PROBE
            settled.wait = max(0.05, tried.after_seconds)
        else:
            settled.attempts += 1
            wait = self._pace.retry.wait(settled.attempts, tried.after_seconds, self._chance)
            if settled.unsure and not self._lane.can_ask and (wait is None or (doubted and not tried.status)):
                self._fail(settled, item, IN_DOUBT)
            elif settled.unsure:
                first = self._pace.ask_every if self._lane.can_ask else self._send_after(settled.attempts)
                settled.wait = max(tried.after_seconds, min(first, self._send_after(settled.attempts)))
            elif wait is None:
                self._fail(settled, item, f"given up after {settled.attempts} tries: {tried.text}")
            else:
                settled.wait = wait
        await self._no_answer(tried)

    async def _no_answer(self, tried: Tried) -> None:
        """Open the breaker when it is time; what was on its way when it opened does not open it wider."""
        if not self._probing and (self._paused or tried.alone):
            return
        if self._probing or tried.away or self._breaker.failed(self._drain.clock()):
            self._paused = True
            self._breaker.answered()
            await self._drain.away(self._lane.number, tried.text)

    async def _partner_answers(self) -> None:
        self._breaker.answered()
        if self._probing or self._paused:
            self._probing = self._paused = False
            await self._drain.back(self._lane.number)

    def _fail(self, settled: Settled, item: Claimed, text: str) -> None:
        settled.state, settled.reason, settled.release, settled.wait = State.FAILED, text[:500], False, 0.0
        self._drain.figures.ended("failed", item.arrival)
        policy = self._lane.on_failure(item.kind)
        if policy is OnFailure.HOLD:
            settled.release, settled.hold = True, "failed: a person must look"
        elif policy is OnFailure.CANCEL_REST:
            settled.release, settled.cancel_rest = True, True

    async def _set_aside(self, item: Claimed, error: Exception) -> Settled:
        self._drain.figures.ended("set_aside", item.arrival)
        self._mapping_faults += not getattr(error, "safe", False)  # the sender's faults are no fault of ours
        if self._mapping_faults > MAPPING_FAULTS:
            self._paused = True
            await self._drain.hold(f"more than {MAPPING_FAULTS} arrivals in a row could not be mapped")
        settled = self._line(item, Tried(Outcome.REFUSED), 0)
        settled.state, settled.outcome, settled.reason = State.SET_ASIDE, None, reason(error)
        return settled

    def _superseded(self, item: Claimed, newer: int) -> Settled:
        self._drain.figures.ended("superseded", item.arrival)
        settled = self._line(item, Tried(Outcome.REFUSED), 0)
        settled.state, settled.outcome, settled.by = State.SUPERSEDED, None, newer
        settled.reason = "a newer state of the same went instead"
        return settled

    def _unchanged(self, item: Claimed, by: int) -> Settled:
        self._drain.figures.ended("unchanged", item.arrival)
        settled = self._line(item, Tried(Outcome.DELIVERED), 0)
        settled.state, settled.outcome, settled.by = State.DELIVERED, None, by
        settled.reason = "the partner has this already: nothing of ours has changed"
        return settled

    async def _unopened(self, item: Claimed, error: Exception) -> Settled:
        """A key is missing or a body is damaged: nothing fails for it, the lane waits for a person."""
        self._paused = True
        await self._drain.away(self._lane.number, str(error))
        settled = self._line(item, Tried(Outcome.PROBE), 0)
        settled.unsure, settled.release, settled.wait = item.unsure_for is not None, True, 5.0
        return settled

    def _line(self, item: Claimed, tried: Tried, ms: int) -> Settled:
        answer = (
            tried.external_id.encode() + b"\n" + tried.answer if tried.external_id or tried.answer else b""
        )
        return Settled(
            queue=item.queue,
            seq=item.seq,
            part=item.part,
            arrival=item.arrival,
            version=item.version,
            track=self._lane.number,
            attempts=item.attempts,
            outcome=tried.outcome,
            status=tried.status,
            ms=ms,
            answer=self._drain.sealer.seal(answer, b"attempt", item.id) if answer else None,
        )
