"""When runs are asked for: by the store's word, on a real Dagster instance."""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._daemon.sensor import MIN_INTERVAL_LOOP_TIME

from pipelines import definitions, reportstream, triggers
from resources.settings_resource import SettingsResource
from resources.store import drains
from resources.store.lanes import NUMBERS
from tests.conftest import Database
from tests.drain.far_batches import fill

LANE = NUMBERS["reportstream"]
NIGHT = datetime(2026, 3, 2, 0, 15, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.local_temp(folder) as made:
        yield made


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    own = dg.Definitions.merge(dg.Definitions(resources={"settings": SettingsResource()}), reportstream.defs)
    return own.get_repository_def()


def nightly(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition) -> dict[str, dg.RunRequest]:
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=NIGHT, repository_def=repository
    )
    ticked = repository.get_schedule_def("reportstream_ledger_daily").evaluate_tick(context)
    return {str(request.partition_key): request for request in ticked.run_requests or ()}


def test_at_night_yesterday_and_the_days_that_are_not_green_are_judged_and_nothing_is_sent(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition
) -> None:
    for day in ("2026-02-25", "2026-03-01"):
        instance.report_runless_asset_event(
            dg.AssetMaterialization(["reportstream", "ledger"], partition=day)
        )
    asked = nightly(instance, repository)
    assert len(asked) == triggers.LEDGER_DAYS - 1
    assert "2026-03-01" in asked  # yesterday, green or not
    assert "2026-02-25" not in asked
    for request in asked.values():
        assert request.run_config == {"ops": {"reportstream__ledger": {"config": {"resend": "none"}}}}
    assert len({request.run_key for request in asked.values()}) == len(asked)


def test_every_lane_ticks_at_each_look_of_the_daemon_also_when_the_tick_before_began_late() -> None:
    sensors = definitions.defs.get_repository_def().sensor_defs
    ticks = [one.minimum_interval_seconds or 0 for one in sensors if one.name.endswith("_work")]
    late = 1.0  # five sensors, two at a time
    assert len(ticks) == 5
    assert max(ticks) <= MIN_INTERVAL_LOOP_TIME - late


def tick(
    database: Database, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition
) -> dg.SkipReason | dg.RunRequest:
    sensor = repository.get_sensor_def("reportstream_work")
    settings = database.with_(REPORTSTREAM_BATCH_WINDOW_SECONDS=0)
    with dg.build_sensor_context(
        instance=instance, repository_def=repository, resources={"settings": settings}
    ) as context:
        said = sensor(context)
    assert isinstance(said, dg.SkipReason | dg.RunRequest)
    return said


def test_a_run_is_asked_for_once_when_something_is_due_and_nobody_drains(
    database: Database, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition
) -> None:
    assert "nothing to do" in str(tick(database, instance, repository))
    fill(database, "one")
    asked = tick(database, instance, repository)
    assert isinstance(asked, dg.RunRequest)
    assert (asked.run_key, asked.tags["handoff/asked"]) == (None, "a batch is due")
    assert "just been asked" in str(tick(database, instance, repository))


def test_a_living_run_is_left_to_work_but_for_newly_loaded_code(
    database: Database, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition
) -> None:
    with database.connect() as db, database.connect() as run:
        db.execute("UPDATE lane SET code = %s", [triggers._CODE()])
        lease = 9 << 20
        run.execute("SELECT pg_advisory_lock(77, 9)")
        run.execute(
            "INSERT INTO drain (lease, lane, run_id, code) VALUES (%s, %s, 'r', 'old')", [lease, LANE]
        )
        assert drains.lives(db, LANE) is True
        assert "a run drains" in str(tick(database, instance, repository))
        db.execute("UPDATE lane SET code = ''")  # a new store, whose first run a person started
        assert "a run drains" in str(tick(database, instance, repository))
        db.execute("UPDATE lane SET code = 'old'")
        assert isinstance(tick(database, instance, repository), dg.RunRequest)
        assert db.execute("SELECT code FROM lane WHERE number = %s", [LANE]).fetchone() == (triggers._CODE(),)


def test_a_started_run_without_a_lock_is_reported_as_failed(
    database: Database, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition
) -> None:
    job = repository.get_job("reportstream")
    ghost = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    fresh = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    with database.connect() as db, database.connect() as run:
        run.execute("SELECT pg_advisory_lock(77, 9)")
        run.execute(
            "INSERT INTO drain (lease, lane, run_id, code) VALUES (%s, %s, %s, '')",
            [9 << 20, LANE, fresh.run_id],
        )
        found = drains.ghosts(db, LANE, [ghost.run_id, fresh.run_id], 60.0)
        assert found == [ghost.run_id]
        triggers.bury_ghosts(instance, db, "reportstream")
        assert status(instance, ghost) is dg.DagsterRunStatus.STARTED  # a run takes a moment to hold its lock
        triggers.bury_ghosts(instance, db, "reportstream", now=lambda: time.time() + 120)
    assert status(instance, ghost) is dg.DagsterRunStatus.FAILURE
    assert status(instance, fresh) is dg.DagsterRunStatus.STARTED


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status
