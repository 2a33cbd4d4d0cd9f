"""Where orders are kept, in the lane's own values: a life in, a life out, everything sealed and found blindly.

What may happen to an order is ``life``'s, who makes it happen is ``book``'s; here it is only read and written.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from assets.hcoint.answer import Answer, pack, unpack
from assets.hcoint.documents import Document
from assets.hcoint.events import Order, Patient
from assets.hcoint.life import Flag, Life, NotNow, State
from assets.hcoint.note import Note
from assets.hcoint.partners import Partner, Partners
from resources.settings import Settings
from resources.store import notes, orders
from resources.store.connect import Borrowed, Connection
from resources.store.orders import Numbers, Row
from resources.store.seal import Sealer
from resources.store.sealers import Sealers

LANE = "hcoint"


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


class Gone(Exception):
    """There is no such order, or no such file."""


class Shelf:
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
        self.production, self.now = settings.production, now
        self._numbers = Numbers(settings.database_url)
        self._sealers = Sealers(settings.keys)

    def number(self) -> int:
        """An id for something new."""
        return self._numbers()

    def close(self) -> None:
        """Close the connections."""
        self._numbers.close()
        self.store.close()

    def sealer(self) -> Sealer:
        """This thread's."""
        return self._sealers.mine()

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

    def opened(self, db: Connection, identifier: int) -> tuple[Row, Life, Partner]:
        """The order, locked until our transaction ends."""
        key = orders.key_of(db, identifier)
        row = orders.locked(db, self.sealer(), key) if key is not None else None
        if row is None:
            raise Gone("there is no such order")
        return row, life_of(row), self.partner(row)

    def partner(self, row: Row) -> Partner:
        """Whose order it is."""
        try:
            return self.partners.named(row.partner)
        except KeyError:
            raise NotNow(
                "This hospital is not set up here any more. Ask your administrator about hcoint.toml."
            ) from None

    def goes(
        self,
        db: Connection,
        row: Row,
        going: Life,
        partner: Partner,
        document: Document,
        number: int,
        who: str,
        put: Callable[..., None] = notes.owe,
    ) -> None:
        """Put the note where it goes: into the queue of its order, or to those that another system has sent."""
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
        put(
            db,
            sealer,
            sent,
            name=sealer.name(LANE, "note", str(row.id), str(note.number)),
            queue=row.key,
            reference=row.reference,
            patient=self.patient(order.patient),
            body=pack(Answer(order, note, partner.name)),
        )

    def digest(self, sha256: str) -> int:
        """The blind index of a file."""
        return self.sealer().blind("file", LANE, sha256)

    def write(self, db: Connection, row: Row | None, found: Life, *, since: datetime | None = None) -> Row:
        """Write the order down as it is now; ``since`` is when a new one was placed, unless it was just now."""
        written = self.row(row, found, since)
        orders.place(
            db,
            self.sealer(),
            written,
            patients=self.patients(found.order),
            alert_hours=self.alert_hours(found.order),
        )
        return written

    def row(self, row: Row | None, found: Life, since: datetime | None = None) -> Row:
        """The order as it is to be kept; ``row`` is how it was, None for a new one."""
        order, partner = found.order, self.partners.of_order(found.order)
        body = msgspec.json.encode(_Kept(order, found.placed, found.sha256, found.held_in, found.flags))
        now = self.now()
        return Row(
            id=row.id if row else self.number(),
            key=self.key(order),
            partner=row.partner if row else partner.name if partner else "",
            reference=self.reference(order),
            visit=self.visit(order),
            state=found.state.value,
            test=order.test,
            version=found.version,
            sent=found.sent,
            delivered=found.delivered,
            upload=row.upload if row else None,
            message=row.message if row else None,
            requested_at=row.requested_at if row else since or now,
            changed_at=now,
            body=body,
        )

    def patients(self, order: Order) -> list[int]:
        """The blind indexes by which the patient's orders are found."""
        sealer = self.sealer()
        return [sealer.blind("patient", LANE, one.id) for one in order.patient.identifiers]

    def alert_hours(self, order: Order) -> int:
        """After so many hours somebody should hear that the order still waits."""
        partner = self.partners.of_order(order)
        return partner.note_alert_hours if partner else 72

    def reference(self, order: Order) -> int:
        """The blind index of an order's number."""
        return self.sealer().blind("reference", LANE, order.order_id)

    def visit(self, order: Order) -> int | None:
        """The blind index of an order's visit, where it names one."""
        if not order.visit.number:
            return None
        return self.sealer().blind("visit", LANE, order.sender, order.facility, order.visit.number)

    def patient(self, patient: Patient) -> int:
        """The blind index of the first identifier; the order is found by each of them."""
        return self.sealer().blind("patient", LANE, patient.identifiers[0].id)


def about_of(document: Document) -> bytes:
    """What is kept of a file beside its bytes."""
    return msgspec.json.encode(_About(document.kind, document.sha256, document.pages, document.remark))
