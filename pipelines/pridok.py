"""Pridok: every finished consultation's message to the insurer.

Partner guide and runbook: docs/partners/pridok.md
"""

import dagster as dg

from assets.pridok.lane import ASSETS, LANE
from pipelines.triggers import lane_job, lane_sensor, ledger_daily, ledger_job, singles_claimable

job = lane_job(LANE, "Tell the insurer of finished consultations, each patient's in their order.")
ledger = ledger_job(LANE)

defs = dg.Definitions(
    assets=ASSETS,
    jobs=[job, ledger],
    sensors=[lane_sensor(job, singles_claimable(LANE))],
    schedules=[ledger_daily(LANE, ledger)],
)
