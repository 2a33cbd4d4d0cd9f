"""``/``: what is yours to do, by role. Lanes say what waits for people; operators see what stands still."""

from resources.store import looks
from resources.store.lanes import NUMBERS
from web.sight import see
from web.staff.answers import Response, render
from web.staff.pages import PageRequest, page
from web.staff.roles import EVERYONE, OF_LANES


@page("/", roles=EVERYONE, title="Start", nav="Start")
def start(request: PageRequest) -> Response:
    """The first page after sign-in."""
    todos = request.site.todos(request.person)
    if request.person.role not in OF_LANES:
        return render(request, "start.html", todos=todos, sights=(), troubles=())
    with request.house.store() as db:
        sights = [see(db, lane, window=request.house.windows.get(lane, 0.0)) for lane in NUMBERS]
        troubles = looks.troubles(db)
    return render(request, "start.html", todos=todos, sights=sights, troubles=troubles)


PAGES = [start]
