"""Records of ``pridok`` sealed to recipients: which of them name a key, and their keys wrapped anew. As the owner.

No member is encrypted anew and none is read: only the record's own key passes from one recipient's key to another.
Chunks are transactions of their own: an end at any point loses nothing, and the next start goes on where the old key
is still named. Whose private key it is, and where it lies, is the caller's matter.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from resources import sealing
from resources.sealing import Place, PrivateKey, PublicKey, SealBroken, Sealed
from resources.store.connect import Connection
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer, Unreadable

_LANE = NUMBERS["pridok"]
_MOST = 500


@dataclass(frozen=True, slots=True)
class Records:
    """A table of sealed records. ``place`` is the row as its seal is bound to it, ``kids`` says whom it names."""

    table: str
    key: str
    type: str
    row: str
    version: str = "1"
    names: str = "position(convert_to(%(kid)s, 'UTF8') in sealed) > 0"
    kids: bool = False


RESULTS = Records(
    "pridok_result",
    key="consultation",
    type="bigint",
    row="consultation::text",
    version="version",
    names="kids @> ARRAY[%(kid)s]",
    kids=True,
)
IDENTITIES = Records("pridok_number", key="number", type="bytea", row="encode(number, 'hex')")
REFERRALS = Records("pridok_referral", key="id", type="bigint", row="id::text")
#: Everything sealed to recipients that is not under the store's keys besides.
ALL = (RESULTS, IDENTITIES, REFERRALS)
#: A second referral under one journal id is kept here, under the store's keys as well; its seal is a referral's.
CONFLICTS = "conflict"


@dataclass(frozen=True, slots=True)
class Step:
    """One chunk: how many records were wrapped anew, and the rows that do not open and were left as they are."""

    table: str
    done: int
    damaged: tuple[str, ...]


Change = Callable[[Sealed, Place], Sealed]


def named(db: Connection, sealer: Sealer, kid: str) -> dict[str, int]:
    """How many records of each table can be opened with this key."""
    counted = {}
    for one in ALL:
        row: Any = db.execute(f"SELECT count(*) FROM {one.table} WHERE {one.names}", {"kid": kid}).fetchone()
        counted[one.table] = int(row[0])
    counted[CONFLICTS] = sum(
        sealed is not None and kid in sealed.keys for _, sealed in _conflicts(db, sealer)
    )
    return counted


def wrapped_anew(key: PrivateKey, to: PublicKey) -> Change:
    """For ``to`` in place of ``key``."""
    return lambda sealed, place: sealing.rewrap(sealed, place, key, to)


def wrapped_besides(key: PrivateKey, to: PublicKey) -> Change:
    """For ``to`` as well: how who has lost a key gets the records back from who still has one."""

    def change(sealed: Sealed, place: Place) -> Sealed:
        keys = {**sealing.rewrap(sealed, place, key, to).keys, **sealed.keys}
        return replace(sealed, keys=keys)

    return change


def change(
    db: Connection,
    sealer: Sealer,
    kid: str,
    by: Change,
    *,
    without: str = "",
    most: int = _MOST,
) -> Iterator[Step]:
    """Change the keys of every record that names ``kid`` and not ``without``, a chunk a step."""
    for one in ALL:
        after: Any = None
        while True:
            with db.transaction():
                found = _some(db, one, kid, after, most)
                step = _changed(db, one, found, by, without)
            if not found:
                break
            yield step
            after = found[-1][0]
    yield _changed_conflicts(db, sealer, kid, by, without)


def _some(db: Connection, one: Records, kid: str, after: Any, most: int) -> list[Any]:
    values = {"kid": kid, "after": after, "most": most}
    return db.execute(
        f"""
        SELECT {one.key}, {one.row} AS row, {one.version} AS version, sealed FROM {one.table}
         WHERE (%(after)s::{one.type} IS NULL OR {one.key} > %(after)s) AND {one.names}
         ORDER BY {one.key} LIMIT %(most)s FOR UPDATE
        """,
        values,
    ).fetchall()


def _changed(db: Connection, one: Records, found: list[Any], by: Change, without: str) -> Step:
    done, damaged = 0, []
    for key, row, version, raw in found:
        try:
            before = Sealed.from_bytes(bytes(raw))
            if without in before.keys:
                continue
            put(db, one, key, by(before, Place(one.table, row, version)))
            done += 1
        except SealBroken:
            damaged.append(row)
    return Step(one.table, done, tuple(damaged))


def put(db: Connection, one: Records, key: object, sealed: Sealed) -> None:
    """Write a record back with other keys."""
    kids = ", kids = %(kids)s" if one.kids else ""
    db.execute(
        f"UPDATE {one.table} SET sealed = %(sealed)b{kids} WHERE {one.key} = %(key)s",
        {"sealed": sealed.to_bytes(), "kids": sorted(sealed.keys), "key": key},
    )


# -- conflicts: few, so all in one transaction -----------------------------------------------------------------------


def _conflicts(db: Connection, sealer: Sealer, lock: str = "") -> list[tuple[int, Sealed | None]]:
    """Every conflict with its record; None for one that is damaged."""
    rows: list[Any] = db.execute(
        f"SELECT id, body FROM conflict WHERE lane = %s ORDER BY id {lock}", [_LANE]
    ).fetchall()
    return [(number, _opened(sealer, number, bytes(body))) for number, body in rows]


def _opened(sealer: Sealer, number: int, body: bytes) -> Sealed | None:
    try:
        return Sealed.from_bytes(sealer.open(body, CONFLICTS.encode(), number))
    except (Unreadable, SealBroken):
        return None


def _changed_conflicts(db: Connection, sealer: Sealer, kid: str, by: Change, without: str) -> Step:
    done, damaged = 0, []
    with db.transaction():
        for number, sealed in _conflicts(db, sealer, "FOR UPDATE"):
            if sealed is None:
                damaged.append(str(number))
            elif kid in sealed.keys and without not in sealed.keys:
                try:
                    put_conflict(db, sealer, number, by(sealed, Place("pridok_referral", str(number))))
                    done += 1
                except SealBroken:
                    damaged.append(str(number))
    return Step(CONFLICTS, done, tuple(damaged))


def put_conflict(db: Connection, sealer: Sealer, number: int, sealed: Sealed) -> None:
    """Write the record of a conflict back with other keys."""
    body = sealer.seal(sealed.to_bytes(), CONFLICTS.encode(), number)
    db.execute("UPDATE conflict SET body = %b WHERE id = %s", [body, number])
