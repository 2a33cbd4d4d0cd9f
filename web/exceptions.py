"""``/exceptions``: what ReportStream said of a facility's results, and what to do about each.

For the accounts of that facility only, whoever else may do what; each look is logged before anything is opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from assets.formats.decode import ShapeError, decoder
from assets.reportstream.advice import advice
from assets.reportstream.exceptions import facility_index
from resources.store import exceptions
from resources.store.exceptions import Told
from resources.store.staff import Person
from resources.store.values import State
from web.bulk_pages import UPLOADERS
from web.staff import Page, PageRequest, Problem, Response, log_access, page, render

#: Results of one page.
ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that was said, and what to do about it."""

    at: datetime
    error: bool
    said: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One result with all that was said of it. ``state`` and ``after`` say where it stands now."""

    number: str
    patient: str
    tested: str
    device: str
    state: str
    after: str
    remarks: Sequence[Remark]


class _Name(msgspec.Struct):
    first_name: str = ""
    last_name: str = ""


class _Device(msgspec.Struct):
    model: str = ""


class _Shown(msgspec.Struct):
    """What a person knows a result by: of an event its own members, of a row its columns."""

    event_id: str = ""
    date_tested: str = ""
    patient: _Name = msgspec.field(default_factory=_Name)
    device: _Device = msgspec.field(default_factory=_Device)
    accession_number: str = ""
    patient_first_name: str = ""
    patient_last_name: str = ""
    order_test_date: str = ""
    equipment_model_name: str = ""


_read = decoder(_Shown)


def pages() -> list[Page]:
    """The list."""
    return [listed]


def concerned(person: Person) -> bool:
    """Whether the page has anything for them."""
    return person.facility is not None


@page("/exceptions", roles=UPLOADERS, title="Exceptions", nav="Exceptions", shown_to=concerned)
def listed(request: PageRequest) -> Response:
    """The newest results of the facility that ReportStream had something to say about."""
    facility = request.person.facility
    if facility is None:
        return render(request, "exceptions/list.html", facility=None, rows=[], older=None, newest=True)
    before = request.query_params.get("before", "")
    if not before.isascii() or (before and not before.isdecimal()) or len(before) > 18:
        raise Problem(400, "There is no such page of the list.", "Begin with the newest.")
    house = request.house
    subject = facility_index(house.sealer, facility)
    log_access(request, "exceptions of a facility", subject, "the results of their own facility")
    with house.store() as db:
        found = exceptions.told(
            db, house.sealer, subject, limit=ROWS + 1, before=int(before) if before else None
        )
    rows = found[:ROWS]
    return render(
        request,
        "exceptions/list.html",
        facility=facility,
        rows=[_exception(one) for one in rows],
        older=rows[-1].message if len(found) > ROWS else None,
        newest=not before,
    )


def _exception(told: Told) -> Noted:
    try:
        about = _read(told.received)
    except ShapeError:
        about = _Shown()
    name = about.patient if about.event_id else _Name(about.patient_first_name, about.patient_last_name)
    return Noted(
        number=about.event_id or about.accession_number,
        patient=f"{name.last_name}, {name.first_name}".strip(", "),
        tested=_day_and_hour(about.date_tested) or about.order_test_date,
        device=about.device.model or about.equipment_model_name,
        state=told.state.name.lower(),
        after=_after(told),
        remarks=[
            Remark(at=at, error=severity == "error", said=said, advice=advice(severity, said))
            for at, severity, said in told.said
        ],
    )


def _day_and_hour(text: str) -> str:
    """A moment as it was on the sender's clock: by this the facility knows the test."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{at.day} {at:%b %Y, %H:%M}"


def _after(told: Told) -> str:
    """Where the result stands, in words a facility needs."""
    if told.newer:
        return "A newer version of it has come since."
    if told.state is State.FAILED:
        return "It has reached no health department."
    if told.state is State.WAITING:
        return "It is being sent again."
    return ""
