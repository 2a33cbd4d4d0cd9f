"""Both sides changed, or seem to have: merges, conflicts, echoes and losses, over real HTTP."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from assets.openmrs.events import Side
from assets.openmrs.merge import Choice, Policy, Said
from assets.openmrs.ports import Outcome
from assets.openmrs.reconcile import Decision, Quarrel
from tests.openmrs.clinic import Clinic
from tests.openmrs.conftest import Open
from tests.openmrs.people import encounter, in_home, key_of, own_id, patient

PARENT, CHILD = Side.PARENT, Side.CHILD


def outcomes(clinic: Clinic) -> list[Outcome]:
    return [done.outcome for done in clinic.pull()]


def test_a_clinics_encounter_for_a_merged_patient_waits_with_a_reason(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient("loser"))
    clinic.cycle()
    clinic.remove(PARENT, key_of(patient("loser")))
    clinic.edit(CHILD, encounter(of="loser", during=""))
    done = clinic.push()[-1]
    assert done.outcome is Outcome.PARKED
    assert done.reason == "waits for Patient on the other side"


def test_writes_on_each_side_stay_at_one_after_ten_cycles(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient("down"))
    clinic.edit(CHILD, patient("up"))
    for _ in range(10):
        clinic.cycle()
    assert clinic.writes(CHILD) == ["POST /openmrs/ws/rest/v1/patient"]
    assert clinic.writes(PARENT) == ["POST /openmrs/ws/rest/v1/patient"]


def test_a_lossy_field_never_travels_back(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient(birthDate="1990"))
    clinic.cycle()
    there = clinic.records(CHILD)[key_of(patient())]
    assert there["birthDate"] == "1990-01-01"
    clinic.edit(CHILD, there, gender="other")
    clinic.cycle()
    sent = [each["body"] for each in clinic.received(PARENT) if each["method"] == "POST"]
    assert clinic.records(PARENT)[key_of(patient())]["gender"] == "other"
    assert len(sent) == 1
    assert "1990-01-01" not in sent[0]


def test_different_elements_edited_on_both_sides_are_merged(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.cycle()
    clinic.edit(PARENT, patient(), gender="other")
    clinic.edit(CHILD, patient(), address=in_home(patient(), postalCode="256"))
    clinic.cycle()
    for side in Side:
        record = clinic.records(side)[key_of(patient())]
        assert (record["gender"], record["address"][0]["postalCode"]) == ("other", "256")
        assert len(record["address"]) == 1
    clinic.forget()
    clinic.cycle()
    assert clinic.writes(PARENT) + clinic.writes(CHILD) == []


def test_a_part_of_an_address_or_a_name_that_is_removed_is_removed_on_the_other_side(clinic: Clinic) -> None:
    named = [{**name, "given": ["Grace", "Nakato"]} for name in patient()["name"]]
    clinic.edit(PARENT, patient(name=named, address=in_home(patient(), postalCode="256")))
    clinic.cycle()
    assert clinic.records(CHILD)[key_of(patient())]["name"][0]["given"] == ["Grace", "Nakato"]
    clinic.edit(PARENT, patient())
    clinic.cycle()
    there = clinic.records(CHILD)[key_of(patient())]
    assert there["name"][0]["given"] == ["Grace"]
    assert "postalCode" not in there["address"][0]


def test_the_same_element_edited_on_both_sides_is_kept_for_a_person(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.cycle()
    clinic.edit(PARENT, patient(), gender="other")
    clinic.edit(CHILD, patient(), gender="unknown")
    clinic.forget()
    done = clinic.pull()[0]
    assert done.outcome is Outcome.CONFLICT
    assert done.conflict is not None
    assert done.conflict.quarrel is Quarrel.SAME_ELEMENT
    assert [clash.element for clash in done.conflict.clashes] == ["gender"]
    assert clinic.writes(PARENT) + clinic.writes(CHILD) == []


@pytest.mark.parametrize(("choice", "kept"), [(PARENT, "other"), (CHILD, "unknown"), (Said("male"), "male")])
def test_a_person_resolves_a_clash_and_it_is_written_once(clinic: Clinic, choice: Choice, kept: str) -> None:
    clinic.edit(PARENT, patient())
    clinic.cycle()
    clinic.edit(PARENT, patient(), gender="other")
    clinic.edit(CHILD, patient(), gender="unknown")
    clinic.pull()
    done = clinic.decide(patient(), Decision(elements={"gender": choice}))
    assert done.outcome is Outcome.APPLIED
    assert {clinic.records(side)[key_of(patient())]["gender"] for side in Side} == {kept}
    clinic.forget()
    clinic.cycle()
    assert clinic.writes(PARENT) + clinic.writes(CHILD) == []


@pytest.mark.parametrize(("survivor", "there"), [(PARENT, 0), (CHILD, 1)])
def test_a_person_decides_whether_a_voided_record_that_was_changed_lives_on(
    clinic: Clinic, survivor: Side, there: int
) -> None:
    clinic.edit(PARENT, patient())
    clinic.cycle()
    clinic.remove(PARENT, key_of(patient()))
    clinic.edit(CHILD, patient(), gender="other")
    assert clinic.pull()[0].outcome is Outcome.CONFLICT
    clinic.decide(patient(), Decision(survivor=survivor))
    assert [len(clinic.records(side)) for side in Side] == [there, there]
    if there:
        assert clinic.records(PARENT)[key_of(patient())]["gender"] == "other"


@pytest.mark.parametrize(("policy", "kept"), [(Policy.PARENT, "other"), (Policy.CHILD, "unknown")])
def test_a_policy_decides_a_clash_and_says_what_it_overruled(
    open_clinic: Open, policy: Policy, kept: str
) -> None:
    clinic = open_clinic(conflict_Patient=policy.value)
    clinic.edit(PARENT, patient())
    clinic.cycle()
    clinic.edit(PARENT, patient(), gender="other")
    clinic.edit(CHILD, patient(), gender="unknown")
    done = clinic.pull()[0]
    assert [clash.element for clash in done.overruled] == ["gender"]
    assert {clinic.records(side)[key_of(patient())]["gender"] for side in Side} == {kept}


class Meanwhile:
    """A far end at which somebody saves something while we write."""

    def __init__(self, end: Any, save: Callable[[], object]) -> None:
        self._end, self._save = end, save

    def __getattr__(self, name: str) -> Any:
        return getattr(self._end, name)

    async def carry_out(self, message: bytes) -> Any:
        done = await self._end.carry_out(message)
        await asyncio.to_thread(self._save)
        return done


def test_what_somebody_saves_while_we_write_is_carried_over_afterwards(clinic: Clinic) -> None:
    grace = key_of(patient())
    clinic.edit(PARENT, patient())
    clinic.cycle()
    clinic.edit(PARENT, patient(), gender="other")
    here = clinic.ends[CHILD]

    def save() -> None:
        now = clinic.records(CHILD)[grace]
        second = {"id": own_id("second-home"), "use": "old", "city": "Jinja"}
        clinic.edit(CHILD, now, birthDate="1991-05-17", address=[*now["address"], second])

    clinic.ends[CHILD] = Meanwhile(here, save)  # type: ignore[assignment]
    clinic.pull()
    clinic.ends[CHILD] = here
    clinic.push()
    for side in Side:
        now = clinic.records(side)[grace]
        assert (now["gender"], now["birthDate"], len(now["address"])) == ("other", "1991-05-17", 2)
    clinic.forget()
    clinic.cycle()
    assert clinic.writes(PARENT) + clinic.writes(CHILD) == []


def test_a_local_edit_survives_a_stale_hint_from_the_parent(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.cycle()
    clinic.edit(CHILD, patient(), gender="other")
    clinic.edit(PARENT, patient())
    clinic.pull()
    clinic.push()
    assert {clinic.records(side)[key_of(patient())]["gender"] for side in Side} == {"other"}


def test_a_clock_two_hours_ahead_changes_neither_order_nor_marker(clinic: Clinic) -> None:
    clinic.lever(CHILD, "settings", clock_offset_seconds=7200)
    clinic.edit(PARENT, patient())
    clinic.cycle()
    clinic.edit(CHILD, patient(), gender="other")
    clinic.cycle()
    assert clinic.records(PARENT)[key_of(patient())]["gender"] == "other"
    assert clinic.ends[CHILD].clock_ahead == pytest.approx(7200, abs=3)


def test_the_newest_wins_only_where_the_clocks_agree(open_clinic: Open) -> None:
    for offset, outcome in ((0, Outcome.APPLIED), (7200, Outcome.CONFLICT)):
        clinic = open_clinic(conflict_Patient="newest")
        name = f"offset-{offset}"
        clinic.lever(CHILD, "settings", clock_offset_seconds=offset)
        clinic.edit(PARENT, patient(name))
        clinic.cycle()
        clinic.lever(CHILD, "settings", clock_offset_seconds=offset + 10)
        clinic.edit(CHILD, patient(name), gender="unknown")
        clinic.lever(CHILD, "settings", clock_offset_seconds=offset)
        clinic.edit(PARENT, patient(name), gender="other")
        done = clinic.pull()[0]
        assert done.outcome is outcome


def test_a_value_the_server_did_not_keep_is_named(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.pull()
    clinic.edit(PARENT, patient(), maritalStatus={"text": "M"})
    done = clinic.pull()[0]
    assert done.outcome is Outcome.NOT_KEPT
    assert done.elements == ("maritalStatus",)
    assert outcomes(clinic) == []


def test_a_200_whose_read_back_differs_is_not_believed(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.pull()
    clinic.edit(PARENT, patient(), gender="other")
    clinic.fault(CHILD, status=200, take=False, body={"uuid": own_id("grace")}, match="POST")
    done = clinic.pull()[0]
    assert done.outcome is Outcome.NOT_KEPT
    assert done.elements == ("gender",)


def test_the_same_identifier_under_another_uuid_is_for_a_person(clinic: Clinic) -> None:
    clinic.edit(CHILD, patient("mary", identifier=patient("grace")["identifier"]))
    clinic.edit(PARENT, patient("grace"))
    done = clinic.pull()[0]
    assert done.outcome is Outcome.CONFLICT
    assert done.conflict is not None
    assert done.conflict.quarrel is Quarrel.IDENTIFIER_TAKEN
    assert list(clinic.records(CHILD)) == [key_of(patient("mary"))]


def test_a_patient_who_looks_the_same_is_never_matched(clinic: Clinic) -> None:
    same = {"name": [{"id": own_id("x"), "family": "Akello", "given": ["Grace"]}]}
    clinic.edit(CHILD, patient("one", **same))
    clinic.edit(PARENT, patient("two", **same))
    clinic.cycle()
    assert len(clinic.records(CHILD)) == len(clinic.records(PARENT)) == 2


def test_two_clinics_that_push_the_same_patient_make_one(open_clinic: Open) -> None:
    one, two = open_clinic(), open_clinic(child="openmrs-child-2")
    one.edit(CHILD, patient())
    two.edit(CHILD, patient(), address=in_home(patient(), postalCode="256"))
    one.push()
    two.push()
    for _ in range(3):
        one.cycle()
        two.cycle()
    ends = [one.records(PARENT), one.records(CHILD), two.records(CHILD)]
    assert [len(records) for records in ends] == [1, 1, 1]


def test_an_echo_stops_at_the_end_of_a_chain_of_three(open_clinic: Open) -> None:
    upper = open_clinic()
    lower = open_clinic(parent="openmrs-child", child="openmrs-child-2")
    upper.edit(PARENT, patient())
    for _ in range(5):
        upper.cycle()
        lower.cycle()
    counts = [len(upper.writes(PARENT)), len(upper.writes(CHILD)), len(lower.writes(CHILD))]
    assert counts == [0, 1, 1]


def test_a_conflict_can_be_printed_without_naming_the_patient(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.cycle()
    clinic.edit(
        PARENT, patient(), name=[{"id": own_id("grace-name"), "family": "Zanzibar", "given": ["Xenia"]}]
    )
    clinic.edit(
        CHILD, patient(), name=[{"id": own_id("grace-name"), "family": "Quagga", "given": ["Yolanda"]}]
    )
    printed = repr(clinic.pull()[0])
    assert "SAME_ELEMENT" in printed
    assert not any(word in printed for word in ("Zanzibar", "Quagga", "Akello", "Grace", "Kampala", "1990"))


def nurse(name: str) -> dict[str, object]:
    return {"resourceType": "Practitioner", "id": own_id(name), "name": [{"family": name, "given": ["T"]}]}


def seen_by(*ids: str) -> dict[str, object]:
    return {"participant": [{"individual": {"reference": f"Practitioner/{each}"}} for each in ids]}


@pytest.mark.parametrize("create", ["rest-uuid", "fhir-map"])
def test_references_are_compared_and_carried_under_each_sides_own_ids(open_clinic: Open, create: str) -> None:
    clinic = open_clinic(create=create)
    clinic.edit(PARENT, nurse("anna"))
    clinic.edit(PARENT, nurse("bea"))
    clinic.edit(PARENT, patient())
    clinic.edit(PARENT, encounter(during="", **seen_by(own_id("anna"), own_id("bea"))))
    clinic.cycle()
    below = {record["resourceType"]: record for record in clinic.records(CHILD).values()}
    assert len(below["Encounter"]["participant"]) == 2
    clinic.edit(PARENT, encounter(during="", **seen_by(own_id("bea"))))
    clinic.edit(CHILD, below["Encounter"], period={"start": "2026-03-05T08:00:00+00:00"})
    for _ in range(3):
        clinic.cycle()
    after = next(r for r in clinic.records(CHILD).values() if r["resourceType"] == "Encounter")
    names = {key: r["name"][0]["family"] for key, r in clinic.records(CHILD).items() if "Practitioner" in key}
    assert [names[each["individual"]["reference"]] for each in after["participant"]] == ["bea"]
    above = clinic.records(PARENT)[key_of(encounter())]
    assert above["period"] == {"start": "2026-03-05T08:00:00+00:00"}
    assert above["participant"][0]["individual"]["reference"] == f"Practitioner/{own_id('bea')}"
    assert above["subject"]["reference"] == key_of(patient())
    clinic.forget()
    clinic.cycle()
    assert clinic.writes(PARENT) + clinic.writes(CHILD) == []
