"""Looks at patients' data, read back for two reports: a patient's own, and the follow-up of staff. Read only.

The log itself, its chain, and the page of all lines: ``resources.store.looks``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from resources.store.connect import Connection

#: A look that was refused is in the log too, under this beginning.
REFUSED = "refused: "


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
