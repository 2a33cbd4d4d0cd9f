"""A real PostgreSQL for the whole session, an empty store for each test, and the folders of case files."""

import asyncio
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from handoff import postgres
from handoff.ports import free_port
from resources.settings import Settings
from resources.store.connect import Connection, connect
from resources.store.intake import Incoming, Intake, Verdict
from resources.store.migrate import migrate
from resources.store.seal import Sealer, new_key

ROOT = Path(__file__).resolve().parent.parent

TABLES = (
    "seen, conflict, inbox, queue, work, outbox, batch, ended, attempt, remark, drain, audit, incident"
    ", known, standing, door, destination"
    ", staff, staff_session, sign_in_try"
    ", reportstream_upload"
    ", hcoint_order, hcoint_patient, hcoint_event, hcoint_visit, hcoint_upload, hcoint_note"
    ", pridok_patient, pridok_number, pridok_referral, pridok_consultation, pridok_event, pridok_result"
    ", pridok_tally, pridok_order, pridok_link, pridok_mail, pridok_report"
    ", sync_link, sync_feed, sync_entry, sync_gap, sync_finding, sync_record, sync_name, sync_wait"
    ", sync_history"
)


@dataclass(frozen=True)
class Database:
    """The store of a test: its addresses, its settings, and short ways in."""

    cluster: postgres.Cluster
    settings: Settings
    sealer: Sealer

    def with_(self, **values: object) -> Settings:
        """The same settings with some changed."""
        return Settings({**self.settings.values, **{name: str(value) for name, value in values.items()}})

    def connect(self) -> Connection:
        """A connection as the application."""
        return connect(self.cluster.app_url, "test")

    def receive(self, incoming: Iterable[Incoming], *, original_wait: float = 3600.0) -> list[Verdict]:
        """What a door does, in one request."""

        async def main() -> list[Verdict]:
            intake = Intake(self.cluster.app_url, self.sealer, original_wait=original_wait)
            await intake.start()
            try:
                return await intake.put(list(incoming))
            finally:
                await intake.stop()

        return asyncio.run(main())

    def rows(self, query: str, *values: object) -> list[tuple]:
        """The rows of a query, as the application sees them."""
        with self.connect() as db:
            return db.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> object:
        """The first value of a query."""
        return self.rows(query, *values)[0][0]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Cluster]:
    """A server of the tests' own, migrated once."""
    state = Path(os.environ.get("HANDOFF_TEST_STATE") or tmp_path_factory.mktemp("state"))
    cluster = postgres.ensure(state, port=free_port(), durable=False)
    migrate(cluster.owner_url)
    yield cluster
    postgres.stop(state)


@pytest.fixture(scope="session")
def secrets() -> dict[str, str]:
    return {"HANDOFF_KEYS": new_key("k1"), "HANDOFF_INDEX_KEYS": new_key("i1")}


def _empty(db: psycopg.Connection) -> None:
    """Remove what the last test left. TRUNCATE of all these partitions would take ten times as long.

    In one statement, so that what refers to what does not matter.
    """
    look = " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})" for table in TABLES.split(", ")
    )
    filled = [table for (table,) in db.execute(look).fetchall()]
    if filled:
        removals = ", ".join(f"d{number} AS (DELETE FROM {table})" for number, table in enumerate(filled))
        db.execute(f"WITH {removals} SELECT 1")
    # Its lines follow one from the other, and a test may have bent some.
    if db.execute("SELECT EXISTS (SELECT 1 FROM access_log)").fetchone() == (True,):
        db.execute("TRUNCATE access_log")
        db.execute("UPDATE access_log_end SET id = 0, chain = sha256('handoff access log')")


@pytest.fixture
def database(cluster: postgres.Cluster, secrets: dict[str, str]) -> Database:
    """An empty store."""
    with psycopg.connect(cluster.owner_url, autocommit=True, options="-c search_path=handoff") as db:
        _empty(db)
        db.execute(
            "UPDATE lane SET hold = NULL, away_since = NULL, away_until = NULL, away_reason = NULL, away_step = 0,"
            " asked_at = '-infinity', code = ''"
        )
    settings = Settings(
        {
            **secrets,
            "HANDOFF_DATABASE_URL": cluster.app_url,
            "HANDOFF_OWNER_URL": cluster.owner_url,
            "HANDOFF_LINGER_SECONDS": "0.05",
            "HANDOFF_JITTER": "0",
        }
    )
    return Database(cluster, settings, Sealer(settings.keys))


def case_folders() -> list[Path]:
    """Where case files are looked for: HANDOFF_CASES (default: shared data beside the clone), and our own."""
    shared = Path(os.environ.get("HANDOFF_CASES") or ROOT.parent / "shared" / "data")
    return [folder for folder in (shared, ROOT / "tests" / "samples") if folder.is_dir()]
