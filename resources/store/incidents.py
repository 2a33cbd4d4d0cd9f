"""One line an incident: opened, still open, recovered. Whoever sees it says so here; one voice speaks.

A notice names lane, kind, counts and the command that shows more; never a message's content or its sender's ids.
"""

from dataclasses import dataclass
from typing import Any

from resources.store.connect import Connection

#: How often an incident that stays open is spoken of again.
AGAIN_HOURS = 6


@dataclass(frozen=True, slots=True)
class Incident:
    """Something operators should know."""

    key: str
    lane: str | None
    text: str


def current(db: Connection, incidents: list[Incident], scope: str) -> tuple[list[Incident], list[Incident]]:
    """Compare what is wrong now with what was; return what to speak of: (opened or still open, recovered).

    ``scope`` is the beginning of the keys this watcher is responsible for. Two watchers do not speak twice.
    """
    speak: list[Incident] = []
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(81, 1)")
        for one in incidents:
            row = db.execute(
                """
                INSERT INTO incident (key, lane, text) VALUES (%s, %s, %s)
                ON CONFLICT (key) DO UPDATE SET text = EXCLUDED.text, said_at = now(), closed_at = NULL,
                       opened_at = CASE WHEN incident.closed_at IS NULL THEN incident.opened_at ELSE now() END
                 WHERE incident.closed_at IS NOT NULL OR incident.said_at < now() - %s * interval '1 hour'
                RETURNING 1
                """,
                [one.key, one.lane, one.text, AGAIN_HOURS],
            ).fetchone()
            if row:
                speak.append(one)
        rows: list[Any] = db.execute(
            """
            UPDATE incident SET closed_at = now()
             WHERE closed_at IS NULL AND starts_with(key, %s) AND key <> ALL(%s::text[])
            RETURNING key, lane, text
            """,
            [scope, [one.key for one in incidents]],
        ).fetchall()
    return speak, [Incident(*row) for row in rows]
