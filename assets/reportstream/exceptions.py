"""What ReportStream said of single results, passed on: to the facility's page, and to SimpleReport's callback.

The page finds a remark by its facility's CLIA number. The callback gets one message for each test event and entry,
``{testEventInternalId, isError, details, queueName}``, sent and tried again like any other message of the store. The
rows of a bulk upload are no events of SimpleReport: only the page speaks of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from assets.drain.settings import Client, Hearing, Remark, SinglesLane, pace
from assets.formats.decode import ShapeError, decoder
from assets.reportstream.destinations import Format
from resources import simplereport
from resources.settings import Settings
from resources.store import exceptions
from resources.store.exceptions import Own
from resources.store.ids import arrival_and_part
from resources.store.lanes import NUMBERS, told
from resources.store.seal import Sealer
from resources.store.values import Arrival, OnFailure, Owed

LANE: Final = "reportstream"
EXCEPTION: Final = "exception"
TRACK: Final = told(NUMBERS[LANE])

#: The queue a format's events came from, by the name SimpleReport knows it.
QUEUES: Final[Mapping[Format, str]] = {
    "csv": "test-event-publishing",
    "fhir": "fhir-data-publishing",
    "hl7": "hl7v2-data-publishing",
}


class Notice(msgspec.Struct, frozen=True, rename="camel"):
    """One exception as SimpleReport's callback takes it."""

    test_event_internal_id: str
    is_error: bool
    details: str
    queue_name: str


def facility_index(sealer: Sealer, clia: str) -> int:
    """Under what a facility's remarks are found."""
    return sealer.blind("facility", LANE, clia.strip().upper())


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Listens for one destination; ``callback`` says whether SimpleReport is told."""

    queue_name: str
    callback: bool

    async def heard(self, hearing: Hearing, said: Sequence[tuple[int, Remark]]) -> Mapping[int, int]:
        """Owe the callback what it must know, and say whose concern each message is."""
        sealer = hearing.sealer
        came = await exceptions.arrivals(hearing.db, sealer, [message for message, _ in said])
        about = {message: _about(came.get(arrival_and_part(message)[0])) for message, _ in said}
        if self.callback:
            own = [
                self._own(hearing, about[message].event_id, remark)
                for message, remark in said
                if about[message].event_id
            ]
            await exceptions.owe(hearing.db, own, lane=NUMBERS[LANE], track=TRACK)
        return {message: facility_index(sealer, one.clia) for message, one in about.items() if one.clia}

    def _own(self, hearing: Hearing, event_id: str, remark: Remark) -> Own:
        identifier = hearing.ids()
        body = msgspec.json.encode(
            Notice(
                test_event_internal_id=event_id,
                is_error=remark.severity == "error",
                details=remark.said or remark.text,
                queue_name=self.queue_name,
            )
        )
        return Own(
            id=identifier,
            kind=EXCEPTION,
            queue=hearing.sealer.blind("queue", LANE, EXCEPTION, str(identifier)),
            body=hearing.sealer.seal(body, b"inbox", identifier),
        )


class _Facility(msgspec.Struct):
    clia_number: str = ""


class _About(msgspec.Struct):
    """Of an event or a row: its id, where SimpleReport knows it by one, and the laboratory it is from.

    Read leniently: what was sent yesterday is passed on, also where today's shape would not take it.
    """

    event_id: str = ""
    facility: _Facility = msgspec.field(default_factory=_Facility)
    testing_lab_clia: str = ""

    @property
    def clia(self) -> str:
        return self.facility.clia_number or self.testing_lab_clia


_read = decoder(_About)


def _about(arrival: Arrival | None) -> _About:
    try:
        return _read(arrival.body) if arrival else _About()
    except ShapeError:
        return _About()


def lane(settings: Settings) -> SinglesLane | None:
    """How the callback is told, message by message, on a track beside the destinations; None where none is set."""
    url = settings.text("REPORTSTREAM_CALLBACK_URL")
    if not url:
        return None
    callback = simplereport.Callback(url, settings.text("REPORTSTREAM_CALLBACK_KEY"))

    async def connect() -> Client:
        return simplereport.connect(callback)

    return SinglesLane(
        name=LANE,
        number=TRACK,
        map=_as_it_is,
        connect=connect,
        on_failure=lambda kind: OnFailure.CONTINUE,
        can_ask=False,
        pace=pace(settings, settle=settings.number("REPORTSTREAM_SETTLE_SECONDS", 600.0)),
    )


def _as_it_is(arrival: Arrival) -> list[Owed]:
    return [Owed(kind=arrival.kind, body=arrival.body)]
