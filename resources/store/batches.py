"""Batches: a durable thing before the first byte of it is sent.

A batch has a queue of its own, on the track of batches, and is claimed, sent, backed off and held like any
message. While it is open its members' queues are leased by the batch (its ``lease`` is one of the numbers of
the drain that made it), so no member can go in two batches, and a run that dies between claim and making
leaves queues whose lease no batch has: they are simply freed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resources.store.arrays import Int2, Int8, Text
from resources.store.connect import AsyncConnection, Connection
from resources.store.values import State


@dataclass(slots=True, kw_only=True)
class Member:
    """One message of a batch: its place and, while the batch is made, the arrival's sealed body."""

    queue: int
    seq: int
    part: int
    arrival: int
    attempts: int
    flag: str | None = None
    kind: str = ""
    body: bytes = b""


@dataclass(slots=True, kw_only=True)
class Batch:
    """A batch as the store holds it; ``body`` is sealed."""

    id: int
    track: int
    destination: str
    queue: int
    lease: int
    parent: int | None
    payload: str
    part: int
    members: list[int]
    digest: int
    body: bytes
    external_id: str | None = None
    polls: int = 0
    age_seconds: float = 0.0


_CLAIM_MEMBERS = """
WITH r AS MATERIALIZED (
    SELECT key FROM queue
     WHERE lane = %(track)s AND lease IS NULL AND ready_at < 'infinity' AND ready_at <= now()
     ORDER BY ready_at LIMIT %(most)s FOR UPDATE SKIP LOCKED),
u AS (UPDATE queue SET lease = %(lease)s WHERE key = ANY(ARRAY(SELECT key FROM r)) RETURNING key)
SELECT u.key, w.seq, w.part, w.arrival, w.attempts, w.flag, i.kind, i.body
  FROM u
  LEFT JOIN LATERAL (SELECT * FROM work WHERE work.queue = u.key ORDER BY seq, part LIMIT 1) AS w ON true
  LEFT JOIN inbox AS i ON i.id = w.arrival
 ORDER BY w.arrival
"""


async def claim_members(
    db: AsyncConnection, track: int, lease: int, most: int
) -> tuple[list[Member], list[int]]:
    """Lease up to ``most`` ready queues for a batch, one message of each; also the queues that were empty."""
    async with db.cursor(binary=True) as cursor:
        await cursor.execute(_CLAIM_MEMBERS, {"track": track, "lease": lease, "most": most})
        rows = await cursor.fetchall()
    members = [
        Member(queue=q, seq=seq, part=part, arrival=arrival, attempts=n, flag=flag, kind=kind, body=body)
        for q, seq, part, arrival, n, flag, kind, body in rows
        if seq is not None
    ]
    return members, [row[0] for row in rows if row[1] is None]


async def members_of(db: AsyncConnection, batch: Batch) -> list[Member]:
    """The members of an open batch, in the order of its items, with their arrivals' sealed bodies."""
    async with db.cursor(binary=True) as cursor:
        await cursor.execute(
            """
            SELECT w.queue, w.seq, w.part, w.arrival, w.attempts, w.flag, i.kind, i.body
              FROM queue AS q JOIN work AS w ON w.queue = q.key
              JOIN unnest(%b::bigint[]) WITH ORDINALITY AS m(arrival, nth) ON m.arrival = w.arrival
              JOIN inbox AS i ON i.id = w.arrival
             WHERE q.lease = %s AND w.part = %s ORDER BY m.nth
            """,
            [batch.members, batch.lease, batch.part],
        )
        rows = await cursor.fetchall()
    return [
        Member(queue=q, seq=seq, part=part, arrival=arrival, attempts=n, flag=flag, kind=kind, body=body)
        for q, seq, part, arrival, n, flag, kind, body in rows
    ]


async def make(db: AsyncConnection, batch: Batch, drain: int) -> bool:
    """Write a batch down with its queue, leased by the drain that made it.

    False, and nothing is written, when its members are no longer held for it: another drain has them.
    """
    cursor = await db.execute(
        """
        WITH held AS MATERIALIZED (
            SELECT 1 WHERE (SELECT count(*) FROM queue WHERE queue.lease = %(lease)s) >= %(count)s),
        b AS (INSERT INTO batch (id, lane, destination, queue, lease, parent, payload, part, members, digest, body)
              SELECT %(id)s, %(track)s, %(destination)s, %(queue)s, %(lease)s, %(parent)s, %(payload)s, %(part)s,
                     %(members)b, %(digest)s, %(body)b FROM held),
        q AS (INSERT INTO queue (key, lane, last_seq, ready_at, lease)
              SELECT %(queue)s, %(track)s, 1, now(), %(drain)s FROM held)
        INSERT INTO work (queue, seq, part, lane, arrival) SELECT %(queue)s, 1, 0, %(track)s, %(id)s FROM held
        """,
        {
            "id": batch.id,
            "track": batch.track,
            "destination": batch.destination,
            "queue": batch.queue,
            "lease": batch.lease,
            "parent": batch.parent,
            "payload": batch.payload,
            "part": batch.part,
            "members": Int8(batch.members),
            "digest": batch.digest,
            "body": batch.body,
            "drain": drain,
            "count": len(batch.members),
        },
    )
    return cursor.rowcount == 1


_READ = """
SELECT id, lane, destination, queue, lease, parent, payload, part, members, digest, body, external_id, polls,
       extract(epoch FROM now() - coalesce(accepted_at, now()))::float8
  FROM batch
"""


async def read(db: AsyncConnection, batch_id: int) -> Batch:
    """One batch."""
    async with db.cursor(binary=True) as cursor:
        await cursor.execute(_READ + " WHERE id = %s", [batch_id])
        row = await cursor.fetchone()
    if row is None:
        raise LookupError(f"no batch {batch_id}")
    return _batch(row)


def _batch(row: Any) -> Batch:
    return Batch(
        id=row[0],
        track=row[1],
        destination=row[2],
        queue=row[3],
        lease=row[4],
        parent=row[5],
        payload=row[6],
        part=row[7],
        members=row[8],
        digest=row[9],
        body=row[10],
        external_id=row[11],
        polls=row[12],
        age_seconds=row[13],
    )


#: Members reach their end, and their queues are given back.
_CLOSED = """
d AS MATERIALIZED (
    SELECT * FROM unnest(%(queues)b::bigint[], %(seqs)b::bigint[], %(parts)b::smallint[], %(arrivals)b::bigint[],
                         %(attempts)b::smallint[], %(reasons)b::text[])
             AS t(queue, seq, part, arrival, attempts, reason)),
lk AS MATERIALIZED (SELECT q.key, q.last_seq, q.hold FROM queue AS q JOIN d ON d.queue = q.key
                     WHERE q.lease = %(lease)s {only} ORDER BY q.key FOR UPDATE OF q),
gone AS (DELETE FROM work AS w USING d, lk
          WHERE lk.key = d.queue AND w.queue = d.queue AND w.seq = d.seq AND w.part = d.part),
done AS (INSERT INTO ended (arrival, part, lane, state, queue, seq, attempts, by_id, reason)
         SELECT d.arrival, d.part, %(lane)s, %(end)s, d.queue, d.seq, d.attempts + %(tries)s, %(by)s, d.reason
           FROM d JOIN lk ON lk.key = d.queue),
up AS (UPDATE queue AS q SET lease = NULL,
              hold = CASE WHEN %(hold)s AND q.hold IS NULL THEN 'failed: a person must look' ELSE q.hold END,
              ready_at = CASE WHEN lk.hold IS NOT NULL OR %(hold)s THEN 'infinity'
                              WHEN lk.last_seq > d.seq THEN now() ELSE 'infinity' END
         FROM d JOIN lk ON lk.key = d.queue WHERE q.key = d.queue)
"""

_CLOSE = f"WITH {_CLOSED.format(only='')} SELECT count(*) FROM lk"

#: A batch and its members in one statement: five would be five ways to the server while another batch is mapped.
_FINISH = f"""
WITH mine AS (DELETE FROM queue WHERE key = %(queue)s AND lease = %(drain)s RETURNING key),
taken AS (DELETE FROM work AS w USING mine WHERE w.queue = mine.key),
tried AS (INSERT INTO attempt (message, lease, outcome, status, ms, answer)
          SELECT %(id)s, %(drain)s, %(outcome)s, %(status)s, %(ms)s, %(answer)b FROM mine),
over AS (UPDATE batch SET state = %(state)s, external_id = coalesce(%(external)s, external_id),
                accepted_at = CASE WHEN %(state)s = 1 THEN now() END,
                ended_at = CASE WHEN %(state)s = 1 THEN NULL ELSE now() END,
                poll_at = now() + %(poll)s * interval '1 s'
          WHERE id = %(id)s AND EXISTS (SELECT 1 FROM mine)),
{_CLOSED.format(only="AND EXISTS (SELECT 1 FROM mine)")}
SELECT count(*) FROM mine
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How members of one lease end: ``by`` is the batch that brought them there, 0 for none, after so many ``tries``.

    ``reasons`` stand in the members' order; without them each has its own remark, if any. ``hold`` stops their
    queues for a person.
    """

    lease: int
    members: Sequence[Member]
    lane: int
    state: State
    by: int
    tries: int = 0
    reasons: Sequence[str | None] | None = None
    hold: bool = False

    def values(self) -> dict[str, Any]:
        """As the statements above name them."""
        return {
            "queues": Int8([member.queue for member in self.members]),
            "seqs": Int8([member.seq for member in self.members]),
            "parts": Int2([member.part for member in self.members]),
            "arrivals": Int8([member.arrival for member in self.members]),
            "attempts": Int2([member.attempts for member in self.members]),
            "reasons": Text(self.reasons or [member.flag for member in self.members]),
            "lease": self.lease,
            "lane": self.lane,
            "end": self.state.value,
            "by": self.by,
            "tries": self.tries,
            "hold": self.hold,
        }


async def close_members(db: AsyncConnection, closing: Closing) -> int:
    """Bring members to their end and give their queues back; return how many were still this lease's."""
    row = await (await db.execute(_CLOSE, closing.values())).fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How one try to send a batch ended it; ``answer`` is sealed."""

    state: State
    outcome: int
    status: int
    ms: int
    answer: bytes | None = None
    external_id: str | None = None
    poll_seconds: float | None = None


async def finish(db: AsyncConnection, batch: Batch, drain: int, end: Finish, closing: Closing) -> bool:
    """Note the try, close the batch, remove its queue and bring these members of it to their end.

    False when the batch is no longer this drain's; then nothing is done.
    """
    cursor = await db.execute(
        _FINISH,
        {
            **closing.values(),
            "queue": batch.queue,
            "drain": drain,
            "id": batch.id,
            "state": end.state.value,
            "outcome": end.outcome,
            "status": end.status,
            "ms": end.ms,
            "answer": end.answer,
            "external": end.external_id,
            "poll": end.poll_seconds,
        },
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def regroup(db: AsyncConnection, members: Sequence[Member], old: int, new: int) -> None:
    """Move members from one batch's lease to another's."""
    await db.execute(
        "UPDATE queue SET lease = %s WHERE key = ANY(%b::bigint[]) AND lease = %s",
        [new, sorted(member.queue for member in members), old],
    )


async def due_polls(db: AsyncConnection, track: int, most: int, again_seconds: float) -> list[Batch]:
    """Accepted batches whose fate is due to be asked about; each is moved on at once, so two runs share them."""
    async with db.cursor(binary=True) as cursor:
        await cursor.execute(
            """
            UPDATE batch SET polls = polls + 1, poll_at = now() + %s * interval '1 s'
             WHERE id IN (SELECT id FROM batch WHERE lane = %s AND poll_at <= now() ORDER BY poll_at LIMIT %s
                           FOR UPDATE SKIP LOCKED)
            RETURNING id, lane, destination, queue, lease, parent, payload, part, members, digest, ''::bytea,
                      external_id, polls, extract(epoch FROM now() - accepted_at)::float8
            """,
            [again_seconds, track, most],
        )
        return [_batch(row) for row in await cursor.fetchall()]


async def next_poll(db: AsyncConnection, track: int) -> float | None:
    """Seconds until the next poll of a track is due, or None."""
    row: Any = await (
        await db.execute(
            "SELECT extract(epoch FROM min(poll_at) - now())::float8 FROM batch"
            " WHERE lane = %s AND poll_at IS NOT NULL",
            [track],
        )
    ).fetchone()
    return None if row is None or row[0] is None else float(row[0])


async def postpone_poll(db: AsyncConnection, batch_id: int, seconds: float | None) -> None:
    """When to ask again, or never (a person has been told)."""
    await db.execute(
        "UPDATE batch SET poll_at = now() + %s * interval '1 s' WHERE id = %s", [seconds, batch_id]
    )


async def conclude(
    db: AsyncConnection, batch: Batch, *, lost: dict[int, str], state: State, tally: dict[str, int]
) -> None:
    """The partner has said what became of an accepted batch.

    Its members end in ``state``, but those named in ``lost`` (arrival: reason) have failed.
    """
    async with db.transaction():
        await db.execute(
            """
            UPDATE ended SET state = CASE WHEN l.arrival IS NULL THEN %s ELSE %s END, at = now(),
                   reason = coalesce(l.reason, ended.reason)
              FROM unnest(%b::bigint[]) AS m(arrival)
              LEFT JOIN unnest(%b::bigint[], %b::text[]) AS l(arrival, reason) USING (arrival)
             WHERE ended.arrival = m.arrival AND ended.part = %s AND ended.state = %s AND ended.by_id = %s
            """,
            [
                state.value,
                State.FAILED.value,
                batch.members,
                list(lost),
                list(lost.values()),
                batch.part,
                State.ACCEPTED.value,
                batch.id,
            ],
        )
        await db.execute(
            "UPDATE batch SET state = %s, poll_at = NULL, ended_at = now(), tally = %s::jsonb WHERE id = %s",
            [state.value, json.dumps(tally), batch.id],
        )


@dataclass(frozen=True, slots=True)
class Remarked:
    """What the partner said of one message, sealed; ``concerns`` is a blind index of whose concern it is."""

    message: int
    severity: str
    body: bytes
    concerns: int | None = None


async def remark(db: AsyncConnection, batch: int, remarks: Sequence[Remarked]) -> None:
    """Keep what the partner said of single messages."""
    if remarks:
        await db.execute(
            "INSERT INTO remark (message, batch, severity, body, concerns)"
            " SELECT message, %s, severity, body, concerns"
            "   FROM unnest(%b::bigint[], %b::text[], %b::bytea[], %b::bigint[])"
            "     AS t(message, severity, body, concerns)",
            [
                batch,
                [one.message for one in remarks],
                [one.severity for one in remarks],
                [one.body for one in remarks],
                [one.concerns for one in remarks],
            ],
        )


def poll_due(db: Connection, track: int) -> bool:
    """Whether the fate of an accepted batch is due to be asked about."""
    row: Any = db.execute(
        "SELECT EXISTS (SELECT 1 FROM batch WHERE lane = %s AND poll_at <= now())", [track]
    ).fetchone()
    return bool(row[0])
