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


def hold(db: Connection, numbers: Iterable[bytes]) -> None:
    """Nobody else finds or makes the patient of one of these numbers before our transaction ends."""
    # In one order for everybody, so that two who want the same ones never wait for each other.
    for key in sorted({int.from_bytes(number[:8], "big", signed=True) for number in numbers}):
        db.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def lock(db: Connection, identifiers: Iterable[int]) -> None:
    """Nobody else changes these entries before our transaction ends."""
    db.execute(
        "SELECT 1 FROM pridok_patient WHERE id = ANY(%s::bigint[]) ORDER BY id FOR UPDATE",
        [list(identifiers)],
    )


def whose(db: Connection, number: bytes) -> int | None:
    """Who has, or had, this number."""
    row = db.execute("SELECT patient FROM pridok_number WHERE number = %b", [number]).fetchone()
    return row[0] if row else None


def entries(db: Connection, identifiers: Iterable[int]) -> dict[int, int]:
    """The entry each of these persons is under today, where they are known at all."""
    rows: list[Any] = db.execute(
        """
        WITH RECURSIVE way (first, id, next) AS (
            SELECT id, id, merged_into FROM pridok_patient WHERE id = ANY(%s::bigint[])
            UNION ALL
            SELECT way.first, p.id, p.merged_into FROM way JOIN pridok_patient AS p ON p.id = way.next)
        SELECT first, id FROM way WHERE next IS NULL
        """,
        [list(identifiers)],
    ).fetchall()
    return dict(rows)


def everybody(db: Connection) -> dict[int, int]:
    """Every entry there ever was, with the one it is under today."""
    rows: list[Any] = db.execute("SELECT id, merged_into FROM pridok_patient").fetchall()
    elsewhere = entries(db, [identifier for identifier, merged in rows if merged is not None])
    return {identifier: elsewhere.get(identifier, identifier) for identifier, _ in rows}


def folded(db: Connection, identifier: int) -> list[int]:
    """The entries that were folded into this one, also by way of another."""
    rows = db.execute(
        """
        WITH RECURSIVE also (id) AS (
            SELECT id FROM pridok_patient WHERE merged_into = %s
            UNION SELECT p.id FROM also JOIN pridok_patient AS p ON p.merged_into = also.id)
        SELECT id FROM also ORDER BY id
        """,
        [identifier],
    ).fetchall()
    return [row[0] for row in rows]


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
    """Write a patient down, new or changed. An entry that was folded into another stays so."""
    db.execute(
        f"""
        INSERT INTO pridok_patient ({_COLUMNS}) VALUES (%s, %s, %s, %s, %b)
        ON CONFLICT (id) DO UPDATE SET tags = EXCLUDED.tags, marketing_allowed = EXCLUDED.marketing_allowed,
               merged_into = coalesce(EXCLUDED.merged_into, pridok_patient.merged_into), body = EXCLUDED.body
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
        """
        INSERT INTO pridok_number (number, patient, since, sealed) VALUES (%b, %s, %s, %b)
        ON CONFLICT (number) DO UPDATE SET until = NULL WHERE pridok_number.patient = EXCLUDED.patient
        """,
        [blind, patient, since, sealed],
    )


def numbers_of(db: Connection, patient: int) -> list[tuple[bytes, datetime, datetime | None]]:
    """The numbers of a patient, blind, oldest first."""
    rows: list[Any] = db.execute(
        "SELECT number, since, until FROM pridok_number WHERE patient = %s ORDER BY since, number", [patient]
    ).fetchall()
    return [(bytes(blind), since, until) for blind, since, until in rows]


def fold(db: Connection, kept: int, other: int, at: datetime) -> None:
    """The numbers of one entry find the other from now on."""
    db.execute(
        "UPDATE pridok_number SET patient = %s, until = coalesce(until, %s) WHERE patient = %s",
        [kept, at, other],
    )


def _row(sealer: Sealer, values: Any) -> Row:
    row = Row(**dict(zip(Row.__slots__, values, strict=True)))
    return replace(row, body=sealer.open(bytes(row.body), b"pridok_patient", row.id))
