"""What FHIR2 keeps of a resource it is given: much of it is lost without a word.

A reference to a record it does not know is dropped, and so the link is lost; only an unknown patient fails.
"""

from __future__ import annotations

from typing import Any

from .database import Database, Resource, is_visit, new_uuid, patient_of

LOST_OF_ENCOUNTER = ("identifier", "reasonCode", "priority", "serviceProvider", "length", "statusHistory")
AMBULATORY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}


class Wrong(Exception):
    """A request the server refuses, with the status and words of its answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def taken(data: Database, body: Resource, record_id: str) -> Resource:
    """What OpenMRS keeps of a resource: unknown references and much else are lost without a word."""
    record = {name: value for name, value in body.items() if name not in ("id", "text")}
    record["id"] = record_id
    record["meta"] = {"tag": (body.get("meta") or {}).get("tag") or []}
    if not record["meta"]["tag"]:
        del record["meta"]
    shape = SHAPES.get(str(body["resourceType"]))
    kept = shape(data, record) if shape else record
    return {name: value for name, value in kept.items() if value not in (None, [], {})}


def _patient(data: Database, record: Resource) -> Resource:
    names = as_list(record.get("name"))
    identifiers = [each for each in as_list(record.get("identifier")) if has_type(each)]
    if not names or not names[0].get("family") or not identifiers:
        raise Wrong(422, "'Patient#null' failed to validate with reason: name or identifier is missing")
    for identifier in identifiers:
        refuse_taken(data, identifier, record["id"])
    record |= {
        "identifier": [with_uuid(each) for each in identifiers],
        "name": [with_uuid(each) for each in names],
        "address": [with_uuid(each) for each in as_list(record.get("address"))],
    }
    if born := record.get("birthDate"):
        record["birthDate"] = str(born) + {4: "-01-01", 7: "-01"}.get(len(str(born)), "")
    record.setdefault("active", True)
    if "deceasedDateTime" not in record:
        record.setdefault("deceasedBoolean", False)
    return record


def refuse_taken(data: Database, identifier: dict[str, Any], patient: str) -> None:
    """An identifier is one patient's only."""
    value, kind = identifier.get("value"), type_of(identifier)
    for key in data.patients_with(str(value)):
        other_patient = data.alive(key) or {}
        if key == f"Patient/{patient}":
            continue
        others = as_list(other_patient.get("identifier"))
        if any(other.get("value") == value and type_of(other) == kind for other in others):
            raise Wrong(422, "failed to validate with reason: Identifier already in use by another patient")


def _encounter(data: Database, record: Resource) -> Resource:
    tags = {tag.get("code") for tag in (record.get("meta") or {}).get("tag") or []}
    if not tags & {"visit", "encounter"}:
        raise Wrong(400, "Invalid type of request")
    _needs_patient(data, record)
    record = {name: value for name, value in record.items() if name not in LOST_OF_ENCOUNTER}
    record |= {"status": "unknown", "class": AMBULATORY}
    if not is_visit(record) and "period" in record:
        record["period"] = {"start": record["period"].get("start")}
    record["location"] = [
        each for each in as_list(record.get("location")) if _there(data, each.get("location"), "Location")
    ]
    record["participant"] = [
        each
        for each in as_list(record.get("participant"))
        if _there(data, each.get("individual"), "Practitioner")
    ]
    if not _there(data, record.get("partOf"), "Encounter"):
        record["partOf"] = None
    return record


def _observation(data: Database, record: Resource) -> Resource:
    _needs_patient(data, record)
    if not record.get("code"):
        raise Wrong(422, "'Obs#null' failed to validate with reason: concept is missing")
    if not _there(data, record.get("encounter"), "Encounter"):
        record["encounter"] = None
    members = as_list(record.get("hasMember"))
    record["hasMember"] = [each for each in members if _there(data, each, "Observation")]
    return record


def _needs_patient(data: Database, record: Resource) -> None:
    if data.alive(f"Patient/{patient_of(record)}") is None:
        raise Wrong(422, "failed to validate with reason: patient: Cannot be empty or null")


def _there(data: Database, reference: dict[str, Any] | None, kind: str) -> bool:
    target = str((reference or {}).get("reference", ""))
    return target.startswith(f"{kind}/") and data.alive(target) is not None


SHAPES = {"Patient": _patient, "Encounter": _encounter, "Observation": _observation}


def added(before: Resource, sent: Resource) -> Resource:
    """PUT of a patient: members are replaced, names matched by uuid, identifiers and addresses added."""
    names = {name["id"]: name for name in before.get("name", [])} | {n["id"]: n for n in sent.get("name", [])}
    known = {type_of(each) + "|" + str(each.get("value")) for each in before.get("identifier", [])}
    fresh = [e for e in sent.get("identifier", []) if type_of(e) + "|" + str(e.get("value")) not in known]
    addresses = [{**each, "id": new_uuid()} for each in sent.get("address", [])]
    merged = {**before, **{k: v for k, v in sent.items() if k not in ("name", "identifier", "address")}}
    if "deceasedDateTime" in sent:
        merged.pop("deceasedBoolean", None)
    elif "deceasedBoolean" in sent:
        merged.pop("deceasedDateTime", None)
    return merged | {
        "name": list(names.values()),
        "identifier": [*before.get("identifier", []), *fresh],
        "address": [*before.get("address", []), *addresses],
    }


def as_list(value: Any) -> list[dict[str, Any]]:
    """FHIR2's parser takes one object for an array of one."""
    if isinstance(value, dict):
        return [value]
    return [each for each in value or [] if isinstance(each, dict)]


def has_type(identifier: dict[str, Any]) -> bool:
    """An identifier whose type is not found is dropped without an error."""
    return bool(type_of(identifier))


def type_of(identifier: dict[str, Any]) -> str:
    """The type's uuid or name."""
    kind = identifier.get("type") or {}
    codes = [str(each.get("code")) for each in as_list(kind.get("coding")) if each.get("code")]
    return next(iter(codes), str(kind.get("text") or ""))


def with_uuid(item: dict[str, Any]) -> dict[str, Any]:
    """An item under its own uuid, or a new one."""
    return item if item.get("id") else {"id": new_uuid(), **item}
