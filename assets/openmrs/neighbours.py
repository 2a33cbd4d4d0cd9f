"""The records a record points to, and its own twin on the other side: found by id, never by likeness of people.

Sent with a reference it does not know, FHIR2 drops the reference without a word, so every one is looked for
first, and fetched from the other side if need be (R8). Patients are never matched by name, sex or age (R19).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from assets.openmrs.canonical import canonical, encounter_tag, fingerprint
from assets.openmrs.events import Key, Side
from assets.openmrs.links import Link
from assets.openmrs.mapping import FarKind
from assets.openmrs.merge import Change
from assets.openmrs.ports import FarEnd, Learnt, Shelf, reading
from assets.openmrs.reconcile import Conflict, Create, Edit, Quarrel, Write
from assets.openmrs.records import patient_of, redirected, references
from assets.openmrs.states import Absence, Alive, Reading, RecordState
from assets.openmrs.tree import Json, Tree, decode, get, items, text

#: A reference is fetched through this many records: observation, encounter, visit, patient, location.
DEEPEST = 6

#: Settles a record from a side at a depth, and keeps it: the way a missing reference is fetched. None: this very
#: task has it in hand already.
Fetch = Callable[[Side, Key, int], Awaitable[RecordState | None]]


class Neighbours:
    """What one link's records point to, remembered for one run."""

    def __init__(
        self, link: Link, ends: Mapping[Side, FarEnd], shelf: Shelf, fetch: Fetch, learnt: Learnt
    ) -> None:
        self._link = link
        self._ends = ends
        self._shelf = shelf
        self._fetch = fetch
        self._there = learnt.there
        self._same_ids = link.same_ids

    async def pointed(self, write: Write, depth: int) -> tuple[Write, tuple[Key, ...]]:
        """The write with its references on the target's ids, and the records it points to that are not there."""
        if not isinstance(write, Create | Edit):
            return write, ()
        wanted = references(write.record) if isinstance(write, Create) else _referring(write)
        missing, ids = await self._voided_patient(write), {}
        for key in dict.fromkeys(key for _, key in wanted):
            found = await self._present(write.side, key, depth)
            if found:
                ids[key] = found
            else:
                missing.append(key)
        if missing or self._same_ids:
            return write, tuple(missing)
        if isinstance(write, Create):
            return replace(write, record=redirected(write.record, ids)), ()
        ids |= await self._known_ids(write.side.other, write.after)
        moved = tuple(_moved(change, ids) for change in write.changes)
        return replace(write, after=redirected(write.after, ids), changes=moved), ()

    async def in_childs_ids(self, state: RecordState, parent: Reading) -> tuple[RecordState, Reading]:
        """The parent's side as the child would name it: only so can their references be compared."""
        base = state.parent.base
        if self._same_ids:
            return state, parent
        if base is not None:
            told = redirected(base, await self._known_ids(Side.PARENT, base))
            state = replace(state, parent=replace(state.parent, base=told, hash=fingerprint(told)))
        if isinstance(parent, Alive):
            ids = await self._known_ids(Side.PARENT, parent.record)
            parent = replace(parent, record=redirected(parent.record, ids))
        return state, parent

    async def _known_ids(self, side: Side, record: Tree) -> dict[Key, str]:
        """The other side's ids of what a record of ``side`` points to, as far as they are known."""
        states = await self._shelf.states(side, {key for _, key in references(record)})
        return {key: state.on(side.other).id for key, state in states.items() if state.on(side.other).met}

    async def _voided_patient(self, write: Create | Edit) -> list[Key]:
        """The patient of an edited record, if known to be gone on that side: no server takes the edit.

        An edited patient has just been read, and what is remembered of them may be older.
        """
        if not isinstance(write, Edit) or text(write.after, "resourceType") == "Patient":
            return []
        if (patient := patient_of(write.after)) is None:
            return []
        for side in Side:
            known = (await self._shelf.states(side, [patient])).get(patient)
            if known is not None and known.on(write.side).absent:
                return [patient]
        return []

    async def gone(self, write: Write) -> tuple[Key, ...]:
        """What a refused write points to and the target no longer has, such as a patient merged away (R13)."""
        record = write.record if isinstance(write, Create) else write.after if isinstance(write, Edit) else {}
        keys = dict.fromkeys(key for _, key in references(record))
        end = self._ends[write.side]
        read = {key: await reading(end, key.type, key.id) for key in keys}
        return tuple(key for key, found in read.items() if not isinstance(found, Alive))

    async def _present(self, target: Side, key: Key, depth: int) -> str:
        """The id of a referenced record on the target, fetching it there first if need be (R8)."""
        if (target, key) in self._there:
            return self._there[target, key]
        found = await self._find(target, key)
        if not found and depth < DEEPEST:
            fetched = await self._fetch(target.other, key, depth + 1)
            known = fetched.on(target) if fetched else None
            found = known.id if known is not None and known.base is not None else ""
        if found:
            self._there[target, key] = found
        return found

    async def _find(self, target: Side, key: Key) -> str:
        if not self._same_ids and key in (own := await self._shelf.states(target, [key])):
            return key.id if own[key].on(target).base is not None else ""
        states = await self._shelf.states(target.other, [key])
        if key in states and states[key].on(target).met:
            known = states[key].on(target)
            return known.id if known.base is not None else ""
        if self._link.on(target).kind is not FarKind.OPENMRS_REST:
            return ""
        found = await reading(self._ends[target], key.type, key.id)
        return key.id if isinstance(found, Alive) else ""

    async def other(self, side: Side, key: Key, state: RecordState) -> tuple[Reading, RecordState]:
        """The record on the other side: by its id there, else by what was meant when it was created (R2)."""
        target = side.other
        known, end = state.on(target), self._link.on(target)
        if known.met or end.kind is FarKind.OPENMRS_REST:
            return await reading(self._ends[target], key.type, known.id), state
        if end.kind is FarKind.R4 or key.type == "Patient":
            found = await self._ends[target].find_origin(key.type, self._link.on(side).url, key.id)
        elif state.intended is target:
            found = await self._twins(side, key)
        else:
            found = []
        if not found:
            return Absence.UNKNOWN, state
        record = decode(found[0])
        return Alive(record), replace(renumbered(state, target, text(record, "id")), intended=target)

    async def _twins(self, side: Side, key: Key) -> list[bytes]:
        """What a creation whose answer was lost made, where the server keeps no identifier of ours.

        Only asked after we meant to create it: same patient, same time, same code, and nobody's already.
        """
        sent = await reading(self._ends[side], key.type, key.id)
        subject = (
            text(sent.record, "subject", "reference").rpartition("/")[2] if isinstance(sent, Alive) else ""
        )
        patient = await self._find(side.other, Key("Patient", subject)) if subject else ""
        if not isinstance(sent, Alive) or not patient:
            return []
        candidates = await self._ends[side.other].search(key.type, {"patient": patient})
        alike = [each for each in candidates if _marks(decode(each)) == _marks(sent.record)]
        keys = [Key(key.type, text(decode(each), "id")) for each in alike]
        owned = await self._shelf.states(side.other, keys)
        return [each for each, found in zip(alike, keys, strict=True) if found not in owned]

    async def edited_twin(self, state: RecordState) -> tuple[Alive, RecordState] | None:
        """What an edit whose answer was lost left under another uuid: an observation is never changed in place."""
        target = state.intended
        if target is None or state.sent is None or state.type != "Observation":
            return None
        patient = text(state.sent, "subject", "reference").rpartition("/")[2]
        found = await self._ends[target].search(state.type, {"patient": patient}) if patient else []
        alike = [record for record in map(decode, found) if _marks(record) == _marks(state.sent)]
        keys = {Key(state.type, text(record, "id")): record for record in alike}
        owned = await self._shelf.states(target, keys)
        for key, record in keys.items():
            if key not in owned:
                return Alive(record), renumbered(state, target, key.id)
        return None

    async def edited_elsewhere(
        self, state: RecordState, readings: Mapping[Side, Reading]
    ) -> tuple[Side, Alive, RecordState] | None:
        """A voided observation goes on under another uuid where another link to that server has edited it there."""
        for side in Side:
            if state.type != "Observation" or readings[side] is not Absence.VOIDED:
                continue
            ids = await self._shelf.ids_there(side, Key(state.type, state.on(side).id))
            found = await reading(self._ends[side], state.type, ids[-1]) if ids else Absence.UNKNOWN
            if isinstance(found, Alive):
                return side, found, renumbered(state, side, ids[-1])
        return None

    async def being_written(self, side: Side, found: Reading) -> bool:
        """Whether another link has this moment told the server what we have just heard of for the first time."""
        if not isinstance(found, Alive):
            return False
        begun = await self._shelf.begun_there(side, text(found.record, "resourceType"))
        whose = patient_of(found.record)
        return any(patient_of(sent) == whose and _marks(sent) == _marks(found.record) for sent in begun)

    async def identifier_taken(self, write: Create, readings: Mapping[Side, Reading]) -> Conflict | None:
        """Why a new patient was refused: somebody there has the identifier. A person decides (R19)."""
        if text(write.record, "resourceType") != "Patient":
            return None
        for identifier in items(write.record, "identifier"):
            value = text(identifier, "value")
            found = await self._ends[write.side].search("Patient", {"identifier": value}) if value else []
            others = [decode(each) for each in found]
            if others and text(others[0], "id") != text(write.record, "id"):
                sides = {**readings, write.side: Alive(others[0])}
                return Conflict(
                    quarrel=Quarrel.IDENTIFIER_TAKEN, parent=sides[Side.PARENT], child=sides[Side.CHILD]
                )
        return None


def renumbered(state: RecordState, side: Side, record_id: str) -> RecordState:
    """The state with the id a server gave the record, which may be another one than it was sent."""
    if not record_id or record_id == state.on(side).id:
        return state
    known = replace(state.on(side), id=record_id)
    former = (*state.former, (side, state.on(side).id)) if state.on(side).met else state.former
    if side is Side.PARENT:
        return replace(state, parent=known, former=former)
    return replace(state, child=known, former=former)


def _referring(write: Edit) -> list[tuple[str, Key]]:
    """The records a change itself points to: what stood there before is there."""
    told: Tree = {"changed": [change.written for change in write.changes]}
    return references(told)


def _moved(change: Change, ids: Mapping[Key, str]) -> Change:
    def moved(value: Json) -> Json:
        return redirected(value, ids) if isinstance(value, dict) else value

    return replace(change, after=moved(change.after), written=moved(change.written))


def _marks(record: Tree) -> list[Json]:
    """What tells one encounter or observation of a patient from the next, and survives FHIR2."""
    plain = canonical(record)
    values = [value for name, value in sorted(plain.items()) if name.startswith("value")]
    return [
        encounter_tag(record),
        text(plain, "type", 0, "coding", 0, "code"),
        text(plain, "code", "coding", 0, "code"),
        text(plain, "period", "start"),
        text(plain, "effectiveDateTime"),
        get(plain, "valueQuantity", "value") if "valueQuantity" in plain else [*values],
    ]
