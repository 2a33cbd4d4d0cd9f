"""Notes of ``hcoint``: a file that waits to be sent, the message it becomes, and for whom a file was sent.

Until it is sent a file lies, sealed, in a row of its own that goes when it is replaced or sent; from then on the
arrival of the note holds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from resources.store import operators, owing
from resources.store.connect import Connection
from resources.store.operators import Who
from resources.store.orders import LANE
from resources.store.seal import Sealer
from resources.store.values import State

#: Notes of this kind stand in the inbox.
KIND = "note"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that waits to be sent: what the lane says of it on one line, and the file."""

    id: int
    at: datetime
    who: str
    kind: str
    size: int
    about: bytes
    data: bytes


def attach(
    db: Connection,
    sealer: Sealer,
    identifier: int,
    *,
    order: int,
    who: str,
    kind: str,
    about: bytes,
    data: bytes,
) -> None:
    """Keep a file for an order, in place of the one that waited before."""
    detach(db, order)
    body = sealer.seal(about + b"\n" + data, b"hcoint_upload", identifier)
    db.execute(
        "INSERT INTO hcoint_upload (id, order_id, who, kind, bytes, body) VALUES (%s, %s, %s, %s, %s, %b)",
        [identifier, order, who, kind, len(data), body],
    )


def detach(db: Connection, order: int) -> None:
    """Forget the file that waits for an order."""
    db.execute("DELETE FROM hcoint_upload WHERE order_id = %s", [order])


def upload(db: Connection, sealer: Sealer, identifier: int) -> Upload | None:
    """The file. Log the look before you call this."""
    row: Any = db.execute(
        "SELECT id, at, who, kind, bytes, body FROM hcoint_upload WHERE id = %s", [identifier]
    ).fetchone()
    if row is None:
        return None
    about, _, data = sealer.open(bytes(row[5]), b"hcoint_upload", identifier).partition(b"\n")
    return Upload(row[0], row[1], row[2], row[3], row[4], about, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A note that goes out, or went: its arrival is the message."""

    message: int
    order: int
    number: int
    partner: str
    digest: int
    kind: str
    size: int
    who: str


def owe(
    db: Connection,
    sealer: Sealer,
    note: Sent,
    *,
    name: bytes,
    queue: int,
    reference: int,
    patient: int | None,
    body: bytes,
) -> None:
    """Put a note into the queue of its order and wake whoever drains the lane."""
    _arrived(db, sealer, note, name, queue, reference, patient, body)
    owing.enqueue(db, LANE, queue, note.message)


def delivered_before(
    db: Connection,
    sealer: Sealer,
    note: Sent,
    *,
    name: bytes,
    queue: int,
    reference: int,
    patient: int | None,
    body: bytes,
) -> None:
    """A note that another system has sent: kept like ours, and ended."""
    _arrived(db, sealer, note, name, queue, reference, patient, body)
    db.execute(
        """
        INSERT INTO ended (arrival, part, lane, state, queue, seq, attempts, reason)
        VALUES (%s, 0, %s, %s, %s, 0, 0, 'sent by the system before this one')
        """,
        [note.message, LANE, State.DELIVERED.value, queue],
    )


def _arrived(
    db: Connection,
    sealer: Sealer,
    note: Sent,
    name: bytes,
    queue: int,
    reference: int,
    patient: int | None,
    body: bytes,
) -> None:
    db.execute(
        "INSERT INTO seen (lane, name, arrival, lineage, digest) VALUES (%s, %s, %s, %s, %s)",
        [LANE, name, note.message, queue, note.digest],
    )
    db.execute(
        "INSERT INTO inbox (id, lane, kind, patient, reference, body) VALUES (%s, %s, %s, %s, %s, %b)",
        [note.message, LANE, KIND, patient, reference, sealer.seal(body, b"inbox", note.message)],
    )
    db.execute(
        """
        INSERT INTO hcoint_note (message, order_id, number, partner, digest, kind, bytes, who)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        """,
        [
            note.message,
            note.order,
            note.number,
            note.partner,
            note.digest,
            note.kind,
            note.size,
            note.who,
        ],
    )


def orders_sent(db: Connection, digest: int) -> list[int]:
    """The orders for which this very file was sent."""
    rows = db.execute("SELECT DISTINCT order_id FROM hcoint_note WHERE digest = %s", [digest]).fetchall()
    return [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class Note:
    """A note that was sent, with where its message is."""

    message: int
    number: int
    kind: str
    size: int
    who: str
    at: datetime
    state: str
    reason: str | None
    attempts: int


def notes_of(db: Connection, order: int) -> list[Note]:
    """The notes of an order, oldest first."""
    rows: list[Any] = db.execute(
        """
        SELECT n.message, n.number, n.kind, n.bytes, n.who, n.at, coalesce(e.state, 0), e.reason,
               coalesce(e.attempts, w.attempts, 0)
          FROM hcoint_note AS n JOIN hcoint_order AS o ON o.id = n.order_id
          LEFT JOIN ended AS e ON e.arrival = n.message AND e.part = 0
          LEFT JOIN work AS w ON w.queue = o.key AND w.arrival = n.message
         WHERE n.order_id = %s ORDER BY n.number, n.message
        """,
        [order],
    ).fetchall()
    return [
        Note(number, nth, kind, size, who, at, State(state).name.lower(), reason, attempts)
        for number, nth, kind, size, who, at, state, reason, attempts in rows
    ]


def owned(db: Connection, messages: Sequence[int]) -> set[int]:
    """Which of these messages belong to orders: notes, and what hospitals said."""
    rows = db.execute(
        """
        SELECT message FROM hcoint_note WHERE message = ANY(%(messages)s::bigint[])
        UNION SELECT arrival FROM hcoint_event WHERE arrival = ANY(%(messages)s::bigint[])
        """,
        {"messages": list(messages)},
    ).fetchall()
    return {row[0] for row in rows}


def sent_file(db: Connection, sealer: Sealer, message: int) -> bytes | None:
    """The arrival of a note that was sent, file and all. Log the look before you call this."""
    row: Any = db.execute("SELECT body FROM inbox WHERE id = %s", [message]).fetchone()
    return sealer.open(bytes(row[0]), b"inbox", message) if row else None


def again(db: Connection, message: int, who: Who) -> None:
    """Let a note that has failed wait again, with the same bytes."""
    operators.reopen(db, [message], who, what="retry")


def was_refused(db: Connection, message: int) -> bool:
    """Whether the same bytes again are of no use: refused, or never mapped."""
    row: Any = db.execute(
        """
        SELECT e.state = %s OR (SELECT outcome FROM attempt AS a WHERE a.message = e.arrival + e.part
                                 ORDER BY a.at DESC LIMIT 1) = 4
          FROM ended AS e WHERE e.arrival = %s AND e.part = 0
        """,
        [State.SET_ASIDE.value, message],
    ).fetchone()
    return bool(row and row[0])


def give_up(db: Connection, message: int, who: Who, *, cancelled: bool = False) -> None:
    """Close a note that has failed, because another goes instead or the hospital wants none any more."""
    failed = [State.FAILED.value, State.SET_ASIDE.value]
    if not db.execute(
        "SELECT 1 FROM ended WHERE arrival = %s AND part = 0 AND state = ANY(%s::smallint[])",
        [message, failed],
    ).fetchone():
        return
    operators.skip(db, message, who)
    if cancelled:
        db.execute(
            "UPDATE ended SET state = %s, reason = %s WHERE arrival = %s AND part = 0",
            [State.CANCELLED.value, who.reason, message],
        )
