"""ReportStream's HTTPS interface: hand in a batch, ask whether it arrived, ask what became of it.

Refused
├── BatchRefused    400 and the like: nothing of the batch was taken; names the items at fault if it can
└── BatchTooLarge   413, or more than ReportStream takes at once: part the batch

What is in a batch belongs in ``assets.reportstream``; when to send, ask and part it belongs to the lane.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from resources import partner_http
from resources.errors import PartnerAway, Refused, TryLater, Unsure
from resources.partner_http import utc_now
from resources.reportstream_reply import Reply, culprits, read_errors, read_list, read_reply
from resources.sign_in import AssertionKey, SignIn, client_assertion, send_signed

#: ReportStream refuses more than this at once.
MOST_BYTES = 50_000_000
MOST_ITEMS = 10_000

#: An answer that is about our account, our address or our settings: no batch would fare better.
_OURS = {
    401: "the key or the token is not accepted",
    404: "there is no such address; check REPORTSTREAM_URL",
    405: "the address does not take uploads; check REPORTSTREAM_URL",
    410: "the sender is switched off at ReportStream",
    415: "the sender is set up for another format; check REPORTSTREAM_FORMAT",
}
_SUBMISSIONS = "/api/waters/org/{organization}/submissions"
#: The list of submissions is read in pages of this size, and not for ever.
_PAGE = 100
_MOST_PAGES = 50
#: ReportStream's clock may differ from ours when we ask for submissions since a moment.
_CLOCK_SLACK = timedelta(minutes=10)

Form = Literal["csv", "fhir", "hl7"]


class _Way(NamedTuple):
    path: str
    content_type: str
    client: str


#: CSV goes to the older pipeline, everything else to the universal one.
_WAYS: dict[Form, _Way] = {
    "csv": _Way("/api/reports", "text/csv", "simple_report"),
    "fhir": _Way("/api/waters", "application/fhir+ndjson", "simple_report.fullelr"),
    "hl7": _Way("/api/waters", "application/hl7-v2", "simple_report.fullelr"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is handed in at once.

    ``name`` is ours and comes back as external name: by it we ask. ``items`` are the tracking ids in the order
    of ``body``: event ids, whatever the format.
    """

    name: str
    items: tuple[str, ...]
    body: bytes = field(repr=False)


class BatchRefused(Refused):
    """Nothing of the batch was taken. ``culprits`` are places in its items; none means nobody knows."""

    def __init__(self, text: str, *, status: int, answer: bytes, culprits: tuple[int, ...] = ()) -> None:
        super().__init__(text, status=status, answer=answer)
        self.culprits = culprits


class BatchTooLarge(Refused):
    """The batch has too many bytes or items for one submission; its parts may go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who we are at ReportStream, and what we send. A function key or an assertion key (PEM) proves it.

    An empty ``client`` means the one SimpleReport uses for the format.
    """

    url: str
    form: Form = "csv"
    client: str = ""
    function_key: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    key_id: str = ""
    timeout_seconds: float = 90.0

    @property
    def sender(self) -> str:
        """The name in the ``client`` header."""
        return self.client or _WAYS[self.form].client

    @property
    def organization(self) -> str:
        """The part of the sender's name before the dot."""
        return self.sender.partition(".")[0]


class ReportStream:
    """One sender's way into ReportStream."""

    def __init__(
        self, over: httpx.AsyncBaseTransport, account: Account, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._over, self._account = over, account
        self._sign_in = _sign_in(over, account, now) if account.private_key else None

    async def send(self, batch: Batch) -> Reply:
        """Hand in a batch once. The reply says accepted, not delivered.

        Raises ``TryLater``, ``Unsure`` (then ``ask``), ``BatchRefused``, ``BatchTooLarge``, ``PartnerAway``.
        """
        if len(batch.body) > MOST_BYTES or len(batch.items) > MOST_ITEMS:
            raise BatchTooLarge(
                f"a batch of {len(batch.items)} items and {len(batch.body)} bytes is too large"
            )
        way = _WAYS[self._account.form]
        request = partner_http.request(
            "POST",
            self._account.url,
            way.path,
            query={"processing": "async", "payloadName": batch.name},
            headers=self._headers() | {"content-type": way.content_type},
            content=batch.body,
        )
        try:
            response = await self._carry(request)
        except Refused as error:
            raise _refusal(error, batch) from None
        return _taken(response)

    async def ask(self, name: str, *, since: datetime) -> Reply | None:
        """What ReportStream has under a batch's name, or nothing: then it has not arrived, so far.

        The reply may also say ``refused``: the batch arrived and was not taken.
        ``since`` is when the batch was first sent. A no is worth something only after a while: an upload may
        still be running behind a front door that has given up on it.
        """
        found = await self._listed(name, since - _CLOCK_SLACK)
        if found is None:
            return None
        return await self.history(found.report_id or str(found.submission_id)) or found

    async def history(self, report_id: str) -> Reply | None:
        """What has become of a report, by its id or its submission's number; nothing if it is not known."""
        request = self._question("/api/waters/report/{id}/history", {"id": report_id})
        try:
            response = await self._carry(request)
        except Refused as error:
            if error.status == 404:
                return None
            raise _ours(error) from None
        return partner_http.decoded(response, read_reply)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._over.aclose()

    async def _listed(self, name: str, since: datetime) -> Reply | None:
        """The entry of that name in the list of submissions; one that was taken before one that was refused."""
        refused = None
        until = ""
        for _ in range(_MOST_PAGES):
            page = await self._page(since, until)
            named = [entry for entry in page if entry.external_name == name]
            taken = next((entry for entry in named if not entry.refused), None)
            if taken:
                return taken
            refused = refused or next(iter(named), None)
            if not page or page[-1].timestamp in ("", until):
                return refused
            until = page[-1].timestamp
        raise TryLater(
            f"GET {_SUBMISSIONS}: more than {_PAGE * _MOST_PAGES} submissions since then; cannot tell"
        )

    async def _page(self, since: datetime, until: str) -> list[Reply]:
        """One page of submissions, the newest first, refused ones too."""
        query = {"since": since.isoformat(), "pageSize": str(_PAGE), "sortdir": "DESC", "showfailed": "true"}
        query |= {"cursor": until} if until else {}
        path = {"organization": self._account.organization}
        request = self._question(_SUBMISSIONS, path, query)
        try:
            response = await self._carry(request)
        except Refused as error:
            raise _ours(error) from None
        return partner_http.decoded(response, read_list)

    def _question(
        self, template: str, path: dict[str, str], query: dict[str, str] | None = None
    ) -> httpx.Request:
        return partner_http.request(
            "GET", self._account.url, template, path=path, query=query, headers=self._headers()
        )

    def _headers(self) -> dict[str, str]:
        headers = {"client": self._account.sender, "x-api-version": "2021-09-21"}
        key = self._account.function_key
        return headers | ({"x-functions-key": key} if key and not self._sign_in else {})

    async def _carry(self, request: httpx.Request) -> httpx.Response:
        """Send signed in, by token or by key; an upload is never idempotent."""
        timeout = self._account.timeout_seconds
        if self._sign_in:
            return await send_signed(self._over, request, self._sign_in, idempotent=False, timeout=timeout)
        return await partner_http.send(self._over, request, idempotent=False, timeout=timeout)


class Nowhere:
    """The transport ``none``: everything is mapped and settled, nothing is sent."""

    async def send(self, batch: Batch) -> Reply:
        """Take the batch as delivered."""
        return Reply(overall_status="Delivered", items=len(batch.items), external_name=batch.name)

    async def ask(self, name: str, *, since: datetime) -> Reply | None:
        """Nothing ever left, so nothing can have arrived."""
        return None

    async def history(self, report_id: str) -> Reply | None:
        """Nobody keeps a history."""
        return None

    async def aclose(self) -> None:
        """There is nothing to close."""


def connect(account: Account, *, connections: int = 4) -> ReportStream:
    """A client with connections of its own; opens none before the first batch. Close it by ``aclose()``."""
    return ReportStream(partner_http.transport(connections=connections), account)


def _sign_in(over: httpx.AsyncBaseTransport, account: Account, now: Callable[[], datetime]) -> SignIn:
    key = AssertionKey(
        client_id=account.sender,
        key=account.private_key,
        key_id=account.key_id or account.sender,
        algorithm=_algorithm(account.private_key),
        audience=account.url.rstrip("/"),
    )
    token_url = f"{account.url.rstrip('/')}/api/token"
    scope = f"{account.organization}.*.report"
    return SignIn(over, client_assertion(token_url, key, scope=scope, now=now))


def _algorithm(private_key: str) -> str:
    """ReportStream takes RSA keys and elliptic ones of P-384."""
    try:
        key = load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, RSAPrivateKey):
        return "RS256"
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP384R1):
        return "ES384"
    raise ValueError("REPORTSTREAM_PRIVATE_KEY is no plain RSA or P-384 key in PEM")


def _taken(response: httpx.Response) -> Reply:
    """The reply to an upload that ReportStream says it took."""
    reply = partner_http.decoded(response, read_reply)
    if reply.refused:
        text = (
            f"{partner_http.where(response.request)}: {response.status_code}, but the answer speaks of errors"
        )
        raise Unsure(text, status=response.status_code, answer=reply.answer)
    return reply


def _refusal(error: Refused, batch: Batch) -> Refused | PartnerAway:
    """What a refused upload means for the batch."""
    if error.status == 413:
        return BatchTooLarge(str(error), status=413, answer=error.answer)
    if error.status in _OURS or 300 <= error.status < 400:
        return _ours(error)
    remarks = read_errors(error.answer)
    if remarks and all(remark.scope == "parameter" for remark in remarks):
        text = f"{error}; the answer is about our settings, not about an item: read it in the attempt"
        return PartnerAway(text, status=error.status, answer=error.answer)
    named = culprits(remarks, batch.items)
    text = f"{error}; names {len(named)} of {len(batch.items)} items"
    return BatchRefused(text, status=error.status, answer=error.answer, culprits=named)


def _ours(error: Refused) -> PartnerAway:
    """A refusal no batch can mend: the lane pauses until a person has looked."""
    why = _OURS.get(error.status, "check REPORTSTREAM_URL and the account")
    return PartnerAway(f"{error}; {why}", status=error.status, answer=error.answer)
