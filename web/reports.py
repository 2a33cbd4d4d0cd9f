"""``/reports``: the months of consultations in figures, for who reports; the person-level file, for who hands it on.

R1 holds no one's data and small cells are masked. R2 is sealed to the insurer: nobody here can read it, and yet who
took it along and why is in the access log before it is handed out.
"""

from typing import Final

from resources.store import month as kept
from resources.store.month import Kind, Listed
from web.staff import (
    ADMINISTRATOR,
    OPERATOR,
    SECRETARY,
    Page,
    PageRequest,
    Person,
    Problem,
    Response,
    download,
    log_access,
    page,
    render,
)

#: Who reports on the clinic's months.
REPORTERS: Final = frozenset({SECRETARY, OPERATOR, ADMINISTRATOR})
EXCEL: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NOT_FOUND: Final = Problem(
    404, "There is no such report for you.", "It may have been made anew: look at the list."
)


def kinds(person: Person) -> tuple[Kind, ...]:
    """What this person may fetch: the envelope for the insurer is an administrator's to hand on."""
    return ("r1", "r2") if person.role == ADMINISTRATOR else ("r1",)


@page("/reports", roles=REPORTERS, title="Reports", nav="Reports")
def listed(request: PageRequest) -> Response:
    """The newest report of each month."""
    with request.house.store() as db:
        found = kept.listed(db, kinds(request.person))
    return render(
        request,
        "reports/list.html",
        months=[one for one in found if one.kind == "r1"],
        envelopes=[one for one in found if one.kind == "r2"],
    )


@page("/reports/{id:int}", roles=REPORTERS, title="Report")
def fetched(request: PageRequest) -> Response:
    """A month's workbook."""
    one, content = _of(request, "r1")
    return download(request, content, name=f"consultations-{one.month:%Y-%m}.xlsx", kind=EXCEL)


@page("/reports/{id:int}", roles={ADMINISTRATOR}, method="POST", title="Report")
def handed_on(request: PageRequest) -> Response:
    """The person-level file in its envelope, for a reason that is written down."""
    reason = request.field("reason", "why you take it along")
    one, content = _of(request, "r2")
    log_access(request, f"the sealed report of {one.month:%Y-%m}", None, reason)
    return download(
        request, content, name=f"consultations-{one.month:%Y-%m}.sealed.json", kind="application/json"
    )


def _of(request: PageRequest, kind: Kind) -> tuple[Listed, bytes]:
    """The report of the address; one of another kind, or that has been made anew since, is not there."""
    number = request.path_params["id"]
    with request.house.store() as db:
        found = kept.one(db, request.house.sealer, number) if number < 1 << 63 else None
    if found is None or found[0].kind != kind:
        raise NOT_FOUND
    return found


PAGES: Final[list[Page]] = [listed, fetched, handed_on]
