"""The cookie of a session and what proves that a form is ours. Where sessions are kept: ``resources.store.staff``.

A token is made when somebody signs in, never taken from a request, so nobody can be given one beforehand. The form's
token is derived from the session's, so it dies with it and needs no place of its own.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from resources.store import staff
from resources.store.staff import Person
from web.staff.house import House

#: Before sign-in there is no session; the form of the sign-in page is bound to this cookie instead.
BEFORE = "handoff_before"


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who is signed in, in one of their sessions."""

    person: Person
    session: bytes
    csrf: str
    flashes: tuple[str, ...]


def cookie_name(house: House) -> str:
    """``__Host-`` binds a cookie to this host and to https; a browser refuses it without."""
    return "__Host-handoff" if house.https else "handoff_session"


def new_token() -> str:
    """What a cookie holds: 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> bytes:
    """What the store keeps of a token."""
    return hashlib.sha256(token.encode()).digest()


def form_token(token: str) -> str:
    """What a form of this session holds; the session's token cannot be had from it."""
    made = hmac.digest(token.encode(), b"handoff form", "sha256")
    return base64.urlsafe_b64encode(made[:24]).decode()


def visit(house: House, connection: HTTPConnection, *, touch: bool = True) -> Visit | None:
    """Who asks, by their cookie. A page that refreshes itself does not keep a session alive."""
    token = connection.cookies.get(cookie_name(house), "")
    if not 20 <= len(token) <= 100:
        return None
    with house.store() as db:
        seen = staff.seen(db, hash_of(token), idle=house.idle_seconds, whole=house.whole_seconds, touch=touch)
    if seen is None:
        return None
    return Visit(seen.person, hash_of(token), form_token(token), tuple(seen.flashes))


def same_origin(connection: HTTPConnection) -> bool:
    """Whether a browser sent this from a page of ours; a client that says nothing is judged by its token alone."""
    if connection.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    # "null" is what browsers say of a page that gives no referrer, as ours
    origin = connection.headers.get("origin", "null")
    return origin == "null" or urlsplit(origin).netloc == connection.headers.get("host", "")


def proves(given: str, expected: str) -> bool:
    """Whether a form's token is the session's."""
    return hmac.compare_digest(given.encode(), expected.encode())


def give(house: House, response: Response, name: str, token: str, *, seconds: int | None = None) -> None:
    """Set a cookie no script can read and no other site can use."""
    response.set_cookie(
        name, token, max_age=seconds, path="/", httponly=True, samesite="lax", secure=house.https
    )


def take_back(house: House, response: Response, name: str) -> None:
    """Remove a cookie."""
    response.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=house.https)
