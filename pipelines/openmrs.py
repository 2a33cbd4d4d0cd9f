"""OpenMRS: each link's feeds at its interval, what clinics hand in at once.

Partner guide and runbook: docs/partners/openmrs.md
"""

import dagster as dg

from assets.openmrs import sending
from assets.openmrs.lane import ASSETS, LANE
from pipelines.triggers import clock, lane_job, lane_sensor, ledger_daily, ledger_job, singles_claimable
from resources.settings import Settings
from resources.store import drains, sync_feeds
from resources.store.connect import Connection
from resources.store.lanes import NUMBERS

job = lane_job(LANE, "Read the feeds that are due and bring each changed record to agreement.")
ledger = ledger_job(LANE)

_waits = singles_claimable(LANE)


def claimable(db: Connection, settings: Settings) -> str | None:
    """A record that waits, or a link whose feeds are due."""
    if waiting := _waits(db, settings):
        return waiting
    if drains.pause(db, NUMBERS[LANE]) is not None:
        return None
    links = [link.name for link in sending.usable(settings)]
    return "a feed is due" if links and sync_feeds.next_due(db, links) <= 0 else None


pull = clock(
    "openmrs_pull",
    job,
    claimable,
    cron="* * * * *",
    description="Starts a run when a link's feeds are due and no run reads them; each link has its own interval.",
)

defs = dg.Definitions(
    assets=ASSETS,
    jobs=[job, ledger],
    sensors=[lane_sensor(job, claimable)],
    schedules=[pull, ledger_daily(LANE, ledger)],
)
