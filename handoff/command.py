"""What the commands of ``handoff`` share: the way to the store, how moments and names are given, how one ends.

Not a command itself. Standard output gets what was asked for and nothing else; everything else goes to
standard error. Exit codes: 0 done, 1 not possible or not all of it, 2 wrong words, 3 a fault of ours.
"""

import argparse
import getpass
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from handoff import environment, postgres
from resources.store.lanes import NUMBERS

if TYPE_CHECKING:
    from resources.settings import Settings
    from resources.store.connect import Connection
    from resources.store.operators import Who

LANES = tuple(NUMBERS)

DONE, NOT_POSSIBLE, WRONG_WORDS, OUR_FAULT = range(4)


class Fault(Exception):
    """Something a person can put right; the sentence says what to do and repeats no patient's data."""


def tell(text: str) -> None:
    """Say something that is not what was asked for."""
    print(text, file=sys.stderr)


@contextmanager
def settings() -> Iterator["Settings"]:
    """The clone's settings. An embedded server that had to be started is stopped again at the end."""
    from resources.settings import Settings

    state = environment.state_of(environment.ROOT)
    before = postgres.running(state)
    found = Settings(environment.load())
    try:
        yield found
    finally:
        ours = None if before else postgres.running(state)
        if ours and ours.app_url == found.text("HANDOFF_DATABASE_URL") and not _in_use(ours.app_url):
            postgres.stop(state)


def _in_use(url: str) -> bool:
    """Whether somebody else has begun to use the server meanwhile."""
    from resources.store.connect import Away, connect

    with suppress(*Away), connect(url) as db:
        row = db.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        ).fetchone()
        return bool(row and row[0])
    return True


@contextmanager
def store() -> Iterator[tuple["Settings", "Connection"]]:
    """The settings and a connection to the store as the application."""
    from resources.store.connect import connect

    with settings() as found, connect(found.database_url, "handoff command") as db:
        yield found, db


# -- arguments ---------------------------------------------------------------------------------------------------

_SPAN = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_A_MOMENT = "write 2026-03-01, 2026-03-01T15:04, or how long ago: 90s, 30m, 2h, 3d, 1w"
_LARGEST_ID = 2**63 - 1


def start(text: str) -> datetime:
    """A moment: ISO 8601 (UTC unless it says otherwise), a day (its beginning), or a span ago (``2h``)."""
    try:
        if span := _SPAN.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(_A_MOMENT) from None


def end(text: str) -> datetime:
    """The same, but a day counts to its end.

    >>> end("2026-03-01").isoformat()
    '2026-03-02T00:00:00+00:00'
    """
    try:
        return start(text) + timedelta(days=1) if _DAY.fullmatch(text) else start(text)
    except OverflowError:
        raise argparse.ArgumentTypeError(_A_MOMENT) from None


def message(text: str) -> int:
    """A message's id: what fits the store's column, so that a slip of the hand is not a fault of ours."""
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > _LARGEST_ID:
        raise argparse.ArgumentTypeError("write the id that `handoff messages list` shows")
    return int(text)


def digits(text: str) -> str:
    """A queue as it is shown: up to 12 hex digits."""
    if not re.fullmatch(r"[0-9a-f]{1,16}", text.lower()):
        raise argparse.ArgumentTypeError("write the hex digits that `handoff messages list` shows")
    return text.lower()


def add_who(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Who acts and why: both go into the audit."""
    parser.add_argument("--by", metavar="NAME", required=required, help="your name, for the audit")
    parser.add_argument("--reason", metavar="TEXT", required=required, help="why, for the audit")


def who(arguments: argparse.Namespace) -> "Who":
    """Who acts and why, from the command line."""
    from resources.store.operators import Who

    return Who(arguments.by or "", arguments.reason or "")


def account() -> str:
    """The name of the account that runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise Fault("this account has no name: say who you are with --by NAME") from None


def iso(moment: datetime | None) -> str | None:
    """A moment as JSON carries it: ISO 8601, UTC, milliseconds.

    >>> iso(datetime(2026, 3, 1, 15, tzinfo=UTC))
    '2026-03-01T15:00:00.000+00:00'
    """
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")
