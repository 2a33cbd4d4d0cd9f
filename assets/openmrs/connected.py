"""A link with its two servers on the line: what settles records and what reads feeds share.

Some records of a link are settled side by side, each in one task's hand; one run at a time has its turn at a link,
for two runs creating the same patient would make two of them.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from assets.openmrs.catchment import Catchment
from assets.openmrs.events import Key, Side
from assets.openmrs.hints import Told
from assets.openmrs.links import Link, account
from assets.openmrs.mapping import FarKind
from assets.openmrs.membership import present
from assets.openmrs.ports import Learnt, Outcome, Settled
from assets.openmrs.shelf import StoreShelf
from assets.openmrs.sync import Apart, Sync
from assets.openmrs.tree import decode, text
from assets.openmrs.turns import InHand, Turn
from resources import partner_http
from resources.errors import DeliveryError, OneAway, PartnerAway, Refused, TryLater, Unsure
from resources.fhir_server import FhirServer
from resources.openmrs import OpenMrs
from resources.openmrs_outbox import ChildOutbox
from resources.settings import Settings

#: A side that does not answer is left alone for so long; its records wait and pay no attempt.
AWAY_SECONDS = 30.0
#: Answers that say nothing about the record: no connection, too many requests, a gateway.
_NOT_THE_RECORD = (0, 408, 429, 502, 503, 504)


class Connected:
    """One link in one run."""

    def __init__(
        self,
        link: Link,
        settings: Settings,
        shelf: StoreShelf,
        turn: Turn,
        apart: Apart | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.link = link
        self._over = partner_http.transport(connections=link.at_once + 2)
        self.ends = {side: self._end(side, settings) for side in Side}
        self.outbox = ChildOutbox(link.outbox_url) if link.push == "C" else None
        self._shelf, self._turn, self._apart, self._clock = shelf, turn, apart, clock
        self._room = asyncio.Semaphore(link.at_once)
        self._hand = InHand()
        self._asking = asyncio.Lock()
        self._fresh_at = 0.0
        self._catchment: Catchment | None = None
        self._learnt = Learnt()
        self._away = (0.0, "")

    def _end(self, side: Side, settings: Settings) -> FhirServer:
        who = account(self.link.name, side, settings.values)
        end = self.link.on(side)
        kind = FhirServer if end.kind is FarKind.R4 else OpenMrs
        return kind(self._over, end.url, user=who.user, password=who.password, rate=self.link.rate)

    async def close(self) -> None:
        """Hang up everywhere."""
        await self._over.aclose()
        if self.outbox is not None:
            await asyncio.to_thread(self.outbox.close)

    async def settle(self, told: Told, message: int) -> Settled:
        """Bring the record of one message to agreement, and keep what came of it."""
        async with self._room:
            self._answering()
            async with self._turn:
                shelf = self._shelf.of(message)
                try:
                    return await self._settled(told, shelf)
                except Refused as refused:
                    await shelf.fail(told.on, told.key, str(refused))
                    await self._mark(told, f"refused: {refused}")
                    raise
                except DeliveryError as error:
                    raise self._judged(error) from None

    def _answering(self) -> None:
        until, why = self._away
        if (left := until - self._clock()) > 0:
            raise OneAway(why, after_seconds=left)

    def _judged(self, error: DeliveryError) -> DeliveryError:
        """A side that is away holds up its own link only; what may have arrived is asked about."""
        if isinstance(error, OneAway):
            return error
        away = isinstance(error, PartnerAway) or (
            isinstance(error, TryLater) and not isinstance(error, Unsure) and error.status in _NOT_THE_RECORD
        )
        if not away or not isinstance(error, TryLater):
            return error
        wait = max(error.after_seconds or 0.0, AWAY_SECONDS)
        self._away = (self._clock() + wait, f"{self.link.name}: {error}")
        return OneAway(
            f"{self.link.name}: {error}", status=error.status, answer=error.answer, after_seconds=wait
        )

    async def _settled(self, told: Told, shelf: StoreShelf) -> Settled:
        catchment = await self._present()
        sync = Sync(
            self.link,
            self.ends,
            shelf,
            catchment,
            hand=self._hand,
            learnt=self._learnt,
            apart=self._apart,
        )
        async with sync.alone(told.on, told.key):
            # Only of a patient it matters what the publisher said: whether older records are to be fetched.
            actions = await shelf.actions() if told.type == "Patient" else frozenset()
            handed_in = decode(bytes(told.record)) if told.record else None
            done = await sync.settle(told.on, told.key, actions, handed_in)
            if done.outcome is Outcome.CONFLICT and (decision := await shelf.decision(told.on, told.key)):
                done = await sync.settle(told.on, told.key, actions, handed_in, decision)
            history = await self._history(done) if done.wants_history else []
            await shelf.settle(done, history=history)
        await self._mark(told, done.reason if done.outcome in FAILED else "")
        return done

    async def _present(self) -> Catchment:
        """What a run has learnt of neighbours and members holds as long as a reading of the feeds does."""
        async with self._asking:
            now = self._clock()
            if self._catchment is None or now - self._fresh_at > self.link.every_seconds:
                self._catchment = await present(self.link.catchment, self.ends[Side.PARENT])
                self._fresh_at, self._learnt = now, Learnt()
        return self._catchment

    async def _history(self, done: Settled) -> list[Key]:
        """The older records of a patient who has come into the catchment: they are looked at one by one (R16)."""
        parent = self.ends[Side.PARENT]
        if not isinstance(parent, OpenMrs):
            return []
        records = [decode(body) for body in await parent.history_of(done.state.parent.id)]
        return [Key(text(record, "resourceType"), text(record, "id")) for record in records]

    async def _mark(self, told: Told, problem: str) -> None:
        """Say in the child's own table what became of its row."""
        if self.outbox is None or not told.row:
            return
        if problem:
            await asyncio.to_thread(self.outbox.failed, told.row, problem)
        else:
            at = datetime.now(UTC)
            await asyncio.to_thread(self.outbox.transported, told.row, told.type, told.id, at)


#: What a message of the lane fails for; both versions and what is waited for are kept with the record.
FAILED: Mapping[Outcome, str] = {
    Outcome.CONFLICT: "waits for a person",
    Outcome.PARKED: "waits for another record",
    Outcome.SET_ASIDE: "cannot be sent as it is",
}


def failure(done: Settled) -> Refused | None:
    """The message's failure where its record could not be settled; ids and values are not in its text."""
    if done.outcome not in FAILED:
        return None
    if done.outcome is Outcome.PARKED:
        kinds = ", ".join(sorted({key.type for key in done.waits_for}))
        return Refused(f"waits for another record: {kinds}; it is tried again when that changes")
    return Refused(f"{FAILED[done.outcome]}: {done.reason}")
