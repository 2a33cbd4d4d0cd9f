"""Code tables an installation has loaded: kept in the store, so that every machine maps alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from resources.store import operators
from resources.store.connect import Connection
from resources.store.lanes import NUMBERS
from resources.store.operators import Who


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table as it was loaded last; ``entries`` is None where the shipped one is in force again."""

    lane: str
    name: str
    loaded_at: datetime
    who: str
    entries: Mapping[str, str] | None


def newest(db: Connection, lane: str | None = None) -> list[Loaded]:
    """The last table loaded under each name, of one lane or of all."""
    rows: list[Any] = db.execute(
        """
        SELECT DISTINCT ON (lane, name) lane, name, loaded_at, who, entries FROM code_table
         WHERE %(lane)s::text IS NULL OR lane = %(lane)s ORDER BY lane, name, id DESC
        """,
        {"lane": lane},
    ).fetchall()
    return [Loaded(*row) for row in rows]


def in_force(db: Connection, lane: str) -> dict[str, Mapping[str, str]]:
    """What has been loaded over a lane's shipped tables, by name."""
    return {one.name: one.entries for one in newest(db, lane) if one.entries is not None}


def load(db: Connection, lane: str, name: str, entries: Mapping[str, str] | None, who: Who) -> None:
    """Put a table in force for the runs that start from now on; None brings the shipped one back."""
    with db.transaction():
        db.execute(
            "INSERT INTO code_table (lane, name, who, reason, entries) VALUES (%s, %s, %s, %s, %s)",
            [lane, name, who.name, who.reason, None if entries is None else Jsonb(entries)],
        )
        operators.note(db, who, "load code table", lane=NUMBERS[lane], target=name)


def ask_to_hand_over(db: Connection, lane: str) -> None:
    """Let the lane's runs end as they do for new code: the next one begins with the tables in force."""
    db.execute("UPDATE lane SET code = 'tables' WHERE number = %s", [NUMBERS[lane]])
