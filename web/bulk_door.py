"""``POST /intake/reportstream/bulk``: a file of results from a machine, or from a page's script.

The sender's proof is a bearer token, or a session with its token in the header ``x-csrf-token``.
"""

import logging
from contextlib import closing, suppress

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from assets.reportstream.bulk import MOST_BYTES
from assets.reportstream.bulk_findings import Checked
from resources.settings import Settings
from resources.store.connect import Away
from resources.store.intake import Busy, StoreAway
from web.answers import Answer, Refusal, answer, problem
from web.bulk import Taken, Uploading
from web.bulk_pages import UPLOADERS
from web.intake import AWAY, BUSY, POST_ONLY, UNKNOWN
from web.logs import place_of
from web.opening import Opening
from web.proof import Secrets
from web.staff import Problem, Site
from web.staff.uploads import Uploads

log = logging.getLogger("handoff.door")

PATH = "/intake/reportstream/bulk"

#: Who a file came from where a token brought it.
TOKEN = "sender with a token"  # noqa: S105 - a name, not a secret

_NO_FILE = problem(400, "the form has no file; send it as multipart/form-data in a field named file")
_NOT_YOURS = problem(403, "this account uploads no results, or the request was not made by our page")


class BulkDoor:
    """200 with the confirmation code, 422 with everything that is wrong."""

    def __init__(self, settings: Settings, uploading: Uploading, opening: Opening, site: Site) -> None:
        self._secrets = Secrets.read(settings, "HANDOFF_TOKENS_REPORTSTREAM")
        self._uploading, self._opening, self._site = uploading, opening, site
        self._reading = Uploads()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One file, answered."""
        try:
            what = await self._take(Request(scope, receive))
        except Refusal as refusal:
            what = refusal.answer
        except Problem as said:
            what = problem(said.status, f"{said.title} {said.help}".strip())
        except Busy:
            what = BUSY
        except (StoreAway, *Away):
            what = AWAY
        except ClientDisconnect:
            return
        except Exception as error:  # its text may quote a cell
            log.error("%s: file not stored (%s)", PATH, place_of(error))
            what = AWAY
        with suppress(RuntimeError, OSError):
            await what(send)

    async def _take(self, request: Request) -> Answer:
        if request.method != "POST":
            raise Refusal(POST_ONLY)
        who = await self._who(request)
        if closed := self._opening.closed:
            raise Refusal(closed)
        form = await self._reading.read(request, MOST_BYTES, lambda token: None, spool=True)
        with closing(form):
            if (file := form.spooled.get("file")) is None:
                raise Refusal(_NO_FILE)
            return _told(await self._uploading.take(file, who))

    async def _who(self, request: Request) -> str:
        if self._secrets.bearer(request.headers.get("authorization", "").encode("latin-1")):
            return TOKEN
        visit = await run_in_threadpool(self._site.visitor, request)
        if visit is None:
            raise Refusal(UNKNOWN)
        if visit.person.role not in UPLOADERS or not self._site.proven(request, visit):
            raise Refusal(_NOT_YOURS)
        return visit.person.name


def _told(taken: Checked | Taken) -> Answer:
    if isinstance(taken, Checked):
        errors = [one.as_error() for one in taken.problems]
        return answer(422, msgspec.json.encode({"errors": errors, "warnings": list(taken.warnings)}))
    told = {
        "report_id": taken.upload.report_id,
        "rows": taken.upload.rows,
        "duplicates": taken.upload.rows if taken.again else taken.upload.repeats,
        "conflicts": taken.upload.conflicts,
        "warnings": list(taken.checked.warnings),
    }
    return answer(200, msgspec.json.encode(told))
