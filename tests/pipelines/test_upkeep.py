"""Dagster's own records do not grow for ever."""

import itertools
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from pipelines.upkeep import purge


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.local_temp(folder) as made:
        yield made


def ended(instance: dg.DagsterInstance, count: int) -> None:
    """So many runs that have come to their end, and one that has not."""
    for _ in range(count):
        instance.add_run(dg.DagsterRun(job_name="elation", status=dg.DagsterRunStatus.SUCCESS))
    instance.add_run(dg.DagsterRun(job_name="elation", status=dg.DagsterRunStatus.STARTED))


def test_all_that_is_old_goes_however_many_and_what_is_at_work_stays(instance: dg.DagsterInstance) -> None:
    ended(instance, 7)
    assert purge(instance, datetime.now(UTC) - timedelta(days=1), some=2) == 0
    assert purge(instance, datetime.now(UTC) + timedelta(days=1), some=2) == 7
    (left,) = instance.get_runs()
    assert left.status is dg.DagsterRunStatus.STARTED


def test_a_purge_ends_in_time_and_the_next_takes_the_rest(instance: dg.DagsterInstance) -> None:
    ended(instance, 7)
    ticking = itertools.count()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert purge(instance, tomorrow, some=2, seconds=2, clock=lambda: float(next(ticking))) == 2
    assert purge(instance, tomorrow, some=2) == 5
