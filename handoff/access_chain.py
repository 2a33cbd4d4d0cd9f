"""``handoff keys verify-log``: whether the access log is as it was written, from its first line to its last.

The application cannot change a line, and a change by the owner of the tables breaks the chain. An owner who writes
the whole log anew would not: so the end that is printed here is noted elsewhere, and given next time as ``--anchor``.
"""

import argparse
import json
import re
from typing import TYPE_CHECKING, Any

from handoff import command

if TYPE_CHECKING:
    from resources.store.looks import Anchor

_ANCHOR = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


def add_verb(verbs: Any) -> None:
    """``verify-log``."""
    verb = verbs.add_parser("verify-log", help="check the access log: none changed, none taken out")
    verb.add_argument(
        "--anchor",
        metavar="END",
        action="append",
        default=[],
        type=_anchor,
        help="an end that was printed before: it must still stand; may be given several times",
    )
    verb.set_defaults(run=_verify)


def _anchor(text: str) -> tuple[int, bytes]:
    if not (found := _ANCHOR.fullmatch(text.strip())):
        raise argparse.ArgumentTypeError("write it as verify-log printed it: number:64 hex digits")
    return int(found[1]), bytes.fromhex(found[2])


def _verify(arguments: argparse.Namespace) -> int:
    from resources.store.looks import Anchor, stands, verify

    with command.store() as (_, db):
        found = verify(db)
        moved = [number for number, link in arguments.anchor if not stands(db, Anchor(number, link))]
    print(json.dumps({"lines": found.lines, "broken": found.broken, "end": _shown(found.end)}))
    if found.broken is not None:
        command.tell(f"line {found.broken} does not follow from the one before: it was changed or taken out")
    for number in moved:
        command.tell(f"line {number} is not the one that was noted: the log was written anew")
    return command.NOT_POSSIBLE if found.broken is not None or moved else command.DONE


def _shown(end: "Anchor") -> str:
    return f"{end.id}:{end.chain.hex()}"
