"""Referrals of ``pridok``: kept once, their raw bytes sealed to the clinic before they come here.

The inbox holds a note in place of the body: what came is opened by the decrypt service alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from resources.store.connect import Connection
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer
from resources.store.values import State

LANE = NUMBERS["pridok"]
#: Referrals of this kind stand in the inbox.
KIND = "referral"
#: What the inbox and the list of conflicts hold of a referral.
ELSEWHERE = b'{"sealed_to": "clinic", "table": "pridok_referral"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One referral; ``body`` is the lane's account of it, opened, ``sealed`` the raw bytes for the clinic."""

    id: int
    patient: int | None
    verdict: str
    flags: Sequence[str]
    received_at: datetime
    body: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


def came_before(db: Connection, name: bytes, arrival: int, queue: int, digest: int) -> int | None:
    """Claim the journal id for this arrival: None if it is new, else the digest of what came under it."""
    new = db.execute(
        """
        INSERT INTO seen (lane, name, arrival, lineage, digest) VALUES (%s, %b, %s, %s, %s)
        ON CONFLICT DO NOTHING RETURNING arrival
        """,
        [LANE, name, arrival, queue, digest],
    ).fetchone()
    if new is not None:
        return None
    row: Any = db.execute("SELECT digest FROM seen WHERE lane = %s AND name = %b", [LANE, name]).fetchone()
    return int(row[0])


def conflict(db: Connection, sealer: Sealer, arrival: int, name: bytes, digest: int, sealed: bytes) -> None:
    """Keep the other content once, for a person. It is sealed to the clinic like the first."""
    db.execute(
        """
        INSERT INTO conflict (id, lane, arrival, digest, body)
        SELECT %s, lane, arrival, %s, %b FROM seen WHERE lane = %s AND name = %b ON CONFLICT DO NOTHING
        """,
        [arrival, digest, sealer.seal(sealed, b"conflict", arrival), LANE, name],
    )


def keep(
    db: Connection, sealer: Sealer, row: Row, *, patient: int | None, reference: int, aside: str
) -> None:
    """Write a referral down; ``aside`` says why a person must look at it, and is empty for a good one.

    ``patient`` and ``reference`` are the blind indexes by which its message is found.
    """
    db.execute(
        "INSERT INTO inbox (id, lane, kind, patient, reference, body) VALUES (%s, %s, %s, %s, %s, %b)",
        [row.id, LANE, KIND, patient, reference, sealer.seal(ELSEWHERE, b"inbox", row.id)],
    )
    db.execute(
        """
        INSERT INTO pridok_referral (id, patient, verdict, flags, received_at, body, sealed)
        VALUES (%s, %s, %s, %s, %s, %b, %b)
        """,
        [
            row.id,
            row.patient,
            row.verdict,
            list(row.flags),
            row.received_at,
            sealer.seal(row.body, b"pridok_referral", row.id),
            row.sealed,
        ],
    )
    if aside:
        db.execute(
            """
            INSERT INTO ended (arrival, part, lane, state, queue, seq, attempts, reason)
            VALUES (%s, 0, %s, %s, %s, 0, 0, %s)
            """,
            [row.id, LANE, State.SET_ASIDE.value, patient or 0, aside[:500]],
        )


def one(db: Connection, sealer: Sealer, identifier: int) -> Row | None:
    """One referral by its arrival."""
    row: Any = db.execute(
        "SELECT id, patient, verdict, flags, received_at, body, sealed FROM pridok_referral WHERE id = %s",
        [identifier],
    ).fetchone()
    if row is None:
        return None
    body = sealer.open(bytes(row[5]), b"pridok_referral", identifier)
    return Row(
        id=row[0],
        patient=row[1],
        verdict=row[2],
        flags=row[3],
        received_at=row[4],
        body=body,
        sealed=bytes(row[6]),
    )


def quarantined(db: Connection, *, most: int = 200) -> list[tuple[int, str, datetime, str]]:
    """Referrals that wait for a person: arrival, verdict, when, what is wrong. Nobody's name."""
    rows: list[Any] = db.execute(
        """
        SELECT r.id, r.verdict, r.received_at, e.reason
          FROM ended AS e JOIN pridok_referral AS r ON r.id = e.arrival
         WHERE e.lane = %s AND e.state = %s AND e.part = 0 ORDER BY r.id DESC LIMIT %s
        """,
        [LANE, State.SET_ASIDE.value, most],
    ).fetchall()
    return [(row[0], row[1], row[2], row[3]) for row in rows]
