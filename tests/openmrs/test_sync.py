"""One record after another brought to the other side: order, crashes, voids, renumbering, over real HTTP."""

import pytest

from assets.openmrs.events import Key, Side
from assets.openmrs.ports import Outcome
from resources.errors import Refused, TryLater, Unsure
from tests.openmrs.clinic import Clinic
from tests.openmrs.conftest import Open
from tests.openmrs.people import encounter, key_of, observation, own_id, patient, visit

PARENT, CHILD = Side.PARENT, Side.CHILD


def outcomes(clinic: Clinic) -> list[Outcome]:
    return [done.outcome for done in clinic.pull()]


def test_a_record_applied_before_a_crash_is_not_written_again(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.pull()
    clinic.positions.clear()
    clinic.entries.clear()
    clinic.forget()
    assert outcomes(clinic) == [Outcome.UNCHANGED]
    assert clinic.writes(CHILD) == []


@pytest.mark.parametrize("create", ["rest-uuid", "fhir-map"])
def test_a_creation_whose_answer_was_lost_makes_no_second_patient(open_clinic: Open, create: str) -> None:
    clinic = open_clinic(create=create)
    clinic.edit(PARENT, patient())
    clinic.fault(CHILD, status=0, take=True, match="POST")
    with pytest.raises(Unsure):
        clinic.pull()
    clinic.entries.clear()
    clinic.positions.clear()
    assert outcomes(clinic) == [Outcome.APPLIED]
    assert len(clinic.records(CHILD)) == 1
    assert len(clinic.writes(CHILD)) == 1


def test_an_encounter_whose_creation_was_lost_is_found_again_without_our_id(open_clinic: Open) -> None:
    clinic = open_clinic(create="fhir-map")
    clinic.edit(PARENT, patient())
    clinic.edit(PARENT, visit())
    clinic.edit(PARENT, encounter())
    clinic.fault(CHILD, status=0, take=True, match="POST .*/Encounter")
    with pytest.raises(Unsure):
        clinic.pull()
    clinic.entries.clear()
    clinic.positions.clear()
    clinic.pull()
    kinds = sorted(key.partition("/")[0] for key in clinic.records(CHILD))
    assert kinds == ["Encounter", "Encounter", "Patient"]


def test_an_encounter_met_before_its_patient_fetches_the_patient_first(open_clinic: Open) -> None:
    clinic = open_clinic(feeds=["encounter"])
    for record in (patient(), visit(), encounter()):
        clinic.edit(PARENT, record)
    assert outcomes(clinic) == [Outcome.APPLIED]
    assert set(clinic.records(CHILD)) == {key_of(patient()), key_of(visit()), key_of(encounter())}
    assert clinic.records(CHILD)[key_of(encounter())]["partOf"]["reference"] == key_of(visit())


def test_an_observation_of_an_unknown_encounter_waits_and_is_released_later(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.edit(PARENT, observation())
    done = clinic.pull()[-1]
    assert done.outcome is Outcome.PARKED
    assert done.waits_for == (Key("Encounter", own_id("encounter")),)
    assert key_of(observation()) not in clinic.records(CHILD)
    clinic.edit(PARENT, encounter(during=""))
    assert [each.outcome for each in clinic.pull()] == [Outcome.APPLIED, Outcome.APPLIED]
    assert key_of(observation()) in clinic.records(CHILD)


def test_a_record_that_waits_lets_other_records_flow(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.edit(PARENT, observation())
    clinic.edit(PARENT, patient("other"))
    clinic.pull()
    assert key_of(patient("other")) in clinic.records(CHILD)


def test_a_void_travels_and_an_unvoid_brings_the_record_back(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.pull()
    clinic.remove(PARENT, key_of(patient()))
    assert outcomes(clinic) == [Outcome.APPLIED]
    assert clinic.records(CHILD) == {}
    clinic.remove(PARENT, key_of(patient()), "unvoid")
    assert outcomes(clinic) == [Outcome.APPLIED]
    assert list(clinic.records(CHILD)) == [key_of(patient())]


def test_a_purge_is_noted_and_never_cascades(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.pull()
    clinic.remove(PARENT, key_of(patient()), "purge")
    assert outcomes(clinic) == [Outcome.PURGED]
    assert list(clinic.records(CHILD)) == [key_of(patient())]


def test_a_stale_change_does_not_bring_a_voided_record_back(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.pull()
    clinic.edit(PARENT, patient(), gender="other")
    clinic.remove(PARENT, key_of(patient()))
    clinic.pull()
    assert clinic.records(CHILD) == {}
    clinic.entries.clear()
    clinic.positions.clear()
    clinic.pull()
    assert clinic.records(CHILD) == {}


def test_a_merge_voids_the_loser_and_moves_its_encounters(clinic: Clinic) -> None:
    for record in (patient("winner"), patient("loser"), encounter(of="loser", during="")):
        clinic.edit(PARENT, record)
    clinic.pull()
    clinic.lever(PARENT, "merge", winner=own_id("winner"), loser=own_id("loser"))
    clinic.pull()
    there = clinic.records(CHILD)
    assert key_of(patient("loser")) not in there
    assert there[key_of(encounter())]["subject"]["reference"] == key_of(patient("winner"))


def test_an_observation_edited_at_the_parent_becomes_another_one_at_the_child(clinic: Clinic) -> None:
    for record in (patient(), encounter(during=""), observation()):
        clinic.edit(PARENT, record)
    clinic.pull()
    clinic.remove(PARENT, key_of(observation()))
    clinic.edit(PARENT, observation("height-again", valueQuantity={"value": 177}))
    clinic.pull()
    there = clinic.records(CHILD)
    assert key_of(observation()) not in there
    assert there[key_of(observation("height-again"))]["valueQuantity"]["value"] == 177


def test_a_server_that_renumbers_an_edited_observation_is_followed(clinic: Clinic) -> None:
    for record in (patient(), encounter(during=""), observation()):
        clinic.edit(PARENT, record)
    clinic.cycle()
    clinic.edit(PARENT, observation(), valueQuantity={"value": 180})
    assert outcomes(clinic) == [Outcome.APPLIED]
    found = [r for r in clinic.records(CHILD).values() if r["resourceType"] == "Observation"]
    assert [each["valueQuantity"]["value"] for each in found] == [180]
    assert found[0]["id"] != own_id("height")
    for _ in range(3):
        clinic.cycle()
    assert [r["valueQuantity"]["value"] for r in clinic.records(PARENT).values() if "valueQuantity" in r] == [
        180
    ]
    assert len([r for r in clinic.records(CHILD).values() if r["resourceType"] == "Observation"]) == 1


@pytest.mark.parametrize("first", ["the edited record", "what the edit has left"])
def test_an_edited_observation_whose_answer_was_lost_is_followed_and_not_made_twice(
    clinic: Clinic, first: str
) -> None:
    for record in (patient(), encounter(during=""), observation()):
        clinic.edit(PARENT, record)
    clinic.cycle()
    clinic.edit(PARENT, observation(), valueQuantity={"value": 180})
    clinic.fault(CHILD, status=504, take=True, match="PUT .*/Observation")
    with pytest.raises(TryLater):
        clinic.pull()
    clinic.entries.clear()
    clinic.positions.clear()
    for side in [PARENT, CHILD] if first == "the edited record" else [CHILD, PARENT]:
        clinic.pull() if side is PARENT else clinic.push()
    clinic.cycle()
    for side in Side:
        found = [r for r in clinic.records(side).values() if r["resourceType"] == "Observation"]
        assert [each["valueQuantity"]["value"] for each in found] == [180]
    assert clinic.conflicts == {}


def test_an_edited_observation_on_a_line_that_breaks_is_edited_once(clinic: Clinic) -> None:
    for record in (patient(), encounter(during=""), observation()):
        clinic.edit(PARENT, record)
    clinic.cycle()
    clinic.edit(PARENT, observation(), valueQuantity={"value": 180})
    clinic.fault(CHILD, status=0, take=True, match="PUT .*/Observation")
    assert outcomes(clinic) == [Outcome.APPLIED]
    clinic.cycle()
    for side in Side:
        found = [r for r in clinic.records(side).values() if r["resourceType"] == "Observation"]
        assert [each["valueQuantity"]["value"] for each in found] == [180]


def test_a_refused_edit_is_not_taken_for_one_whose_end_is_unknown(clinic: Clinic) -> None:
    for record in (patient(), encounter(during=""), observation()):
        clinic.edit(PARENT, record)
    clinic.cycle()
    clinic.edit(PARENT, observation(), valueQuantity={"value": 180})
    clinic.fault(CHILD, status=422, match="PUT .*/Observation")
    with pytest.raises(Refused):
        clinic.pull()
    assert clinic.runner.run(clinic.shelf.begun("Observation")) == []


def test_what_a_clinic_hands_in_is_sent_at_once_and_sent_once(open_clinic: Open) -> None:
    clinic = open_clinic(push="B")
    clinic.edit(CHILD, patient())
    assert clinic.hand_in(patient()).outcome is Outcome.APPLIED
    assert clinic.hand_in(patient()).outcome is Outcome.UNCHANGED
    assert len(clinic.writes(PARENT)) == 1
    clinic.forget()
    clinic.pull()
    assert clinic.writes(CHILD) == []


def test_what_a_clinic_hands_in_while_the_parent_is_away_is_sent_later(open_clinic: Open) -> None:
    clinic = open_clinic(push="B")
    clinic.fault(PARENT, status=503, times=-1)
    with pytest.raises(TryLater):
        clinic.hand_in(patient())
    clinic.forget()
    assert clinic.hand_in(patient()).outcome is Outcome.APPLIED


def test_a_refused_record_is_refused_alone(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient(identifier=[{"id": own_id("i"), "value": "1"}]))
    with pytest.raises(Refused):
        clinic.pull()


def test_two_runs_at_once_make_one_record(open_clinic: Open) -> None:
    one, two = open_clinic(), open_clinic()
    one.edit(PARENT, patient())
    one.pull()
    two.pull()
    assert len(one.records(CHILD)) == 1
    assert len(one.writes(CHILD)) == 1


def test_a_location_and_a_practitioner_are_made_when_a_record_needs_them(clinic: Clinic) -> None:
    place = {"resourceType": "Location", "id": own_id("place"), "status": "active", "name": "Luiza"}
    nurse = {
        "resourceType": "Practitioner",
        "id": own_id("nurse"),
        "name": [{"family": "Kabongo", "given": ["T"]}],
    }
    seen = encounter(
        during="",
        location=[{"location": {"reference": f"Location/{own_id('place')}"}}],
        participant=[{"individual": {"reference": f"Practitioner/{own_id('nurse')}"}}],
    )
    for record in (place, nurse, patient(), seen):
        clinic.edit(PARENT, record)
    clinic.pull()
    there = clinic.records(CHILD)
    assert len(there) == 4
    assert there[key_of(seen)]["location"][0]["location"]["reference"] == f"Location/{own_id('place')}"
    assert (
        there[key_of(seen)]["participant"][0]["individual"]["reference"] == f"Practitioner/{own_id('nurse')}"
    )


def test_members_of_an_observation_group_are_there_before_it(clinic: Clinic) -> None:
    group = observation("a-group", hasMember=[{"reference": key_of(observation("z-member"))}])
    for record in (patient(), encounter(during=""), group, observation("z-member")):
        clinic.edit(PARENT, record)
    clinic.pull()
    assert clinic.records(CHILD)[key_of(group)]["hasMember"][0]["reference"] == key_of(
        observation("z-member")
    )


def test_a_reference_to_what_is_nowhere_is_never_sent_without_it(clinic: Clinic) -> None:
    lost = encounter(during="", location=[{"location": {"reference": f"Location/{own_id('nowhere')}"}}])
    clinic.edit(PARENT, patient())
    clinic.edit(PARENT, lost)
    done = clinic.pull()[-1]
    assert (done.outcome, done.waits_for) == (Outcome.PARKED, (Key("Location", own_id("nowhere")),))
    assert key_of(lost) not in clinic.records(CHILD)
