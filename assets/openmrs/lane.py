"""The lane openmrs in Dagster: feeds of parents and children are read, their records brought to agreement."""

from typing import cast

import dagster as dg

from assets import lane_assets
from assets.code_version import code_version
from assets.drain.frame import Drain, Track
from assets.drain.run import Ended, drain_singles
from assets.drain.settings import Client
from assets.openmrs import sending
from assets.openmrs.hints import FULL_STATE
from assets.openmrs.reading import Reading
from resources.settings import Settings

LANE = sending.NAME


def run(settings: Settings, run_id: str, queue: int | None) -> Ended:
    """Read what is due and settle what waits, or work one record's queue."""

    def reading(drain: Drain, client: Client) -> Track:
        return Reading(drain, cast(sending.Client, client), settings.database_url)

    return drain_singles(
        settings,
        sending.lane(settings),
        run_id=run_id,
        code=code_version(),
        only=queue,
        beside=reading if queue is None else None,
    )


ASSETS: list[dg.AssetSpec | dg.AssetsDefinition] = [
    lane_assets.inbox(
        LANE,
        "Records that something said changed: entries of feeds, messages a clinic handed in. Sealed, append only.",
        {"json", "xml", "postgres"},
    ),
    lane_assets.drain(
        LANE,
        outbox="Records to be brought to agreement, and the exact calls to either side, written down before they go.",
        delivered="Records that both sides agree about, or that are settled another way.",
        kinds={"json", "fhir", "postgres"},
        run=run,
    ),
    lane_assets.ledger(LANE, full_state=FULL_STATE),
]
