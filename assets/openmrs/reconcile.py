"""What is to be done about one record, given what both sides are and what they last were: a decision.

Both sides are always looked at, whichever of them gave the hint, so a stale hint after a local edit carries
the edit instead of losing it. The read decides about life and death, never the word in the feed (R12).
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from assets.openmrs.canonical import fingerprint
from assets.openmrs.events import Side
from assets.openmrs.merge import (
    Change,
    Choice,
    Clash,
    Half,
    Policy,
    applied,
    changes,
    common,
    differing,
    merge,
)
from assets.openmrs.states import Absence, Alive, Known, Reading, RecordState
from assets.openmrs.tree import Tree


class Reason(enum.Enum):
    """Why nothing is written."""

    ECHO = "the record is as we left it: the event is the echo of our own write"
    UNCHANGED = "neither side changed"
    AGREED = "both sides say the same"
    ADOPTED = "the creation whose answer was lost had arrived"
    TOMBSTONED = "the record is voided on both sides"
    PURGED = "the record was purged on one side; the other side is left as it is"
    RENUMBERED = "the record goes on under another id"
    NEVER_MET = "the record is on neither side"


@dataclass(frozen=True, slots=True)
class Nothing:
    """No write; the readings become the new bases where they are known."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Create:
    """The record is new on ``side``."""

    side: Side
    record: Tree = field(repr=False)


@dataclass(frozen=True, slots=True)
class Edit:
    """Some elements of the record change on ``side``: ``after`` is the whole record with them."""

    side: Side
    before: Tree = field(repr=False)
    after: Tree = field(repr=False)
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Void:
    """The record is voided on ``side``."""

    side: Side


@dataclass(frozen=True, slots=True)
class Revive:
    """The record, once voided, is alive again on ``side``; its content is compared afterwards."""

    side: Side


Write: TypeAlias = Create | Edit | Void | Revive


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """The writes to make. ``overruled`` lists what a policy decided against one side, for the audit."""

    writes: tuple[Write, ...]
    overruled: tuple[Clash, ...] = ()


class Quarrel(enum.Enum):
    """What a conflict is about; each is kept with both versions until a person resolves it (R11)."""

    SAME_ELEMENT = "both sides changed the same element"
    VOID_AGAINST_EDIT = "one side voided the record, the other changed it"
    VOID_AGAINST_MET = "one side has voided the record, the other has it, and they were never compared"
    PURGE_AGAINST_EDIT = "one side purged the record, the other changed it"
    IDENTIFIER_TAKEN = "another patient there has the same identifier; patients are never matched by us"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A conflict: the record waits, both versions and both bases are kept with it."""

    quarrel: Quarrel
    parent: Reading
    child: Reading
    clashes: tuple[Clash, ...] = ()


Plan: TypeAlias = Nothing | Carry | Conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided about a conflict: each clashing element, or which side's record lives on.

    ``survivor`` names the side that is right about a record one side voided or purged: the other follows.
    """

    elements: Mapping[str, Choice] = field(default_factory=dict)
    survivor: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a link resolves what both sides changed; ``newer`` is None where clocks cannot be compared."""

    policies: Mapping[str, Policy] = field(default_factory=dict)
    newer: Side | None = None
    decision: Decision = field(default_factory=Decision)

    def policy(self, kind: str) -> Policy:
        return self.policies.get(kind, Policy.MERGE)


class _Life(enum.Enum):
    """What happened to a record on one side since its base."""

    SAME = enum.auto()
    EDITED = enum.auto()
    VOIDED = enum.auto()
    PURGED = enum.auto()
    REVIVED = enum.auto()
    MET = enum.auto()
    ABSENT = enum.auto()


def unchanged(known: Known, reading: Reading) -> bool:
    """Whether a side is as it was read back after our last exchange: its event is our own echo (R9).

    The version alone proves nothing: two edits within a second share one, and a change of the person may
    not move it.
    """
    return _life(known, reading) is _Life.SAME


def decide(state: RecordState, parent: Reading, child: Reading, rules: Rules) -> Plan:
    """What to do about a record; the same answer whichever side the hint came from."""
    if isinstance(parent, Alive):
        if isinstance(child, Alive):
            return _both_alive(state, parent.record, child.record, rules)
        found = _one_alive(Side.PARENT, parent, child, state) or _decided(Side.PARENT, parent, child, rules)
        return found or _quarrel(state, parent, child)
    if isinstance(child, Alive):
        found = _one_alive(Side.CHILD, child, parent, state) or _decided(Side.CHILD, child, parent, rules)
        return found or _quarrel(state, parent, child)
    return _both_gone(state, parent, child)


def _both_alive(state: RecordState, parent: Tree, child: Tree, rules: Rules) -> Plan:
    bases = (state.parent.base, state.child.base)
    if bases[0] is not None and bases[1] is not None:
        return _merged(state, Half(bases[0], parent), Half(bases[1], child), rules)
    if state.intended is not None and state.sent is not None:
        return _adopted(state, state.intended, state.sent, parent, child, rules)
    alike = common(parent, child)
    return _merged(state, Half(alike.base, parent), Half(alike.now, child), rules)


def _adopted(state: RecordState, target: Side, sent: Tree, parent: Tree, child: Tree, rules: Rules) -> Plan:
    """The creation whose answer was lost has arrived; what changed on either side since then still counts.

    What is missing at the target was lost by its mapping; what differs there was edited by somebody.
    """
    there = child if target is Side.CHILD else parent
    base = applied(there, differing(sent, there))
    halves = {target: Half(base, there), target.other: Half(sent, parent if target is Side.CHILD else child)}
    plan = _merged(state, halves[Side.PARENT], halves[Side.CHILD], rules)
    return Nothing(Reason.ADOPTED) if isinstance(plan, Nothing) else plan


def _merged(state: RecordState, parent: Half, child: Half, rules: Rules) -> Plan:
    found = merge(parent, child, rules.policy(state.type), rules.newer, rules.decision.elements)
    if found.clashes:
        return Conflict(
            quarrel=Quarrel.SAME_ELEMENT,
            parent=Alive(parent.now),
            child=Alive(child.now),
            clashes=found.clashes,
        )
    writes: list[Write] = []
    if found.to_child:
        writes.append(Edit(Side.CHILD, child.now, applied(child.now, found.to_child), found.to_child))
    if found.to_parent:
        writes.append(Edit(Side.PARENT, parent.now, applied(parent.now, found.to_parent), found.to_parent))
    if writes:
        return Carry(writes=tuple(writes), overruled=found.overruled)
    touched = changes(parent.base, parent.now) or changes(child.base, child.now)
    return Nothing(Reason.AGREED if touched or not state.parent.met else Reason.UNCHANGED)


def _both_gone(state: RecordState, parent: Reading, child: Reading) -> Nothing:
    purged = {state.parent.base is not None and parent, state.child.base is not None and child}
    if Absence.UNKNOWN in purged:
        return Nothing(Reason.PURGED)
    return Nothing(Reason.TOMBSTONED if Absence.VOIDED in (parent, child) else Reason.NEVER_MET)


def _one_alive(side: Side, has: Alive, there: Absence, state: RecordState) -> Plan | None:
    """Only ``side`` has the record. None: the two sides contradict each other."""
    here, gone = _life(state.on(side), has), _life(state.on(side.other), there)
    if here is _Life.MET and gone is _Life.ABSENT and there is Absence.UNKNOWN:
        return Carry(writes=(Create(side.other, has.record),))
    if here is _Life.REVIVED and there is Absence.VOIDED:
        return Carry(writes=(Revive(side.other),))
    if here is _Life.SAME and gone is _Life.VOIDED:
        return Carry(writes=(Void(side),))
    if here is _Life.SAME and there is Absence.UNKNOWN:
        return Nothing(Reason.PURGED)
    if here is _Life.SAME and gone is _Life.SAME:
        return Nothing(Reason.UNCHANGED)
    return None


def _decided(side: Side, has: Alive, there: Absence, rules: Rules) -> Carry | None:
    """A person's word on a record that only ``side`` has."""
    survivor = rules.decision.survivor
    if survivor is None:
        return None
    if survivor is not side:
        return Carry(writes=(Void(side),))
    return Carry(writes=(Revive(side.other) if there is Absence.VOIDED else Create(side.other, has.record),))


def _quarrel(state: RecordState, parent: Reading, child: Reading) -> Conflict:
    quarrel = Quarrel.VOID_AGAINST_EDIT
    if Absence.UNKNOWN in (parent, child):
        quarrel = Quarrel.PURGE_AGAINST_EDIT
    elif not state.parent.met and not state.child.met:
        quarrel = Quarrel.VOID_AGAINST_MET
    return Conflict(quarrel=quarrel, parent=parent, child=child)


def _life(known: Known, reading: Reading) -> _Life:
    if isinstance(reading, Alive):
        if known.base is not None:
            same = fingerprint(reading.record) == known.hash or not changes(known.base, reading.record)
            return _Life.SAME if same else _Life.EDITED
        return _Life.REVIVED if known.absent is Absence.VOIDED else _Life.MET
    if known.base is not None:
        return _Life.VOIDED if reading is Absence.VOIDED else _Life.PURGED
    return _Life.SAME if known.absent is reading else _Life.ABSENT
