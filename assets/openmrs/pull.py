"""Reading a side's feeds page by page: every step goes to the store before the next page is asked.

Which page comes next is ``walk``'s decision; what becomes of the entries is ``sync``'s.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from assets.openmrs.events import CARRIED, Entry, Key, record_id
from assets.openmrs.feed import Answer, Page, answered
from assets.openmrs.tree import decode, text
from assets.openmrs.walk import RECENT, Gap, Position, Stage, Step, Walk, begin, step
from resources.errors import DeliveryError
from resources.openmrs import FeedAnswer

#: Which FHIR type a feed's gap is searched for.
TYPES = {
    "location": "Location",
    "practitioner": "Practitioner",
    "patient": "Patient",
    "visit": "Encounter",
    "encounter": "Encounter",
    "observation": "Observation",
}


class FeedEnd(Protocol):
    """A far end that publishes feeds."""

    async def page(self, category: str, number: int) -> FeedAnswer: ...

    async def changed_between(self, kind: str, since: str, until: str) -> list[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a walk has come: the page just read and the newest page when the walk began."""

    category: str
    page: int
    last: int

    @property
    def pages_left(self) -> int:
        return max(0, self.last - self.page)


#: Stores one step in one transaction: its entries in the ledger (known ones ignored), its gap, its
#: findings, and ``walk.position`` beside them (R2, R3).
Take = Callable[[Step, Progress], Awaitable[None]]


async def read_feed(end: FeedEnd, category: str, position: Position, take: Take) -> Walk:
    """Read a feed from ``position`` to its end. Nothing new costs one request.

    The next page is asked for while the one before is written down.
    """
    walk, last = begin(position), 0
    ahead: asyncio.Task[Answer] | None = None
    try:
        while (asked := walk.asks) is not None:
            ahead = ahead or asyncio.create_task(_page(end, category, asked))
            answer, ahead = await ahead, None
            number = answer.number if isinstance(answer, Page) else asked
            closing, last = walk.stage is Stage.CLOSING, max(last, number)
            found = step(walk, answer)
            if asked != RECENT and last <= number and found.walk.stage is Stage.READING:
                last = max(last, await _newest(end, category))
            walk = found.walk
            if walk.asks is not None:
                ahead = asyncio.create_task(_page(end, category, walk.asks))
            await take(found, Progress(category=category, page=last if closing else number, last=last))
    finally:
        if ahead is not None:
            ahead.cancel()
            with contextlib.suppress(asyncio.CancelledError, DeliveryError):
                await ahead
    return walk


async def close_gap(end: FeedEnd, category: str, gap: Gap) -> tuple[tuple[Entry, ...], tuple[Key, ...]]:
    """What a passed-over page held: its entries when it can be read again, else what changed meanwhile (R5).

    The window is the publisher's own time, on both ends: no clocks are compared.
    """
    answer = await _page(end, category, gap.page)
    if isinstance(answer, Page):
        return answer.entries, ()
    kind = TYPES.get(category, "")
    if kind not in CARRIED:
        return (), ()
    bodies = await end.changed_between(kind, gap.since, gap.until)
    ids = [text(decode(body), "id") for body in bodies]
    return (), tuple(Key(kind, each) for each in ids if record_id(each))


async def _page(end: FeedEnd, category: str, number: int) -> Answer:
    answer = await end.page(category, number)
    return answered(answer.status, answer.body, category)


async def _newest(end: FeedEnd, category: str) -> int:
    answer = await _page(end, category, RECENT)
    return answer.number if isinstance(answer, Page) else 0
