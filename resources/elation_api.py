"""How we speak to Elation at all: signed in, at its pace, page by page.

What is said is in ``elation`` (patients) and ``elation_policies``. Facts about the API: help.elationhealth.com.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import httpx
import msgspec

from resources import partner_http
from resources.errors import Refused, TryLater
from resources.http_request import Request
from resources.rate import Rate
from resources.sign_in import SignIn, client_credentials, send_signed

T = TypeVar("T")

#: Elation gives at most a hundred rows a page; we do not look through more than this many pages.
PAGE_ROWS = "100"
MOST_PAGES = 20
#: Ours to theirs. Elation does not publish the member names of a policy: the setting replaces these.
POLICY_NAMES = {name: name for name in ("rank", "carrier", "member_id", "payment_program")}


class Known(Protocol):
    """What is remembered of charts from one run to the next.

    Under the chart's id stands Elation's id of the patient; under a name that starts with it, what we last
    wrote of its policies; under ``elation.FORBIDDEN``, whether our rights are in doubt. Names and values are as
    confidential as a body: index the one, seal the other.
    """

    async def get(self, chart: str) -> str | None:
        """What is remembered under this name."""
        ...

    async def put(self, chart: str, value: str) -> None:
        """Remember this from now on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where Elation is, how to sign in, and where our patients belong."""

    url: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    primary_physician: str = "Katie"
    caregiver_practice: int
    policy_names: Mapping[str, str] = field(default_factory=lambda: POLICY_NAMES)
    concurrency: int = 64
    rate: float = 10_000.0
    settle_seconds: float = 60.0
    timeout: float = 30.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The ``ELATION_`` variables; ``ValueError`` names one that is missing or is not a number."""
        given = {name[8:].lower(): text for name, text in environment.items() if name.startswith("ELATION_")}
        url = _needed(given, "url").rstrip("/")
        return cls(
            url=url,
            token_url=given.get("token_url") or f"{url}/oauth2/token/",
            client_id=_needed(given, "client_id"),
            client_secret=_needed(given, "client_secret"),
            primary_physician=given.get("primary_physician") or "Katie",
            caregiver_practice=_whole(given, "caregiver_practice", _needed(given, "caregiver_practice")),
            policy_names=POLICY_NAMES | _names(given.get("policy_names", "")),
            concurrency=_whole(given, "concurrency", "64"),
            rate=_whole(given, "rate", "10000"),
            settle_seconds=_whole(given, "settle_seconds", "60"),
            timeout=_whole(given, "timeout_seconds", "30"),
        )


class _Page(msgspec.Struct):
    results: list[msgspec.Raw]
    next: str | None = None


_PAGE = msgspec.json.Decoder(_Page | list[msgspec.Raw])
_ANY = msgspec.json.Decoder(Any)


class Api:
    """Requests to Elation, each sent once; a partner's answers as ``partner_http`` judges them."""

    def __init__(
        self,
        over: httpx.AsyncBaseTransport,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        ask = client_credentials(settings.token_url, settings.client_id, settings.client_secret)
        self._over, self._origin, self._timeout = over, settings.url, settings.timeout
        self._sign_in = SignIn(over, ask, clock=clock)
        self._rate = Rate(settings.rate, clock=clock)
        self._sleep = sleep

    async def call(self, method: str, template: str, content: bytes = b"", **path: str) -> httpx.Response:
        """Send a request for what stands at ``template``, filled from ``path``."""
        headers = {"Content-Type": "application/json"} if content else None
        request = partner_http.request(
            method, self._origin, template, path=path, headers=headers, content=content
        )
        return await self._send(request)

    async def rows(
        self,
        read: Callable[[msgspec.Raw], T],
        template: str,
        query: Mapping[str, str] | None = None,
        **path: str,
    ) -> list[T]:
        """All rows of a list, following its cursor; ``Refused`` when there are more than we look through."""
        query = {"limit": PAGE_ROWS} | dict(query or {})
        request = partner_http.request("GET", self._origin, template, path=path, query=query)
        found: list[T] = []
        for _ in range(MOST_PAGES):
            rows, link = partner_http.decoded(await self._send(request), lambda body: _page(body, read))
            found += rows
            if not link:
                return found
            link = partner_http.on_origin(self._origin, link)
            request = Request("GET", link, None, b"", template)
        raise Refused(f"{partner_http.where(request)}: more rows than we look through; a person has to look")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._over.aclose()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """Every write counts as not idempotent: one that takes effect late, behind a 5xx, would put an older
        state of the chart over a newer one. Such a one is asked about before the next goes.
        """
        if wait := self._rate.turn():
            await self._sleep(wait)
        try:
            return await send_signed(
                self._over, request, self._sign_in, idempotent=False, timeout=self._timeout
            )
        except TryLater as error:
            if error.status == 429:
                self._rate.slower()
            raise


def _page(body: bytes, read: Callable[[msgspec.Raw], T]) -> tuple[list[T], str | None]:
    page = _PAGE.decode(body)
    if isinstance(page, list):
        return [read(row) for row in page], None
    return [read(row) for row in page.results], page.next


def document(response: httpx.Response) -> Any:
    """The JSON of an answer, or None where it has no content; ``Unsure`` for anything else in a 2xx."""
    return partner_http.decoded(response, _ANY.decode) if response.content else None


def _needed(given: Mapping[str, str], name: str) -> str:
    if not given.get(name):
        raise ValueError(f"ELATION_{name.upper()} is not set")
    return given[name]


def _whole(given: Mapping[str, str], name: str, default: str) -> int:
    try:
        return int(given.get(name) or default)
    except ValueError:
        raise ValueError(f"ELATION_{name.upper()} is not a whole number") from None


def _names(text: str) -> dict[str, str]:
    """``carrier=insurance_company,payment_program=``: ours to theirs, and one that they do not take."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    names = {ours.strip(): theirs.strip() for ours, _, theirs in pairs}
    if unknown := names.keys() - POLICY_NAMES.keys():
        raise ValueError(f"ELATION_POLICY_NAMES: no policy has a member {', '.join(sorted(unknown))}")
    return names
