"""The command ``handoff``: what is done to a store from the shell.

Each command is a module of this room that is imported when it is its turn, so that ``--help`` answers at once:
``add_arguments(parser)`` says what it takes and sets ``run``, which takes the arguments and returns an exit code.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from handoff import command, tries
from handoff.environment import FAULTS, ROOT

#: What each command is for, in one line.
COMMANDS = {
    "migrate": "bring the store's tables up to date and make the partitions of the coming months",
    "messages": "find messages, see their life, send again, skip, hold, release",
    "replay": "send what arrived in a span of time again, after a look at what that would do",
    "staff": "add, list and disable the accounts of the staff pages, and set their passwords",
    "keys": "make, list and rotate the keys that seal what is stored",
    "report-r2": "a month person by person, sealed to the insurer; needs the report's key file",
    "import-orders": "take over orders and notes of the system before this one",
    "tables": "list the code tables the mappings use, and load newer official ones",
}

EXAMPLES = """\
examples:
  handoff migrate
  handoff try reportstream tests/samples/reportstream/original.json
  handoff messages list --lane elation --state failed --since 2h
  handoff messages retry 1880000000000000000 --by Katie --reason "Elation has mended the chart"
  handoff replay --lane reportstream --from 2026-03-01 --to 2026-03-01 --dry-run
  handoff staff add kari --role clinician --by Katie --reason "new in the ward"
  handoff keys list
  handoff tables list

Settings come from the environment, .env and .handoff/secrets.env; without a database in them the embedded server
under .handoff is used. Exit codes: 0 done, 1 not possible or not all of it, 2 wrong words, 3 a fault of ours.
"""


class _Command(argparse.ArgumentParser):
    """Asks its module for arguments when it is that command's turn."""

    complete = False

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        name = self.prog.removeprefix("handoff ")
        if name in COMMANDS and not self.complete:
            self.complete = True
            import_module(f"handoff.{name.replace('-', '_')}").add_arguments(self)
        return super().parse_known_args(args, namespace)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = argparse.ArgumentParser(
        prog="handoff",
        description="Handoff, a healthcare integration engine: look after its store, and try its mappings.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    each: type[argparse.ArgumentParser] = _Command
    commands = whole.add_subparsers(metavar="COMMAND", required=True, parser_class=each)
    for name, text in COMMANDS.items():
        commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == "migrate":
            tries.register(commands)
    return whole


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = parser().parse_args(words)
    try:
        return int(arguments.run(arguments))
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return command.DONE
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        text = _sentence(error)
        command.tell(f"handoff: {text or _spot(error)}")
        return command.NOT_POSSIBLE if text else command.OUR_FAULT


def _sentence(error: Exception) -> str | None:
    """What a person can do about it; None for a fault of ours."""
    from psycopg import OperationalError, errors
    from sqlalchemy.exc import DBAPIError

    from resources.sealing_keys import KeyFileError
    from resources.settings import SettingError
    from resources.store.operators import NotPossible
    from resources.store.seal import KeyMissing, Unreadable

    if isinstance(error, DBAPIError) and isinstance(error.orig, Exception):
        error = error.orig
    safe = (command.Fault, SettingError, NotPossible, KeyMissing, Unreadable, KeyFileError, *FAULTS)
    if isinstance(error, safe):
        return str(error)
    if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn | errors.InvalidSchemaName):
        return "the store's tables are missing or old: run `handoff migrate`"
    if isinstance(error, errors.InsufficientPrivilege):
        return "the store does not allow this role that: see the roles in docs/runbook.md"
    if isinstance(error, errors.InvalidPassword | errors.InvalidAuthorizationSpecification):
        return "the store refuses the sign-in: check HANDOFF_DATABASE_URL and HANDOFF_OWNER_URL"
    if isinstance(error, OperationalError):
        return "the store does not answer: is the server of HANDOFF_DATABASE_URL up? `make up` starts the embedded one"
    return None


def _spot(error: Exception) -> str:
    """Kind and place of a fault. Its text may repeat a value and is left out."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _ours(frame.filename)]
    place = f" in {Path(frames[-1].filename).relative_to(ROOT)}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: a fault of ours, please report it"


def _ours(filename: str) -> bool:
    return Path(filename).is_relative_to(ROOT) and ".venv" not in Path(filename).parts


if __name__ == "__main__":
    sys.exit(main())
