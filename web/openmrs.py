"""The doors of openmrs: a clinic hands in a record it has just saved, one door a link."""

from collections.abc import Mapping

from assets.openmrs import hints
from assets.openmrs.events import Side, handed_in
from assets.openmrs.links import Link
from assets.openmrs.tree import digest
from resources.settings import Settings
from resources.store.intake import Incoming
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer
from web.intake import ONE_BY_STATUS, Door, Read, Surroundings
from web.proof import Secrets

LANE = hints.LANE


def path(link: str) -> str:
    """Where a link's clinic sends to."""
    return f"/intake/openmrs/{link}/messages"


def doors(
    settings: Settings, links: tuple[Link, ...], sealer: Sealer, around: Surroundings
) -> Mapping[str, Door]:
    """202 once stored, 200 for the same again."""
    secrets = Secrets.read(settings, "HANDOFF_TOKENS_OPENMRS")
    return {
        path(link.name): Door(LANE, secrets, reading(sealer, link.name), around, ONE_BY_STATUS)
        for link in links
    }


def reading(sealer: Sealer, link: str) -> Read:
    """Make one arrival of one record. Servers name no message, so its content, version and all, is its name."""

    def read(raw: bytes) -> Incoming:
        key, record = handed_in(raw)
        body = hints.body(link, Side.CHILD, key, record)
        return Incoming(
            lane=NUMBERS[LANE],
            name=sealer.name(LANE, "message", link, digest(record)),
            kind=hints.kind_of(Side.CHILD, key, handed_in=True),
            lineage=hints.queue_of(sealer, link, key),
            digest=sealer.digest(body),
            body=body,
            patient=hints.patient_of(sealer, key),
        )

    return read
