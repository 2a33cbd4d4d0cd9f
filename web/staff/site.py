"""The pages put together: routes with their guards, templates, navigation, the headers of every answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from time import perf_counter

import jinja2
import msgspec
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Lifespan, Message, Receive, Scope, Send

from resources.store.connect import Away, Connection
from web.figures import Meter
from web.staff import access, content, home, lanes, messages, sessions, sign_in
from web.staff.answers import Problem
from web.staff.hours import Hours
from web.staff.house import House
from web.staff.pages import OUR_FAULT, Page, PageRequest, problem_page
from web.staff.roles import Person
from web.staff.sessions import Visit
from web.staff.showing import filters
from web.staff.uploads import Uploads

__all__ = ["House", "Site", "Todo"]

ROOT = Path(__file__).resolve().parent.parent

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Todo:
    """Something that waits for this person: so many of what, and where."""

    count: int
    text: str
    href: str


class PageRoute(Route):
    """A route whose page can be asked what it guards."""

    def __init__(self, site: "Site", page: Page) -> None:
        async def answer(request: Request) -> Response:
            began = perf_counter()
            said = await page.answer(site, request)
            site.meter.answered(said.status_code, perf_counter() - began)
            return said

        super().__init__(page.path, answer, methods=[page.method], name=f"{page.method} {page.path}")
        self.page = page


class Site:
    """The shared pages and those of the lanes, in one house."""

    def __init__(
        self,
        house: House,
        pages: Iterable[Page] = (),
        *,
        todos: Sequence[Callable[[Connection, Person], list[Todo]]] = (),
        owns: Sequence[Callable[[Connection, Person, Sequence[int]], set[int]]] = (),
        meter: Meter | None = None,
    ) -> None:
        house.check()
        self.house = house
        self.meter = meter or Meter("pages")
        self.uploads = Uploads()
        self.hours = Hours()
        self.pages = [
            *home.PAGES,
            *pages,
            *messages.PAGES,
            *content.PAGES,
            *lanes.PAGES,
            *access.PAGES,
            *sign_in.PAGES,
        ]
        self._todos, self._owns = todos, owns
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(ROOT / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(filters(house.zone))

    # -- the application ------------------------------------------------------------------------------------------

    def app(
        self, routes: Sequence[BaseRoute] = (), lifespan: Lifespan[Starlette] | None = None
    ) -> "Guarding":
        """Every page, these routes beside them, and the files pages are dressed with."""
        files = Mount("/static", StaticFiles(directory=ROOT / "static"), name="static")
        return Guarding(
            Starlette(
                routes=[*routes, *(PageRoute(self, page) for page in self.pages), files],
                lifespan=lifespan,
                exception_handlers={HTTPException: self._http_problem, Exception: self._fault},
            ),
            https=self.house.https,
        )

    async def _http_problem(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        titles = {404: "There is no such page.", 405: "This page is not asked for in this way."}
        said = Problem(status, titles.get(status, f"{HTTPStatus(status).phrase}."), "The start leads on.")
        return await self._say(request, said)

    async def _fault(self, request: Request, error: Exception) -> Response:
        return await self._say(request, OUR_FAULT)

    async def _say(self, request: Request, problem: Problem) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return problem_json(problem)
        asked = PageRequest(request.scope, request.receive)
        asked.site = self
        with suppress(*Away):  # whoever is signed in finds the way back by the navigation
            asked.known = await run_in_threadpool(sessions.visit, self.house, asked, touch=False)
        return await run_in_threadpool(problem_page, asked, problem)

    # -- what pages ask -------------------------------------------------------------------------------------------

    def html(self, request: PageRequest, template: str, values: Mapping[str, object]) -> str:
        """A template filled in, with what the layout needs."""
        visit = request.known
        return self._templates.get_template(template).render(
            {
                "person": visit and visit.person,
                "flashes": visit.flashes if visit else (),
                "csrf": lambda: Markup('<input type="hidden" name="csrf" value="{}">').format(
                    request.visit.csrf
                ),
                "nav": self._nav(visit),
                "here": request.url.path,
                "now": self.house.now(),
                "test": not self.house.settings.production,
                **values,
            }
        )

    def _nav(self, visit: Visit | None) -> list[tuple[str, str]]:
        if visit is None:
            return []
        person = visit.person
        return [
            (page.path, page.nav)
            for page in self.pages
            if page.nav and page.roles and person.role in page.roles and page.shown_to(person)
        ]

    def todos(self, person: Person) -> list[Todo]:
        """What waits for this person, lane by lane."""
        with self.house.store() as db:
            return [todo for ask in self._todos for todo in ask(db, person) if todo.count]

    def own(self, person: Person, messages: Iterable[int]) -> set[int]:
        """Which of these messages belong to this person's own work."""
        wanted = list(messages)
        if not wanted:
            return set()
        with self.house.store() as db:
            return {message for ask in self._owns for message in ask(db, person, wanted)} & set(wanted)

    # -- sessions elsewhere ---------------------------------------------------------------------------------------

    def visitor(self, connection: HTTPConnection) -> Visit | None:
        """Who is signed in on this connection; for doors that are no pages."""
        return sessions.visit(self.house, connection)

    def proven(self, connection: HTTPConnection, visit: Visit) -> bool:
        """Whether a request that changes something comes from a page of ours: its header ``x-csrf-token`` says so."""
        given = connection.headers.get("x-csrf-token", "")
        return sessions.same_origin(connection) and sessions.proves(given, visit.csrf)


def problem_json(problem: Problem) -> Response:
    """For a program that came to no door."""
    content = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.help,
    }
    return Response(msgspec.json.encode(content), problem.status, media_type="application/problem+json")


class Guarding:
    """Adds the headers that keep a page from being framed, kept, or made to run what is not ours."""

    def __init__(self, app: Starlette, *, https: bool) -> None:
        self.app = app
        self._headers = HEADERS | ({"strict-transport-security": "max-age=31536000"} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and dress the answer."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [
                    (name.encode(), value.encode())
                    for name, value in self._headers_of(scope["path"]).items()
                    if name.encode() not in present
                ]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self.app(scope, receive, dressed if scope["type"] == "http" else send)

    def _headers_of(self, path: str) -> Mapping[str, str]:
        kept = {"cache-control": "no-cache"} if path.startswith("/static/") else {}
        return self._headers | kept
