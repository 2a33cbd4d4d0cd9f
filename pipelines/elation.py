"""Elation: every change of a chart, in the order of the chart, as soon as it comes.

Partner guide and runbook: docs/partners/elation.md
"""

import dagster as dg

from assets.elation.lane import ASSETS, LANE
from pipelines.triggers import lane_job, lane_sensor, ledger_daily, ledger_job, singles_claimable

job = lane_job(
    LANE, "Send chart changes to Elation, each chart's in their order; config `queue` works one chart."
)
ledger = ledger_job(LANE)

defs = dg.Definitions(
    assets=ASSETS,
    jobs=[job, ledger],
    sensors=[lane_sensor(job, singles_claimable(LANE))],
    schedules=[ledger_daily(LANE, ledger)],
)
