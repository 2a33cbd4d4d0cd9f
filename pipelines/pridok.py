"""Pridok: every finished consultation's message to the insurer, and each month in figures.

Partner guide and runbook: docs/partners/pridok.md
"""

from datetime import timedelta
from typing import Any

import dagster as dg

from assets.pridok.lane import ASSETS, LANE, REPORT
from assets.pridok.working_days import OSLO
from pipelines.triggers import lane_job, lane_sensor, ledger_daily, ledger_job, singles_claimable

job = lane_job(LANE, "Tell the insurer of finished consultations, each patient's in their order.")
ledger = ledger_job(LANE)
report: Any = dg.define_asset_job(
    name=f"{LANE}_{REPORT}",
    description="Make the workbook of a month.",
    selection=dg.AssetSelection.assets([LANE, REPORT]),
    tags={"lane": LANE},
    executor_def=dg.in_process_executor,
)


@dg.schedule(
    name=f"{LANE}_{REPORT}_monthly",
    job=report,
    cron_schedule="15 4 2 * *",
    execution_timezone="Europe/Oslo",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Makes the report of last month, a day after its end: what was held late is written up by then.",
)
def report_monthly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the month before this one."""
    today = context.scheduled_execution_time.astimezone(OSLO).date()
    ended = f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"
    return dg.RunRequest(run_key=ended, partition_key=ended, tags={"lane": LANE})


defs = dg.Definitions(
    assets=ASSETS,
    jobs=[job, ledger, report],
    sensors=[lane_sensor(job, singles_claimable(LANE))],
    schedules=[ledger_daily(LANE, ledger), report_monthly],
)
