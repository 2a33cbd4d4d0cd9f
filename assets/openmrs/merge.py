"""Two sides of one record, merged by element against what each side last was (R10, R11).

A change is counted on a side against that side's own base, because mapping is lossy: what a server could
not hold is missing from its base too, and so never travels back. Nothing here decides about records that
are gone (``reconcile``), and nothing is ever overwritten in silence: what a policy overrules is listed.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from assets.openmrs.canonical import as_written, elements, same, without_id
from assets.openmrs.events import Side
from assets.openmrs.tree import Json, Tree, digest

#: Arrays to which no server adds by itself.
ADDED_BY_PEOPLE = frozenset({"name", "address", "identifier", "telecom"})


class Policy(enum.Enum):
    """What happens when both sides changed. Under ``MANUAL`` a person looks even at disjoint changes."""

    MERGE = "merge"
    PARENT = "parent"
    CHILD = "child"
    NEWEST = "newest"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One element that differs from its base. ``None`` stands for absent; ``written`` is the value to send."""

    element: str
    before: Json = field(repr=False)
    after: Json = field(repr=False)
    written: Json = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """One element that both sides changed to different values."""

    element: str
    parent: Change
    child: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What is to be carried to each side, in that side's own names, and what a person must decide."""

    to_parent: tuple[Change, ...] = ()
    to_child: tuple[Change, ...] = ()
    clashes: tuple[Clash, ...] = ()
    overruled: tuple[Clash, ...] = ()


@dataclass(frozen=True, slots=True)
class Half:
    """One side of a record: its base and its present state."""

    base: Tree = field(repr=False)
    now: Tree = field(repr=False)


def changes(base: Tree, now: Tree) -> dict[str, Change]:
    """The elements of ``now`` that differ from ``base``, by name."""
    before, after = elements(base), elements(now)
    return {
        name: Change(
            element=name,
            before=before.get(name),
            after=after.get(name),
            written=as_written(now, name) if name in after else None,
        )
        for name in sorted(before.keys() | after.keys())
        if not same(before.get(name), after.get(name))
    }


@dataclass(frozen=True, slots=True)
class Said:
    """A value a person wrote for an element in place of either side's."""

    value: Json = field(repr=False)


Choice: TypeAlias = Side | Said
_NONE: Mapping[str, Choice] = MappingProxyType({})


def merge(
    parent: Half,
    child: Half,
    policy: Policy,
    newer: Side | None = None,
    chosen: Mapping[str, Choice] = _NONE,
) -> Merge:
    """Merge the changes of both sides.

    ``newer`` is known only where the clocks could be compared (R14); ``chosen`` is what a person decided,
    by element, under the child's names. Where that leaves a clash open, all of them are asked about again:
    something has changed since, and the next answer takes the place of this one.
    """
    names = paired(parent.base, child.base)
    theirs = {names.get(c.element, c.element): c for c in changes(parent.base, parent.now).values()}
    ours = changes(child.base, child.now)
    open_theirs = {name: c for name, c in theirs.items() if not _agreed(c, ours.get(name))}
    open_ours = {name: c for name, c in ours.items() if not _agreed(c, theirs.get(name))}
    clashes = _clashes(open_theirs, open_ours, policy)
    winner = _winner(policy, newer)
    if winner is None and any(clash.element not in chosen for clash in clashes):
        return Merge(clashes=clashes)
    for clash in clashes:
        choice = chosen.get(clash.element, winner)
        open_theirs.pop(clash.element, None)
        open_ours.pop(clash.element, None)
        if choice is not Side.CHILD:
            open_theirs[clash.element] = _said(clash.parent, choice)
        if choice is not Side.PARENT:
            open_ours[clash.element] = _said(clash.child, choice)
    back = {child_name: parent_name for parent_name, child_name in names.items()}
    return Merge(
        to_child=tuple(renamed(change, name) for name, change in open_theirs.items()),
        to_parent=tuple(renamed(change, back.get(name, name)) for name, change in open_ours.items()),
        overruled=clashes,
    )


def _said(change: Change, choice: Choice | None) -> Change:
    if isinstance(choice, Said):
        return replace(change, after=choice.value, written=choice.value)
    return change


def _agreed(change: Change, other: Change | None) -> bool:
    return other is not None and same(without_id(change.after), without_id(other.after))


def _clashes(theirs: Mapping[str, Change], ours: Mapping[str, Change], policy: Policy) -> tuple[Clash, ...]:
    if policy is Policy.MANUAL and theirs and ours:
        return tuple(
            Clash(
                element=name,
                parent=theirs.get(name) or _untouched(ours[name]),
                child=ours.get(name) or _untouched(theirs[name]),
            )
            for name in sorted(theirs.keys() | ours.keys())
        )
    return tuple(
        Clash(element=name, parent=theirs[name], child=ours[name])
        for name in sorted(theirs.keys() & ours.keys())
    )


def _untouched(other: Change) -> Change:
    return replace(other, after=other.before, written=other.before)


def _winner(policy: Policy, newer: Side | None) -> Side | None:
    fixed = {Policy.PARENT: Side.PARENT, Policy.CHILD: Side.CHILD, Policy.NEWEST: newer}
    return fixed.get(policy)


def paired(parent: Tree, child: Tree) -> dict[str, str]:
    """Which array item of the child is which of the parent's, where the child's server gave it a new uuid."""
    ours, theirs = elements(child), elements(parent)
    free = {_content(name, value): name for name, value in ours.items() if name not in theirs}
    pairs = {}
    for name, value in theirs.items():
        match = None if name in ours else free.pop(_content(name, value), None)
        if match is not None:
            pairs[name] = match
    return pairs


def _content(name: str, value: Json) -> str:
    return name.partition("[")[0] + digest(without_id(value))


def renamed(change: Change, element: str) -> Change:
    """The change under the other side's name for the element, its item under the other side's uuid."""
    if element == change.element or "[" not in element:
        return change
    key = element.partition("[")[2][:-1]
    return replace(
        change, element=element, after=_with_id(change.after, key), written=_with_id(change.written, key)
    )


def _with_id(item: Json, key: str) -> Json:
    return {**item, "id": key} if isinstance(item, dict) and "id" in item else item


def applied(record: Tree, carried: tuple[Change, ...]) -> Tree:
    """The record with the changes made, everything else as it was."""
    result = dict(record)
    for change in carried:
        name, _, key = change.element.partition("[")
        if name == "meta":
            continue
        if key:
            result[name] = _with_item(result.get(name), name, key[:-1], change.written)
        else:
            result[name] = change.written
    return {name: value for name, value in result.items() if value is not None and value != []}


def _with_item(array: Json, name: str, key: str, item: Json) -> Json:
    present = array if isinstance(array, list) else [] if array is None else [array]
    names = [next(iter(elements({name: [each]})), "") for each in present]
    at = names.index(f"{name}[{key}]") if f"{name}[{key}]" in names else len(present)
    return [*present[:at], *([] if item is None else [item]), *present[at + 1 :]]


def differing(sent: Tree, there: Tree) -> tuple[Change, ...]:
    """The elements both have with different values, as changes that put back what was sent."""
    ours = elements(there)
    return tuple(
        Change(element=name, before=ours[name], after=value, written=value)
        for name, value in elements(sent).items()
        if name in ours and not same(value, ours[name])
    )


def common(parent: Tree, child: Tree) -> Half:
    """Bases for two records that meet for the first time: what both already have alike (R10).

    What only one side has is then an addition there, and what differs is a clash for a person.
    """
    theirs, ours = elements(parent), elements(child)
    pairs = paired(parent, child)
    alike = [n for n in theirs if n in pairs or same(theirs[n], ours.get(n))]
    return Half(base=_only(parent, alike), now=_only(child, [pairs.get(name, name) for name in alike]))


def _only(record: Tree, names: list[str]) -> Tree:
    kept: Tree = {}
    for element in names:
        name, _, key = element.partition("[")
        written = as_written(record, element) if name != "meta" else record.get("meta")
        if key:
            kept[name] = [*_list(kept.get(name)), written]
        else:
            kept[name] = written
    return kept


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def stuck(wanted: tuple[Change, ...], read_back: Tree) -> list[str]:
    """The elements a server did not keep although it answered 200, by name (R11).

    An item may come back under another uuid, so an item is also found by its content.
    """
    now = elements(read_back)
    contents = {_content(name, value) for name, value in now.items()}
    return [
        change.element
        for change in wanted
        if not same(change.after, now.get(change.element))
        and not (change.after is not None and _content(change.element, change.after) in contents)
    ]


def meanwhile(before: Tree, wanted: tuple[Change, ...], read_back: Tree) -> tuple[Change, ...]:
    """What somebody else changed between our reading and the read-back, as the changes that undo it.

    Only values that were there and are others now, and new names, addresses and the like: what else appears or is
    lost may be the server's own answer to what we wrote.
    """
    ours = {change.element for change in wanted}
    contents = {_content(change.element, change.after) for change in wanted if change.after is not None}

    def foreign(found: Change) -> bool:
        if found.element in ours or found.after is None:
            return False
        added = found.element.partition("[")[0] in ADDED_BY_PEOPLE
        return found.before is not None or (added and _content(found.element, found.after) not in contents)

    return tuple(
        replace(found, before=found.after, after=found.before, written=as_written(before, name))
        for name, found in changes(before, read_back).items()
        if foreign(found)
    )
