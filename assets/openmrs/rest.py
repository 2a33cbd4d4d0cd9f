"""A FHIR record in the words of OpenMRS' REST API, which alone keeps a uuid the caller chose.

FHIR2 throws the id of a POST away before the module sees it, so with ``create = "rest-uuid"`` records are
created here. And its PUT of a patient only adds: a name, an address or an identifier is corrected through
the person's parts. (OpenMRS REST Web Services, resources patient, person, visit, encounter, obs.)
"""

from assets.openmrs.canonical import encounter_tag
from assets.openmrs.catchment import ADDRESS_EXTENSION, ADDRESS_PARTS, IDENTIFIER_LOCATION
from assets.openmrs.tree import Json, Tree, get, items, pruned, text

#: "Telephone Number" of the OpenMRS Reference Application. FHIR2 shows the numbers of one attribute type, which
#: its property fhir2.personContactPointAttributeTypeUuid names, and does not say which.
TELEPHONE = "14d4f066-15f5-102d-96e4-000c29c2a5d7"

PERSON_ATTRIBUTE = "http://fhir.openmrs.org/ext/person-attribute"

_GENDERS = {"male": "M", "female": "F", "other": "O", "unknown": "U"}

#: OpenMRS' own "Unknown" encounter role: FHIR2 shows a participant without saying in which role.
UNKNOWN_ROLE = "a0b03050-c99b-11e0-9572-0800200c9a66"

_VALUES = ("valueString", "valueBoolean", "valueInteger", "valueDateTime", "valueTime")


def resource_of(record: Tree) -> str:
    """The REST resource a FHIR record lives in."""
    kind = text(record, "resourceType")
    if kind == "Encounter":
        return "visit" if encounter_tag(record) == "visit" else "encounter"
    return {
        "Patient": "patient",
        "Observation": "obs",
        "Location": "location",
        "Practitioner": "provider",
    }[kind]


def created(record: Tree, telephone: str) -> Tree:
    """The body that creates the record under its own uuid."""
    makers = {
        "patient": lambda patient: _patient(patient, telephone),
        "visit": _visit,
        "encounter": _encounter,
        "obs": _observation,
        "location": _location,
        "provider": _provider,
    }
    body = pruned({"uuid": text(record, "id"), **makers[resource_of(record)](record)})
    return body if isinstance(body, dict) else {}


def person(record: Tree) -> Tree:
    """A person's own values: what OpenMRS keeps beside names, addresses and identifiers."""
    born = text(record, "birthDate")
    died = text(record, "deceasedDateTime")
    return {
        "gender": _GENDERS.get(text(record, "gender"), "U"),
        "birthdate": born + {4: "-01-01", 7: "-01"}.get(len(born), ""),
        "birthdateEstimated": len(born) in (4, 7),
        "dead": bool(died) or get(record, "deceasedBoolean") is True,
        "deathDate": died or None,
    }


#: A person's own values by FHIR's names: those that change are sent, and no other.
OWN_VALUES = {
    "gender": ("gender",),
    "birthDate": ("birthdate", "birthdateEstimated"),
    "deceasedBoolean": ("dead", "deathDate"),
    "deceasedDateTime": ("dead", "deathDate"),
}


def part(element: str, value: Json, telephone: str) -> tuple[str, Tree] | None:
    """The part of a person an element lives in, and its body; None for what OpenMRS cannot hold.

    >>> part("address[85e9]", {"id": "85e9", "city": "Kampala"}, TELEPHONE)
    ('address', {'uuid': '85e9', 'preferred': True, 'cityVillage': 'Kampala'})
    """
    name, item = element.partition("[")[0], value if isinstance(value, dict) else {}
    match name:
        case "name":
            made = _name(item)
        case "address":
            made = _address(item)
        case "identifier":
            made = _identifier(item)
        case "telecom" if telephone:
            name, made = "attribute", _number(item, telephone)
        case "extension" if _is_attribute(item):
            name, made = "attribute", _attribute(item)
        case _:
            return None
    body = pruned(made)
    return name, body if isinstance(body, dict) else {}


def _is_attribute(extension: Tree) -> bool:
    return text(extension, "url") == PERSON_ATTRIBUTE


def _patient(record: Tree, telephone: str) -> Tree:
    numbers = [_number(each, telephone) for each in items(record, "telecom")] if telephone else []
    attributes = [
        _attribute(extension) for extension in items(record, "extension") if _is_attribute(extension)
    ]
    body: Tree = {
        "uuid": text(record, "id"),
        "names": [_name(name) for name in items(record, "name")],
        "addresses": [_address(address) for address in items(record, "address")],
        "attributes": [*attributes, *numbers],
        **person(record),
    }
    return {"person": body, "identifiers": [_identifier(each) for each in items(record, "identifier")]}


def _name(name: Tree) -> Tree:
    given = [each for each in _texts(get(name, "given")) if each]
    return {
        "uuid": text(name, "id"),
        "givenName": given[0] if given else "",
        "middleName": " ".join(given[1:]),
        "familyName": text(name, "family"),
    }


def _address(address: Tree) -> Tree:
    body: Tree = {"uuid": text(address, "id"), "preferred": text(address, "use") != "old"}
    body |= {ours: text(address, fhir) for ours, fhir in ADDRESS_PARTS.items()}
    for extension in items(address, "extension"):
        for child in items(extension, "extension"):
            part_name = text(child, "url").removeprefix(f"{ADDRESS_EXTENSION}#")
            body[part_name] = text(child, "valueString")
    lines = _texts(get(address, "line"))
    body |= {f"address{at}": line for at, line in enumerate(lines, 1) if f"address{at}" not in body}
    return body


def _identifier(identifier: Tree) -> Tree:
    places = [
        text(extension, "valueReference", "reference").rpartition("/")[2]
        for extension in items(identifier, "extension")
        if text(extension, "url") == IDENTIFIER_LOCATION
    ]
    return {
        "uuid": text(identifier, "id"),
        "identifier": text(identifier, "value"),
        "identifierType": _code(identifier, "type") or text(identifier, "type", "text"),
        "location": next(iter(places), ""),
        "preferred": text(identifier, "use") == "official",
    }


def _attribute(extension: Tree) -> Tree:
    values = {text(child, "url"): text(child, "valueString") for child in items(extension, "extension")}
    return {
        "uuid": text(extension, "id"),
        "attributeType": values.get(f"{PERSON_ATTRIBUTE}-type", ""),
        "value": values.get(f"{PERSON_ATTRIBUTE}-value", ""),
    }


def _number(telecom: Tree, telephone: str) -> Tree:
    return {"uuid": text(telecom, "id"), "attributeType": telephone, "value": text(telecom, "value")}


def _visit(record: Tree) -> Tree:
    return {
        "patient": _pointed(record, "subject"),
        "visitType": _code(record, "type", 0),
        "startDatetime": text(record, "period", "start"),
        "stopDatetime": text(record, "period", "end"),
        "location": _pointed(record, "location", 0, "location"),
    }


def _encounter(record: Tree) -> Tree:
    seen_by = [_pointed(each, "individual") for each in items(record, "participant")]
    return {
        "patient": _pointed(record, "subject"),
        "encounterType": _code(record, "type", 0),
        "encounterDatetime": text(record, "period", "start"),
        "location": _pointed(record, "location", 0, "location"),
        "visit": _pointed(record, "partOf"),
        "encounterProviders": [{"provider": each, "encounterRole": UNKNOWN_ROLE} for each in seen_by if each],
    }


def _observation(record: Tree) -> Tree:
    return {
        "person": _pointed(record, "subject"),
        "concept": _code(record, "code"),
        "obsDatetime": text(record, "effectiveDateTime"),
        "encounter": _pointed(record, "encounter"),
        "groupMembers": [_pointed(member) for member in items(record, "hasMember")],
        "value": _value(record),
    }


def _value(record: Tree) -> Json:
    number = get(record, "valueQuantity", "value")
    if number is not None:
        return number
    if code := _code(record, "valueCodeableConcept"):
        return {"uuid": code}
    return next((record[name] for name in _VALUES if name in record), None)


def _location(record: Tree) -> Tree:
    address = get(record, "address")
    places = _address(address) if isinstance(address, dict) else {}
    kept = {name: value for name, value in places.items() if name not in ("uuid", "preferred")}
    return {
        "name": text(record, "name"),
        "description": text(record, "description"),
        "parentLocation": _pointed(record, "partOf"),
        **kept,
    }


def _provider(record: Tree) -> Tree:
    names: list[Json] = [_name(name) for name in items(record, "name")]
    return {
        "identifier": text(record, "identifier", 0, "value"),
        "person": {"names": names, "gender": _GENDERS.get(text(record, "gender"), "U")},
    }


def _pointed(record: Tree, *path: str | int) -> str:
    return text(record, *path, "reference").rpartition("/")[2]


def _code(record: Tree, *path: str | int) -> str:
    """The code OpenMRS itself gave, which is a uuid: it stands without a code system, or under its own."""
    codings = items(record, *path, "coding")
    own = [each for each in codings if "openmrs.org" in text(each, "system") or not text(each, "system")]
    return text(next(iter(own or codings), {}), "code")


def _texts(value: Json) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
