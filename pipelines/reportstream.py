"""ReportStream: test events, gathered and sent; the sensor asks at once, the schedule every two minutes.

Partner guide and runbook: docs/partners/reportstream.md
"""

import dagster as dg

from assets.reportstream.destinations import destinations
from assets.reportstream.exceptions import TRACK
from assets.reportstream.lane import ASSETS, LANE
from pipelines.triggers import batches_claimable, clock, lane_job, lane_sensor, ledger_daily, ledger_job
from resources.settings import Settings
from resources.store import claims, drains
from resources.store.connect import Connection

job = lane_job(LANE, "Send test events to ReportStream in batches and follow what becomes of them.")
ledger = ledger_job(LANE)


def claimable(db: Connection, settings: Settings) -> str | None:
    """Whether one of the lane's destinations has something to do, or its callback is to be told something."""
    callback = settings.text("REPORTSTREAM_CALLBACK_URL")
    if callback and drains.pause(db, TRACK) is None and claims.ready(db, TRACK).queues:
        return "an exception waits"
    return batches_claimable(
        LANE,
        window=lambda settings: settings.number("REPORTSTREAM_BATCH_WINDOW_SECONDS", 120.0),
        items=lambda settings: settings.whole("REPORTSTREAM_BATCH_ITEMS", 500),
        parts=[one.part for one in destinations(settings)],
    )(db, settings)


every_two_minutes = clock(
    "reportstream_every_two_minutes",
    job,
    claimable,
    cron="*/2 * * * *",
    description="The uploader's own rhythm, beside the sensor: a run if something is due and nobody drains.",
)

defs = dg.Definitions(
    assets=ASSETS,
    jobs=[job, ledger],
    sensors=[lane_sensor(job, claimable)],
    schedules=[every_two_minutes, ledger_daily(LANE, ledger)],
)
