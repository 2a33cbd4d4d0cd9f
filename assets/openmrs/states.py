"""What a record is on a side now, and what is remembered of it there: values, and how they follow each other.

Records never show in a ``repr``, which may end in a log. What to do when the two differ is ``reconcile``'s
decision; which rows hold it is the store's.
"""

import enum
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from assets.openmrs.canonical import canonical, fingerprint
from assets.openmrs.events import Side
from assets.openmrs.tree import Tree


class Absence(enum.Enum):
    """How a record is not there: 410 is voided or retired, 404 is unknown or purged."""

    VOIDED = "voided"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Alive:
    """A record as just read, with the server's own version of it."""

    record: Tree = field(repr=False)
    version: str = ""


Reading: TypeAlias = Alive | Absence


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is remembered of a record on one side, as read back after the last exchange (R9, R10).

    ``base`` is its canonical snapshot and ``hash`` that snapshot's fingerprint, by which the echo of our own
    write is known; ``absent`` is how it was gone. Neither base nor absent: never exchanged.
    """

    id: str
    base: Tree | None = field(default=None, repr=False)
    hash: str = ""
    absent: Absence | None = None
    version: str = ""

    @property
    def met(self) -> bool:
        return self.base is not None or self.absent is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordState:
    """What is remembered of a record on a link.

    ``intended`` is the side where a creation was begun whose outcome is not stored yet, ``sent`` what was
    to be created there, in canonical form (R2). ``outside``:
    the record was met and left out by the catchment, so its history must be fetched when it enters (R16).
    ``former`` are ids it had on a side before: FHIR2 answers an edited observation under a new one.
    ``open``: its last look settled nothing, so one side being as it was is no reason to leave it alone.
    """

    type: str
    parent: Known
    child: Known
    intended: Side | None = None
    sent: Tree | None = field(default=None, repr=False)
    outside: bool = False
    former: tuple[tuple[Side, str], ...] = ()
    open: bool = False

    def on(self, side: Side) -> Known:
        return self.parent if side is Side.PARENT else self.child


def remembered(known: Known, reading: Reading, *, record_id: str = "") -> Known:
    """What is remembered of a side from its read-back on."""
    if isinstance(reading, Alive):
        base = canonical(reading.record)
        own = record_id or known.id
        return Known(id=own, base=base, hash=fingerprint(reading.record), version=reading.version)
    if reading is Absence.UNKNOWN and not known.met:
        return known
    return Known(id=record_id or known.id, absent=reading)


def settled(state: RecordState, parent: Reading, child: Reading) -> RecordState:
    """The state after an exchange: what was read back on both sides is the new base of each."""
    return replace(
        state,
        parent=remembered(state.parent, parent),
        child=remembered(state.child, child),
        intended=None,
        sent=None,
        outside=False,
    )
