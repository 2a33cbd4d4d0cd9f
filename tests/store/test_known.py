"""What clients remember: blind names, sealed values, many at once."""

import asyncio

import psycopg
import pytest

from resources.store.known import Known
from resources.store.seal import Sealer
from tests.conftest import Database

ELATION = 2


def run(database: Database, what, *, lane: int = ELATION):
    async def main():
        known = Known(database.cluster.app_url, Sealer(database.settings.keys), lane)
        try:
            return await what(known)
        finally:
            await known.close()

    return asyncio.run(main())


def test_what_was_put_is_there_in_the_next_run_and_in_no_other_lane(database: Database) -> None:
    async def put(known: Known) -> None:
        await known.put("chart-1", "4711")
        await known.put("chart-1", "4712")

    async def get(known: Known) -> list[str | None]:
        return [await known.get("chart-1"), await known.get("chart-2")]

    run(database, put)
    assert run(database, get) == ["4712", None]
    assert run(database, get, lane=3) == [None, None]


def test_neither_name_nor_value_can_be_read_in_the_store(database: Database) -> None:
    async def put(known: Known) -> None:
        await known.put("chart-of-Quetzalcoatl", "Quetzalcoatl")

    run(database, put)
    (row,) = database.rows("SELECT name, value FROM known")
    assert b"Quetzal" not in bytes(row[0]) + bytes(row[1])


def test_many_at_once_share_statements_and_each_gets_its_own(database: Database) -> None:
    async def many(known: Known) -> list[str | None]:
        await asyncio.gather(*(known.put(f"c{number}", str(number)) for number in range(300)))
        return await asyncio.gather(*(known.get(f"c{number % 300}") for number in range(600)))

    assert run(database, many) == [str(number % 300) for number in range(600)]
    assert database.one("SELECT count(*) FROM known") == 300


def test_a_fault_of_the_database_reaches_everyone_who_asked(database: Database) -> None:
    async def ask(known: Known) -> list[object]:
        await known.get("warm")
        with database.connect() as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'handoff known'"
            )
        return await asyncio.gather(*(known.get(f"c{number}") for number in range(5)), return_exceptions=True)

    assert all(isinstance(one, psycopg.OperationalError) for one in run(database, ask))


def test_a_value_moved_to_another_name_does_not_open(database: Database) -> None:
    from resources.store.seal import Unreadable

    async def put(known: Known) -> None:
        await known.put("a", "1")
        await known.put("b", "2")

    async def get(known: Known) -> str | None:
        return await known.get("a")

    run(database, put)
    with database.connect() as db:
        db.execute("UPDATE known SET value = (SELECT value FROM known AS o WHERE o.name <> known.name)")
    with pytest.raises(Unreadable):
        run(database, get)
