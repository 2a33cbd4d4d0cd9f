"""Whether a clinic may have a record: its patient's membership, asked of the parent at most once a run (R16)."""

from assets.openmrs.catchment import Catchment, Members, group_members
from assets.openmrs.events import Action, Key, Side
from assets.openmrs.ports import FarEnd, Learnt, Shelf, reading
from assets.openmrs.records import patient_of
from assets.openmrs.states import Alive, Reading, RecordState
from resources.errors import PartnerAway


async def present(catchment: Catchment, parent: FarEnd) -> Catchment:
    """The catchment of a run: the members of its Group as they are now."""
    if not isinstance(catchment, Members):
        return catchment
    found = await reading(parent, "Group", catchment.group)
    if not isinstance(found, Alive):
        raise PartnerAway("the link's Group is not at the parent: check filter.group in openmrs.toml")
    return Members(catchment.group, group_members(found.record))


class Membership:
    """The catchment of one link during one run."""

    def __init__(self, catchment: Catchment, parent: FarEnd, shelf: Shelf, learnt: Learnt) -> None:
        self._catchment = catchment
        self._parent = parent
        self._shelf = shelf
        self._inside = learnt.inside

    async def may_go_down(self, state: RecordState, parent: Reading) -> bool:
        """Whether the clinic may have the record: decided on the patient's present record at the parent."""
        if not isinstance(parent, Alive):
            return True
        patient = patient_of(parent.record)
        if patient is None:
            return True
        if state.type == "Patient":
            self._inside[patient.id] = self._catchment.holds(parent.record)
        elif patient.id not in self._inside:
            found = await self._patient_inside(patient)
            # The patient's own record may have been settled meanwhile, and knows better.
            self._inside.setdefault(patient.id, found)
        return self._inside[patient.id]

    async def _patient_inside(self, patient: Key) -> bool:
        """Patients come before their records, so what is remembered of a patient is as new as the feed."""
        states = await self._shelf.states(Side.PARENT, [patient])
        if patient in states and states[patient].outside:
            return False
        if patient in states and states[patient].parent.absent is not None:
            return True
        if patient in states and (base := states[patient].parent.base) is not None:
            return self._catchment.holds(base)
        found = await reading(self._parent, "Patient", patient.id)
        return isinstance(found, Alive) and self._catchment.holds(found.record)


def enters(state: RecordState, actions: frozenset[Action]) -> bool:
    """Whether a patient's history was never offered: left out before, or first met by a change."""
    if state.outside:
        return True
    return not state.parent.met and not state.child.met and bool(actions) and Action.CREATED not in actions
