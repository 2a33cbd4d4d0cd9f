"""The one place where HTTP becomes our errors, and the one way to speak it to a partner.

``request`` builds, ``send`` sends once and returns a 2xx answer or raises the ``DeliveryError`` that fits.
A ready request goes straight to the transport: no cookies, no redirects, no proxy from the environment,
no merging of addresses. What a system says in its answers belongs in that system's client, and how often
to try again in the store.

Texts of errors name the method, the host, the path *template* and the status. A filled path, a query or
an exception of the HTTP library may name a patient, so none of them is repeated or chained.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import httpx
import msgspec

from resources.errors import DeliveryError, PartnerAway, Refused, TryLater, Unsure
from resources.http_request import Request
from resources.http_transport import Transport

T = TypeVar("T")

#: How much of a refusal we keep. Enough for every error list we know; a maintenance page is cut.
ANSWER_KEPT = 65_536
#: The largest answer a client accepts unless it names another limit.
LARGEST_ANSWER = 32_000_000
#: No partner can hold a message longer than this by its Retry-After.
LONGEST_WAIT_SECONDS = 86_400.0

_LATER = frozenset({408, 425, 429})
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


def transport(
    *, connections: int, tls: ssl.SSLContext | None = None, keep_alive_seconds: float = 15.0
) -> Transport:
    """A pool of ``connections`` for one partner; opens nothing until the first request, ends by ``aclose()``.

    ``tls`` carries a private authority or a client certificate; otherwise the machine's authorities count.
    """
    return Transport(connections, tls or ssl.create_default_context(), keep_alive_seconds)


def request(
    method: str,
    origin: str,
    template: str,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
) -> Request:
    """A request to ``origin`` + ``template``, whose ``{names}`` are filled, quoted, from ``path``.

    >>> str(request("GET", "https://ehr.test/api", "/patients/{id}/", path={"id": "a/b"}).url)
    'https://ehr.test/api/patients/a%2Fb/'
    """
    filled = template.format_map({k: quote(v, safe="") for k, v in path.items()}) if path else template
    address = origin.rstrip("/") + filled + ("?" + urlencode(query) if query else "")
    return Request(method, address, headers, content, template)


def on_origin(origin: str, link: str) -> str:
    """A partner's ``next`` or ``Location`` made absolute; ``Refused`` if it leaves ``origin``."""
    home, target = httpx.URL(origin), httpx.URL(origin).join(link)
    if (target.scheme, target.host, target.port) != (home.scheme, home.host, home.port) or target.userinfo:
        raise Refused(f"{home.host}: its answer links to another origin, which is not followed")
    return str(target)


def utc_now() -> datetime:
    """The wall clock, for a Retry-After that is a date."""
    return datetime.now(UTC)


async def send(
    over: httpx.AsyncBaseTransport,
    request: httpx.Request,
    *,
    idempotent: bool,
    timeout: float,  # noqa: ASYNC109  # a limit for the far end, judged differently from a cancellation
    question: bool = False,
    largest: int = LARGEST_ANSWER,
    now: Callable[[], datetime] = utc_now,
) -> httpx.Response:
    """Send once and return the 2xx answer, read to its end; raise ``TryLater``, ``Unsure`` or ``Refused``.

    ``idempotent``: sending the same again does no harm (PUT, DELETE, most PATCH), so a 5xx is only TryLater.
    ``question``: the request changes nothing over there (GET and HEAD always; a search or a sign-in by POST
    when you say so), so it is never ``Unsure``.
    ``timeout``: seconds for all of it; connecting may take half of that, at most ten.
    """
    request.extensions["timeout"] = _limits(timeout)
    question = question or request.method in ("GET", "HEAD")
    failure: DeliveryError
    try:
        async with asyncio.timeout(timeout):
            response = await over.handle_async_request(request)
            response.request = request
            if response.is_closed and response.is_success and len(response.content) <= largest:
                return response
            try:
                if response.is_success:
                    return await _whole(response, largest)
                answer, _ = await _bounded(response, ANSWER_KEPT)
            finally:
                await response.aclose()
        failure = _answered(request, response, answer, idempotent or question, now())
    except (httpx.RequestError, aiohttp.ClientError, TimeoutError, OSError, _TooLarge) as error:
        failure = _unanswered(request, error)
    if question and isinstance(failure, Unsure):
        failure = TryLater(str(failure), status=failure.status, answer=failure.answer)
    raise failure


def decoded(response: httpx.Response, decode: Callable[[bytes], T]) -> T:
    """The answer's body through ``decode``. A 2xx that cannot be read (a maintenance page) is ``Unsure``."""
    try:
        return decode(response.content)
    except (ValueError, msgspec.MsgspecError):
        answer = response.content[:ANSWER_KEPT]
    text = f"{where(response.request)}: {response.status_code}, but the answer cannot be read"
    kind = TryLater if response.request.method in ("GET", "HEAD") else Unsure
    raise kind(text, status=response.status_code, answer=answer)


def where(request: httpx.Request) -> str:
    """Method, host and path template: what a text about ``request`` may say.

    >>> where(request("GET", "https://ehr.test", "/patients/{id}/", path={"id": "7"}))
    'GET ehr.test /patients/{id}/'
    """
    template = request.extensions.get("template", "(path not shown)")
    return f"{request.method} {request.url.netloc.decode()} {template}"


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3).

    >>> retry_after("90", datetime(2026, 3, 2, tzinfo=UTC))
    90.0
    >>> retry_after("Mon, 02 Mar 2026 00:02:00 GMT", datetime(2026, 3, 2, tzinfo=UTC))
    120.0
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), LONGEST_WAIT_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)


def quiet_loggers() -> None:
    """Keep the HTTP libraries from logging addresses, which may hold an id; call once a process."""
    for name in ("httpx", "httpcore", "httpx_aiohttp", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)


@lru_cache
def _limits(timeout: float) -> Mapping[str, float]:
    connect = min(10.0, timeout / 2)
    return {"connect": connect, "pool": connect, "read": timeout, "write": timeout}


class _TooLarge(Exception):
    """The answer is larger than the client accepts."""


async def _whole(response: httpx.Response, largest: int) -> httpx.Response:
    body, complete = await _bounded(response, largest)
    if not complete:
        raise _TooLarge
    kept = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name not in ("content-encoding", "content-length", "transfer-encoding")
    ]
    return httpx.Response(response.status_code, headers=kept, content=body, request=response.request)


async def _bounded(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """At most ``limit`` bytes of the body after decompression, and whether that is all of it."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            return bytes(body[:limit]), False
    return bytes(body), True


def _answered(
    request: httpx.Request, response: httpx.Response, answer: bytes, harmless: bool, now: datetime
) -> DeliveryError:
    status = response.status_code
    text = f"{where(request)}: {status}"
    if status not in _LATER and status < 500:
        return Refused(text, status=status, answer=answer)
    wait = retry_after(response.headers.get("retry-after", ""), now)
    # A gateway that gave up waiting says nothing about what is behind it: ReportStream's front door once
    # answered 504 to uploads that it had in fact accepted. Other 5xx are safe only where a repetition is.
    unsure = status == 504 or (status >= 500 and not harmless)
    return (Unsure if unsure else TryLater)(text, status=status, answer=answer, after_seconds=wait)


def _unanswered(request: httpx.Request, error: Exception) -> DeliveryError:
    if isinstance(error, httpx.UnsupportedProtocol | aiohttp.InvalidURL):
        return PartnerAway(f"{where(request)}: not an address we can call; check the partner's URL setting")
    if isinstance(error, _TooLarge):
        return Unsure(f"{where(request)}: the answer is larger than we accept")
    # An adapter between aiohttp and httpx may report a connection lost after sending as ConnectTimeout: where
    # aiohttp's own exception stands behind it, that one tells.
    cause = (error.__cause__ if isinstance(error, httpx.RequestError) else None) or error
    if isinstance(cause, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return TryLater(f"{where(request)}: no trusted TLS connection ({type(cause).__name__})")
    unconnected = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
    if isinstance(cause, (*_NOT_SENT, *unconnected)):
        return TryLater(f"{where(request)}: no connection ({type(cause).__name__})")
    return Unsure(f"{where(request)}: sent, and no answer came back ({type(cause).__name__})")
