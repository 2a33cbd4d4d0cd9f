"""The test event as SimpleReport sends it: its shape and nothing more.

The door refuses what has not this shape (JSON, types, required and unknown members, listed values).
Whether a date exists or a CLIA number is one is judged after storing, by ``rules``: texts stay texts here.
"""

from typing import Annotated, Literal, NamedTuple

import msgspec

from assets.formats.decode import ShapeError, decoder, refuse_repeated_members

Disease = Literal[
    "COVID-19",
    "Flu A",
    "Flu B",
    "Flu A and B",
    "RSV",
    "HIV",
    "Syphilis",
    "Hepatitis C",
    "Gonorrhea",
    "Chlamydia",
]
CorrectionStatus = Literal["ORIGINAL", "CORRECTED", "REMOVED"]
ResultValue = Literal["POSITIVE", "NEGATIVE", "UNDETERMINED"]
Race = Literal["native", "asian", "black", "pacific", "white", "other", "unknown", "refused"]
Ethnicity = Literal["hispanic", "not_hispanic", "refused", "unknown"]
Gender = Literal["male", "female", "other", "refused", "unknown"]
Role = Literal["STAFF", "RESIDENT", "STUDENT", "VISITOR", "UNKNOWN"]
SiteOfCare = Literal[
    "k12",
    "university",
    "correctional_facility",
    "airport",
    "shelter",
    "fqhc",
    "primary_care",
    "assisted_living",
    "hospital",
    "urgent_care",
    "nursing_home",
    "treatment_center",
    "hospice",
    "pharmacy",
    "employer",
    "government_agency",
    "camp",
    "lab",
    "other",
]

#: An id decides what is a repeat and which queue an event belongs to: an empty one decides nothing.
Id = Annotated[str, msgspec.Meta(min_length=1)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """An object of the event: unknown members are refused, null and absent are alike."""


class Result(Part, frozen=True):
    """What the test said about one disease."""

    disease: Disease
    result: ResultValue


class Patient(Part, frozen=True):
    """The person tested, as the facility knows them."""

    internal_id: Id
    first_name: str
    last_name: str
    race: Race
    ethnicity: Ethnicity
    gender: Gender
    birth_date: str
    street: str
    state: str
    middle_name: str | None = None
    suffix: str | None = None
    street_2: str | None = None
    city: str | None = None
    county: str | None = None
    zip_code: str | None = None
    country: str | None = None
    phone_number: str | None = None
    email: str | None = None
    role: Role | None = None
    tribal_affiliation: tuple[str, ...] | None = None
    preferred_language: str | None = None
    employed_in_healthcare: bool | None = None
    resident_congregate_setting: bool | None = None


class Survey(Part, frozen=True):
    """What the patient answered when asked about symptoms."""

    no_symptoms: bool | None = None
    symptom_onset_date: str | None = None


class Organization(Part, frozen=True):
    """Who the facility belongs to; ``type`` is its site of care."""

    name: str
    type: SiteOfCare


class Facility(Part, frozen=True):
    """Where the test was done: the ordering facility and the testing lab in one."""

    name: str
    clia_number: str
    street: str
    city: str
    state: str
    zip_code: str
    phone: str
    street_2: str | None = None
    county: str | None = None
    email: str | None = None


class Provider(Part, frozen=True):
    """Who ordered the test."""

    npi: str
    first_name: str
    last_name: str
    street: str | None = None
    street_2: str | None = None
    city: str | None = None
    county: str | None = None
    state: str | None = None
    zip_code: str | None = None
    phone: str | None = None


class DeviceTest(Part, frozen=True):
    """What a device can find: one entry a disease and LOINC pair."""

    disease: Disease
    test_performed_code: str | None = None
    test_ordered_code: str | None = None
    test_kit_name_id: str | None = None
    equipment_uid: str | None = None


class Device(Part, frozen=True):
    """The device used and what it can test for."""

    internal_id: str
    model: str
    tests: tuple[DeviceTest, ...]
    manufacturer: str | None = None
    test_length_minutes: int | None = None


class Specimen(Part, frozen=True):
    """What was tested: SNOMED codes of the type and of the place it was taken from."""

    type_code: str
    source_site_code: str | None = None


class TestEvent(Part, frozen=True):
    """A test was done, corrected or removed."""

    event_id: Id
    correction_status: CorrectionStatus
    date_tested: str
    results: Annotated[tuple[Result, ...], msgspec.Meta(min_length=1)]
    patient: Patient
    organization: Organization
    facility: Facility
    ordering_provider: Provider
    device: Device
    specimen: Specimen
    prior_event_id: Id | None = None
    correction_reason: str | None = None
    patient_has_prior_tests: bool | None = None
    survey: Survey | None = None

    @property
    def prior(self) -> str | None:
        """The event this one corrects or removes; none for an original, whatever it names."""
        return None if self.correction_status == "ORIGINAL" else self.prior_event_id

    @property
    def covid_result(self) -> ResultValue | None:
        """The result for COVID-19, the only disease the CSV can carry."""
        for one in self.results:
            if one.disease == "COVID-19":
                return one.result
        return None


class Keys(NamedTuple):
    """What the intake files an event under, and what a person may look it up by."""

    event_id: str
    prior_event_id: str | None
    patient_id: str


def keys(event: TestEvent) -> Keys:
    """The ids of an event, taken out of it once."""
    return Keys(event.event_id, event.prior, event.patient.internal_id)


def lineage(event: TestEvent) -> tuple[str, ...]:
    """The ids that may name the event's queue, the best first: a correction follows its original."""
    return (event.event_id,) if event.prior is None else (event.event_id, event.prior)


def decode(raw: bytes) -> TestEvent:
    """One test event; a ``ShapeError`` names the place of what the contract does not allow."""
    event = stored(raw)
    if _may_repeat_a_member(raw, event):
        refuse_repeated_members(raw)
    return event


def stored(raw: bytes) -> TestEvent:
    """One test event that a door of ours has decoded before: members that stand twice are not looked for again.

    Looking costs a run a tenth of its time; should there be any, the last counts, as everywhere.
    """
    event = _read(raw)
    if event.correction_status != "ORIGINAL" and event.prior_event_id is None:
        raise ShapeError("prior_event_id", f"is required when correction_status is {event.correction_status}")
    return event


def canonical(event: TestEvent) -> bytes:
    """The event in one normal form: members sorted, no space, no nulls. Equal events give equal bytes."""
    return _write(event)


_read = decoder(TestEvent)
_write = msgspec.json.Encoder(order="sorted").encode
_write_as_declared = msgspec.json.Encoder().encode


def _may_repeat_a_member(raw: bytes, event: TestEvent) -> bool:
    """Whether the quotation marks of the bytes are not those of the members that were kept.

    Counting costs a tenth of looking, so only bytes that do not add up are read a second time: what was left out
    can only have added marks. Written as escapes marks cannot be counted; a text that holds the word null may
    hide a repeat, and then the last counts.
    """
    if b"\\" in raw and b"\\u0022" in raw:
        return True
    left_out = raw.count(b'"') - _write_as_declared(event).count(b'"')
    return left_out != 0 and left_out != 2 * raw.count(b"null")
