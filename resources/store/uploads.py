"""Files of results that people uploaded: recognised when they come again, counted while their rows travel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from resources.store.connect import Connection
from resources.store.values import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A file that was taken.

    ``stored`` rows of it have been gone through so far; ``repeats`` had come before, ``conflicts`` with other content.
    """

    report_id: str
    at: datetime
    who: str
    rows: int
    stored: int
    repeats: int
    conflicts: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Travelled:
    """How far the rows of a file have come, over all destinations."""

    waiting: int
    accepted: int
    delivered: int
    failed: int


_COLUMNS = "report_id, at, who, rows, stored, duplicates, conflicts, done_at IS NOT NULL"
_KNOWN = f"SELECT {_COLUMNS} FROM reportstream_upload"


def begin(db: Connection, *, report_id: str, digest: int, reference: int, who: str, rows: int) -> None:
    """A file was found right and its rows are about to be stored; one that broke off may begin again."""
    db.execute(
        "INSERT INTO reportstream_upload (report_id, digest, reference, who, rows) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (report_id) DO UPDATE SET stored = 0",
        [report_id, digest, reference, who, rows],
    )


def stored(db: Connection, report_id: str, rows: int) -> None:
    """So many rows have been gone through."""
    db.execute("UPDATE reportstream_upload SET stored = %s WHERE report_id = %s", [rows, report_id])


def end(db: Connection, report_id: str, *, duplicates: int, conflicts: int) -> Uploaded:
    """All rows are stored."""
    row: Any = db.execute(
        "UPDATE reportstream_upload SET duplicates = %s, conflicts = %s, stored = rows, done_at = now()"
        f" WHERE report_id = %s RETURNING {_COLUMNS}",
        [duplicates, conflicts, report_id],
    ).fetchone()
    return _uploaded(row)


def newest(db: Connection, who: str | None, most: int) -> Sequence[Uploaded]:
    """The newest uploads of one account, or of all."""
    rows: list[Any] = db.execute(
        f"{_KNOWN} WHERE %(who)s::text IS NULL OR who = %(who)s ORDER BY at DESC LIMIT %(most)s",
        {"who": who, "most": most},
    ).fetchall()
    return [_uploaded(row) for row in rows]


def one(db: Connection, report_id: str) -> Uploaded | None:
    """The upload of this confirmation code."""
    row: Any = db.execute(f"{_KNOWN} WHERE report_id = %s", [report_id]).fetchone()
    return _uploaded(row) if row else None


def travelled(db: Connection, report_id: str) -> Travelled:
    """What has become of the rows that came first with this file."""
    row: Any = db.execute(
        """
        SELECT count(*) FILTER (WHERE e.state IS NULL), count(*) FILTER (WHERE e.state = %(accepted)s),
               count(*) FILTER (WHERE e.state = %(delivered)s),
               count(*) FILTER (WHERE e.state IN (%(failed)s, %(aside)s))
          FROM reportstream_upload AS u JOIN inbox AS i ON i.reference = u.reference
          LEFT JOIN ended AS e ON e.arrival = i.id
         WHERE u.report_id = %(report)s
        """,
        {
            "report": report_id,
            "accepted": State.ACCEPTED.value,
            "delivered": State.DELIVERED.value,
            "failed": State.FAILED.value,
            "aside": State.SET_ASIDE.value,
        },
    ).fetchone()
    return Travelled(*row)


def _uploaded(row: Any) -> Uploaded:
    report_id, at, who, rows, stored, repeats, conflicts, whole = row
    return Uploaded(
        report_id=report_id,
        at=at,
        who=who,
        rows=rows,
        stored=stored,
        repeats=repeats,
        conflicts=conflicts,
        whole=whole,
    )
