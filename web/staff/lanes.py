"""``/lanes``: each lane at a glance, and one lane with its day and its held queues. Counts only, no message."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from resources.store import days, looks
from resources.store.connect import Connection
from resources.store.days import Now
from resources.store.lanes import NUMBERS
from resources.store.operators import Who
from web.sight import Sight, see
from web.staff import acting
from web.staff.answers import Problem, flash, redirect, render
from web.staff.hours import Hour
from web.staff.pages import PageRequest, page
from web.staff.roles import OF_LANES


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane as its card shows it."""

    name: str
    now: Now
    sight: Sight
    hours: Sequence[Hour]

    @property
    def arrived(self) -> int:
        """In these hours."""
        return sum(hour.arrived for hour in self.hours)

    @property
    def sent(self) -> int:
        """In these hours."""
        return sum(hour.sent for hour in self.hours)


def look(request: PageRequest, db: Connection, lane: str) -> Lane:
    """One lane now."""
    house = request.house
    sight = see(db, lane, window=house.windows.get(lane, 0.0))
    return Lane(lane, days.now_of(db, NUMBERS[lane]), sight, request.site.hours(db, lane, house.now()))


@page("/lanes", roles=OF_LANES, title="Lanes", nav="Lanes")
def lanes(request: PageRequest) -> Response:
    """All five."""
    with request.house.store() as db:
        shown = [look(request, db, lane) for lane in NUMBERS]
    return render(request, "lanes.html", lanes=shown)


def _name(request: PageRequest) -> str:
    name = str(request.path_params["lane"])
    if name not in NUMBERS:
        raise Problem(404, "There is no such lane.", "Choose one from the list of lanes.")
    return name


@page("/lanes/{lane}", roles=OF_LANES, title="Lane")
def lane(request: PageRequest) -> Response:
    """One lane: its numbers, its day, what is held."""
    name = _name(request)
    with request.house.store() as db:
        shown = look(request, db, name)
        held = looks.held(db, NUMBERS[name])
    return render(request, "lane.html", lane=shown, held=held)


@page("/lanes/{lane}/act", roles=OF_LANES, method="POST")
def act(request: PageRequest) -> Response:
    """Hold or release the lane, or send again what has failed, with a reason."""
    name, what = _name(request), request.fields.get("act", "")
    if what not in acting.ON_LANE:
        raise Problem(400, "There is no such act.", "Choose one of the buttons.")
    who = Who(request.person.name, request.field("reason", "a reason; it goes into the audit"))
    with request.house.store() as db:
        said = acting.ON_LANE[what](db, NUMBERS[name], who)
    flash(request, said)
    return redirect(request, f"/lanes/{name}")


PAGES = [lanes, lane, act]
