"""Consultations of ``pridok``: one row each, changed by compare and set; every change is told to whoever listens.

What may happen to one is the lane's to say. Results come here sealed to recipients and are never opened here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import msgspec

from resources.store import owing
from resources.store.connect import Connection
from resources.store.referrals import LANE
from resources.store.seal import Sealer

#: The channel on which every committed change is told, as the row it made: numbers, times, and who treats.
CHANNEL = "consultation"
#: Messages of this kind stand in the inbox: already sealed to the insurer.
KIND = "consultation_finished"


class Overtaken(Exception):
    """Somebody else has changed it meanwhile: nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One consultation, column by column."""

    id: int
    version: int
    state: str
    patients: Sequence[int]
    referral: int | None
    order_id: int | None
    organisation: str | None
    category: str
    primary_channel: str
    enabled_channels: Sequence[str]
    providers: Sequence[str]
    planned_at: datetime | None
    created_at: datetime
    screened_at: datetime | None
    assigned_at: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None
    reported_at: datetime | None
    cancelled_at: datetime | None
    cancelled_for: str | None
    rebooked_from: int | None


_NAMES = tuple(Row.__slots__)
_COLUMNS = ", ".join(_NAMES)
_CHANGES = ", ".join(f"{name} = %s" for name in _NAMES if name != "id")


def add(db: Connection, row: Row) -> None:
    """A new one."""
    places = ", ".join(["%s"] * len(_NAMES))
    db.execute(f"INSERT INTO pridok_consultation ({_COLUMNS}) VALUES ({places})", _values(row))
    _tell(db, row)


def write(db: Connection, row: Row, *, after: int) -> None:
    """The next version, where version ``after`` still stands; else ``Overtaken``."""
    _, *values = _values(row)
    changed = db.execute(
        f"UPDATE pridok_consultation SET {_CHANGES} WHERE id = %s AND version = %s", [*values, row.id, after]
    )
    if changed.rowcount != 1:
        raise Overtaken
    _tell(db, row)


def one(db: Connection, identifier: int, *, lock: bool = False) -> Row | None:
    """One by its id; ``lock``: nobody else changes it before our transaction ends."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM pridok_consultation WHERE id = %s{' FOR UPDATE' if lock else ''}",
        [identifier],
    ).fetchone()
    return _row(row) if row else None


def listed(
    db: Connection,
    *,
    state: str | None = None,
    screened: bool | None = None,
    provider: str | None = None,
    after: int = 0,
    limit: int = 50,
    newest_first: bool = False,
) -> list[Row]:
    """A page of them by id, which is by age; ``after`` is the last id of the page before."""
    wanted = ["true"]
    if state is not None:
        wanted.append("state = %(state)s")
    if screened is not None:
        wanted.append(f"screened_at IS {'NOT ' if screened else ''}NULL")
    if provider is not None:
        wanted.append("providers @> ARRAY[%(provider)s]")
    if after:
        wanted.append(f"id {'<' if newest_first else '>'} %(after)s")
    rows = db.execute(
        f"""
        SELECT {_COLUMNS} FROM pridok_consultation WHERE {" AND ".join(wanted)}
         ORDER BY id {"DESC" if newest_first else ""} LIMIT %(limit)s
        """,
        {"state": state, "provider": provider, "after": after, "limit": limit},
    ).fetchall()
    return [_row(row) for row in rows]


def visible(
    db: Connection, provider: str, *, state: str | None = None, after: int = 0, limit: int = 50
) -> list[Row]:
    """What a provider may see, by id: the open list, and what is theirs."""
    rows = db.execute(
        f"""
        (SELECT {_COLUMNS} FROM pridok_consultation
          WHERE state = 'ready_for_pickup' AND screened_at IS NOT NULL AND id > %(after)s
            AND (%(state)s::text IS NULL OR %(state)s = 'ready_for_pickup')
          ORDER BY id LIMIT %(limit)s)
        UNION
        (SELECT {_COLUMNS} FROM pridok_consultation
          WHERE providers @> ARRAY[%(provider)s] AND id > %(after)s
            AND (%(state)s::text IS NULL OR state = %(state)s)
          ORDER BY id LIMIT %(limit)s)
        ORDER BY id LIMIT %(limit)s
        """,
        {"provider": provider, "state": state, "after": after, "limit": limit},
    ).fetchall()
    return [_row(row) for row in rows]


def of_patient(db: Connection, patient: int) -> list[Row]:
    """All of one patient, oldest first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM pridok_consultation WHERE patients @> ARRAY[%s]::bigint[] ORDER BY id",
        [patient],
    ).fetchall()
    return [_row(row) for row in rows]


def providers_of(db: Connection, patients: Iterable[int]) -> dict[int, frozenset[str]]:
    """Who treats, or has treated, each of these patients; a cancelled consultation is none."""
    rows: list[Any] = db.execute(
        """
        SELECT patient, array_agg(DISTINCT provider)
          FROM pridok_consultation, unnest(patients) AS patient, unnest(providers) AS provider
         WHERE state <> 'cancelled' AND patients && %(who)s::bigint[] AND patient = ANY(%(who)s::bigint[])
         GROUP BY patient
        """,
        {"who": list(patients)},
    ).fetchall()
    return {patient: frozenset(providers) for patient, providers in rows}


def rename(db: Connection, identifier: int, patient: int, entry: int) -> None:
    """The patient of this one is under another entry now."""
    row = one(db, identifier, lock=True)
    if row is not None:
        people = dict.fromkeys(entry if who == patient else who for who in row.patients)
        write(db, replace(row, patients=tuple(people), version=row.version + 1), after=row.version)


def counts(db: Connection) -> dict[str, int]:
    """How many are open in each state, those that wait for screening apart; nobody's name."""
    rows: list[Any] = db.execute(
        """
        SELECT CASE WHEN state = 'ready_for_pickup' AND screened_at IS NULL THEN 'to_screen' ELSE state END, count(*)
          FROM pridok_consultation WHERE state IN ('ready_for_pickup', 'pending_sp', 'in_progress') GROUP BY 1
        """
    ).fetchall()
    return dict(rows)


def happened(db: Connection, identifier: int, what: str, who: str | None) -> None:
    """One line of its life."""
    db.execute(
        "INSERT INTO pridok_event (consultation, what, who) VALUES (%s, %s, %s)", [identifier, what, who]
    )


def events(db: Connection, identifier: int) -> list[tuple[datetime, str, str | None]]:
    """Its life, oldest first."""
    rows: list[Any] = db.execute(
        "SELECT at, what, who FROM pridok_event WHERE consultation = %s ORDER BY at", [identifier]
    ).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


# -- the end -----------------------------------------------------------------------------------------------------


def result(db: Connection, identifier: int, version: int, kids: Sequence[str], sealed: bytes) -> None:
    """Keep a result; there is one, and it is never written over."""
    db.execute(
        "INSERT INTO pridok_result (consultation, version, kids, sealed) VALUES (%s, %s, %s, %b)",
        [identifier, version, list(kids), sealed],
    )


def sealed_result(db: Connection, identifier: int) -> tuple[int, bytes] | None:
    """A result as it is kept, with its version."""
    row: Any = db.execute(
        "SELECT version, sealed FROM pridok_result WHERE consultation = %s", [identifier]
    ).fetchone()
    return (row[0], bytes(row[1])) if row else None


def count_outcome(db: Connection, month: date, organisation: str, outcome: str) -> None:
    """One more was finished with this outcome."""
    db.execute(
        """
        INSERT INTO pridok_tally (month, organisation, outcome, finished) VALUES (%s, %s, %s, 1)
        ON CONFLICT (month, organisation, outcome) DO UPDATE SET finished = pridok_tally.finished + 1
        """,
        [month, organisation, outcome],
    )


def owe(
    db: Connection, sealer: Sealer, arrival: int, *, name: bytes, queue: int, patient: int, envelope: bytes
) -> None:
    """Put the insurer's message into the queue of its patient and wake whoever drains the lane."""
    db.execute(
        "INSERT INTO seen (lane, name, arrival, lineage, digest) VALUES (%s, %b, %s, %s, %s)",
        [LANE, name, arrival, queue, sealer.digest(envelope)],
    )
    db.execute(
        "INSERT INTO inbox (id, lane, kind, patient, body) VALUES (%s, %s, %s, %s, %b)",
        [arrival, LANE, KIND, patient, sealer.seal(envelope, b"inbox", arrival)],
    )
    owing.enqueue(db, LANE, queue, arrival)


def _values(row: Row) -> list[Any]:
    values = [getattr(row, name) for name in _NAMES]
    return [list(value) if isinstance(value, tuple | frozenset) else value for value in values]


def _row(values: Any) -> Row:
    return Row(**dict(zip(_NAMES, values, strict=True)))


def _tell(db: Connection, row: Row) -> None:
    db.execute("SELECT pg_notify(%s, %s)", [CHANNEL, msgspec.json.encode(row).decode()])


def told(payload: str) -> Row:
    """The change that was told."""
    return msgspec.json.decode(payload, type=Row)
