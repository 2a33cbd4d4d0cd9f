"""What a partner said of single messages, on its way to whoever must act on it: written in the transaction that keeps
it, read by the facility it concerns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from resources.store.connect import AsyncConnection, Connection
from resources.store.ids import arrival_and_part, moment
from resources.store.past import opened
from resources.store.seal import Sealer
from resources.store.values import Arrival, State


async def arrivals(db: AsyncConnection, sealer: Sealer, messages: Sequence[int]) -> dict[int, Arrival]:
    """What the messages were made of, opened, by the id of the arrival."""
    wanted = sorted({arrival_and_part(message)[0] for message in messages})
    cursor = await db.execute("SELECT id, kind, body FROM inbox WHERE id = ANY(%b::bigint[])", [wanted])
    return opened(sealer, await cursor.fetchall())


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """Something a lane owes somebody of its own accord: an arrival nobody sent. ``body`` is sealed as one."""

    id: int
    kind: str
    queue: int
    body: bytes


_OWE = """
WITH a AS MATERIALIZED (
    SELECT * FROM unnest(%b::bigint[], %b::text[], %b::bigint[], %b::bytea[]) AS t(id, kind, queue, body)),
i AS (INSERT INTO inbox (id, lane, kind, body) SELECT id, %s, kind, body FROM a),
q AS (INSERT INTO queue (key, lane, last_seq, ready_at) SELECT queue, %s, 1, now() FROM a)
INSERT INTO work (queue, seq, part, lane, arrival) SELECT queue, 1, 0, %s, id FROM a
"""


async def owe(db: AsyncConnection, own: Sequence[Own], *, lane: int, track: int) -> None:
    """Let each wait on this track of the lane, in a queue of its own."""
    if not own:
        return
    columns = [
        [one.id for one in own],
        [one.kind for one in own],
        [one.queue for one in own],
        [one.body for one in own],
    ]
    await db.execute(_OWE, [*columns, lane, track, track])
    await db.execute("SELECT pg_notify('work', %s)", [str(lane)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One message with all that was said of it, opened; ``newer``: a later version of the same has come since."""

    message: int
    kind: str
    received: bytes
    received_at: datetime
    state: State
    newer: bool
    said: Sequence[tuple[datetime, str, str]]


_TOLD = """
WITH m AS MATERIALIZED (
    SELECT DISTINCT message FROM remark
     WHERE concerns = %(concerns)s AND (%(before)s::bigint IS NULL OR message < %(before)s)
     ORDER BY message DESC LIMIT %(limit)s)
SELECT m.message, i.kind, i.body, i.id, coalesce(e.state, 0), coalesce(q.last_seq > e.seq, false),
       r.at, r.severity, r.body
  FROM m JOIN inbox AS i ON i.id = m.message & -8
  LEFT JOIN ended AS e ON e.arrival = i.id AND e.part = m.message & 7
  LEFT JOIN queue AS q ON q.key = e.queue
  JOIN remark AS r ON r.message = m.message AND r.concerns = %(concerns)s
 ORDER BY m.message DESC, r.at
"""


def told(
    db: Connection, sealer: Sealer, concerns: int, *, limit: int, before: int | None = None
) -> list[Told]:
    """The newest messages of which something was said that concerns this one. Log the look before you call this."""
    rows: list[Any] = db.execute(_TOLD, {"concerns": concerns, "limit": limit, "before": before}).fetchall()
    found: dict[int, tuple[Any, list[tuple[datetime, str, str]]]] = {}
    for row in rows:
        message, at, severity, body = row[0], row[6], row[7], row[8]
        _, said = found.setdefault(message, (row, []))
        said.append((at, severity, sealer.open(bytes(body), b"remark", message).decode()))
    return [
        Told(
            message=message,
            kind=kind,
            received=sealer.open(bytes(body), b"inbox", arrival),
            received_at=moment(arrival),
            state=State(state),
            newer=newer,
            said=said,
        )
        for (message, kind, body, arrival, state, newer, *_), said in found.values()
    ]
