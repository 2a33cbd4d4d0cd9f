"""FHIR R4 resources as plain frozen values: the subset our lanes emit, and its JSON.

Field names are FHIR's own, in Python's spelling; what is absent is left out. msgspec writes them about as fast
as orjson writes dictionaries and reads them back typed. Nothing is validated here: ``fhir_checks`` says what is
wrong with a document, ``fhir_oracle`` asks fhir.resources and the official JSON schema.

>>> encode(Reference(reference="Patient/1"))
b'{"reference":"Patient/1"}'
"""

from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from assets.formats.decode import decoder


class Element(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", gc=False):
    """A data type of FHIR; members we do not use are passed over when reading."""


class Reference(Element, frozen=True, kw_only=True):
    """A pointer to another resource."""

    reference: str | None = None
    display: str | None = None


class Coding(Element, frozen=True, kw_only=True):
    """A code of a code system."""

    extension: tuple["Extension", ...] = ()
    system: str | None = None
    version: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Element, frozen=True, kw_only=True):
    """A concept by codes or by words."""

    coding: tuple[Coding, ...] = ()
    text: str | None = None


class Extension(Element, frozen=True, kw_only=True):
    """What FHIR has no member for, named by an address."""

    url: str
    extension: tuple["Extension", ...] = ()
    value_string: str | None = None
    value_date_time: str | None = None
    value_instant: str | None = None
    value_coding: Coding | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_reference: Reference | None = None


class Identifier(Element, frozen=True, kw_only=True):
    """A number somebody knows something by."""

    use: str | None = None
    type: CodeableConcept | None = None
    system: str | None = None
    value: str | None = None


class HumanName(Element, frozen=True, kw_only=True):
    """A person's name."""

    use: str | None = None
    family: str | None = None
    given: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()


class ContactPoint(Element, frozen=True, kw_only=True):
    """A phone number or an e-mail address."""

    system: str | None = None
    value: str | None = None
    use: str | None = None


class Address(Element, frozen=True, kw_only=True):
    """A postal address."""

    line: tuple[str, ...] = ()
    city: str | None = None
    district: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class Annotation(Element, frozen=True, kw_only=True):
    """A note."""

    extension: tuple[Extension, ...] = ()
    text: str


class Meta(Element, frozen=True, kw_only=True):
    """What is said about a resource."""

    profile: tuple[str, ...] = ()
    tag: tuple[Coding, ...] = ()


class Resource(Element, frozen=True, kw_only=True, tag_field="resourceType", tag=True):
    """What has an identity of its own."""

    id: str | None = None
    meta: Meta | None = None
    extension: tuple[Extension, ...] = ()


class Destination(Element, frozen=True, kw_only=True):
    """Whom a message is for."""

    name: str | None = None
    endpoint: str


class Source(Element, frozen=True, kw_only=True):
    """Whose software sends a message."""

    extension: tuple[Extension, ...] = ()
    name: str | None = None
    software: str | None = None
    version: str | None = None
    endpoint: str


class MessageHeader(Resource, frozen=True, kw_only=True):
    """What a message is about, from whom and for whom."""

    event_coding: Coding
    destination: tuple[Destination, ...] = ()
    sender: Reference | None = None
    source: Source
    focus: tuple[Reference, ...] = ()


class Agent(Element, frozen=True, kw_only=True):
    """Who took part in something."""

    who: Reference


class Provenance(Resource, frozen=True, kw_only=True):
    """Where the content of a message comes from. FHIR requires ``target``; a published sample has none."""

    target: tuple[Reference, ...] = ()
    recorded: str
    activity: CodeableConcept | None = None
    agent: tuple[Agent, ...] = ()


class Communication(Element, frozen=True, kw_only=True):
    """A language a patient understands."""

    language: CodeableConcept
    preferred: bool | None = None


class Patient(Resource, frozen=True, kw_only=True):
    """The person tested."""

    identifier: tuple[Identifier, ...] = ()
    name: tuple[HumanName, ...] = ()
    telecom: tuple[ContactPoint, ...] = ()
    gender: str | None = None
    birth_date: str | None = None
    address: tuple[Address, ...] = ()
    communication: tuple[Communication, ...] = ()
    managing_organization: Reference | None = None


class Organization(Resource, frozen=True, kw_only=True):
    """A lab, a facility, a sender."""

    identifier: tuple[Identifier, ...] = ()
    name: str | None = None
    telecom: tuple[ContactPoint, ...] = ()
    address: tuple[Address, ...] = ()


class Practitioner(Resource, frozen=True, kw_only=True):
    """A clinician."""

    identifier: tuple[Identifier, ...] = ()
    name: tuple[HumanName, ...] = ()
    telecom: tuple[ContactPoint, ...] = ()
    address: tuple[Address, ...] = ()


class PractitionerRole(Resource, frozen=True, kw_only=True):
    """A clinician at an organization."""

    practitioner: Reference | None = None
    organization: Reference | None = None


class Collection(Element, frozen=True, kw_only=True):
    """How a specimen was taken."""

    collected_date_time: str | None = None
    body_site: CodeableConcept | None = None


class Specimen(Resource, frozen=True, kw_only=True):
    """What was tested."""

    identifier: tuple[Identifier, ...] = ()
    type: CodeableConcept | None = None
    subject: Reference | None = None
    received_time: str | None = None
    collection: Collection | None = None


class ServiceRequest(Resource, frozen=True, kw_only=True):
    """An order."""

    status: str
    intent: str
    code: CodeableConcept | None = None
    subject: Reference
    requester: Reference | None = None
    performer: tuple[Reference, ...] = ()
    supporting_info: tuple[Reference, ...] = ()
    note: tuple[Annotation, ...] = ()


class DeviceName(Element, frozen=True, kw_only=True):
    """What a device is called."""

    name: str
    type: str


class Device(Resource, frozen=True, kw_only=True):
    """What a test is done with."""

    identifier: tuple[Identifier, ...] = ()
    manufacturer: str | None = None
    device_name: tuple[DeviceName, ...] = ()


class Method(CodeableConcept, frozen=True, kw_only=True):
    """How an observation was made; the kit stands in an extension."""

    extension: tuple[Extension, ...] = ()


class Observation(Resource, frozen=True, kw_only=True):
    """A result or an answer."""

    identifier: tuple[Identifier, ...] = ()
    status: str
    code: CodeableConcept
    subject: Reference | None = None
    effective_date_time: str | None = None
    issued: str | None = None
    performer: tuple[Reference, ...] = ()
    value_codeable_concept: CodeableConcept | None = None
    value_date_time: str | None = None
    value_string: str | None = None
    interpretation: tuple[CodeableConcept, ...] = ()
    note: tuple[Annotation, ...] = ()
    method: Method | None = None
    specimen: Reference | None = None
    device: Reference | None = None


class DiagnosticReport(Resource, frozen=True, kw_only=True):
    """The results of an order, together."""

    identifier: tuple[Identifier, ...] = ()
    based_on: tuple[Reference, ...] = ()
    status: str
    code: CodeableConcept
    subject: Reference | None = None
    effective_date_time: str | None = None
    issued: str | None = None
    specimen: tuple[Reference, ...] = ()
    result: tuple[Reference, ...] = ()


AnyResource: TypeAlias = (
    MessageHeader
    | Provenance
    | DiagnosticReport
    | Patient
    | Organization
    | Practitioner
    | PractitionerRole
    | Specimen
    | ServiceRequest
    | Device
    | Observation
)


class Entry(Element, frozen=True, kw_only=True):
    """A resource in a bundle and the address it is referred to by."""

    full_url: str
    resource: AnyResource


class Bundle(Resource, frozen=True, kw_only=True):
    """Resources that travel together."""

    identifier: Identifier | None = None
    type: str
    timestamp: str | None = None
    entry: tuple[Entry, ...] = ()


encode = msgspec.json.Encoder().encode

#: A bundle of these resources; a ``ShapeError`` names what is not one.
decode_bundle = decoder(Bundle)


def ref(resource: AnyResource) -> Reference:
    """How another resource of the same bundle points to this one."""
    return Reference(reference=f"{type(resource).__name__}/{resource.id}")


def entry(resource: AnyResource) -> Entry:
    """The resource as an entry, under the address ``ref`` points to."""
    return Entry(full_url=f"{type(resource).__name__}/{resource.id}", resource=resource)


def instant(moment: datetime) -> str:
    """A moment in UTC to the millisecond, as FHIR's instant: ``2026-03-02T15:04:05.000Z``."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be sent: say which zone it is in")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def date_time(moment: datetime) -> str:
    """A moment to the second with the offset it was told in, as FHIR's dateTime."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be sent: say which zone it is in")
    return moment.isoformat(timespec="seconds")
