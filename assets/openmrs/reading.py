"""The track of a run that reads feeds: when a link is due, what its two sides have published becomes arrivals.

Every answer is written down before the next page is asked, so a run may end between any two. A side that is away
is read again when the link is next due; the other side is read all the same.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from assets.drain.frame import Drain
from assets.formats.decode import ShapeError
from assets.openmrs import hints
from assets.openmrs.connected import Connected
from assets.openmrs.events import Side, handed_in
from assets.openmrs.links import Link
from assets.openmrs.pull import Progress, close_gap, read_feed
from assets.openmrs.sending import Client
from assets.openmrs.walk import Gap, Marker, Position, Stage, Step
from resources.errors import DeliveryError
from resources.openmrs import OpenMrs
from resources.openmrs_outbox import Row
from resources.store import sync_feeds, sync_hints, sync_records
from resources.store.connect import AsyncConnection, connect_async, process_number
from resources.store.ids import Ids
from resources.store.sync_feeds import Feed, Heard, Missing, Place, Read
from resources.store.sync_hints import Hint

#: Rows of a child's table read at a time.
ROWS = 200
#: A run looks this often at the least whether another has made a link due.
LOOK_SECONDS = 5.0


class _Stopping(Exception):
    """The run ends: the next one goes on from here."""


class Reading:
    """Reads the feeds of every link that is due, links side by side."""

    def __init__(self, drain: Drain, client: Client, url: str) -> None:
        self._drain, self._client, self._url = drain, client, url
        self._due = {name: asyncio.Event() for name in client.links}
        self._busy: set[str] = set()
        self._look_at = 0.0

    def helpers(self) -> list[Coroutine[Any, Any, None]]:
        return [self._read_forever(link) for link in self._client.links.values()]

    @property
    def idle(self) -> bool:
        return not self._busy

    async def close(self) -> None:
        """The client is the other track's to close."""

    async def step(self) -> float | None:
        """Begin what is due; else say when something will be."""
        wait = self._look_at - self._drain.clock()
        if wait > 0 or not self._due:
            return wait if self._due else None
        for name in set(self._due) - self._busy:
            link = self._client.links[name]
            if await sync_feeds.due(self._drain.claims, name, link.every_seconds):
                self._busy.add(name)
                self._due[name].set()
        left = await sync_feeds.next_due_async(self._drain.claims, list(self._due))
        wait = min(LOOK_SECONDS, max(0.2, left))
        self._look_at = self._drain.clock() + wait
        return wait

    async def _read_forever(self, link: Link) -> None:
        db = await connect_async(self._url, "handoff feeds")
        try:
            ids = Ids(await process_number(db))
            while True:
                await self._due[link.name].wait()
                self._due[link.name].clear()
                try:
                    await _Reader(self._drain, await self._client.connected(link.name), db, ids).read()
                finally:
                    self._busy.discard(link.name)
                    self._drain.wake()
        finally:
            await db.close()


class _Reader:
    """One reading of one link."""

    def __init__(self, drain: Drain, far: Connected, db: AsyncConnection, ids: Ids) -> None:
        self._drain, self._far, self._db, self._ids = drain, far, db, ids
        self._sealer = drain.sealer
        self._link = far.link

    async def read(self) -> None:
        """Both sides, what was passed over before, and what waits for nothing any more."""
        sides = [Side.PARENT, Side.CHILD] if self._link.push == "A" else [Side.PARENT]
        try:
            for side in sides:
                await self._side(side)
            if self._far.outbox is not None:
                await self._rows()
        except _Stopping:
            await sync_feeds.unfinished(self._db, self._link.name)
        else:
            await sync_records.sweep(self._db, self._link.name)
        await sync_hints.ready(self._db)

    async def _side(self, side: Side) -> None:
        end = self._far.ends[side]
        if not isinstance(end, OpenMrs):
            return
        try:
            for name in self._link.feeds:
                await self._feed(end, Feed(self._link.name, side.value, name))
            await self._gaps(end, side)
        except DeliveryError as error:
            await sync_feeds.contact(self._db, self._link.name, None, f"{side.value}: {error}")
        else:
            await sync_feeds.contact(self._db, self._link.name, side.value, None)

    async def _feed(self, end: OpenMrs, feed: Feed) -> None:
        before = await sync_feeds.place(self._db, feed)
        if before.stopped:
            return
        began = self._drain.clock()

        async def take(step: Step, progress: Progress) -> None:
            nonlocal began
            now = self._drain.clock()
            entries = hints.heard(self._sealer, feed, step.entries)
            read = _read(step, progress, before, now - began, entries)
            began = now
            await sync_feeds.take(self._db, self._sealer, self._ids, feed, read)
            if self._drain.stopping:
                raise _Stopping

        await read_feed(end, feed.name, _position(before), take)

    async def _gaps(self, end: OpenMrs, side: Side) -> None:
        """Pages passed over before, now readable or searched for."""
        for feed, missing in await sync_feeds.gaps(self._db, self._link.name):
            if feed.side != side.value:
                continue
            gap = Gap(page=missing.page, since=missing.since, until=missing.until)
            entries, keys = await close_gap(end, feed.name, gap)
            found = [hints.hint(self._sealer, self._link.name, side, key) for key in keys]
            entered = hints.heard(self._sealer, feed, entries)
            await sync_feeds.close_gap(self._db, self._sealer, self._ids, (feed, missing), entered, found)

    async def _rows(self) -> None:
        """What waits in the child's own table; rows that are known already are on their way."""
        outbox, after = self._far.outbox, 0
        assert outbox is not None  # noqa: S101 - asked by read()
        feed = Feed(self._link.name, Side.CHILD.value, "outbox")
        while True:
            try:
                rows = await asyncio.to_thread(outbox.waiting, ROWS, after)
                entered = [await self._row(row) for row in rows]
            except DeliveryError as error:
                await sync_feeds.contact(self._db, self._link.name, None, f"child: {error}")
                return
            async with self._db.transaction():
                await sync_feeds.hear(self._db, self._sealer, self._ids, feed, entered)
            if len(rows) < ROWS:
                return
            after = rows[-1].id

    async def _row(self, row: Row) -> Heard:
        name = self._sealer.name(hints.LANE, "row", self._link.name, str(row.id))
        try:
            key, record = handed_in(row.body)
        except ShapeError as error:
            if self._far.outbox is not None:
                await asyncio.to_thread(self._far.outbox.failed, row.id, str(error))
            return Heard(name=name, problem=str(error))
        queue = hints.queue_of(self._sealer, self._link.name, key)
        hint = Hint(
            queue=queue,
            kind=hints.kind_of(Side.CHILD, key, handed_in=True),
            body=hints.body(self._link.name, Side.CHILD, key, record, row.id),
            patient=hints.patient_of(self._sealer, key),
            alone=True,
        )
        return Heard(name=name, hint=hint)


def _position(place: Place) -> Position:
    marker = Marker(entry_id=place.marker, page=place.marker_page) if place.marker else None
    return Position(marker=marker, fingerprint=place.fingerprint)


def _read(step: Step, progress: Progress, before: Place, seconds: float, entries: Sequence[Heard]) -> Read:
    """What one answer leads to; a feed that stops keeps the place it had when the reading began."""
    stopped = step.walk.stage is Stage.STOPPED
    marker = step.walk.position.marker
    now = Place(
        marker=marker.entry_id if marker else None,
        marker_page=marker.page if marker else 0,
        fingerprint=step.walk.position.fingerprint,
    )
    findings = [finding.value for finding in step.findings]
    return Read(
        place=before if stopped else now,
        heard=entries,
        findings=findings,
        gaps=[Missing(gap.page, gap.since, gap.until) for gap in step.gaps],
        page=progress.page,
        last=progress.last,
        seconds=seconds if progress.pages_left else 0.0,
        stopped=findings[0] if stopped and findings else None,
        heard_until=step.walk.since,
    )
