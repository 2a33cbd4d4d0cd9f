"""Sealing old bodies anew under the first key of the ring, so that an old key can go. Runs as the owner.

The application may not change what is evidence; the owner changes the seal and never what is under it. Chunks are
transactions of their own: an end at any point loses nothing, and the next start goes on where bodies are old.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from resources.store.connect import Connection
from resources.store.seal import Sealer, Unreadable


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of sealed bodies; ``row`` names the column whose number the seal is bound to."""

    table: str
    column: str
    row: str

    def composed(self, statement: str) -> sql.Composed:
        """A statement about this column."""
        names = {"table": self.table, "column": self.column, "row": self.row}
        return sql.SQL(statement).format(**{name: sql.Identifier(value) for name, value in names.items()})


#: Every column that ``Sealer.seal`` fills. The seal is bound to the table's name.
SEALED = (
    Sealed("inbox", "body", "id"),
    Sealed("outbox", "body", "id"),
    Sealed("batch", "body", "id"),
    Sealed("conflict", "body", "id"),
    Sealed("attempt", "answer", "message"),
    Sealed("remark", "body", "message"),
)

#: The id of the key a body was sealed with. Only the body's beginning is read, not all of it.
_KEY = "convert_from(substr({column}, 3, get_byte(substr({column}, 1, 2), 1)), 'UTF8')"

_OLD = f"""
SELECT {{row}}, ctid::text, {{column}} FROM {{table}}
 WHERE {{row}} >= %(row)s AND ({{row}}, ctid) > (%(row)s, %(at)s::tid) AND {{column}} IS NOT NULL AND {_KEY} <> %(first)s
 ORDER BY {{row}}, ctid LIMIT %(most)s FOR UPDATE
"""

_RESEAL = """
UPDATE {table} AS t SET {column} = d.body
  FROM unnest(%b::bigint[], %b::text[], %b::bytea[]) AS d(row, at, body)
 WHERE t.{row} = d.row AND t.ctid = d.at::tid
"""


def counts(db: Connection, sealed: Sealed) -> dict[str, int]:
    """How many bodies of a column are sealed with which key."""
    rows: list[Any] = db.execute(
        sealed.composed(
            f"SELECT {_KEY}, count(*) FROM {{table}} WHERE {{column}} IS NOT NULL GROUP BY 1 ORDER BY 1"
        )
    ).fetchall()
    return dict(rows)


@dataclass(frozen=True, slots=True)
class Step:
    """One chunk: how many bodies were sealed anew, and the rows whose body is damaged and was left as it is."""

    done: int
    damaged: tuple[int, ...]


def reseal(db: Connection, sealer: Sealer, sealed: Sealed, first: str, *, most: int = 500) -> Iterator[Step]:
    """Seal the bodies of a column anew that are not under the first key, a chunk a step.

    Raises KeyMissing when the ring lacks the key of one: put it back, behind the first.
    """
    row, at = 0, "(0,0)"
    while True:
        with db.transaction():
            values = {"row": row, "at": at, "first": first, "most": most}
            found: list[Any] = db.execute(sealed.composed(_OLD), values).fetchall()
            if not found:
                return
            step = _anew(db, sealer, sealed, found)
            row, at = found[-1][:2]
        yield step


def _anew(db: Connection, sealer: Sealer, sealed: Sealed, found: list[Any]) -> Step:
    table = sealed.table.encode()
    good: list[tuple[int, str, bytes]] = []
    damaged: list[int] = []
    for row, at, body in found:
        try:
            good.append((row, at, sealer.seal(sealer.open(bytes(body), table, row), table, row)))
        except Unreadable:
            damaged.append(row)
    if good:
        db.execute(sealed.composed(_RESEAL), [list(column) for column in zip(*good, strict=True)])
    return Step(len(good), tuple(damaged))
