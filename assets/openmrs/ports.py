"""What settling a record needs from outside, and what it gives back: far ends, the store, the outcome.

The store's half is a protocol: which rows hold it is decided where the SQL is.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from assets.openmrs.events import Key, Side
from assets.openmrs.merge import Clash
from assets.openmrs.reconcile import Conflict
from assets.openmrs.states import Absence, Alive, Reading, RecordState
from assets.openmrs.tree import Tree, decode
from resources.fhir_server import Found, Read, Sent


class FarEnd(Protocol):
    """One server of a link, as ``resources`` speaks to it."""

    clock_ahead: float | None

    async def read(self, kind: str, record_id: str) -> Read: ...

    async def search(self, kind: str, parameters: Mapping[str, str]) -> list[bytes]: ...

    async def find_origin(self, kind: str, system: str, record_id: str) -> list[bytes]: ...

    async def carry_out(self, message: bytes) -> Sent: ...


class Shelf(Protocol):
    """What the store must offer while a record is being settled."""

    async def states(self, side: Side, keys: Iterable[Key]) -> Mapping[Key, RecordState]:
        """What is remembered of these records, by their ids on ``side``, former ones too; unknown are left out."""
        ...

    async def owe(self, state: RecordState, side: Side, kind: str, message: bytes) -> None:
        """Commit, before anything is sent: the state with its intention, and the exact calls."""
        ...

    async def refused(self, state: RecordState) -> None:
        """Commit that what was begun has not happened: the server has refused it."""
        ...

    async def begun(self, kind: str) -> list[RecordState]:
        """Records of a type of which a write was begun whose end is not known yet."""
        ...

    async def ids_there(self, side: Side, key: Key) -> list[str]:
        """The ids a record has had on that server, the present one last, as another link to it remembers."""
        ...

    async def begun_there(self, side: Side, kind: str) -> list[Tree]:
        """What other links are writing to that server at this moment, in canonical form."""
        ...

    async def keep(self, done: "Settled") -> None:
        """Commit the outcome of a record that was fetched because another points to it (R8)."""
        ...


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a run has found out of a link's records, shared by those it settles side by side.

    ``there`` are ids of records known to be on a side, ``inside`` says which patients are of the catchment.
    """

    there: dict[tuple[Side, Key], str] = field(default_factory=dict)
    inside: dict[str, bool] = field(default_factory=dict)


class Outcome(enum.Enum):
    """What became of a record; each is an outcome the marker may pass (R3)."""

    APPLIED = "applied"
    NOT_KEPT = "applied, but the server did not keep all of it"
    UNCHANGED = "nothing to do"
    OUTSIDE = "outside the clinic's catchment"
    TOMBSTONED = "voided on both sides"
    PURGED = "purged on one side"
    CONFLICT = "waits for a person"
    PARKED = "waits for another record"
    SET_ASIDE = "cannot be sent as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What the store keeps of a settled record, in one transaction with the ledger rows that led to it.

    ``reason`` is a sentence an administrator can act on. ``waits_for`` names records by their ids on either
    side: until one of them changes there is nothing to try. ``elements`` names what was not kept, ``changed`` what was
    written, never their values. ``wants_history``: the patient has just come into the catchment, and older records go
    with them (R16).
    """

    key: Key
    state: RecordState
    outcome: Outcome
    reason: str
    conflict: Conflict | None = None
    waits_for: tuple[Key, ...] = ()
    elements: tuple[str, ...] = ()
    overruled: tuple[Clash, ...] = ()
    wrote: tuple[Side, ...] = ()
    changed: tuple[str, ...] = ()
    wants_history: bool = False


async def reading(end: FarEnd, kind: str, record_id: str) -> Reading:
    """The record as it is on a far end now."""
    found = await end.read(kind, record_id)
    if found.found is Found.ALIVE:
        return Alive(decode(found.body), found.version)
    return Absence.VOIDED if found.found is Found.GONE else Absence.UNKNOWN
