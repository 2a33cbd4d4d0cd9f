"""Invented records of a small hospital, as FHIR2 would show them."""

import uuid
from typing import Any

from assets.openmrs.tree import Tree

OPENMRS_ID = "05a29f94-c0ed-11e2-94be-8c13b969e334"
HEIGHT = "5090AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
VISIT_TYPE = "7b0f5697-27e3-40c4-8bae-f4049abfb4ed"
ENCOUNTER_TYPE = "67a71486-1a54-468f-ac3e-7091a9a79584"
TAG = "http://fhir.openmrs.org/ext/encounter-tag"


def own_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.test"))


def patient(name: str = "grace", /, *, city: str = "Kampala", **members: Any) -> Tree:
    return {
        "resourceType": "Patient",
        "id": own_id(name),
        "identifier": [
            {
                "id": own_id(f"{name}-identifier"),
                "use": "official",
                "type": {"coding": [{"code": OPENMRS_ID}], "text": "OpenMRS ID"},
                "value": f"ID-{name}",
            }
        ],
        "active": True,
        "name": [{"id": own_id(f"{name}-name"), "family": "Akello", "given": [name.capitalize()]}],
        "gender": "female",
        "birthDate": "1990-05-17",
        "deceasedBoolean": False,
        "address": [{"id": own_id(f"{name}-address"), "use": "home", "city": city, "country": "Uganda"}],
        **members,
    }


def visit(name: str = "visit", of: str = "grace", **members: Any) -> Tree:
    return _encounter(name, of, "visit", VISIT_TYPE, **members)


def encounter(name: str = "encounter", of: str = "grace", during: str = "visit", **members: Any) -> Tree:
    part = {"partOf": {"reference": f"Encounter/{own_id(during)}", "type": "Encounter"}} if during else {}
    return _encounter(name, of, "encounter", ENCOUNTER_TYPE, **part, **members)


def observation(name: str = "height", of: str = "grace", at: str = "encounter", **members: Any) -> Tree:
    return {
        "resourceType": "Observation",
        "id": own_id(name),
        "status": "final",
        "code": {"coding": [{"code": HEIGHT}]},
        "subject": {"reference": f"Patient/{own_id(of)}", "type": "Patient"},
        "encounter": {"reference": f"Encounter/{own_id(at)}", "type": "Encounter"},
        "effectiveDateTime": "2026-03-02T08:10:00+00:00",
        "valueQuantity": {"value": 171},
        **members,
    }


def _encounter(name: str, of: str, tag: str, kind: str, **members: Any) -> Tree:
    system = f"http://fhir.openmrs.org/code-system/{tag}-type"
    return {
        "resourceType": "Encounter",
        "id": own_id(name),
        "meta": {"tag": [{"system": TAG, "code": tag}]},
        "status": "unknown",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [{"coding": [{"system": system, "code": kind}]}],
        "subject": {"reference": f"Patient/{own_id(of)}", "type": "Patient"},
        "period": {"start": "2026-03-02T08:01:00+00:00"},
        **members,
    }


def key_of(record: Tree) -> str:
    return f"{record['resourceType']}/{record['id']}"


def in_home(record: Tree, **changed: Any) -> list[Any]:
    """The record's addresses, the first of them changed."""
    addresses = record["address"]
    assert isinstance(addresses, list)
    first = addresses[0]
    assert isinstance(first, dict)
    return [{**first, **changed}, *addresses[1:]]
