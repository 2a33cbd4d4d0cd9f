"""OpenMRS' own words for a person, a visit or an observation, turned into what FHIR2 would show of them."""

from __future__ import annotations

from typing import Any

from .database import Database, Resource, new_uuid
from .taking import AMBULATORY, Wrong, refuse_taken

GENDERS = {"M": "male", "F": "female", "O": "other", "U": "unknown"}
ADDRESS = {
    "cityVillage": "city",
    "countyDistrict": "district",
    "stateProvince": "state",
    "postalCode": "postalCode",
    "country": "country",
}
#: "Telephone Number" of the reference application: the type ``fhir2.personContactPointAttributeTypeUuid`` names.
TELEPHONE = "14d4f066-15f5-102d-96e4-000c29c2a5d7"
EXT = "http://fhir.openmrs.org/ext"
TAG = "http://fhir.openmrs.org/ext/encounter-tag"


def scalars(body: Resource) -> Resource:
    """A person's own values as FHIR names them."""
    found: Resource = {}
    if "gender" in body:
        found["gender"] = GENDERS.get(str(body["gender"]), "unknown")
    if "birthdate" in body:
        born = str(body["birthdate"])[:10]
        found["birthDate"] = born + {4: "-01-01", 7: "-01"}.get(len(born), "")
    if body.get("deathDate"):
        found["deceasedDateTime"] = body["deathDate"]
    elif "dead" in body:
        found["deceasedBoolean"] = bool(body["dead"])
    return found


def name_of(body: Resource) -> Resource:
    given_names = [body.get("givenName"), body.get("middleName")]
    return {
        "id": body["uuid"],
        "family": body.get("familyName"),
        "given": [each for each in given_names if each],
    }


def address_of(body: Resource) -> Resource:
    """Line-like parts stand in FHIR2's extension."""
    address: Resource = {"id": body["uuid"], "use": "old" if body.get("preferred") is False else "home"}
    address |= {fhir: body[ours] for ours, fhir in ADDRESS.items() if body.get(ours)}
    extra = [
        {"url": f"{EXT}/address#{name}", "valueString": value}
        for name, value in body.items()
        if name.startswith("address") and value
    ]
    if extra:
        address["extension"] = [{"url": f"{EXT}/address", "extension": extra}]
    return address


def name_held(name: Resource) -> Resource:
    """A name as REST knows it: what a body does not name stays."""
    given_names: list[str] = name.get("given") or []
    middle = " ".join(given_names[1:])
    return {"givenName": "".join(given_names[:1]), "middleName": middle, "familyName": name.get("family")}


def address_held(address: Resource) -> Resource:
    """An address as REST knows it: what a body does not name stays."""
    held = {ours: address[fhir] for ours, fhir in ADDRESS.items() if fhir in address}
    for outer in address.get("extension") or []:
        for inner in outer.get("extension") or []:
            held[str(inner["url"]).rpartition("#")[2]] = inner.get("valueString")
    return {"preferred": address.get("use") != "old", **held}


def identifier_of(body: Resource) -> Resource:
    """An identifier's location stands in an extension."""
    identifier: Resource = {
        "id": body["uuid"],
        "use": "official" if body.get("preferred", True) else "usual",
        "type": {"coding": [{"code": body.get("identifierType")}]},
        "value": body.get("identifier"),
    }
    if body.get("location"):
        place = {"reference": f"Location/{body['location']}", "type": "Location"}
        identifier["extension"] = [{"url": f"{EXT}/patient/identifier#location", "valueReference": place}]
    return identifier


def attribute_of(body: Resource) -> Resource:
    """A person attribute is an extension of two values; one configured type is shown as telecom."""
    if body.get("attributeType") == TELEPHONE:
        return {"id": body["uuid"], "value": body.get("value")}
    return {
        "id": body["uuid"],
        "url": f"{EXT}/person-attribute",
        "extension": [
            {"url": f"{EXT}/person-attribute-type", "valueString": body.get("attributeType")},
            {"url": f"{EXT}/person-attribute-value", "valueString": body.get("value")},
        ],
    }


def patient(data: Database, body: Resource, record_id: str) -> Resource:
    person: dict[str, Any] = body.get("person") or {}
    names, identifiers = person.get("names") or [], body.get("identifiers") or []
    if not names or not identifiers:
        raise Wrong(400, "Invalid Submission: a patient needs a name and an identifier")
    record: Resource = {"resourceType": "Patient", "id": record_id, "active": True}
    record["identifier"] = [identifier_of({"uuid": new_uuid(), **each}) for each in identifiers]
    for identifier in record["identifier"]:
        if not identifier["type"]["coding"][0]["code"]:
            raise Wrong(400, "Invalid Submission: identifierType is missing")
        refuse_taken(data, identifier, record_id)
    record["name"] = [name_of({"uuid": new_uuid(), **each}) for each in names]
    record |= {"deceasedBoolean": False, **scalars(person)}
    if "deceasedDateTime" in record:
        del record["deceasedBoolean"]
    record["address"] = [address_of({"uuid": new_uuid(), **each}) for each in person.get("addresses") or []]
    attributes = [attribute_of({"uuid": new_uuid(), **each}) for each in person.get("attributes") or []]
    record["extension"] = [each for each in attributes if "url" in each]
    record["telecom"] = [each for each in attributes if "url" not in each]
    return record


def encounter(data: Database, body: Resource, record_id: str) -> Resource:
    record = _encounter(data, body, record_id, "encounter")
    record["type"] = _typed("encounter-type", body.get("encounterType"))
    record["period"] = {"start": body.get("encounterDatetime")}
    record["participant"] = [
        {"individual": _known(data, "Practitioner", each.get("provider"))}
        for each in body.get("encounterProviders") or []
    ]
    record["partOf"] = _known(data, "Encounter", body.get("visit"))
    return record


def visit(data: Database, body: Resource, record_id: str) -> Resource:
    record = _encounter(data, body, record_id, "visit")
    record["type"] = _typed("visit-type", body.get("visitType"))
    record["period"] = {
        name: body[ours]
        for name, ours in (("start", "startDatetime"), ("end", "stopDatetime"))
        if body.get(ours)
    }
    return record


def _encounter(data: Database, body: Resource, record_id: str, tag: str) -> Resource:
    place = _known(data, "Location", body.get("location"))
    return {
        "resourceType": "Encounter",
        "id": record_id,
        "meta": {"tag": [{"system": TAG, "code": tag}]},
        "status": "unknown",
        "class": AMBULATORY,
        "subject": _known(data, "Patient", body.get("patient"), needed=True),
        "location": [{"location": place}] if place else [],
    }


def observation(data: Database, body: Resource, record_id: str) -> Resource:
    if not body.get("concept"):
        raise Wrong(400, "Invalid Submission: concept is missing")
    record: Resource = {
        "resourceType": "Observation",
        "id": record_id,
        "status": "final",
        "code": {"coding": [{"code": body["concept"]}]},
        "subject": _known(data, "Patient", body.get("person"), needed=True),
        "encounter": _known(data, "Encounter", body.get("encounter")),
        "effectiveDateTime": body.get("obsDatetime"),
        "hasMember": [_known(data, "Observation", each) for each in body.get("groupMembers") or []],
    }
    value = body.get("value")
    if isinstance(value, bool):
        record["valueBoolean"] = value
    elif isinstance(value, int | float):
        record["valueQuantity"] = {"value": value}
    elif isinstance(value, dict):
        record["valueCodeableConcept"] = {"coding": [{"code": value.get("uuid")}]}
    elif value:
        record["valueString"] = value
    return record


def location(data: Database, body: Resource, record_id: str) -> Resource:
    address = {fhir: body[ours] for ours, fhir in ADDRESS.items() if body.get(ours)}
    return {
        "resourceType": "Location",
        "id": record_id,
        "status": "active",
        "name": body.get("name"),
        "description": body.get("description"),
        "address": address,
        "partOf": _known(data, "Location", body.get("parentLocation")),
    }


def provider(data: Database, body: Resource, record_id: str) -> Resource:
    person = body.get("person") or {}
    names = person.get("names") or [] if isinstance(person, dict) else []
    return {
        "resourceType": "Practitioner",
        "id": record_id,
        "active": True,
        "identifier": [{"value": body.get("identifier")}],
        "name": [name_of({"uuid": new_uuid(), **each}) for each in names],
    }


def _known(data: Database, kind: str, record_id: Any, *, needed: bool = False) -> Resource | None:
    if record_id and data.alive(f"{kind}/{record_id}") is not None:
        return {"reference": f"{kind}/{record_id}", "type": kind}
    if record_id or needed:
        raise Wrong(400, f"Invalid Submission: {kind} is not known here")
    return None


def _typed(system: str, code: Any) -> list[Resource]:
    if not code:
        raise Wrong(400, "Invalid Submission: the type is missing")
    return [{"coding": [{"system": f"http://fhir.openmrs.org/code-system/{system}", "code": code}]}]


MAKERS = {
    "patient": patient,
    "encounter": encounter,
    "visit": visit,
    "obs": observation,
    "location": location,
    "provider": provider,
}
#: What REST knows of a part already, where a body names some of its members only.
PRESENT = {"name": name_held, "address": address_held}
PARTS = {
    "name": ("name", name_of),
    "address": ("address", address_of),
    "identifier": ("identifier", identifier_of),
    "attribute": ("extension", attribute_of),
}
