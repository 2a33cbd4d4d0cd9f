"""``handoff keys shred``: one patient's records made unreadable for everybody, the clinic and the escrow too.

The duty to keep a record is asked first. The patient is named by one of their consultations, or by the national
number, which is asked for or read from standard input: it never stands in a command line.
"""

import argparse
import getpass
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from handoff import command

if TYPE_CHECKING:
    from resources.settings import Settings
    from resources.store.connect import Connection
    from resources.store.shredding import Standing


def add_verb(verbs: Any) -> None:
    """``shred``."""
    verb = verbs.add_parser("shred", help="make one patient's records unreadable for everybody, for ever")
    verb.add_argument("--consultation", type=int, metavar="ID", help="one of theirs, instead of their number")
    verb.add_argument(
        "--decision",
        metavar="TEXT",
        help="who decided, and when, that it may go before PRIDOK_JOURNAL_YEARS are over",
    )
    command.add_who(verb)
    verb.set_defaults(run=_shred)


def _shred(arguments: argparse.Namespace) -> int:
    import msgspec

    from assets.pridok.referral import Contact
    from resources.store import shredding
    from resources.store.connect import connect
    from resources.store.operators import note
    from resources.store.seal import Sealer

    who = command.who(arguments)
    nobody = msgspec.json.encode(Contact(first_name="", last_name=""))
    with command.settings() as found, connect(found.owner_url, "handoff shred") as db:
        sealer = Sealer(found.keys)
        with db.transaction():
            patient = _patient(db, found, arguments.consultation)
            entries = shredding.people(db, patient)
            _may_go(found, shredding.standing(db, entries), arguments.decision or "")
            done = shredding.shred(db, sealer, entries, nobody)
            decision = f" (decision: {arguments.decision})" if arguments.decision else ""
            note(db, who, f"patient shredded{decision}", target=str(patient))
    print(
        f"{done.results} results, {done.referrals} referrals, {done.numbers} numbers: nobody opens them again"
    )
    command.tell("backups made before still hold what opens them, until they are gone")
    return command.DONE


def _patient(db: "Connection", found: "Settings", consultation: int | None) -> int:
    from assets.pridok import numbers
    from resources.store.seal import Sealer

    if consultation is not None:
        row: Any = db.execute(
            "SELECT patients[1] FROM pridok_consultation WHERE id = %s", [consultation]
        ).fetchone()
    else:
        blind = Sealer(found.keys).name("national number", "pridok", numbers.read(_number()).digits)
        row = db.execute("SELECT patient FROM pridok_number WHERE number = %b", [blind]).fetchone()
    if row is None:
        raise command.Fault("there is no such patient: nothing was changed")
    return int(row[0])


def _number() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("national number: ")
    return sys.stdin.readline().strip()


def _may_go(found: "Settings", standing: "Standing", decision: str) -> None:
    """Refuse what must be kept."""
    if standing.open:
        raise command.Fault(f"{standing.open} consultations are still open: finish or cancel them first")
    if standing.shared:
        raise command.Fault(f"{standing.shared} consultations are another patient's record as well")
    years = found.number("PRIDOK_JOURNAL_YEARS", 10)
    if standing.last_at is None or decision.strip():
        return
    until = standing.last_at + timedelta(days=365.25 * years)
    if until > datetime.now(UTC):
        raise command.Fault(
            f"the record must be kept until {until:%Y-%m-%d} (PRIDOK_JOURNAL_YEARS): give the --decision that it may go"
        )
