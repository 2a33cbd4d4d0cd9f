"""Any FHIR R4 server: read, search, conditional create, update with If-Match, delete, transactions.

OpenMRS' own manners are in ``openmrs``, which builds on this. What to send is decided elsewhere and comes
as calls; this carries them out and says what was there, without knowing any resource type.
"""

import asyncio
import base64
import enum
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from resources import partner_http
from resources.errors import DeliveryError, PartnerAway, Refused, TryLater
from resources.rate import Rate

#: A patient with a long history is a few hundred kB; a search page of a hundred of them stays below this.
LARGEST = 16_000_000
#: FHIR2 gives at most a hundred a page.
PAGE_ROWS = "100"
MOST_PAGES = 1_000
#: A search whose pages were forgotten on the way is started again this often.
RESTARTS = 3

FHIR_JSON = "application/fhir+json"


class Found(enum.Enum):
    """What a read found: 410 is voided or deleted, 404 is unknown."""

    ALIVE = "alive"
    GONE = "gone"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Read:
    """A record as read; ``version`` is the server's ETag."""

    found: Found
    body: bytes = field(default=b"", repr=False)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A write the server confirmed; ``id`` is the record's id there, which need not be the one sent."""

    id: str
    status: int


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request of an outbox message; ``condition`` is If-None-Exist of a POST, If-Match of a PUT."""

    method: str
    template: str
    path: dict[str, str] = {}
    body: msgspec.Raw = msgspec.Raw(b"")
    condition: str = ""

    def __repr__(self) -> str:
        return f"Call({self.method} {self.template})"  # the rest is about a patient


class _Calls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    calls: list[Call]


class _Named(msgspec.Struct, frozen=True):
    resourceType: str = ""
    id: str = ""
    uuid: str = ""


class _Link(msgspec.Struct, frozen=True):
    relation: str = ""
    url: str = ""


class _Entry(msgspec.Struct, frozen=True):
    resource: msgspec.Raw = msgspec.Raw(b"null")
    response: dict[str, object] = {}


class _Bundle(msgspec.Struct, frozen=True):
    resourceType: str
    entry: list[_Entry] = []
    link: list[_Link] = []


read_calls = msgspec.json.Decoder(_Calls).decode
_bundle = msgspec.json.Decoder(_Bundle).decode
_named = msgspec.json.Decoder(_Named).decode


class FhirServer:
    """One server, at its own pace. ``base`` is the address FHIR paths are put behind."""

    fhir = ""
    name = "a FHIR server"

    def __init__(
        self,
        over: httpx.AsyncBaseTransport,
        base: str,
        *,
        user: str = "",
        password: str = "",
        rate: float = 20.0,
        timeout: float = 30.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._over = over
        self._base = base.rstrip("/")
        self._rate = Rate(rate)
        self._timeout = timeout
        self._sleep = sleep
        self._wall = wall
        self._authorization = basic(user, password) if user else ""
        #: Seconds the server's clock is ahead of ours, by its Date header; None until it has answered (R14).
        self.clock_ahead: float | None = None

    async def read(self, kind: str, record_id: str) -> Read:
        """The record as it is now."""
        template = f"{self.fhir}/{{type}}/{{id}}"
        try:
            answer = await self._ask("GET", template, path={"type": kind, "id": record_id})
        except Refused as refused:
            return _absent(refused)
        named = partner_http.decoded(answer, _named)
        if named.resourceType != kind or named.id != record_id:
            raise TryLater(f"{partner_http.where(answer.request)}: 200, but with another record")
        return Read(Found.ALIVE, answer.content, answer.headers.get("etag", ""))

    async def search(self, kind: str, parameters: Mapping[str, str]) -> list[bytes]:
        """Every match. Pages are held in a short memory over there: a forgotten search is started again."""
        for _ in range(RESTARTS):
            try:
                return await self._search(kind, {**parameters, "_count": PAGE_ROWS})
            except Refused as refused:
                if refused.status != 410:
                    raise
        raise TryLater(f"search of {kind}: its pages were forgotten {RESTARTS} times on the way")

    async def carry_out(self, message: bytes) -> Sent:
        """Send an outbox message's calls in order; the id is the one the last answer gave."""
        sent = Sent("", 0)
        for call in read_calls(message).calls:
            sent = await self.call(call)
        return sent

    async def call(self, call: Call) -> Sent:
        """Send one request. Deleting what is not there is done already."""
        headers = self._conditions(call)
        try:
            answer = await self._ask(
                call.method, call.template, path=call.path, body=bytes(call.body), more=headers
            )
        except Refused as refused:
            if call.method == "DELETE" and refused.status in (404, 410) and _is_outcome(refused.answer):
                return Sent(call.path.get("id", ""), refused.status)
            if refused.status == 412:
                raise TryLater(str(refused), status=412, answer=refused.answer) from None
            raise
        return Sent(_id_of(answer) or call.path.get("id", ""), answer.status_code)

    async def find_origin(self, kind: str, system: str, record_id: str) -> list[bytes]:
        """Records that carry this origin identifier: after a lost answer, ask before creating again (R2)."""
        return await self.search(kind, {"identifier": f"{system}|{record_id}"})

    async def transaction(self, requests: Iterable[Mapping[str, object]]) -> list[Mapping[str, object]]:
        """Entries that all happen or none; the answers come in their order."""
        body = msgspec.json.encode({"resourceType": "Bundle", "type": "transaction", "entry": list(requests)})
        answer = await self._ask("POST", self.fhir or "/", body=body)
        return [entry.response for entry in partner_http.decoded(answer, _bundle).entry]

    def _conditions(self, call: Call) -> Mapping[str, str]:
        if not call.condition:
            return {}
        return {"If-None-Exist" if call.method == "POST" else "If-Match": call.condition}

    async def _search(self, kind: str, parameters: Mapping[str, str]) -> list[bytes]:
        template = f"{self.fhir}/{{type}}"
        answer = await self._ask("GET", template, path={"type": kind}, query=parameters)
        found: list[bytes] = []
        for _ in range(MOST_PAGES):
            page = partner_http.decoded(answer, _bundle)
            found += [bytes(entry.resource) for entry in page.entry]
            following = next((link.url for link in page.link if link.relation == "next"), "")
            if not following:
                return found
            answer = await self._ask("GET", self.fhir or "/", query=_query_of(following))
        raise TryLater(f"{partner_http.where(answer.request)}: the search never ends")

    async def _ask(
        self,
        method: str,
        template: str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        more: Mapping[str, str] | None = None,
        largest: int = LARGEST,
    ) -> httpx.Response:
        """One request, signed in without waiting to be asked, at the server's pace."""
        if any(value in ("", ".", "..") for value in (path or {}).values()):
            raise Refused(f"{method} {template}: an id that cannot stand in an address")
        await self._sleep(self._rate.turn())
        headers = {**self._headers(template, bool(body)), **(more or {})}
        request = partner_http.request(
            method, self._base, template, path=path or {}, query=query, headers=headers, content=body
        )
        try:
            answer = await partner_http.send(
                self._over, request, idempotent=method != "POST", timeout=self._timeout, largest=largest
            )
        except DeliveryError as error:
            if error.status == 429:
                self._rate.slower()
            raise self._away(error) from None
        self._see_clock(answer.headers.get("date", ""))
        return answer

    def _headers(self, template: str, has_body: bool) -> dict[str, str]:
        headers = {"Accept": self.media(template)}
        if self._authorization:
            headers["Authorization"] = self._authorization
        if has_body:
            headers["Content-Type"] = self.media(template)
        return headers

    def media(self, template: str) -> str:
        """The media type of what is under this address."""
        return FHIR_JSON

    def _away(self, error: DeliveryError) -> DeliveryError:
        """A refused sign-in is about the whole server, never about one record (R7)."""
        if error.status in (401, 403):
            return PartnerAway(
                f"{error}; {self.name} refused the account: check its user, password and privileges",
                status=error.status,
                answer=error.answer,
            )
        if error.status in (404, 410) and not _is_outcome(error.answer):
            return PartnerAway(
                f"{error}, and not in FHIR's words: check the address and whether its FHIR module runs",
                status=error.status,
                answer=error.answer,
            )
        return error

    def _see_clock(self, date: str) -> None:
        try:
            self.clock_ahead = parsedate_to_datetime(date).timestamp() - self._wall()
        except ValueError:
            return


def basic(user: str, password: str) -> str:
    """HTTP Basic; an account with a colon is refused here, for FHIR2 could never sign it in."""
    if ":" in user or ":" in password:
        raise ValueError("the account holds a colon, which HTTP Basic cannot carry to every server")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def entry_request(
    method: str, url: str, resource: bytes, *, full_url: str = "", if_none_exist: str = "", if_match: str = ""
) -> dict[str, object]:
    """One entry of a transaction; ``full_url`` lets other entries refer to what this one creates."""
    request = {"method": method, "url": url, "ifNoneExist": if_none_exist, "ifMatch": if_match}
    entry: dict[str, object] = {"request": {name: value for name, value in request.items() if value}}
    if resource:
        entry["resource"] = msgspec.Raw(resource)
    if full_url:
        entry["fullUrl"] = full_url
    return entry


def _absent(refused: Refused) -> Read:
    if refused.status == 410:
        return Read(Found.GONE)
    if refused.status == 404:
        return Read(Found.MISSING)
    raise refused


def _is_outcome(answer: bytes) -> bool:
    """Whether a 404 is the server's word about a record, or only a web server's about a page."""
    try:
        found = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(found, dict) and (found.get("resourceType") == "OperationOutcome" or "error" in found)


def _id_of(answer: httpx.Response) -> str:
    """The id the server gave: in the body, else in the Location, of which only the path is read."""
    try:
        named = _named(answer.content)
    except msgspec.DecodeError:
        named = _Named()
    steps = answer.headers.get("location", "").partition("/_history")[0].rstrip("/").split("/")
    own = named.id if named.resourceType != "OperationOutcome" else ""
    return own or named.uuid or (steps[-1] if len(steps) > 1 else "")


def _query_of(link: str) -> Mapping[str, str]:
    """The query of a ``next`` link: its origin is never followed, for it is built from request headers."""
    return dict(httpx.QueryParams(httpx.URL(link).query.decode("ascii", "ignore")))
