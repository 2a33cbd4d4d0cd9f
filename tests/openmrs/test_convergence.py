"""Two clinics that worked for days without a network agree again, whatever was lost on the way."""

import random

import pytest

from assets.openmrs.canonical import canonical
from assets.openmrs.events import Key, Side
from assets.openmrs.merge import changes
from resources.errors import DeliveryError
from tests.openmrs.clinic import Clinic
from tests.openmrs.conftest import Open
from tests.openmrs.people import encounter, in_home, observation, patient

PARENT, CHILD = Side.PARENT, Side.CHILD
PEOPLE = [f"p{number}" for number in range(8)]


@pytest.mark.parametrize("seed", range(6))
def test_all_sides_converge_and_idle_cycles_write_nothing(open_clinic: Open, seed: int) -> None:
    chance = random.Random(seed)
    clinics = [open_clinic(), open_clinic(child="openmrs-child-2")]
    for name in PEOPLE:
        clinics[0].edit(PARENT, patient(name))
        clinics[0].edit(PARENT, encounter(f"e{name}", of=name, during=""))
    for clinic in clinics:
        clinic.cycle()
    for serial in range(60):
        somebody_works(chance.choice(clinics), chance, f"{seed}-{serial}")
        if chance.random() < 0.25:
            an_interrupted_run(chance.choice(clinics), chance)
    for clinic in clinics:
        clinic.forget()
    for clinic in clinics * 6:
        clinic.cycle()
    for clinic in clinics:
        clinic.forget()
    for clinic in clinics * 10:
        clinic.cycle()
    assert [clinic.writes(side) for clinic in clinics for side in Side] == [[], [], [], []]
    for clinic in clinics:
        assert differing(clinic, waiting(clinics)) == {}


def somebody_works(clinic: Clinic, chance: random.Random, serial: str) -> None:
    side = chance.choice([PARENT, CHILD, CHILD])
    records = clinic.records(side)
    if not records:
        return
    key = chance.choice(sorted(records))
    record = records[key]
    if record["resourceType"] == "Patient":
        a_patient_changes(clinic, side, record, chance, serial)
    elif record["resourceType"] == "Observation" and chance.random() < 0.4:
        clinic.remove(side, key)
    elif record["resourceType"] == "Encounter":
        clinic.edit(side, record, period={"start": f"2026-03-0{chance.randrange(1, 9)}T08:01:00+00:00"})


def a_patient_changes(
    clinic: Clinic, side: Side, record: dict[str, object], chance: random.Random, serial: str
) -> None:
    match chance.randrange(6):
        case 0:
            clinic.edit(side, record, gender=chance.choice(["male", "female", "other"]))  # type: ignore[arg-type]
        case 1:
            clinic.edit(side, record, address=in_home(record, postalCode=serial))  # type: ignore[arg-type]
        case 2:
            clinic.edit(side, record, birthDate=f"19{chance.randrange(10, 99)}-01-05")  # type: ignore[arg-type]
        case 3:
            told = observation(
                f"o{serial}", subject={"reference": f"Patient/{record['id']}", "type": "Patient"}
            )
            del told["encounter"]
            clinic.edit(side, told)
        case 4:
            clinic.edit(side, patient(f"new-{serial}"))
        case _:
            clinic.remove(side, f"Patient/{record['id']}")


def an_interrupted_run(clinic: Clinic, chance: random.Random) -> None:
    """A request is lost, before or after it had its effect, and the process starts again from its store."""
    method = chance.choice(["POST", "PUT", "DELETE", "GET"])
    fault = {"status": chance.choice([0, 503, 504]), "take": chance.random() < 0.5, "match": method}
    clinic.fault(chance.choice(list(Side)), **fault)
    try:
        clinic.cycle()
    except DeliveryError:
        clinic.entries.clear()
        clinic.positions.clear()


def waiting(clinics: list[Clinic]) -> set[str]:
    """Records a person must look at, and those that wait for them."""
    held = {str(key) for clinic in clinics for key in clinic.conflicts}
    return held | {str(key) for clinic in clinics for _, key in clinic.parked}


def differing(clinic: Clinic, held: set[str]) -> dict[str, object]:
    above, below = clinic.records(PARENT), clinic.records(CHILD)
    found: dict[str, object] = {}
    for key in (above.keys() | below.keys()) - held:
        if key not in above or key not in below:
            found[key] = "only on one side"
        elif unlike := changes(canonical(above[key]), below[key]):
            found[key] = sorted(unlike)
    return found


def test_a_clash_of_two_clinics_waits_with_both_versions(open_clinic: Open) -> None:
    one, two = open_clinic(), open_clinic(child="openmrs-child-2")
    one.edit(PARENT, patient())
    one.cycle()
    two.cycle()
    one.edit(CHILD, patient(), gender="other")
    two.edit(CHILD, patient(), gender="unknown")
    for clinic in (one, two, one, two):
        clinic.cycle()
    (settled,) = two.conflicts.values()
    assert settled.conflict is not None
    (clash,) = settled.conflict.clashes
    assert (clash.parent.after, clash.child.after) == ("other", "unknown")
    assert settled.key == Key("Patient", str(patient()["id"]))
