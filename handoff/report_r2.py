"""``handoff report-r2``: a month person by person, for the insurer alone. A process of its own that is given the
report key for this run: where the report's key file lies, by who knows its passphrase. Off unless PRIDOK_R2 is on.

What it opens is in its memory only and gone with it; what it keeps is an envelope that only the insurer opens, to be
fetched by an administrator from the page Reports.
"""

import argparse
import resource
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from handoff import command, recipients

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assets.pridok.person_level import Made

EXAMPLES = """\
examples:
  handoff report-r2 --month 2026-03 --folder /srv/report --by Katie --reason "agreement 4.2"
  handoff report-r2 --month 2026-03 --folder /srv/report --consents consents.csv --by Katie --reason "agreement 4.2"

A consultation is told on the contract of its deal (`contract` in PRIDOK_DEALS) or on a consent of the file, a CSV with
the header consultation_id,consent_id. One without is left out and counted. Each that is told is in the access log.
"""
RECIPIENT = "report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One act."""
    parser.epilog = EXAMPLES
    parser.add_argument("--month", type=_month, required=True, metavar="YYYY-MM", help="one that is over")
    parser.add_argument("--folder", type=Path, required=True, help="where the report's key file lies")
    parser.add_argument("--consents", type=Path, metavar="FILE", help="consents behind single rows")
    command.add_who(parser)
    parser.set_defaults(run=_run)


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise argparse.ArgumentTypeError("write a month as 2026-03") from None


def _run(arguments: argparse.Namespace) -> int:
    from assets.pridok.clinic import Clinic, KeysMissing
    from assets.pridok.month import NotOver
    from assets.pridok.person_level import Asked, NotSwitchedOn, disclosure, make

    # A crash must not leave what was opened in a file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    who = command.who(arguments)
    with command.settings() as found:
        clinic = Clinic(found)
        try:
            disclosure(found)  # asked before the passphrase is
            asked = Asked(by=who.name, reason=who.reason, consents=_consents(arguments.consents))
            keys = recipients.opened(arguments.folder, RECIPIENT)
            made = make(clinic, arguments.month, keys, asked)
        except (NotSwitchedOn, NotOver, KeysMissing) as error:
            raise command.Fault(str(error)) from None
        finally:
            clinic.close()
    return _said(made)


def _consents(path: Path | None) -> "Mapping[int, str]":
    from assets.pridok.person_level import consents

    if path is None:
        return {}
    try:
        return consents(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise command.Fault(f"{path}: cannot be read ({type(error).__name__})") from None
    except ValueError as error:
        raise command.Fault(f"{path}: {error}") from None


def _said(made: "Made") -> int:
    for identifier in made.broken:
        command.tell(
            f"consultation {identifier}: its result does not open; it was moved or changed, or a key is missing"
        )
    if made.shredded:
        command.tell(f"{made.shredded} left out: destroyed")
    if made.without_basis:
        command.tell(f"{made.without_basis} left out: neither contract nor consent")
    if made.id is None:
        raise command.Fault("nothing may be told of this month: no report was made")
    print(f"report {made.id}: {made.told} consultations, sealed to the insurer")
    return command.NOT_POSSIBLE if made.broken else command.DONE
