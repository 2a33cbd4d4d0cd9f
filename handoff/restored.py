"""``handoff replay --after-restore``: a store that was restored from a backup does not know what went since.

What it holds as delivered had been delivered; what it holds as waiting may have gone, so the drain asks before it
sends. What arrived after the backup is not in it: its senders send it again.
"""

import argparse
from typing import TYPE_CHECKING

from handoff import command

if TYPE_CHECKING:
    from resources.store.connect import Connection

#: Lanes whose partner takes many messages in one request and can be asked about the request only.
BATCHES = ("reportstream",)


def run(arguments: argparse.Namespace) -> int:
    """Count what is in doubt, or mark it: in one lane, or in all."""
    from resources.store import drains
    from resources.store.lanes import NUMBERS

    lanes = [arguments.lane] if arguments.lane else list(NUMBERS)
    with command.store() as (_, db):
        for lane in lanes:
            working = drains.pause(db, NUMBERS[lane]) != "held" and drains.lives(db, NUMBERS[lane])
            if working and not arguments.dry_run:
                raise command.Fault(
                    f"a run is at work in {lane}: first `handoff messages hold --lane {lane}`, then this, then release"
                )
        for lane in lanes:
            _doubt(db, lane, arguments)
    return command.DONE


def _doubt(db: "Connection", lane: str, arguments: argparse.Namespace) -> None:
    from resources.store import doubt, past
    from resources.store.lanes import NUMBERS

    waiting = past.waiting(db, NUMBERS[lane])
    if not arguments.dry_run:
        doubt.mark(db, NUMBERS[lane], command.who(arguments))
    would = "would be " if arguments.dry_run else ""
    print(
        f"{lane}: {waiting.messages} messages and {waiting.batches} batches {would}asked about before they go"
    )
    blind = waiting.messages - waiting.in_batches if lane in BATCHES else 0
    if blind:
        print(
            f"{lane}: {blind} of the messages stand in no batch: ReportStream cannot be asked about single results, so"
            f" what went since the backup goes twice; the health departments may see up to {blind} results twice"
        )
