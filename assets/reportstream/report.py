"""One laboratory report: what a test event and a row of a bulk upload both come down to.

FHIR bundles and HL7 messages are written from this value alone, so that a result reads the same whichever
door it came through. It holds what is known, in the field's own codes; how a format spells it is not here.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from assets.reportstream.mapping import clean

SNOMED: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
YES_NO: Final = "http://terminology.hl7.org/ValueSet/v2-0136"
NULL_FLAVOR: Final = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"

Status = Literal["final", "corrected", "removed"]


class Coded(NamedTuple):
    """A code, what it means, and whose it is."""

    code: str
    text: str
    system: str


class Address(NamedTuple):
    """A postal address; blank where not known."""

    street: str = ""
    street_2: str = ""
    city: str = ""
    county: str = ""
    state: str = ""
    zip_code: str = ""
    country: str = "USA"


class Name(NamedTuple):
    """A person's name."""

    last: str
    first: str
    middle: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The person tested. ``sex`` is male, female, other or unknown; ``is_the_labs`` says whose id it is."""

    id: str
    name: Name
    birth_date: str
    sex: str
    race: Coded
    ethnicity: Coded
    address: Address
    phone: str = ""
    phone_use: str = "mobile"
    email: str = ""
    tribes: tuple[Coded, ...] = ()
    language: Coded | None = None
    is_the_labs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """A testing lab or an ordering facility."""

    id: str
    name: str
    clia: str
    address: Address
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who ordered the test; ``number`` is an NPI if its check digit says so."""

    id: str
    number: str
    name: Name
    address: Address
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What the test was done with."""

    id: str
    model: str
    manufacturer: str = ""
    equipment: str = ""
    equipment_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was found of one disease; ``flag`` is A, N or nothing (HL7 table 0078)."""

    id: str
    disease: str
    performed: Coded
    ordered: Coded
    value: Coded
    flag: str
    kit: str = ""
    equipment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the patient or the facility answered when asked at order entry: codes, or a day."""

    question: Coded
    values: tuple[Coded, ...] = ()
    day: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """What was tested."""

    id: str
    type: Coded
    site: Coded
    collected_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report in one version: ``message_id`` is new for a correction, ``order_id`` stays.

    ``corrects`` is the message id of the original, where the format names it and the order id is another.
    Ordered, effective (true of the patient), resulted (known), released (told): the times of a result.
    """

    message_id: str
    order_id: str
    status: Status
    patient: Patient
    lab: Facility
    ordering_facility: Facility
    provider: Provider
    device: Device
    specimen: Specimen
    results: tuple[Result, ...]
    ordered: Coded
    ordered_at: datetime
    effective_at: datetime
    resulted_at: datetime
    released_at: datetime
    answers: tuple[Answer, ...] = ()
    comment: str = ""
    correction_reason: str = ""
    corrects: str = ""
    processing_mode: str = "P"


def area_and_local(phone: str) -> tuple[str, str]:
    """The area code and the seven digits of a US number; blank if it has not ten digits or is of elsewhere.

    >>> area_and_local("+1 (718) 555-0142")
    ('718', '5550142')
    """
    digits = re.sub(r"\D", "", phone, flags=re.ASCII)
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    elif phone.lstrip().startswith("+"):
        return "", ""
    return (digits[:3], digits[3:]) if len(digits) == 10 else ("", "")


#: Blanks other than space and tab: FHIR's own pattern for a text does not take them.
_BLANKS = re.compile(r"[^\S \t]")


def plain(text: str) -> str:
    """The text as every format takes it: no line end, no control character, no odd blank, none around it.

    >>> plain(" 12 Elm\u2028St ")
    '12 Elm St'
    """
    return text.strip() if text.isprintable() else _BLANKS.sub(" ", clean(text)).strip()
