"""The answer to an order as it lies in the inbox: the order as it was known, the note, the partner's name.

The message that goes out is made of this and nothing else, so that mapping it again tomorrow needs no page and no
other row. Pure.
"""

from dataclasses import dataclass

import msgspec

from assets.hcoint.documents import Document
from assets.hcoint.events import Order
from assets.hcoint.note import Note


@dataclass(frozen=True, slots=True)
class Answer:
    """A note a person has sent for an order."""

    order: Order
    note: Note
    partner: str


class _Head(msgspec.Struct, frozen=True):
    order: Order
    partner: str
    number: int
    replaces: int
    kind: str
    sha256: str
    pages: int


_head = msgspec.json.Decoder(_Head).decode


def pack(answer: Answer) -> bytes:
    """The answer as bytes: what is known of it on one line of JSON, then the file as it is."""
    note, document = answer.note, answer.note.document
    head = _Head(
        answer.order,
        answer.partner,
        note.number,
        note.replaces,
        document.kind,
        document.sha256,
        document.pages,
    )
    return b"".join([msgspec.json.encode(head), b"\n", document.data])


def unpack(body: bytes) -> Answer:
    """The answer in an arrival's bytes."""
    line, _, data = body.partition(b"\n")
    head = _head(line)
    document = Document(data, head.kind, head.sha256, head.pages)
    return Answer(head.order, Note(document, head.number, head.replaces), head.partner)
