"""A month of ``pridok`` in times and counters, and the reports made of it. No result is read here.

A report is kept sealed under the store's keys; the person-level one was sealed to the insurer before it came here,
so what the store's keys open of it is an envelope that nobody in the house can open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from resources.store.connect import Connection
from resources.store.seal import Sealer

Kind = Literal["r1", "r2"]
_TABLE = b"pridok_report"


@dataclass(frozen=True, slots=True)
class Times:
    """What the figures need of one consultation; nobody's name, nothing of health."""

    created_at: datetime
    assigned_at: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None
    completed: bool
    cancelled_at: datetime | None
    cancelled_for: str | None
    organisation: str
    by_referral: bool


def times(db: Connection, start: datetime, end: datetime) -> Sequence[Times]:
    """Every consultation received before the end to which something happened since the start, or that still waits."""
    rows: list[Any] = db.execute(
        """
        SELECT created_at, assigned_at, starts_at, ends_at, state = 'completed', cancelled_at, cancelled_for,
               coalesce(organisation, ''), referral IS NOT NULL
          FROM pridok_consultation
         WHERE created_at < %(end)s
           AND (greatest(created_at, assigned_at, starts_at, ends_at, cancelled_at) >= %(start)s
                OR starts_at IS NULL AND cancelled_at IS NULL)
        """,
        {"start": start, "end": end},
    ).fetchall()
    return [Times(*row) for row in rows]


def outcomes(db: Connection, month: date) -> Mapping[tuple[str, str], int]:
    """How many were finished with which outcome, by organisation and outcome."""
    rows: list[Any] = db.execute(
        "SELECT organisation, outcome, finished FROM pridok_tally WHERE month = %s", [month]
    ).fetchall()
    return {(organisation, outcome): finished for organisation, outcome, finished in rows}


def finished(db: Connection, start: datetime, end: datetime) -> list[int]:
    """The consultations that ended within this time and are reported, oldest first."""
    rows: list[Any] = db.execute(
        """
        SELECT id FROM pridok_consultation
         WHERE state = 'completed' AND ends_at >= %s AND ends_at < %s AND created_at < %s ORDER BY id
        """,
        [start, end, end],
    ).fetchall()
    return [row[0] for row in rows]


# -- reports -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listed:
    """A report as a list shows it."""

    id: int
    month: date
    kind: Kind
    made_at: datetime


def keep(db: Connection, sealer: Sealer, number: int, month: date, kind: Kind, report: bytes) -> None:
    """Keep a report. One of the same month that was made before stays, and is listed no more."""
    db.execute(
        "INSERT INTO pridok_report (id, month, kind, body) VALUES (%s, %s, %s, %b)",
        [number, month, kind, sealer.seal(report, _TABLE, number)],
    )


_NEWEST = "SELECT DISTINCT ON (month, kind) id, month, kind, made_at FROM pridok_report"


def listed(db: Connection, kinds: Sequence[Kind], *, most: int = 120) -> list[Listed]:
    """The newest report of each month and kind, newest month first.

    Two of one month side by side would give small cells away by what changed between them.
    """
    rows: list[Any] = db.execute(
        f"{_NEWEST} WHERE kind = ANY(%s::text[]) ORDER BY month DESC, kind, id DESC LIMIT %s",
        [list(kinds), most],
    ).fetchall()
    return [Listed(*row) for row in rows]


def one(db: Connection, sealer: Sealer, number: int) -> tuple[Listed, bytes] | None:
    """A report that is listed, with its bytes."""
    row: Any = db.execute(
        f"""
        SELECT n.*, r.body FROM ({_NEWEST} ORDER BY month, kind, id DESC) AS n JOIN pridok_report AS r USING (id)
         WHERE n.id = %s
        """,
        [number],
    ).fetchone()
    if row is None:
        return None
    *listing, body = row
    return Listed(*listing), sealer.open(bytes(body), _TABLE, number)
