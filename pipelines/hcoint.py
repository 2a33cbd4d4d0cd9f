"""Clinical notes: what people have sent goes out, one note an order at a time.

Partner guide and runbook: docs/partners/hcoint.md
"""

import dagster as dg

from assets.hcoint.lane import ASSETS, LANE
from pipelines.triggers import lane_job, lane_sensor, ledger_daily, ledger_job, singles_claimable

job = lane_job(LANE, "Send clinical notes to the hospitals that ordered them.")
ledger = ledger_job(LANE)

defs = dg.Definitions(
    assets=ASSETS,
    jobs=[job, ledger],
    sensors=[lane_sensor(job, singles_claimable(LANE))],
    schedules=[ledger_daily(LANE, ledger)],
)
