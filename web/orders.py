"""``/orders``: which orders wait for a note, which were sent, which failed; find one; what each partner used.

Clinicians see patients; operators and administrators see numbers only. One order is ``web/order.py``'s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from assets.hcoint.book import Book, life_of
from assets.hcoint.life import full_name
from resources.store import notes, order_lists
from resources.store.connect import Connection
from resources.store.order_lists import LISTS
from resources.store.orders import Row
from web import order
from web.staff import (
    ADMINISTRATOR,
    CLINICIAN,
    OPERATOR,
    Page,
    PageRequest,
    Person,
    Problem,
    Response,
    Todo,
    log_access,
    page,
    render,
)

#: Orders of one page.
ROWS = 50
NAMES = {"waiting": "Waiting for a note", "sent": "Sent", "failed": "Failed", "cancelled": "Cancelled"}


@dataclass(frozen=True, slots=True)
class Line:
    """One order of a list."""

    id: int
    number: str
    name: str
    birth_date: str
    what: str
    partner: str
    state: str
    test: bool
    requested_at: datetime
    flags: int


def line(row: Row) -> Line:
    """An order as a list shows it."""
    life = life_of(row)
    told = life.order
    what = told.procedure.description or told.procedure.code
    return Line(
        id=row.id,
        number=told.order_id,
        name=full_name(told.patient),
        birth_date=told.patient.birth_date,
        what=what,
        partner=row.partner,
        state=row.state,
        test=row.test,
        requested_at=row.requested_at,
        flags=len(life.flags),
    )


def pages(book: Book, arrived: Callable[[str], None], *, scanner: str = "") -> list[Page]:
    """The pages of orders; ``arrived`` hears that a note was sent."""
    return [orders(book), search(book), usage, *order.pages(book, arrived, scanner=scanner)]


def orders(book: Book) -> Page:
    """The lists; for operators the numbers."""

    @page("/orders", roles={CLINICIAN, OPERATOR, ADMINISTRATOR}, title="Orders", nav="Orders")
    def listed(request: PageRequest) -> Response:
        if request.person.role != CLINICIAN:
            return numbers(request)
        name = request.query_params.get("list", "waiting")
        start = request.query_params.get("from", "0")
        if name not in LISTS or not start.isdecimal() or len(start) > 6:
            raise Problem(400, "There is no such list.", "Choose one of those on the page.")
        test = request.query_params.get("test", "") == "1"
        log_access(request, f"orders: {NAMES[name].lower()}", None, "the list of orders")
        with request.house.store() as db:
            counted = order_lists.counts(db, test=test)
            found = order_lists.listed(
                db, request.house.sealer, name, test=test, limit=ROWS + 1, start=int(start)
            )
        return render(
            request,
            "orders/list.html",
            lists=[(key, NAMES[key], counted[key]) for key in LISTS],
            chosen=name,
            tests=test,
            rows=[line(row) for row in found[:ROWS]],
            more=int(start) + ROWS if len(found) > ROWS else 0,
            words="",
        )

    return listed


def search(book: Book) -> Page:
    """One order or one patient's: what is looked for names somebody, so it is never part of an address."""

    @page("/orders", roles={CLINICIAN}, method="POST", title="Orders")
    def searched(request: PageRequest) -> Response:
        words = request.field("words", "an order number or a patient's number", most=100)
        log_access(
            request,
            "looked for orders",
            request.house.sealer.blind("patient", "hcoint", words),
            "found by a number somebody had at hand",
        )
        with request.house.store() as db:
            found = order_lists.searched(db, request.house.sealer, words, limit=ROWS)
            counted = order_lists.counts(db, test=False)
        return render(
            request,
            "orders/list.html",
            lists=[(key, NAMES[key], counted[key]) for key in LISTS],
            chosen="",
            tests=False,
            rows=[line(row) for row in found],
            more=0,
            words=words,
        )

    return searched


def numbers(request: PageRequest) -> Response:
    """How many orders stand where, a partner at a time; nobody's name."""
    with request.house.store() as db:
        standings = order_lists.standings(db)
        wrong = order_lists.incidents(db)
    return render(request, "orders/numbers.html", standings=standings, wrong=wrong)


@page("/orders/usage", roles={CLINICIAN, OPERATOR, ADMINISTRATOR}, title="Usage")
def usage(request: PageRequest) -> Response:
    """What each partner used, month by month: numbers only."""
    with request.house.store() as db:
        months = order_lists.usage(db)
    return render(request, "orders/usage.html", months=months)


def todos(db: Connection, person: Person) -> list[Todo]:
    """What waits for clinicians."""
    if person.role != CLINICIAN:
        return []
    counted = order_lists.counts(db, test=False)
    found = [
        Todo(counted["waiting"], "orders wait for a note", "/orders"),
        Todo(counted["failed"], "notes could not be delivered", "/orders?list=failed"),
    ]
    return [todo for todo in found if todo.count]


def owns(db: Connection, person: Person, messages: Sequence[int]) -> set[int]:
    """Clinicians work on all orders together: the messages of an order are each one's own."""
    return notes.owned(db, messages) if person.role == CLINICIAN else set()
