"""``/access``: who looked at patients' data, and ``/audit``: what people did. For administrators, read only."""

import re

from starlette.responses import Response

from resources.store import looks
from resources.store.seal import fingerprint
from web.staff.answers import Problem, render
from web.staff.pages import PageRequest, page
from web.staff.roles import ADMINISTRATOR


def _who(request: PageRequest) -> str:
    who = request.query_params.get("who", "").strip()
    if len(who) > 64:
        raise Problem(400, "That is no account's name.")
    return who


def _number(request: PageRequest, name: str) -> int | None:
    """A number of the address; a subject may be negative."""
    text = request.query_params.get(name, "").strip()
    if not text:
        return None
    number = int(text) if re.fullmatch(r"-?[0-9]{1,19}", text, re.ASCII) else 1 << 63
    if not -(1 << 63) <= number < 1 << 63:
        raise Problem(400, "The list cannot be narrowed in this way.", "Choose again from the form.")
    return number


@page("/access", roles={ADMINISTRATOR}, title="Access log", nav="Access log")
def access(request: PageRequest) -> Response:
    """The newest looks, and whether the log is whole."""
    who, subject = _who(request), _number(request, "subject")
    with request.house.store() as db:
        lines = looks.looks(db, who=who, subject=subject, before=_number(request, "before"))
        chain = looks.chain(db)
    return render(request, "access.html", lines=lines, chain=chain, who=who, subject=subject)


@page("/audit", roles={ADMINISTRATOR}, title="Audit", nav="Audit")
def audit(request: PageRequest) -> Response:
    """The newest acts."""
    who = _who(request)
    with request.house.store() as db:
        lines = looks.acts(db, who=who)
    return render(request, "audit.html", lines=lines, who=who)


@page("/keys", roles={ADMINISTRATOR}, title="Keys", nav="Keys")
def keys(request: PageRequest) -> Response:
    """Which keys this process has, by id and fingerprint; never a key."""
    rings = request.house.settings.keys
    shown = {
        "Sealing keys": [(name, fingerprint(secret)) for name, secret in rings.sealing.items()],
        "Look-up keys": [(name, fingerprint(secret)) for name, secret in rings.indexing.items()],
    }
    return render(request, "keys.html", rings=shown)


PAGES = [access, audit, keys]
