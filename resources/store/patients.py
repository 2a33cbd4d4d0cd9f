"""Patients of ``pridok``: found by the blind index of any number they have had.

Name and contact are sealed under the store's keys; a number comes here sealed to the clinic and is never opened
here. Whoever reads a contact has logged the look before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from resources.store.connect import Connection
from resources.store.seal import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One person as kept; ``body`` is the lane's account of the contact, opened."""

    id: int
    tags: Sequence[str]
    marketing_allowed: bool
    merged_into: int | None
    body: bytes = field(repr=False)


_COLUMNS = "id, tags, marketing_allowed, merged_into, body"


def hold(db: Connection, number: bytes) -> None:
    """Nobody else finds or makes the patient of this number before our transaction ends."""
    db.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(number[:8], "big", signed=True)])


def of_number(db: Connection, sealer: Sealer, number: bytes) -> Row | None:
    """The patient who has, or had, this number."""
    row = db.execute(
        f"""
        SELECT {_COLUMNS} FROM pridok_patient WHERE id = (SELECT patient FROM pridok_number WHERE number = %b)
        """,
        [number],
    ).fetchone()
    return _row(sealer, row) if row else None


def of_ids(db: Connection, sealer: Sealer, identifiers: Iterable[int]) -> dict[int, Row]:
    """These patients; one that was merged is the entry it points to. Log the look before."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM pridok_patient WHERE id = ANY(%s::bigint[])", [list(identifiers)]
    ).fetchall()
    found = {row[0]: _row(sealer, row) for row in rows}
    elsewhere = {row.merged_into for row in found.values() if row.merged_into} - found.keys()
    kept = of_ids(db, sealer, elsewhere) if elsewhere else {}
    known = found | kept
    return known | {
        row.id: known[row.merged_into]
        for row in found.values()
        if row.merged_into in known and row.merged_into
    }


def place(db: Connection, sealer: Sealer, row: Row) -> None:
    """Write a patient down, new or changed."""
    db.execute(
        f"""
        INSERT INTO pridok_patient ({_COLUMNS}) VALUES (%s, %s, %s, %s, %b)
        ON CONFLICT (id) DO UPDATE SET tags = EXCLUDED.tags, marketing_allowed = EXCLUDED.marketing_allowed,
               merged_into = EXCLUDED.merged_into, body = EXCLUDED.body
        """,
        [
            row.id,
            list(row.tags),
            row.marketing_allowed,
            row.merged_into,
            sealer.seal(row.body, b"pridok_patient", row.id),
        ],
    )


def number(db: Connection, blind: bytes, patient: int, since: datetime, sealed: bytes) -> None:
    """From now on this number finds the patient too; the one before is over."""
    db.execute("UPDATE pridok_number SET until = %s WHERE patient = %s AND until IS NULL", [since, patient])
    db.execute(
        "INSERT INTO pridok_number (number, patient, since, sealed) VALUES (%b, %s, %s, %b)",
        [blind, patient, since, sealed],
    )


def numbers_of(db: Connection, patient: int) -> list[tuple[bytes, datetime, datetime | None]]:
    """The numbers of a patient, blind, oldest first."""
    rows: list[Any] = db.execute(
        "SELECT number, since, until FROM pridok_number WHERE patient = %s ORDER BY since", [patient]
    ).fetchall()
    return [(bytes(blind), since, until) for blind, since, until in rows]


def merge(db: Connection, kept: int, other: int, at: datetime) -> None:
    """The numbers of one entry find the other from now on, and its consultations are the other's."""
    db.execute(
        "UPDATE pridok_number SET patient = %s, until = coalesce(until, %s) WHERE patient = %s",
        [kept, at, other],
    )
    db.execute(
        """
        UPDATE pridok_consultation SET patients = array_replace(patients, %s, %s), version = version + 1
         WHERE patients @> ARRAY[%s]::bigint[]
        """,
        [other, kept, other],
    )


def _row(sealer: Sealer, values: Any) -> Row:
    row = Row(**dict(zip(Row.__slots__, values, strict=True)))
    return replace(row, body=sealer.open(bytes(row.body), b"pridok_patient", row.id))
