"""Taking work: whole queues under a lease, heads first, at a cost that does not grow with what waits.

A claim is a statement of its own, in autocommit, and goes by ``now()`` alone, the start of the statement: a
queue that another run has claimed, worked and released since then carries a later ``ready_at`` and fails the
re-check after the row lock, although the work below it is read as it was. ``clock_timestamp()`` or a time
from outside would break that. Leased queues are not in the ready index at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from resources.store.connect import AsyncConnection, Connection
from resources.store.values import Owed


class Claimed(msgspec.Struct, kw_only=True):
    """One message of a claimed queue, or an arrival of which none has been made yet.

    ``body`` is sealed: that of the outbox when ``stored``, else that of the arrival. ``unsure_for`` is how
    many seconds ago it may first have reached the partner, or None.
    """

    queue: int
    seq: int
    part: int
    arrival: int
    version: int
    attempts: int
    unsure_for: float | None
    flag: str | None
    stored: bool
    kind: str
    body: bytes
    address: Mapping[str, str] = msgspec.field(default_factory=dict)
    #: It was mapped before and is mapped anew: the other messages of its arrival have outcomes of their own.
    again: bool = False
    #: Not columns: what a run has made of it, or why it could not; and whether it has a row of its own yet.
    owed: Owed | None = None
    digest: int | None = None
    error: Exception | None = None
    new: bool = False

    @property
    def id(self) -> int:
        """The message's id."""
        return self.arrival + self.part


_CLAIM = """
WITH r AS MATERIALIZED (
    SELECT key FROM queue
     WHERE lane = %(track)s AND lease IS NULL AND ready_at < 'infinity' AND ready_at <= now() {one}
     ORDER BY ready_at LIMIT %(queues)s FOR UPDATE SKIP LOCKED),
u AS (UPDATE queue SET lease = %(lease)s WHERE key = ANY(ARRAY(SELECT key FROM r)) RETURNING key, ready_at)
SELECT u.key, w.seq, w.part, w.arrival, w.version, w.attempts,
       extract(epoch FROM now() - w.unsure_at)::float8, w.flag, o.id IS NOT NULL,
       coalesce(o.kind, i.kind), coalesce(o.body, i.body),
       w.version > 0 AND EXISTS (SELECT 1 FROM outbox AS b WHERE b.id = w.arrival + w.part AND b.version < w.version)
  FROM u
  LEFT JOIN LATERAL (SELECT * FROM work WHERE work.queue = u.key ORDER BY seq, part LIMIT %(each)s) AS w ON true
  LEFT JOIN outbox AS o ON o.id = w.arrival + w.part AND o.version = w.version
  LEFT JOIN inbox AS i ON i.id = w.arrival AND o.id IS NULL
 ORDER BY u.ready_at, u.key, w.seq, w.part
"""


_IN_DOUBT = """
       AND EXISTS (SELECT 1 FROM work AS d WHERE d.queue = queue.key AND d.unsure_at IS NOT NULL)
"""


async def next_in_doubt(db: AsyncConnection, track: int) -> float | None:
    """Seconds until the next queue whose head may have arrived is ready, or None.

    For tracks of few queues: it looks at all that are ready or backing off.
    """
    row: Any = await (
        await db.execute(
            "SELECT extract(epoch FROM min(ready_at) - now())::float8 FROM queue"
            " WHERE lane = %(track)s AND lease IS NULL AND ready_at < 'infinity'" + _IN_DOUBT,
            {"track": track},
        )
    ).fetchone()
    return None if row[0] is None else float(row[0])


async def claim(
    db: AsyncConnection,
    track: int,
    lease: int,
    *,
    queues: int,
    each: int,
    only: int | None = None,
    in_doubt: bool = False,
) -> dict[int, list[Claimed]]:
    """Lease up to ``queues`` ready queues and read the first ``each`` messages of each, in order.

    The queues come in the order in which they became ready. One may come back empty: something else has emptied
    it; put it to rest. ``only`` claims that one, ``in_doubt`` those alone whose head may have arrived.
    """
    narrowed = ("AND key = %(only)s" if only is not None else "") + (_IN_DOUBT if in_doubt else "")
    statement = _CLAIM.format(one=narrowed)
    async with db.cursor(binary=True) as cursor:
        await cursor.execute(
            statement,
            {"track": track, "lease": lease, "queues": queues, "each": each, "only": only},
        )
        rows = await cursor.fetchall()
    claimed: dict[int, list[Claimed]] = {}
    for queue, seq, part, arrival, version, attempts, unsure_for, flag, stored, kind, body, again in rows:
        items = claimed.setdefault(queue, [])
        if seq is not None:
            items.append(
                Claimed(
                    queue=queue,
                    seq=seq,
                    part=part,
                    arrival=arrival,
                    version=version,
                    attempts=attempts,
                    unsure_for=unsure_for,
                    flag=flag,
                    stored=stored,
                    kind=kind or "",
                    body=body or b"",
                    again=again,
                )
            )
    return claimed


async def rest(db: AsyncConnection, queues: list[int], lease: int) -> None:
    """Release queues that came back empty.

    Both what is waiting and ``last_seq`` are read in this statement's snapshot; an arrival that commits
    meanwhile has raised ``last_seq`` on the row the UPDATE re-reads, and keeps the queue awake.
    """
    await db.execute(
        """
        WITH s AS MATERIALIZED (
            SELECT q.key, q.last_seq, EXISTS (SELECT 1 FROM work AS w WHERE w.queue = q.key) AS more
              FROM queue AS q WHERE q.key = ANY(%b::bigint[]) AND q.lease = %s ORDER BY q.key)
        UPDATE queue AS q SET lease = NULL,
               ready_at = CASE WHEN q.hold IS NOT NULL THEN 'infinity'
                               WHEN s.more OR q.last_seq <> s.last_seq THEN now() ELSE 'infinity' END
          FROM s WHERE q.key = s.key AND q.lease = %s
        """,
        [queues, lease, lease],
    )


@dataclass(frozen=True, slots=True)
class Ready:
    """What a track could give now: how many queues (at most the number asked about) and for how long."""

    queues: int
    oldest_seconds: float
    next_seconds: float | None


_READY = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM queue WHERE lane = %(track)s AND lease IS NULL
                               AND ready_at < 'infinity' AND ready_at <= now() LIMIT %(most)s) AS counted),
       coalesce(extract(epoch FROM now() - (SELECT min(ready_at) FROM queue
            WHERE lane = %(track)s AND lease IS NULL AND ready_at < 'infinity' AND ready_at <= now())), 0)::float8,
       extract(epoch FROM (SELECT min(ready_at) FROM queue
            WHERE lane = %(track)s AND lease IS NULL AND ready_at < 'infinity' AND ready_at > now()) - now())::float8
"""


async def ready_async(db: AsyncConnection, track: int, most: int) -> Ready:
    """How much of a track is ready, counting no further than ``most``; cheap whatever waits."""
    row: Any = await (await db.execute(_READY, {"track": track, "most": most})).fetchone()
    return Ready(*row)


def ready(db: Connection, track: int, most: int = 1) -> Ready:
    """The same for a thread."""
    row: Any = db.execute(_READY, {"track": track, "most": most}).fetchone()
    return Ready(*row)
