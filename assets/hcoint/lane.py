"""The lane hcoint in Dagster: notes that people have sent go out to the hospitals that ordered them."""

import dagster as dg

from assets import lane_assets
from assets.code_version import code_version
from assets.drain.run import Ended, drain_singles
from assets.hcoint import sending
from resources.settings import Settings

LANE = sending.NAME


def run(settings: Settings, run_id: str, queue: int | None) -> Ended:
    """Drain the lane once, or one order's queue."""
    return drain_singles(settings, sending.lane(settings), run_id=run_id, code=code_version(), only=queue)


ASSETS: list[dg.AssetSpec | dg.AssetsDefinition] = [
    lane_assets.inbox(
        LANE,
        "Orders as Redox and HL7 v2 senders sent them, and the notes people have sent. Sealed, append only.",
        {"json", "hl7", "postgres"},
    ),
    lane_assets.drain(
        LANE,
        outbox="Each note as its hospital's message, file and all, written down before its first byte leaves.",
        delivered="Notes the hospitals have taken. An order that waits for its note is not owed yet.",
        kinds={"json", "hl7", "postgres"},
        run=run,
    ),
    lane_assets.ledger(LANE),
]
