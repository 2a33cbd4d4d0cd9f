"""One arrival put into its queue, by a page and not by a door: it is owed from now on.

Doors of many events do the same in the one statement that also stores them (``resources.store.intake``).
"""

from typing import Any

from resources.store.connect import Connection


def enqueue(db: Connection, lane: int, queue: int, arrival: int) -> None:
    """At the end of its queue, and whoever drains the lane is woken."""
    row: Any = db.execute(
        """
        INSERT INTO queue (key, lane, last_seq, ready_at) VALUES (%s, %s, 1, now())
        ON CONFLICT (key) DO UPDATE SET last_seq = queue.last_seq + 1,
               ready_at = CASE WHEN queue.lease IS NULL AND queue.hold IS NULL AND queue.ready_at = 'infinity'
                               THEN now() ELSE queue.ready_at END
        RETURNING last_seq
        """,
        [queue, lane],
    ).fetchone()
    db.execute(
        "INSERT INTO work (queue, seq, part, lane, arrival) VALUES (%s, %s, 0, %s, %s)",
        [queue, row[0], lane, arrival],
    )
    db.execute("SELECT pg_notify('work', %s)", [str(lane)])
