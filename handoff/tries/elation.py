"""``handoff try elation``: what Elation would be told of each chart, one line an event."""

import argparse
import json
import os

import msgspec

from assets.elation.calls import queue_problems
from assets.elation.events import decode
from assets.elation.mapping import Practice, Snapshot, Unmappable, snapshot
from handoff.tries import Document, Remark, Say, Tried, each

FORMATS = ("json",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the patients belong. A name is printed as it is: only Elation knows its id."""
    parser.add_argument(
        "--primary-physician",
        default=os.environ.get("ELATION_PRIMARY_PHYSICIAN") or "Katie",
        help="Elation's id of the physician, or a name",
    )
    parser.add_argument(
        "--caregiver-practice",
        type=int,
        default=os.environ.get("ELATION_CAREGIVER_PRACTICE") or None,
        help="Elation's id of the practice",
    )


def run(documents: list[Document], arguments: argparse.Namespace) -> Tried:
    """A line of patient and policies for every event that Elation could take."""
    physician = arguments.primary_physician
    practice = Practice(
        primary_physician=int(physician) if physician.isdecimal() else physician,
        caregiver_practice=arguments.caregiver_practice,
    )

    def make(raw: bytes, say: Say) -> Snapshot | None:
        event = decode(raw)
        for problem in queue_problems(
            event
        ):  # the chart is mapped all the same: of its queue the lane judges
            say(Remark(f"{problem.place}: warning: {problem.text}; the lane sets it aside", stops=False))
        try:
            return snapshot(event, practice)
        except Unmappable as error:
            for problem in error.problems:
                say(Remark(f"{problem.place}: {problem.text}"))
        return None

    made, remarks = each(documents, make)
    lines = [msgspec.json.encode(one) + b"\n" for one in made]
    return Tried(b"".join(lines), remarks + (_read_back(lines, made) if arguments.check else []))


def _read_back(lines: list[bytes], made: list[Snapshot]) -> list[Remark]:
    """Whether Python's own JSON, which had no part in writing, finds the same values."""
    expected = [json.loads(json.dumps(msgspec.to_builtins(one))) for one in made]
    same = [json.loads(line) for line in lines] == expected
    verdict = f"read back alike, {len(lines)} events" if same else "reads back differently"
    return [Remark(f"check: json: {verdict}", stops=not same)]
