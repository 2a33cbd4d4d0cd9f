"""``handoff staff``: who may sign in to the pages. Changes are made as the owner of the store and go into the audit.

A password never stands on the command line, where other processes see it: it is asked for, read from standard
input, or made here and printed once.
"""

import argparse
import getpass
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from handoff import columns, command

if TYPE_CHECKING:
    from resources.settings import Settings
    from resources.store.connect import Connection

HEADINGS = ("name", "role", "full name", "facility", "since", "last seen", "state")
ROLES = ("clinician", "secretary", "provider", "operator", "administrator")

EXAMPLES = """\
examples:
  handoff staff list
  handoff staff add kari --role clinician --full-name "Kari Moe" --by Katie --reason "new in the ward"
  handoff staff add lea --role secretary --facility 33D0000001 --by Katie --reason "the school's nurse"
  handoff staff full-name kari "Kari Moe Lie" --by Katie --reason "married"
  handoff staff facility kari 33D0000001 --by Katie --reason "reports for the clinic now"
  handoff staff password kari --make --by Katie --reason "forgotten"
  handoff staff disable kari --by Katie --reason "left the hospital"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One verb each."""
    parser.epilog = EXAMPLES
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    verbs.add_parser("list", help="every account, its role, and when it was last used").set_defaults(
        run=_list
    )
    add = verbs.add_parser("add", help="a new account")
    add.add_argument("--role", choices=ROLES, required=True)
    add.add_argument("--facility", metavar="CLIA", help="the laboratory whose results concern this person")
    add.add_argument(
        "--full-name", default="", metavar="NAME", help="the person's, to be held against names of patients"
    )
    full_name = verbs.add_parser("full-name", help="how the person behind an account is called")
    facility = verbs.add_parser("facility", help="whose results concern an account; ends its sessions")
    facility.add_argument("--none", action="store_true", help="those of no facility any more")
    password = verbs.add_parser(
        "password", help="a new password: ends the account's sessions, lets a disabled one in again"
    )
    disable = verbs.add_parser("disable", help="let an account in no more, and end its sessions at once")
    runs: list[tuple[argparse.ArgumentParser, Callable[[argparse.Namespace], int]]] = [
        (add, _add),
        (password, _password),
        (disable, _disable),
        (full_name, _full_name),
        (facility, _facility),
    ]
    for verb, run in runs:
        verb.add_argument("name", metavar="NAME", help="the account")
        command.add_who(verb)
        verb.set_defaults(run=run)
    full_name.add_argument("full_name", metavar="FULL-NAME", help="first name and surname")
    facility.add_argument("facility", metavar="CLIA", nargs="?", help="the laboratory's CLIA number")
    for verb in (add, password):
        verb.add_argument("--make", action="store_true", help="make a password and print it, once")
    verbs.add_parser(
        "demo", help="the accounts of the demo, one a role, with the password HANDOFF_DEMO_PASSWORD"
    ).set_defaults(run=_demo)


@contextmanager
def _owner() -> Iterator[tuple["Settings", "Connection"]]:
    from resources.store.connect import connect

    with command.settings() as found, connect(found.owner_url, "handoff staff") as db:
        yield found, db


def _list(arguments: argparse.Namespace) -> int:
    from resources.store import staff

    with command.store() as (_, db):
        accounts = staff.accounts(db)
    headings = [columns.Column(name) for name in HEADINGS]
    rows = [
        (
            one.name,
            str(one.role),
            one.full_name,
            one.facility or "",
            columns.moment(one.created_at),
            columns.moment(one.seen_at),
            "disabled" if one.disabled_at else "",
        )
        for one in accounts
    ]
    columns.show(headings, rows)
    return command.DONE


def _add(arguments: argparse.Namespace) -> int:
    from resources.store import staff

    name = arguments.name.lower()
    kept = _new_password(name, make=arguments.make)
    with _owner() as (_, db):
        role, who = staff.Role(arguments.role), command.who(arguments)
        staff.add(db, name, role, kept, who, facility=arguments.facility, full_name=arguments.full_name)
    command.tell(f"{name} may sign in as {arguments.role}")
    return command.DONE


def _full_name(arguments: argparse.Namespace) -> int:
    from resources.store import staff

    name = arguments.name.lower()
    with _owner() as (_, db):
        staff.set_full_name(db, name, arguments.full_name, command.who(arguments))
    command.tell(f"the person behind {name} has another name")
    return command.DONE


def _facility(arguments: argparse.Namespace) -> int:
    from resources.store import staff

    if arguments.none == bool(arguments.facility):
        raise command.Fault("say which facility, or --none")
    name = arguments.name.lower()
    with _owner() as (_, db):
        staff.set_facility(db, name, arguments.facility, command.who(arguments))
    command.tell(f"{name} works for {arguments.facility or 'no facility'}; its sessions have ended")
    return command.DONE


def _password(arguments: argparse.Namespace) -> int:
    from resources.store import staff

    name = arguments.name.lower()
    kept = _new_password(name, make=arguments.make)
    with _owner() as (_, db):
        staff.set_password(db, name, kept, command.who(arguments))
    command.tell(f"{name} has a new password; its sessions have ended")
    return command.DONE


def _disable(arguments: argparse.Namespace) -> int:
    from resources.store import staff

    name = arguments.name.lower()
    with _owner() as (_, db):
        staff.disable(db, name, command.who(arguments))
    command.tell(f"{name} may sign in no more; its sessions have ended")
    return command.DONE


def _new_password(name: str, *, make: bool) -> str:
    """What is kept of it."""
    from resources import passwords

    if make:
        word = secrets.token_urlsafe(15)
        print(word)
    elif sys.stdin.isatty():
        word = getpass.getpass("New password: ")
        if getpass.getpass("Once more: ") != word:
            raise command.Fault("the two are not the same; nothing was changed")
    else:
        word = sys.stdin.readline().rstrip("\r\n")
    try:
        return passwords.hashed(word, name=name)
    except passwords.Unfit as error:
        raise command.Fault(str(error)) from None


def _demo(arguments: argparse.Namespace) -> int:
    with _owner() as (settings, db):
        demo(settings, db)
    return command.DONE


def demo(settings: "Settings", owner: "Connection") -> None:
    """One account a role, named like it; one that is there gets the password of these settings."""
    from resources import passwords
    from resources.store import staff
    from resources.store.operators import Who

    if settings.production:
        raise command.Fault("HANDOFF_ENVIRONMENT is production: the demo's accounts are not made there")
    kept = passwords.hashed(settings.required("HANDOFF_DEMO_PASSWORD"))
    who = Who("handoff staff demo", "the demo's accounts")
    there = {account.name for account in staff.accounts(owner)}
    for role in ROLES:
        if role in there:
            staff.set_password(owner, role, kept, who)
        else:
            staff.add(owner, role, staff.Role(role), kept, who)
