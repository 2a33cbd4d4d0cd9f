"""Keys of people: consultation results are sealed to their readers, each of whom has a key file of their own.

Made where the file is to lie, on the machine of the decrypt service or of the report; only its public half leaves it.
The passphrase is asked for, or read from standard input: it never stands in a command line.
"""

import argparse
import getpass
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from handoff import columns, command


def make(arguments: argparse.Namespace) -> int:
    """A new key file; prints the public key as the settings take it."""
    from resources import sealing_keys

    passphrase = _passphrase(arguments.recipient)
    public = sealing_keys.make(arguments.folder, arguments.recipient, passphrase, datetime.now(UTC))
    print(public.text)
    command.tell(
        f"the key file {public.kid}.key is in {arguments.folder}; keep a copy where no backup of the store is"
    )
    return command.DONE


def _passphrase(recipient: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass(f"passphrase for {recipient}: ")
    if getpass.getpass("once more: ") != first:
        raise command.Fault("the two passphrases differ: nothing was made")
    return first


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
