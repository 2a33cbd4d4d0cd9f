"""What a page answers: a template, a redirect, a file, or a problem in plain words."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from resources.store import lookup, staff

if TYPE_CHECKING:
    from web.staff.pages import PageRequest

#: What is handed out as a file may hold anything; a browser that opens it all the same runs nothing.
FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


class Problem(Exception):
    """The page cannot be given: what is wrong, and what would help. Both are shown; neither repeats a value."""

    def __init__(self, status: int, title: str, help: str = "") -> None:  # noqa: A002 - what it is
        super().__init__(status)
        self.status, self.title, self.help = status, title, help


def render(
    request: "PageRequest",
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    """A page of this person: the template's values escaped, the navigation of their role around them."""
    return Response(request.site.html(request, template, values), status, headers, "text/html")


#: Sent by a page's script: it goes on by itself. Were it redirected, it would use up what the next page is to say.
BY_SCRIPT = "x-handoff-script"


def redirect(request: "PageRequest", path: str) -> Response:
    """Go on to another page of ours, by GET; a script of ours is told where."""
    if not path.startswith("/") or path.startswith("//") or "\\" in path:
        raise ValueError("redirects lead to pages of ours only")
    if BY_SCRIPT in request.headers:
        return Response(status_code=201, headers={"location": path})
    return RedirectResponse(path, 303)


def flash(request: "PageRequest", sentence: str) -> None:
    """Say this on the next page of the session. It stays in the store until then: it names no patient."""
    with request.house.store() as db:
        staff.say(db, request.visit.session, sentence)


def log_access(request: "PageRequest", what: str, subject: int | None, reason: str) -> int:
    """Write down that this person looks at a patient's data, and why; call it before the data is read."""
    with request.house.store() as db:
        person = request.person
        return lookup.log_access(
            db, who=person.name, role=person.role, what=what, subject=subject, reason=reason
        )


def download(request: "PageRequest", data: bytes, *, name: str, kind: str) -> Response:
    """A file, kept apart from the pages: saved under a harmless name, opened by no script of ours."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:100] or "file"
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name[:200], safe='')}"
    return Response(
        data, 200, {"content-disposition": disposition, "content-security-policy": FILE_POLICY}, kind
    )
