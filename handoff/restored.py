"""``handoff replay --after-restore``: a store that was restored from a backup does not know what went since.

What it holds as delivered had been delivered; what it holds as waiting may have gone, so the drain asks before it
sends. What arrived after the backup is not in it: its senders send it again.
"""

import argparse

from handoff import command

#: Lanes whose partner takes many messages in one request and can be asked about the request only.
BATCHES = ("reportstream",)


def run(arguments: argparse.Namespace) -> int:
    """Count what is in doubt, or mark it."""
    from resources.store import drains, operators, past
    from resources.store.lanes import NUMBERS

    lane = NUMBERS[arguments.lane]
    with command.store() as (_, db):
        waiting = past.waiting(db, lane)
        blind = waiting.messages - waiting.in_batches if arguments.lane in BATCHES else 0
        if not arguments.dry_run:
            if drains.pause(db, lane) != "held" and drains.lives(db, lane):
                raise command.Fault(
                    f"a run is at work: first `handoff messages hold --lane {arguments.lane}`, then this, then release"
                )
            operators.doubt(db, lane, command.who(arguments))
    would = "would be " if arguments.dry_run else ""
    print(f"{waiting.messages} messages and {waiting.batches} batches {would}asked about before they go")
    if blind:
        print(
            f"{blind} of the messages stand in no batch: ReportStream cannot be asked about single results, so what"
            f" went since the backup goes twice; the health departments may see up to {blind} results twice"
        )
    return command.DONE
