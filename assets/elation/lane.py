"""Elation's lane in Dagster: chart events come in, calls about patients and their policies go out."""

import dagster as dg

from assets import lane_assets
from assets.code_version import code_version
from assets.drain.run import Ended, drain_singles
from assets.elation import sending
from assets.elation.calls import FULL_STATE
from resources.settings import Settings

LANE = sending.NAME


def run(settings: Settings, run_id: str, queue: int | None) -> Ended:
    """Drain the lane once, or one chart of it."""
    return drain_singles(settings, sending.lane(settings), run_id=run_id, code=code_version(), only=queue)


ASSETS: list[dg.AssetSpec | dg.AssetsDefinition] = [
    lane_assets.inbox(
        LANE,
        "Chart events as Arc sent them, over HTTP or within its own database transaction. Sealed, append only.",
        {"json", "postgres"},
    ),
    lane_assets.drain(
        LANE,
        outbox="Calls to Elation, two an event: the patient and the policies. Written down before they go.",
        delivered="Calls Elation has taken, in the order of each chart's events.",
        kinds={"json", "postgres"},
        run=run,
    ),
    lane_assets.ledger(LANE, full_state=sorted(FULL_STATE)),
]
