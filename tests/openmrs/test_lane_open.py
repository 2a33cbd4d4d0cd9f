"""What waits for a person stays so until it is settled, whatever else is heard of the record."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assets.openmrs import remembering
from assets.openmrs.canonical import canonical
from assets.openmrs.events import Side
from assets.openmrs.reconcile import Decision, Quarrel
from resources.store.sync_records import TABLE
from tests.conftest import Database
from tests.openmrs.linked import Linked, linked
from tests.openmrs.people import encounter, in_home, key_of, observation, patient, visit
from tests.openmrs.test_lane import decide

PARENT, CHILD = Side.PARENT, Side.CHILD
SECOND = "openmrs-child-2"


@pytest.fixture
def clinic(database: Database, tmp_path: Path) -> Iterator[Linked]:
    with linked(database, tmp_path) as made:
        yield made


def same_again(clinic: Linked, side: Side, key: str) -> None:
    """Somebody saves a record without changing it; the feed tells of it all the same."""
    clinic.edit(side, clinic.records(side)[key])


def test_a_refused_record_is_open_until_it_is_taken(clinic: Linked) -> None:
    grace = clinic.edit(PARENT, patient())
    clinic.drain()
    clinic.drain()
    clinic.fault(CHILD, status=400, times=-1, match="(PUT|POST) ")
    clinic.edit(PARENT, grace, gender="other")
    clinic.drain()
    same_again(clinic, CHILD, key_of(grace))
    clinic.drain()
    assert clinic.outcomes() == {"refused": 1}
    assert clinic.states()["failed"] >= 1
    clinic.no_faults()
    same_again(clinic, CHILD, key_of(grace))
    clinic.drain()
    assert clinic.records(CHILD)[key_of(grace)]["gender"] == "other"
    assert "failed" not in clinic.states()


def test_a_record_that_waits_for_another_is_not_closed_by_the_side_that_has_not_changed(
    clinic: Linked,
) -> None:
    for record in (patient(), visit(), encounter()):
        clinic.edit(PARENT, record)
    clinic.drain()
    clinic.drain()
    clinic.remove(CHILD, key_of(patient()))
    clinic.edit(PARENT, patient(), gender="other")
    clinic.edit(PARENT, encounter(), period={"start": "2026-03-02T07:00:00+00:00"})
    clinic.drain()
    assert clinic.outcomes()["parked"] == 1
    same_again(clinic, CHILD, key_of(encounter()))
    clinic.drain()
    assert clinic.outcomes()["parked"] == 1
    assert clinic.states()["failed"] >= 2
    decide(clinic, patient(), Decision(survivor=PARENT))
    clinic.drain()
    assert clinic.records(CHILD)[key_of(encounter())]["period"]["start"] == "2026-03-02T07:00:00+00:00"
    assert "failed" not in clinic.states()


def test_a_patient_who_is_alive_again_does_not_wait_for_themselves(clinic: Linked) -> None:
    """Voided on both sides and brought back with other words: what was voided there is compared as if just met."""
    grace = clinic.edit(PARENT, patient())
    clinic.drain()
    clinic.remove(PARENT, key_of(grace))
    clinic.drain()
    assert clinic.records(CHILD) == {}
    clinic.remove(PARENT, key_of(grace), "unvoid")
    home = in_home(grace, postalCode="256")
    clinic.edit(PARENT, grace, gender="other", birthDate="1991-05-17", address=home)
    clinic.drain()
    assert clinic.outcomes() == {"conflict": 1}
    chosen = {"gender": PARENT, "birthDate": CHILD, f"address[{home[0]['id']}]": PARENT}
    decide(clinic, patient(), Decision(elements=chosen))
    clinic.drain()
    clinic.drain()
    for side in Side:
        now = clinic.records(side)[key_of(grace)]
        assert (now["gender"], now["birthDate"]) == ("other", "1990-05-17")
        assert [each["postalCode"] for each in now["address"]] == ["256"]
    assert "failed" not in clinic.states()


def tries(clinic: Linked) -> object:
    return clinic.database.one("SELECT count(*) FROM attempt")


def test_a_record_is_tried_again_though_what_it_waits_for_was_settled_unseen(clinic: Linked) -> None:
    """Two runs' transactions may cross: neither sees that the one has parked what the other would wake."""
    for record in (patient(), visit()):
        clinic.edit(PARENT, record)
    clinic.drain()
    clinic.remove(CHILD, key_of(patient()))
    clinic.edit(PARENT, patient(), gender="other")
    clinic.edit(PARENT, visit("another"))
    clinic.drain()
    assert clinic.outcomes()["parked"] == 1
    clinic.drain()
    before = tries(clinic)
    clinic.drain()
    assert tries(clinic) == before
    clinic.database.rows(
        "UPDATE sync_record SET outcome = 'applied', at = now() WHERE type = 'Patient' RETURNING 1"
    )
    clinic.drain()
    assert tries(clinic) != before
    assert clinic.outcomes()["parked"] == 1


@pytest.fixture
def clinics(database: Database, tmp_path: Path) -> Iterator[Linked]:
    with linked(database, tmp_path, links={"clinic-b": SECOND}) as made:
        for record in (patient(), encounter(during=""), observation()):
            made.edit(PARENT, record)
        made.drain()
        made.drain()
        yield made


def weights(clinics: Linked) -> list[list[int]]:
    """The observations of the parent and of both clinics, by their values."""
    servers = ("openmrs-parent", "openmrs-child", SECOND)
    held = [clinics.http.get(f"/_sandbox/{server}/records").json().values() for server in servers]
    return [[one["valueQuantity"]["value"] for one in records if "valueQuantity" in one] for records in held]


def test_an_observation_edited_at_two_clinics_is_one_observation_and_one_clash(clinics: Linked) -> None:
    """The server gives it another uuid for the first edit; the second clinic's is compared with that."""
    clinics.edit(CHILD, observation(), valueQuantity={"value": 180})
    key = f"/_sandbox/{SECOND}/records/{key_of(observation())}"
    clinics.http.put(key, json=observation(valueQuantity={"value": 190})).raise_for_status()
    for _ in range(4):
        clinics.drain()
    above, *below = weights(clinics)
    assert len(above) == 1
    assert below == [[180], [190]]
    ((link, number, body),) = clinics.database.rows(
        "SELECT link, id, body FROM sync_record WHERE outcome = 'conflict'"
    )
    _, conflict = remembering.unpacked(clinics.database.sealer.open(bytes(body), TABLE, number))
    assert conflict is not None
    assert conflict.quarrel is Quarrel.SAME_ELEMENT
    (clash,) = conflict.clashes
    said = {"clinic-a": 180, "clinic-b": 190}
    assert clash.child.after == {"value": said[link]}
    assert clash.parent.after == {"value": above[0]}
    assert above[0] != said[link]
    assert clinics.states()["failed"] >= 1


def until(clinics: Linked, holds: Callable[[list[list[int]]], bool]) -> None:
    """Runs until it holds; a record that both links want goes through one of them at a time."""
    for _ in range(8):
        clinics.later()
        clinics.drain()
        if holds(weights(clinics)):
            return
    raise AssertionError(f"they have {weights(clinics)}")


def test_an_observation_brought_back_at_one_clinic_and_edited_at_another_is_one(clinics: Linked) -> None:
    """At the parent it goes on under the uuid of the edit: brought back under its first it would be there twice."""
    key = key_of(observation())
    clinics.remove(PARENT, key)
    until(clinics, lambda held: held == [[], [], []])
    clinics.fault(CHILD, status=503, times=-1)
    second = f"/_sandbox/{SECOND}/records/{key}"
    clinics.http.delete(second, params={"unvoid": "1"}).raise_for_status()
    until(clinics, lambda held: held[0] == [171])
    clinics.http.put(second, json=observation(valueQuantity={"value": 190})).raise_for_status()
    until(clinics, lambda held: held[0] == [190])
    clinics.remove(CHILD, key, "unvoid")
    clinics.no_faults()
    for _ in range(3):
        clinics.later()
        clinics.drain()
    assert weights(clinics)[0] == [190]


def test_two_clinics_that_edit_the_same_patients_at_once_overwrite_nothing(
    database: Database, tmp_path: Path
) -> None:
    """Both links read and write the parent side by side; its server takes whatever comes last."""
    people = [patient(f"p{number}") for number in range(16)]
    with linked(database, tmp_path, links={"clinic-b": SECOND}) as clinic:
        for person in people:
            clinic.edit(PARENT, person)
        clinic.drain()
        clinic.drain()
        for person in people:
            clinic.edit(CHILD, person, gender="other", birthDate="1991-05-17")
            told = {**person, "gender": "unknown", "address": in_home(person, postalCode="256")}
            clinic.http.put(f"/_sandbox/{SECOND}/records/{key_of(person)}", json=told).raise_for_status()
        clinic.fault(PARENT, delay_seconds=0.02, times=-1)
        clinic.drain()
        clinic.no_faults()
        for _ in range(3):
            clinic.later()
            clinic.drain()
        assert clinic.outcomes()["conflict"] == len(people)
        above = clinic.records(PARENT)
        below = clinic.records(CHILD), dict(clinic.http.get(f"/_sandbox/{SECOND}/records").json())
        for person in people:
            said = above[key_of(person)]
            assert said["gender"] in ("other", "unknown")
            agreeing = [each for each in below if each[key_of(person)]["gender"] == said["gender"]]
            assert len(agreeing) == 1
            assert canonical(agreeing[0][key_of(person)]) == canonical(said)
