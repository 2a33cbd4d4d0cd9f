"""``/``: what is yours to do, by role. Lanes say what waits for people; operators see what stands still."""

from starlette.responses import Response

from resources.store import looks
from resources.store.lanes import NUMBERS
from web.sight import Sight, see
from web.staff.answers import render
from web.staff.pages import PageRequest, page
from web.staff.roles import EVERYONE, OF_LANES
from web.staff.showing import age, number


@page("/", roles=EVERYONE, title="Start", nav="Start")
def start(request: PageRequest) -> Response:
    """The first page after sign-in."""
    todos = request.site.todos(request.person)
    if request.person.role not in OF_LANES:
        return render(request, "start.html", todos=todos, sights=(), troubles=(), what_of=what_of)
    with request.house.store() as db:
        sights = [see(db, lane, window=request.house.windows.get(lane, 0.0)) for lane in NUMBERS]
        troubles = looks.troubles(db)
    return render(request, "start.html", todos=todos, sights=sights, troubles=troubles, what_of=what_of)


def what_of(sight: Sight) -> str:
    """What a person should know of a lane that does not run well, in half a line."""
    said = [
        f"nobody has worked on it for {age(sight.idle_seconds)}" if sight.stalled else "",
        f"no answer for {age(sight.away_seconds)}" if sight.away_seconds is not None else "",
        f"{number(sight.failed)} failed" if sight.failed else "",
        f"{number(sight.set_aside)} set aside" if sight.set_aside else "",
        f"{number(sight.queues_held)} {'queue' if sight.queues_held == 1 else 'queues'} held"
        if sight.queues_held
        else "",
    ]
    return " · ".join(part for part in said if part)


PAGES = [start]
