"""Looks at patients' data, read back for two reports: a patient's own, and the follow-up of staff. Read only.

The log itself, its chain, and the page of all lines: ``resources.store.looks``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from resources.store.connect import Connection

#: A look that was refused is in the log too, under this beginning.
REFUSED = "refused: "
#: So is one at somebody whom the reader has not treated, which an emergency allows.
EMERGENCY = "emergency: "
#: The line that opens a patient's record in an emergency. What may be read afterwards hangs on it alone.
OPENED = f"{EMERGENCY}a patient's record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look: who, in which role, at what, why, and whether it was let through."""

    at: datetime
    who: str
    role: str
    what: str
    subject: int | None
    reason: str
    given: bool

    @property
    def emergency(self) -> bool:
        return self.what.startswith(EMERGENCY)


_COLUMNS = "at, who, role, what, subject, reason"


def of_subjects(db: Connection, subjects: Sequence[int]) -> list[Reading]:
    """Every look at one person, the newest first; a person may be known under several subjects."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM access_log WHERE subject = ANY(%s::bigint[]) ORDER BY id DESC",
        [list(subjects)],
    ).fetchall()
    return [_reading(row) for row in rows]


def since(db: Connection, at: datetime, roles: Sequence[str]) -> list[Reading]:
    """The looks of these roles at single persons, the oldest first."""
    rows = db.execute(
        f"""
        SELECT {_COLUMNS} FROM access_log
         WHERE at >= %s AND role = ANY(%s::text[]) AND subject IS NOT NULL ORDER BY id
        """,
        [at, list(roles)],
    ).fetchall()
    return [_reading(row) for row in rows]


def in_emergency(db: Connection, who: str, subjects: Sequence[int], within: timedelta) -> bool:
    """Whether this person has lately opened the record of one of these in an emergency."""
    row: Any = db.execute(
        """
        SELECT EXISTS (SELECT 1 FROM access_log WHERE subject = ANY(%s::bigint[]) AND who = %s AND what = %s
                          AND at > now() - %s)
        """,
        [list(subjects), who, OPENED, within],
    ).fetchone()
    return bool(row[0])


def emergencies(db: Connection, within: timedelta) -> list[tuple[int, str]]:
    """The lines that have lately opened a record in an emergency, and who did it."""
    rows: list[Any] = db.execute(
        "SELECT id, who FROM access_log WHERE at > now() - %s AND what = %s ORDER BY id", [within, OPENED]
    ).fetchall()
    return [(number, who) for number, who in rows]


def _reading(row: Any) -> Reading:
    at, who, role, what, subject, reason = row
    return Reading(
        at=at,
        who=who,
        role=role,
        what=what.removeprefix(REFUSED),
        subject=subject,
        reason=reason,
        given=not what.startswith(REFUSED),
    )
