"""A lane's door: checks the sender, reads, judges the shape, stores, and only then says so.

A plain ASGI callable, past every middleware: at this place a microsecond is a percent. What a lane's events are
is the lane's: it gives ``read``, which makes one ``Incoming`` of one JSON document or raises ``ShapeError``.
All of a request is kept or nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

import msgspec
from starlette.types import Receive, Scope, Send

from assets.formats.decode import ShapeError, elements, shape_error
from resources.store.intake import Busy, Incoming, Intake, StoreAway, Verdict
from web.answers import Answer, Refusal, answer, problem
from web.body import Bodies, Gone
from web.figures import Figures
from web.logs import place_of
from web.opening import Opening
from web.proof import Secrets

log = logging.getLogger("handoff.door")

#: Events of one request, and what they may hold together: an array of millions of numbers is never looked at.
MOST_EVENTS = 5_000
MOST_COMMAS = 200 * MOST_EVENTS
#: Of a long array so many are judged before another sender has its turn.
IN_A_ROW = 100

UNKNOWN = problem(401, "the bearer token is missing or not known here", www_authenticate="Bearer")
POST_ONLY = problem(405, "this is a door: send POST", allow="POST")
TOO_MANY = problem(413, f"more than {MOST_EVENTS:,} events; send fewer at a time")
TOO_DENSE = problem(413, f"more than {MOST_EVENTS:,} events, or {MOST_COMMAS:,} members in all")
BUSY = problem(503, "more waits to be stored than we hold; send the same again shortly", retry_after="1")
AWAY = problem(503, "the store does not answer; send the same again later", retry_after="5")

Read = Callable[[bytes], Incoming]


def counts(received: int, duplicates: int, conflicts: int, status: int = 202) -> Answer:
    """What became of the events of a request."""
    content = {"received": received, "duplicates": duplicates, "conflicts": conflicts}
    return answer(status, msgspec.json.encode(content))


#: What a request with one object is told; a lane whose sender goes by the status says otherwise.
ONE = {
    Verdict.RECEIVED: counts(1, 0, 0),
    Verdict.DUPLICATE: counts(0, 1, 0),
    Verdict.CONFLICT: counts(0, 0, 1),
}
#: For senders that go by the status alone.
ONE_BY_STATUS = {
    Verdict.RECEIVED: counts(1, 0, 0),
    Verdict.DUPLICATE: counts(0, 1, 0, status=200),
    Verdict.CONFLICT: problem(
        409,
        "this id came before with other content; what came first stands, this one is kept for a person",
        members={"received": 0, "duplicates": 0, "conflicts": 1},
    ),
}


@dataclass(frozen=True)
class Surroundings:
    """What all doors of a process share."""

    intake: Intake
    bodies: Bodies
    opening: Opening
    figures: Figures
    arrived: Callable[[str], None]


class Door:
    """Takes one JSON object or an array of them for one lane."""

    def __init__(
        self,
        lane: str,
        secrets: Secrets,
        read: Read,
        around: Surroundings,
        one: Mapping[Verdict, Answer] = ONE,
    ) -> None:
        self._lane, self._secrets, self._read, self._one = lane, secrets, read, one
        self._around = around
        self._meter = around.figures.meter(lane)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, answered; Dagster hears of it afterwards."""
        began = perf_counter()
        try:
            what, fresh = await self._take(scope, receive)
        except Refusal as refusal:
            what, fresh = refusal.answer, False
            self._meter.refused(what.status)
        except Gone:
            return
        except Exception as error:  # a fault of ours: the sender keeps what it has and comes again
            log.error("%s: not stored (%s)", self._lane, place_of(error))
            what, fresh = AWAY, False
        with suppress(RuntimeError, OSError):  # the sender hung up: what it will send again is a repeat
            await what(send)
        self._meter.answered(what.status, perf_counter() - began)
        if fresh:
            self._around.arrived(self._lane)

    async def _take(self, scope: Scope, receive: Receive) -> tuple[Answer, bool]:
        if scope["method"] != "POST":
            raise Refusal(POST_ONLY)
        headers = dict(scope["headers"])
        if not self._secrets.bearer(headers.get(b"authorization", b"")):
            raise Refusal(UNKNOWN)
        if closed := self._around.opening.closed:
            raise Refusal(closed)
        raw = await self._around.bodies.json(headers, receive)
        many = raw.lstrip(b" \t\r\n").startswith(b"[")
        verdicts = await self._store(await self._all(raw) if many else [self._judge(raw, 0)])
        self._meter.stored(verdicts)
        fresh = Verdict.RECEIVED in verdicts
        if not many:
            return self._one[verdicts[0]], fresh
        return counts(*(verdicts.count(verdict) for verdict in Verdict)), fresh

    async def _all(self, raw: bytes) -> list[Incoming]:
        if raw.count(b",") > MOST_COMMAS:
            raise Refusal(TOO_DENSE)
        try:
            documents = elements(raw)
        except ShapeError as error:
            raise Refusal(problem(400, str(error), members={"place": error.place})) from None
        if len(documents) > MOST_EVENTS:
            raise Refusal(TOO_MANY)
        incoming = []
        for index, document in enumerate(documents):
            incoming.append(self._judge(document, index))
            if index % IN_A_ROW == IN_A_ROW - 1:
                await asyncio.sleep(0)
        return incoming

    def _judge(self, document: bytes, index: int) -> Incoming:
        try:
            return self._read(document)
        except ShapeError as error:
            raise Refusal(misshapen(document, index, error)) from None

    async def _store(self, incoming: Sequence[Incoming]) -> list[Verdict]:
        if not incoming:
            return []
        try:
            return await self._around.intake.put(incoming)
        except Busy:
            raise Refusal(BUSY) from None
        except StoreAway:
            raise Refusal(AWAY) from None


def misshapen(document: bytes, index: int, error: ShapeError) -> Answer:
    """The refusal of one event: 400 where it is no JSON at all, 422 where it is JSON of another shape."""
    fault = not_json(document)
    status, named = (400, fault) if fault else (422, error)
    return problem(status, str(named), members={"index": index, "place": named.place})


_skip = msgspec.json.Decoder(msgspec.Raw).decode


def not_json(document: bytes) -> ShapeError | None:
    """Why a document is no JSON that we read, or None if it is."""
    try:
        document.decode()
        _skip(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return shape_error(error, msgspec.Raw)
    return None


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="sorted").encode


def normalised(document: bytes) -> bytes:
    """A JSON document with sorted members and no space that means nothing: two that are equal have equal bytes."""
    try:
        return _encode(_decode(document))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise shape_error(error, dict) from None
