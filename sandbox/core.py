"""The words every simulated partner is written in: a request, a reply, a fault, a system.

A system is one partner in miniature. It knows what the partner answers and what it keeps; it does not know
about sockets, about the list of what was received, or about faults: those stand in front of it (``desk.py``).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import msgspec
import orjson

if TYPE_CHECKING:
    from .desk import Desk

JSON = "application/json"


class Request:
    """One request as the partner reads it; ``path`` has lost the leading ``/<system>`` and the query."""

    __slots__ = ("_headers", "_query", "body", "method", "path", "query_string", "raw_headers")

    def __init__(
        self,
        method: str,
        path: str,
        query_string: str = "",
        raw_headers: list[tuple[bytes, bytes]] | None = None,
        body: bytes = b"",
    ) -> None:
        self.method = method
        self.path = unquote(path) if "%" in path else path
        self.query_string = query_string
        self.raw_headers = raw_headers if raw_headers is not None else []
        self.body = body
        self._headers: dict[str, str] | None = None
        self._query: dict[str, str] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Header values by lower-case name, made when first asked for."""
        if self._headers is None:
            self._headers = named(self.raw_headers)
        return self._headers

    def header(self, name: str) -> str:
        """One header by its lower-case name, "" when absent; cheaper than ``headers`` for a single one."""
        if self._headers is not None:
            return self._headers.get(name, "")
        wanted = name.encode()
        found = next((value for raw_name, value in self.raw_headers if raw_name.lower() == wanted), b"")
        return found.decode("latin-1")

    @property
    def query(self) -> dict[str, str]:
        """The last value of each query parameter."""
        if self._query is None:
            parsed = parse_qs(self.query_string, keep_blank_values=True) if self.query_string else {}
            self._query = {name: values[-1] for name, values in parsed.items()}
        return self._query

    @property
    def form(self) -> dict[str, str]:
        """The last value of each member of a form-encoded body."""
        parsed = parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[-1] for name, values in parsed.items()}

    def json(self) -> Any:
        """The body read as JSON; ValueError when it is not."""
        return orjson.loads(self.body)


def named(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header values by lower-case name; a repeated header is joined with a comma."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class Reply:
    """One answer; ``effect`` says whether the partner took something over, ``drop`` closes without answering.

    ``said`` stands in the received list in place of the status where a protocol has words instead of numbers.
    """

    __slots__ = ("body", "content_type", "drop", "effect", "headers", "said", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = JSON,
        headers: dict[str, str] | None = None,
        *,
        effect: bool = False,
        drop: bool = False,
        said: str | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
        self.effect = effect
        self.drop = drop
        self.said = said


def as_json(
    status: int, value: object, headers: dict[str, str] | None = None, *, effect: bool = False
) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, orjson.dumps(value), JSON, headers, effect=effect)


def as_text(status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> Reply:
    """A reply with a text body."""
    return Reply(status, text.encode(), content_type)


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the next matching requests get instead of, or around, the normal answer."""

    status: int | None = None  # null: the partner's normal answer; 0: the connection is dropped
    take: bool | None = None  # whether the partner takes the effect; absent: only with a good answer
    times: int = 1  # -1: until deleted
    delay_seconds: float = 0.0
    effect_after_seconds: float = 0.0
    retry_after: int | float | str | None = None
    body: Any = None
    content_type: str | None = None
    items: int | None = None
    ack: str | None = None
    match: str | None = None

    def __post_init__(self) -> None:
        if self.status is None and (self.items is not None or self.ack is not None):
            self.status = 400
        try:
            re.compile(self.match or "")
        except re.error as wrong:
            raise ValueError(f"match is no regular expression: {wrong}") from wrong

    @property
    def takes(self) -> bool:
        """Whether the partner takes the effect although it answers like this."""
        if self.take is not None:
            return self.take
        return self.status is None or (200 <= self.status < 300)

    @property
    def keeps_answer(self) -> bool:
        """Whether the answer is the partner's own: a delay, or a good status without words of its own."""
        good = self.status is None or 200 <= self.status < 300
        return good and self.takes and self.body is None

    def fits(self, method: str, path: str) -> bool:
        """Whether the fault is meant for this request."""
        return self.match is None or re.search(self.match, f"{method} {path}") is not None


class System:
    """One partner in miniature; override what the partner does differently.

    ``answer`` may be a plain method (cheapest: no task is made) or ``async def``.
    """

    name = ""

    def answer(self, request: Request) -> Reply | Awaitable[Reply]:
        """What the partner answers, its effect included. The path has no ``/<system>``."""
        return as_json(404, {"detail": "Not found."})

    def refusal(self, request: Request, fault: Fault) -> Reply:
        """What a fault answers in this partner's words; called for every fault with a status above 0."""
        return spoken(fault)

    def records(self) -> object:
        """What ``GET /_sandbox/<system>/records`` shows: what the partner holds now."""
        return {}

    def forget(self, everything: bool) -> None:
        """Called by ``DELETE /_sandbox/<system>``; ``everything`` when asked with ``?everything=1``."""

    def control(self, request: Request) -> Reply | Awaitable[Reply] | None:
        """Answers a route of its own under ``/_sandbox/<system>``; None: there is none.

        The path here is what follows ``/_sandbox/<system>``, for example ``/settings``.
        """
        return None

    async def open(self, desk: Desk) -> None:
        """Called once when the sandbox starts, inside its loop: a place to start listeners and tasks."""

    async def close(self) -> None:
        """Called once when the sandbox stops."""


#: What is answered where a fault names a status and no body.
PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    413: "Payload Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def spoken(fault: Fault) -> Reply:
    """The fault's own body and headers; without a body the way a gateway or a framework words it."""
    status = fault.status or 200
    headers = None if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    if isinstance(fault.body, str):
        kind = fault.content_type or "text/plain; charset=utf-8"
        return Reply(status, fault.body.encode(), kind, headers)
    if fault.body is not None:
        return Reply(status, orjson.dumps(fault.body), fault.content_type or JSON, headers)
    phrase = PHRASES.get(status, "Error")
    if status in (502, 503, 504):
        page = f"<html><head><title>{status} {phrase}</title></head><body><h1>{phrase}</h1></body></html>"
        return Reply(status, page.encode(), fault.content_type or "text/html", headers)
    return Reply(status, orjson.dumps({"detail": phrase}), fault.content_type or JSON, headers)
