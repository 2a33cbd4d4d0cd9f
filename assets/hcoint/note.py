"""A note for an order, and the message it becomes: the values every wire shares."""

from dataclasses import dataclass, field
from typing import Final

from assets.hcoint.documents import KINDS, Document
from assets.hcoint.events import Order

#: How we name ourselves in MSH-3 and MSH-4, and as the source of our numbers and documents.
OURSELVES: Final = "HANDOFF"


@dataclass(frozen=True, slots=True)
class Note:
    """A document attached to an order. ``number`` counts what was sent for the order, from one.

    ``replaces`` is the number of the delivered note that this one corrects, 0 for none.
    """

    document: Document
    number: int = 1
    replaces: int = 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to a partner: its kind, its exact bytes, and what the client needs to address it.

    With ``upload`` in the address the body is the Results document with an empty value, one line, and after
    the line feed the file, which the client uploads first.
    """

    kind: str
    body: bytes
    address: dict[str, str] = field(default_factory=dict)


def our_note_id(order: Order, number: int) -> str:
    """Our number for a note: the message's control id and the document's number, at most 20 characters.

    The same note sent again carries the same number.
    """
    return f"{order.our_id}-{number}"


def file_name(order: Order, note: Note) -> str:
    """What the file is called on its way: our numbers, no name of a person."""
    return f"{our_note_id(order, note.number)}.{KINDS[note.document.kind].ending}"
