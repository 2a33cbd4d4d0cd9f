"""Signing in and out. An account that does not exist, a wrong password and a disabled account get the same answer.

Each try is counted before the password is looked at; see ``resources.store.staff.Limits``.
"""

import threading
from urllib.parse import quote, urlsplit

from starlette.responses import RedirectResponse, Response

from resources import passwords
from resources.store import staff
from resources.store.staff import Limits, Person
from web.staff import sessions
from web.staff.answers import Problem, render
from web.staff.pages import NOT_OURS, Page, PageRequest, page
from web.staff.roles import EVERYONE

LIMITS = Limits()

WRONG = "Name or password is not right."
TOO_OFTEN = f"Too many tries. Wait {LIMITS.minutes} minutes, then try again, or ask an administrator."

#: Where cookies go by https only, a browser on http keeps none, and its form proves nothing.
HTTPS_ONLY = Problem(
    400,
    "These pages are reached by https only.",
    "Open the address that begins with https. Operators: HANDOFF_WEB_HTTPS says so.",
)

#: A check of a password takes 32 MiB and a core; more at once would starve the doors.
_CHECKS = threading.Semaphore(2)


def _form(
    request: PageRequest, *, status: int = 200, error: str = "", name: str = "", wanted: str = "/"
) -> Response:
    """The form, bound to a cookie of its own so that no other site can sign somebody in as somebody."""
    before = request.cookies.get(sessions.BEFORE, "")
    token = before if 20 <= len(before) <= 100 else sessions.new_token()
    answer = render(
        request,
        "sign_in.html",
        status=status,
        error=error,
        name=name,
        wanted=wanted,
        token=sessions.form_token(token),
    )
    sessions.give(request.house, answer, sessions.BEFORE, token, seconds=3600)
    return answer


def form(request: PageRequest) -> Response:
    """The page everybody without a session comes to."""
    wanted = local(request.query_params.get("next", "/"))
    if request.known is not None:
        return RedirectResponse(wanted, 303)
    return _form(request, wanted=wanted)


def sign_in(request: PageRequest) -> Response:
    """Check the password and start a session with a token of its own."""
    given = request.fields.get("csrf", "")
    if not sessions.proves(given, sessions.form_token(request.cookies.get(sessions.BEFORE, ""))):
        raise HTTPS_ONLY if request.house.https and request.url.scheme == "http" else NOT_OURS
    name, wanted = request.fields.get("name", "").lower()[:64], local(request.fields.get("next", "/"))
    account, address = _tried(request, name)
    with request.house.store() as db:
        if not staff.may_try(db, account, address, LIMITS):
            return _form(request, status=429, error=TOO_OFTEN, name=name, wanted=wanted)
    person = _known(request, name, request.fields.get("password", ""))
    if person is None:
        return _form(request, status=401, error=WRONG, name=name, wanted=wanted)
    token = sessions.new_token()
    with request.house.store() as db:
        staff.signed_in(db, person, sessions.hash_of(token), account, address)
        if request.known is not None:
            staff.signed_out(db, request.known.session)
    answer = RedirectResponse(wanted, 303)
    sessions.give(request.house, answer, sessions.cookie_name(request.house), token)
    sessions.take_back(request.house, answer, sessions.BEFORE)
    return answer


def confirms(request: PageRequest, password: str) -> bool:
    """Whether whoever asks knows the password of the account that is signed in; wrong ones count as at the sign-in."""
    account, address = _tried(request, request.person.name)
    with request.house.store() as db:
        if not staff.may_try(db, account, address, LIMITS):
            raise Problem(429, "Too many tries.", f"Wait {LIMITS.minutes} minutes, then try again.")
    if _known(request, request.person.name, password) is None:
        return False
    with request.house.store() as db:
        staff.forget_tries(db, account, address)
    return True


def _tried(request: PageRequest, name: str) -> tuple[bytes, bytes]:
    """Account and address, as tries are kept."""
    sealer = request.house.sealer
    return sealer.name("staff account", name), sealer.name(
        "staff address", request.client.host if request.client else ""
    )


def _known(request: PageRequest, name: str, password: str) -> Person | None:
    with request.house.store() as db:
        account = staff.known(db, name)
    with _CHECKS:
        fits = passwords.fits(password, account[1] if account else None)
    return account[0] if account and fits else None


def local(path: str) -> str:
    """A path of ours, or the start: nobody is sent elsewhere after signing in.

    >>> local("/orders?state=open"), local("//evil.example/"), local("/\\\\evil.example"), local("https://evil.example")
    ('/orders?state=open', '/', '/', '/')
    """
    parts = urlsplit(path)
    ours = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    if not ours or parts.scheme or parts.netloc or len(path) > 500:
        return "/"
    return quote(path, safe="/?&=%:+,;@!$'()*~")


@page("/sign-out", roles=EVERYONE, method="POST")
def sign_out(request: PageRequest) -> Response:
    """End the session, here and in the store."""
    with request.house.store() as db:
        staff.signed_out(db, request.visit.session)
    answer = RedirectResponse("/sign-in", 303)
    sessions.take_back(request.house, answer, sessions.cookie_name(request.house))
    return answer


PAGES = [
    Page("/sign-in", form, None, title="Sign in"),
    Page("/sign-in", sign_in, None, method="POST", title="Sign in"),
    sign_out,
]
