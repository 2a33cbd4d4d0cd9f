"""The door for Redox: proves who knocks, keeps every message, and only then says 200.

Redox sends in order and stops at the first answer of 400 or more, so what cannot be used is kept, set aside for a
person, and answered 200 like the rest. Source: docs.redoxengine.com, "Create and verify an endpoint".
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from time import monotonic
from urllib.parse import parse_qs

import msgspec
from starlette.types import Receive, Scope

from assets.hcoint.book import Book, Taken
from assets.hcoint.told import by_redox
from assets.hcoint.verification import presented, proven, verification
from resources.settings import SettingError, Settings
from resources.store.incidents import Incident
from resources.store.intake import Verdict
from web.answers import Answer, Refusal, answer, problem
from web.body import READ_SECONDS, TOO_SLOW, Gone
from web.intake import Surroundings
from web.one_by_one import OneByOne

log = logging.getLogger("handoff.door")

PATH = "/intake/redox"
LANE = "hcoint"

#: Orders are some kilobytes. What is larger than this stops the feed, so it is far above what is sent.
MOST_BYTES = 10_000_000
#: Without a token in its headers a request can only be a verification.
VERIFICATION_BYTES = 4_096

UNKNOWN = problem(401, "the verification token is missing or not known here")
TOO_LARGE = problem(413, f"the body is larger than {MOST_BYTES:,} bytes; this stops the feed, tell us")
#: A message that is too large comes again and again, and everything behind it waits.
STOPPED = Incident(
    "redox:too_large",
    LANE,
    f"Redox sends a message larger than {MOST_BYTES:,} bytes, which the door refuses: its feed stands still until that"
    " message is taken out at Redox",
)
#: It is told again after so long.
TELL_AGAIN_SECONDS = 3_600.0

OTHER_METHOD = problem(405, "this is a door: send POST, or GET to verify", allow="GET, POST")


def door(settings: Settings, book: Book, around: Surroundings, tell: Callable[[Incident], None]) -> OneByOne:
    """Takes one message a request; ``tell`` is how people hear that the feed stands still."""
    return OneByOne("redox", LANE, around, Redox(settings, book, around, tell).answer)


class Redox:
    """What Redox is told."""

    def __init__(
        self, settings: Settings, book: Book, around: Surroundings, tell: Callable[[Incident], None]
    ) -> None:
        self._tokens = settings.several("REDOX_VERIFICATION_TOKENS")
        if len(self._tokens) > 2:
            raise SettingError("REDOX_VERIFICATION_TOKENS: two tokens may live at a time")
        self._book, self._opening = book, around.opening
        self._tell, self._told_at = tell, float("-inf")
        self._telling: asyncio.Task[None] | None = None

    async def answer(self, at: OneByOne, scope: Scope, receive: Receive) -> Answer:
        """A challenge answered, or a message stored."""
        headers = {
            name.decode("latin-1"): value.decode("utf-8", "surrogateescape")
            for name, value in scope["headers"]
        }
        if scope["method"] == "GET":
            query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            return self._verified(
                *(query.get(name, [""])[-1] for name in ("verification-token", "challenge"))
            )
        if scope["method"] != "POST":
            raise Refusal(OTHER_METHOD)
        known = proven(presented(headers), self._tokens)
        try:
            raw = await _read(headers, receive, MOST_BYTES if known else VERIFICATION_BYTES)
        except Refusal as refusal:
            if refusal.answer is TOO_LARGE:
                self._tell_people()
            raise
        if (asked := verification(raw)) is not None:
            return self._verified(asked.token, asked.challenge)
        if not known:
            raise Refusal(UNKNOWN)
        if closed := self._opening.closed:
            raise Refusal(closed)
        return said(await self._take(at, raw))

    def _verified(self, token: str, challenge: str) -> Answer:
        if not proven(token, self._tokens):
            raise Refusal(UNKNOWN)
        return answer(200, challenge.encode(), "text/plain; charset=utf-8")

    def _tell_people(self) -> None:
        """Once an hour; Redox does not wait for it."""
        if monotonic() - self._told_at > TELL_AGAIN_SECONDS:
            self._told_at = monotonic()
            self._telling = asyncio.create_task(asyncio.to_thread(self._tell, STOPPED))

    async def _take(self, at: OneByOne, raw: bytes) -> Taken:
        taken = await at.store(lambda: self._book.take(by_redox(raw)))
        at.meter.stored([taken.verdict])
        if taken.verdict is Verdict.CONFLICT:
            log.warning("redox: a message came again with other content; both are kept")
        return taken


def said(taken: Taken) -> Answer:
    """200 whatever it was: it is stored."""
    return answer(200, msgspec.json.encode({"effect": taken.effects[0], "effects": taken.effects}))


async def _read(headers: Mapping[str, str], receive: Receive, most: int) -> bytes:
    """The body; what is too large is refused before it is read where its length is told."""
    refusal = Refusal(TOO_LARGE if most == MOST_BYTES else UNKNOWN)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > most:
        raise refusal
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise Gone
                body += message.get("body", b"")
                if len(body) > most:
                    raise refusal
                more = message.get("more_body", False)
    except TimeoutError:
        raise Refusal(TOO_SLOW) from None
    return bytes(body)
