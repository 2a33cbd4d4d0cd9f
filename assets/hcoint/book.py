"""The book of orders: takes what hospitals say, and does what people ask, one transaction each.

What may happen is ``life``'s to say; where it is kept is the store's. Doors, pages and commands come here; the
drain does not: it finds the note in the inbox.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec

from assets.hcoint import life
from assets.hcoint.answer import Answer, pack, unpack
from assets.hcoint.documents import Document
from assets.hcoint.events import Order, Patient, VisitEnded
from assets.hcoint.life import Confirmed, Flag, Life, NotNow, State
from assets.hcoint.note import Note
from assets.hcoint.partners import Partner, Partners
from assets.hcoint.told import Told
from resources.settings import Settings
from resources.store import notes, orders
from resources.store.connect import Borrowed, Connection
from resources.store.intake import Verdict
from resources.store.operators import Who
from resources.store.orders import Came, Numbers, Row
from resources.store.seal import Sealer

LANE = "hcoint"
#: Bytes that are all there is to tell a repetition prove it for a day.
BYTES_PROVE = timedelta(hours=24)

IGNORED, CONFLICT, QUARANTINED = "duplicate_ignored", "conflict_kept", "quarantined_invalid"
VISIT_ENDED = "visit_ended"


class _Kept(msgspec.Struct, frozen=True):
    """What is sealed of an order's life; the rest stands in columns."""

    order: Order
    placed: bool
    sha256: str
    held_in: State | None
    flags: frozenset[Flag]


class _About(msgspec.Struct, frozen=True):
    """What is known of a file that waits to be sent."""

    kind: str
    sha256: str
    pages: int
    remark: str


_kept = msgspec.json.Decoder(_Kept).decode
_about = msgspec.json.Decoder(_About).decode


def life_of(row: Row) -> Life:
    """An order's life as the store holds it."""
    kept = _kept(row.body)
    return Life(
        order=kept.order,
        state=State(row.state),
        placed=kept.placed,
        sha256=kept.sha256,
        sent=row.sent,
        delivered=row.delivered,
        held_in=kept.held_in,
        flags=kept.flags,
        version=row.version,
    )


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message: kept, a repetition, or other content; and what it did to orders."""

    verdict: Verdict
    effects: tuple[str, ...]


class Gone(Exception):
    """There is no such order, or no such file."""


class Book:
    """The orders of all partners. Blocking: call it from a thread."""

    def __init__(
        self,
        settings: Settings,
        partners: Partners,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.partners = partners
        self.store = Borrowed(settings.database_url, "handoff orders")
        self._keys, self._production, self._now = settings.keys, settings.production, now
        self._numbers = Numbers(settings.database_url)
        self._of_thread = threading.local()

    def close(self) -> None:
        """Close the connections."""
        self._numbers.close()
        self.store.close()

    def sealer(self) -> Sealer:
        """This thread's; the compressors of a sealer are not shared."""
        if not hasattr(self._of_thread, "sealer"):
            self._of_thread.sealer = Sealer(self._keys)
        sealer: Sealer = self._of_thread.sealer
        return sealer

    # -- what hospitals say --------------------------------------------------------------------------------------

    def take(self, told: Told) -> Taken:
        """Keep a message and let it do what it does, in one transaction."""
        problem = told.problem or self._nobody(told)
        sealer, arrival = self.sealer(), self._numbers()
        with self.store() as db, db.transaction():
            kept = orders.keep(db, sealer, arrival, self._came(told, problem))
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
            reference=self._reference(order) if order else None,
            patient=self._patient(order.patient) if order else None,
            aside=problem or None,
            within=self._now() - BYTES_PROVE if told.by_bytes else None,
        )

    def _apply(self, db: Connection, event: Order | VisitEnded, arrival: int) -> str:
        if isinstance(event, VisitEnded):
            return self._end_visit(db, event, arrival)
        row = orders.locked(db, self.sealer(), self.key(event))
        found, effect = life.told(life_of(row) if row else None, event)
        if (visit := self._visit(found.order)) and (ended := orders.ended_at(db, visit)):
            found = life.visit_ended(found, ended)
        if row and row.message and found.state is State.CANCELLED and row.state == State.FAILED:
            who = Who("the hospital", "the hospital has cancelled the order")
            notes.give_up(db, row.message, who, cancelled=True)
        row = self._write(db, row, found)
        orders.happened(db, row.id, effect.value, arrival=arrival)
        return effect.value

    def _end_visit(self, db: Connection, event: VisitEnded, arrival: int) -> str:
        visit = self.sealer().blind("visit", LANE, event.sender, event.facility, event.visit_number)
        orders.visit_ended(db, visit, event.ended_at)
        for key in orders.keys_of_visit(db, visit):
            if row := orders.locked(db, self.sealer(), key):
                self._write(db, row, life.visit_ended(life_of(row), event.ended_at))
                orders.happened(db, row.id, VISIT_ENDED, arrival=arrival)
        return VISIT_ENDED

    # -- what people do ------------------------------------------------------------------------------------------

    def attach(self, identifier: int, document: Document, who: str) -> None:
        """A person attaches a file: the note, another one before sending, or a corrected one."""
        number, about = self._numbers(), _about_of(document)
        with self.store() as db, db.transaction():
            row, found, partner = self._open(db, identifier)
            found = life.attached(found, document.sha256, partner)
            notes.attach(
                db,
                self.sealer(),
                number,
                order=row.id,
                who=who,
                kind=document.kind,
                about=about,
                data=document.data,
            )
            self._write(db, replace(row, upload=number), found)
            orders.happened(db, row.id, "note_attached", who=who)

    def send(self, identifier: int, confirmed: Confirmed, who: str) -> int:
        """A person sends the note, or sends it again after a failure; the message's id."""
        number = self._numbers()
        with self.store() as db, db.transaction():
            row, found, partner = self._open(db, identifier)
            going = life.sending(
                found,
                partner,
                confirmed,
                sent_for=self._sent_for(db, found.sha256),
                production=self._production,
            )
            if again := self._same_again(db, row, found, who):
                return again
            document = self.document(db, row, found)
            if found.state is State.FAILED and row.message:
                notes.give_up(db, row.message, Who(who, "another note for the same order goes instead"))
            self._owe(db, row, going, partner, document, number, who)
            self._write(db, replace(row, message=number, upload=None), going)
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
            row, found, _ = self._open(db, identifier)
            self._write(db, row, change(found))
            orders.happened(db, row.id, what, who=who)

    # -- the parts -----------------------------------------------------------------------------------------------

    def document(self, db: Connection, row: Row, found: Life) -> Document:
        """The file that waits, or the one that was sent last. Log the look before you call this."""
        sealer = self.sealer()
        if row.upload and (waiting := notes.upload(db, sealer, row.upload)):
            about = _about(waiting.about)
            return Document(waiting.data, about.kind, about.sha256, about.pages, about.remark)
        if row.message and found.sha256:
            sent = notes.sent_file(db, sealer, row.message)
            if sent is not None:
                return unpack(sent).note.document
        raise Gone("there is no file for this order")

    def key(self, order: Order) -> int:
        """The blind index of an order, under which its messages meet."""
        return self.sealer().blind("queue", LANE, *order.key)

    def _open(self, db: Connection, identifier: int) -> tuple[Row, Life, Partner]:
        """The order, locked until our transaction ends."""
        key = orders.key_of(db, identifier)
        row = orders.locked(db, self.sealer(), key) if key is not None else None
        if row is None:
            raise Gone("there is no such order")
        return row, life_of(row), self._partner(row)

    def _partner(self, row: Row) -> Partner:
        try:
            return self.partners.named(row.partner)
        except KeyError:
            raise NotNow(
                "This hospital is not set up here any more. Ask your administrator about hcoint.toml."
            ) from None

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

    def _owe(
        self,
        db: Connection,
        row: Row,
        going: Life,
        partner: Partner,
        document: Document,
        number: int,
        who: str,
    ) -> None:
        sealer, order = self.sealer(), going.order
        note = Note(document, number=going.sent, replaces=going.delivered)
        sent = notes.Sent(
            message=number,
            order=row.id,
            number=note.number,
            partner=partner.name,
            digest=self.digest(document.sha256),
            kind=document.kind,
            size=len(document.data),
            who=who,
        )
        notes.owe(
            db,
            sealer,
            sent,
            name=sealer.name(LANE, "note", str(row.id), str(note.number)),
            queue=row.key,
            reference=row.reference,
            patient=self._patient(order.patient),
            body=pack(Answer(order, note, partner.name)),
        )

    def digest(self, sha256: str) -> int:
        """The blind index of a file."""
        return self.sealer().blind("file", LANE, sha256)

    def _sent_for(self, db: Connection, sha256: str) -> list[Patient]:
        """The patients for whom this very file was sent."""
        if not sha256:
            return []
        found = orders.orders(db, self.sealer(), notes.orders_sent(db, self.digest(sha256)))
        return [life_of(row).order.patient for row in found]

    def _write(self, db: Connection, row: Row | None, found: Life) -> Row:
        """The order as it is now; a note that was attached and is not wanted any more goes."""
        order, sealer = found.order, self.sealer()
        partner = self.partners.of_order(order)
        body = msgspec.json.encode(_Kept(order, found.placed, found.sha256, found.held_in, found.flags))
        now = self._now()
        written = Row(
            id=row.id if row else self._numbers(),
            key=self.key(order),
            partner=row.partner if row else partner.name if partner else "",
            reference=self._reference(order),
            visit=self._visit(order),
            state=found.state.value,
            test=order.test,
            version=found.version,
            sent=found.sent,
            delivered=found.delivered,
            upload=row.upload if row else None,
            message=row.message if row else None,
            requested_at=row.requested_at if row else now,
            changed_at=now,
            body=body,
        )
        patients = [sealer.blind("patient", LANE, one.id) for one in order.patient.identifiers]
        orders.place(
            db, sealer, written, patients=patients, alert_hours=partner.note_alert_hours if partner else 72
        )
        return written

    def _reference(self, order: Order) -> int:
        return self.sealer().blind("reference", LANE, order.order_id)

    def _visit(self, order: Order) -> int | None:
        if not order.visit.number:
            return None
        return self.sealer().blind("visit", LANE, order.sender, order.facility, order.visit.number)

    def _patient(self, patient: Patient) -> int:
        """The first identifier; the order is found by each of them."""
        return self.sealer().blind("patient", LANE, patient.identifiers[0].id)


def _about_of(document: Document) -> bytes:
    return msgspec.json.encode(_About(document.kind, document.sha256, document.pages, document.remark))
