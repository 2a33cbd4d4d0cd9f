"""What OpenMRS tells us: feed entries, and the FHIR messages a clinic hands in.

An entry is a hint that a record changed. Its id is the event's; the record's id is only in its content.
Reading the XML is ``feed``'s; what to do about an entry is ``reconcile``'s.
"""

import enum
import re
from dataclasses import dataclass, field

from assets.formats.decode import ShapeError
from assets.openmrs.tree import Tree, decode, text

#: OpenMRS uuids have 36 characters, among them letter-padded ones such as 5090AAAA...; its column holds 38.
_RECORD_ID = re.compile(r"[0-9A-Za-z-]{36,38}")

#: Where a REST address names a record that FHIR knows by another name. A person's uuid is the patient's.
_REST_TYPES = {
    "patient": "Patient",
    "person": "Patient",
    "visit": "Encounter",
    "encounter": "Encounter",
    "bahmnicore/bahmniencounter": "Encounter",
    "obs": "Observation",
    "location": "Location",
    "provider": "Practitioner",
    "cohort": "Group",
}

#: The types this lane carries; a hint about any other is skipped with a reason.
CARRIED = frozenset({"Location", "Practitioner", "Patient", "Encounter", "Observation"})


class Side(enum.Enum):
    """The two ends of a link. Roles belong to the link: a child may be the parent of another (R20)."""

    PARENT = "parent"
    CHILD = "child"

    @property
    def other(self) -> "Side":
        return Side.CHILD if self is Side.PARENT else Side.PARENT


class Action(enum.Enum):
    """What the publisher says happened. The read decides, not this word (R12)."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    RETIRED = "RETIRED"
    UNRETIRED = "UNRETIRED"
    VOIDED = "VOIDED"
    UNVOIDED = "UNVOIDED"
    DELETED = "DELETED"
    UNSAID = ""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A record's FHIR type and id on one side."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a feed page. ``key`` is None when nothing in it names a record we know (R6).

    ``problem`` says why, in words without the entry's content; ``content`` is kept for the ledger.
    """

    id: str
    category: str
    updated: str
    action: Action = Action.UNSAID
    key: Key | None = None
    content: str = field(default="", repr=False)
    problem: str = ""


def record_id(candidate: str) -> bool:
    """Whether a text may stand in an address as a record's id (R17): no dots, slashes or percent signs.

    >>> record_id("5090AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), record_id("../../../etc/passwd")
    (True, False)
    """
    return _RECORD_ID.fullmatch(candidate) is not None


def key_of_path(path: str) -> Key | None:
    """The record an entry's path names, whether FHIR or REST, with or without context path or host.

    >>> key_of_path("/openmrs/ws/rest/v1/patient/8a9633e5-d23f-492e-9178-bb76f170f118?v=full")
    Key(type='Patient', id='8a9633e5-d23f-492e-9178-bb76f170f118')
    """
    plain = path.partition("?")[0].partition("#")[0]
    if ".." in plain or "\\" in plain or "%" in plain:
        return None
    _, fhir, rest = plain.rpartition("/ws/fhir")
    if fhir:
        return _fhir_key(rest.split("/"))
    _, rest_api, rest = plain.rpartition("/ws/rest/v1/")
    return _rest_key(rest) if rest_api else None


def _fhir_key(steps: list[str]) -> Key | None:
    found = steps[-2:]
    if len(found) == 2 and re.fullmatch(r"[A-Z][A-Za-z]{1,40}", found[0]) and record_id(found[1]):
        return Key(found[0], found[1])
    return None


def _rest_key(rest: str) -> Key | None:
    for name, kind in _REST_TYPES.items():
        if rest.startswith(f"{name}/"):
            found = rest[len(name) + 1 :].split("/")[0]
            return Key(kind, found) if record_id(found) else None
    return None


def handed_in(raw: bytes) -> tuple[Key, Tree]:
    """One FHIR resource a clinic hands in (scenarios B and C), with the record it is about."""
    tree = decode(raw)
    kind, found = text(tree, "resourceType"), text(tree, "id")
    if kind not in CARRIED:
        raise ShapeError("resourceType", "is not one of " + ", ".join(sorted(CARRIED)))
    if not record_id(found):
        raise ShapeError("id", "is not an OpenMRS uuid of 36 to 38 letters, digits and hyphens")
    return Key(kind, found), tree
