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
    """A column of sealed bodies; ``row`` is the number its seals are bound to, as SQL."""

    table: str
    column: str
    row: str

    def composed(self, statement: str) -> sql.Composed:
        """A statement about this column."""
        table, column = sql.Identifier(self.table), sql.Identifier(self.column)
        return sql.SQL(statement).format(table=table, column=column, row=sql.SQL(self.row))


#: The first eight bytes of a blind name as ``struct`` reads them.
_OF_NAME = " | ".join(f"(get_byte(name, {byte})::bigint << {8 * byte})" for byte in range(8))

#: Every column that ``Sealer.seal`` fills. A seal is bound to its table's name.
SEALED = (
    Sealed("inbox", "body", "id"),
    Sealed("outbox", "body", "id"),
    Sealed("batch", "body", "id"),
    Sealed("conflict", "body", "id"),
    Sealed("attempt", "answer", "message"),
    Sealed("remark", "body", "message"),
    Sealed("known", "value", f"({_OF_NAME})"),
    Sealed("hcoint_order", "body", "id"),
    Sealed("hcoint_upload", "body", "id"),
    Sealed("pridok_patient", "body", "id"),
    Sealed("pridok_referral", "body", "id"),
    Sealed("pridok_link", "body", "consultation"),
    Sealed("pridok_report", "body", "id"),
    Sealed("sync_record", "body", "id"),
    Sealed("sync_record", "decision", "id"),
)

#: The id of the key a body was sealed with. Only the body's beginning is read, not all of it.
_KEY = "convert_from(substr({column}, 3, get_byte(substr({column}, 1, 2), 1)), 'UTF8')"

_OLD = f"""
SELECT {{row}} AS bound, ctid::text, {{column}} FROM {{table}}
 WHERE {{row}} >= %(row)s AND ({{row}}, ctid) > (%(row)s, %(at)s::tid)
   AND {{column}} IS NOT NULL AND {_KEY} <> %(first)s
 ORDER BY bound, ctid LIMIT %(most)s FOR UPDATE
"""

_RESEAL = """
UPDATE {table} AS t SET {column} = anew.sealed
  FROM unnest(%b::bigint[], %b::text[], %b::bytea[]) AS anew(bound, at, sealed)
 WHERE {row} = anew.bound AND t.ctid = anew.at::tid
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
    row, at = -(1 << 63), "(0,0)"
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
