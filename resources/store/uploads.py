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
    """How far the rows of a file have come: each row once, where it stands at the destination it is least far with."""

    failed: int
    waiting: int
    accepted: int
    delivered: int
    #: A person has taken it out, or no destination was to have it.
    left_out: int


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


def travelled(db: Connection, report_id: str, added: Sequence[int]) -> Travelled:
    """What has become of the rows that came first with this file.

    ``added`` leads from a row's queue to those of the other destinations: there it is looked whether it still waits.
    """
    row: Any = db.execute(
        """
        WITH ends AS (
            SELECT i.id, e.part, e.state, e.queue
              FROM reportstream_upload AS u JOIN inbox AS i ON i.reference = u.reference
              LEFT JOIN ended AS e ON e.arrival = i.id
             WHERE u.report_id = %(report)s
        ), rows AS (
            SELECT bool_or(state IN (%(failed)s, %(aside)s)) AS failed,
                   bool_or(state IS NULL OR EXISTS (
                       SELECT FROM unnest(%(added)s::bigint[]) WITH ORDINALITY AS other (added, number)
                         JOIN work AS w ON w.queue = ends.queue # (%(added)s::bigint[])[ends.part + 1] # other.added
                        WHERE other.number <> ends.part + 1 AND w.part = other.number - 1 AND w.arrival = ends.id
                   )) AS waiting,
                   bool_or(state = %(accepted)s) AS accepted, bool_or(state = %(delivered)s) AS delivered
              FROM ends GROUP BY id
        )
        SELECT count(*) FILTER (WHERE failed), count(*) FILTER (WHERE NOT failed AND waiting),
               count(*) FILTER (WHERE NOT failed AND NOT waiting AND accepted),
               count(*) FILTER (WHERE NOT failed AND NOT waiting AND NOT accepted AND delivered),
               count(*) FILTER (WHERE NOT (failed OR waiting OR accepted OR delivered))
          FROM (SELECT coalesce(failed, false) AS failed, waiting, coalesce(accepted, false) AS accepted,
                       coalesce(delivered, false) AS delivered FROM rows) AS r
        """,
        {
            "report": report_id,
            "added": list(added),
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
