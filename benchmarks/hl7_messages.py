"""``hl7_build`` and ``hl7_parse``: HL7 v2.5.1 messages a second, written and read; CPU time.

The message is the lane's ORU^R01 of a test event. Ours is written from the report, mapping included; the rivals get
its values ready, as nested lists, and must make the same text of them. Read is what a receiver wants of it: control id,
patient, order, each observation. Every way must read the same; else nothing is compared.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import hl7
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Segment
from hl7apy.parser import parse_message

from assets.formats.hl7_read import ParsedMessage, parse
from assets.reportstream import oru
from assets.reportstream.devices import known_devices
from assets.reportstream.event_report import report_of_event
from assets.reportstream.events import decode
from assets.reportstream.fhir import Sending
from assets.reportstream.report import Report
from benchmarks.events import Events
from benchmarks.lines import Line
from benchmarks.place import Place

RECEIVED = datetime(2026, 4, 1, 12, tzinfo=UTC)
SENDING = Sending(made_at=RECEIVED, version="1.0.0", installed_at=RECEIVED)
ROUNDS = 5
#: hl7apy needs a hundred times as long: a few messages say as much.
FEW = 5

T = TypeVar("T")
#: Repetitions, their components, their sub-components.
Field = list[list[list[str]]]


class Ready(NamedTuple):
    """A segment as the rivals get it: its fields by their place, the first of MSH being field 3."""

    name: str
    fields: list[Field]


def measure(place: Place) -> Iterator[Line]:
    """Both, each against both rivals."""
    yield from compared(reports(2_000 if place.full else 300))


def reports(number: int) -> list[Report]:
    """What so many test events say."""
    return [
        report_of_event(decode(raw), received_at=RECEIVED, devices=known_devices())
        for raw in Events(1).some(number)
    ]


def compared(of: Sequence[Report]) -> Iterator[Line]:
    """Raises when a rival makes or reads something else."""
    texts = [ours(report) for report in of]
    ready = [values(parse(text)) for text in texts]
    for rival in (by_hl7, by_hl7apy):
        if rival(ready[0]) != texts[0]:
            raise AssertionError(f"{rival.__name__} writes another message: there is nothing to compare")
    for reader in (read_by_hl7, read_by_hl7apy):
        if reader(texts[0]) != read(texts[0]):
            raise AssertionError(f"{reader.__name__} reads something else: there is nothing to compare")
    built = rate(ours, of)
    for name, theirs in (("hl7", rate(by_hl7, ready)), ("hl7apy", rate(by_hl7apy, ready[:FEW]))):
        yield Line(bench="hl7_build", value=built, unit="messages/s", of=name, compared=theirs)
    parsed, whole = rate(read, texts), rate(lambda text: values(parse(text)), texts)
    also = {"every_part": round(whole)}
    for name, theirs in (("hl7", rate(read_by_hl7, texts)), ("hl7apy", rate(read_by_hl7apy, texts[:FEW]))):
        yield Line(bench="hl7_parse", value=parsed, unit="messages/s", of=name, compared=theirs, also=also)


def rate(work: Callable[[T], object], many: Sequence[T]) -> float:
    """How many a second of CPU time; the median of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for one in many:
            work(one)
        seconds.append(time.process_time() - began)
    return len(many) / statistics.median(seconds)


# -- written -------------------------------------------------------------------------------------------------------


def ours(report: Report) -> str:
    """As the lane writes it."""
    return oru.message(report, SENDING)


def values(message: ParsedMessage) -> list[Ready]:
    """Every part of a message in plain text."""
    found = []
    for segment in message.segments:
        first = 3 if segment.name == "MSH" else 1
        fields = [segment.repetitions(number) for number in range(first, len(segment.fields))]
        found.append(Ready(segment.name, fields))
    return found


def by_hl7(segments: list[Ready]) -> str:
    """A container a level, as its documentation builds messages."""
    message = hl7.Message("\r", [])
    for name, fields in segments:
        start = [name] if name != "MSH" else [name, "|", "^~\\&"]
        of_segment = hl7.Segment("|", [hl7.Field("~", [one]) for one in start])
        for field in fields:
            repetitions = [
                hl7.Repetition(
                    "^", [hl7.Component("&", [message.escape(leaf) for leaf in part]) for part in value]
                )
                for value in field
            ]
            of_segment.append(hl7.Field("~", repetitions))
        message.append(of_segment)
    return str(message)


def by_hl7apy(segments: list[Ready]) -> str:
    """A segment at a time, each field by its text."""
    lines = []
    for name, fields in segments:
        segment = Segment(name, version="2.5.1", validation_level=VALIDATION_LEVEL.TOLERANT)
        if name == "MSH":
            segment.msh_1, segment.msh_2 = "|", "^~\\&"
        for number, field in enumerate(fields, start=3 if name == "MSH" else 1):
            for value in field:
                added = segment.add_field(f"{name}_{number}")
                added.value = "^".join("&".join(leaf for leaf in part) for part in value)
        lines.append(segment.to_er7())
    return "".join(f"{line}\r" for line in lines)


# -- read ----------------------------------------------------------------------------------------------------------


def read(text: str) -> list[str]:
    """As a lane reads."""
    message = parse(text)
    patient, order = message.first("PID"), message.first("OBR")
    found = [message.first("MSH").text(10), patient.text(3), patient.text(5), patient.text(5, 2)]
    found += [patient.text(7), order.text(4)]
    for observation in message.all("OBX"):
        found += [observation.text(3), observation.text(5)]
    return found


def read_by_hl7(text: str) -> list[str]:
    """By its own accessors."""
    message = hl7.parse(text)
    found = [
        message.extract_field(*place) for place in (("MSH", 1, 10), ("PID", 1, 3, 1, 1), ("PID", 1, 5, 1, 1))
    ]
    found += [
        message.extract_field(*place) for place in (("PID", 1, 5, 1, 2), ("PID", 1, 7), ("OBR", 1, 4, 1, 1))
    ]
    for number in range(1, len(message.segments("OBX")) + 1):
        found += [
            message.extract_field("OBX", number, 3, 1, 1),
            message.extract_field("OBX", number, 5, 1, 1),
        ]
    return [str(one) for one in found]


def read_by_hl7apy(text: str) -> list[str]:
    """Tolerant, without groups: what it is fastest at."""
    message = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)
    patient = message.pid
    found = [message.msh.msh_10, patient.pid_3[0].cx_1, patient.pid_5.xpn_1.fn_1, patient.pid_5.xpn_2]
    found += [patient.pid_7, message.obr[0].obr_4.ce_1]
    texts = [one.to_er7() for one in found]
    for observation in message.obx:  # what varies has no components of a name
        texts += [observation.obx_3.ce_1.to_er7(), observation.obx_5.to_er7().partition("^")[0]]
    return texts
