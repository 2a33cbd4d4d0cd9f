"""``handoff messages``: find messages, see their life, send again, skip, hold, release.

The shell's counterpart of the operators' pages. How one message is shown: see ``handoff.life``.
"""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from assets.full_state import full_state
from handoff import columns, command, life
from handoff.life import as_json, print_lines

if TYPE_CHECKING:
    from resources.store.connect import Connection
    from resources.store.lookup import Found
    from resources.store.operators import Who

STATES = ("waiting", "accepted", "delivered", "failed", "skipped", "superseded", "cancelled", "set_aside")

EXAMPLES = """\
examples:
  handoff messages list --state failed --since 2h
  handoff messages list --key 4711 --json          by the sender's id, a patient's or an order's
  handoff messages show 1880000000000000000
  handoff messages show 1880000000000000000 --content --reason "the laboratory asks what we sent"
  handoff messages retry 1880000000000000000 --by Katie --reason "mended at the far end"
  handoff messages skip 1880000000000000000 --by Katie --reason "a test patient"
  handoff messages hold --queue 3fa94c01b2d7 --by Katie --reason "two charts of one person"
  handoff messages release --lane elation --by Katie --reason "Elation is back"
"""

LIST_EXAMPLES = """\
A waiting message says in "reason" why it waits, and in "due" until when, if that is known.

examples:
  handoff messages list --lane reportstream --state set_aside --since 2026-03-01
  handoff messages list --queue 3fa94c01b2d7
  handoff messages list --key - --json < patient-id.txt
"""

ACTS = {
    "retry": "send again what has failed or was set aside; let what waits for its next try go now",
    "skip": "close what waits or has failed without sending it; what stands behind it goes on",
    "hold": "let nothing more of a queue or a lane go; what is in flight is finished",
    "release": "let a held queue or lane go on, and forget that its partner was away",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One verb each."""
    parser.epilog = EXAMPLES
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    _add_list(verbs)
    _add_show(verbs)
    for verb, text in ACTS.items():
        act = verbs.add_parser(verb, help=text, description=text[0].upper() + text[1:] + ".")
        target = act.add_mutually_exclusive_group(required=True)
        target.add_argument("message", metavar="ID", nargs="?", type=command.message, help="one message")
        target.add_argument("--queue", type=command.digits, help="all of a queue: its hex digits, as shown")
        target.add_argument("--lane", choices=command.LANES, help="all of a lane")
        command.add_who(act)
        act.set_defaults(run=_act, verb=verb)


def _add_list(verbs: Any) -> None:
    parser = verbs.add_parser(
        "list",
        help="the newest messages that fit",
        epilog=LIST_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lane", choices=command.LANES)
    parser.add_argument("--state", choices=STATES)
    parser.add_argument("--queue", type=command.digits, help="hex digits, as shown")
    parser.add_argument(
        "--since", type=command.start, metavar="TIME", help="a day, a moment, or 2h for two hours ago"
    )
    parser.add_argument("--until", type=command.end, metavar="TIME", help="the same; a day counts to its end")
    parser.add_argument(
        "--key",
        metavar="VALUE",
        help="the sender's id, a patient's or an order's; - reads it from standard input",
    )
    parser.add_argument("--limit", type=_count, default=200, metavar="N", help="at most so many (200)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=_list)


def _add_show(verbs: Any) -> None:
    parser = verbs.add_parser("show", help="the life of one message: where it stands, every attempt")
    parser.add_argument("message", metavar="ID", type=command.message)
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument(
        "--content",
        action="store_true",
        help="also what came, what was sent and what the partner said; needs --reason, goes into the access log",
    )
    parser.add_argument("--by", metavar="NAME", help="your name for the access log (your account's)")
    parser.add_argument("--reason", metavar="TEXT", help="why you must see it, for the access log")
    parser.set_defaults(run=life.show)


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 100_000:
        raise argparse.ArgumentTypeError("write a number from 1 to 100000")
    return int(text)


# -- list --------------------------------------------------------------------------------------------------------

#: What a table shows, the first to go where the terminal is narrow having the highest number.
COLUMNS = (
    columns.Column("id"),
    columns.Column("lane"),
    columns.Column("kind", goes=2),
    columns.Column("queue", goes=3),
    columns.Column("seq", goes=4, right=True),
    columns.Column("state"),
    columns.Column("received", goes=1),
    columns.Column("due", goes=5),
    columns.Column("tries", goes=6, right=True),
    columns.Column("reason", cut=True),
)


def _list(arguments: argparse.Namespace) -> int:
    from resources.store import lookup
    from resources.store.seal import Sealer

    with command.store() as (settings, db):
        arrivals = None
        if arguments.key is not None:
            key = sys.stdin.readline().strip() if arguments.key == "-" else arguments.key
            arrivals = lookup.arrivals_of_key(db, Sealer(settings.keys), key)
        found = lookup.find(
            db,
            lookup.Filter(
                lane=arguments.lane,
                state=arguments.state,
                queue=arguments.queue,
                since=arguments.since,
                until=arguments.until,
                arrivals=arrivals,
                limit=arguments.limit,
            ),
        )
    if arguments.json:
        print_lines(as_json(one) for one in found)
    else:
        columns.show(COLUMNS, [_row(one) for one in found])
    if len(found) == arguments.limit:
        command.tell(f"the newest {arguments.limit}; there may be more: narrow the list, or ask with --limit")
    return command.DONE


def _row(found: "Found") -> tuple[str, ...]:
    return (
        str(found.id),
        found.lane,
        found.kind,
        found.queue,
        str(found.seq),
        found.state.replace("_", " "),
        f"{found.received_at:%Y-%m-%d %H:%M}",
        columns.moment(found.due_at),
        str(found.attempts),
        found.reason or "",
    )


# -- acts --------------------------------------------------------------------------------------------------------


def _act(arguments: argparse.Namespace) -> int:
    acts: dict[str, Callable[[Connection, argparse.Namespace, Who], str]] = {
        "retry": _retry,
        "skip": _skip,
        "hold": _hold,
        "release": _release,
    }
    who = command.who(arguments)
    with command.store() as (_, db):
        print(acts[arguments.verb](db, arguments, who))
    return command.DONE


def _queue(db: "Connection", arguments: argparse.Namespace) -> int:
    """The queue that is meant, by its digits or by one of its messages."""
    from resources.store import operators

    if arguments.message is not None:
        return operators.queue_of(db, arguments.message)
    found = operators.queues_shown(db, arguments.queue)
    if len(found) != 1:
        raise command.Fault(
            "no queue is shown with these digits"
            if not found
            else "several queues begin so: give all 12 digits"
        )
    return found[0]


def _place(db: "Connection", arguments: argparse.Namespace) -> tuple[int, int | None]:
    """The lane and, unless all of it is meant, the queue."""
    from resources.store import operators
    from resources.store.lanes import NUMBERS

    if arguments.lane:
        return NUMBERS[arguments.lane], None
    queue = _queue(db, arguments)
    return operators.lane_of_queue(db, queue), queue


def _retry(db: "Connection", arguments: argparse.Namespace, who: "Who") -> str:
    from handoff import lanes
    from resources.store import lookup, operators
    from resources.store.lanes import NAMES
    from resources.store.values import State

    if arguments.message is not None:
        found = lookup.life(db, arguments.message)
        kinds = full_state(found.found.lane) if found else ()
        operators.retry_now(db, arguments.message, who, full_state=kinds)
        return "1 message goes again"
    lane, queue = _place(db, arguments)
    failed = operators.ended_in(db, (State.FAILED, State.SET_ASIDE), lane=lane, queue=queue)
    again = superseded = 0
    for some in lanes.chunks(failed):
        done = operators.reopen(db, some, who, full_state=full_state(NAMES[lane]), what="retry")
        again, superseded = again + done.waiting, superseded + done.superseded
    hurried = operators.hurry(db, who, lane=lane, queue=queue)
    newer = f", {superseded} superseded by a newer state" if superseded else ""
    return f"{_messages(again)} again{newer}; {_queues(hurried)} at once instead of waiting"


def _skip(db: "Connection", arguments: argparse.Namespace, who: "Who") -> str:
    from resources.store import operators
    from resources.store.values import State

    if arguments.message is not None:
        operators.skip(db, arguments.message, who)
        return "1 message skipped"
    lane, queue = _place(db, arguments)
    wanted = operators.ended_in(db, (State.FAILED, State.SET_ASIDE), lane=lane, queue=queue)
    wanted += operators.waiting_in(db, lane=lane, queue=queue)
    left = 0
    for message in wanted:
        try:
            operators.skip(db, message, who)
        except operators.NotPossible:
            left += 1
    on_their_way = f"; {left} on their way or just ended, left alone" if left else ""
    return f"{len(wanted) - left} messages skipped{on_their_way}"


def _hold(db: "Connection", arguments: argparse.Namespace, who: "Who") -> str:
    from resources.store import operators
    from resources.store.lanes import NUMBERS

    if arguments.lane:
        operators.hold_lane(db, NUMBERS[arguments.lane], who)
        return f"{arguments.lane} is held: nothing more is claimed"
    operators.hold_queue(db, _queue(db, arguments), who)
    return "the queue is held: nothing more of it goes"


def _release(db: "Connection", arguments: argparse.Namespace, who: "Who") -> str:
    from resources.store import operators
    from resources.store.lanes import NUMBERS

    if arguments.lane:
        operators.release_lane(db, NUMBERS[arguments.lane], who)
        return f"{arguments.lane} goes on"
    operators.release_queue(db, _queue(db, arguments), who)
    return "the queue goes on"


def _messages(count: int) -> str:
    return f"{count} message{'s' * (count != 1)} {'go' if count != 1 else 'goes'}"


def _queues(count: int) -> str:
    return f"{count} queue{'s' * (count != 1)} {'try' if count != 1 else 'tries'}"
