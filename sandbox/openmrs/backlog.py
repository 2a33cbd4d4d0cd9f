"""A clinic's months off line, made in a second: invented patients and a long feed about them."""

from __future__ import annotations

import uuid
from typing import Any

from .database import Database, key_of, new_uuid
from .feed import Event, content_of, tags_of
from .taking import AMBULATORY
from .words import stamp

FAMILIES = ("Akello", "Banda", "Ilunga", "Kabongo", "Mbuyi", "Okello", "Tshibola", "Zulu")
GIVEN = ("Grace", "Joseph", "Marie", "Moses", "Nadia", "Patience", "Samuel", "Sarah")
TOWNS = ("Kananga", "Tshikapa", "Luiza", "Demba")
#: OpenMRS' stock identifier type "OpenMRS ID".
OPENMRS_ID = "05a29f94-c0ed-11e2-94be-8c13b969e334"
#: Types and a concept of OpenMRS' own demonstration data.
VISIT = "7b0f5697-27e3-40c4-8bae-f4049abfb4ed"
ENCOUNTER = "67a71486-1a54-468f-ac3e-7091a9a79584"
WEIGHT = "5089AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
SPACE = uuid.UUID("5e1f5c1e-8a5e-4a53-9d8c-3f6f9f1c7c11")


def fill(
    data: Database, *, pages: int, patients: int, rows: dict[str, int] | None = None, name: str = "backlog"
) -> dict[str, Any]:
    """``patients`` records and ``pages`` pages of events about them, spread evenly; ``rows`` names exact counts."""
    length = data.feed.chunks[-1][0]
    wanted = rows if rows is not None else {"patient": pages * length}
    people = max(patients, 1)
    start = data.now() - sum(wanted.values()) - 10
    for number in range(people):
        record = patient(name, number)
        data.install(record, start + number, metadata=False)
    for category, count in wanted.items():
        events = data.feed.events.setdefault(category, [])
        events.extend(event(name, category, at, at % people, start + at) for at in range(count))
    return {"patients": people, "rows": {category: len(data.feed.events[category]) for category in wanted}}


def see(data: Database, patients: int, city: str = "") -> list[str]:
    """A morning at the hospital: new patients, each with a visit, an encounter and a weight, told in the feed.

    They live in ``city``, or wherever chance has it.
    """
    seen = []
    for _ in range(patients):
        name = new_uuid()
        person = patient(name, data.feed.chance.randrange(10_000))
        if city:
            person["address"][0]["city"] = city
        subject = {"reference": f"Patient/{person['id']}", "type": "Patient"}
        visit = encounter("visit", VISIT, subject)
        met = encounter("encounter", ENCOUNTER, subject)
        met["partOf"] = {"reference": f"Encounter/{visit['id']}", "type": "Encounter"}
        weight = {
            "resourceType": "Observation",
            "id": new_uuid(),
            "status": "final",
            "code": {"coding": [{"code": WEIGHT}]},
            "subject": subject,
            "encounter": {"reference": f"Encounter/{met['id']}", "type": "Encounter"},
            "effectiveDateTime": stamp(data.now()),
            "valueQuantity": {"value": data.feed.chance.randrange(40, 95)},
        }
        for record in (person, visit, met, weight):
            if record in (visit, met):
                record["period"] = {"start": stamp(data.now())}
            seen.append(key_of(data.create(record)))
    return seen


def encounter(tag: str, kind: str, subject: dict[str, str]) -> dict[str, Any]:
    """A visit or an encounter."""
    return {
        "resourceType": "Encounter",
        "id": new_uuid(),
        "meta": {"tag": [{"system": "http://fhir.openmrs.org/ext/encounter-tag", "code": tag}]},
        "status": "unknown",
        "class": AMBULATORY,
        "type": [{"coding": [{"system": f"http://fhir.openmrs.org/code-system/{tag}-type", "code": kind}]}],
        "subject": subject,
    }


def event(name: str, category: str, at: int, number: int, when: float) -> Event:
    """One row: a patient's first is CREATED, every later one UPDATED."""
    record_id = patient_id(name, number)
    action = "CREATED" if at == number else "UPDATED"
    tags = tags_of(category, action, {"country": "DR Congo", "city": TOWNS[number % len(TOWNS)]})
    entry_id = uuid.uuid5(SPACE, f"{name}/{category}/{at}")
    return Event(
        f"tag:atomfeed.ict4h.org:{entry_id}", "Patient", tags, content_of(f"Patient/{record_id}"), when
    )


def patient_id(name: str, number: int) -> str:
    """The uuid of an invented patient."""
    return str(uuid.uuid5(SPACE, f"{name}/{number}"))


def patient(name: str, number: int) -> dict[str, Any]:
    """An invented patient."""
    own = patient_id(name, number)
    given, family = GIVEN[number % len(GIVEN)], FAMILIES[number // len(GIVEN) % len(FAMILIES)]
    return {
        "resourceType": "Patient",
        "id": own,
        "active": True,
        "identifier": [
            {
                "id": str(uuid.uuid5(SPACE, own + "/identifier")),
                "use": "official",
                "type": {"coding": [{"code": OPENMRS_ID}], "text": "OpenMRS ID"},
                "value": f"{name[:8]}-{number:06d}",
            }
        ],
        "name": [{"id": str(uuid.uuid5(SPACE, own + "/name")), "family": family, "given": [given]}],
        "gender": "female" if number % 2 else "male",
        "birthDate": f"{1940 + number % 80}-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        "deceasedBoolean": False,
        "address": [
            {
                "id": str(uuid.uuid5(SPACE, own + "/address")),
                "use": "home",
                "city": TOWNS[number % len(TOWNS)],
                "country": "DR Congo",
            }
        ],
    }
