"""What starts a lane: the job an operator can launch, the sensor that launches it, the schedules beside it.

The sensor asks the store, not Dagster, who lives: after an outage of its database a run whose process is gone
can stay STARTED for ever. Such ghosts are reported as failed here.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, timedelta
from typing import Any

import dagster as dg

from assets.code_version import code_version
from resources.settings import Settings
from resources.store import batches, claims, drains
from resources.store.connect import Connection, connect
from resources.store.lanes import NUMBERS
from resources.store.lanes import batches as batch_track

#: A run that was asked for takes a moment to hold its lane.
ASKED_SECONDS = 20.0

#: The daemon looks every five seconds which sensors are due, and a tick begins a little after the look that asked for
#: it. At five seconds every second look would find a sensor not yet due: it would tick every ten.
TICK_SECONDS = 4

#: A started run that holds no lock for this long is a ghost.
GHOST_SECONDS = 60.0

#: How far back the ledger's schedule looks for days that are still red.
LEDGER_DAYS = 14

Claimable = Callable[[Connection, Settings], str | None]


def lane_job(lane: str, description: str) -> Any:
    """The job that drains one lane."""
    return dg.define_asset_job(
        name=lane,
        description=description,
        selection=dg.AssetSelection.assets([lane, "outbox"], [lane, "delivered"]),
        tags={"lane": lane},
        executor_def=dg.in_process_executor,
    )


def ledger_job(lane: str) -> Any:
    """The job that judges one lane's days."""
    return dg.define_asset_job(
        name=f"{lane}_ledger",
        description=f"Judge days of {lane}: green when everything owed has reached its end.",
        selection=dg.AssetSelection.assets([lane, "ledger"]),
        tags={"lane": lane, "handoff/ledger": "true"},
        executor_def=dg.in_process_executor,
    )


def lane_sensor(job: Any, claimable: Claimable) -> dg.SensorDefinition:
    """Ask for a run when something is claimable now and nobody drains the lane.

    Without a run key: a run that dies before it has recorded anything must be asked for again.
    """
    lane: str = job.name
    number = NUMBERS[lane]

    @dg.sensor(
        name=f"{lane}_work",
        job=job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Starts a run when {lane} has something to do and no run is doing it.",
    )
    def work(
        context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
    ) -> dg.RunRequest | dg.SkipReason:
        with connect(settings.database_url, f"handoff sensor {lane}") as db:
            newer = publish_code(db, number)
            bury_ghosts(context.instance, db, lane)
            lives = drains.lives(db, number)
            if lives and not newer:
                return dg.SkipReason("a run drains the lane")
            # A run of older code is about to hand over: its successor need not wait for it, nor for work.
            reason = "newer code" if lives else claimable(db, settings)
            if reason is None:
                return dg.SkipReason("nothing to do")
            if not drains.ask(db, number, ASKED_SECONDS):
                return dg.SkipReason("a run has just been asked for")
        return dg.RunRequest(tags={"lane": lane, "handoff/asked": reason})

    return work


def clock(name: str, job: Any, claimable: Claimable, *, cron: str, description: str) -> dg.ScheduleDefinition:
    """Ask for a run of a lane by the clock, beside its sensor; the store says whether there is anything to do."""
    lane: str = job.name

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def by_the_clock(settings: dg.ResourceParam[Settings]) -> dg.RunRequest | dg.SkipReason:
        with connect(settings.database_url, f"handoff schedule {lane}") as db:
            if drains.lives(db, NUMBERS[lane]):
                return dg.SkipReason("a run drains the lane")
            if claimable(db, settings) is None:
                return dg.SkipReason("nothing to do")
            if not drains.ask(db, NUMBERS[lane], ASKED_SECONDS):
                return dg.SkipReason("a run has just been asked for")
        return dg.RunRequest(tags={"lane": lane})

    return by_the_clock


def publish_code(db: Connection, lane: int) -> bool:
    """Say which code is newest, so that a run of older code hands over; True when it replaces another."""
    told = db.execute(
        """
        WITH before AS (SELECT code FROM lane WHERE number = %(lane)s FOR UPDATE)
        UPDATE lane SET code = %(code)s FROM before
         WHERE number = %(lane)s AND lane.code <> %(code)s RETURNING before.code
        """,
        {"lane": lane, "code": _CODE()},
    ).fetchone()
    # An empty one is a store on its first day: the run that is there has this code.
    return told is not None and told[0] != ""


def bury_ghosts(
    instance: dg.DagsterInstance, db: Connection, lane: str, now: Callable[[], float] = time.time
) -> None:
    """Report as failed the started runs of a lane that hold no lock."""
    started = instance.get_run_records(
        dg.RunsFilter(job_name=lane, statuses=[dg.DagsterRunStatus.STARTED]), limit=20
    )
    old = now() - GHOST_SECONDS
    ids = [
        record.dagster_run.run_id
        for record in started
        if (record.start_time or record.update_timestamp.timestamp()) < old
    ]
    for run_id in drains.ghosts(db, NUMBERS[lane], ids, GHOST_SECONDS) if ids else []:
        run = instance.get_run_by_id(run_id)
        if run is not None and run.status is dg.DagsterRunStatus.STARTED:
            instance.report_run_failed(run, "its process is gone; what it held was taken over")


def _once(make: Callable[[], str]) -> Callable[[], str]:
    kept: list[str] = []

    def value() -> str:
        if not kept:
            kept.append(make())
        return kept[0]

    return value


#: This process's code: what is on disk later may be newer than what is loaded.
_CODE = _once(code_version)


def batches_claimable(
    lane: str,
    window: Callable[[Settings], float],
    items: Callable[[Settings], int],
    parts: Sequence[int] = (0,),
) -> Claimable:
    """Something to do for a lane of batches: a batch that waits, one that is due to be made, a poll."""

    def claimable(db: Connection, settings: Settings) -> str | None:
        number = NUMBERS[lane]
        for part in parts:
            track = number + 10 * part
            pause = drains.pause(db, batch_track(track) if len(parts) > 1 else number)
            if pause == "held":
                return None
            if batches.poll_due(db, batch_track(track)):
                return "a poll is due"
            if pause == "away":
                continue
            if claims.ready(db, batch_track(track)).queues:
                return "a batch waits"
            events = claims.ready(db, track, items(settings))
            if events.queues >= items(settings) or (
                events.queues and events.oldest_seconds >= window(settings)
            ):
                return "a batch is due"
        return None

    return claimable


def singles_claimable(lane: str) -> Claimable:
    """Something to do for a lane that sends message by message."""

    def claimable(db: Connection, settings: Settings) -> str | None:
        number = NUMBERS[lane]
        if drains.pause(db, number) is not None:
            return None
        return "a message waits" if claims.ready(db, number).queues else None

    return claimable


def ledger_daily(lane: str, job: Any) -> dg.ScheduleDefinition:
    """Judge yesterday and the days of the last fourteen that are still red; send nothing again."""

    @dg.schedule(
        name=f"{lane}_ledger_daily",
        job=job,
        cron_schedule="15 0 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Judges yesterday of {lane}, and recent days that are not green. Only people send again.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        today = context.scheduled_execution_time.astimezone(UTC).date()
        green = context.instance.get_materialized_partitions(dg.AssetKey([lane, "ledger"]))
        recent = [(today - timedelta(days=back)).isoformat() for back in range(1, LEDGER_DAYS + 1)]
        config = {"ops": {f"{lane}__ledger": {"config": {"resend": "none"}}}}
        return [
            dg.RunRequest(
                run_key=f"{today}: {day}",  # of several requests Dagster wants each named
                partition_key=day,
                run_config=config,
                tags={"lane": lane, "handoff/ledger": "true"},
            )
            for day in recent
            if day == recent[0] or day not in green
        ]

    return daily
