"""What is done about one record, from what both sides are and were."""

from dataclasses import replace

import pytest

from assets.openmrs.canonical import canonical
from assets.openmrs.events import Side
from assets.openmrs.merge import Policy
from assets.openmrs.reconcile import (
    Carry,
    Conflict,
    Create,
    Edit,
    Nothing,
    Quarrel,
    Reason,
    Revive,
    Rules,
    Void,
    decide,
    unchanged,
)
from assets.openmrs.states import Absence, Alive, Known, Reading, RecordState, settled
from tests.openmrs.people import own_id, patient

GRACE = patient()
EDITED = patient(gender="other")
HERE, GONE, UNKNOWN = Alive(GRACE), Absence.VOIDED, Absence.UNKNOWN
NEW = RecordState(type="Patient", parent=Known(id=own_id("grace")), child=Known(id=own_id("grace")))
AGREED = settled(NEW, HERE, HERE)
VOIDED = settled(AGREED, GONE, GONE)


def plan(state: RecordState, parent: Reading, child: Reading) -> object:
    return decide(state, parent, child, Rules())


@pytest.mark.parametrize(
    ("state", "parent", "child", "reason"),
    [
        (AGREED, HERE, HERE, Reason.UNCHANGED),
        (AGREED, Alive(EDITED), Alive(EDITED), Reason.AGREED),
        (NEW, HERE, HERE, Reason.AGREED),
        (NEW, UNKNOWN, UNKNOWN, Reason.NEVER_MET),
        (NEW, GONE, UNKNOWN, Reason.TOMBSTONED),
        (AGREED, GONE, GONE, Reason.TOMBSTONED),
        (VOIDED, GONE, GONE, Reason.TOMBSTONED),
        (AGREED, UNKNOWN, HERE, Reason.PURGED),
        (AGREED, HERE, UNKNOWN, Reason.PURGED),
        (AGREED, UNKNOWN, UNKNOWN, Reason.PURGED),
    ],
)
def test_nothing_is_written_and_the_reason_is_said(
    state: RecordState, parent: Reading, child: Reading, reason: Reason
) -> None:
    assert plan(state, parent, child) == Nothing(reason)


@pytest.mark.parametrize(
    ("state", "parent", "child", "write"),
    [
        (NEW, HERE, UNKNOWN, Create(Side.CHILD, GRACE)),
        (NEW, UNKNOWN, HERE, Create(Side.PARENT, GRACE)),
        (AGREED, GONE, HERE, Void(Side.CHILD)),
        (AGREED, HERE, GONE, Void(Side.PARENT)),
        (VOIDED, HERE, GONE, Revive(Side.CHILD)),
        (VOIDED, GONE, HERE, Revive(Side.PARENT)),
    ],
)
def test_life_and_death_travel(state: RecordState, parent: Reading, child: Reading, write: object) -> None:
    assert plan(state, parent, child) == Carry(writes=(write,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "parent", "child", "quarrel"),
    [
        (AGREED, GONE, Alive(EDITED), Quarrel.VOID_AGAINST_EDIT),
        (AGREED, Alive(EDITED), GONE, Quarrel.VOID_AGAINST_EDIT),
        (AGREED, UNKNOWN, Alive(EDITED), Quarrel.PURGE_AGAINST_EDIT),
        (AGREED, Alive(EDITED), UNKNOWN, Quarrel.PURGE_AGAINST_EDIT),
        (NEW, GONE, HERE, Quarrel.VOID_AGAINST_MET),
        (NEW, HERE, GONE, Quarrel.VOID_AGAINST_MET),
        (NEW, HERE, Alive(EDITED), Quarrel.SAME_ELEMENT),
        (AGREED, Alive(EDITED), Alive(patient(gender="unknown")), Quarrel.SAME_ELEMENT),
    ],
)
def test_a_contradiction_is_kept_with_both_versions(
    state: RecordState, parent: Reading, child: Reading, quarrel: Quarrel
) -> None:
    found = plan(state, parent, child)
    assert isinstance(found, Conflict)
    assert (found.quarrel, found.parent, found.child) == (quarrel, parent, child)


def test_the_plan_is_the_same_whichever_side_gave_the_hint() -> None:
    found = plan(AGREED, HERE, Alive(EDITED))
    assert isinstance(found, Carry)
    (write,) = found.writes
    assert isinstance(write, Edit)
    assert (write.side, write.after["gender"]) == (Side.PARENT, "other")


def test_a_version_that_moved_without_content_is_an_echo_and_content_without_version_is_not() -> None:
    known = Known(id="x", base=canonical(GRACE), version='W/"1"')
    assert unchanged(known, Alive(GRACE, 'W/"2"'))
    assert not unchanged(known, Alive(EDITED, 'W/"1"'))


def test_a_lost_creation_is_adopted_and_what_changed_since_still_travels() -> None:
    begun = replace(NEW, intended=Side.CHILD, sent=canonical(GRACE))
    assert plan(begun, HERE, HERE) == Nothing(Reason.ADOPTED)
    poorer = {name: value for name, value in GRACE.items() if name != "address"}
    assert plan(begun, HERE, Alive(poorer)) == Nothing(Reason.ADOPTED)
    found = plan(begun, Alive(EDITED), Alive(poorer))
    assert isinstance(found, Carry)
    assert [
        change.element for write in found.writes if isinstance(write, Edit) for change in write.changes
    ] == ["gender"]
    up = plan(begun, HERE, Alive(EDITED))
    assert isinstance(up, Carry)
    assert [write.side for write in up.writes] == [Side.PARENT]


def test_a_policy_is_chosen_by_the_records_type() -> None:
    rules = Rules(policies={"Patient": Policy.PARENT})
    found = decide(AGREED, Alive(EDITED), Alive(patient(gender="unknown")), rules)
    assert isinstance(found, Carry)
    assert [write.side for write in found.writes] == [Side.CHILD]
