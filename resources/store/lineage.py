"""What arrived under the names of earlier versions, for whoever follows a correction back to its original.

Bodies are sealed here: which version an event names as its prior is for the lane to read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from resources.store.connect import AsyncConnection, Connection


@dataclass(frozen=True, slots=True)
class Came:
    """An arrival by its blind name; ``body`` is sealed."""

    name: bytes
    arrival: int
    body: bytes


_CAME = """
SELECT s.name, i.id, i.body
  FROM unnest(%b::bytea[]) AS wanted(name)
  JOIN seen AS s ON s.lane = %s AND s.name = wanted.name
  JOIN inbox AS i ON i.id = s.arrival
"""


async def came_async(db: AsyncConnection, lane: int, names: Sequence[bytes]) -> list[Came]:
    """What arrived under these names; one that is not known, or whose time is past, is not among them."""
    cursor = await db.execute(_CAME, [list(names), lane])
    return [Came(bytes(name), arrival, bytes(body)) for name, arrival, body in await cursor.fetchall()]


def came(db: Connection, lane: int, names: Sequence[bytes]) -> list[Came]:
    """The same for a thread."""
    rows = db.execute(_CAME, [list(names), lane]).fetchall()
    return [Came(bytes(name), arrival, bytes(body)) for name, arrival, body in rows]
