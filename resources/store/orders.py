"""Orders of ``hcoint`` as the store holds them: what came of each message, where an order stands, what happened.

What may happen to an order is the lane's; here it is only kept. Whoever changes one calls ``locked`` first and
stays in that transaction. The state of an order that was sent is that of its message, so that a retry from the
shell, a page and a run all say the same: ``settle`` brings it up to date.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from resources.store.connect import Away, Connection, connect
from resources.store.ids import PROCESSES, Ids, first_id
from resources.store.intake import Verdict
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer
from resources.store.values import State

LANE = NUMBERS["hcoint"]


class Numbers:
    """Ids for the threads of one process; its number is held by a session of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._db: Connection | None = None
        self._ids: Ids | None = None
        self._looked = float("-inf")

    def __call__(self) -> int:
        """The next id."""
        with self._lock:
            return self._mine()()

    def close(self) -> None:
        """Give the number back."""
        with self._lock:
            if self._db:
                self._db.close()
            self._db = self._ids = None

    def _mine(self) -> Ids:
        """A number is ours as long as its session lives, which is looked at once a second."""
        if self._db is not None and self._ids is not None:
            if time.monotonic() - self._looked < 1.0:
                return self._ids
            try:
                self._db.execute("SELECT 1")
                self._looked = time.monotonic()
                return self._ids
            except Away:
                self._db.close()
        self._db = connect(self._url, "handoff ids")
        for number in range(PROCESSES):
            row = self._db.execute("SELECT pg_try_advisory_lock(78, %s)", [number]).fetchone()
            if row and row[0]:
                self._ids = Ids(number)
                return self._ids
        raise RuntimeError(f"{PROCESSES} processes of Handoff are connected to this store; end some of them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """One message of a hospital. ``within``: its name proves a repetition only since that moment."""

    name: bytes
    kind: str
    digest: int
    body: bytes
    reference: int | None = None
    patient: int | None = None
    aside: str | None = None
    within: datetime | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a message: new, a repetition, or other content under an id that came before."""

    verdict: Verdict
    arrival: int


def keep(db: Connection, sealer: Sealer, arrival: int, came: Came) -> Kept:
    """Keep a message once. One that cannot be used (``aside`` says why) is set aside for a person."""
    if came.within is not None:
        db.execute(
            "DELETE FROM seen WHERE lane = %s AND name = %s AND arrival < %s",
            [LANE, came.name, first_id(came.within)],
        )
    new = db.execute(
        """
        INSERT INTO seen (lane, name, arrival, lineage, digest) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT DO NOTHING RETURNING arrival
        """,
        [LANE, came.name, arrival, came.reference or 0, came.digest],
    ).fetchone()
    if new is None:
        return _repeated(db, sealer, arrival, came)
    db.execute(
        "INSERT INTO inbox (id, lane, kind, patient, reference, body) VALUES (%s, %s, %s, %s, %s, %b)",
        [
            arrival,
            LANE,
            came.kind,
            came.patient,
            came.reference,
            sealer.seal(came.body, b"inbox", arrival),
        ],
    )
    if came.aside is not None:
        db.execute(
            """
            INSERT INTO ended (arrival, part, lane, state, queue, seq, attempts, reason)
            VALUES (%s, 0, %s, %s, %s, 0, 0, %s)
            """,
            [arrival, LANE, State.SET_ASIDE.value, came.reference or 0, came.aside[:500]],
        )
    return Kept(Verdict.RECEIVED, arrival)


def _repeated(db: Connection, sealer: Sealer, arrival: int, came: Came) -> Kept:
    row: Any = db.execute(
        "SELECT arrival, digest FROM seen WHERE lane = %s AND name = %s", [LANE, came.name]
    ).fetchone()
    first, digest = row
    if digest == came.digest:
        return Kept(Verdict.DUPLICATE, first)
    db.execute(
        """
        INSERT INTO conflict (id, lane, arrival, digest, body) VALUES (%s, %s, %s, %s, %b) ON CONFLICT DO NOTHING
        """,
        [arrival, LANE, first, came.digest, sealer.seal(came.body, b"conflict", arrival)],
    )
    return Kept(Verdict.CONFLICT, first)


def all_set_aside(db: Connection) -> list[int]:
    """The messages that could not be used, oldest first. Notes that could not be mapped are not among them."""
    rows = db.execute(
        """
        SELECT e.arrival FROM ended AS e JOIN inbox AS i ON i.id = e.arrival
         WHERE e.lane = %s AND e.state = %s AND i.kind <> 'note' ORDER BY e.arrival
        """,
        [LANE, State.SET_ASIDE.value],
    ).fetchall()
    return [row[0] for row in rows]


def set_aside(db: Connection, sealer: Sealer, arrival: int) -> bytes | None:
    """The message as it came, locked until our transaction ends; None where it is not set aside (any more)."""
    row: Any = db.execute(
        """
        SELECT i.body FROM ended AS e JOIN inbox AS i ON i.id = e.arrival
         WHERE e.arrival = %s AND e.part = 0 AND e.lane = %s AND e.state = %s AND i.kind <> 'note' FOR UPDATE OF e
        """,
        [arrival, LANE, State.SET_ASIDE.value],
    ).fetchone()
    return sealer.open(bytes(row[0]), b"inbox", arrival) if row else None


def no_longer_aside(db: Connection, arrival: int) -> None:
    """The message could be used after all: like any other it is owed nothing."""
    db.execute("DELETE FROM ended WHERE arrival = %s AND part = 0", [arrival])


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An order as it is kept; ``body`` is the lane's own account of it, opened."""

    id: int
    key: int
    partner: str
    reference: int
    visit: int | None
    state: str
    test: bool
    version: int
    sent: int
    delivered: int
    upload: int | None
    message: int | None
    requested_at: datetime
    changed_at: datetime
    body: bytes


_COLUMNS = (
    "id, key, partner, reference, visit, state, test, version, sent, delivered, upload, message,"
    " requested_at, changed_at, body"
)


def locked(db: Connection, sealer: Sealer, key: int) -> Row | None:
    """The order under this key, which nobody else changes before our transaction ends; None for the first."""
    db.execute("SELECT pg_advisory_xact_lock(%s)", [key])
    row = _one(db, sealer, "key", key)
    if row is None or row.state not in ("sending", "failed"):
        return row
    settle(db, key=key)
    return _one(db, sealer, "key", key)


def partner_of(db: Connection, identifier: int) -> str | None:
    """Whose order it is; None where there is no such order."""
    row: Any = db.execute("SELECT partner FROM hcoint_order WHERE id = %s", [identifier]).fetchone()
    return str(row[0]) if row else None


def key_of(db: Connection, identifier: int) -> int | None:
    """The key of an order that is known by our id."""
    row: Any = db.execute("SELECT key FROM hcoint_order WHERE id = %s", [identifier]).fetchone()
    return int(row[0]) if row else None


def order(db: Connection, sealer: Sealer, identifier: int) -> Row | None:
    """One order by our id, as it stands now."""
    settle(db)
    return _one(db, sealer, "id", identifier)


def orders(db: Connection, sealer: Sealer, identifiers: Iterable[int]) -> list[Row]:
    """These orders, the newest first. Log the look before you call this."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM hcoint_order WHERE id = ANY(%s::bigint[]) ORDER BY requested_at DESC, id DESC",
        [list(identifiers)],
    ).fetchall()
    return [_row(sealer, row) for row in rows]


def _one(db: Connection, sealer: Sealer, column: str, value: int) -> Row | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM hcoint_order WHERE {column} = %s", [value]).fetchone()
    return _row(sealer, row) if row else None


def _row(sealer: Sealer, values: Any) -> Row:
    row = Row(**dict(zip(Row.__slots__, values, strict=True)))
    return replace(row, body=sealer.open(bytes(row.body), b"hcoint_order", row.id))


def place(db: Connection, sealer: Sealer, row: Row, *, patients: Sequence[int], alert_hours: int) -> None:
    """Write an order down, new or changed."""
    db.execute(
        f"""
        INSERT INTO hcoint_order ({_COLUMNS}, alert_after)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now(), %b, %s * interval '1 hour')
        ON CONFLICT (key) DO UPDATE SET visit = EXCLUDED.visit, state = EXCLUDED.state, test = EXCLUDED.test,
               version = EXCLUDED.version, sent = EXCLUDED.sent, delivered = EXCLUDED.delivered,
               upload = EXCLUDED.upload, message = EXCLUDED.message, changed_at = now(), body = EXCLUDED.body
        """,
        [
            *(getattr(row, name) for name in Row.__slots__[:13]),
            sealer.seal(row.body, b"hcoint_order", row.id),
            alert_hours,
        ],
    )
    db.execute(
        """
        INSERT INTO hcoint_patient (patient, order_id) SELECT unnest(%s::bigint[]), %s ON CONFLICT DO NOTHING
        """,
        [list(patients), row.id],
    )


_SETTLE = """
WITH now_is AS (
    SELECT o.id, e.at,
           CASE WHEN e.arrival IS NULL OR e.state = 1 THEN 'sending'
                WHEN e.state = 2 THEN 'delivered'
                WHEN e.state = 6 THEN 'cancelled' ELSE 'failed' END AS state
      FROM hcoint_order AS o LEFT JOIN ended AS e ON e.arrival = o.message AND e.part = 0
     WHERE o.state IN ('sending', 'failed') AND o.message IS NOT NULL {one})
UPDATE hcoint_order AS o
   SET state = n.state, version = o.version + 1, changed_at = coalesce(n.at, now()),
       delivered = CASE WHEN n.state = 'delivered' THEN o.sent ELSE o.delivered END
  FROM now_is AS n WHERE o.id = n.id AND o.state IN ('sending', 'failed') AND o.state <> n.state
"""


def settle(db: Connection, *, key: int | None = None) -> None:
    """Give orders whose note is on its way the state of that note. A note that failed may have been retried."""
    # Two who look at once do not wait for each other; whoever changes an order waits.
    one = "AND o.key = %(key)s" if key is not None else "ORDER BY o.id FOR UPDATE OF o SKIP LOCKED"
    db.execute(_SETTLE.format(one=one), {"key": key})


def happened(
    db: Connection, identifier: int, what: str, *, arrival: int | None = None, who: str | None = None
) -> None:
    """One line of an order's life."""
    db.execute(
        "INSERT INTO hcoint_event (order_id, what, arrival, who) VALUES (%s, %s, %s, %s)",
        [identifier, what, arrival, who],
    )


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an order's life."""

    at: datetime
    what: str
    arrival: int | None
    who: str | None


def events(db: Connection, identifier: int) -> list[Event]:
    """An order's life, oldest first."""
    rows = db.execute(
        "SELECT at, what, arrival, who FROM hcoint_event WHERE order_id = %s ORDER BY at", [identifier]
    ).fetchall()
    return [Event(*row) for row in rows]


# -- visits ------------------------------------------------------------------------------------------------------


def lock_visit(db: Connection, visit: int) -> None:
    """Of an order and the end of its visit that come at once, the later sees the earlier. Before any order's lock."""
    db.execute("SELECT pg_advisory_xact_lock(%s)", [visit])


def visit_ended(db: Connection, visit: int, ended_at: str) -> None:
    """A visit has ended; orders that name it, and those that will, can have their notes."""
    db.execute(
        "INSERT INTO hcoint_visit (visit, ended_at) VALUES (%s, %s)"
        " ON CONFLICT (visit) DO UPDATE SET ended_at = EXCLUDED.ended_at",
        [visit, ended_at],
    )


def ended_at(db: Connection, visit: int) -> str:
    """When a visit ended, as the hospital wrote it; empty where it has not said so."""
    row: Any = db.execute("SELECT ended_at FROM hcoint_visit WHERE visit = %s", [visit]).fetchone()
    return str(row[0]) if row else ""


def keys_of_visit(db: Connection, visit: int) -> list[int]:
    """The orders of a visit, in the order in which they may be locked."""
    rows = db.execute("SELECT key FROM hcoint_order WHERE visit = %s ORDER BY key", [visit]).fetchall()
    return [row[0] for row in rows]
