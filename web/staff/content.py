"""What a message holds: only for roles that may, with a reason, and the look is written down first."""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from starlette.responses import Response

from assets.drain.contents import Contents, contents
from resources.store.seal import KeyMissing, Unreadable
from web.staff.answers import Problem, log_access, render
from web.staff.messages import life_of
from web.staff.pages import PageRequest, page
from web.staff.roles import ADMINISTRATOR, CLINICIAN

READERS = {ADMINISTRATOR, CLINICIAN}

#: More of a body than this is not shown on a page.
SHOWN_BYTES = 500_000


@dataclass(frozen=True, slots=True)
class Part:
    """One body under its heading."""

    heading: str
    text: str
    more: int = 0


@page("/messages/{id:int}/content", roles=READERS, title="Content of a message")
def ask(request: PageRequest) -> Response:
    """Ask why, before anything is shown."""
    return render(request, "content.html", found=life_of(request).found, parts=None, reason="")


@page("/messages/{id:int}/content", roles=READERS, method="POST", title="Content of a message")
def show(request: PageRequest) -> Response:
    """All of it. The line in the access log is committed before the first byte is read."""
    life = life_of(request)
    reason = request.field("reason", "the reason why you must see it; it goes into the access log")
    log_access(request, "content of a message", life.found.id, reason)
    try:
        with request.house.store() as db:
            opened = contents(db, request.house.sealer, life)
    except (KeyMissing, Unreadable):
        title = "What it holds cannot be opened here."
        raise Problem(
            503, title, "A key of the store is missing or the body is damaged: tell an operator."
        ) from None
    return render(request, "content.html", found=life.found, parts=list(parts(opened)), reason=reason)


def parts(opened: Contents) -> Iterator[Part]:
    """The bodies in the order of a message's life."""
    yield _part("What came", opened.received)
    for sent in opened.sent:
        where = f" in batch {sent.batch}" if sent.batch is not None else ""
        yield _part(f"What was made of it and sent{where}", sent.head + sent.body)
        if sent.address:
            yield _part(
                "Where it was addressed to", orjson.dumps(dict(sent.address), option=orjson.OPT_INDENT_2)
            )
    for at, answer in opened.answers:
        yield _part(f"What the partner answered at {at:%Y-%m-%d %H:%M:%S} UTC", answer)
    for at, severity, body in opened.remarks:
        yield _part(f"The partner's {severity} of {at:%Y-%m-%d %H:%M:%S} UTC", body)
    for body in opened.conflicts:
        yield _part("Came under the same id with other content; kept, not sent", body)


def _part(heading: str, body: bytes) -> Part:
    text = body[:SHOWN_BYTES].decode("utf-8", "replace")
    if text.count("\ufffd") > len(text) // 20 + 3:
        return Part(heading, f"{len(body):,} bytes that are not text")
    return Part(heading, _indented(text), max(0, len(body) - SHOWN_BYTES))


def _indented(text: str) -> str:
    """JSON as it is easily read; anything else as it is."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return text


PAGES = [ask, show]
