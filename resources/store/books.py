"""Writing down what happened: bytes before they are sent, outcomes after, each set in one statement.

Everything is fenced by the lease: a drain that was taken over changes nothing any more.
"""

from collections.abc import Sequence

import msgspec
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from resources.store.arrays import Bool, Bytea, Float8, Int2, Int4, Int8, Text
from resources.store.connect import AsyncConnection
from resources.store.standing import Stands
from resources.store.values import State


class Stored(msgspec.Struct, kw_only=True, gc=False):
    """Bytes of a message, sealed, that must stand in the outbox before they are sent.

    ``new`` is true for a further message of the same arrival, which takes its place behind the first.
    """

    queue: int
    seq: int
    part: int
    arrival: int
    version: int
    track: int
    kind: str
    digest: int
    body: bytes
    reference: int | None = None
    new: bool = False


class Settled(msgspec.Struct, kw_only=True, gc=False):
    """What came of one message.

    ``state`` is its end, or None while it waits; ``outcome`` is None where nothing was tried. ``release``
    gives the queue back: at once where ``again`` says more is known to wait, after ``wait`` seconds where
    its head must wait, held where ``hold`` says why, else by whether more has come.
    """

    queue: int
    seq: int
    part: int
    arrival: int
    version: int
    track: int
    attempts: int
    state: State | None = None
    outcome: int | None = None
    status: int = 0
    ms: int = 0
    answer: bytes | None = None
    unsure: bool = False
    by: int | None = None
    reason: str | None = None
    release: bool = False
    again: bool = False
    wait: float = 0.0
    hold: str | None = None
    #: Not columns: what waits behind it is ended too; and what stands at the partner now.
    cancel_rest: bool = False
    left: Stands | None = None


_STORE = """
WITH d AS MATERIALIZED (
    SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::smallint[], %b::bigint[], %b::smallint[], %b::smallint[],
                         %b::text[], %b::bigint[], %b::bytea[], %b::bigint[], %b::boolean[])
             AS t(queue, seq, part, arrival, version, track, kind, digest, body, reference, new)),
ok AS MATERIALIZED (SELECT d.* FROM d JOIN queue AS q ON q.key = d.queue AND q.lease = %s),
w AS (INSERT INTO work (queue, seq, part, lane, arrival, version)
      SELECT queue, seq, part, track, arrival, version FROM ok WHERE new)
INSERT INTO outbox (id, version, lane, kind, digest, reference, body)
SELECT arrival + part, version, track %% 10, kind, digest, reference, body FROM ok
"""

_SETTLE = """
WITH d AS MATERIALIZED (
    SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::smallint[], %b::bigint[], %b::smallint[], %b::smallint[],
                         %b::smallint[], %b::smallint[], %b::smallint[], %b::smallint[], %b::int[], %b::bytea[],
                         %b::boolean[], %b::bigint[], %b::text[], %b::boolean[], %b::boolean[], %b::float8[],
                         %b::text[])
             AS t(queue, seq, part, arrival, version, track, attempts, state, outcome, status, ms, answer, unsure,
                  by_id, reason, release, again, wait, hold)),
ok AS MATERIALIZED (SELECT d.* FROM d JOIN queue AS q ON q.key = d.queue AND q.lease = %s),
gone AS (DELETE FROM work AS w USING ok
          WHERE w.queue = ok.queue AND w.seq = ok.seq AND w.part = ok.part AND ok.state IS NOT NULL),
kept AS (UPDATE work AS w SET attempts = ok.attempts,
                -- sent once more without a trustworthy answer: the settle time starts anew
                unsure_at = CASE WHEN ok.outcome = 3 THEN now() WHEN ok.unsure THEN coalesce(w.unsure_at, now()) END
           FROM ok WHERE w.queue = ok.queue AND w.seq = ok.seq AND w.part = ok.part AND ok.state IS NULL),
done AS (INSERT INTO ended (arrival, part, lane, state, version, queue, seq, attempts, by_id, reason)
         SELECT arrival, part, track %% 10, state, version, queue, seq, attempts, by_id, reason
           FROM ok WHERE state IS NOT NULL),
tried AS (INSERT INTO attempt (message, lease, outcome, status, ms, answer)
          SELECT arrival + part, %s, outcome, status, ms, answer FROM ok WHERE outcome IS NOT NULL),
lk AS MATERIALIZED (SELECT key FROM queue WHERE key IN (SELECT queue FROM ok WHERE release)
                     ORDER BY key FOR UPDATE),
up AS (UPDATE queue AS q SET lease = NULL, hold = coalesce(q.hold, ok.hold),
              ready_at = CASE WHEN coalesce(q.hold, ok.hold) IS NOT NULL THEN 'infinity'
                              WHEN ok.wait > 0 THEN now() + ok.wait * interval '1 s'
                              WHEN ok.again OR q.last_seq > ok.seq THEN now() ELSE 'infinity' END
         -- By key, not by the index of leases: a run holds many more queues than it gives back at a time.
         FROM ok WHERE ok.release AND q.key = ok.queue AND coalesce(q.lease, 0) = %s
                   AND q.key = ANY(ARRAY(SELECT key FROM lk)))
SELECT count(*) FROM ok
"""


async def store(db: AsyncConnection, lease: int, stored: Sequence[Stored]) -> AsyncCursor[TupleRow]:
    """Put the bytes into the outbox, but not for a queue that is no longer ours.

    The cursor's ``rowcount`` says how many; in a pipeline it is known at the end of it.
    """
    columns = [
        Int8([one.queue for one in stored]),
        Int8([one.seq for one in stored]),
        Int2([one.part for one in stored]),
        Int8([one.arrival for one in stored]),
        Int2([one.version for one in stored]),
        Int2([one.track for one in stored]),
        Text([one.kind for one in stored]),
        Int8([one.digest for one in stored]),
        Bytea([one.body for one in stored]),
        Int8([one.reference for one in stored]),
        Bool([one.new for one in stored]),
    ]
    return await db.execute(_STORE, [*columns, lease])


async def settle(db: AsyncConnection, lease: int, settled: Sequence[Settled], *, drain: int) -> None:
    """Write the outcomes down and release the queues, those of them that are still ours.

    ``lease`` is the one the queues carry, ``drain`` the run's own, which the attempts name.
    """
    columns = [
        Int8([one.queue for one in settled]),
        Int8([one.seq for one in settled]),
        Int2([one.part for one in settled]),
        Int8([one.arrival for one in settled]),
        Int2([one.version for one in settled]),
        Int2([one.track for one in settled]),
        Int2([one.attempts for one in settled]),
        Int2([one.state for one in settled]),
        Int2([one.outcome for one in settled]),
        Int2([one.status for one in settled]),
        Int4([one.ms for one in settled]),
        Bytea([one.answer for one in settled]),
        Bool([one.unsure for one in settled]),
        Int8([one.by for one in settled]),
        Text([one.reason for one in settled]),
        Bool([one.release for one in settled]),
        Bool([one.again for one in settled]),
        Float8([one.wait for one in settled]),
        Text([one.hold for one in settled]),
    ]
    await db.execute(_SETTLE, [*columns, lease, drain, lease])


async def cancel_rest(db: AsyncConnection, failed: Settled) -> int:
    """End what waits in a queue behind a message that has finally failed; return how many."""
    cursor = await db.execute(
        """
        WITH gone AS (DELETE FROM work WHERE queue = %(queue)s AND seq > %(after)s RETURNING *)
        INSERT INTO ended (arrival, part, lane, state, version, queue, seq, attempts, by_id, reason)
        SELECT arrival, part, lane %% 10, %(state)s, version, queue, seq, attempts, %(by)s,
               'what it follows has failed'
          FROM gone
        """,
        {
            "queue": failed.queue,
            "after": failed.seq,
            "state": State.CANCELLED.value,
            "by": failed.arrival + failed.part,
        },
    )
    return cursor.rowcount
