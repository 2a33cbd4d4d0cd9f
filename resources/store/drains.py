"""Who drains a lane, and what becomes of the leases of one that died.

A drain is one row and an advisory lock held on the run's LISTEN connection: it lives while the lock is held.
Dagster's run status is never asked, because a run whose process is gone can stay STARTED for ever. A lease
is a number of the drain (its queues carry it), or one of the numbers behind it for each batch it makes.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from resources.store.connect import AsyncConnection, Connection
from resources.store.lanes import lane_of
from resources.store.pauses import PAUSE

#: Lease numbers that belong to one drain: its own, and one for each batch it makes.
LEASES = 1 << 20

#: A drain that has not been heard of for this long is taken over although its lock seems held.
LEASE_SECONDS = 30.0

_LOCKED = """
EXISTS (SELECT 1 FROM pg_locks AS l
         WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 77
           AND l.objid = ((drain.lease >> 20) & 2147483647)::oid
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""

_ALIVE = f"({_LOCKED} AND drain.beat_at > now() - interval '{LEASE_SECONDS} s')"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a drain must know at each heartbeat."""

    taken_over: bool
    successor: bool
    code: str


async def register(db: AsyncConnection, lane: int, run_id: str, code: str) -> int:
    """Enter this run as a drain of the lane and hold its lock on this connection; return its lease.

    Whoever asked for it has been answered: should it die at once, the next may be asked for at once.
    """
    lease = (secrets.randbits(41) | 1) << 20
    await db.execute("SELECT pg_advisory_lock(77, %s)", [(lease >> 20) & 0x7FFFFFFF])
    await db.execute(
        """
        WITH answered AS (UPDATE lane SET asked_at = '-infinity' WHERE number = %(lane)s)
        INSERT INTO drain (lease, lane, run_id, code) VALUES (%(lease)s, %(lane)s, %(run)s, %(code)s)
        """,
        {"lease": lease, "lane": lane, "run": run_id, "code": code},
    )
    return lease


async def beat(db: AsyncConnection, lane: int, lease: int, *, leaving: bool) -> Standing:
    """Renew the lease (one row, however many queues it holds) and learn whether to go on."""
    cursor = await db.execute(
        f"""
        WITH me AS (UPDATE drain SET beat_at = now(), leaving = %(leaving)s
                     WHERE lease = %(lease)s AND ended_at IS NULL RETURNING 1)
        SELECT NOT EXISTS (SELECT 1 FROM me),
               EXISTS (SELECT 1 FROM drain WHERE lane = %(lane)s AND lease <> %(lease)s AND ended_at IS NULL
                          AND NOT leaving AND {_ALIVE}),
               (SELECT code FROM lane WHERE number = %(lane)s)
        """,
        {"lane": lane, "lease": lease, "leaving": leaving},
    )
    row: Any = await cursor.fetchone()
    return Standing(*row)


async def take_over(db: AsyncConnection, lane: int, lease: int) -> int:
    """Free what drains of this lane left behind whose lock is gone; return how many queues.

    The head of each queue whose bytes were stored may have been sent: it becomes unsure, to be asked about
    before it is sent again. Queues held by a batch stay with their batch, which has a queue of its own.
    """
    cursor = await db.execute(
        f"""
        WITH dead AS MATERIALIZED (
            UPDATE drain SET ended_at = now(), how = 'taken over'
             WHERE lane = %(lane)s AND lease <> %(lease)s AND ended_at IS NULL AND NOT {_ALIVE}
            RETURNING lease),
        -- one that was cut off or suspended may have leased more before it learnt that it was taken over
        gone AS (
            SELECT lease FROM dead UNION ALL
            SELECT lease FROM drain WHERE lane = %(lane)s AND lease <> %(lease)s AND how = 'taken over'
               AND ended_at > now() - interval '1 hour'),
        left_behind AS MATERIALIZED (
            SELECT q.key FROM queue AS q JOIN gone ON q.lease >= gone.lease AND q.lease < gone.lease + {LEASES}
             WHERE q.lease IS NOT NULL  -- so that the index of leased queues serves
               AND (q.lease = gone.lease
                    OR NOT EXISTS (SELECT 1 FROM batch WHERE batch.lease = q.lease AND batch.state = 0))
             ORDER BY q.key FOR UPDATE OF q),
        heads AS MATERIALIZED (
            SELECT h.* FROM left_behind AS b, LATERAL (
                SELECT w.queue, w.seq, w.part, w.arrival, w.version FROM work AS w
                 WHERE w.queue = b.key ORDER BY w.seq, w.part LIMIT 1) AS h),
        doubtful AS (
            UPDATE work AS w SET unsure_at = now() FROM heads AS h
             WHERE w.queue = h.queue AND w.seq = h.seq AND w.part = h.part
               AND (EXISTS (SELECT 1 FROM outbox AS o WHERE o.id = h.arrival + h.part AND o.version = h.version)
                    OR EXISTS (SELECT 1 FROM batch AS b WHERE b.id = h.arrival))),
        freed AS (
            UPDATE queue AS q SET lease = NULL,
                   ready_at = CASE WHEN q.hold IS NULL THEN now() ELSE 'infinity' END
              FROM left_behind AS b WHERE q.key = b.key RETURNING 1)
        SELECT count(*) FROM freed
        """,
        {"lane": lane, "lease": lease},
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def leave(db: AsyncConnection, lease: int, how: str) -> None:
    """The drain has ended; what it still holds goes back."""
    await db.execute(
        """
        UPDATE queue SET lease = NULL, ready_at = CASE WHEN hold IS NULL THEN now() ELSE 'infinity' END
         WHERE lease = %s
        """,
        [lease],
    )
    await db.execute("UPDATE drain SET ended_at = now(), how = %s WHERE lease = %s", [how, lease])


_LIVES = (
    f"SELECT EXISTS (SELECT 1 FROM drain WHERE lane = %s AND ended_at IS NULL AND NOT leaving AND {_ALIVE})"
)


def lives(db: Connection, lane: int) -> bool:
    """Whether a drain of the lane is at work and not about to leave."""
    row = db.execute(_LIVES, [lane]).fetchone()
    return bool(row and row[0])


async def lives_async(db: AsyncConnection, lane: int) -> bool:
    """The same for an event loop."""
    row = await (await db.execute(_LIVES, [lane])).fetchone()
    return bool(row and row[0])


def ghosts(db: Connection, lane: int, run_ids: list[str], older_than: float = 60.0) -> list[str]:
    """Of these runs, those that hold no lock although they registered longer ago than this, or never did."""
    rows: list[tuple[Any, ...]] = db.execute(
        f"""
        SELECT run FROM unnest(%s::text[]) AS run
         WHERE NOT EXISTS (SELECT 1 FROM drain WHERE drain.lane = %s AND drain.run_id = run
                              AND ({_LOCKED} OR drain.beat_at > now() - %s * interval '1 s'))
        """,
        [run_ids, lane, older_than],
    ).fetchall()
    return [row[0] for row in rows]


def ask(db: Connection, lane: int, within: float) -> bool:
    """Note that a run is being asked for; False when one was asked for within these seconds."""
    cursor = db.execute(
        "UPDATE lane SET asked_at = now() WHERE number = %s AND asked_at < now() - %s * interval '1 s'",
        [lane, within],
    )
    return cursor.rowcount == 1


def pause(db: Connection, breaker: int) -> str | None:
    """Why a lane or one of its destinations may not claim now: ``held`` by a person, ``away`` (and no probe is
    due), or None.
    """
    row: Any = db.execute(PAUSE, {"breaker": breaker, "lane": lane_of(breaker)}).fetchone()
    held, away, seconds = row
    if held:
        return "held"
    return "away" if away and seconds > 0 else None
