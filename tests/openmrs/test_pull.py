"""Feeds read from a simulated parent, its moods, and whose records go down, over real HTTP."""

import time

import pytest

from assets.openmrs.events import Side
from assets.openmrs.membership import present
from assets.openmrs.ports import Outcome
from assets.openmrs.pull import Progress, read_feed
from assets.openmrs.walk import Finding, Step
from resources.errors import PartnerAway, TryLater
from tests.openmrs.clinic import Clinic
from tests.openmrs.conftest import Open
from tests.openmrs.people import encounter, in_home, key_of, observation, own_id, patient, visit

PARENT, CHILD = Side.PARENT, Side.CHILD
BASE = "/openmrs"


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


def test_entries_without_meaning_do_not_stop_the_feed(clinic: Clinic) -> None:
    for number in range(5):
        poisoned = {"resourceType": "Patient", "id": "../../../etc/passwd", "name": [{"family": "x"}]}
        clinic.http.put(f"/_sandbox/openmrs-parent/records/Patient/not-a-uuid-{number}", json=poisoned)
    clinic.edit(PARENT, patient())
    assert outcomes(clinic) == [Outcome.APPLIED]
    assert list(clinic.records(CHILD)) == [key_of(patient())]


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


def test_a_context_path_given_twice_or_not_at_all_names_the_same_record(clinic: Clinic) -> None:
    people = [clinic.edit(PARENT, patient(name)) for name in ("ada", "ben", "eve")]
    head, none, once, twice = clinic.http.get(f"/openmrs-parent{BASE}/ws/atomfeed/patient/1").text.split(
        "<entry>"
    )
    assert '"/ws/' in none
    once = once.replace('"/ws/', f'"{BASE}/ws/')
    twice = twice.replace('"/ws/', f'"{BASE}{BASE}/ws/')
    told = "<entry>".join([head, none, once, twice])
    clinic.fault(
        PARENT,
        status=200,
        times=-1,
        match="/atomfeed/patient/",
        body=told,
        content_type="application/atom+xml",
    )
    clinic.pull()
    assert set(clinic.records(CHILD)) == {key_of(each) for each in people}


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


def test_many_hints_about_one_record_cost_one_read(clinic: Clinic) -> None:
    for gender in ("male", "female", "other", "unknown", "male"):
        clinic.edit(PARENT, patient(), gender=gender)
    clinic.pull()
    reads = [each["path"] for each in clinic.received(PARENT) if "/fhir2/" in each["path"]]
    assert len(reads) == 1


def test_a_long_backlog_is_read_page_by_page_and_each_record_once(clinic: Clinic) -> None:
    clinic.lever(PARENT, "backlog", pages=60, patients=20)
    started = time.monotonic()
    clinic.runner.run(clinic.read(PARENT, "patient"))
    assert len(clinic.entries) == 300
    pages = [each for each in clinic.received(PARENT) if "atomfeed" in each["path"]]
    assert len(pages) <= 62
    assert time.monotonic() - started < 20


def test_the_progress_of_a_long_catch_up_is_told_page_by_page(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.pull()
    for number in range(20):
        clinic.edit(PARENT, patient(f"p{number}"))
    left: list[int] = []

    async def take(step: Step, progress: Progress) -> None:
        left.append(progress.pages_left)

    clinic.runner.run(read_feed(clinic.ends[PARENT], "patient", clinic.positions[PARENT, "patient"], take))
    assert left == [4, 3, 2, 1, 0, 0]


def test_the_members_of_a_group_are_those_of_this_run(open_clinic: Open) -> None:
    group = {"resourceType": "Group", "id": own_id("cohort"), "type": "person", "actual": True}
    clinic = open_clinic(filter={"kind": "group", "group": own_id("cohort")})
    with pytest.raises(PartnerAway, match=r"filter\.group"):
        clinic.runner.run(present(clinic.link.catchment, clinic.ends[PARENT]))
    clinic.edit(PARENT, {**group, "member": [{"entity": {"reference": f"Patient/{own_id('grace')}"}}]})
    found = clinic.runner.run(present(clinic.link.catchment, clinic.ends[PARENT]))
    assert found.holds(patient("grace"))
    assert not found.holds(patient("mary"))


def test_a_clinics_void_of_a_patient_who_lives_elsewhere_goes_up(clinic: Clinic) -> None:
    clinic.edit(CHILD, patient(city="Wakiso"))
    clinic.push()
    clinic.remove(CHILD, key_of(patient()))
    clinic.push()
    assert clinic.records(PARENT) == {}


def test_what_was_missed_outside_follows_when_the_patient_comes_back(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())
    clinic.pull()
    clinic.edit(PARENT, patient(city="Wakiso"), gender="other")
    clinic.pull()
    clinic.edit(PARENT, patient(city="Kampala"), gender="other")
    clinic.pull()
    assert clinic.records(CHILD)[key_of(patient())]["gender"] == "other"


def test_a_purged_copy_comes_back_with_the_patient(open_clinic: Open) -> None:
    clinic = open_clinic(leaving="purge")
    clinic.edit(PARENT, patient())
    clinic.pull()
    clinic.edit(PARENT, patient(city="Wakiso"))
    clinic.cycle()
    assert clinic.records(CHILD) == {}
    assert list(clinic.records(PARENT)) == [key_of(patient())]
    clinic.edit(PARENT, patient(city="Kampala"))
    clinic.pull()
    assert list(clinic.records(CHILD)) == [key_of(patient())]


def test_a_mornings_work_at_the_parent_is_at_the_clinic_afterwards(open_clinic: Open) -> None:
    clinic = open_clinic(filter={"kind": "address", "parts": ["cityVillage"], "values": ["Luiza"]})
    seen = clinic.lever(PARENT, "sample", patients=3, city="Luiza")["records"]
    clinic.pull()
    assert sorted(clinic.records(CHILD)) == sorted(seen)


def test_what_a_clinic_edits_about_a_patient_who_moved_away_goes_up_and_the_rest_follows_later(
    clinic: Clinic,
) -> None:
    clinic.edit(PARENT, patient())
    clinic.cycle()
    clinic.edit(PARENT, patient(city="Wakiso"), birthDate="1991-01-01")
    clinic.pull()
    clinic.edit(CHILD, patient(), gender="other")
    clinic.push()
    assert clinic.records(PARENT)[key_of(patient())]["gender"] == "other"
    assert clinic.records(CHILD)[key_of(patient())]["birthDate"] == "1990-05-17"
    clinic.edit(PARENT, patient(city="Kampala"), birthDate="1991-01-01", gender="other")
    clinic.pull()
    assert clinic.records(CHILD)[key_of(patient())]["birthDate"] == "1991-01-01"
