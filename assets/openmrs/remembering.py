"""States, conflicts and decisions as bytes, and back: what the store seals and the pages show. No I/O.

A state written by an older version is read by a newer: members that are absent have their defaults.
"""

from assets.openmrs.events import Key, Side
from assets.openmrs.merge import Change, Choice, Clash, Said
from assets.openmrs.reconcile import Conflict, Decision, Quarrel
from assets.openmrs.states import Absence, Alive, Known, Reading, RecordState
from assets.openmrs.tree import Json, Tree, decode, encode, get, text


def packed(state: RecordState, conflict: Conflict | None = None) -> bytes:
    """The state of a record, and the conflict it is in."""
    return encode({"state": _state(state), "conflict": None if conflict is None else _conflict(conflict)})


def unpacked(raw: bytes) -> tuple[RecordState, Conflict | None]:
    """The same, read again. What we wrote ourselves is not bounded again."""
    found = decode(raw)
    conflict = found.get("conflict")
    return _read_state(_tree(found.get("state"))), None if conflict is None else _read_conflict(
        _tree(conflict)
    )


def decided(decision: Decision) -> bytes:
    """A person's word on a conflict."""
    elements: Tree = {
        name: {"side": choice.value} if isinstance(choice, Side) else {"said": choice.value}
        for name, choice in decision.elements.items()
    }
    return encode({"elements": elements, "survivor": decision.survivor.value if decision.survivor else None})


def decision_of(raw: bytes) -> Decision:
    """The same, read again."""
    found = decode(raw)
    elements: dict[str, Choice] = {}
    for name, said in _tree(found.get("elements")).items():
        side = text(said, "side")
        elements[name] = Side(side) if side else Said(get(said, "said"))
    return Decision(elements=elements, survivor=_side(found.get("survivor")))


def ids_of(state: RecordState) -> list[tuple[Side, Key]]:
    """Every id a record has or had, by side."""
    present = [(side, Key(state.type, state.on(side).id)) for side in Side]
    return [*present, *((side, Key(state.type, old)) for side, old in state.former)]


def _state(state: RecordState) -> Tree:
    return {
        "type": state.type,
        "parent": _known(state.parent),
        "child": _known(state.child),
        "intended": state.intended.value if state.intended else None,
        "sent": state.sent,
        "outside": state.outside,
        "former": [[side.value, old] for side, old in state.former],
    }


def _known(known: Known) -> Tree:
    return {
        "id": known.id,
        "base": known.base,
        "hash": known.hash,
        "absent": known.absent.value if known.absent else None,
        "version": known.version,
    }


def _read_state(found: Tree) -> RecordState:
    former = found.get("former")
    return RecordState(
        type=text(found, "type"),
        parent=_read_known(_tree(found.get("parent"))),
        child=_read_known(_tree(found.get("child"))),
        intended=_side(found.get("intended")),
        sent=_tree_or_none(found.get("sent")),
        outside=found.get("outside") is True,
        former=tuple((Side(text(one, 0)), text(one, 1)) for one in former)
        if isinstance(former, list)
        else (),
    )


def _read_known(found: Tree) -> Known:
    absent = text(found, "absent")
    return Known(
        id=text(found, "id"),
        base=_tree_or_none(found.get("base")),
        hash=text(found, "hash"),
        absent=Absence(absent) if absent else None,
        version=text(found, "version"),
    )


def _conflict(conflict: Conflict) -> Tree:
    return {
        "quarrel": conflict.quarrel.name,
        "parent": _reading(conflict.parent),
        "child": _reading(conflict.child),
        "clashes": [
            {"element": each.element, "parent": _change(each.parent), "child": _change(each.child)}
            for each in conflict.clashes
        ],
    }


def _read_conflict(found: Tree) -> Conflict:
    clashes = found.get("clashes")
    return Conflict(
        quarrel=Quarrel[text(found, "quarrel")],
        parent=_read_reading(_tree(found.get("parent"))),
        child=_read_reading(_tree(found.get("child"))),
        clashes=tuple(_read_clash(_tree(each)) for each in clashes) if isinstance(clashes, list) else (),
    )


def _read_clash(found: Tree) -> Clash:
    element = text(found, "element")
    return Clash(
        element=element,
        parent=_read_change(element, _tree(found.get("parent"))),
        child=_read_change(element, _tree(found.get("child"))),
    )


def _reading(reading: Reading) -> Tree:
    if isinstance(reading, Alive):
        return {"record": reading.record, "version": reading.version}
    return {"absent": reading.value}


def _read_reading(found: Tree) -> Reading:
    absent = text(found, "absent")
    return Absence(absent) if absent else Alive(_tree(found.get("record")), text(found, "version"))


def _change(change: Change) -> Tree:
    return {"before": change.before, "after": change.after, "written": change.written}


def _read_change(element: str, found: Tree) -> Change:
    return Change(
        element=element, before=found.get("before"), after=found.get("after"), written=found.get("written")
    )


def _side(value: Json) -> Side | None:
    return Side(value) if isinstance(value, str) else None


def _tree(value: Json) -> Tree:
    return value if isinstance(value, dict) else {}


def _tree_or_none(value: Json) -> Tree | None:
    return value if isinstance(value, dict) else None
