"""What keeps a year of running from growing without bound: partitions ahead, retention, and Dagster's own runs.

Every step says in its metadata what it did and what keeps it from doing more.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.reportstream.destinations import queues
from resources.settings import Settings
from resources.store import partitions, retention
from resources.store.ids import PARTS

#: Runs read at a time, and how long a day's purge may take: five busy lanes make more than 5,000 runs a day.
RUNS_AT_A_TIME = 500
PURGE_SECONDS = 900.0
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dg.op(
    name="store_retention",
    description="Partitions of the coming months; old ones dropped where nothing is open.",
)
def store_retention(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Make partitions ahead, drop what is past its time, and report what keeps the rest."""
    made = partitions.make_ahead(settings.owner_url)
    days = settings.whole("HANDOFF_RETENTION_DAYS", 400)
    done = retention.retire(settings.owner_url, days, destinations=queues(PARTS))
    strays = sum(partitions.strays(settings.owner_url).values())
    context.add_output_metadata(
        {
            "made": len(made),
            "dropped": done.dropped,
            "kept": "; ".join(done.kept) or "nothing",
            "strays": strays,
        }
    )
    if strays:
        raise dg.Failure(
            f"{strays} rows in default partitions: a month had no partition", allow_retries=False
        )


@dg.op(name="run_retention", description="Old runs of Dagster and their events.")
def run_retention(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Delete Dagster's finished runs that are older than the retention; the store keeps who did what."""
    days = settings.whole("HANDOFF_RUN_RETENTION_DAYS", 90)
    before = datetime.now(UTC) - timedelta(days=days)
    deleted = purge(context.instance, before)
    context.add_output_metadata({"deleted_runs": deleted, "older_than_days": days})


def purge(
    instance: dg.DagsterInstance,
    before: datetime,
    *,
    some: int = RUNS_AT_A_TIME,
    seconds: float = PURGE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Delete the ended runs that were made before a moment, the oldest first; how many. The next day takes the rest."""
    old = dg.RunsFilter(statuses=FINISHED, created_before=before)
    end, deleted = clock() + seconds, 0
    while clock() < end and (records := instance.get_run_records(old, limit=some, ascending=True)):
        for record in records:
            instance.delete_run(record.dagster_run.run_id)
        deleted += len(records)
    return deleted


@dg.job(
    name="retention", description="Partitions, retention and old runs.", executor_def=dg.in_process_executor
)
def retention_job() -> None:
    """Both kinds of upkeep; one failing does not stop the other."""
    store_retention()
    run_retention()


retention_daily = dg.ScheduleDefinition(
    name="retention_daily",
    job=retention_job,
    cron_schedule="30 1 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Makes partitions ahead, drops what is past its time, deletes old runs.",
)

defs = dg.Definitions(jobs=[retention_job], schedules=[retention_daily])
