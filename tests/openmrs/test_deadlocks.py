"""Two that wait for each other's queues: PostgreSQL ends one of them, and nobody hears of it."""

import asyncio
import threading
import time

from resources.store import sync_feeds
from resources.store.connect import connect_async
from resources.store.ids import Ids
from resources.store.sync_feeds import Feed, Heard, Place, Read
from resources.store.sync_hints import LANE, Hint
from tests.conftest import Database

READ = Read(
    place=Place(marker="urn:uuid:1"),
    heard=[
        Heard(name=b"%016d" % queue, action="UPDATED", hint=Hint(queue=queue, kind="patient", body=b"{}"))
        for queue in (1, 2)
    ],
)


def test_an_answer_of_a_feed_that_meets_a_deadlock_is_written_down_once(database: Database) -> None:
    with database.connect() as other, other.transaction():
        other.execute("INSERT INTO queue (key, lane) VALUES (2, %s)", [LANE])
        told: list[int] = []
        reader = threading.Thread(target=lambda: told.append(asyncio.run(_taken(database))))
        reader.start()
        _until_somebody_waits(
            database
        )  # the reader has the first queue; a second later it asks whether that can end
        other.execute("INSERT INTO queue (key, lane) VALUES (1, %s)", [LANE])
    reader.join(20)
    assert told == [2]
    assert database.one("SELECT count(*) FROM sync_entry") == 2
    assert database.one("SELECT count(*) FROM work") == 2
    assert database.one("SELECT deadlocks > 0 FROM pg_stat_database WHERE datname = current_database()")


async def _taken(database: Database) -> int:
    db = await connect_async(database.settings.database_url)
    try:
        return await sync_feeds.take(db, database.sealer, Ids(1), Feed("clinic-a", "parent", "patient"), READ)
    finally:
        await db.close()


def _until_somebody_waits(database: Database) -> None:
    end = time.monotonic() + 20
    while not database.one("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        assert time.monotonic() < end
        time.sleep(0.02)
