"""What a page is: a function with a guard. The guard finds out who asks, whether their role opens the page, and
whether a form is ours, before the function is called; what goes wrong becomes a page in plain words.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from resources.store.connect import Away
from resources.store.operators import NotPossible
from web.logs import place_of
from web.spool import Spool
from web.staff import sessions
from web.staff.answers import Problem, render
from web.staff.hours import Hours
from web.staff.house import House
from web.staff.roles import Person, Role
from web.staff.sessions import Visit
from web.staff.uploads import Form, Upload, Uploads

if TYPE_CHECKING:
    from web.staff.site import Todo

log = logging.getLogger("handoff.pages")

#: A form without files.
FORM_BYTES = 200_000
#: Numbers of ours are PostgreSQL's bigint; a larger one in an address names nothing.
LARGEST_NUMBER = (1 << 63) - 1
#: Sent by a page that refreshes itself: nobody touched it, so the session does not live longer for it.
LIVE = "x-handoff-live"


class Around(Protocol):
    """What a page needs of the site it stands in."""

    house: House
    uploads: Uploads
    hours: Hours

    def html(self, request: "PageRequest", template: str, values: Mapping[str, object]) -> str:
        """A template filled in."""

    def todos(self, person: Person) -> "list[Todo]":
        """What is theirs to do."""

    def own(self, person: Person, messages: Iterable[int]) -> set[int]:
        """Which of these messages are this person's own."""


class PageRequest(Request):
    """A request to a page: who asks, what the form holds, and the house."""

    site: Around
    known: Visit | None = None
    form_read = Form()

    @property
    def house(self) -> House:
        """Settings, store, sealer, clock."""
        return self.site.house

    @property
    def visit(self) -> Visit:
        """The session; a page with a guard always has one."""
        if self.known is None:
            raise Problem(401, "You are not signed in.")
        return self.known

    @property
    def person(self) -> Person:
        """Who asks."""
        return self.visit.person

    @property
    def fields(self) -> Mapping[str, str]:
        """What the form holds, trimmed."""
        return self.form_read.fields

    @property
    def uploads(self) -> Mapping[str, Upload]:
        """The files of the form."""
        return self.form_read.uploads

    @property
    def spooled(self) -> Mapping[str, Spool]:
        """The files of the form, where the page has them spooled."""
        return self.form_read.spooled

    def field(self, name: str, what: str, *, most: int = 300) -> str:
        """A field that must be filled in; ``what`` names it in the sentence that says so."""
        value = self.fields.get(name, "")
        if not value:
            raise Problem(400, f"Please give {what}.", "Go back, fill it in, and send it again.")
        if len(value) > most:
            raise Problem(400, f"Please shorten {what} to {most} characters.")
        return value


PageFunction = Callable[[PageRequest], Response | Awaitable[Response]]


@dataclass(frozen=True)
class Page:
    """``roles`` is who may; None is a page without a session: the sign-in, and what stands behind a secret link."""

    path: str
    function: PageFunction
    roles: frozenset[Role] | None
    method: str = "GET"
    title: str = ""
    nav: str = ""
    upload: int = 0
    spool: bool = False
    shown_to: Callable[[Person], bool] = lambda person: True

    async def answer(self, site: Around, request: Request) -> Response:
        """What the page says to this request."""
        asked = PageRequest(request.scope, request.receive)
        asked.site = site
        try:
            return await self._guarded(asked)
        except Problem as problem:
            return await run_in_threadpool(problem_page, asked, problem)
        except NotPossible as error:
            said = Problem(409, "That was not possible.", str(error))
            return await run_in_threadpool(problem_page, asked, said)
        except Away:
            return await run_in_threadpool(problem_page, asked, STORE_AWAY)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # its text may quote a patient's data
            log.error("%s %s went wrong (%s)", self.method, self.path, place_of(error))
            return await run_in_threadpool(problem_page, asked, OUR_FAULT)
        finally:
            asked.form_read.close()

    async def _guarded(self, request: PageRequest) -> Response:
        touch = LIVE not in request.headers and request.method == "GET"
        request.known = await run_in_threadpool(sessions.visit, request.house, request, touch=touch)
        if self.roles is not None:
            if request.known is None:
                return _to_sign_in(request)
            if request.known.person.role not in self.roles:
                raise Problem(403, "This page is not for your role.", "Ask an administrator if you need it.")
        if any(isinstance(one, int) and one > LARGEST_NUMBER for one in request.path_params.values()):
            raise Problem(404, "There is no such page.", "Its address may have been typed wrongly.")
        if self.method == "POST":
            request.form_read = await self._form(request)
        if inspect.iscoroutinefunction(self.function):
            answer: Response = await self.function(request)
        else:
            answer = await run_in_threadpool(self.function, request)  # type: ignore[arg-type]
        return answer

    async def _form(self, request: PageRequest) -> Form:
        def check(given: str) -> None:
            if self.roles is not None and not sessions.proves(given, request.visit.csrf):
                raise NOT_OURS

        if not sessions.same_origin(request):
            raise NOT_OURS
        if self.upload:
            return await request.site.uploads.read(request, self.upload, check, spool=self.spool)
        form = await _plain_form(request)
        check(form.fields.get("csrf", ""))
        return form


def page(
    path: str,
    *,
    roles: Iterable[Role],
    method: str = "GET",
    title: str = "",
    nav: str = "",
    upload: int = 0,
    spool: bool = False,
    shown_to: Callable[[Person], bool] = lambda person: True,
) -> Callable[[PageFunction], Page]:
    """Make a function a page that only these roles open; ``shown_to`` says whose navigation leads there."""
    allowed = frozenset(roles)
    if not allowed or method not in ("GET", "POST"):
        raise ValueError(f"{path}: a page names the roles it is for, and is asked for by GET or POST")
    if upload and method != "POST":
        raise ValueError(f"{path}: files come by POST")

    def made(function: PageFunction) -> Page:
        return Page(path, function, allowed, method, title, nav, upload, spool, shown_to)

    return made


NOT_OURS = Problem(
    403,
    "This form was not sent from our page.",
    "Nothing was changed. Open the page again and send it from there.",
)
STORE_AWAY = Problem(
    503,
    "The store does not answer just now.",
    "Nothing was changed. Try again in a minute; operators have been told.",
)
OUR_FAULT = Problem(
    500,
    "Something went wrong on our side.",
    "It has been written down for the operators. Look whether what you did is done before you do it again.",
)
SIGNED_OUT = Problem(
    401,
    "You have been signed out.",
    "Nothing was changed. Sign in, open the page again, and send it from there.",
)


def problem_page(request: PageRequest, problem: Problem) -> Response:
    """A problem in plain words, with the navigation of whoever is signed in."""
    headers = {"retry-after": "30"} if problem.status == 503 else None
    values = {"heading": problem.title, "help": problem.help, "status": problem.status}
    return render(request, "problem.html", status=problem.status, headers=headers, problem=values)


def _to_sign_in(request: PageRequest) -> Response:
    if request.method == "POST" or LIVE in request.headers:
        raise SIGNED_OUT
    query = f"?{request.url.query}" if request.url.query else ""
    path = request.url.path + query
    wanted = f"?next={quote(path[:500], safe='/')}" if path != "/" else ""
    return RedirectResponse(f"/sign-in{wanted}", 303)


async def _plain_form(request: Request) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise Problem(415, "This page takes a form.", "Send it as application/x-www-form-urlencoded.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise Problem(413, "The form is too large.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        raise Problem(400, "The form could not be read.", "Go back and send it again.") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value.replace("\x00", "").strip())
    return Form(fields)
