"""``handoff try hcoint``: an order and a note as the message the hospital would get.

The order is Redox JSON or an HL7 v2 ORM^O01; the partner is taken from ``hcoint.toml``.
"""

import argparse
import os
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from assets.formats.decode import ShapeError, moment
from assets.formats.hl7_checks import problems
from assets.formats.hl7_oracle import objections
from assets.formats.hl7_read import Hl7Error, decode, parse
from assets.hcoint import hl7_order, redox_order
from assets.hcoint.documents import NotTaken, examine
from assets.hcoint.events import Happened, NotAnOrder, Order
from assets.hcoint.hl7_note import mdm, oru
from assets.hcoint.note import Note
from assets.hcoint.partners import Partner, Partners, PartnersError, load
from assets.hcoint.redox_results import results
from handoff.tries import Document, Remark, Say, Tried, each

FORMATS = ("redox", "oru", "mdm")
#: Where ``hcoint.toml`` is when ``HCOINT_PARTNERS`` does not say.
PARTNERS = Path(__file__).parents[2] / "hcoint.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The note that answers the order, and whose order it is."""
    parser.add_argument(
        "--note", metavar="NOTE", type=Path, required=True, help="the file to send, such as note.pdf"
    )
    parser.add_argument("--partner", help="the partner in hcoint.toml; by the order's sender, if not given")
    parser.add_argument(
        "--corrects", type=int, default=0, metavar="N", help="the note replaces note number N"
    )
    parser.add_argument(
        "--at", type=_moment, help="when it is sent, such as 2026-03-02T15:04:05+00:00; now, if not given"
    )


def run(documents: list[Document], arguments: argparse.Namespace) -> Tried:
    """The message for every order; what is wrong with the note or the partners stops all of them."""
    now = arguments.at or datetime.now(UTC)
    try:
        partners = load(Path(os.environ.get("HCOINT_PARTNERS", PARTNERS)))
        data = arguments.note.read_bytes()
    except PartnersError as error:
        return Tried(remarks=[Remark(str(error))])
    except OSError as error:
        return Tried(remarks=[Remark(f"note: {error.strerror}")])

    def make(raw: bytes, say: Say) -> bytes | None:
        return (
            b"".join([_message(order, data, partners, arguments, now, say) for order in _orders(raw, say)])
            or None
        )

    made, remarks = each(documents, make)
    return Tried(b"".join(made), remarks)


def _orders(raw: bytes, say: Say) -> list[Order]:
    """The orders of one document; why there is none goes to ``say``."""
    try:
        told = (
            redox_order.read(raw) if raw.lstrip()[:1] in (b"{", b"[") else hl7_order.read(parse(decode(raw)))
        )
    except (NotAnOrder, Hl7Error) as error:
        say(Remark(str(error)))
        return []
    found = [one for one in told if isinstance(one, Order)]
    for one in told:
        if not isinstance(one, Order):
            say(Remark("the end of a visit: nothing is sent for it", stops=False))
        elif one.happened is Happened.CANCELLED:
            say(Remark("the order is cancelled: nothing is sent for it", stops=False))
    return [order for order in found if order.happened is not Happened.CANCELLED]


def _message(
    order: Order, data: bytes, partners: Partners, arguments: argparse.Namespace, now: datetime, say: Say
) -> bytes:
    """What is sent for one order; empty where the note is not taken."""
    try:
        partner = _partner(order, partners, arguments.partner)
        document = examine(data, name=arguments.note.name, kinds=partner.kinds)
    except (NotTaken, PartnersError) as error:
        say(Remark(f"note: {error}" if isinstance(error, NotTaken) else str(error)))
        return b""
    if document.remark:
        say(Remark(f"note: {document.remark}", stops=False))
    note = Note(document, number=arguments.corrects + 1, replaces=arguments.corrects)
    if arguments.form == "redox":
        return _redox(order, note, partner, now, say, check=arguments.check)
    written = (oru if arguments.form == "oru" else mdm)(order, note, partner, now=now)
    for problem in _checked(written.decode()) if arguments.check else ():
        say(problem)
    return written


def _partner(order: Order, partners: Partners, name: str | None) -> Partner:
    if name is not None:
        found = [partner for partner in partners.all if partner.name == name]
    else:
        found = [partner for partner in (partners.of_order(order), *partners.all) if partner]
    if not found:
        raise PartnersError("--partner: there is no such partner in hcoint.toml")
    return found[0]


def _redox(order: Order, note: Note, partner: Partner, now: datetime, say: Say, *, check: bool) -> bytes:
    sent = results(order, note, partner, now=now)
    line, _, file = sent.body.partition(b"\n")
    if file:
        say(Remark(f"the file ({len(file)} bytes) is uploaded first; Value gets its address", stops=False))
    elif check:
        same = _embedded(line) == note.document.data
        say(Remark(f"check: redox: the file reads back {'alike' if same else 'differently'}", stops=not same))
    return line + b"\n"


def _embedded(line: bytes) -> bytes:
    return b64decode(msgspec.json.decode(line)["Orders"][0]["Results"][0]["Value"], validate=True)


def _checked(written: str) -> list[Remark]:
    """What our own checks and hl7apy say."""
    ours = [Remark(f"check: {problem}") for problem in problems(parse(written))]
    theirs = [Remark(f"check: hl7apy: {text}") for text in objections(written)]
    return ours + theirs or [Remark("check: hl7apy: no objection", stops=False)]


def _moment(text: str) -> datetime:
    try:
        return moment("--at", text)
    except ShapeError as error:
        raise argparse.ArgumentTypeError(error.text) from None
