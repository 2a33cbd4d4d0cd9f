"""An order as its page shows it: the file, the life in words. Not the page: that is ``web/order.py``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from assets.drain.outcomes import Outcome
from assets.hcoint.documents import KINDS, Document
from resources.store import lookup
from resources.store.connect import Connection
from resources.store.notes import Note
from resources.store.orders import Event
from web.staff.showing import OUTCOMES

#: A text is shown on the page up to here.
SHOWN_CHARACTERS = 4_000
#: What a browser shows by itself, safely.
SHOWN = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "pdf": "application/pdf",
    "txt": "text/plain; charset=utf-8",
}

#: What happened, as the page says it; the look of its dot.
EVENTS = {
    "order_created": ("The hospital placed the order", "good"),
    "order_updated": ("The hospital changed the order", "going"),
    "order_cancelled": ("The hospital cancelled the order", "bad"),
    "duplicate_order_flagged": ("The hospital sent the order once more", "wait"),
    "parked_unknown_order": ("A cancellation came before the order", "wait"),
    "visit_ended": ("The patient was discharged", "going"),
    "imported": ("Taken over from the system before", "still"),
}
ACTS = {
    "note_attached": "attached a note",
    "sent": "sent the note",
    "sent_again": "sent the note again",
    "held": "put the order on hold",
    "released": "ended the hold",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an order's life as the page shows it."""

    at: datetime
    text: str
    look: str
    more: str = ""
    message: int | None = None


@dataclass(frozen=True, slots=True)
class File:
    """The note as the page shows it."""

    said: str
    kind: str
    size: int
    sha256: str
    pages: int
    remark: str
    text: str
    shown: bool


def born(text: str) -> str:
    """A date of birth in words that cannot be read the other way round.

    >>> born("2008-01-06")
    '6 January 2008'
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return "not given"
    return f"{day.day} {day:%B %Y}"


def file_of(document: Document, *, waiting: bool) -> File:
    """The note; what was odd about it is said until it is sent."""
    text = ""
    if document.kind == "txt":
        text = document.data[: 4 * SHOWN_CHARACTERS].decode("utf-8", "replace")[:SHOWN_CHARACTERS]
    return File(
        said=KINDS[document.kind].said,
        kind=document.kind,
        size=len(document.data),
        sha256=document.sha256,
        pages=document.pages,
        remark=document.remark if waiting else "",
        text=text,
        shown=document.kind in SHOWN,
    )


def acts_and_events(events: Sequence[Event]) -> list[Step]:
    """What the hospital and people did."""
    found = []
    for event in events:
        if event.who:
            told = ACTS.get(event.what, "settled what the order was flagged for")
            found.append(Step(event.at, f"{event.who} {told}", "person"))
        else:
            text, look = EVENTS.get(event.what, (event.what.replace("_", " "), "still"))
            found.append(Step(event.at, text, look))
    return found


def tries(db: Connection, sent: Sequence[Note]) -> list[Step]:
    """The attempts at each note, in the words of the messages' page."""
    found = []
    for one in sent:
        life = lookup.life(db, one.message)
        for tried in life.tries if life else ():
            text, look = OUTCOMES.get(Outcome(tried.outcome).name, ("Tried", "still"))
            more = f"note {one.number}, {tried.ms} ms" + (f", status {tried.status}" if tried.status else "")
            found.append(Step(tried.at, text, look, more, one.message))
    return found
