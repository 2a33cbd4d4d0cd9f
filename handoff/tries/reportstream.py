"""``handoff try reportstream``: test events as the CSV that ReportStream would get."""

import argparse
import csv
import io
import os
from datetime import UTC, datetime

from assets.formats.csv import document as csv_document
from assets.formats.decode import ShapeError, moment
from assets.reportstream.events import TestEvent, decode
from assets.reportstream.mapping import COLUMNS, row
from assets.reportstream.rules import Severity, problems, sets_aside
from handoff.tries import Document, Remark, Say, Tried, each

FORMATS = ("csv",)


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
    """One CSV of all events that may go."""
    clock = datetime.now(UTC)
    received_at = arguments.received_at or clock
    now = max(received_at, clock)

    def make(raw: bytes, say: Say) -> tuple[str, ...] | None:
        event = _judged(raw, say, now=now, to_csv=True)
        if event is None:
            return None
        return row(event, received_at=received_at, processing_mode=arguments.processing_mode)

    rows, remarks = each(documents, make)
    output = csv_document(COLUMNS, rows) if rows else b""
    return Tried(output, remarks + (_read_back(output, rows) if arguments.check else []))


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
