"""Records brought to agreement between a simulated parent and its clinics, over real HTTP."""

import time

import pytest

from assets.openmrs.events import Key, Side
from assets.openmrs.merge import Choice, Policy, Said
from assets.openmrs.ports import Outcome
from assets.openmrs.reconcile import Decision, Quarrel
from assets.openmrs.walk import Finding
from resources.errors import PartnerAway, Refused, TryLater, Unsure
from tests.openmrs.clinic import Clinic
from tests.openmrs.conftest import Open
from tests.openmrs.people import encounter, in_home, key_of, observation, own_id, patient, visit

PARENT, CHILD = Side.PARENT, Side.CHILD


def outcomes(clinic: Clinic) -> list[Outcome]:
    return [done.outcome for done in clinic.pull()]


def test_a_first_sync_of_three_pages_is_followed_by_one_request_a_feed(clinic: Clinic) -> None:
    for number in range(13):
        clinic.edit(PARENT, patient(f"p{number}"))
    assert outcomes(clinic) == [Outcome.APPLIED] * 13
    clinic.forget()
    assert outcomes(clinic) == []
    asked = [each["path"].split("/")[-2:] for each in clinic.received(PARENT)]
    assert asked == [[feed, "3" if feed == "patient" else "recent"] for feed in clinic.link.feeds]


def test_what_is_appended_to_the_page_of_the_marker_is_read(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient("a"))
    clinic.pull()
    for name in "bcdefg":
        clinic.edit(PARENT, patient(name))
    clinic.pull()
    assert len(clinic.records(CHILD)) == 7


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


def test_entries_without_meaning_do_not_stop_the_feed(clinic: Clinic) -> None:
    for number in range(5):
        poisoned = {"resourceType": "Patient", "id": "../../../etc/passwd", "name": [{"family": "x"}]}
        clinic.http.put(f"/_sandbox/openmrs-parent/records/Patient/not-a-uuid-{number}", json=poisoned)
    clinic.edit(PARENT, patient())
    assert outcomes(clinic) == [Outcome.APPLIED]
    assert list(clinic.records(CHILD)) == [key_of(patient())]


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


def test_a_clinics_encounter_for_a_merged_patient_waits_with_a_reason(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient("loser"))
    clinic.cycle()
    clinic.remove(PARENT, key_of(patient("loser")))
    clinic.edit(CHILD, encounter(of="loser", during=""))
    done = clinic.push()[-1]
    assert done.outcome is Outcome.PARKED
    assert done.reason == "waits for Patient on the other side"


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


def test_a_local_edit_survives_a_stale_hint_from_the_parent(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.cycle()
    clinic.edit(CHILD, patient(), gender="other")
    clinic.edit(PARENT, patient())
    clinic.pull()
    clinic.push()
    assert {clinic.records(side)[key_of(patient())]["gender"] for side in Side} == {"other"}


def test_a_changed_page_size_does_not_lose_the_marker(clinic: Clinic) -> None:
    for number in range(12):
        clinic.edit(PARENT, patient(f"p{number}"))
    clinic.pull()
    clinic.lever(PARENT, "settings", chunks=[[5, 1], [10, 6]])
    clinic.edit(PARENT, patient("later"))
    clinic.forget()
    assert outcomes(clinic) == [Outcome.APPLIED]
    assert Finding.MARKER_MOVED in clinic.findings
    assert len(clinic.writes(CHILD)) == 1


def test_purged_feed_rows_do_not_lose_the_marker(clinic: Clinic) -> None:
    for number in range(12):
        clinic.edit(PARENT, patient(f"p{number}"))
    clinic.pull()
    clinic.lever(PARENT, "purge", category="patient", entries=2)
    clinic.edit(PARENT, patient("later"))
    assert outcomes(clinic) == [Outcome.APPLIED]
    assert Finding.PURGED in clinic.findings


def test_a_page_that_answers_500_for_ever_becomes_a_gap_and_is_closed_by_search(clinic: Clinic) -> None:
    for number in range(12):
        clinic.edit(PARENT, patient(f"p{number}"))
    clinic.lever(PARENT, "poison", category="patient", page=2)
    clinic.pull()
    assert Finding.GAP in clinic.findings
    assert len(clinic.records(CHILD)) == 7
    clinic.close_gaps()
    assert len(clinic.records(CHILD)) == 12


def test_an_address_that_leads_to_another_server_stops_the_feed_and_writes_nothing(clinic: Clinic) -> None:
    for number in range(7):
        clinic.edit(PARENT, patient(f"p{number}"))
    clinic.pull()
    clinic.lever(PARENT, "replace")
    clinic.forget()
    assert outcomes(clinic) == []
    assert Finding.REBUILT in clinic.findings
    assert clinic.writes(CHILD) == []


def test_a_patient_who_moves_in_brings_their_history(clinic: Clinic) -> None:
    for record in (patient(city="Wakiso"), visit(), encounter(), observation()):
        clinic.edit(PARENT, record)
    assert set(outcomes(clinic)) == {Outcome.OUTSIDE}
    assert clinic.records(CHILD) == {}
    clinic.edit(PARENT, patient(city="Kampala"))
    clinic.pull()
    assert len(clinic.records(CHILD)) == 4


@pytest.mark.parametrize(
    ("leaving", "there", "gender"), [("keep", 1, "other"), ("freeze", 1, "female"), ("purge", 0, "")]
)
def test_a_patient_who_moves_out_is_kept_frozen_or_purged(
    open_clinic: Open, leaving: str, there: int, gender: str
) -> None:
    clinic = open_clinic(leaving=leaving)
    clinic.edit(PARENT, patient())
    clinic.pull()
    clinic.edit(PARENT, patient(city="Wakiso"), gender="other")
    clinic.cycle()
    assert len(clinic.records(CHILD)) == there
    assert [record["gender"] for record in clinic.records(CHILD).values()] == ([gender] if there else [])
    assert clinic.records(PARENT)[key_of(patient())]["address"][0]["city"] == "Wakiso"


def test_what_a_clinic_writes_about_a_patient_who_lives_elsewhere_goes_up(clinic: Clinic) -> None:
    clinic.edit(CHILD, patient(city="Wakiso"))
    clinic.push()
    assert list(clinic.records(PARENT)) == [key_of(patient())]


def test_names_in_any_script_and_an_ampersand_arrive_as_they_were(clinic: Clinic) -> None:
    name = [{"id": own_id("n"), "family": "Müller & Söhne <x>", "given": ["Ngũgĩ", "王"]}]
    clinic.edit(PARENT, patient(name=name, address=in_home(patient(), country="A, B & C" * 30)))
    clinic.pull()
    there = clinic.records(CHILD)[key_of(patient())]
    assert there["name"] == name
    assert there["address"][0]["country"] == "A, B & C" * 30


def test_a_refused_sign_in_is_about_the_server_and_parks_nothing(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.lever(CHILD, "settings", password="another")
    with pytest.raises(PartnerAway):
        clinic.pull()
    assert clinic.shelf.states_of == []


@pytest.mark.parametrize("status", [0, 502, 503, 504])
def test_a_server_that_is_away_parks_nothing_and_loses_nothing(clinic: Clinic, status: int) -> None:
    clinic.edit(PARENT, patient())
    clinic.fault(PARENT, status=status, times=-1)
    with pytest.raises(TryLater):
        clinic.pull()
    clinic.forget()
    assert outcomes(clinic) == [Outcome.APPLIED]


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


def test_a_refused_record_is_refused_alone(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient(identifier=[{"id": own_id("i"), "value": "1"}]))
    with pytest.raises(Refused):
        clinic.pull()


def test_many_hints_about_one_record_cost_one_read(clinic: Clinic) -> None:
    for gender in ("male", "female", "other", "unknown", "male"):
        clinic.edit(PARENT, patient(), gender=gender)
    clinic.pull()
    reads = [each["path"] for each in clinic.received(PARENT) if "/fhir2/" in each["path"]]
    assert len(reads) == 1


def test_two_runs_at_once_make_one_record(open_clinic: Open) -> None:
    one, two = open_clinic(), open_clinic()
    one.edit(PARENT, patient())
    one.pull()
    two.pull()
    assert len(one.records(CHILD)) == 1
    assert len(one.writes(CHILD)) == 1


def test_a_long_backlog_is_read_page_by_page_and_each_record_once(clinic: Clinic) -> None:
    clinic.lever(PARENT, "backlog", pages=60, patients=20)
    started = time.monotonic()
    clinic.runner.run(clinic.read(PARENT, "patient"))
    assert len(clinic.entries) == 300
    pages = [each for each in clinic.received(PARENT) if "atomfeed" in each["path"]]
    assert len(pages) <= 62
    assert time.monotonic() - started < 20
