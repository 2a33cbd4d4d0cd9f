"""``handoff replay``: what arrived in a span of time goes again, after a look at what that would do.

What becomes of each is judged by ``handoff.verdict``; how they are put back into their queues is the store's
(``resources.store.operators``). A restored store: see ``handoff.restored``.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assets.full_state import full_state
from handoff import columns, command
from handoff.verdict import Judge, Verdict, state_of

if TYPE_CHECKING:
    from resources.settings import Settings
    from resources.store.connect import Connection
    from resources.store.operators import Reopened

STATES = ("failed", "set_aside", "accepted", "delivered", "skipped", "superseded", "cancelled")

EXAMPLES = """\
What failed or was set aside goes, unless --state says otherwise. A refused message is mapped anew: where that gives
the same bytes, or where the mapping still cannot make it, it stays as it is and the command says so; --unchanged
sends the same bytes all the same. A message whose last try was unsure is asked about before it goes. One that was
overtaken goes to the end of its queue; where a newer state of the same has gone, it is closed instead.

--after-restore is for a store that was restored from a backup: what waits in it may have gone since the backup, so
the lane asks its partner before it sends any of it. Hold the lanes before the services start on the restored store.

examples:
  handoff replay --lane elation --from 2026-03-01 --to 2026-03-01 --dry-run
  handoff replay --lane elation --from 3h --by Katie --reason "Elation's outage is over"
  handoff replay --lane reportstream --from 2026-03-01T08:00 --to 2026-03-01T09:30 --state delivered --dry-run
  handoff replay --after-restore --by Katie --reason "restored the backup of 02:00"
"""

#: More rows than this are no table any more; ``--json`` prints all.
ROWS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which messages, and whether only to look."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--lane", choices=command.LANES, help="required; after a restore every lane if none is named"
    )
    parser.add_argument(
        "--from", dest="start", type=command.start, metavar="TIME", help="first arrival: a day, a moment, 2h"
    )
    parser.add_argument(
        "--to",
        dest="end",
        type=command.end,
        metavar="TIME",
        help="the end of the span; a day counts to its end",
    )
    parser.add_argument(
        "--state",
        action="append",
        choices=STATES,
        help="what goes again (failed, set_aside); may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be done and do nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each message")
    parser.add_argument(
        "--content",
        action="store_true",
        help="in a dry run also the values that differ; goes into the access log",
    )
    parser.add_argument(
        "--unchanged", action="store_true", help="also what was refused and would go with the same bytes"
    )
    parser.add_argument("--after-restore", action="store_true", help="ask before anything that waits is sent")
    command.add_who(parser, required=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look or act, at a span of time or at a restored store."""
    if not arguments.dry_run or arguments.content:
        command.who(arguments)  # a name and a reason, before anything is read
    if arguments.after_restore:
        from handoff import restored

        return restored.run(arguments)
    if arguments.lane is None:
        raise command.Fault(f"say which lane with --lane: {', '.join(command.LANES)}")
    if arguments.start is None:
        raise command.Fault(
            "say which arrivals with --from and --to, such as --from 2026-03-01 --to 2026-03-01"
        )
    if arguments.content and not arguments.dry_run:
        raise command.Fault("--content belongs to --dry-run: it shows what would differ")
    with command.store() as (settings, db):
        return _replay(db, settings, arguments)


@dataclass(slots=True)
class Tally:
    """What was, or would be, done."""

    waiting: int = 0
    superseded: int = 0
    stayed: int = 0
    twice: int = 0

    def add(self, done: "Reopened") -> None:
        """Count what the store has put back."""
        self.waiting += done.waiting
        self.superseded += done.superseded


def _replay(db: "Connection", settings: "Settings", arguments: argparse.Namespace) -> int:
    from handoff import lanes
    from resources.store import past
    from resources.store.ids import first_id
    from resources.store.lanes import NUMBERS
    from resources.store.values import State

    lane: str = arguments.lane
    states = [State[name.upper()] for name in arguments.state or ("failed", "set_aside")]
    mapping = lanes.today(lane, settings, db)
    if isinstance(mapping, str):
        command.tell(f"not compared with today's mapping: {mapping}")
    judge, tally, shown = Judge(db, settings, mapping), Tally(), _Shown(arguments)
    low, high = first_id(arguments.start), first_id(arguments.end or datetime.now(UTC))
    for some in past.past(db, NUMBERS[lane], low, high, states, most=lanes.CHUNK):
        verdicts = judge.verdicts(some)
        if arguments.unchanged:
            verdicts = [one.insisted() for one in verdicts]
        going = [one.past for one in verdicts if one.goes]
        tally.stayed += len(verdicts) - len(going)
        tally.add(_put_back(db, [one.message for one in going], arguments, states))
        if lane == "reportstream":
            tally.twice += sum(one.state in (State.ACCEPTED, State.DELIVERED) for one in going)
        shown.chunk(db, verdicts)
    shown.end(_summary(tally, lane, dry=arguments.dry_run))
    return command.DONE


def _put_back(
    db: "Connection", messages: Sequence[int], arguments: argparse.Namespace, states: Sequence[Any]
) -> "Reopened":
    """Let messages wait again; a dry run does the same and takes it back, so its counts are the true ones."""
    from resources.store.operators import Reopened, Who, reopen

    if not messages:
        return Reopened(0, 0)
    who = Who("dry run", "dry run") if arguments.dry_run else command.who(arguments)
    kinds = full_state(arguments.lane)
    with db.transaction(force_rollback=arguments.dry_run):
        return reopen(db, messages, who, states=states, full_state=kinds, what="replay")


def _summary(tally: Tally, lane: str, *, dry: bool) -> str:
    waits = "waits" if tally.waiting == 1 else "wait"
    would, will = ("would wait", "would see") if dry else (waits, "will see")
    parts = [f"{tally.waiting} message{'s' * (tally.waiting != 1)} {would} again"]
    if tally.superseded:
        parts.append(f"{tally.superseded} superseded by a newer state")
    if tally.stayed:
        parts.append(f"{tally.stayed} stay as they are")
    if lane == "reportstream" and (dry or tally.twice):
        parts.append(f"the health departments {will} {tally.twice} results twice")
    return "; ".join(parts)


class _Shown:
    """What a dry run prints: the messages as they are judged, and the sum of it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._rows: list[tuple[str, ...]] = []
        self._more = 0
        self._places: Counter[str] = Counter()

    def chunk(self, db: "Connection", verdicts: Sequence[Verdict]) -> None:
        """Show some of the messages, or remember them for the table."""
        for one in verdicts:
            if self._arguments.content:
                self._log(db, one)
            if self._arguments.dry_run:
                self._places.update(difference.place for difference in one.differs or ())
            if self._arguments.json:
                print(json.dumps(self._line(one), ensure_ascii=False))
            elif self._arguments.dry_run or not one.goes:
                self._row(one)

    def _log(self, db: "Connection", one: Verdict) -> None:
        from resources.store import lookup

        who = command.who(self._arguments)
        lookup.log_access(
            db,
            who=who.name,
            role="command",
            what="content of a message, before a replay",
            subject=one.past.message,
            reason=who.reason,
        )

    def _line(self, one: Verdict) -> dict[str, Any]:
        line: dict[str, Any] = {
            "id": str(one.past.message),
            "state": one.past.state.name.lower(),
            "kind": one.past.kind,
            "effect": one.effect,
            "differs": None if one.differs is None else [difference.place for difference in one.differs],
            "reason": one.why,
        }
        if self._arguments.content:
            line["values"] = {d.place: [d.before, d.after] for d in one.differs or ()}
        return line

    def _row(self, one: Verdict) -> None:
        if len(self._rows) == ROWS:
            self._more += 1
            return
        if one.why or one.differs is None:
            places = one.why or "nothing to compare with"
        elif self._arguments.content:
            places = "; ".join(f"{d.place}: {d.before!r} now {d.after!r}" for d in one.differs)
        else:
            places = ", ".join(d.place for d in one.differs)
        self._rows.append((str(one.past.message), state_of(one.past), one.effect, places or "no difference"))

    def end(self, summary: str) -> None:
        """The table, and the sum under it; with ``--json`` the sum goes to standard error."""
        if self._arguments.json:
            command.tell(summary)
            return
        if self._rows:
            headings = [columns.Column(name) for name in ("id", "state", "effect")]
            columns.show([*headings, columns.Column("differs", cut=not self._arguments.content)], self._rows)
        if self._more:
            print(f"and {self._more} more; --json prints all")
        for place, count in self._places.most_common(20):
            print(f"{place}: differs in {count}")
        print(summary)
