"""The door of elation: chart events as Arc sends them, in the queue of their chart."""

from assets.elation.events import decode
from resources.settings import Settings
from resources.store.intake import Incoming
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer
from web.intake import ONE_BY_STATUS, Door, Read, Surroundings, normalised
from web.proof import Secrets

PATH = "/intake/elation/events"
LANE = "elation"


def door(settings: Settings, sealer: Sealer, around: Surroundings) -> Door:
    """202 with counts; for one event 202, 200 for the same again, 409 for its id with other content."""
    secrets = Secrets.read(settings, "HANDOFF_TOKENS_ELATION")
    return Door(LANE, secrets, reading(sealer), around, ONE_BY_STATUS)


def reading(sealer: Sealer) -> Read:
    """Make one arrival of one chart event; members we do not know count as content too."""

    def read(raw: bytes) -> Incoming:
        event = decode(raw)
        return Incoming(
            lane=NUMBERS[LANE],
            name=sealer.name(LANE, event.event_id),
            kind=str(type(event).__struct_config__.tag),
            lineage=sealer.blind("queue", LANE, event.resource_id),
            digest=sealer.digest(normalised(raw)),
            body=raw,
            patient=sealer.blind("patient", LANE, event.data.chart.id),
        )

    return read
