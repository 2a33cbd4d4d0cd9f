"""Hints that a record has changed, as arrivals of the lane openmrs: what was read of feeds takes its place here.

The door's own statement serves senders; this one coalesces: a hint about a record whose last one still waits
untouched joins it, so a thousand entries about a patient are one message. Runs in the caller's transaction, with
whatever must be true together with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from resources.store.connect import AsyncConnection
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer

LANE = NUMBERS["openmrs"]

#: Seconds between the ranks of records that were heard of together: what others point to goes first.
RANK_SECONDS = 0.05
#: Between records of a rank: the order they were heard of.
PLACE_SECONDS = 0.00001
#: What is heard while feeds are read goes when the reading has ended, so that a record is read once for all that
#: was said of it; should nobody end the reading, then after so many seconds.
PUT_OFF_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One record that something said changed. ``alone``: it carries content of its own and joins no other."""

    queue: int
    kind: str
    body: bytes = field(repr=False)
    rank: int = 0
    patient: int | None = None
    alone: bool = False


_LOCK = """
INSERT INTO queue (key, lane) SELECT key, %(lane)s FROM unnest(%(keys)s::bigint[]) AS t(key) ORDER BY key
ON CONFLICT (key) DO UPDATE SET lane = queue.lane RETURNING key, last_seq, lease IS NULL
"""

#: A hint that nobody has looked at yet; a run that has it in hand may have read the record already.
_WAITING = """
SELECT DISTINCT ON (w.queue, i.kind) w.queue, i.kind, w.arrival
  FROM work AS w JOIN inbox AS i ON i.id = w.arrival
 WHERE w.queue = ANY(%s::bigint[]) AND w.attempts = 0 AND w.unsure_at IS NULL AND w.version = 0
 ORDER BY w.queue, i.kind, w.seq DESC
"""

_ADD = """
WITH d AS MATERIALIZED (
    SELECT * FROM unnest(%(arrivals)s::bigint[], %(queues)s::bigint[], %(seqs)s::bigint[], %(kinds)s::text[],
                         %(patients)s::bigint[], %(bodies)s::bytea[], %(waits)s::float8[])
             AS t(arrival, queue, seq, kind, patient, body, wait)),
i AS (INSERT INTO inbox (id, lane, kind, patient, body)
      SELECT arrival, %(lane)s, kind, patient, body FROM d),
w AS (INSERT INTO work (queue, seq, lane, arrival) SELECT queue, seq, %(lane)s, arrival FROM d),
u AS (UPDATE queue AS q SET last_seq = c.seq,
             -- not by now(), which is older than our lock: a claim that began before must not find the queue ready
             ready_at = CASE WHEN q.lease IS NULL AND q.hold IS NULL AND q.ready_at = 'infinity'
                             THEN statement_timestamp() + c.wait * interval '1 s' ELSE q.ready_at END
        FROM (SELECT queue, max(seq) AS seq, min(wait) AS wait FROM d GROUP BY queue) AS c WHERE q.key = c.queue)
SELECT pg_notify('work', %(name)s)
"""


async def add(
    db: AsyncConnection,
    sealer: Sealer,
    ids: Callable[[], int],
    hints: Sequence[Hint],
    *,
    put_off: bool = False,
) -> list[int]:
    """Give each hint its place, and return the arrival it became or joined; ``put_off``: until ``ready``."""
    if not hints:
        return []
    keys = sorted({hint.queue for hint in hints})
    locked = await db.execute(_LOCK, {"lane": LANE, "keys": keys})
    open_hints = await db.execute(_WAITING, [keys])  # in a pipeline both are on their way before one is read
    rows: list[Any] = await locked.fetchall()
    seqs = {key: seq for key, seq, _ in rows}
    free = {key for key, _, at_rest in rows if at_rest}
    waiting: list[Any] = await open_hints.fetchall()
    joined = {(queue, kind): arrival for queue, kind, arrival in waiting if queue in free}
    arrivals, fresh = [], []
    for hint in hints:
        arrival = None if hint.alone else joined.get((hint.queue, hint.kind))
        if arrival is None:
            arrival = ids()
            seqs[hint.queue] += 1
            fresh.append((arrival, seqs[hint.queue], hint))
            joined[hint.queue, hint.kind] = arrival
        arrivals.append(arrival)
    if fresh:
        await db.execute(_ADD, _columns(sealer, fresh, PUT_OFF_SECONDS if put_off else 0.0))
    return arrivals


_PUT_FORWARD = """
UPDATE queue AS q SET ready_at = q.ready_at - %(seconds)s * interval '1 s'
 WHERE q.lane = %(lane)s AND q.lease IS NULL AND q.hold IS NULL AND q.ready_at < 'infinity'
   AND q.ready_at > now() + interval '5 s'
   -- what backs off keeps its time
   AND NOT EXISTS (SELECT 1 FROM work AS w WHERE w.queue = q.key AND (w.attempts > 0 OR w.unsure_at IS NOT NULL))
"""


async def ready(db: AsyncConnection) -> None:
    """A reading has ended: what was heard goes now, in the order in which it was heard.

    The times come to lie in the past, but behind the moment each hint was written: a claim that began earlier
    still does not find the queue ready.
    """
    await db.execute(_PUT_FORWARD, {"lane": LANE, "seconds": PUT_OFF_SECONDS})


def _columns(sealer: Sealer, fresh: Sequence[tuple[int, int, Hint]], later: float) -> dict[str, object]:
    return {
        "lane": LANE,
        "name": str(LANE),
        "arrivals": [arrival for arrival, _, _ in fresh],
        "queues": [hint.queue for _, _, hint in fresh],
        "seqs": [seq for _, seq, _ in fresh],
        "kinds": [hint.kind for _, _, hint in fresh],
        "patients": [hint.patient for _, _, hint in fresh],
        "bodies": [sealer.seal(hint.body, b"inbox", arrival) for arrival, _, hint in fresh],
        "waits": [
            later + hint.rank * RANK_SECONDS + place * PLACE_SECONDS
            for place, (_, _, hint) in enumerate(fresh)
        ],
    }
