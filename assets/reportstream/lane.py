"""ReportStream's lane in Dagster: test events come in, batches of them go out."""

import dagster as dg

from assets import code_tables, lane_assets
from assets.code_version import code_version
from assets.drain.run import Ended, drain_batches
from assets.reportstream import exceptions, sending
from assets.reportstream.tables.loadable import TABLES
from resources.settings import Settings
from resources.store.code_tables import in_force
from resources.store.connect import connect

LANE = sending.NAME


def run(settings: Settings, run_id: str, queue: int | None) -> Ended:
    """Drain the lane once; where messages travel together no queue can be worked alone."""
    if queue is not None:
        raise dg.Failure("this lane sends in batches: it cannot work one queue alone", allow_retries=False)
    with connect(settings.database_url, "handoff tables") as db:
        code_tables.use(TABLES, in_force(db, LANE))
    told = exceptions.lane(settings)
    return drain_batches(settings, sending.lanes(settings), run_id=run_id, code=code_version(), beside=told)


ASSETS: list[dg.AssetSpec | dg.AssetsDefinition] = [
    lane_assets.inbox(
        LANE,
        "Test events as SimpleReport sent them: originals, corrections, removals. Sealed, append only.",
        {"json", "postgres"},
    ),
    lane_assets.drain(
        LANE,
        outbox="Batches of at most 500 events, written down before their first byte leaves.",
        delivered="Events ReportStream has taken; it says later what became of them, and is asked until it has.",
        kinds={"csv", "hl7", "postgres"},
        run=run,
    ),
    lane_assets.ledger(LANE),
]
