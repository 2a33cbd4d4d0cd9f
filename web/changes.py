"""Changes of consultations, made by any process, passed on to everybody in this one who waits for them.

Each change is told as the row it made, in the order of the commits. Who cannot be told all of them is told that.
"""

import asyncio
import logging

from assets.pridok.consultation import Consultation
from assets.pridok.rows import consultation_of
from resources.store import consultations
from resources.store.connect import Away, connect_async
from web.logs import place_of

log = logging.getLogger("handoff.graph")

REST_SECONDS = 2.0
#: Seconds a new subscriber waits for the store.
PATIENCE = 10.0
#: Changes a subscriber may be behind; one that does not read is ended rather than told half.
MOST_BEHIND = 1_000


class Missed(Exception):
    """Changes may have been missed."""

    def __init__(self) -> None:
        super().__init__("changes may have been missed: subscribe again, then ask for the list")


class Changes:
    """Tells everybody who waits how each consultation has changed, change by change."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Queue[Consultation | None]] = set()
        self._heard = asyncio.Event()

    def heard(self) -> None:
        """From now on changes are heard."""
        self._heard.set()

    def told(self, one: Consultation) -> None:
        """One has changed to this."""
        for queue in list(self._waiting):
            if queue.qsize() < MOST_BEHIND:
                queue.put_nowait(one)
            else:
                self._end(queue)

    def missed(self) -> None:
        """Nobody listened for a while: whoever waits has to look at the whole list again."""
        self._heard.clear()
        for queue in list(self._waiting):
            self._end(queue)

    def _end(self, queue: "asyncio.Queue[Consultation | None]") -> None:
        self._waiting.discard(queue)
        queue.put_nowait(None)

    async def subscribe(self) -> "asyncio.Queue[Consultation | None]":
        """Hear of changes from now on; None is the end. Raises Missed where they are not heard just now."""
        try:
            await asyncio.wait_for(self._heard.wait(), PATIENCE)
        except TimeoutError:
            raise Missed from None
        queue: asyncio.Queue[Consultation | None] = asyncio.Queue()
        self._waiting.add(queue)
        return queue

    def leave(self, queue: "asyncio.Queue[Consultation | None]") -> None:
        """Hear no more."""
        self._waiting.discard(queue)


class Listening:
    """Hears of changes that any process has committed, and passes them on in this one."""

    def __init__(self, url: str, changes: Changes) -> None:
        self._url, self._changes = url, changes

    async def run(self) -> None:
        """Until cancelled; after a fault of the database it listens again."""
        while True:
            try:
                async with await connect_async(self._url, "handoff listening") as db:
                    await db.execute(f"LISTEN {consultations.CHANNEL}")
                    self._changes.heard()
                    async for told in db.notifies():
                        self._changes.told(consultation_of(consultations.told(told.payload)))
            except Away:
                log.info("changes of consultations are not heard: the store is away")
            except Exception as error:
                log.error("changes of consultations are not heard (%s)", place_of(error))
            self._changes.missed()
            await asyncio.sleep(REST_SECONDS)
