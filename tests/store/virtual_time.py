"""A store whose clock a test sets: every ``now()`` of ours goes by it, and nothing waits.

A function of that name in our schema stands before PostgreSQL's own, for connections that ask for it by their
search path. Defaults of columns keep the real time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from resources.store.connect import AsyncConnection, Connection
from tests.conftest import Database

OPTIONS = "-c search_path=handoff,pg_catalog"

CLOCK = """
CREATE TABLE virtual_clock (at timestamptz NOT NULL);
CREATE FUNCTION now() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT at FROM handoff.virtual_clock';
GRANT SELECT ON virtual_clock TO handoff_app;
"""


@dataclass
class VirtualTime:
    """Seconds since the beginning, which lies a day ahead so that what the real clock wrote is past."""

    database: Database
    begin: datetime
    seconds: float = 0.0

    def set(self, seconds: float) -> None:
        """It is so late now."""
        self.seconds = seconds
        with psycopg.connect(self.database.cluster.owner_url, autocommit=True) as owner:
            owner.execute(
                "UPDATE handoff.virtual_clock SET at = %s", [self.begin + timedelta(seconds=seconds)]
            )

    def connect(self) -> Connection:
        """A connection that goes by this time."""
        return psycopg.connect(self.database.cluster.app_url, autocommit=True, options=OPTIONS)

    async def connect_async(self, url: str, name: str) -> AsyncConnection:
        """The same for a run."""
        return await psycopg.AsyncConnection.connect(
            url, autocommit=True, prepare_threshold=1, application_name=name, options=OPTIONS
        )

    def next_ready(self) -> float | None:
        """When a queue will be ready next, in seconds since the beginning."""
        with self.connect() as db:
            row = db.execute(
                "SELECT min(ready_at) FROM queue WHERE lease IS NULL AND ready_at < 'infinity'"
            ).fetchone()
        ready = row[0] if row else None
        return None if ready is None else max(self.seconds, round((ready - self.begin).total_seconds(), 3))


@contextmanager
def virtual_time(database: Database) -> Iterator[VirtualTime]:
    """Set up the clock, and take it away again."""
    made = VirtualTime(database, datetime.now(UTC).replace(microsecond=0) + timedelta(days=1))
    with psycopg.connect(
        database.cluster.owner_url, autocommit=True, options="-c search_path=handoff"
    ) as owner:
        owner.execute(CLOCK)
        owner.execute("INSERT INTO virtual_clock VALUES (%s)", [made.begin])
        try:
            yield made
        finally:
            owner.execute("DROP FUNCTION handoff.now; DROP TABLE virtual_clock")
