"""``handoff try reportstream``: test events as ReportStream or APHL AIMS would get them."""

import argparse
import csv
import io
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from assets.drain.settings import Item
from assets.formats import fhir as fhir_format
from assets.formats.csv import document as csv_document
from assets.formats.decode import ShapeError, moment
from assets.reportstream import fhir, oru, room
from assets.reportstream.devices import known_devices
from assets.reportstream.encoding import join_of, sending_of
from assets.reportstream.event_report import report_of_event
from assets.reportstream.events import TestEvent, decode
from assets.reportstream.mapping import COLUMNS, row
from assets.reportstream.originals import original_among
from assets.reportstream.rules import Severity, problems, sets_aside
from handoff.tries import Document, Remark, Say, Tried, each

FORMATS = ("csv", "fhir", "hl7")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """When the intake accepted the events, and the mode they are sent in."""
    parser.add_argument(
        "--received-at",
        type=_moment,
        help="when the intake accepted them, such as 2026-03-02T15:04:05+00:00; now, if not given",
    )
    parser.add_argument(
        "--processing-mode",
        choices=("P", "T", "D"),
        default=os.environ.get("REPORTSTREAM_PROCESSING_MODE") or "P",
    )


def run(documents: list[Document], arguments: argparse.Namespace) -> Tried:
    """One document of all events that may go: a CSV, bundles one a line, or a batch of messages."""
    clock = datetime.now(UTC)
    received_at = arguments.received_at or clock
    now = max(received_at, clock)
    if arguments.form == "csv":
        return _csv(documents, arguments, received_at, now)
    return _bundles_or_messages(documents, arguments, received_at, now)


def _csv(
    documents: list[Document], arguments: argparse.Namespace, received_at: datetime, now: datetime
) -> Tried:
    def make(raw: bytes, say: Say) -> tuple[str, ...] | None:
        event = _judged(raw, say, now=now, to_csv=True)
        if event is None:
            return None
        return row(event, received_at=received_at, processing_mode=arguments.processing_mode)

    rows, remarks = each(documents, make)
    output = csv_document(COLUMNS, rows) if rows else b""
    return Tried(output, remarks + (_read_back(output, rows) if arguments.check else []))


def _bundles_or_messages(
    documents: list[Document], arguments: argparse.Namespace, received_at: datetime, now: datetime
) -> Tried:
    devices = known_devices()
    priors = _priors(documents)

    def make(raw: bytes, say: Say) -> Item | None:
        event = _judged(raw, say, now=now, to_csv=False)
        if event is None:
            return None
        if arguments.form == "hl7" and (long := room.too_long(event, raw)):
            for text in long:
                say(Remark(text))
            return None
        original = original_among(event.event_id, event.prior, priors) if event.prior else None
        report = report_of_event(event, received_at=received_at, devices=devices, original_id=original)
        sending = sending_of(report, received_at, arguments.processing_mode)
        if arguments.form == "fhir":
            line = fhir_format.encode(fhir.bundle(report, sending)) + b"\n"
        else:
            line = oru.message(report, sending).encode()
        for text in _objections(line, arguments.form) if arguments.check else ():
            say(Remark(f"check: {text}"))
        return Item(report.message_id, line, at=received_at)

    items, remarks = each(documents, make)
    output = join_of(arguments.form, arguments.processing_mode)(items) if items else b""
    if arguments.check and items and not any("check: " in remark.text for remark in remarks):
        remarks = [*remarks, Remark(f"check: {_ORACLES[arguments.form]}: no objection", stops=False)]
    return Tried(output, remarks)


def _priors(documents: list[Document]) -> dict[str, str | None]:
    """The events of this file and what each corrects; there is no store to ask for others."""
    found: dict[str, str | None] = {}
    for document in documents:
        with suppress(ShapeError):
            event = decode(document.raw)
            found[event.event_id] = event.prior
    return found


_ORACLES = {"fhir": "fhir.resources", "hl7": "hl7apy"}


def _objections(line: bytes, form: str) -> Iterator[str]:
    """What our own checks and the oracle say of one bundle or message; imported here, for they take a second."""
    if form == "fhir":
        from assets.formats import fhir_checks, fhir_oracle

        document = json.loads(line)
        yield from fhir_checks.problems(document)
        yield from (f"fhir.resources: {text}" for text in fhir_oracle.fhir_resources_says(document))
    else:
        from assets.formats import hl7_checks, hl7_oracle, hl7_read

        text = line.decode()
        yield from map(str, hl7_checks.problems(hl7_read.parse(text)))
        yield from (f"hl7apy: {said}" for said in hl7_oracle.objections(text))


def _judged(raw: bytes, say: Say, *, now: datetime, to_csv: bool) -> TestEvent | None:
    """The event, if the rules let it go; what they have to say goes to ``say``."""
    event = decode(raw)
    found = problems(event, now=now, to_csv=to_csv)
    for problem in found:
        stops = problem.severity is Severity.SET_ASIDE
        mark = "" if stops else "warning: "
        say(Remark(f"{problem.place}: {mark}{problem.text}", stops))
    return None if sets_aside(found) else event


def _read_back(output: bytes, rows: list[tuple[str, ...]]) -> list[Remark]:
    """Whether Python's own reader, which had no part in writing, finds the same values."""
    found = list(csv.reader(io.StringIO(output.decode(), newline="")))
    same = found == [list(COLUMNS), *map(list, rows)] if rows else not found
    verdict = (
        f"read back alike, {len(rows)} rows of {len(COLUMNS)} columns" if same else "reads back differently"
    )
    return [Remark(f"check: csv: {verdict}", stops=not same)]


def _moment(text: str) -> datetime:
    try:
        return moment("--received-at", text)
    except ShapeError as error:
        raise argparse.ArgumentTypeError(error.text) from None
