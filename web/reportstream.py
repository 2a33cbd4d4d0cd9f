"""The door of reportstream: test events as SimpleReport sends them, filed under their lineage."""

from assets.reportstream.destinations import destinations, queues
from assets.reportstream.events import canonical, decode, keys
from resources.settings import Settings
from resources.store.intake import Incoming, Prior
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer
from web.intake import Door, Read, Surroundings
from web.proof import Secrets

PATH = "/intake/reportstream/test-events"
LANE = "reportstream"


def door(settings: Settings, sealer: Sealer, around: Surroundings) -> Door:
    """202 with counts, for one event and for many."""
    added = queues(len(destinations(settings)))
    return Door(LANE, Secrets.read(settings, "HANDOFF_TOKENS_REPORTSTREAM"), reading(sealer, added), around)


def reading(sealer: Sealer, added: tuple[int, ...] = (0,)) -> Read:
    """Make one arrival of one test event, with a queue for each destination."""

    def prior(event_id: str | None) -> Prior | None:
        if event_id is None:
            return None
        return Prior(name=sealer.name(LANE, event_id), lineage=sealer.blind("queue", LANE, event_id))

    def read(raw: bytes) -> Incoming:
        event = decode(raw)
        named = keys(event)
        return Incoming(
            lane=NUMBERS[LANE],
            name=sealer.name(LANE, named.event_id),
            kind="test_event",
            lineage=sealer.blind("queue", LANE, named.event_id),
            digest=sealer.digest(canonical(event)),
            body=raw,
            patient=sealer.blind("patient", LANE, named.patient_id),
            prior=prior(named.prior_event_id),
            rooted=True,
            destinations=added,
        )

    return read
