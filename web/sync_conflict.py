"""A conflict of two hospitals in words for a person, and the person's answer as a decision; no request, no store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from assets.openmrs.events import Side
from assets.openmrs.merge import Choice, Clash, Said, changes
from assets.openmrs.reconcile import Conflict, Decision
from assets.openmrs.states import Absence, Alive, Reading, RecordState
from assets.openmrs.tree import Json, encode
from web.staff import Problem

#: Members that say which item it is and not what it says; both sides have the same where they mean the same.
NO_WORDS = frozenset({"id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A line of an element's value; ``differs``: it does not stand so in what it is compared with."""

    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element both sides changed; ``number`` names its fields in the form, ``written`` is the JSON to edit."""

    number: int
    name: str
    before: Sequence[Words]
    parent: Sequence[Words]
    child: Sequence[Words]
    written: str

    @property
    def rows(self) -> int:
        """Lines of the field to edit it in."""
        return max(2, self.written.count("\n") + 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """An element only one side changed."""

    name: str
    before: Sequence[Words]
    after: Sequence[Words]


def elements(conflict: Conflict) -> list[Element]:
    """What both sides changed differently."""
    return [_element(number, clash) for number, clash in enumerate(conflict.clashes)]


def _element(number: int, clash: Clash) -> Element:
    before, parent, child = clash.parent.before, clash.parent.after, clash.child.after
    return Element(
        number=number,
        name=_plain(clash.element),
        before=_compared(before, before),
        parent=_compared(parent, child),
        child=_compared(child, parent),
        written=_json(parent if parent is not None else child),
    )


def others(state: RecordState, conflict: Conflict, side: Side) -> list[Other]:
    """What else changed on a side since both agreed; a record that is gone has one line."""
    reading: Reading = conflict.parent if side is Side.PARENT else conflict.child
    if not isinstance(reading, Alive):
        gone = "voided" if reading is Absence.VOIDED else "unknown here"
        return [Other(name="the record", before=(), after=[Words(text=gone)])]
    clashing = {clash.element for clash in conflict.clashes}
    return [
        Other(
            name=_plain(name),
            before=_compared(each.before, each.after),
            after=_compared(each.after, each.before),
        )
        for name, each in changes(state.on(side).base or {}, reading.record).items()
        if name not in clashing
    ]


def _plain(element: str) -> str:
    """An element's name without the uuid that tells it from others of its kind."""
    return element.partition("[")[0]


def _compared(value: Json, other: Json) -> list[Words]:
    """A value line by line, with what the other does not say as it does."""
    there = set(_lines(other))
    return [Words(text=line, differs=line not in there) for line in _lines(value)]


def _lines(value: Json, name: str = "") -> Iterator[str]:
    """A value as people read it: one line a member, ``city: Kampala``.

    >>> list(_lines({"id": "7", "given": ["Ada", "Eve"], "period": {"start": "1990"}}))
    ['given: Ada, Eve', 'period start: 1990']
    """
    if isinstance(value, dict):
        for member, each in value.items():
            if member not in NO_WORDS:
                yield from _lines(each, f"{name} {member}".strip())
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for each in value:
            yield from _lines(each, name)
    elif value is not None:
        said = ", ".join(map(_word, value)) if isinstance(value, list) else _word(value)
        yield f"{name}: {said}" if name else said


def _word(value: Json) -> str:
    return value if isinstance(value, str) else encode(value).decode()


def _json(value: Json) -> str:
    return "" if value is None else msgspec.json.format(encode(value), indent=2).decode()


def decision_of(conflict: Conflict, fields: Mapping[str, str]) -> Decision:
    """What the person answered."""
    if not conflict.clashes:
        return Decision(survivor=_side(fields.get("survivor", "")))
    chosen = {clash.element: _choice(number, fields) for number, clash in enumerate(conflict.clashes)}
    return Decision(elements=chosen)


def _choice(number: int, fields: Mapping[str, str]) -> Choice:
    said = fields.get(f"choice-{number}", "")
    if said != "said":
        return _side(said)
    try:
        return Said(msgspec.json.decode(fields.get(f"said-{number}", "")))
    except msgspec.DecodeError:
        raise Problem(400, "What you wrote is not JSON.", "A text stands in double quotes.") from None


def _side(said: str) -> Side:
    try:
        return Side(said)
    except ValueError:
        raise Problem(400, "Please choose a side for every element.", "Go back and choose.") from None
