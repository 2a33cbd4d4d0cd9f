"""Whose records a clinic may have (R16).

Membership is decided on the patient's current record, never on the feed's filter tag: the tag was made when
the event happened, is cut at 255 characters, and a comma in an address breaks it. Encounters and
observations inherit their patient's membership. Catchment limits what goes down; what a clinic writes
always goes up.
"""

import enum
import unicodedata
from dataclasses import dataclass
from typing import TypeAlias

from assets.openmrs.tree import Tree, items, text

#: OpenMRS' address parts, and where FHIR2 puts them. Parts not named here are children of its extension.
ADDRESS_PARTS = {
    "country": "country",
    "stateProvince": "state",
    "countyDistrict": "district",
    "cityVillage": "city",
    "postalCode": "postalCode",
}
ADDRESS_EXTENSION = "http://fhir.openmrs.org/ext/address"
IDENTIFIER_LOCATION = "http://fhir.openmrs.org/ext/patient/identifier#location"

_ANY = "*"


class Leaving(enum.Enum):
    """What becomes of a patient at the clinic who has moved out of its catchment."""

    KEEP = "keep"  # stays, and goes on being updated
    FREEZE = "freeze"  # stays as it is
    PURGE = "purge"  # is voided at the clinic


@dataclass(frozen=True, slots=True)
class Everyone:
    """A clinic that may have every patient."""

    def holds(self, patient: Tree) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class AddressParts:
    """Patients whose preferred address fits one of the patterns; ``*`` leaves a part open."""

    parts: tuple[str, ...]
    patterns: tuple[tuple[str, ...], ...]

    def holds(self, patient: Tree) -> bool:
        address = preferred_address(patient)
        lived = tuple(_folded(address_part(address, part)) for part in self.parts)
        return any(_fits(pattern, lived) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Members:
    """Patients of a FHIR Group (an OpenMRS cohort); ``ids`` are read anew with each run."""

    group: str
    ids: frozenset[str] = frozenset()

    def holds(self, patient: Tree) -> bool:
        return text(patient, "id") in self.ids


@dataclass(frozen=True, slots=True)
class Locations:
    """Patients with an identifier issued at one of the locations."""

    ids: frozenset[str]

    def holds(self, patient: Tree) -> bool:
        issued = {
            text(extension, "valueReference", "reference").rpartition("/")[2]
            for identifier in items(patient, "identifier")
            for extension in items(identifier, "extension")
            if text(extension, "url") == IDENTIFIER_LOCATION
        }
        return bool(issued & self.ids)


@dataclass(frozen=True, slots=True)
class Identifiers:
    """Patients with one of the identifiers; a trailing ``*`` stands for any ending."""

    values: tuple[str, ...]

    def holds(self, patient: Tree) -> bool:
        own = [text(identifier, "value") for identifier in items(patient, "identifier")]
        return any(_listed(value, entry) for value in own for entry in self.values)


Catchment: TypeAlias = Everyone | AddressParts | Members | Locations | Identifiers


def pattern(written: str) -> tuple[str, ...]:
    """A filter as Sync 2.0 writes it: ``country%state%county%city%postcode``.

    >>> pattern("Uganda%Central%*")
    ('uganda', 'central', '*')
    """
    return tuple(_folded(part) for part in written.split("%"))


def preferred_address(patient: Tree) -> Tree:
    """The address FHIR2 marks ``home``; without one the first that is not marked old."""
    addresses = items(patient, "address")
    home = [each for each in addresses if text(each, "use") == "home"]
    current = [each for each in addresses if text(each, "use") != "old"]
    return next(iter(home or current), {})


def address_part(address: Tree, part: str) -> str:
    """One OpenMRS address part of a FHIR address, or an empty text."""
    if part in ADDRESS_PARTS:
        return text(address, ADDRESS_PARTS[part])
    for extension in items(address, "extension"):
        for child in items(extension, "extension"):
            if text(child, "url") == f"{ADDRESS_EXTENSION}#{part}":
                return text(child, "valueString")
    return ""


def group_members(group: Tree) -> frozenset[str]:
    """The patients of a FHIR Group that are not marked inactive."""
    return frozenset(
        text(member, "entity", "reference").rpartition("/")[2]
        for member in items(group, "member")
        if member.get("inactive") is not True
    )


def _fits(wanted: tuple[str, ...], lived: tuple[str, ...]) -> bool:
    return len(wanted) == len(lived) and all(
        want in (_ANY, have) or (want == "null" and not have)
        for want, have in zip(wanted, lived, strict=True)
    )


def _listed(value: str, entry: str) -> bool:
    return value.startswith(entry[:-1]) if entry.endswith(_ANY) else value == entry


def _folded(value: str) -> str:
    return unicodedata.normalize("NFC", value).strip().casefold()
