"""What one arrival of the lane becomes in each format, and what several of them are joined to.

An arrival is a test event or a row of a bulk upload; both are judged when they are mapped, so that a table or a
rule that is deployed today counts for what came yesterday. The formats themselves are in ``mapping``,
``report_csv``, ``fhir`` and ``oru``.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from assets.drain.settings import Item, NotCarried, SetAside
from assets.formats import csv
from assets.formats import fhir as fhir_format
from assets.reportstream import bulk_row, fhir, oru, oru_batch, report_csv, room, rules
from assets.reportstream.bulk_report import report_of_row
from assets.reportstream.destinations import CARRIES_ALL, Format
from assets.reportstream.devices import Devices
from assets.reportstream.event_report import report_of_event
from assets.reportstream.events import TestEvent, stored
from assets.reportstream.fhir import Sending
from assets.reportstream.identity import derived_id
from assets.reportstream.mapping import COLUMNS, NO_COVID_RESULT, row
from assets.reportstream.report import Report
from resources.store.values import Arrival

#: How the doors name what they take.
TEST_EVENT: Final = "test_event"
BULK_ROW: Final = "bulk_row"

Encode = Callable[[Arrival], Item]
Join = Callable[[Sequence[Item]], bytes]


def item_of(form: Format, processing_mode: str, devices: Devices, beside: Sequence[Format] = ()) -> Encode:
    """How this format writes an arrival; ``beside`` are the formats of the other destinations."""
    if form == "csv":
        return csv_item(processing_mode, devices, elsewhere=any(other in CARRIES_ALL for other in beside))
    return fhir_item(processing_mode, devices) if form == "fhir" else hl7_item(processing_mode, devices)


def join_of(form: Format, processing_mode: str, *, single: bool = False) -> Join:
    """How this format joins items; a ``single`` HL7 message stands in its file without an envelope."""
    if form == "csv":
        return csv_document
    if form == "fhir":
        return fhir_document
    return _alone if single else hl7_document(processing_mode)


# -- CSV -----------------------------------------------------------------------------------------------------------


def csv_item(processing_mode: str, devices: Devices | None = None, *, elsewhere: bool = False) -> Encode:
    """One result as a line of ReportStream's CSV; SetAside names what keeps it from going.

    ``elsewhere``: another destination carries what a CSV cannot, so that it is closed here and not set aside.
    """

    def item(arrival: Arrival) -> Item:
        if arrival.kind == BULK_ROW:
            report = _of_row(arrival, devices)
            if elsewhere and not any(result.disease == "COVID-19" for result in report.results):
                raise NotCarried(f"results: {NO_COVID_RESULT}")
            values = report_csv.row(report, processing_mode=processing_mode)
            return Item(report.message_id, csv.line(values, len(COLUMNS)).encode())
        event = stored(arrival.body)
        if elsewhere and event.covid_result is None:
            raise NotCarried(f"results: {NO_COVID_RESULT}")
        flag = _flag(event, arrival.received_at, to_csv=True)
        values = row(event, received_at=arrival.received_at, processing_mode=processing_mode)
        return Item(event.event_id, csv.line(values, len(COLUMNS)).encode(), flag)

    return item


_HEADER = csv.line(COLUMNS, len(COLUMNS)).encode()


def csv_document(items: Sequence[Item]) -> bytes:
    """The header and the lines."""
    return _HEADER + b"".join([item.line for item in items])


# -- FHIR and HL7 --------------------------------------------------------------------------------------------------


def fhir_item(processing_mode: str, devices: Devices) -> Encode:
    """One result as a bundle on a line of its own."""

    def item(arrival: Arrival) -> Item:
        report, flag = _report(arrival, devices)
        sending = sending_of(report, arrival.received_at, processing_mode)
        return Item(report.message_id, fhir_format.encode(fhir.bundle(report, sending)) + b"\n", flag)

    return item


def fhir_document(items: Sequence[Item]) -> bytes:
    """NDJSON."""
    return b"".join([item.line for item in items])


def hl7_item(processing_mode: str, devices: Devices) -> Encode:
    """One result as a message."""

    def item(arrival: Arrival) -> Item:
        report, flag = _report(arrival, devices, to_hl7=True)
        sending = sending_of(report, arrival.received_at, processing_mode)
        line = oru.message(report, sending).encode()
        return Item(report.message_id, line, flag, at=arrival.received_at)

    return item


def hl7_document(processing_mode: str) -> Join:
    """A batch file. Its id and its time follow from its messages: the same messages make the same file."""

    def join(items: Sequence[Item]) -> bytes:
        made_at = max(item.at for item in items if item.at is not None)
        # BHS-11 holds twenty characters (HL7 v2.5.1, 2.15.2.11).
        batch_id = derived_id("batch", *(item.key for item in items)).replace("-", "")[:20]
        messages = [item.line.decode() for item in items]
        text = oru_batch.file(messages, batch_id=batch_id, made_at=made_at, processing_mode=processing_mode)
        return text.encode()

    return join


def _alone(items: Sequence[Item]) -> bytes:
    return b"".join([item.line for item in items])


def sending_of(report: Report, received_at: datetime, processing_mode: str) -> Sending:
    """Made when our intake took it, and never before it was released: the sender's clock may be ahead of ours."""
    return Sending(made_at=max(received_at, report.released_at), processing_mode=processing_mode)


# -- what arrived --------------------------------------------------------------------------------------------------


def _report(arrival: Arrival, devices: Devices, *, to_hl7: bool = False) -> tuple[Report, str | None]:
    if arrival.kind == BULK_ROW:
        return _of_row(arrival, devices), None
    event = stored(arrival.body)
    if to_hl7 and (long := room.too_long(event, arrival.body)):
        raise SetAside("; ".join(long))
    flag = _flag(event, arrival.received_at, to_csv=False)
    report = report_of_event(
        event, received_at=arrival.received_at, devices=devices, original_id=arrival.original
    )
    return report, flag


def _of_row(arrival: Arrival, devices: Devices | None) -> Report:
    if devices is None:
        raise SetAside("a row of a bulk upload needs the device table")
    return report_of_row(bulk_row.decode(arrival.body), devices=devices, uploaded_at=arrival.received_at)


def _flag(event: TestEvent, now: datetime, *, to_csv: bool) -> str | None:
    """What a person should know of an event that goes all the same."""
    found = rules.problems(event, now=now, to_csv=to_csv)
    if not found:
        return None
    if rules.sets_aside(found):
        raise SetAside("; ".join(str(one) for one in found if one.severity is rules.Severity.SET_ASIDE))
    return "; ".join(map(str, found))[:300]
