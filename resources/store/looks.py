"""Reading what people did and looked at: the audit, and the access log with its chain. Read only."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from resources.store.connect import Connection
from resources.store.lanes import NAMES
from resources.store.seal import shown, shown_range

#: Lines whose chain is checked at a look.
CHECKED = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One line of the access log; ``subject`` is blind: a patient's index, or a message."""

    id: int
    at: datetime
    who: str
    role: str
    what: str
    subject: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One line of the audit."""

    at: datetime
    who: str
    what: str
    lane: str | None
    target: str | None
    reason: str


def looks(
    db: Connection, *, who: str = "", subject: int | None = None, before: int | None = None, limit: int = 100
) -> list[Look]:
    """The newest looks at patients' data."""
    rows: list[Any] = db.execute(
        """
        SELECT id, at, who, role, what, subject, reason FROM access_log
         WHERE (%(who)s = '' OR who = %(who)s) AND (%(before)s::bigint IS NULL OR id < %(before)s)
           AND (%(subject)s::bigint IS NULL OR subject = %(subject)s)
         ORDER BY id DESC LIMIT %(limit)s
        """,
        {"who": who, "subject": subject, "before": before, "limit": limit},
    ).fetchall()
    return [
        Look(id=number, at=at, who=name, role=role, what=what, subject=one, reason=reason)
        for number, at, name, role, what, one, reason in rows
    ]


def acts(db: Connection, *, who: str = "", limit: int = 100) -> list[Act]:
    """The newest things people did."""
    rows = db.execute(
        """
        SELECT at, who, what, lane, target, reason FROM audit
         WHERE %(who)s = '' OR who = %(who)s ORDER BY id DESC LIMIT %(limit)s
        """,
        {"who": who, "limit": limit},
    ).fetchall()
    return [_act(row) for row in rows]


def acts_on(db: Connection, targets: list[str]) -> list[Act]:
    """What people did to these messages or queues, oldest first."""
    rows = db.execute(
        "SELECT at, who, what, lane, target, reason FROM audit WHERE target = ANY(%s::text[]) ORDER BY id",
        [targets],
    ).fetchall()
    return [_act(row) for row in rows]


def _act(row: Any) -> Act:
    at, who, what, lane, target, reason = row
    return Act(at=at, who=who, what=what, lane=lane, target=target, reason=reason)


@dataclass(frozen=True, slots=True)
class Chain:
    """How many of the newest lines were checked, and the first that does not follow from the one before."""

    checked: int
    broken: int | None


_CHAIN = """
WITH newest AS (
    SELECT * FROM access_log ORDER BY id DESC LIMIT %(limit)s),
linked AS (
    SELECT n.id,
           lag(n.id, 1, 0::bigint) OVER w AS id_before,
           CASE WHEN n.id = 1 THEN sha256('handoff access log') ELSE lag(n.chain) OVER w END AS before, n.chain,
           n.at, n.who, n.role, n.what, n.subject, n.reason
      FROM newest AS n WINDOW w AS (ORDER BY n.id)),
judged AS (
    SELECT id, before IS NULL AS first_looked_at,
           id = id_before + 1 AND chain = chain_access(before, id, at, who, role, what, subject, reason) AS good
      FROM linked),
ends AS (
    -- the newest line must be the one the log says is its last
    SELECT e.id FROM access_log_end AS e WHERE e.id > 0
       AND NOT EXISTS (SELECT 1 FROM access_log AS a WHERE a.id = e.id AND a.chain = e.chain))
SELECT count(*),
       least(min(id) FILTER (WHERE NOT coalesce(good, false)
                               -- older lines than the newest so many are not looked at
                               AND NOT (first_looked_at AND (SELECT count(*) FROM newest) = %(limit)s)),
             (SELECT id FROM ends))
  FROM judged
"""


def chain(db: Connection) -> Chain:
    """Whether the newest lines of the access log are as they were written: none changed, none taken out."""
    row: Any = db.execute(_CHAIN, {"limit": CHECKED}).fetchone()
    return Chain(row[0], row[1])


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest line of the log and its link, noted where nobody who can write the database can write."""

    id: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """The whole log: how many lines, the first that does not follow, and its end to be noted."""

    lines: int
    broken: int | None
    end: Anchor


_PART = """
WITH part AS (SELECT * FROM access_log WHERE id > %(after)s ORDER BY id LIMIT %(most)s),
linked AS (
    SELECT s.id, lag(s.id, 1, %(after)s::bigint) OVER w AS id_before,
           lag(s.chain, 1, %(chain)s::bytea) OVER w AS before, s.chain, s.at,
           s.who, s.role, s.what, s.subject, s.reason FROM part AS s WINDOW w AS (ORDER BY s.id))
SELECT count(*), max(id), (SELECT chain FROM part ORDER BY id DESC LIMIT 1),
       min(id) FILTER (WHERE NOT (id = id_before + 1
                                  AND chain = chain_access(before, id, at, who, role, what, subject, reason)))
  FROM linked
"""
_BEGINNING = hashlib.sha256(b"handoff access log").digest()


def verify(db: Connection, *, most: int = 20_000) -> Verified:
    """Whether every line is as it was written, from the first one on; in parts, so that any length can be looked at."""
    lines, last = 0, Anchor(0, _BEGINNING)
    # The end is read first: what is written meanwhile is beyond it and no fault.
    row: Any = db.execute("SELECT id, chain FROM access_log_end").fetchone()
    end = Anchor(row[0], bytes(row[1]))
    while last.id < end.id:
        values = {"after": last.id, "chain": last.chain, "most": min(most, end.id - last.id)}
        part: Any = db.execute(_PART, values).fetchone()
        count, newest, link, broken = part
        if broken is not None or count < values["most"]:
            missing = last.id + count + 1
            return Verified(lines + count, missing if broken is None else broken, end)
        lines, last = lines + count, Anchor(newest, bytes(link))
    return Verified(lines, None if last == end else end.id, end)


def stands(db: Connection, anchor: Anchor) -> bool:
    """Whether a line that was noted once is still as it was: the owner of the tables could write a log anew."""
    row: Any = db.execute("SELECT chain FROM access_log WHERE id = %s", [anchor.id]).fetchone()
    return row is not None and bytes(row[0]) == anchor.chain


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as people see it; ``hold`` is why it stands still."""

    shown: str
    lane: str
    hold: str | None
    waiting: int


def queue(db: Connection, digits: str) -> Queue | None:
    """The queue that is shown with these digits; None when there is none, or several begin so."""
    first, last = shown_range(digits)
    rows: list[Any] = db.execute(_QUEUE + " AND key BETWEEN %s AND %s LIMIT 2", [first, last]).fetchall()
    return _queue(rows[0]) if len(rows) == 1 else None


def held(db: Connection, lane: int, *, limit: int = 50) -> list[Queue]:
    """The queues of a lane that stand still until somebody lets them go."""
    rows: list[Any] = db.execute(
        _QUEUE + " AND hold IS NOT NULL AND lane %% 10 = %s ORDER BY key LIMIT %s", [lane, limit]
    ).fetchall()
    return [_queue(row) for row in rows]


#: A track from 100 on is that of a lane's batches, which are no messages.
_QUEUE = """
SELECT key, lane %% 10, hold, (SELECT count(*) FROM work WHERE work.queue = key) FROM queue WHERE lane < 100
"""


def _queue(row: Any) -> Queue:
    key, lane, hold, waiting = row
    return Queue(shown(key), NAMES[lane], hold, waiting)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something operators should know and that is not over."""

    lane: str | None
    text: str
    since: datetime


def troubles(db: Connection) -> list[Trouble]:
    """What is wrong now beside what each lane's own state says, the longest first."""
    rows: list[Any] = db.execute(
        """
        SELECT lane, text, opened_at FROM incident
         WHERE closed_at IS NULL AND NOT (lane IS NOT NULL AND key ~ '^(watch|failed):')
         ORDER BY opened_at LIMIT 50
        """
    ).fetchall()
    return [Trouble(lane, text, since) for lane, text, since in rows]
