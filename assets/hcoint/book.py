"""The book of orders: takes what hospitals say, and does what people ask, one transaction each.

What may happen is ``life``'s to say; how it is kept is ``shelf``'s. Doors, pages and commands come here; the
drain does not: it finds the note in the inbox.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from assets.hcoint import life
from assets.hcoint.documents import Document
from assets.hcoint.events import Order, Patient, VisitEnded
from assets.hcoint.life import Confirmed, Flag, Life, State
from assets.hcoint.shelf import LANE, Gone, Shelf, about_of, life_of
from assets.hcoint.told import Told, by_hl7, by_redox
from resources.store import notes, orders
from resources.store.connect import Connection
from resources.store.intake import Verdict
from resources.store.new_orders import keep_new
from resources.store.operators import Who
from resources.store.orders import Came, Row

__all__ = ["Book", "Gone", "Past", "Taken", "life_of"]

#: Bytes that are all there is to tell a repetition prove it for a day.
BYTES_PROVE = timedelta(hours=24)

IGNORED, CONFLICT, QUARANTINED = "duplicate_ignored", "conflict_kept", "quarantined_invalid"
VISIT_ENDED = "visit_ended"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message: kept, a repetition, or other content; and what it did to orders."""

    verdict: Verdict
    effects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """What another system knows of an order: since when, its end if it has one, the note if there is one."""

    since: datetime
    state: State = State.REQUESTED
    document: Document | None = None


class Book(Shelf):
    """The orders of all partners, and what happens to them."""

    # -- what hospitals say --------------------------------------------------------------------------------------

    def take(self, told: Told) -> Taken:
        """Keep a message and let it do what it does, in one transaction."""
        problem = told.problem or self._nobody(told)
        sealer, arrival = self.sealer(), self.number()
        came = self._came(told, problem)
        if not problem and (new := self._new(told, came, arrival)):
            return new
        # A pipeline: a dozen statements wait for the database a few times, which counts beside large uploads.
        with self.store() as db, db.pipeline(), db.transaction():
            kept = orders.keep(db, sealer, arrival, came)
            if kept.verdict is not Verdict.RECEIVED:
                what = IGNORED if kept.verdict is Verdict.DUPLICATE else CONFLICT
                return Taken(kept.verdict, (what,))
            if problem:
                return Taken(kept.verdict, (QUARANTINED,))
            # Several orders of one message are locked in the order of their keys, so that nobody waits in a ring.
            told_of = sorted(
                told.events, key=lambda event: self.key(event) if isinstance(event, Order) else 0
            )
            return Taken(kept.verdict, tuple([self._apply(db, event, arrival) for event in told_of]))

    def _new(self, told: Told, came: Came, arrival: int) -> Taken | None:
        """The usual message: one order that was never heard of. None: it is another, and nothing was written."""
        event = told.events[0]
        partner = self.partners.of(event.sender)
        # The end of a visit may come at the same time: where that counts, the long way looks.
        if len(told.events) > 1 or not isinstance(event, Order) or not partner or partner.after_discharge:
            return None
        found, effect = life.told(None, event)
        with self.store() as db:
            kept = keep_new(
                db,
                self.sealer(),
                arrival,
                came,
                self.row(None, found),
                patients=self.patients(event),
                alert_hours=self.alert_hours(event),
                what=effect.value,
            )
        return Taken(Verdict.RECEIVED, (effect.value,)) if kept else None

    def _nobody(self, told: Told) -> str:
        known = all(self.partners.of(event.sender) for event in told.events)
        return "" if known else "Meta.Source.ID, MSH-3: no partner in hcoint.toml sends from there"

    def _came(self, told: Told, problem: str) -> Came:
        sealer, first = self.sealer(), next(iter(told.events), None)
        order = first if isinstance(first, Order) else None
        return Came(
            name=sealer.name(LANE, told.delivery_id),
            kind=told.kind,
            digest=sealer.digest(told.content),
            body=told.body,
            reference=self.reference(order) if order else None,
            patient=self.patient(order.patient) if order else None,
            aside=problem or None,
            within=self.now() - BYTES_PROVE if told.by_bytes else None,
        )

    def _apply(self, db: Connection, event: Order | VisitEnded, arrival: int) -> str:
        if isinstance(event, VisitEnded):
            return self._end_visit(db, event, arrival)
        if named := self.visit(event):
            orders.lock_visit(db, named)
        row = orders.locked(db, self.sealer(), self.key(event))
        found, effect = life.told(life_of(row) if row else None, event)
        if (visit := self.visit(found.order)) and (ended := orders.ended_at(db, visit)):
            found = life.visit_ended(found, ended)
        if row and row.message and found.state is State.CANCELLED and row.state == State.FAILED:
            who = Who("the hospital", "the hospital has cancelled the order")
            notes.give_up(db, row.message, who, cancelled=True)
        row = self.write(db, row, found)
        orders.happened(db, row.id, effect.value, arrival=arrival)
        return effect.value

    def _end_visit(self, db: Connection, event: VisitEnded, arrival: int) -> str:
        visit = self.sealer().blind("visit", LANE, event.sender, event.facility, event.visit_number)
        orders.lock_visit(db, visit)
        orders.visit_ended(db, visit, event.ended_at)
        for key in orders.keys_of_visit(db, visit):
            if row := orders.locked(db, self.sealer(), key):
                self.write(db, row, life.visit_ended(life_of(row), event.ended_at))
                orders.happened(db, row.id, VISIT_ENDED, arrival=arrival)
        return VISIT_ENDED

    def take_again(self, arrival: int) -> bool:
        """Let a message that was set aside do what it says, now that it can be used; False: it still cannot."""
        with self.store() as db, db.transaction():
            raw = orders.set_aside(db, self.sealer(), arrival)
            if raw is None:
                return False
            told = self._told(raw)
            if told.problem or self._nobody(told):
                return False
            orders.no_longer_aside(db, arrival)
            for event in sorted(told.events, key=lambda one: self.key(one) if isinstance(one, Order) else 0):
                self._apply(db, event, arrival)
        return True

    def _told(self, raw: bytes) -> Told:
        if raw.lstrip().startswith(b"MSH"):
            return by_hl7(raw, self.partners.mllp_senders)[0]
        return by_redox(raw)

    # -- what another system knows -------------------------------------------------------------------------------

    def take_over(self, told: Told, past: Past) -> Taken:
        """Keep an order of another system with its end and its note; one that we know stays as it is here."""
        problem = told.problem or self._nobody(told)
        event = told.events[0] if len(told.events) == 1 else None
        if problem or not isinstance(event, Order):
            return Taken(Verdict.RECEIVED, (QUARANTINED,))
        sealer, arrival = self.sealer(), self.number()
        with self.store() as db, db.transaction():
            kept = orders.keep(db, sealer, arrival, self._came(told, ""))
            if kept.verdict is not Verdict.RECEIVED:
                return Taken(kept.verdict, (IGNORED,))
            if orders.locked(db, sealer, self.key(event)):
                return Taken(kept.verdict, (self._apply(db, event, arrival),))
            row = self.write(db, None, Life(order=event), since=past.since)
            orders.happened(db, row.id, "imported", arrival=arrival)
            self._with_past(db, row, Life(order=event), past)
        return Taken(kept.verdict, ("imported",))

    def _with_past(self, db: Connection, row: Row, found: Life, past: Past) -> None:
        document, number, who = past.document, self.number(), "the system before"
        if past.state is State.DELIVERED:
            sha256 = document.sha256 if document else ""
            ended = replace(found, state=State.DELIVERED, sha256=sha256, sent=1, delivered=1)
            if document:
                partner = self.partner(row)
                put = notes.delivered_before
                self.goes(db, row, replace(ended, delivered=0), partner, document, number, who, put)
                row = replace(row, message=number)
            self.write(db, row, ended)
        elif document and past.state is State.REQUESTED:
            self._attach(db, row, life.attached(found, document.sha256, self.partner(row)), document, who)
        elif past.state is not State.REQUESTED:
            self.write(db, row, replace(found, state=past.state))

    # -- what people do ------------------------------------------------------------------------------------------

    def attach(self, identifier: int, document: Document, who: str) -> None:
        """A person attaches a file: the note, another one before sending, or a corrected one."""
        with self.store() as db, db.transaction():
            row, found, partner = self.opened(db, identifier)
            self._attach(db, row, life.attached(found, document.sha256, partner), document, who)

    def _attach(self, db: Connection, row: Row, found: Life, document: Document, who: str) -> None:
        number = self.number()
        notes.attach(
            db,
            self.sealer(),
            number,
            order=row.id,
            who=who,
            kind=document.kind,
            about=about_of(document),
            data=document.data,
        )
        self.write(db, replace(row, upload=number), found)
        orders.happened(db, row.id, "note_attached", who=who)

    def send(self, identifier: int, confirmed: Confirmed, who: str) -> int:
        """A person sends the note, or sends it again after a failure; the message's id."""
        number = self.number()
        with self.store() as db, db.transaction():
            row, found, partner = self.opened(db, identifier)
            going = life.sending(
                found,
                partner,
                confirmed,
                sent_for=self._sent_for(db, found.sha256),
                production=self.production,
            )
            if again := self._same_again(db, row, found, who):
                return again
            document = self.document(db, row, found)
            if row.message:
                notes.give_up(db, row.message, Who(who, "another note for the same order goes instead"))
            self.goes(db, row, going, partner, document, number, who)
            self.write(db, replace(row, message=number, upload=None), going)
            notes.detach(db, row.id)
            orders.happened(db, row.id, "sent", arrival=number, who=who)
        return number

    def hold(self, identifier: int, who: str) -> None:
        """A person puts an order on hold."""
        self._act(identifier, life.held, "held", who)

    def release(self, identifier: int, who: str) -> None:
        """A person ends the hold."""
        self._act(identifier, life.released, "released", who)

    def clear(self, identifier: int, flag: Flag, who: str) -> None:
        """A person has looked into what a flag says."""
        self._act(identifier, lambda found: life.cleared(found, flag), f"cleared_{flag.name.lower()}", who)

    def _act(self, identifier: int, change: Callable[[Life], Life], what: str, who: str) -> None:
        with self.store() as db, db.transaction():
            row, found, _ = self.opened(db, identifier)
            self.write(db, row, change(found))
            orders.happened(db, row.id, what, who=who)

    def _same_again(self, db: Connection, row: Row, found: Life, who: str) -> int | None:
        """A note that failed and may have arrived goes again as it was, under the same numbers."""
        if found.state is not State.FAILED or not row.message or row.upload:
            return None
        if notes.was_refused(db, row.message):
            return None
        notes.again(db, row.message, Who(who, "sent again from the order's page"))
        orders.settle(db, key=row.key)
        orders.happened(db, row.id, "sent_again", arrival=row.message, who=who)
        return row.message

    def _sent_for(self, db: Connection, sha256: str) -> list[Patient]:
        """The patients for whom this very file was sent."""
        if not sha256:
            return []
        found = orders.orders(db, self.sealer(), notes.orders_sent(db, self.digest(sha256)))
        return [life_of(row).order.patient for row in found]
