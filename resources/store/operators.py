"""What people do to messages: send again, skip, hold, release. Each act carries a name and a reason and is
written to the audit in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resources.store import standing
from resources.store.connect import Connection
from resources.store.ids import arrival_and_part
from resources.store.lanes import NAMES, lane_of
from resources.store.seal import shown, shown_range
from resources.store.values import State


class NotPossible(Exception):
    """What was asked for cannot be done as things stand; the text says why and what would help."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who acts, and why. Both are required: the audit has no anonymous line."""

    name: str
    reason: str

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.reason.strip():
            raise NotPossible("a name and a reason are needed; both go into the audit")


def note(db: Connection, who: Who, what: str, *, lane: int | None = None, target: str | None = None) -> None:
    """One line of the audit."""
    db.execute(
        "INSERT INTO audit (who, what, lane, target, reason) VALUES (%s, %s, %s, %s, %s)",
        [who.name, what, NAMES[lane_of(lane)] if lane is not None else None, target, who.reason],
    )


@dataclass(frozen=True, slots=True)
class Reopened:
    """How many messages wait again, and how many were closed because a newer state has gone."""

    waiting: int
    superseded: int


_REOPEN = """
WITH e AS MATERIALIZED (
    SELECT e.*,
           (SELECT a.outcome FROM attempt AS a WHERE a.message = e.arrival + e.part
             ORDER BY a.at DESC LIMIT 1) AS last_outcome
      FROM unnest(%(arrivals)s::bigint[], %(parts)s::smallint[]) AS t(arrival, part)
      JOIN ended AS e USING (arrival, part)
     WHERE e.state = ANY(%(states)s::smallint[])),
q AS MATERIALIZED (
    SELECT key, last_seq, lane AS track, lease FROM queue WHERE key IN (SELECT queue FROM e) ORDER BY key FOR UPDATE),
p AS MATERIALIZED (
    SELECT e.*, q.last_seq, q.track,
           -- what a run has in hand goes first, and that run must see that there is more
           q.lease IS NOT NULL
             OR (SELECT count(DISTINCT w.seq) FROM work AS w WHERE w.queue = e.queue AND w.seq > e.seq)
                < q.last_seq - e.seq AS overtaken,
           q.last_seq > e.seq
           -- what went after it may itself have been older and sent again
           AND NOT coalesce((SELECT max(s.message) < e.arrival FROM standing AS s WHERE s.queue = e.queue), false) AND
           coalesce((SELECT kind FROM outbox AS o WHERE o.id = e.arrival + e.part AND o.version = e.version),
                    (SELECT kind FROM inbox AS i WHERE i.id = e.arrival)) = ANY(%(full_state)s::text[]) AS full_state
      FROM e JOIN q ON q.key = e.queue),
late AS MATERIALIZED (
    SELECT arrival, part, row_number() OVER (PARTITION BY queue ORDER BY seq, part) AS nth
      FROM p WHERE overtaken AND NOT full_state),
passed AS (
    UPDATE ended SET state = %(superseded)s, at = now(), reason = 'a newer state of the same has gone since'
      FROM p WHERE ended.arrival = p.arrival AND ended.part = p.part AND p.overtaken AND p.full_state
    RETURNING 1),
gone AS (
    DELETE FROM ended USING p
     WHERE ended.arrival = p.arrival AND ended.part = p.part AND NOT (p.overtaken AND p.full_state)),
w AS (
    INSERT INTO work (queue, seq, part, lane, arrival, version, attempts, unsure_at)
    SELECT p.queue, CASE WHEN late.nth IS NULL THEN p.seq ELSE p.last_seq + late.nth END, p.part, p.track, p.arrival,
           -- refused: mapped anew; the same bytes again otherwise
           p.version + (p.state = %(set_aside)s OR coalesce(p.last_outcome = %(refused)s, false))::int, 0,
           CASE WHEN p.last_outcome IN (%(unsure)s, %(not_found)s) THEN now() END
      FROM p LEFT JOIN late USING (arrival, part) WHERE NOT (p.overtaken AND p.full_state)
    RETURNING queue),
up AS (
    UPDATE queue SET last_seq = queue.last_seq + coalesce(l.n, 0),
           hold = CASE WHEN queue.hold LIKE 'failed:%%' THEN NULL ELSE queue.hold END,
           ready_at = CASE WHEN queue.lease IS NOT NULL THEN queue.ready_at
                           WHEN queue.hold IS NULL OR queue.hold LIKE 'failed:%%' THEN now() ELSE 'infinity' END
      FROM (SELECT queue, count(*) FILTER (WHERE overtaken AND NOT full_state) AS n FROM p GROUP BY queue) AS l
     WHERE queue.key = l.queue)
SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM passed), (SELECT array_agg(DISTINCT lane) FROM e)
"""

#: The outcomes of ``assets.drain.outcomes`` that decide how a message is sent again.
_UNSURE, _REFUSED, _NOT_FOUND = 3, 4, 6


def reopen(
    db: Connection,
    messages: Sequence[int],
    who: Who,
    *,
    states: Sequence[State] = (State.FAILED, State.SET_ASIDE),
    full_state: Sequence[str] = (),
    what: str = "send again",
) -> Reopened:
    """Let ended messages wait again, in their old place where nothing has passed them.

    A message whose last outcome is unsure is asked about first; one that was refused or set aside is mapped
    anew; else the same bytes go. One that was passed goes to the end of its queue, but of kinds that carry
    the whole state it is closed as superseded.
    """
    pairs = [arrival_and_part(message) for message in messages]
    with db.transaction():
        standing.forget(db, messages)
        row: Any = db.execute(
            _REOPEN,
            {
                "arrivals": [arrival for arrival, _ in pairs],
                "parts": [part for _, part in pairs],
                "states": [state.value for state in states],
                "full_state": list(full_state),
                "superseded": State.SUPERSEDED.value,
                "set_aside": State.SET_ASIDE.value,
                "refused": _REFUSED,
                "unsure": _UNSURE,
                "not_found": _NOT_FOUND,
            },
        ).fetchone()
        lanes = row[2] or []
        for lane in lanes:
            target = str(messages[0]) if len(messages) == 1 else f"{len(messages)} messages"
            note(db, who, what, lane=lane, target=target)
            db.execute("SELECT pg_notify('work', %s)", [str(lane)])
    return Reopened(row[0], row[1])


def skip(db: Connection, message: int, who: Who) -> None:
    """Close a message that waits or has failed without sending it; what stood behind it goes on."""
    arrival, part = arrival_and_part(message)
    with db.transaction():
        standing.forget(db, [message])
        place: Any = db.execute(
            """
            SELECT w.queue, w.lane, q.lease IS NOT NULL FROM work AS w JOIN queue AS q ON q.key = w.queue
             WHERE w.arrival = %s AND w.part = %s FOR UPDATE OF q
            """,
            [arrival, part],
        ).fetchone()
        if place is None:
            place = _skip_failed(db, arrival, part)
        elif place[2]:
            raise NotPossible("it is on its way just now; look again in a moment")
        else:
            db.execute(
                """
                WITH gone AS (DELETE FROM work WHERE queue = %s AND arrival = %s AND part = %s RETURNING *)
                INSERT INTO ended (arrival, part, lane, state, version, queue, seq, attempts, reason)
                SELECT arrival, part, lane %% 10, %s, version, queue, seq, attempts, 'skipped by a person' FROM gone
                """,
                [place[0], arrival, part, State.SKIPPED.value],
            )
        _let_go(db, place[0])
        note(db, who, "skip", lane=place[1], target=str(message))


def _skip_failed(db: Connection, arrival: int, part: int) -> Any:
    place = db.execute(
        """
        UPDATE ended SET state = %s, at = now() WHERE arrival = %s AND part = %s AND state = ANY(%s::smallint[])
        RETURNING queue, lane
        """,
        [State.SKIPPED.value, arrival, part, [State.FAILED.value, State.SET_ASIDE.value]],
    ).fetchone()
    if place is None:
        raise NotPossible("no such message waits or has failed")
    return place


def _let_go(db: Connection, queue: int) -> None:
    """Wake a queue that stood for a failure."""
    db.execute(
        """
        UPDATE queue SET hold = CASE WHEN hold LIKE 'failed:%%' THEN NULL ELSE hold END,
               ready_at = CASE WHEN lease IS NULL AND (hold IS NULL OR hold LIKE 'failed:%%')
                                AND EXISTS (SELECT 1 FROM work WHERE work.queue = key) THEN now() ELSE ready_at END
         WHERE key = %s
        """,
        [queue],
    )


def hold_queue(db: Connection, queue: int, who: Who) -> None:
    """Let nothing of this queue go until a person releases it; what is in flight is finished."""
    with db.transaction():
        row = db.execute(
            """
            UPDATE queue SET hold = %s, ready_at = 'infinity' WHERE key = %s RETURNING lane
            """,
            [f"{who.name}: {who.reason}"[:300], queue],
        ).fetchone()
        if row is None:
            raise NotPossible("no such queue")
        note(db, who, "hold queue", lane=row[0], target=shown(queue))


def release_queue(db: Connection, queue: int, who: Who) -> None:
    """Let a held queue go on."""
    with db.transaction():
        row = db.execute(
            """
            UPDATE queue SET hold = NULL,
                   ready_at = CASE WHEN EXISTS (SELECT 1 FROM work WHERE work.queue = key) THEN now()
                                   ELSE 'infinity' END
             WHERE key = %s AND hold IS NOT NULL RETURNING lane
            """,
            [queue],
        ).fetchone()
        if row is None:
            raise NotPossible("this queue is not held")
        note(db, who, "release queue", lane=row[0], target=shown(queue))
        db.execute("SELECT pg_notify('work', %s)", [str(lane_of(row[0]))])


def hold_lane(db: Connection, lane: int, who: Who) -> None:
    """Claim nothing more of a lane; what is in flight is finished."""
    with db.transaction():
        db.execute("UPDATE lane SET hold = %s WHERE number = %s", [f"{who.name}: {who.reason}"[:300], lane])
        note(db, who, "hold lane", lane=lane)


def release_lane(db: Connection, lane: int, who: Who) -> None:
    """Let a held lane go on, and forget that its partner was away."""
    with db.transaction():
        db.execute(
            """
            UPDATE lane SET hold = NULL, away_since = NULL, away_until = NULL, away_step = 0, away_reason = NULL
             WHERE number = %s
            """,
            [lane],
        )
        db.execute("DELETE FROM destination WHERE track %% 10 = %s", [lane])
        note(db, who, "release lane", lane=lane)
        db.execute("SELECT pg_notify('work', %s)", [str(lane)])


def retry_now(db: Connection, message: int, who: Who, *, full_state: Sequence[str] = ()) -> None:
    """Send a message now: one that waits for its next try, or one that has failed."""
    arrival, part = arrival_and_part(message)
    with db.transaction():
        row: Any = db.execute(
            """
            UPDATE queue AS q SET ready_at = now() FROM work AS w
             WHERE w.arrival = %s AND w.part = %s AND q.key = w.queue AND q.lease IS NULL AND q.hold IS NULL
            RETURNING w.lane
            """,
            [arrival, part],
        ).fetchone()
        if row is not None:
            note(db, who, "retry now", lane=row[0], target=str(message))
            db.execute("SELECT pg_notify('work', %s)", [str(lane_of(row[0]))])
            return
    done = reopen(db, [message], who, full_state=full_state, what="retry")
    if not done.waiting:
        why = (
            "a newer state of the same has gone since"
            if done.superseded
            else "it neither waits nor has failed"
        )
        raise NotPossible(f"not sent again: {why}")


def queues_shown(db: Connection, digits: str) -> list[int]:
    """The queues that are shown with these hex digits."""
    first, last = shown_range(digits)
    rows = db.execute(
        "SELECT key FROM queue WHERE key BETWEEN %s AND %s AND lane < 100 LIMIT 3", [first, last]
    ).fetchall()
    return [row[0] for row in rows]


def messages_of_day(db: Connection, lane: int, low: int, high: int, states: Sequence[State]) -> list[int]:
    """The ended messages of a range of arrivals that are in one of these states, in order of arrival."""
    rows = db.execute(
        """
        SELECT arrival + part FROM ended
         WHERE lane = %s AND arrival >= %s AND arrival < %s AND state = ANY(%s::smallint[]) ORDER BY arrival, part
        """,
        [lane, low, high, [state.value for state in states]],
    ).fetchall()
    return [row[0] for row in rows]


def queue_of(db: Connection, message: int) -> int:
    """The queue a message stands in, or stood in."""
    arrival, part = arrival_and_part(message)
    row: Any = db.execute(
        """
        SELECT queue FROM ended WHERE arrival = %(arrival)s AND part = %(part)s
        UNION ALL SELECT queue FROM work WHERE lane < 100 AND arrival = %(arrival)s AND part = %(part)s LIMIT 1
        """,
        {"arrival": arrival, "part": part},
    ).fetchone()
    if row is None:
        raise NotPossible("no such message")
    return int(row[0])


def ended_in(db: Connection, states: Sequence[State], *, lane: int, queue: int | None = None) -> list[int]:
    """The ended messages of a lane, or of one of its queues, that are in one of these states."""
    rows = db.execute(
        """
        SELECT arrival + part FROM ended
         WHERE lane = %(lane)s AND state = ANY(%(states)s::smallint[])
           AND (%(queue)s::bigint IS NULL OR queue = %(queue)s) ORDER BY arrival, part
        """,
        {"lane": lane, "queue": queue, "states": [state.value for state in states]},
    ).fetchall()
    return [row[0] for row in rows]


def waiting_in(db: Connection, *, lane: int, queue: int | None = None) -> list[int]:
    """The messages that wait in a lane, or in one of its queues, in their order."""
    rows = db.execute(
        """
        SELECT arrival + part FROM work
         WHERE lane < 100 AND lane %% 10 = %(lane)s AND (%(queue)s::bigint IS NULL OR queue = %(queue)s)
         ORDER BY queue, seq, part
        """,
        {"lane": lane, "queue": queue},
    ).fetchall()
    return [row[0] for row in rows]


def lane_of_queue(db: Connection, queue: int) -> int:
    """The lane a queue belongs to."""
    row: Any = db.execute("SELECT lane FROM queue WHERE key = %s", [queue]).fetchone()
    if row is None:
        raise NotPossible("no such queue")
    return lane_of(row[0])


_HURRY = """
WITH q AS MATERIALIZED (
    SELECT key FROM queue
     WHERE lane %% 10 = %(lane)s AND lease IS NULL AND hold IS NULL AND ready_at > now() AND ready_at < 'infinity'
       AND (%(queue)s::bigint IS NULL OR key = %(queue)s)
       -- a correction that waits for its original has not been tried: it goes on waiting
       AND EXISTS (SELECT 1 FROM work WHERE work.queue = key AND (attempts > 0 OR unsure_at IS NOT NULL))
     ORDER BY key LIMIT 10000 FOR UPDATE SKIP LOCKED)
UPDATE queue SET ready_at = now() FROM q WHERE queue.key = q.key
"""


def hurry(db: Connection, who: Who, *, lane: int, queue: int | None = None) -> int:
    """Let the queues of a lane, or one of them, try again now instead of waiting; return how many."""
    hurried = 0
    while True:
        moved = db.execute(_HURRY, {"lane": lane, "queue": queue}).rowcount
        hurried += moved
        if moved < 10_000:
            break
    if hurried:
        with db.transaction():
            note(db, who, "retry now", lane=lane, target=shown(queue) if queue is not None else None)
            db.execute("SELECT pg_notify('work', %s)", [str(lane)])
    return hurried
