"""Where the benchmarks work: a folder with a database, secrets and ports of its own, removed in the end.

A developer's own services, database and settings are neither seen nor touched.
"""

import asyncio
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp

import psycopg

from handoff import environment, own_processes, postgres
from handoff.ports import free_port
from resources.settings import Settings
from resources.store.connect import Connection, connect
from resources.store.intake import Intake
from resources.store.migrate import migrate
from resources.store.seal import Sealer
from web.reportstream import reading

#: Settings of the product that a developer may have set and that are not meant for a benchmark.
OURS = ("HANDOFF_", "DAGSTER_", "REPORTSTREAM_", "ELATION_", "HCOINT_", "PRIDOK_", "OPENMRS_", "REDOX_")

#: Never emptied: what the migrations have written.
KEPT = ("alembic_version", "lane", "access_log_end")


@dataclass(frozen=True)
class Place:
    """A clone's folder in all but the code."""

    root: Path
    full: bool
    only: str
    values: Mapping[str, str]

    def wants(self, bench: str) -> bool:
        """Whether a measurement is asked for: all are, this one alone, or those whose names begin so."""
        return self.only in ("", bench) or bench.startswith(f"{self.only}_")

    @property
    def settings(self) -> Settings:
        """The settings of everything that runs here."""
        return Settings(self.values)

    @property
    def sealer(self) -> Sealer:
        """With the keys of this place."""
        return Sealer(self.settings.keys)

    @property
    def owner_url(self) -> str:
        """The store as its owner."""
        return self.values["HANDOFF_OWNER_URL"]

    @property
    def state(self) -> Path:
        """Where the server and the logs are."""
        return environment.state_of(self.root)

    def port(self, name: str) -> int:
        """One of the ports."""
        return environment.port(self.values, name)

    def start(self) -> None:
        """See that the server runs; services that ended have stopped it."""
        postgres.ensure(self.state, port=self.port("HANDOFF_POSTGRES_PORT"))

    def connect(self) -> Connection:
        """As the application."""
        return connect(self.settings.database_url, "benchmark")

    def empty(self) -> None:
        """An empty store, as on the first day."""
        self.start()
        with psycopg.connect(self.owner_url, autocommit=True, options="-c search_path=handoff") as db:
            names = db.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'handoff'::regnamespace"
                " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> ALL(%s)",
                [list(KEPT)],
            ).fetchall()
            db.execute(f"TRUNCATE {', '.join(name for (name,) in names)}")
            db.execute(
                "UPDATE lane SET hold = NULL, away_since = NULL, away_until = NULL, asked_at = '-infinity'"
            )

    def tidy(self) -> None:
        """What the server does of itself a little later: statistics, and pages written out."""
        cluster = postgres.running(self.state)
        if cluster is None:
            raise RuntimeError("the server of this place does not run")
        with psycopg.connect(cluster.url("postgres", "handoff"), autocommit=True) as db:
            db.execute("VACUUM ANALYZE")
            db.execute("CHECKPOINT")

    def receive(self, events: Iterable[bytes], number: int) -> None:
        """Store so many test events as the door does, five hundred a commit."""

        async def main() -> None:
            intake = Intake(self.settings.database_url, self.sealer)
            read = reading(self.sealer)
            await intake.start()
            left = islice(events, number)
            while some := list(islice(left, 500)):
                await intake.put([read(raw) for raw in some])
            await intake.stop()

        asyncio.run(main())


@contextmanager
def made(state: Path, *, full: bool = False, only: str = "") -> Iterator[Place]:
    """A place in a folder of its own below ``state``, migrated; nothing of it is left afterwards."""
    state.mkdir(parents=True, exist_ok=True)
    root = Path(mkdtemp(prefix="bench-", dir=state))
    (root / "dagster.yaml").symlink_to(environment.ROOT / "dagster.yaml")
    values = environment.load(root, make_secrets=True, environ=_surroundings())
    place = Place(root, full, only, values)
    try:
        migrate(place.owner_url)
        yield place
    finally:
        _remove(root)


def _remove(root: Path) -> None:
    state = environment.state_of(root)
    if state.exists():
        own_processes.end(state.resolve(), patience=3)
        postgres.stop(state)
    shutil.rmtree(root, ignore_errors=True)


def _surroundings() -> dict[str, str]:
    """This process's environment without the product's settings; free ports, partners in the sandbox."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    ports = {name: str(free_port()) for name in environment.PORTS}
    sandbox = f"http://127.0.0.1:{ports['HANDOFF_SANDBOX_PORT']}"
    return {
        **kept,
        **ports,
        "PYTHONPATH": str(environment.ROOT),
        "REPORTSTREAM_URL": f"{sandbox}/reportstream",
        "REPORTSTREAM_FUNCTION_KEY": "benchmark",
        "REPORTSTREAM_BATCH_WINDOW_SECONDS": "0",
        "HANDOFF_LINGER_SECONDS": "3",
    }
