"""Finding messages: by their sender's id, a patient, an order; by lane, state, queue, time. Read only.

Nothing of a body comes out here but through ``content``, which the caller has logged before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from resources.store.connect import Connection
from resources.store.ids import arrival_and_part, first_id, moment
from resources.store.lanes import NAMES, NUMBERS
from resources.store.seal import Sealer, shown, shown_range
from resources.store.values import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A message as a list shows it."""

    id: int
    lane: str
    kind: str
    queue: str
    seq: int
    state: str
    due_at: datetime | None
    attempts: int
    reason: str | None
    external_id: str | None
    received_at: datetime
    delivered_at: datetime | None
    #: The batch it travelled in, or the message that went instead or had said the same before.
    by: int | None = None


_OPEN = """
SELECT arrival, part, lane %% 10 AS lane, queue, seq, 0::smallint AS state, attempts, flag AS reason,
       NULL::bigint AS by_id, NULL::timestamptz AS at
  FROM work WHERE lane < 100 {open}
"""

_ENDED = """
SELECT arrival, part, lane, queue, seq, state, attempts, reason, by_id, at
  FROM ended WHERE true {ended}
"""

_LIST = """
SELECT m.*, coalesce(o.kind, i.kind), (SELECT b.external_id FROM batch AS b WHERE b.id = m.by_id),
       s.tried, s.lane_hold, s.hold, s.batch, s.leased, s.head, s.away, s.ready_at, s.ready_at > now()
  FROM ({union}) AS m JOIN inbox AS i ON i.id = m.arrival
  LEFT JOIN LATERAL (SELECT kind FROM outbox WHERE id = m.arrival + m.part ORDER BY version DESC LIMIT 1) AS o ON true
  LEFT JOIN LATERAL (
      -- why it waits, and until when: what stands in its own row, its queue's, its batch's and its lane's
      SELECT bw.attempts AS tried, l.hold AS lane_hold, q.hold, b.id AS batch, q.lease IS NOT NULL AS leased,
             h.id AS head,
             CASE WHEN l.away_since IS NOT NULL THEN coalesce(l.away_reason, '') ELSE d.away_reason END AS away,
             nullif(greatest(CASE WHEN b.id IS NULL THEN q.ready_at ELSE c.ready_at END, l.away_until,
                             d.away_until), 'infinity') AS ready_at
        FROM queue AS q JOIN lane AS l ON l.number = m.lane
        LEFT JOIN destination AS d ON d.track IN (q.lane, q.lane + 100)
        LEFT JOIN batch AS b ON b.lease = q.lease AND b.state = 0
        LEFT JOIN queue AS c ON c.key = b.queue
        LEFT JOIN work AS bw ON bw.queue = b.queue
        LEFT JOIN LATERAL (SELECT arrival + part AS id FROM work WHERE work.queue = q.key
                            ORDER BY seq, part LIMIT 1) AS h ON true
       WHERE m.state = 0 AND q.key = m.queue) AS s ON true
 ORDER BY m.arrival DESC, m.part LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to list. Absent members do not narrow."""

    lane: str | None = None
    state: str | None = None
    queue: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    arrivals: Sequence[int] | None = None
    before: int | None = None
    limit: int = 200


def find(db: Connection, wanted: Filter) -> list[Found]:
    """The newest messages that fit."""
    values: dict[str, Any] = {"limit": wanted.limit}
    common, queue = "", ""
    if wanted.since is not None:
        common += " AND arrival >= %(low)s"
        values["low"] = first_id(wanted.since)
    if wanted.until is not None:
        common += " AND arrival < %(high)s"
        values["high"] = first_id(wanted.until)
    if wanted.before is not None:
        common += " AND arrival < %(before)s"
        values["before"] = wanted.before
    if wanted.arrivals is not None:
        common += " AND arrival = ANY(%(arrivals)s::bigint[])"
        values["arrivals"] = list(wanted.arrivals)
    if wanted.queue is not None:
        queue = " AND queue BETWEEN %(first)s AND %(last)s"
        values["first"], values["last"] = shown_range(wanted.queue)
    open_lane = ended_lane = ""
    if wanted.lane is not None:
        open_lane, ended_lane = " AND lane %% 10 = %(lane)s", " AND lane = %(lane)s"
        values["lane"] = NUMBERS[wanted.lane]
    sides = []
    if wanted.state in (None, "waiting"):
        sides.append(
            f"({_OPEN} ORDER BY arrival DESC LIMIT %(limit)s)".format(open=common + queue + open_lane)
        )
    if wanted.state != "waiting":
        ended = common + queue + ended_lane
        if wanted.state is not None:
            ended += " AND state = %(state)s"
            values["state"] = State[wanted.state.upper()].value
        sides.append(f"({_ENDED} ORDER BY arrival DESC LIMIT %(limit)s)".format(ended=ended))
    rows: list[Any] = db.execute(_LIST.format(union=" UNION ALL ".join(sides)), values).fetchall()
    return [_found(row) for row in rows]


def _found(row: Any) -> Found:
    arrival, part, lane, queue, seq, state, attempts, reason, by, at, kind, external, tried, *standing = row
    attempts += tried or 0  # those of the batch it is in
    due_at = None
    if state == State.WAITING:
        reason, due_at = _why(reason, attempts, arrival + part, *standing)
    good = state in (State.ACCEPTED, State.DELIVERED)
    return Found(
        id=arrival + part,
        lane=NAMES[lane],
        kind=kind,
        queue=shown(queue),
        seq=seq,
        state=State(state).name.lower(),
        due_at=due_at,
        attempts=attempts,
        reason=reason,
        external_id=external,
        received_at=moment(arrival),
        delivered_at=at if good else None,
        by=by,
    )


def _why(
    flag: str | None,
    attempts: int,
    message: int,
    lane_hold: str | None,
    hold: str | None,
    batch: int | None,
    leased: bool,
    head: int | None,
    away: str | None,
    ready_at: datetime | None,
    later: bool | None,
) -> tuple[str, datetime | None]:
    """Why a message waits, the strongest reason first, and until when if that is known."""
    partner = f"the partner is away: {away}" if away is not None else None
    if lane_hold is not None:
        return f"lane held: {lane_hold}", None
    if hold is not None:
        return f"queue held: {hold}", None
    if batch is not None:
        return f"in batch {batch}" + (f"; {partner}" if partner else ""), ready_at
    if leased:
        return "on its way", None
    if head is not None and head != message:
        return f"behind {head}", None
    if partner is not None:
        return partner, ready_at
    if flag is None:
        after = f"next try, after {attempts} that failed" if attempts else "not before its time"
        flag = after if later else "ready for the next run"
    return flag, ready_at


def arrivals_of_key(db: Connection, sealer: Sealer, key: str, *, limit: int = 500) -> list[int]:
    """Arrivals by the sender's own id, a patient's or an order's: whichever a person has at hand."""
    names = [sealer.name(lane, key) for lane in NUMBERS]
    patient = [sealer.blind("patient", lane, key) for lane in NUMBERS]
    reference = [sealer.blind("reference", lane, key) for lane in NUMBERS]
    rows = db.execute(
        """
        SELECT s.arrival FROM unnest(%s::smallint[], %s::bytea[]) AS t(lane, name) JOIN seen AS s USING (lane, name)
        UNION SELECT id FROM (SELECT id FROM inbox WHERE patient = ANY(%s::bigint[]) ORDER BY id DESC LIMIT %s) AS p
        UNION SELECT id FROM (SELECT id FROM inbox WHERE reference = ANY(%s::bigint[]) ORDER BY id DESC LIMIT %s) AS r
        """,
        [list(NUMBERS.values()), names, patient, limit, reference, limit],
    ).fetchall()
    return [row[0] for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt in the life of a message; ``batch`` where it travelled with others."""

    run_id: str
    at: datetime
    outcome: int
    status: int
    ms: int
    batch: int | None = None
    answer: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A message with every attempt, and what the partner remarked on it (sealed)."""

    found: Found
    tries: Sequence[Try]
    batches: Sequence[int]
    conflicts: int
    remarks: Sequence[tuple[datetime, str, bytes]]

    @property
    def carried_by(self) -> int | None:
        """The message whose call stands for this one, which needed none of its own."""
        return None if self.found.by in self.batches else self.found.by


def life(db: Connection, message: int) -> Life | None:
    """Everything that happened to one message."""
    arrival, part = arrival_and_part(message)
    found = [one for one in find(db, Filter(arrivals=[arrival])) if one.id == message]
    if not found:
        return None
    carriers = _carriers(db, arrival, part)
    rows: list[Any] = db.execute(
        """
        SELECT d.run_id, a.at, a.outcome, a.status, a.ms, a.message, coalesce(a.answer, ''::bytea)
          FROM attempt AS a LEFT JOIN drain AS d ON d.lease = a.lease
         WHERE a.message = ANY(%s::bigint[]) ORDER BY a.at
        """,
        [[message, *carriers]],
    ).fetchall()
    tries = [
        Try(
            run_id=run_id or "",
            at=at,
            outcome=outcome,
            status=status,
            ms=ms,
            batch=carrier if carrier != message else None,
            answer=bytes(answer),
        )
        for run_id, at, outcome, status, ms, carrier, answer in rows
    ]
    conflicts: Any = db.execute("SELECT count(*) FROM conflict WHERE arrival = %s", [arrival]).fetchone()
    remarks: list[Any] = db.execute(
        "SELECT at, severity, body FROM remark WHERE message = %s ORDER BY at", [message]
    ).fetchall()
    return Life(
        found=found[0],
        tries=tries,
        batches=carriers,
        conflicts=conflicts[0],
        remarks=[(at, severity, bytes(body)) for at, severity, body in remarks],
    )


def _carriers(db: Connection, arrival: int, part: int) -> list[int]:
    """The batches a message has travelled in: the last one and those it was split from."""
    rows = db.execute(
        """
        WITH RECURSIVE last AS (
            SELECT by_id AS id FROM ended WHERE arrival = %(arrival)s AND part = %(part)s
            UNION SELECT b.id FROM work AS w JOIN queue AS q ON q.key = w.queue
                     JOIN batch AS b ON b.lease = q.lease
             WHERE w.arrival = %(arrival)s AND w.part = %(part)s),
        up AS (SELECT b.id, b.parent FROM batch AS b JOIN last ON last.id = b.id
               UNION SELECT b.id, b.parent FROM batch AS b JOIN up ON up.parent = b.id)
        SELECT id FROM up ORDER BY id
        """,
        {"arrival": arrival, "part": part},
    ).fetchall()
    return [row[0] for row in rows]


def body_of(db: Connection, sealer: Sealer, arrival: int) -> bytes:
    """The arrival as it came. Log the look before you call this."""
    row: Any = db.execute("SELECT body FROM inbox WHERE id = %s", [arrival]).fetchone()
    if row is None:
        raise LookupError("no such arrival")
    return sealer.open(bytes(row[0]), b"inbox", arrival)


def conflict_bodies(db: Connection, sealer: Sealer, arrival: int) -> list[bytes]:
    """Other contents that came under the same id, oldest first. Log the look before you call this."""
    rows = db.execute("SELECT id, body FROM conflict WHERE arrival = %s ORDER BY id", [arrival]).fetchall()
    return [sealer.open(bytes(body), b"conflict", identifier) for identifier, body in rows]


def batch_body(db: Connection, sealer: Sealer, batch: int) -> tuple[list[int], bytes]:
    """The messages of a batch and its body, packed with the keys of its items. Log the look before you call this."""
    row: Any = db.execute("SELECT members, part, body FROM batch WHERE id = %s", [batch]).fetchone()
    if row is None:
        raise LookupError("no such batch")
    members, part, body = row
    return [arrival + part for arrival in members], sealer.open(bytes(body), b"batch", batch)


def sent_bodies(db: Connection, sealer: Sealer, message: int) -> list[bytes]:
    """The bytes of a message as they were sent, oldest version first. Log the look before you call this."""
    rows = db.execute("SELECT body FROM outbox WHERE id = %s ORDER BY version", [message]).fetchall()
    return [sealer.open(bytes(row[0]), b"outbox", message) for row in rows]


def versions(db: Connection, message: int) -> list[tuple[int, str]]:
    """What was made of a message to be sent alone: number and kind of each version, oldest first."""
    rows: list[Any] = db.execute(
        "SELECT version, kind FROM outbox WHERE id = %s ORDER BY version", [message]
    ).fetchall()
    return [(version, kind) for version, kind in rows]


def log_access(db: Connection, *, who: str, role: str, what: str, subject: int | None, reason: str) -> int:
    """Write one line of the access log, before the data is shown; return its number."""
    row: Any = db.execute(
        "SELECT log_access(%s, %s, %s, %s, %s)", [who, role, what, subject, reason]
    ).fetchone()
    return int(row[0])


def states(db: Connection) -> Mapping[str, Mapping[str, int]]:
    """How many messages of each lane are in which state."""
    rows: list[Any] = db.execute(
        """
        SELECT lane, state, count(*) FROM ended GROUP BY lane, state
        UNION ALL SELECT lane % 10, 0, count(*) FROM work WHERE lane < 100 GROUP BY 1
        """
    ).fetchall()
    counted: dict[str, dict[str, int]] = {}
    for lane, state, count in rows:
        counted.setdefault(NAMES[lane], {})[State(state).name.lower()] = count
    return counted
