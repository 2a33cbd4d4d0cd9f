"""Dropping what is past its time, and saying what keeps the rest. Runs as the owner.

A month goes as a whole, so the disk comes back; it stays while anything in it is open, accepted, failed or set
aside. Names of senders' ids outlive their bodies: those of Redox and Pridok for ever, the others 400 days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg import sql

from resources.store.connect import Connection, connect
from resources.store.ids import first_id
from resources.store.lanes import NUMBERS
from resources.store.partitions import TABLES, bounds, month_after

#: Senders who may send the same id again years later; their ids are few.
FOR_EVER = ("hcoint", "pridok")


@dataclass(frozen=True, slots=True)
class Retired:
    """What went, and what keeps each month that should have gone."""

    dropped: int
    kept: tuple[str, ...]


def retire(
    owner_url: str, days: int, today: date | None = None, *, destinations: Sequence[int] = (0,)
) -> Retired:
    """Drop the months that ended more than so many days ago, where nothing in them is open.

    ``destinations`` is what is added to a lineage to make the queue of each destination.
    """
    today = today or datetime.now(UTC).date()
    last = today - timedelta(days=days)
    dropped, kept = 0, []
    with connect(owner_url, "handoff retention") as db:
        for month in _months(db):
            if month_after(month) > last:
                continue
            if why := _keeps(db, month):
                kept.append(f"{month:%Y-%m}: {why}")
                continue
            dropped += _drop(db, month)
        _forget(db, last, days, destinations)
    return Retired(dropped, tuple(kept))


def _months(db: Connection) -> list[date]:
    rows: list[Any] = db.execute(
        """
        SELECT DISTINCT to_date(right(c.relname, 7), 'YYYY_MM') FROM pg_inherits AS i
          JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_class AS p ON p.oid = i.inhparent
         WHERE p.relname = 'inbox' AND c.relname ~ '_[0-9]{4}_[0-9]{2}$' ORDER BY 1
        """
    ).fetchall()
    return [row[0] for row in rows]


def _keeps(db: Connection, month: date) -> str | None:
    low, high = bounds(month)
    row: Any = db.execute(
        """
        SELECT (SELECT count(*) FROM work WHERE arrival >= %(low)s AND arrival < %(high)s),
               (SELECT count(*) FROM ended WHERE arrival >= %(low)s AND arrival < %(high)s AND state IN (1, 3, 7))
        """,
        {"low": low, "high": high},
    ).fetchone()
    waiting, bad = row
    parts = [f"{waiting} waiting"] * bool(waiting) + [f"{bad} accepted, failed or set aside"] * bool(bad)
    return ", ".join(parts) or None


def _drop(db: Connection, month: date) -> int:
    dropped = 0
    for table in TABLES:
        name = f"{table}_{month:%Y_%m}"
        if db.execute("SELECT to_regclass(%s)", [name]).fetchone() != (None,):
            db.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            dropped += 1
    return dropped


#: A queue goes with the last name that pointed to it, and so do those of its other destinations, unless something in
#: it is still to be done or looked at. In reportstream (1) hardly a lineage has a second name: none is looked for.
_NAMES_AND_QUEUES = """
WITH gone AS (
    DELETE FROM seen WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM seen WHERE arrival < %(before)s AND lane <> ALL(%(keep)s::smallint[]) LIMIT 10000))
    RETURNING lane, lineage),
queues AS (
    DELETE FROM queue AS q
     USING (SELECT DISTINCT lane, lineage, lineage # added AS key FROM gone, unnest(%(added)s::bigint[]) AS added) AS g
     WHERE q.key = g.key AND q.ready_at = 'infinity' AND q.lease IS NULL AND q.hold IS NULL
       AND NOT EXISTS (SELECT 1 FROM work AS w WHERE w.queue = q.key)
       AND NOT EXISTS (SELECT 1 FROM ended AS e WHERE e.lane = g.lane AND e.state IN (1, 3, 7) AND e.queue = q.key)
       AND (g.lane = 1 OR NOT EXISTS (
            SELECT 1 FROM seen AS s WHERE s.lane <> 1 AND s.lineage = g.lineage AND s.arrival >= %(before)s)))
SELECT count(*) FROM gone
"""

_OTHERS = (
    "DELETE FROM conflict WHERE id = ANY(ARRAY(SELECT id FROM conflict WHERE id < %(before)s LIMIT 10000))",
    "DELETE FROM remark WHERE ctid = ANY(ARRAY(SELECT ctid FROM remark WHERE message < %(before)s LIMIT 10000))",
    """
    DELETE FROM standing WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM standing WHERE NOT EXISTS (SELECT 1 FROM queue WHERE key = standing.queue) LIMIT 10000))
    """,
    """
    DELETE FROM drain WHERE lease = ANY(ARRAY(
        SELECT lease FROM drain WHERE ended_at < now() - %(days)s * interval '1 day' LIMIT 10000))
    """,
    # what happened to an order, who it was for and its notes' lines go with it; an open one stays
    """
    DELETE FROM hcoint_order WHERE id = ANY(ARRAY(
        SELECT id FROM hcoint_order WHERE state IN ('delivered', 'cancelled')
           AND changed_at < now() - %(days)s * interval '1 day' LIMIT 10000))
    """,
    """
    DELETE FROM hcoint_visit WHERE visit = ANY(ARRAY(
        SELECT visit FROM hcoint_visit WHERE at < now() - %(days)s * interval '1 day' LIMIT 10000))
    """,
    # an entry that is met again after that leads to one more look at its record, which finds nothing to do
    """
    DELETE FROM sync_entry WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM sync_entry AS e WHERE at < now() - %(days)s * interval '1 day'
           AND NOT EXISTS (SELECT 1 FROM work AS w WHERE w.arrival = e.arrival) LIMIT 10000))
    """,
    """
    DELETE FROM sync_history WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM sync_history WHERE at < now() - %(days)s * interval '1 day' LIMIT 10000))
    """,
    """
    DELETE FROM sync_gap WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM sync_gap WHERE closed_at < now() - %(days)s * interval '1 day' LIMIT 10000))
    """,
)


def _forget(db: Connection, last: date, days: int, destinations: Sequence[int]) -> None:
    """Delete, in small steps, names, queues and remarks whose time is past."""
    before = first_id(datetime(last.year, last.month, last.day, tzinfo=UTC))
    keep = [NUMBERS[lane] for lane in FOR_EVER]
    values = {"before": before, "keep": keep, "days": days, "added": list(destinations)}
    counted: Any = (10_000,)
    while counted[0] == 10_000:
        counted = db.execute(_NAMES_AND_QUEUES, values).fetchone()
    for statement in _OTHERS:
        while db.execute(statement, values).rowcount == 10_000:
            pass
