"""``handoff import-orders``: orders and notes of the system before this one. Safe to repeat: each order comes once."""

import argparse
import hashlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from handoff import command
from handoff.command import Fault, tell

if TYPE_CHECKING:
    from assets.hcoint.book import Book
    from assets.hcoint.documents import Document

EXAMPLE = """\
FILE holds one JSON object a line, an order each:

  {"order": {...}, "sha256": "...", "since": "2026-01-05T09:30:00Z", "state": "delivered",
   "file": {"sha256": "...", "base64": "..."}}

order is the message as Redox sent it, sha256 the digest of exactly these bytes of the line; state is requested,
delivered or cancelled; file may be left out, and instead of base64 it may have path, beside FILE. The last line
says how much there should be:

  {"orders": 412, "files": 398}

Digests and counts are compared. An order that is here already, also by the feed, stays as it is.

With --set-aside instead of FILE: messages that were kept and could not be used are read once more, for example
after their partner was entered into hcoint.toml.

examples:
  handoff import-orders orders.jsonl --dry-run
  handoff import-orders orders.jsonl
  handoff import-orders --set-aside
"""

#: What is refused is said line by line up to here.
SAID = 50


class _File(msgspec.Struct, forbid_unknown_fields=True):
    sha256: str
    base64: str = ""
    path: str = ""


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    order: msgspec.Raw
    sha256: str
    since: datetime
    state: str = "requested"
    file: _File | None = None


class _Sum(msgspec.Struct, forbid_unknown_fields=True):
    orders: int
    files: int


_line = msgspec.json.Decoder(_Line).decode
_sum = msgspec.json.Decoder(_Sum).decode


class _Wrong(Exception):
    """This line cannot be taken; the text repeats no value."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and whether to write anything."""
    parser.epilog = EXAMPLE
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("file", metavar="FILE", nargs="?", type=Path, help="orders as JSON lines")
    what.add_argument("--set-aside", action="store_true", help="read once more what could not be used")
    parser.add_argument("--dry-run", action="store_true", help="read, compare and count; take nothing over")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take the orders over and print what became of them."""
    from assets.hcoint.book import Book
    from assets.hcoint.sending import partners

    with command.settings() as settings:
        book = Book(settings, partners(settings))
        try:
            if arguments.set_aside:
                return _again(book, dry=arguments.dry_run)
            with arguments.file.open("rb") as lines:
                counted, good = _all(lines, arguments.file.parent, book, dry=arguments.dry_run)
        except OSError as error:
            raise Fault(f"the file cannot be read ({error.strerror})") from None
        finally:
            book.close()
    print(msgspec.json.encode(counted).decode())
    return command.DONE if good else command.NOT_POSSIBLE


def _again(book: "Book", *, dry: bool) -> int:
    from resources.store.orders import all_set_aside

    with book.store() as db:
        arrivals = all_set_aside(db)
    taken = 0 if dry else sum(book.take_again(arrival) for arrival in arrivals)
    print(msgspec.json.encode({"set_aside": len(arrivals), "taken": taken}).decode())
    return command.DONE


def _all(lines: BinaryIO, folder: Path, book: "Book", *, dry: bool) -> tuple[dict[str, int], bool]:
    counted: Counter[str] = Counter(dict.fromkeys(("orders", "files", "taken", "known", "refused"), 0))
    expected: _Sum | None = None
    for number, line in _numbered(lines):
        if (found := _is_sum(line)) is not None:
            expected = found
            continue
        try:
            counted[_one(line, folder, book, counted, dry=dry)] += 1
        except _Wrong as error:
            counted["refused"] += 1
            if counted["refused"] <= SAID:
                tell(f"line {number}: {error}")
    return dict(counted), _agrees(counted, expected) and not counted["refused"]


def _numbered(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _is_sum(line: bytes) -> _Sum | None:
    try:
        return _sum(line)
    except msgspec.MsgspecError:
        return None


def _agrees(counted: Counter[str], expected: _Sum | None) -> bool:
    if expected is None:
        tell("the last line, with how much there should be, is missing: the file may have been cut off")
        return False
    for what, number in (("orders", expected.orders), ("files", expected.files)):
        if counted[what] != number:
            tell(f"{what}: {counted[what]} in the file, {number} announced")
    return (counted["orders"], counted["files"]) == (expected.orders, expected.files)


def _one(line: bytes, folder: Path, book: "Book", counted: Counter[str], *, dry: bool) -> str:
    from assets.hcoint.book import QUARANTINED, Past
    from assets.hcoint.life import NotNow, State
    from assets.hcoint.told import by_redox
    from resources.store.intake import Verdict

    counted["orders"] += 1
    try:
        given = _line(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _Wrong(
            "not an order of the agreed shape; see `handoff import-orders --help`"
            + (f" (at {place})" if (place := str(error).partition(" - at ")[2]) else "")
        ) from None
    raw = bytes(given.order)
    if hashlib.sha256(raw).hexdigest() != given.sha256.lower():
        raise _Wrong("sha256: the order's bytes have another digest")
    if given.state not in ("requested", "delivered", "cancelled"):
        raise _Wrong("state: requested, delivered or cancelled")
    if given.since.tzinfo is None:
        raise _Wrong("since: give the offset from UTC")
    document = _document(given.file, folder) if given.file else None
    counted["files"] += document is not None
    told = by_redox(raw)
    if told.problem:
        raise _Wrong(f"order: {told.problem}")
    if dry:
        return "taken"
    try:
        taken = book.take_over(told, Past(given.since, State(given.state), document))
    except NotNow as error:
        raise _Wrong(str(error)) from None
    if taken.effects == (QUARANTINED,):
        raise _Wrong("order: one order of a partner in hcoint.toml is wanted")
    return "taken" if taken.verdict is Verdict.RECEIVED else "known"


def _document(file: _File, folder: Path) -> "Document":
    from assets.hcoint.documents import KINDS, NotTaken, examine

    try:
        data = _inside(folder, file.path).read_bytes() if file.path else b64decode(file.base64, validate=True)
    except (OSError, Base64Error):
        raise _Wrong("file: it cannot be read") from None
    if hashlib.sha256(data).hexdigest() != file.sha256.lower():
        raise _Wrong("file.sha256: the file has another digest")
    try:
        return examine(data, name="", kinds=KINDS)
    except NotTaken as error:
        raise _Wrong(f"file: {error}") from None


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise _Wrong("file.path: it leads out of the folder of FILE")
    return path
