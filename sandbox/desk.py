"""What stands in front of one system: the list of what was received, and the faults.

A system never sees this; a listener that is not HTTP hands its messages to ``Desk.receive`` and gets the
same log and the same faults.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import deque
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime
from typing import Any

import zstandard

from .core import Fault, Reply, Request, System, named

KEPT = 50_000
#: Bodies above this are kept compressed: a batch of 500 rows is half a megabyte, and thousands are kept.
PACK_ABOVE = 16_384
#: When the kept bodies of one system pass this, the oldest lose theirs; the entries stay.
BODY_BUDGET = 512 * 1024 * 1024

_pack = zstandard.ZstdCompressor(level=1).compress
_unpack = zstandard.ZstdDecompressor().decompress


class Entry:
    """One line of the received list."""

    __slots__ = ("answered", "at", "body", "effect", "method", "packed", "path", "query", "raw_headers")

    def __init__(self, request: Request) -> None:
        self.at = time.time()
        self.method = request.method
        self.path = request.path
        self.query = request.query_string
        self.raw_headers = request.raw_headers
        self.packed = len(request.body) > PACK_ABOVE
        self.body: bytes | None = _pack(request.body) if self.packed else request.body
        self.answered: int | str | None = None
        self.effect = False

    @property
    def size(self) -> int:
        """How many bytes the kept body takes."""
        return 0 if self.body is None else len(self.body)

    def shown(self, bodies: bool) -> dict[str, Any]:
        """The entry as ``GET /_sandbox/<system>/received`` lists it."""
        entry: dict[str, Any] = {
            "at": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="microseconds"),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": named(self.raw_headers),
        }
        if bodies:
            entry |= self.shown_body()
        return entry | {"answered": self.answered, "effect": self.effect}

    def shown_body(self) -> dict[str, Any]:
        """The body as text where it is text, else as base64."""
        if self.body is None:
            return {"body": None, "body_dropped": True}
        body = _unpack(self.body) if self.packed else self.body
        try:
            return {"body": body.decode()}
        except UnicodeDecodeError:
            return {"body": base64.b64encode(body).decode(), "base64": True}


class Desk:
    """Takes every request for one system, applies the faults, and remembers."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.entries: deque[Entry] = deque()
        self.faults: list[Fault] = []
        self._body_bytes = 0
        self._bare = 0  # how many of the oldest entries have lost their bodies
        self._late: set[asyncio.Task[None]] = set()

    def receive(self, request: Request) -> Reply | Awaitable[Reply]:
        """The answer to one request; a coroutine only where something has to be waited for."""
        entry = self.note(request)
        if self.faults and (fault := self.next_fault(request.method, request.path)) is not None:
            return self._with_fault(entry, request, fault)
        reply = self.system.answer(request)
        return settled(entry, reply) if isinstance(reply, Reply) else self._wait(entry, reply)

    def note(self, request: Request) -> Entry:
        """Puts a request on the received list."""
        entry = Entry(request)
        self.entries.append(entry)
        self._body_bytes += entry.size
        if len(self.entries) > KEPT:
            self._body_bytes -= self.entries.popleft().size
            self._bare = max(0, self._bare - 1)
        while self._body_bytes > BODY_BUDGET:
            oldest = self.entries[self._bare]
            self._body_bytes -= oldest.size
            oldest.body = None
            self._bare += 1
        return entry

    def next_fault(self, method: str, path: str) -> Fault | None:
        """The oldest fault meant for such a request, one of its times used up."""
        for place, fault in enumerate(self.faults):
            if not fault.fits(method, path):
                continue
            if fault.times > 0:
                fault.times -= 1
            if fault.times == 0:
                del self.faults[place]
            return fault
        return None

    def forget(self, everything: bool) -> None:
        """Forgets what was received and all faults; late effects still under way come to pass."""
        self.entries.clear()
        self.faults.clear()
        self._body_bytes = self._bare = 0
        self.system.forget(everything)

    def shown(self, bodies: bool) -> Iterable[dict[str, Any]]:
        """The received list in order of arrival."""
        return [entry.shown(bodies) for entry in self.entries]

    async def _wait(self, entry: Entry, reply: Awaitable[Reply]) -> Reply:
        return settled(entry, await reply)

    async def _with_fault(self, entry: Entry, request: Request, fault: Fault) -> Reply:
        reply = await self._taken(entry, request, fault)
        if not fault.keeps_answer or reply is None:
            reply = Reply(0, drop=True) if fault.status == 0 else self.system.refusal(request, fault)
        elif fault.status is not None and reply.status < 300:
            reply.status = fault.status
        if fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        entry.answered = reply.status if reply.said is None else reply.said
        return reply

    async def _taken(self, entry: Entry, request: Request, fault: Fault) -> Reply | None:
        """Lets the partner take the effect as the fault says, and returns the partner's own answer."""
        if not fault.takes:
            return None
        if fault.effect_after_seconds and not fault.keeps_answer:
            late = asyncio.create_task(self._take_later(entry, request, fault.effect_after_seconds))
            self._late.add(late)
            late.add_done_callback(self._late.discard)
            return None
        await asyncio.sleep(fault.effect_after_seconds)
        return await self._take(entry, request)

    async def _take_later(self, entry: Entry, request: Request, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._take(entry, request)

    async def _take(self, entry: Entry, request: Request) -> Reply:
        answer = self.system.answer(request)
        reply = answer if isinstance(answer, Reply) else await answer
        entry.effect = reply.effect
        return reply


def settled(entry: Entry, reply: Reply) -> Reply:
    """Writes into the list what was answered."""
    entry.answered = reply.status if reply.said is None else reply.said
    entry.effect = reply.effect
    return reply
