"""What is wrong with a FHIR R4 document that a schema does not see.

Required bindings, references that lead nowhere, ids, the order inside a message bundle, impossible dates,
empty members. It works on plain JSON values, so that any lane's resources can be judged; each finding names its
place and repeats no value. It says nothing of what ``fhir_oracle`` already says: types and required members.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, TypeAlias

Json: TypeAlias = Mapping[str, Any]

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]+)?", re.ASCII)
_YEAR = r"(?:[1-9]\d{3}|0[1-9]\d{2})"
_DATE = re.compile(rf"{_YEAR}(?:-\d\d(?:-\d\d)?)?", re.ASCII)
_MOMENT = re.compile(
    rf"{_YEAR}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)",
    re.ASCII,
)

#: Codes of required bindings (FHIR R4, sections of each resource), by resource and path inside it.
BINDINGS: Final[dict[tuple[str, str], frozenset[str]]] = {
    (kind, path): frozenset(codes.split())
    for kind, path, codes in (
        ("Bundle", "type", "document message transaction transaction-response batch batch-response history "
         "searchset collection"),
        ("Patient", "gender", "male female other unknown"),
        ("Practitioner", "gender", "male female other unknown"),
        ("Observation", "status", "registered preliminary final amended corrected cancelled entered-in-error "
         "unknown"),
        ("DiagnosticReport", "status", "registered partial preliminary final amended corrected appended "
         "cancelled entered-in-error unknown"),
        ("ServiceRequest", "status", "draft active on-hold revoked completed entered-in-error unknown"),
        ("ServiceRequest", "intent", "proposal plan directive order original-order reflex-order filler-order "
         "instance-order option"),
        ("ServiceRequest", "priority", "routine urgent asap stat"),
        ("Specimen", "status", "available unavailable unsatisfactory entered-in-error"),
        ("Device", "status", "active inactive entered-in-error unknown"),
        ("Device", "deviceName.type", "udi-label-name user-friendly-name patient-reported-name "
         "manufacturer-name model-name other"),
        ("Encounter", "status", "planned arrived triaged in-progress onleave finished cancelled "
         "entered-in-error unknown"),
        ("Condition", "verificationStatus.coding.code", "unconfirmed provisional differential confirmed "
         "refuted entered-in-error"),
        ("Location", "status", "active suspended inactive"),
        ("Task", "status", "draft requested received accepted rejected ready cancelled in-progress on-hold "
         "failed completed entered-in-error"),
        ("MedicationRequest", "status", "active on-hold cancelled completed entered-in-error stopped draft "
         "unknown"),
        ("Provenance", "entity.role", "derivation revision quotation source removal"),
    )
}  # fmt: skip

#: The same for data types, by the member that holds them.
_TYPE_BINDINGS: Final[dict[str, dict[str, frozenset[str]]]] = {
    "telecom": {
        "system": frozenset(["phone", "fax", "email", "pager", "url", "sms", "other"]),
        "use": frozenset(["home", "work", "temp", "old", "mobile"]),
    },
    "name": {"use": frozenset(["usual", "official", "temp", "nickname", "anonymous", "old", "maiden"])},
    "address": {
        "use": frozenset(["home", "work", "temp", "old", "billing"]),
        "type": frozenset(["postal", "physical", "both"]),
    },
    "identifier": {"use": frozenset(["usual", "official", "temp", "secondary", "old"])},
}

_MOMENTS: Final = frozenset(
    (
        *("timestamp", "recorded", "issued", "lastUpdated", "effectiveInstant", "valueInstant"),
        *(
            "receivedTime",
            "collectedDateTime",
            "effectiveDateTime",
            "valueDateTime",
            "authoredOn",
            "start",
            "end",
        ),
        *("occurrenceDateTime", "onsetDateTime", "deceasedDateTime", "recordedDate"),
    )
)
_DAYS: Final = frozenset(("birthDate", "valueDate"))
#: These must carry a time and an offset; the others may be a day, a month or a year.
_INSTANTS: Final = frozenset(("timestamp", "recorded", "issued", "lastUpdated", "valueInstant"))


def problems(document: Json) -> list[str]:
    """Everything found, one sentence each, beginning with the place; empty if nothing."""
    kind = document.get("resourceType")
    if not isinstance(kind, str):
        return ["resourceType: is missing"]
    found = list(_resource(kind, document))
    if kind == "Bundle":
        found += _bundle(document)
    return found


def _resource(where: str, resource: Json) -> Iterator[str]:
    identity = resource.get("id")
    if identity is not None and not (isinstance(identity, str) and _ID.fullmatch(identity)):
        yield f"{where}.id: is not an id; use 1 to 64 letters, digits, hyphens and dots"
    kind = str(resource.get("resourceType"))
    for path, codes in ((path, codes) for (of, path), codes in BINDINGS.items() if of == kind):
        for value in _values(resource, path.split(".")):
            if value not in codes:
                yield f"{where}.{path}: is not one of its codes"
    yield from _members(where, resource)


def _values(node: Any, path: Sequence[str]) -> Iterator[Any]:
    if isinstance(node, list):
        for item in node:
            yield from _values(item, path)
    elif not path:
        yield node
    elif isinstance(node, Mapping) and path[0] in node:
        yield from _values(node[path[0]], path[1:])


def _members(where: str, node: Json) -> Iterator[str]:
    """Every member below ``node``; resources inside entries are judged as such."""
    if len([name for name in node if name.startswith("value") and not name.endswith("Set")]) > 1:
        yield f"{where}: has more than one value[x]"
    for name, value in node.items():
        place = f"{where}.{name}"
        if value in ("", [], {}) or value is None:
            yield f"{place}: is empty; leave it out"
        elif isinstance(value, str):
            yield from _text(place, name, value)
        else:
            yield from _below(place, name, value)


def _below(place: str, name: str, value: Any) -> Iterator[str]:
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        at = f"{place}[{index}]" if isinstance(value, list) else place
        if isinstance(item, Mapping):
            for member, codes in _TYPE_BINDINGS.get(name, {}).items():
                if member in item and isinstance(item[member], str) and item[member] not in codes:
                    yield f"{at}.{member}: is not one of its codes"
            yield from _resource(at, item) if "resourceType" in item else _members(at, item)
        elif item in ("", None):
            yield f"{at}: is empty; leave it out"


def _text(place: str, name: str, value: str) -> Iterator[str]:
    if value != value.strip() and name not in ("text", "div", "valueString"):
        yield f"{place}: has blanks around it"
    if name in _DAYS and not _is_date(value):
        yield f"{place}: is not a date that exists"
    elif name in _INSTANTS and not _is_moment(value):
        yield f"{place}: is not an instant; it needs a time with seconds and an offset"
    elif name in _MOMENTS and not (_is_date(value) or _is_moment(value)):
        yield f"{place}: is not a date and time that exists; a time needs seconds and an offset"


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text + "-01-01"[: 3 * (2 - text.count("-"))])
    except ValueError:
        return False
    return True


def _is_moment(text: str) -> bool:
    if not _MOMENT.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text.replace(":60", ":59"))
    except ValueError:
        return False
    return True


def _bundle(bundle: Json) -> Iterator[str]:
    entries = [entry for entry in bundle.get("entry", []) if isinstance(entry, Mapping)]
    first = entries[0].get("resource", {}).get("resourceType") if entries else None
    if bundle.get("type") == "message" and first != "MessageHeader":
        yield "Bundle.entry[0]: must be the MessageHeader of a message (bdl-12)"
    if bundle.get("type") == "document" and first != "Composition":
        yield "Bundle.entry[0]: must be the Composition of a document (bdl-11)"
    if bundle.get("type") in ("transaction", "batch"):
        for index, entry in enumerate(entries):
            if "request" not in entry:
                yield f"Bundle.entry[{index}]: has no request (bdl-3)"
    if bundle.get("type") in ("message", "document", "collection", "transaction"):
        yield from _references(entries)


def _references(entries: Sequence[Json]) -> Iterator[str]:
    known: set[str] = set()
    for index, entry in enumerate(entries):
        resource, address = entry.get("resource", {}), entry.get("fullUrl")
        name = f"{resource.get('resourceType')}/{resource.get('id')}"
        if address is not None and address in known:
            yield f"Bundle.entry[{index}].fullUrl: stands more than once (bdl-7)"
        if isinstance(address, str):
            known.add(address)
            if "/" in address and not address.startswith("urn:") and not address.endswith(name):
                yield f"Bundle.entry[{index}].fullUrl: does not end with the resource's type and id"
        known.add(name)
    for index, entry in enumerate(entries):
        resource = entry.get("resource", {})
        contained = {f"#{inner.get('id')}" for inner in resource.get("contained", [])}
        for place, reference in _pointers(f"Bundle.entry[{index}].resource", resource):
            inside = reference.startswith(("#", "urn:")) or _LOCAL.fullmatch(reference)
            if inside and reference not in known and reference not in contained and reference != "#":
                yield f"{place}: leads to nothing in this bundle"


def _pointers(place: str, node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "reference" and isinstance(value, str):
                yield f"{place}.reference", value
            else:
                yield from _pointers(f"{place}.{name}", value)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _pointers(f"{place}[{index}]", item)
