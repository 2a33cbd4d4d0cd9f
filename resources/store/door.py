"""The door for applications in the same database: what ``handoff.record_event`` has written and we take up.

Order: an application that records two events of one chart, the second after the first has committed, finds them
in this order here. One process takes at a time, else two would put later rows in before earlier ones.
"""

from dataclasses import dataclass

from resources.store.connect import AsyncConnection


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event as the application recorded it; ``payload`` is its JSON."""

    id: int
    lane: str
    event_id: str
    event_type: str
    resource_id: str
    payload: bytes


async def is_ours(db: AsyncConnection) -> bool:
    """Whether this connection is the one that takes, until it ends."""
    row = await (await db.execute("SELECT pg_try_advisory_lock(82, 1)")).fetchone()
    return bool(row and row[0])


async def waiting(db: AsyncConnection, most: int) -> list[Recorded]:
    """The oldest events, in their order."""
    cursor = await db.execute(
        "SELECT id, lane, event_id, event_type, resource_id, payload::text FROM door ORDER BY id LIMIT %s",
        [most],
    )
    rows = await cursor.fetchall()
    return [
        Recorded(number, lane, event_id, event_type, resource_id, payload.encode())
        for number, lane, event_id, event_type, resource_id, payload in rows
    ]


async def remove(db: AsyncConnection, taken: list[Recorded]) -> None:
    """They are in the inbox now."""
    await db.execute("DELETE FROM door WHERE id = ANY(%b::bigint[])", [[one.id for one in taken]])
