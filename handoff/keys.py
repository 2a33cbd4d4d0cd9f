"""``handoff keys``: the keys that seal what is stored: made, listed, rotated without an interruption.

Those of the store are here, those of people who read consultations in ``recipients``.

A secret is printed only by ``make`` and ``rotate``, which are asked for one. Index keys find rows again and are not
rotated: under another index key no message would be found, and a repeat would be taken for something new.
"""

import argparse
import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handoff import access_chain, columns, command, recipients, shredding

if TYPE_CHECKING:
    from resources.store.connect import Connection
    from resources.store.seal import Keys

EXAMPLES = """\
To rotate: `rotate` prints the new ring; set it everywhere and restart; `reseal` seals the old bodies anew, while
everything runs; when `list` shows none under the old key, take it out of the ring. Backups made before need it still.

examples:
  handoff keys make                      one new key, such as k20260301:...
  handoff keys make --index
  handoff keys list
  handoff keys rotate                    prints HANDOFF_KEYS=new:...,old:...
  handoff keys reseal --pause 0.5

of people who read consultation results, where their key files lie:
  handoff keys make --recipient clinic --folder /srv/keys     a key file; asks for a passphrase
  handoff keys list --folder /srv/keys
  handoff keys rotate --recipient clinic --folder /srv/keys   a further one, and what to do in which order
  handoff keys rewrap --recipient clinic --folder /srv/keys
  handoff keys retire clinic-0123456789abcdef --folder /srv/keys --by Katie --reason "rotation"

of one patient, and of the access log:
  handoff keys shred --consultation 1880000000000000000 --by Katie --reason "asked for" --decision "board, 2026-03-01"
  handoff keys verify-log
"""

ROTATED = """\
Set this as HANDOFF_KEYS on every machine and restart the services. Where they cannot all restart at the same moment,
set it first with the new key last (every process learns to open with it), restart, and then as it stands here.
Then: handoff keys reseal
"""

KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One verb each."""
    parser.epilog = EXAMPLES
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    making = verbs.add_parser("make", help="print one new key; it stands nowhere else")
    making.add_argument("--index", action="store_true", help="a key of the look-up columns, for a new store")
    making.add_argument("--id", type=_key_id, help="what it is called in the ring (k or i and the day)")
    making.add_argument("--recipient", metavar="NAME", help="a key file for a reader of consultation results")
    making.add_argument("--folder", type=Path, help="where the key file is to lie")
    making.set_defaults(run=_make)
    listing = verbs.add_parser(
        "list", help="the keys by id and fingerprint, and how much is sealed with each"
    )
    listing.add_argument("--json", action="store_true", help="one JSON object a line for each key")
    listing.add_argument(
        "--folder", type=Path, help="instead: the key files of readers that lie in this folder"
    )
    listing.set_defaults(run=_list)
    rotating = verbs.add_parser("rotate", help="print the ring with a new key in front")
    rotating.add_argument("--id", type=_key_id, help="what the new key is called (k and the day)")
    rotating.add_argument("--recipient", metavar="NAME", help="instead: a further key file for this reader")
    rotating.add_argument("--folder", type=Path, help="where the reader's key files lie")
    rotating.set_defaults(run=_rotate)
    resealing = verbs.add_parser(
        "reseal", help="seal old bodies anew under the first key; may be stopped and repeated"
    )
    resealing.add_argument(
        "--pause", type=_seconds, default=0.05, metavar="SECONDS", help="between chunks (0.05)"
    )
    resealing.add_argument(
        "--chunk", type=_chunk, default=500, metavar="N", help="bodies of a transaction (500)"
    )
    resealing.set_defaults(run=_reseal)
    recipients.add_verbs(verbs)
    shredding.add_verb(verbs)
    access_chain.add_verb(verbs)


def _key_id(text: str) -> str:
    if not KEY_ID.fullmatch(text):
        raise argparse.ArgumentTypeError("write up to 32 letters, digits, - or _")
    return text


def _seconds(text: str) -> float:
    try:
        if 0 <= (seconds := float(text)) <= 60:
            return seconds
    except ValueError:
        pass
    raise argparse.ArgumentTypeError("write seconds from 0 to 60")


def _chunk(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 10_000:
        raise argparse.ArgumentTypeError("write a number from 1 to 10000")
    return int(text)


def _make(arguments: argparse.Namespace) -> int:
    from resources.store.seal import new_key

    if _of_a_reader(arguments):
        return recipients.make(arguments)
    print(new_key(arguments.id or _of_today("i" if arguments.index else "k", ())))
    return command.DONE


def _of_a_reader(arguments: argparse.Namespace) -> bool:
    if bool(arguments.recipient) != bool(arguments.folder):
        raise command.Fault("--recipient and --folder go together: whose key file, and where it is to lie")
    return bool(arguments.recipient)


def _of_today(letter: str, taken: tuple[str, ...]) -> str:
    """A name that says when the key was made, and that no key of the ring has.

    >>> _of_today("k", ())[0], len(_of_today("k", ()))
    ('k', 9)
    """
    day = f"{letter}{datetime.now(UTC):%Y%m%d}"
    names = (day, *(f"{day}-{number}" for number in range(2, 1000)))
    return next(name for name in names if name not in taken)


# -- list --------------------------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    from resources.store.resealing import SEALED, counts

    if arguments.folder:
        return recipients.show(arguments)
    with command.store() as (settings, db):
        sealed = {one.table: counts(db, one) for one in SEALED}
        lines = _lines(settings.keys, sealed)
    for line in lines:
        if line["use"] == "missing":
            command.tell(
                f"key {line['id']} is not in HANDOFF_KEYS: what it sealed cannot be opened; put it back"
            )
    if arguments.json:
        for line in lines:
            print(json.dumps(line))
        return command.DONE
    headings = [columns.Column(name) for name in ("ring", "id", "fingerprint", "use")]
    columns.show(headings, [(one["ring"], one["id"], one["fingerprint"] or "?", one["use"]) for one in lines])
    print()
    sealing = [line for line in lines if line["sealed"] is not None]
    headings = [columns.Column("sealed"), *(columns.Column(line["id"], right=True) for line in sealing)]
    columns.show(headings, [(name, *(str(one["sealed"][name]) for one in sealing)) for name in sealed])
    return command.DONE


def _lines(keys: "Keys", sealed: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """Each key of both rings, and those that sealed something and are in no ring."""
    from resources.store.seal import fingerprint

    lines: list[dict[str, Any]] = []
    for number, (name, secret) in enumerate(keys.sealing.items()):
        lines.append({"ring": "HANDOFF_KEYS", "id": name, "fingerprint": fingerprint(secret)})
        lines[-1]["use"] = "opens" if number else "seals"
    used = {name for counted in sealed.values() for name in counted}
    for name in sorted(used - keys.sealing.keys()):
        lines.append({"ring": "none", "id": name, "fingerprint": None, "use": "missing"})
    for line in lines:
        line["sealed"] = {table: counted.get(line["id"], 0) for table, counted in sealed.items()}
    for number, (name, secret) in enumerate(keys.indexing.items()):
        use = "unused" if number else "finds"
        line = {"ring": "HANDOFF_INDEX_KEYS", "id": name, "fingerprint": fingerprint(secret), "use": use}
        lines.append(line | {"sealed": None})
    return lines


# -- rotate and reseal -------------------------------------------------------------------------------------------


def _rotate(arguments: argparse.Namespace) -> int:
    import base64

    from resources.store.seal import new_key

    if _of_a_reader(arguments):
        return recipients.rotate(arguments)
    with command.settings() as settings:
        ring = settings.keys.sealing
    if arguments.id in ring:
        raise command.Fault("a key of this id is in the ring already: choose another with --id")
    new = new_key(arguments.id or _of_today("k", tuple(ring)))
    old = [f"{name}:{base64.b64encode(secret).decode()}" for name, secret in ring.items()]
    print(f"HANDOFF_KEYS={','.join([new, *old])}")
    command.tell(ROTATED)
    return command.DONE


def _reseal(arguments: argparse.Namespace) -> int:
    from resources.store.connect import connect
    from resources.store.operators import Who, note
    from resources.store.resealing import SEALED
    from resources.store.seal import Sealer

    with command.settings() as settings:
        first = next(iter(settings.keys.sealing))
        sealer = Sealer(settings.keys)
        damaged = 0
        with connect(settings.owner_url, "handoff reseal") as db:
            note(db, Who(command.account(), "rotation of keys"), "reseal", target=f"under key {first}")
            for one in SEALED:
                done, bad = _reseal_one(db, sealer, one, first, arguments)
                damaged += bad
                print(f"{one.table}: {done} sealed anew under {first}", flush=True)
    return command.NOT_POSSIBLE if damaged else command.DONE


def _reseal_one(
    db: "Connection", sealer: Any, sealed: Any, first: str, arguments: argparse.Namespace
) -> tuple[int, int]:
    """Seal a column anew, chunk by chunk; how many, and how many are damaged."""
    from resources.store.resealing import reseal

    done = bad = 0
    for step in reseal(db, sealer, sealed, first, most=arguments.chunk):
        done += step.done
        bad += len(step.damaged)
        for row in step.damaged:
            command.tell(
                f"{sealed.table} {row}: the body is damaged and was left as it is; restore it from a backup"
            )
        time.sleep(arguments.pause)
    return done, bad
