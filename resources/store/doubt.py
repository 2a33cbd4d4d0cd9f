"""After a restore: what waits in the store may have gone since the backup, so it is asked about before it is sent."""

from dataclasses import dataclass

from resources.store import standing
from resources.store.connect import Connection
from resources.store.operators import Who, note


@dataclass(frozen=True, slots=True)
class Doubted:
    """What was marked: messages, and batches that had been written down."""

    messages: int
    batches: int


_DOUBT = """
WITH w AS MATERIALIZED (
    SELECT queue, seq, part FROM work
     WHERE lane %% 10 = %(lane)s AND (unsure_at IS NULL OR flag IS NULL)
     ORDER BY queue, seq, part LIMIT 10000 FOR UPDATE)
UPDATE work SET unsure_at = coalesce(work.unsure_at, now()), flag = coalesce(work.flag, %(flag)s)
  FROM w WHERE work.queue = w.queue AND work.seq = w.seq AND work.part = w.part
RETURNING work.lane >= 100
"""

#: What people read beside a message that may have gone before the store was restored.
DOUBTED = "may have been sent before the store was restored"


def mark(db: Connection, lane: int, who: Who) -> Doubted:
    """After a restore: all that waits may have been sent already, so the drain asks before it sends.

    Each step is a transaction of its own; what is marked already is passed over, so it can be repeated.
    """
    messages = batches = 0
    standing.forget_lane(db, lane)
    while True:
        rows = db.execute(_DOUBT, {"lane": lane, "flag": DOUBTED}).fetchall()
        batches += sum(row[0] for row in rows)
        messages += sum(not row[0] for row in rows)
        if len(rows) < 10_000:
            break
    note(db, who, "after restore", lane=lane, target=f"{messages} messages, {batches} batches")
    db.execute("SELECT pg_notify('work', %s)", [str(lane)])
    return Doubted(messages, batches)
