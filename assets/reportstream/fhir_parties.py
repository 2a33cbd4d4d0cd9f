"""Who and what a report speaks of, as FHIR resources: patient, organizations, practitioner, device.

Also the small forms all of a bundle's resources are made of; the bundle itself is in ``fhir``.
"""

import re
from typing import Final

from assets.formats import fhir
from assets.formats.fhir import CodeableConcept, Coding, Extension, Identifier, ref
from assets.reportstream import report as of
from assets.reportstream.identity import derived_id
from assets.reportstream.report import Address, Coded, Facility, area_and_local
from assets.reportstream.rules import is_npi

REPORTSTREAM: Final = "https://reportstream.cdc.gov/fhir/StructureDefinition/"
V2: Final = "http://terminology.hl7.org/CodeSystem/v2-"

_FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)


def usable_id(text: str, *otherwise: str) -> str:
    """The text if FHIR takes it as an id, else an id derived from what it would have named."""
    return text if _FHIR_ID.fullmatch(text) else derived_id(*otherwise)


def concept(coded: Coded, *, display: bool = True, text: str | None = None) -> CodeableConcept:
    """One code, with its name and the words that came with it."""
    coding = Coding(system=coded.system, code=code(coded.code), display=(display and coded.text) or None)
    return CodeableConcept(coding=(coding,), text=text)


def code(text: str) -> str:
    """A code as FHIR takes it: single blanks inside. Free text stands in for a code where no table knows one."""
    return " ".join(text.split()) if "  " in text else text


def phone(number: str) -> str:
    """A number as ReportStream takes it: national, with spaces.

    >>> phone("205-999-2800")
    '(205) 999 2800'
    """
    area, local = area_and_local(number)
    return f"({area}) {local[:3]} {local[3:]}" if area else number


def _telecom(number: str, email: str, use: str, email_use: str) -> tuple[fhir.ContactPoint, ...]:
    points = []
    if number:
        points.append(fhir.ContactPoint(system="phone", value=phone(number), use=use))
    if email:
        points.append(fhir.ContactPoint(system="email", value=email, use=email_use))
    return tuple(points)


def _address(address: Address) -> tuple[fhir.Address, ...]:
    return (
        fhir.Address(
            line=tuple([line for line in (address.street, address.street_2) if line]),
            city=address.city or None,
            district=address.county or None,
            state=address.state or None,
            postal_code=address.zip_code or None,
            country=address.country or None,
        ),
    )


def _name(name: of.Name) -> tuple[fhir.HumanName, ...]:
    return (
        fhir.HumanName(
            family=name.last,
            given=tuple([part for part in (name.first, name.middle) if part]),
            suffix=(name.suffix,) if name.suffix else (),
        ),
    )


def organization(facility: Facility) -> fhir.Organization:
    """A lab or a facility, known by its CLIA number."""
    clia = CodeableConcept(coding=(Coding(system=V2 + "0301", code="CLIA"),))
    return fhir.Organization(
        id=facility.id,
        identifier=(Identifier(use="official", type=clia, value=facility.clia),),
        name=facility.name,
        telecom=_telecom(facility.phone, facility.email, "work", "work"),
        address=_address(facility.address),
    )


def patient(patient: of.Patient, lab: fhir.Organization, *, published: bool) -> fhir.Patient:
    """The person tested. Published: "other" as unknown, no language."""
    language = patient.language
    sex = "unknown" if published and patient.sex == "other" else patient.sex
    return fhir.Patient(
        id=usable_id(patient.id, "patient", patient.id),
        extension=tuple(_about(patient)),
        identifier=(Identifier(value=patient.id),),
        name=_name(patient.name),
        telecom=_telecom(patient.phone, patient.email, patient.phone_use, "home"),
        gender=sex,
        birth_date=patient.birth_date,
        address=_address(patient.address),
        communication=(fhir.Communication(language=concept(language, display=False, text=language.text)),)
        if language and not published
        else (),
        managing_organization=ref(lab),
    )


def _about(patient: of.Patient) -> list[Extension]:
    found = [
        Extension(
            url="http://ibm.com/fhir/cdm/StructureDefinition/local-race-cd",
            value_codeable_concept=concept(patient.race, display=False, text=patient.race.text),
        ),
        Extension(
            url=REPORTSTREAM + "ethnic-group",
            value_codeable_concept=concept(patient.ethnicity, text=patient.ethnicity.text),
        ),
    ]
    for tribe in patient.tribes:
        named = concept(tribe, text=tribe.text or None)
        inner = Extension(url="tribalAffiliation", value_codeable_concept=named)
        url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-tribal-affiliation"
        found.append(Extension(url=url, extension=(inner,)))
    return found


def practitioner(provider: of.Provider, *, published: bool) -> fhir.Practitioner:
    """Who ordered. Published: a number that is no NPI is left out."""
    identifier: tuple[Identifier, ...] = ()
    if is_npi(provider.number):
        identifier = (Identifier(system="http://hl7.org/fhir/sid/us-npi", value=provider.number),)
    elif provider.number and not published:
        kind = CodeableConcept(coding=(Coding(system=V2 + "0203", code="PRN"),))
        identifier = (Identifier(type=kind, value=provider.number),)
    return fhir.Practitioner(
        id=usable_id(provider.id, "provider", provider.id),
        identifier=identifier,
        name=_name(provider.name),
        telecom=_telecom(provider.phone, "", "work", "work"),
        address=_address(provider.address),
    )


def device(device: of.Device, *, published: bool) -> fhir.Device:
    """What the test was done with. Published: value and type of its identifier apart."""
    kind = CodeableConcept(coding=(Coding(code=device.equipment_type),)) if device.equipment_type else None
    if published:
        identifier = tuple(
            [Identifier(value=device.equipment)] * bool(device.equipment)
            + [Identifier(type=kind)] * bool(kind)
        )
    else:
        identifier = (Identifier(type=kind, value=device.equipment),) if device.equipment else ()
    return fhir.Device(
        id=usable_id(device.id, "device", device.id),
        identifier=identifier,
        manufacturer=device.manufacturer or None,
        device_name=(fhir.DeviceName(name=device.model, type="model-name"),),
    )
