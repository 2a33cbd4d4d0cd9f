"""A link with its two servers on the line: what settles records and what reads feeds share.

One record of a link is settled at a time, in this run by a lock and across runs by the shelf's turn: records lean
on each other, and two runs creating the same patient would make two of them.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from assets.openmrs.events import Key, Side
from assets.openmrs.hints import Told
from assets.openmrs.links import Link, account
from assets.openmrs.mapping import FarKind
from assets.openmrs.membership import present
from assets.openmrs.ports import Outcome, Settled
from assets.openmrs.shelf import StoreShelf
from assets.openmrs.sync import UNDECIDED, Sync
from assets.openmrs.tree import decode, text
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.link = link
        self._over = partner_http.transport(connections=8)
        self.ends = {side: self._end(side, settings) for side in Side}
        self.outbox = ChildOutbox(link.outbox_url) if link.push == "C" else None
        self._shelf, self._clock = shelf, clock
        self._lock = asyncio.Lock()
        self._sync: tuple[float, Sync] | None = None
        self._away = (0.0, "")

    def _end(self, side: Side, settings: Settings) -> FhirServer:
        who = account(self.link.name, side, settings.values)
        end = self.link.on(side)
        kind = FhirServer if end.kind is FarKind.R4 else OpenMrs
        return kind(self._over, end.url, user=who.user, password=who.password, rate=self.link.rate)

    async def close(self) -> None:
        """Hang up everywhere."""
        await self._over.aclose()
        await self._shelf.close()
        if self.outbox is not None:
            await asyncio.to_thread(self.outbox.close)

    async def settle(self, told: Told, message: int) -> Settled:
        """Bring the record of one message to agreement, and keep what came of it."""
        async with self._lock:
            self._answering()
            await self._shelf.turn()
            self._shelf.message = message
            try:
                return await self._settled(told)
            except DeliveryError as error:
                raise self._judged(error) from None
            finally:
                self._shelf.message = None
                await self._shelf.done()

    def _answering(self) -> None:
        until, why = self._away
        if (left := until - self._clock()) > 0:
            raise OneAway(why, after_seconds=left)

    def _judged(self, error: DeliveryError) -> DeliveryError:
        """A side that is away holds up its own link only; what may have arrived is asked about."""
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

    async def _settled(self, told: Told) -> Settled:
        sync, decision = await self._fresh(), await self._shelf.decision(told.on, told.key)
        done = await sync.settle(
            told.on,
            told.key,
            await self._shelf.actions(),
            handed_in=decode(bytes(told.record)) if told.record else None,
            decision=decision or UNDECIDED,
        )
        history = await self._history(done) if done.wants_history else []
        await self._shelf.settle(done, history=history, decided=decision is not None)
        await self._mark(told, done)
        return done

    async def _fresh(self) -> Sync:
        """What a run has learnt of neighbours and members holds as long as a reading of the feeds does."""
        now = self._clock()
        if self._sync is None or now - self._sync[0] > self.link.every_seconds:
            catchment = await present(self.link.catchment, self.ends[Side.PARENT])
            self._sync = now, Sync(self.link, self.ends, self._shelf, catchment)
        return self._sync[1]

    async def _history(self, done: Settled) -> list[Key]:
        """The older records of a patient who has come into the catchment: they are looked at one by one (R16)."""
        parent = self.ends[Side.PARENT]
        if not isinstance(parent, OpenMrs):
            return []
        records = [decode(body) for body in await parent.history_of(done.state.parent.id)]
        return [Key(text(record, "resourceType"), text(record, "id")) for record in records]

    async def _mark(self, told: Told, done: Settled) -> None:
        """Say in the child's own table what became of its row."""
        if self.outbox is None or not told.row:
            return
        if done.outcome in FAILED:
            await asyncio.to_thread(self.outbox.failed, told.row, done.reason)
        else:
            await asyncio.to_thread(self.outbox.transported, [told.row], datetime.now(UTC))


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
