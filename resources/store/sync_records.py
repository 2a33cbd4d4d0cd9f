"""What is remembered of each record of a link: its state, its conflict, what it waits for.

A record is one row, whatever ids it has and had; it is found by blind names. What the row holds is sealed and
the lane's business. ``remember`` and ``settle`` are transactions of their own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from resources.store import sync_hints
from resources.store.connect import AsyncConnection, Connection
from resources.store.deadlocks import again_after_deadlock
from resources.store.ids import arrival_and_part
from resources.store.operators import Who, note
from resources.store.seal import Sealer, shown
from resources.store.sync_hints import LANE, Hint
from resources.store.values import State

TABLE = b"sync_record"


@dataclass(frozen=True, slots=True)
class Name:
    """A record's blind name on one side."""

    side: str
    name: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A record's row, opened."""

    id: int
    link: str
    type: str
    queue: int
    outcome: str
    reason: str
    message: int | None
    at: datetime
    body: bytes = field(repr=False)
    decision: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What is to be kept of a record; ``names`` are all its ids, ``queue`` is where it is first given one.

    ``begun``: a write is about to leave that may give the record another id on that side.
    """

    link: str
    type: str
    queue: int
    names: Sequence[Name]
    body: bytes = field(repr=False)
    outcome: str = ""
    reason: str = ""
    begun: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Exact calls that are about to be made for a message, packed with their address."""

    message: int
    kind: str
    packed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What settling a record came to, and what follows from it.

    ``waits_for`` are blind names; ``changed`` are those that others may wait for. ``ended``: an earlier failure
    of this record is over. ``decided``: so is what a person said about it. ``audit`` is what a policy overruled, by
    the names of elements. ``told``: it belongs into the record's history; ``wrote`` are the sides that were written
    to, ``elements`` what.
    """

    remembered: Remembered
    message: int | None
    waits_for: Sequence[bytes] = ()
    changed: Sequence[bytes] = ()
    hints: Sequence[Hint] = ()
    ended: bool = False
    decided: bool = False
    audit: str = ""
    told: bool = False
    wrote: Sequence[str] = ()
    elements: Sequence[str] = ()


_COLUMNS = "r.id, r.link, r.type, r.queue, r.outcome, r.reason, r.message, r.at, r.body, r.decision"


def _kept(row: Sequence[Any], sealer: Sealer) -> Kept:
    decision = sealer.open(bytes(row[9]), TABLE, row[0]) if row[9] else None
    return Kept(
        id=row[0],
        link=row[1],
        type=row[2],
        queue=row[3],
        outcome=row[4],
        reason=row[5],
        message=row[6],
        at=row[7],
        body=sealer.open(bytes(row[8]), TABLE, row[0]),
        decision=decision,
    )


async def find(
    db: AsyncConnection, sealer: Sealer, link: str, side: str, names: Iterable[bytes]
) -> dict[bytes, Kept]:
    """The records of a link that have, or had, these names on a side."""
    cursor = await db.execute(
        f"""
        SELECT n.name, {_COLUMNS} FROM sync_name AS n JOIN sync_record AS r ON r.id = n.record
         WHERE n.link = %s AND n.side = %s AND n.name = ANY(%s::bytea[])
        """,
        [link, side, list(names)],
    )
    return {bytes(row[0]): _kept(row[1:], sealer) for row in await cursor.fetchall()}


async def begun(
    db: AsyncConnection, sealer: Sealer, link: str, kind: str, *, seconds: float | None = None
) -> list[Kept]:
    """Records of a type of which a write has been begun whose end is not known; there are few at any time.

    ``seconds``: only what was begun since then.
    """
    cursor = await db.execute(
        f"""
        SELECT {_COLUMNS} FROM sync_record AS r WHERE r.link = %s AND r.type = %s AND r.begun
           AND (%s::float8 IS NULL OR r.at > now() - %s::float8 * interval '1 s') ORDER BY r.at
        """,
        [link, kind, seconds, seconds],
    )
    return [_kept(row, sealer) for row in await cursor.fetchall()]


async def remember(
    db: AsyncConnection, sealer: Sealer, ids: Callable[[], int], record: Remembered, call: Call | None
) -> None:
    """Commit the state of a record and the calls about to be made, before a byte of them leaves."""
    async with db.pipeline(), db.transaction():
        await _write(db, sealer, ids, record, None)
        if call is not None:
            await _store(db, sealer, call)


async def fail(
    db: AsyncConnection, link: str, name: Name, message: int | None, outcome: str, reason: str
) -> None:
    """Note that the last look at a record ended in a refusal; what is remembered of it stays."""
    await db.execute(
        """
        WITH r AS (UPDATE sync_record SET outcome = %(outcome)s, reason = %(reason)s, message = %(message)s, at = now()
                    WHERE id = (SELECT record FROM sync_name
                                 WHERE link = %(link)s AND side = %(side)s AND name = %(name)b)
                   RETURNING id)
        INSERT INTO sync_history (record, message, outcome, reason, wrote, elements)
        SELECT id, %(message)s, %(outcome)s, %(reason)s, '', '' FROM r
        """,
        {
            "link": link,
            "side": name.side,
            "name": name.name,
            "message": message,
            "outcome": outcome,
            "reason": reason[:500],
        },
    )


async def _store(db: AsyncConnection, sealer: Sealer, call: Call) -> None:
    """The calls made while a message is settled stand below its own version, the latest lowest."""
    body = sealer.seal(call.packed, b"outbox", call.message)
    await db.execute(
        """
        INSERT INTO outbox (id, version, lane, kind, digest, body)
        SELECT %(id)s, least(coalesce(min(version), 0), 0) - 1, %(lane)s, %(kind)s, %(digest)s, %(body)b
          FROM outbox WHERE id = %(id)s
        """,
        {
            "id": call.message,
            "lane": LANE,
            "kind": call.kind,
            "digest": sealer.digest(call.packed),
            "body": body,
        },
    )


async def settle(db: AsyncConnection, sealer: Sealer, ids: Callable[[], int], outcome: Outcome) -> None:
    """Keep what became of a record; wake what waited for it; end what had failed before."""
    await again_after_deadlock(lambda: _settle(db, sealer, ids, outcome))


async def _settle(db: AsyncConnection, sealer: Sealer, ids: Callable[[], int], outcome: Outcome) -> None:
    link = outcome.remembered.link
    async with db.pipeline(), db.transaction():
        record = await _write(db, sealer, ids, outcome.remembered, outcome.message, decided=outcome.decided)
        await db.execute("DELETE FROM sync_wait WHERE record = %s", [record])
        if outcome.waits_for:
            await db.execute(
                "INSERT INTO sync_wait (record, link, name) SELECT %s, %s, unnest(%s::bytea[])"
                " ON CONFLICT DO NOTHING",
                [record, link, list(outcome.waits_for)],
            )
        await _wake(db, record, link, outcome)
        if outcome.told:
            await _tell(db, record, outcome)
        await sync_hints.add(db, sealer, ids, outcome.hints)
        if outcome.ended and outcome.message is not None:
            await _over(db, record, outcome.message)
        if outcome.audit:
            await db.execute(
                """
                INSERT INTO audit (who, what, lane, target, reason)
                SELECT 'Handoff', 'overruled by the policy', 'openmrs', %s, %s
                """,
                [str(outcome.message or record), outcome.audit[:500]],
            )


_FOUND = """
SELECT DISTINCT n.record, r.queue FROM unnest(%s::text[], %s::bytea[]) AS t(side, name)
  JOIN sync_name AS n ON n.link = %s AND n.side = t.side AND n.name = t.name
  JOIN sync_record AS r ON r.id = n.record ORDER BY n.record
"""

_WRITE = """
INSERT INTO sync_record AS r (id, link, type, queue, outcome, reason, message, body, begun)
VALUES (%(id)s, %(link)s, %(type)s, %(queue)s, %(outcome)s, %(reason)s, %(message)s, %(body)b, %(begun)s)
ON CONFLICT (id) DO UPDATE SET
    body = EXCLUDED.body, at = now(), begun = EXCLUDED.begun, message = coalesce(EXCLUDED.message, r.message),
    decision = CASE WHEN %(decided)s THEN NULL ELSE r.decision END,
    outcome = CASE WHEN EXCLUDED.outcome = '' THEN r.outcome ELSE EXCLUDED.outcome END,
    reason = CASE WHEN EXCLUDED.outcome = '' THEN r.reason ELSE EXCLUDED.reason END
"""


async def _write(
    db: AsyncConnection,
    sealer: Sealer,
    ids: Callable[[], int],
    record: Remembered,
    message: int | None,
    *,
    decided: bool = False,
) -> int:
    """The one row of a record; two that turn out to be one become one."""
    sides, names = [name.side for name in record.names], [name.name for name in record.names]
    found: list[Any] = await (await db.execute(_FOUND, [sides, names, record.link])).fetchall()
    row = found[0][0] if found else ids()
    if len(found) > 1:
        await db.execute(
            "DELETE FROM sync_record WHERE id = ANY(%s::bigint[])", [[one for one, _ in found[1:]]]
        )
    await db.execute(
        _WRITE,
        {
            "id": row,
            "link": record.link,
            "type": record.type,
            "queue": record.queue,
            "outcome": record.outcome,
            "reason": record.reason[:500],
            "message": message,
            "body": sealer.seal(record.body, TABLE, row),
            "begun": record.begun,
            "decided": decided,
        },
    )
    await db.execute(
        """
        WITH gone AS (
            DELETE FROM sync_name AS n WHERE n.record = %(row)s AND NOT EXISTS (
                SELECT 1 FROM unnest(%(sides)s::text[], %(names)s::bytea[]) AS t(side, name)
                 WHERE t.side = n.side AND t.name = n.name))
        INSERT INTO sync_name (link, side, name, record)
        SELECT DISTINCT %(link)s, t.side, t.name, %(row)s::bigint
          FROM unnest(%(sides)s::text[], %(names)s::bytea[]) AS t(side, name)
        ON CONFLICT (link, side, name) DO UPDATE SET record = EXCLUDED.record
        """,
        {"row": row, "link": record.link, "sides": sides, "names": names},
    )
    return int(row)


async def _tell(db: AsyncConnection, record: int, outcome: Outcome) -> None:
    """A line in the record's history; the same thing said again is one line."""
    await db.execute(
        """
        INSERT INTO sync_history (record, message, outcome, reason, wrote, elements)
        SELECT %(record)s, %(message)s, %(outcome)s, %(reason)s, %(wrote)s, %(elements)s
         WHERE %(wrote)s <> '' OR NOT EXISTS (
               SELECT 1 FROM (SELECT outcome, reason FROM sync_history WHERE record = %(record)s
                               ORDER BY at DESC LIMIT 1) AS h
                WHERE h.outcome = %(outcome)s AND h.reason = %(reason)s)
        """,
        {
            "record": record,
            "message": outcome.message,
            "outcome": outcome.remembered.outcome,
            "reason": outcome.remembered.reason[:500],
            "wrote": ", ".join(outcome.wrote),
            "elements": ", ".join(outcome.elements)[:500],
        },
    )


async def _wake(db: AsyncConnection, record: int, link: str, outcome: Outcome) -> None:
    """Let the messages of records that waited for this one go again, and only those."""
    if not outcome.changed:
        return
    cursor = await db.execute(
        """
        WITH w AS (DELETE FROM sync_wait WHERE link = %(link)s AND record <> %(record)s AND record IN (
                       SELECT record FROM sync_wait WHERE link = %(link)s AND name = ANY(%(names)s::bytea[]))
                   RETURNING record)
        SELECT DISTINCT r.message FROM w JOIN sync_record AS r ON r.id = w.record WHERE r.message IS NOT NULL
        """,
        {"link": link, "record": record, "names": list(outcome.changed)},
    )
    await _again(db, [row[0] for row in await cursor.fetchall()])


async def sweep(db: AsyncConnection, link: str) -> None:
    """Try again what waits for nothing any more.

    A record may be woken while the message that parked it is not in the books yet; and what it waits for may have
    been settled by another while it was being parked, a moment before or after. Nobody else would see either.
    """
    cursor = await db.execute(
        """
        SELECT r.message FROM sync_record AS r
         WHERE r.link = %s AND r.outcome = 'parked' AND r.message IS NOT NULL
           AND (NOT EXISTS (SELECT 1 FROM sync_wait AS w WHERE w.record = r.id)
                OR EXISTS (SELECT 1 FROM sync_wait AS w JOIN sync_name AS n ON n.link = w.link AND n.name = w.name
                             JOIN sync_record AS p ON p.id = n.record
                            WHERE w.record = r.id AND p.outcome IN ('applied', 'not_kept', 'tombstoned', 'purged')
                              AND p.at > r.at - interval '30 s'))
        """,
        [link],
    )
    found = [row[0] for row in await cursor.fetchall()]
    async with db.transaction():
        await _again(db, found)


_AGAIN = """
WITH e AS MATERIALIZED (
    SELECT arrival, part, version, queue FROM ended
     WHERE (arrival, part) IN (SELECT * FROM unnest(%(arrivals)s::bigint[], %(parts)s::smallint[]))
       AND state = %(failed)s),
q AS MATERIALIZED (SELECT key, last_seq FROM queue WHERE key IN (SELECT queue FROM e) ORDER BY key FOR UPDATE),
n AS MATERIALIZED (
    SELECT e.*, q.last_seq + row_number() OVER (PARTITION BY e.queue ORDER BY e.arrival) AS seq
      FROM e JOIN q ON q.key = e.queue),
gone AS (DELETE FROM ended USING n WHERE ended.arrival = n.arrival AND ended.part = n.part),
w AS (INSERT INTO work (queue, seq, part, lane, arrival, version)
      SELECT queue, seq, part, %(lane)s, arrival, version FROM n),
u AS (UPDATE queue SET last_seq = c.seq,
             ready_at = CASE WHEN lease IS NULL AND hold IS NULL AND ready_at = 'infinity' THEN clock_timestamp()
                             ELSE ready_at END
        FROM (SELECT queue, max(seq) AS seq FROM n GROUP BY queue) AS c WHERE key = c.queue)
SELECT pg_notify('work', %(name)s)
"""


async def _again(db: AsyncConnection, messages: Sequence[int]) -> None:
    if not messages:
        return
    pairs = [arrival_and_part(message) for message in messages]
    await db.execute(
        _AGAIN,
        {
            "arrivals": [arrival for arrival, _ in pairs],
            "parts": [part for _, part in pairs],
            "failed": State.FAILED.value,
            "lane": LANE,
            "name": str(LANE),
        },
    )


async def _over(db: AsyncConnection, record: int, message: int) -> None:
    """What failed of this record before is over: what is settled now is its whole present state."""
    arrival, _ = arrival_and_part(message)
    await db.execute(
        """
        UPDATE ended SET state = %(superseded)s, by_id = %(message)s, at = now(),
               reason = 'a newer state of the same has gone since'
         WHERE lane = %(lane)s AND state = %(failed)s AND arrival <> %(arrival)s
           AND queue IN (SELECT queue FROM sync_record WHERE id = %(record)s
                         UNION SELECT queue FROM work WHERE arrival = %(arrival)s)
        """,
        {
            "superseded": State.SUPERSEDED.value,
            "failed": State.FAILED.value,
            "lane": LANE,
            "message": message,
            "arrival": arrival,
            "record": record,
        },
    )


# -- one link at a time ------------------------------------------------------------------------------------------


async def lock(db: AsyncConnection, key: int) -> None:
    """Wait for the turn to settle records of a link: records lean on each other, so one run does it at a time."""
    await db.execute("SELECT pg_advisory_lock(%s)", [key])


async def take(db: AsyncConnection, locks: Sequence[int]) -> list[int]:
    """Those of the locks that nobody has, held until they are given back or the connection ends."""
    rows: list[Any] = await (
        await db.execute(
            "SELECT n FROM unnest(%s::bigint[]) AS t(n) WHERE pg_try_advisory_lock(n)", [list(locks)]
        )
    ).fetchall()
    return [row[0] for row in rows]


async def give(db: AsyncConnection, locks: Sequence[int]) -> None:
    """Give locks back."""
    await db.execute("SELECT pg_advisory_unlock(n) FROM unnest(%s::bigint[]) AS t(n)", [list(locks)])


async def unlock(db: AsyncConnection, key: int) -> None:
    """Give the turn back."""
    await db.execute("SELECT pg_advisory_unlock(%s)", [key])


# -- for people --------------------------------------------------------------------------------------------------


def counts(db: Connection, link: str) -> dict[str, int]:
    """How many records of a link the last look left in which outcome."""
    rows: list[Any] = db.execute(
        "SELECT outcome, count(*) FROM sync_record WHERE link = %s GROUP BY outcome", [link]
    ).fetchall()
    return dict(rows)


def listed(db: Connection, sealer: Sealer, link: str, outcomes: Sequence[str], most: int = 50) -> list[Kept]:
    """Records of a link in these outcomes, the longest waiting first."""
    rows: list[Any] = db.execute(
        f"""
        SELECT {_COLUMNS} FROM sync_record AS r WHERE r.link = %s AND r.outcome = ANY(%s::text[])
         ORDER BY r.at LIMIT %s
        """,
        [link, list(outcomes), most],
    ).fetchall()
    return [_kept(row, sealer) for row in rows]


def one(db: Connection, sealer: Sealer, link: str, names: Sequence[Name]) -> Kept | None:
    """The record that has one of these names."""
    row: Any = db.execute(
        f"""
        SELECT {_COLUMNS} FROM unnest(%s::text[], %s::bytea[]) AS t(side, name)
          JOIN sync_name AS n ON n.link = %s AND n.side = t.side AND n.name = t.name
          JOIN sync_record AS r ON r.id = n.record LIMIT 1
        """,
        [[name.side for name in names], [name.name for name in names], link],
    ).fetchone()
    return None if row is None else _kept(row, sealer)


def messages_of(db: Connection, record: Kept, most: int = 50) -> list[int]:
    """The newest messages of a record's queue that stand in the books."""
    rows: list[Any] = db.execute(
        """
        SELECT arrival + part FROM work WHERE queue = %(queue)s
        UNION SELECT %(message)s::bigint WHERE %(message)s::bigint IS NOT NULL
        UNION SELECT arrival + part FROM ended
               WHERE lane = %(lane)s AND state IN (1, 3, 7) AND queue = %(queue)s
         ORDER BY 1 DESC LIMIT %(most)s
        """,
        {"queue": record.queue, "message": record.message, "lane": LANE, "most": most},
    ).fetchall()
    return [row[0] for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A line of a record's history."""

    at: datetime
    message: int | None
    outcome: str
    reason: str
    wrote: str
    elements: str


def history(db: Connection, record: int, most: int = 100) -> list[Happened]:
    """What was done about a record, or could not be, newest first."""
    rows: list[Any] = db.execute(
        """
        SELECT at, message, outcome, reason, wrote, elements FROM sync_history WHERE record = %s
         ORDER BY at DESC LIMIT %s
        """,
        [record, most],
    ).fetchall()
    names = ("at", "message", "outcome", "reason", "wrote", "elements")
    return [Happened(**dict(zip(names, row, strict=True))) for row in rows]


def pace(db: Connection, link: str, seconds: float = 120.0) -> float:
    """Records of a link settled a second of late; the index leads with the outcome, so each is named."""
    row: Any = db.execute(
        """
        SELECT count(*) FROM sync_record WHERE link = %(link)s AND at > now() - %(seconds)s * interval '1 s'
           AND outcome IN (SELECT DISTINCT outcome FROM sync_record WHERE link = %(link)s)
        """,
        {"link": link, "seconds": seconds},
    ).fetchone()
    return float(row[0]) / seconds


def waiting(db: Connection) -> int:
    """Records of all links that wait to be looked at."""
    row: Any = db.execute("SELECT count(DISTINCT queue) FROM work WHERE lane = %s", [LANE]).fetchone()
    return int(row[0])


def decide(db: Connection, sealer: Sealer, record: Kept, decision: bytes, who: Who) -> None:
    """Keep a person's word on a record; whoever settles it next carries it out."""
    db.execute(
        "UPDATE sync_record SET decision = %b WHERE id = %s",
        [sealer.seal(decision, TABLE, record.id), record.id],
    )
    note(db, who, "resolve a conflict", lane=LANE, target=shown(record.queue))
