"""Reading a message bundle: its resources by reference, and their members as the fields of HL7 v2.

What ``oru_from_bundle`` asks of a bundle. What is missing is an empty field, except where a message cannot be
without it: then a ``ShapeError`` names the place.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, TypeVar

from assets.formats import fhir
from assets.formats.decode import ShapeError
from assets.formats.fhir import CodeableConcept, Coding, ContactPoint, Extension, Reference
from assets.formats.hl7 import Value
from assets.reportstream.fhir_parties import REPORTSTREAM
from assets.reportstream.oru_fields import at, day
from assets.reportstream.report import area_and_local

R = TypeVar("R", bound=fhir.Resource)
T = TypeVar("T")

LOCAL_RACE: Final = "http://ibm.com/fhir/cdm/StructureDefinition/local-race-cd"


class Bundle:
    """The resources of a bundle by the addresses they are referred to by."""

    def __init__(self, bundle: fhir.Bundle) -> None:
        self.entries = [entry.resource for entry in bundle.entry]
        self._known = {entry.full_url: entry.resource for entry in bundle.entry}
        self._known |= {f"{type(one).__name__}/{one.id}": one for one in self.entries}

    def first(self, kind: type[R]) -> R:
        """The first resource of a kind."""
        found = next((one for one in self.entries if isinstance(one, kind)), None)
        if found is None:
            raise ShapeError("entry", f"has no {kind.__name__}")
        return found

    def at(self, reference: Reference | None, kind: type[R], place: str) -> R:
        """The resource a reference leads to."""
        found = self._known.get(reference.reference or "") if reference else None
        if not isinstance(found, kind):
            raise ShapeError(place, f"leads to no {kind.__name__} in this bundle")
        return found


def first(many: tuple[T, ...]) -> T | None:
    """The first of several, if any."""
    return many[0] if many else None


def code_of(concept: CodeableConcept | None) -> str:
    """The first code of a concept."""
    return ((first(concept.coding) or Coding()).code if concept else None) or ""


def code_from(codings: Iterable[Coding], system: str) -> str:
    """The first code of a code system."""
    return next((one.code or "" for one in codings if (one.system or "").endswith(system)), "")


def extension(extensions: Iterable[Extension], name: str) -> Extension | None:
    """The extension of ReportStream's with this name."""
    return next(
        (one for one in extensions if one.url in (REPORTSTREAM + name, LOCAL_RACE) and name in one.url), None
    )


def clia(organization: fhir.Organization) -> str:
    """The number an organization is known by."""
    return next((one.value for one in organization.identifier if one.value), "")


def moment(text: str | None) -> str:
    """A FHIR dateTime as HL7 in UTC; a day stays a day."""
    if not text:
        return ""
    return at(datetime.fromisoformat(text)) if "T" in text else day(text)


def name_parts(name: fhir.HumanName) -> tuple[str, str, str, str]:
    """Family name, first name, the other given names, suffix."""
    return (
        name.family or "",
        name.given[0] if name.given else "",
        " ".join(name.given[1:]),
        name.suffix[0] if name.suffix else "",
    )


def address(addresses: tuple[fhir.Address, ...]) -> Value:
    """The first address; the county stands in the ninth component, as ReportStream writes it."""
    if not addresses:
        return ""
    one = addresses[0]
    lines = (*one.line, "", "")
    return (
        lines[0],
        lines[1],
        one.city or "",
        one.state or "",
        one.postal_code or "",
        one.country or "",
        "",
        "",
        one.district or "",
    )


def points(telecom: tuple[ContactPoint, ...]) -> list[Value]:
    """Phones and e-mail addresses at work."""
    return [point(one, mobile="WPN", other="WPN") for one in telecom]


def point(telecom: ContactPoint, *, mobile: str, other: str) -> Value:
    """A phone, written as it came and by its parts, or an e-mail address."""
    if telecom.system == "email":
        return ("", "NET", "Internet", telecom.value or "")
    is_mobile = telecom.use == "mobile"
    area, local = area_and_local(telecom.value or "")
    number = telecom.value or ""
    kind = "CP" if is_mobile else "PH"
    use = mobile if is_mobile else other
    return (number, use, kind, "", "1" if area else "", area, local, "", "", "", "", number)
