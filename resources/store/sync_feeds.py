"""How far the feeds of a link are read, which entries are known, what was found out on the way.

Entries, hints, gaps, findings and the marker of a page are one transaction: a run may die between any two pages.
What an entry means is the lane's business; here it has a blind name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from resources.store import sync_hints
from resources.store.connect import AsyncConnection, Connection
from resources.store.deadlocks import again_after_deadlock
from resources.store.seal import Sealer
from resources.store.sync_hints import Hint


@dataclass(frozen=True, slots=True)
class Feed:
    """One feed of one side of a link."""

    link: str
    side: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where reading stands; ``stopped`` says why it does not go on."""

    marker: str | None = None
    marker_page: int = 0
    fingerprint: str = ""
    stopped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One entry: its blind name, and the hint it gives or why it gives none."""

    name: bytes
    action: str = ""
    hint: Hint | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A page that could not be read, between these times of its publisher."""

    page: int
    since: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What one answer of a feed led to. ``stopped`` keeps the old place and ends the reading of this feed."""

    place: Place
    heard: Sequence[Heard] = ()
    findings: Sequence[str] = ()
    gaps: Sequence[Missing] = ()
    page: int = 0
    last: int = 0
    seconds: float = 0.0
    stopped: str | None = field(default=None)
    heard_until: str = ""


async def due(db: AsyncConnection, link: str, every: float) -> bool:
    """Take the turn to read a link's feeds, if it is time and nobody holds the lane; one run has it."""
    await db.execute("INSERT INTO sync_link (link) VALUES (%s) ON CONFLICT DO NOTHING", [link])
    cursor = await db.execute(
        """
        UPDATE sync_link SET due_at = now() + %s * interval '1 s'
         WHERE link = %s AND due_at <= now()
           AND NOT EXISTS (SELECT 1 FROM lane WHERE name = 'openmrs' AND hold IS NOT NULL)
        """,
        [every, link],
    )
    return cursor.rowcount == 1


async def unfinished(db: AsyncConnection, link: str) -> None:
    """The reading ended before its feeds did: the next run goes on at once."""
    await db.execute("UPDATE sync_link SET due_at = '-infinity' WHERE link = %s", [link])


_NEXT = """
SELECT extract(epoch FROM coalesce(min(coalesce(l.due_at, '-infinity')), 'infinity') - now())::float8
  FROM unnest(%s::text[]) AS t(link) LEFT JOIN sync_link AS l USING (link)
"""


async def next_due_async(db: AsyncConnection, links: Sequence[str]) -> float:
    """Seconds until a link's feeds are due; negative where one is."""
    row: Any = await (await db.execute(_NEXT, [list(links)])).fetchone()
    return float(row[0])


def next_due(db: Connection, links: Sequence[str]) -> float:
    """The same for a thread."""
    row: Any = db.execute(_NEXT, [list(links)]).fetchone()
    return float(row[0])


async def contact(db: AsyncConnection, link: str, side: str | None, problem: str | None) -> None:
    """Note that a side has answered, or why the reading ended early."""
    await db.execute(
        """
        UPDATE sync_link SET parent_at = CASE WHEN %(side)s = 'parent' THEN now() ELSE parent_at END,
               child_at = CASE WHEN %(side)s = 'child' THEN now() ELSE child_at END, problem = %(problem)s
         WHERE link = %(link)s
        """,
        {"link": link, "side": side or "", "problem": problem},
    )


async def place(db: AsyncConnection, feed: Feed) -> Place:
    """Where the reading of a feed goes on."""
    cursor = await db.execute(
        """
        SELECT marker, marker_page, fingerprint, stopped FROM sync_feed WHERE link = %s AND side = %s AND feed = %s
        """,
        [feed.link, feed.side, feed.name],
    )
    row: Any = await cursor.fetchone()
    if row is None:
        return Place()
    return Place(marker=row[0], marker_page=row[1] or 0, fingerprint=row[2], stopped=row[3])


async def take(db: AsyncConnection, sealer: Sealer, ids: Callable[[], int], feed: Feed, read: Read) -> int:
    """Write down one answer of a feed; return how many of its entries are new."""

    async def written() -> int:
        async with db.pipeline(), db.transaction():
            new = await hear(db, sealer, ids, feed, read.heard, put_off=True)
            await _found(db, feed, read)
            await db.execute(_MOVE, _moved(feed, read))
        return new

    return await again_after_deadlock(written)


_MOVE = """
INSERT INTO sync_feed AS f (link, side, feed, marker, marker_page, fingerprint, page, last_page, pace, stopped,
                            heard_until)
VALUES (%(link)s, %(side)s, %(feed)s, %(marker)s, %(marker_page)s, %(fingerprint)s, %(page)s, %(last)s, %(seconds)s,
        %(stopped)s, %(heard_until)s)
ON CONFLICT (link, side, feed) DO UPDATE SET
    marker = EXCLUDED.marker, marker_page = EXCLUDED.marker_page, fingerprint = EXCLUDED.fingerprint,
    page = EXCLUDED.page, last_page = EXCLUDED.last_page, stopped = EXCLUDED.stopped, read_at = now(),
    heard_until = CASE WHEN EXCLUDED.heard_until = '' THEN f.heard_until ELSE EXCLUDED.heard_until END,
    pace = CASE WHEN EXCLUDED.pace = 0 THEN f.pace WHEN f.pace = 0 THEN EXCLUDED.pace
                ELSE f.pace * 0.9 + EXCLUDED.pace * 0.1 END
"""


def _moved(feed: Feed, read: Read) -> Mapping[str, object]:
    return {
        "link": feed.link,
        "side": feed.side,
        "feed": feed.name,
        "marker": read.place.marker,
        "marker_page": read.place.marker_page,
        "fingerprint": read.place.fingerprint,
        "page": read.page,
        "last": read.last,
        "seconds": read.seconds,
        "stopped": read.stopped,
        "heard_until": read.heard_until[:40],
    }


async def hear(
    db: AsyncConnection,
    sealer: Sealer,
    ids: Callable[[], int],
    feed: Feed,
    heard: Sequence[Heard],
    *,
    put_off: bool = False,
) -> int:
    """Enter what was not known yet and give its hints their places; in the caller's transaction."""
    if not heard:
        return 0
    cursor = await db.execute(
        "SELECT name FROM sync_entry WHERE name = ANY(%s::bytea[])", [[one.name for one in heard]]
    )
    known = {bytes(row[0]) for row in await cursor.fetchall()}
    fresh = list({one.name: one for one in heard if one.name not in known}.values())
    hinting = [one for one in fresh if one.hint]
    wanted = [one.hint for one in hinting if one.hint]
    arrivals = await sync_hints.add(db, sealer, ids, wanted, put_off=put_off)
    led = dict(zip([one.name for one in hinting], arrivals, strict=True))
    await db.execute(
        """
        INSERT INTO sync_entry (name, link, side, feed, action, arrival, problem)
        SELECT t.name, %s, %s, %s, t.action, t.arrival, t.problem
          FROM unnest(%s::bytea[], %s::text[], %s::bigint[], %s::text[]) AS t(name, action, arrival, problem)
        ON CONFLICT DO NOTHING
        """,
        [
            *(feed.link, feed.side, feed.name),
            [one.name for one in fresh],
            [one.action for one in fresh],
            [led.get(one.name) for one in fresh],
            [one.problem for one in fresh],
        ],
    )
    return len(fresh)


async def _found(db: AsyncConnection, feed: Feed, read: Read) -> None:
    at = [feed.link, feed.side, feed.name]
    for finding in read.findings:
        await db.execute(
            """
            INSERT INTO sync_finding AS f (link, side, feed, finding) VALUES (%s, %s, %s, %s)
            ON CONFLICT (link, side, feed, finding) DO UPDATE SET last_at = now(), times = f.times + 1
            """,
            [*at, finding],
        )
    for gap in read.gaps:
        await db.execute(
            "INSERT INTO sync_gap (link, side, feed, page, since, until) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [*at, gap.page, gap.since, gap.until],
        )


async def gaps(db: AsyncConnection, link: str) -> list[tuple[Feed, Missing]]:
    """The gaps of a link that are open."""
    cursor = await db.execute(
        """
        SELECT side, feed, page, since, until FROM sync_gap WHERE link = %s AND closed_at IS NULL
         ORDER BY found_at, page
        """,
        [link],
    )
    rows: list[Any] = await cursor.fetchall()
    return [(Feed(link, side, feed), Missing(*rest)) for side, feed, *rest in rows]


async def close_gap(
    db: AsyncConnection,
    sealer: Sealer,
    ids: Callable[[], int],
    gap: tuple[Feed, Missing],
    heard: Sequence[Heard],
    hints: Sequence[Hint],
) -> None:
    """Write down what a passed-over page held, and that it is known now."""
    feed, missing = gap

    async def written() -> None:
        async with db.transaction():
            await hear(db, sealer, ids, feed, heard)
            await sync_hints.add(db, sealer, ids, hints)
            await db.execute(
                """
                UPDATE sync_gap SET closed_at = now()
                 WHERE link = %s AND side = %s AND feed = %s AND page = %s AND since = %s
                """,
                [feed.link, feed.side, feed.name, missing.page, missing.since],
            )

    await again_after_deadlock(written)


async def actions(db: AsyncConnection, arrival: int) -> set[str]:
    """What the publishers said of the entries that led to an arrival."""
    cursor = await db.execute("SELECT DISTINCT action FROM sync_entry WHERE arrival = %s", [arrival])
    return {row[0] for row in await cursor.fetchall()}


# -- for people --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedNow:
    """A feed as the pages show it."""

    side: str
    feed: str
    page: int
    last_page: int
    pace: float
    read_at: datetime
    stopped: str | None
    heard_until: str

    @property
    def pages_left(self) -> int:
        """Pages not read yet, as far as was known."""
        return max(0, self.last_page - self.page)

    @property
    def seconds_left(self) -> float:
        """An estimate by the pace so far."""
        return self.pages_left * self.pace


def feeds_now(db: Connection, link: str) -> list[FeedNow]:
    """All feeds of a link."""
    rows: list[Any] = db.execute(
        """
        SELECT side, feed, page, last_page, pace, read_at, stopped, heard_until FROM sync_feed WHERE link = %s
         ORDER BY side DESC, feed
        """,
        [link],
    ).fetchall()
    names = ("side", "feed", "page", "last_page", "pace", "read_at", "stopped", "heard_until")
    return [FeedNow(**dict(zip(names, row, strict=True))) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkNow:
    """A link as the pages show it."""

    parent_at: datetime | None = None
    child_at: datetime | None = None
    problem: str | None = None
    gaps: int = 0
    findings: Sequence[tuple[str, str, str, datetime, int]] = ()


def link_now(db: Connection, link: str) -> LinkNow:
    """Last contact, open gaps, and what was found out about its feeds, newest first."""
    row: Any = db.execute(
        "SELECT parent_at, child_at, problem FROM sync_link WHERE link = %s", [link]
    ).fetchone()
    gap: Any = db.execute(
        "SELECT count(*) FROM sync_gap WHERE link = %s AND closed_at IS NULL", [link]
    ).fetchone()
    found: list[Any] = db.execute(
        "SELECT side, feed, finding, last_at, times FROM sync_finding WHERE link = %s ORDER BY last_at DESC LIMIT 20",
        [link],
    ).fetchall()
    parent_at, child_at, problem = row or (None, None, None)
    return LinkNow(
        parent_at=parent_at,
        child_at=child_at,
        problem=problem,
        gaps=gap[0],
        findings=[tuple(f) for f in found],
    )


def confirm(db: Connection, feed: Feed) -> bool:
    """Read a stopped feed anew from its first page; entries that are known lead to nothing."""
    cursor = db.execute(
        """
        UPDATE sync_feed SET stopped = NULL, marker = NULL, marker_page = NULL, fingerprint = ''
         WHERE link = %s AND side = %s AND feed = %s AND stopped IS NOT NULL
        """,
        [feed.link, feed.side, feed.name],
    )
    db.execute("UPDATE sync_link SET due_at = '-infinity' WHERE link = %s", [feed.link])
    return cursor.rowcount == 1
