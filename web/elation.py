"""The doors of elation: chart events as Arc sends or records them, in the queue of their chart."""

import msgspec

from assets.elation.events import decode
from assets.formats.decode import MEMBER_NAME, ShapeError
from resources.settings import Settings
from resources.store.door import Recorded
from resources.store.intake import Incoming
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer
from web.intake import ONE_BY_STATUS, Door, Read, Surroundings, normalised
from web.proof import Secrets
from web.recorded import Make

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


def recorded(sealer: Sealer) -> Make:
    """Make one arrival of one event that was recorded by SQL, whatever its shape: the run judges it."""

    def make(one: Recorded) -> Incoming:
        raw = event(one)
        return Incoming(
            lane=NUMBERS[LANE],
            name=sealer.name(LANE, one.event_id),
            kind=one.event_type if MEMBER_NAME.fullmatch(one.event_type) else "unknown",
            lineage=sealer.blind("queue", LANE, one.resource_id),
            digest=sealer.digest(_comparable(raw)),
            body=raw,
            patient=sealer.blind("patient", LANE, one.resource_id),
        )

    return make


def _comparable(raw: bytes) -> bytes:
    try:
        return normalised(raw)
    except ShapeError:
        return raw


_payload = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def event(one: Recorded) -> bytes:
    """The event as the HTTP door would have received it. What was given beside the payload counts.

    The payload is the event's ``data``, or the whole event, or the chart alone; what is none of these is the
    event's data as it stands, and no mapping will take it.
    """
    try:
        payload = _payload(one.payload)
    except msgspec.ValidationError:
        payload = {}
    around: dict[str, object] = {}
    data: object = msgspec.Raw(one.payload)
    if "data" in payload:
        around, data = {**payload}, payload["data"]
    elif "chart" not in payload and "id" in payload:
        data = {"chart": data}
    told = {"event_id": one.event_id, "event_type": one.event_type, "resource_id": one.resource_id}
    return _encode({"source": "arc", **around, **told, "data": data})
