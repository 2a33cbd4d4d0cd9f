"""Message by message: one in flight a queue, the next only after the one before is committed.

An arrival is mapped by the run that has claimed it, so a mapping that is deployed is in force with the next
claim. Its bytes stand in the outbox, committed together with the outcome of the message before it, when the
first byte leaves.
"""

import asyncio
import random
from collections import deque
from collections.abc import Coroutine
from typing import Any

from assets.drain import outcomes
from assets.drain.bodies import pack, reason, unpack
from assets.drain.frame import Drain
from assets.drain.outcomes import Breaker, Outcome, Tried
from assets.drain.settings import Client, SinglesLane
from resources.errors import DeliveryError
from resources.store import claims
from resources.store.books import Settled, Stored, cancel_rest
from resources.store.claims import Claimed
from resources.store.ids import PARTS, moment
from resources.store.seal import KeyMissing, Unreadable
from resources.store.values import Arrival, Message, OnFailure, Owed, State

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
        self._queues: asyncio.Queue[tuple[int, deque[Claimed], bool]] = asyncio.Queue()
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
        gate = await self._drain.gate()
        self._paused, self._probing = gate.away, gate.probe
        if not gate.open and not gate.probe:
            return gate.wait
        claimed = await self._claim(1 if gate.probe else room, 1 if gate.probe else self._pace.each)
        if claimed == room:
            return 0.0
        if claimed or self._held:
            return None
        return (await claims.ready_async(self._drain.claims, self._lane.number, 1)).next_seconds

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
        for queue, items in found.items():
            if items:
                self._held += 1
                self._queues.put_nowait((queue, deque(items), len(items) == each))
        return len(found) - len(empty)

    async def _work(self) -> None:
        while True:
            queue, items, more = await self._queues.get()
            await self._drain_queue(queue, items, more)
            self._held -= 1
            # Room for another claim, or nothing left to do: either way the frame should look.
            if self._queues.qsize() < self._pace.concurrency // 2:
                self._drain.wake()

    async def _drain_queue(self, queue: int, items: deque[Claimed], more: bool) -> None:
        """Send a queue's messages one after the other until one must wait, then give the queue back."""
        before: list[Settled] = []
        while items and not self._drain.stopping and not (self._paused and not self._probing):
            item = items.popleft()
            if newer := self._newer(item, items):
                before.append(self._superseded(item, newer))
                continue
            try:
                stored = [] if item.stored else self._map(item, items)
                message = self._message(item)
            except (KeyMissing, Unreadable) as error:
                before.append(await self._unopened(item, error))
                break
            except (
                Exception
            ) as error:  # a fault of a mapping, also a bug of ours, concerns this arrival alone
                before.append(await self._set_aside(item, error))
                continue
            tried, ms = await self._try(item, message, stored, before)
            before = [settled := await self._judge(item, tried, ms)]
            if settled.release:
                break
        await self._give_back(queue, items, more, before)

    async def _give_back(self, queue: int, items: deque[Claimed], more: bool, before: list[Settled]) -> None:
        if not before:
            await claims.rest(self._drain.claims, [queue], self._drain.lease)
            return
        last = before[-1]
        if not last.release:
            last.release, last.again = True, bool(items) or more
        await self._drain.books.write([], before)
        if last.cancel_rest:
            await cancel_rest(self._drain.claims, last)

    def _newer(self, item: Claimed, behind: deque[Claimed]) -> Claimed | None:
        """Of several waiting snapshots in a row only the newest goes; a message that was tried is not passed."""
        if item.stored or not self._lane.full_state(item.kind):
            return None
        newest = None
        for later in behind:
            if later.stored or later.part or not self._lane.full_state(later.kind):
                break
            newest = later
        return newest

    # -- mapping ---------------------------------------------------------------------------------------------

    def _message(self, item: Claimed) -> Message:
        body, address = unpack(self._drain.sealer.open(item.body, b"outbox", item.id))
        return Message(
            id=item.id,
            kind=item.kind,
            queue=item.queue,
            seq=item.seq,
            attempts=item.attempts,
            body=body,
            address=address,
        )

    def _map(self, item: Claimed, behind: deque[Claimed]) -> list[Stored]:
        """Make the messages of an arrival; the further ones follow it in its queue."""
        arrival = Arrival(
            id=item.arrival,
            kind=item.kind,
            body=self._drain.sealer.open(item.body, b"inbox", item.arrival),
            received_at=moment(item.arrival),
        )
        owed = list(self._lane.map(arrival))
        if not 0 < len(owed) <= PARTS:
            raise ValueError(f"the mapping made {len(owed)} messages of one arrival")
        self._mapping_faults = 0
        stored = [self._bytes(item, part, one) for part, one in enumerate(owed)]
        item.kind, item.body = stored[0].kind, stored[0].body
        for one in reversed(stored[1:]):
            behind.appendleft(_further(item, one))
        return stored

    def _bytes(self, item: Claimed, part: int, owed: Owed) -> Stored:
        return Stored(
            queue=item.queue,
            seq=item.seq,
            part=item.part + part,
            arrival=item.arrival,
            version=item.version,
            track=self._lane.number,
            kind=owed.kind,
            digest=self._drain.sealer.digest(owed.body),
            body=self._drain.sealer.seal(pack(owed.body, owed.address), b"outbox", item.id + part),
            new=part > 0,
        )

    # -- trying ----------------------------------------------------------------------------------------------

    async def _try(
        self, item: Claimed, message: Message, stored: list[Stored], before: list[Settled]
    ) -> tuple[Tried, int]:
        """Ask first where the message may have arrived; else send it, once its bytes are committed."""
        if stored or before:
            await self._drain.books.write(stored, before)
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
        settled = (item.unsure_for or 0.0) >= self._pace.settle
        no = None
        if not settled or self._pace.retry.used_up(item.attempts):
            no = Tried(Outcome.NOT_FOUND, text="the partner does not have it", final=settled)
        if not self._lane.can_ask:
            return no
        try:
            receipt = await self._client.ask(message)
        except DeliveryError as error:
            return Tried(Outcome.NOT_FOUND, error.status, error.answer, text=str(error))
        if receipt is not None:
            return outcomes.taken(receipt, found=True)
        return no

    # -- judging ---------------------------------------------------------------------------------------------

    async def _judge(self, item: Claimed, tried: Tried, ms: int) -> Settled:
        self._drain.figures.tried(tried.outcome)
        settled = self._line(item, tried, ms)
        if tried.outcome in (Outcome.DELIVERED, Outcome.ACCEPTED, Outcome.FOUND):
            await self._partner_answers()
            settled.state = State.ACCEPTED if tried.outcome is Outcome.ACCEPTED else State.DELIVERED
            settled.attempts += tried.outcome is not Outcome.FOUND
            self._drain.figures.ended(settled.state.name.lower(), item.arrival)
        elif tried.outcome is Outcome.REFUSED:
            await self._partner_answers()
            settled.attempts += 1
            self._fail(settled, item, tried.text)
        elif tried.outcome is Outcome.NOT_FOUND and tried.final:
            self._fail(settled, item, f"given up after {item.attempts} tries: {tried.text}")
        elif tried.outcome is Outcome.NOT_FOUND:
            settled.release, settled.unsure = True, True
            left = self._pace.settle - (item.unsure_for or 0.0)
            settled.wait = max(0.05, min(self._pace.ask_every, left))
        else:
            await self._later(settled, item, tried)
        return settled

    async def _later(self, settled: Settled, item: Claimed, tried: Tried) -> None:
        settled.release = True
        settled.unsure = tried.outcome is Outcome.UNSURE
        pause = tried.away or self._probing
        if not pause:
            pause_now = self._breaker.failed(self._drain.clock())
            settled.attempts += 1
            wait = self._pace.retry.wait(settled.attempts, tried.after_seconds, self._chance)
            if settled.unsure:
                settled.wait = min(self._pace.ask_every, self._pace.settle)
            elif wait is None:
                self._fail(settled, item, f"given up after {settled.attempts} tries: {tried.text}")
            else:
                settled.wait = wait
        else:
            # The breaker's probe, or a lane that cannot work at all: no attempt is eaten.
            settled.outcome = Outcome.UNSURE if settled.unsure else Outcome.PROBE
            settled.wait = max(0.05, tried.after_seconds)
            pause_now = True
        if pause_now:
            self._paused = True
            self._breaker.answered()
            await self._drain.away(tried.text)

    async def _partner_answers(self) -> None:
        self._breaker.answered()
        if self._probing or self._paused:
            self._probing = self._paused = False
            await self._drain.back()

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
        self._mapping_faults += 1
        if self._mapping_faults > MAPPING_FAULTS:
            self._paused = True
            await self._drain.hold(f"more than {MAPPING_FAULTS} arrivals in a row could not be mapped")
        settled = self._line(item, Tried(Outcome.REFUSED), 0)
        settled.state, settled.outcome, settled.reason = State.SET_ASIDE, None, reason(error)
        return settled

    def _superseded(self, item: Claimed, newer: Claimed) -> Settled:
        self._drain.figures.ended("superseded", item.arrival)
        settled = self._line(item, Tried(Outcome.REFUSED), 0)
        settled.state, settled.outcome, settled.by = State.SUPERSEDED, None, newer.id
        settled.reason = "a newer state of the same went instead"
        return settled

    async def _unopened(self, item: Claimed, error: Exception) -> Settled:
        """A key is missing or a body is damaged: nothing fails for it, the lane waits for a person."""
        self._paused = True
        await self._drain.away(str(error))
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


def _further(item: Claimed, stored: Stored) -> Claimed:
    return Claimed(
        queue=item.queue,
        seq=item.seq,
        part=stored.part,
        arrival=item.arrival,
        version=item.version,
        attempts=0,
        unsure_for=None,
        flag=None,
        stored=True,
        kind=stored.kind,
        body=stored.body,
    )
