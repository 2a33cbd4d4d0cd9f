"""What keeps claims safe and flat: they go by the database's now() alone, and no plan reads a whole table."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from resources.store import batches, claims, drains
from resources.store.connect import connect_async
from resources.store.lanes import NUMBERS
from resources.store.lanes import batches as batch_track
from tests.conftest import Database
from tests.store.making import arrival

LANE = NUMBERS["elation"]
EVENTS = NUMBERS["reportstream"]


def test_a_claim_passes_a_queue_that_was_released_after_it_began(database: Database) -> None:
    """The one thing that keeps two runs from sending one message: what was read below may be out of date."""
    database.receive([arrival(database.sealer, "a")])

    async def main() -> list[int]:
        db = await connect_async(database.cluster.app_url, "test")
        other = await connect_async(database.cluster.app_url, "test")
        found = []
        async with db.transaction():
            await db.execute("SELECT 1")  # now() stands from here on
            await claims.claim(other, LANE, 1 << 20, queues=1, each=1)
            await other.execute("UPDATE queue SET lease = NULL, ready_at = now()")
            found.append(len(await claims.claim(db, LANE, 2 << 20, queues=1, each=1)))
            members, empty = await batches.claim_members(db, LANE, 2 << 20, 1)
            found.append(len(members) + len(empty))
        found.append(len(await claims.claim(db, LANE, 2 << 20, queues=1, each=1)))
        await db.close()
        await other.close()
        return found

    assert asyncio.run(main()) == [0, 0, 1]


FILL = """
INSERT INTO queue (key, lane, last_seq, ready_at)
    SELECT n, %(lane)s, 1, CASE WHEN n %% 20 = 0 THEN now() - n * interval '1 ms' ELSE now() + interval '1 hour' END
      FROM generate_series(1, 100000) AS n;
INSERT INTO work (queue, seq, lane, arrival)
    SELECT n, 1, %(lane)s, ((extract(epoch FROM now()) * 1000)::bigint << 20) + n * 1024
      FROM generate_series(1, 100000) AS n;
INSERT INTO inbox (id, lane, kind, body) SELECT arrival, lane, 'changed', '' FROM work;
ANALYZE queue, work, inbox
"""


@pytest.fixture
def full(database: Database) -> Iterator[psycopg.Connection]:
    """A store in which a hundred thousand queues wait, nineteen of twenty backing off."""
    options = "-c search_path=handoff -c plan_cache_mode=force_generic_plan"
    with psycopg.connect(
        database.cluster.owner_url, autocommit=True, options=options, cursor_factory=psycopg.ClientCursor
    ) as db:
        for statement in FILL.split(";\n"):
            db.execute(statement, {"lane": EVENTS})
        yield db


def whole_tables(db: psycopg.Connection, statement: str, values: Any) -> list[str]:
    """The tables of some size that the plan of this statement reads from one end to the other."""
    [[[plan]]] = db.execute("EXPLAIN (FORMAT JSON) " + statement, values).fetchall()
    large = {name for (name,) in db.execute("SELECT relname FROM pg_class WHERE reltuples > 10000")}
    return [node["Relation Name"] for node in nodes(plan["Plan"]) if reads_all(node, large)]


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def reads_all(node: dict[str, Any], large: set[str]) -> bool:
    return node["Node Type"] == "Seq Scan" and node.get("Relation Name") in large


def test_no_claim_reads_a_whole_table(full: psycopg.Connection) -> None:
    values = {"track": EVENTS, "lease": 1 << 20, "queues": 500, "each": 8, "most": 500}
    for statement in (claims._CLAIM.format(one=""), batches._CLAIM_MEMBERS, claims._READY):
        assert whole_tables(full, statement, values) == []


def test_neither_a_heartbeat_nor_a_take_over_reads_a_whole_table(
    database: Database, full: psycopg.Connection
) -> None:
    """Both run every few seconds in every run: caught by the statistics PostgreSQL keeps of its scans."""

    async def main() -> None:
        db = await connect_async(database.cluster.app_url, "test")
        lease = await drains.register(db, EVENTS, "r", "")
        await db.execute(
            "INSERT INTO drain (lease, lane, run_id, code) VALUES (1048576, %s, 'dead', '')", [EVENTS]
        )
        await drains.beat(db, EVENTS, lease, leaving=False)
        await drains.take_over(db, EVENTS, lease)
        await batches.due_polls(db, batch_track(EVENTS), 1, 60.0)
        await drains.leave(db, lease, "quiet")
        await db.execute("SELECT pg_stat_force_next_flush()")
        await db.close()

    before = scans(full)
    asyncio.run(main())
    assert scans(full) == before


def scans(db: psycopg.Connection) -> dict[str, int]:
    """How often each large table was read from one end to the other."""
    db.execute("SELECT pg_stat_force_next_flush()")
    db.execute("SELECT pg_stat_clear_snapshot()")
    rows = db.execute(
        "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname IN ('queue', 'work')"
    ).fetchall()
    return dict(rows)


def test_a_batch_of_five_hundred_is_closed_without_reading_a_whole_table(
    database: Database, full: psycopg.Connection
) -> None:
    async def main() -> int:
        db = await connect_async(database.cluster.app_url, "test", plan_anew=True)
        members, _ = await batches.claim_members(db, EVENTS, 9, 500)
        closed = await batches.close_members(
            db,
            batches.Closing(lease=9, members=members, lane=EVENTS, state=batches.State.DELIVERED, by=1),
        )
        await db.execute("SELECT pg_stat_force_next_flush()")
        await db.close()
        return closed

    before = scans(full)
    assert asyncio.run(main()) == 500
    assert scans(full) == before
