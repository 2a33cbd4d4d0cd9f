"""Keys of people: consultation results are sealed to their readers, each of whom has a key file of their own.

Made where the file is to lie, on the machine of the decrypt service or of the report; only its public half leaves it.
The passphrase is asked for, or read from standard input: it never stands in a command line. The escrow's has two
parts, each known to one of two people. Rewrapping, too, happens where the key file lies.
"""

import argparse
import getpass
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handoff import columns, command

if TYPE_CHECKING:
    from resources.sealing import PrivateKey, PublicKey
    from resources.settings import Settings
    from resources.store.connect import Connection
    from resources.store.wrapped import Change

ROTATED = """\
1. Restart the service that opens with this folder: from then on it has both keys.
2. Set the line above for the web service and for Dagster, and restart them: new records are sealed to the new key.
3. handoff keys rewrap --recipient {recipient} --folder {folder}
4. handoff keys retire {old} --folder {folder} --by NAME --reason TEXT
"""


def add_verbs(verbs: Any) -> None:
    """``rewrap`` and ``retire``; making, listing and rotating share the words of the store's own keys."""
    rewrapping = verbs.add_parser(
        "rewrap", help="wrap the keys of records sealed to a reader's older keys for the newest one"
    )
    rewrapping.add_argument("--recipient", metavar="NAME", required=True, help="whose records")
    rewrapping.add_argument("--folder", type=Path, required=True, help="where the reader's key files lie")
    rewrapping.add_argument(
        "--also-for",
        metavar="PUBLIC",
        help="instead: for this public key besides, as `make` printed it, for a reader who has lost theirs",
    )
    rewrapping.add_argument("--pause", type=float, default=0.0, metavar="SECONDS", help="between chunks (0)")
    rewrapping.set_defaults(run=_rewrap)
    retiring = verbs.add_parser("retire", help="take a reader's key that no record names any more out of use")
    retiring.add_argument("kid", metavar="KEY", help="its id, as `list --folder` shows it before the colon")
    retiring.add_argument("--folder", type=Path, required=True, help="where the key file lies")
    command.add_who(retiring)
    retiring.set_defaults(run=_retire)


# -- making and listing ------------------------------------------------------------------------------------------


def make(arguments: argparse.Namespace) -> int:
    """A new key file; prints the public key as the settings take it."""
    print(_made(arguments, _passphrase(arguments.recipient, twice=True)).text)
    return command.DONE


def rotate(arguments: argparse.Namespace) -> int:
    """A further key file under the same passphrase; prints the setting, and what is to be done in which order."""
    from resources import sealing_keys

    recipient, folder = arguments.recipient, arguments.folder
    old = sealing_keys.current(folder).get(recipient)
    if old is None:
        raise command.Fault(f"{recipient} has no key in {folder}: `handoff keys make` makes the first one")
    passphrase = _passphrase(recipient)
    sealing_keys.opened(folder, recipient, passphrase)  # one passphrase opens all keys of a reader
    print(f"{setting(recipient)}={_made(arguments, passphrase).text}")
    command.tell(ROTATED.format(recipient=recipient, folder=folder, old=old.kid))
    return command.DONE


def setting(recipient: str) -> str:
    """The setting that holds a reader's public key."""
    return f"PRIDOK_{recipient.upper()}_PUBLIC_KEY"


def _made(arguments: argparse.Namespace, passphrase: str) -> "PublicKey":
    from resources import sealing_keys

    public = sealing_keys.make(arguments.folder, arguments.recipient, passphrase, datetime.now(UTC))
    command.tell(
        f"the key file {public.kid}.key is in {arguments.folder}; keep a copy where no backup of the store is"
    )
    return public


def _passphrase(recipient: str, *, twice: bool = False) -> str:
    from resources import sealing_keys

    if recipient != "escrow":
        return _part(recipient, twice=twice)
    parts = [_part(f"{recipient}, the {which} person's part", twice=twice) for which in ("first", "second")]
    return sealing_keys.joint_passphrase(*parts)


def _part(whose: str, *, twice: bool) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass(f"passphrase of {whose}: ")
    if twice and getpass.getpass("once more: ") != first:
        raise command.Fault("the two are not the same: nothing was made")
    return first


def opened(folder: Path, recipient: str) -> dict[str, "PrivateKey"]:
    """Every key of a reader that is in use, by id; asks for the passphrase."""
    from resources import sealing_keys

    if not folder.is_dir():
        raise command.Fault(f"{folder} is no folder")
    return sealing_keys.opened(folder, recipient, _passphrase(recipient))


def show(arguments: argparse.Namespace) -> int:
    """The key files of a folder: whose, since when, and the public half."""
    from resources import sealing_keys

    folder: Path = arguments.folder
    if not folder.is_dir():
        raise command.Fault(f"{folder} is no folder")
    found = sealing_keys.listed(folder)
    newest = sealing_keys.current(folder).values()
    lines = []
    for one in found:
        use = "retired" if one.retired else "seals" if one.public in newest else "opens"
        lines.append((one.public.recipient, use, f"{one.made_at:%Y-%m-%d}", one.public.text))
    names = ("recipient", "use", "made", "public")
    if arguments.json:
        for line in lines:
            print(json.dumps(dict(zip(names, line, strict=True))))
    else:
        columns.show([columns.Column(name) for name in names], lines)
    return command.DONE


# -- rewrapping and retiring -------------------------------------------------------------------------------------


def _rewrap(arguments: argparse.Namespace) -> int:
    from resources import sealing_keys
    from resources.sealing import PublicKey
    from resources.store import wrapped
    from resources.store.operators import Who, note

    recipient, folder = arguments.recipient, arguments.folder
    keys = opened(folder, recipient)
    newest = sealing_keys.current(folder)[recipient]
    steps: list[tuple[str, Change]] = []
    if arguments.also_for:
        try:
            to = PublicKey.parse(arguments.also_for)
        except ValueError as error:
            raise command.Fault(str(error)) from None
        steps = [(kid, wrapped.wrapped_besides(key, to)) for kid, key in keys.items()]
    else:
        to = newest
        steps = [(kid, wrapped.wrapped_anew(key, to)) for kid, key in keys.items() if kid != to.kid]
    if not steps:
        raise command.Fault(
            f"{recipient} has one key only, {to.kid}: `handoff keys rotate` makes the next one"
        )
    with command.settings() as found, _owner(found) as db:
        who = Who(command.account(), "rotation of keys")
        note(db, who, "rewrap", target=f"for {to.kid}")
        damaged = sum(_rewrapped(db, found, kid, by, to.kid, arguments.pause) for kid, by in steps)
        _warn_of_settings(found, recipient, newest.kid)
    return command.NOT_POSSIBLE if damaged else command.DONE


def _owner(found: "Settings") -> "Connection":
    from resources.store.connect import connect

    return connect(found.owner_url, "handoff rewrap")


def _rewrapped(db: "Connection", found: "Settings", kid: str, by: "Change", to: str, pause: float) -> int:
    """Change every record that names a key; how many do not open."""
    from resources.store import wrapped
    from resources.store.seal import Sealer

    done: dict[str, int] = {}
    damaged = 0
    for step in wrapped.change(db, Sealer(found.keys), kid, by, without=to):
        done[step.table] = done.get(step.table, 0) + step.done
        damaged += len(step.damaged)
        for row in step.damaged:
            command.tell(f"{step.table} {row}: does not open with {kid} and was left as it is")
        time.sleep(pause)
    for table, count in done.items():
        print(f"{table}: {count} of {kid} wrapped for {to}", flush=True)
    return damaged


def _warn_of_settings(found: "Settings", recipient: str, newest: str) -> None:
    used = found.text(setting(recipient)).partition(":")[0]
    if used and used != newest:
        command.tell(
            f"{setting(recipient)} still names {used}: set it to {newest}, restart web and Dagster, rewrap again"
        )


def _retire(arguments: argparse.Namespace) -> int:
    from resources import sealing_keys
    from resources.store import wrapped
    from resources.store.operators import note
    from resources.store.seal import Sealer

    kid = arguments.kid.partition(":")[0]
    who = command.who(arguments)
    with command.settings() as found, _owner(found) as db:
        name = setting(kid.rpartition("-")[0])
        if found.text(name).partition(":")[0] == kid:
            raise command.Fault(f"{name} still names {kid}: new records would be sealed to it")
        counted = {
            table: count for table, count in wrapped.named(db, Sealer(found.keys), kid).items() if count
        }
        if counted:
            named = ", ".join(f"{count} of {table}" for table, count in counted.items())
            command.tell(f"it is still named by {named}")
        path = sealing_keys.retire(arguments.folder, kid, [kid] if counted else [])
        note(db, who, "key retired", target=kid)
    command.tell(f"{path.name} stays for backups from before the rewrap; delete it when those are gone")
    return command.DONE
