"""The lane pridok in Dagster: what finished consultations owe the insurer."""

import dagster as dg

from assets import lane_assets
from assets.code_version import code_version
from assets.drain.run import Ended, drain_singles
from assets.pridok import sending
from resources.settings import Settings

LANE = sending.NAME


def run(settings: Settings, run_id: str, queue: int | None) -> Ended:
    """Drain the lane once, or one patient's queue."""
    return drain_singles(settings, sending.lane(settings), run_id=run_id, code=code_version(), only=queue)


ASSETS: list[dg.AssetSpec | dg.AssetsDefinition] = [
    lane_assets.inbox(
        LANE,
        "That a referral came (it is sealed to the clinic), and the insurer's message of each finished consultation.",
        {"json", "postgres"},
    ),
    lane_assets.drain(
        LANE,
        outbox="Each finished consultation's message, sealed to the insurer before it was stored.",
        delivered="Messages the insurer has taken. A consultation that is not finished is not owed yet.",
        kinds={"json", "postgres"},
        run=run,
    ),
    lane_assets.ledger(LANE),
]
