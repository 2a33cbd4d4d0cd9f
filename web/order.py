"""``/orders/<id>``: one order, its patient, its note; attach, look, confirm, send, send again, hold; its life."""

import threading
from collections.abc import Callable

import pypdf  # noqa: F401 - loaded with the service, not within the first upload

from assets.hcoint.book import Book, Gone, life_of
from assets.hcoint.documents import KINDS, LARGEST, NotTaken, examine
from assets.hcoint.life import Confirmed, Flag, Life, NotNow, State, full_name
from assets.hcoint.note import our_note_id
from assets.hcoint.partners import Partner
from resources.clamd import Clamd, ScannerAway
from resources.store import notes
from resources.store import orders as kept
from resources.store.orders import Row
from web import order_showing
from web.staff import (
    CLINICIAN,
    Page,
    PageRequest,
    Problem,
    Response,
    download,
    flash,
    log_access,
    page,
    redirect,
    render,
)

NO_SUCH = Problem(
    404, "There is no such order.", "It may have been typed wrongly, or kept its time and gone."
)
#: So many files are examined and sealed at a time: orders must not wait for it.
_examining = threading.Semaphore(1)
MIME = {"tiff": "image/tiff", "rtf": "application/rtf"} | order_showing.SHOWN

VIRUS = "The virus check stopped this file. Do not send it, and tell your IT support."
SCANNER_AWAY = (
    "The virus check does not answer just now, so the file has to wait: nothing of it was kept."
    " Attach it again in some minutes."
)


def pages(book: Book, arrived: Callable[[str], None], *, scanner: str) -> list[Page]:
    """The pages of one order."""
    clamd = Clamd.at(scanner)
    return [one(book), attach(book, clamd), send(book, arrived), act(book), note(book)]


def one(book: Book) -> Page:
    """The order."""

    @page("/orders/{id:int}", roles={CLINICIAN}, title="Order")
    def shown(request: PageRequest) -> Response:
        return _order(request, book)

    return shown


def attach(book: Book, scanner: Clamd | None) -> Page:
    """A file is attached, or a sentence says why not."""

    @page("/orders/{id:int}/note", roles={CLINICIAN}, method="POST", upload=LARGEST)
    def attached(request: PageRequest) -> Response:
        upload = request.uploads.get("note")
        if upload is None:
            return _order(request, book, wrong="Please choose a file first.", status=400)
        number = request.path_params["id"]
        try:
            partner = _partner(book, request)
            if scanner is not None and not scanner.clean(upload.data):
                raise NotTaken(VIRUS)
            with _examining:
                document = examine(upload.data, name=upload.name, kinds=partner.kinds)
                book.attach(number, document, request.person.name)
        except NotTaken as error:
            return _order(request, book, wrong=str(error), status=413 if error.too_large else 422)
        except ScannerAway:
            return _order(request, book, wrong=SCANNER_AWAY, status=503)
        except NotNow as error:
            return _order(request, book, wrong=str(error), status=409)
        except Gone:
            raise NO_SUCH from None
        flash(request, "The file is attached. Look at it and at the patient, then send it.")
        return redirect(request, f"/orders/{number}")

    return attached


def send(book: Book, arrived: Callable[[str], None]) -> Page:
    """The note is sent for the patient whom the person confirmed."""

    @page("/orders/{id:int}/send", roles={CLINICIAN}, method="POST")
    def sent(request: PageRequest) -> Response:
        number, fields = request.path_params["id"], request.fields
        if not (fields.get("right_name") and fields.get("right_birth_date")):
            return _order(
                request, book, wrong="Please confirm the name and the date of birth first.", status=400
            )
        version = fields.get("version", "")
        confirmed = Confirmed(
            fields.get("name", ""),
            fields.get("birth_date", ""),
            int(version) if version.isdecimal() and len(version) < 10 else 0,
        )
        try:
            book.send(number, confirmed, request.person.name)
        except NotNow as error:
            return _order(request, book, wrong=str(error), status=409)
        except Gone:
            raise NO_SUCH from None
        arrived("hcoint")
        flash(request, "The note is on its way.")
        return redirect(request, f"/orders/{number}")

    return sent


def act(book: Book) -> Page:
    """Hold, release, or settle what a flag says."""

    @page("/orders/{id:int}/act", roles={CLINICIAN}, method="POST")
    def acted(request: PageRequest) -> Response:
        number, who = request.path_params["id"], request.person.name
        what = request.fields.get("act", "")
        try:
            if what == "hold":
                book.hold(number, who)
            elif what == "release":
                book.release(number, who)
            elif what in Flag.__members__:
                book.clear(number, Flag[what], who)
            else:
                raise Problem(400, "Nothing was chosen.", "Go back and choose what to do.")
        except NotNow as error:
            return _order(request, book, wrong=str(error), status=409)
        except Gone:
            raise NO_SUCH from None
        return redirect(request, f"/orders/{number}")

    return acted


def note(book: Book) -> Page:
    """The file itself, for the person who checks it."""

    @page("/orders/{id:int}/file", roles={CLINICIAN}, title="Note")
    def file(request: PageRequest) -> Response:
        row, life = _found(request, book, "the note of an order")
        with request.house.store() as db:
            try:
                document = book.document(db, row, life)
            except Gone:
                raise Problem(
                    404, "There is no note for this order yet.", "Attach it on the order's page."
                ) from None
        name = f"{our_note_id(life.order, life.sent + bool(row.upload))}.{KINDS[document.kind].ending}"
        answer = download(request, document.data, name=name, kind=MIME[document.kind])
        if document.kind in order_showing.SHOWN:
            answer.headers["content-disposition"] = f'inline; filename="{name}"'
        if document.kind == "pdf":  # a browser's own reader runs in no sandbox of ours
            answer.headers["content-security-policy"] = "default-src 'none'; frame-ancestors 'none'"
        return answer

    return file


# -- what a page shows ---------------------------------------------------------------------------------------------


def _found(request: PageRequest, book: Book, what: str) -> tuple[Row, Life]:
    """The order, once the look at it is written down."""
    number = request.path_params["id"]
    if number >= 1 << 63:
        raise NO_SUCH
    log_access(request, what, number, "their work on the order")
    with request.house.store() as db:
        row = kept.order(db, request.house.sealer, number)
    if row is None:
        raise NO_SUCH
    return row, life_of(row)


def _partner(book: Book, request: PageRequest) -> Partner:
    """Whose order it is: nothing of the patient is read."""
    number = request.path_params["id"]
    with request.house.store() as db:
        name = kept.partner_of(db, number) if number < 1 << 63 else None
    if name is None:
        raise NO_SUCH
    try:
        return book.partners.named(name)
    except KeyError:
        raise NotNow("This hospital is not set up here any more. Ask your administrator.") from None


def _order(request: PageRequest, book: Book, *, wrong: str = "", status: int = 200) -> Response:
    row, life = _found(request, book, "an order")
    with request.house.store() as db:
        sent = notes.notes_of(db, row.id)
        steps = [
            *order_showing.acts_and_events(kept.events(db, row.id)),
            *order_showing.tries(db, sent),
        ]
        try:
            file = order_showing.file_of(book.document(db, row, life), waiting=bool(row.upload))
        except Gone:
            file = None
    partner = next((known for known in book.partners.all if known.name == row.partner), None)
    order = life.order
    held = partner is not None and partner.after_discharge and not order.visit.ended_at
    closed = life.state in (State.CANCELLED, State.ON_HOLD, State.SENDING)
    return render(
        request,
        "orders/order.html",
        status=status,
        wrong=wrong,
        row=row,
        order=order,
        name=full_name(order.patient),
        born=order_showing.born(order.patient.birth_date),
        mrn=order.patient.number(partner.mrn_kind if partner else "MR"),
        flags=[(flag.name, flag.value) for flag in sorted(life.flags)],
        file=file,
        said=[KINDS[kind].said for kind in (partner.kinds if partner else ())],
        accept=",".join(f".{KINDS[kind].ending}" for kind in (partner.kinds if partner else ())),
        most=LARGEST,
        attachable=partner is not None and not closed and not held,
        sendable=partner is not None and not closed and bool(row.upload or life.state is State.FAILED),
        waits_for_discharge=held,
        steps=sorted(steps, key=lambda step: step.at),
        sent=sent,
    )
