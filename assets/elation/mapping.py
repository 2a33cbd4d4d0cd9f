"""What Elation is told of a chart: ``patient(event)`` and ``policies(event)``.

Pure functions, no I/O, no clock. A value Elation would not hold is refused and never cut: ``Unmappable`` names
every such place of the event at once and repeats no value. Limits: Elation's OpenAPI, Patient and Insurance.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import msgspec

from assets.elation.events import Address, Chart, ChartEvent, Phone
from assets.elation.tables import languages

SEXES = {"f": "Female", "female": "Female", "m": "Male", "male": "Male"}
PHONE_TYPES = {
    "cell": "Mobile",
    "cellular": "Mobile",
    "fax": "Fax",
    "home": "Home",
    "main": "Main",
    "mobile": "Mobile",
    "night": "Night",
    "work": "Work",
}
#: Elation keeps two numbers of a patient.
PHONES_KEPT = 2
#: Medicaid is a policy of its own, after the payer's.
MEDICAID = "Medicaid"
RANKS: tuple[Literal["primary", "secondary"], ...] = ("primary", "secondary")

_NOT_DIGITS = re.compile(r"[^0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STATE = re.compile(r"[A-Za-z]{2}")


class Problem(msgspec.Struct, frozen=True):
    """What is wrong at a place of the event, in words that hold no value."""

    place: str
    text: str


class Unmappable(ValueError):
    """Elation cannot take this chart; a person has to correct it in Arc."""

    safe = True

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.place}: {problem.text}" for problem in self.problems))


class ElationAddress(msgspec.Struct, frozen=True, gc=False):
    """``address`` of an Elation patient."""

    address_line1: str
    address_line2: str
    city: str
    state: str
    zip: str


class ElationPhone(msgspec.Struct, frozen=True, gc=False):
    """One of ``phones`` of an Elation patient."""

    phone: str
    phone_type: str


class Patient(msgspec.Struct, frozen=True, omit_defaults=True):
    """An Elation patient, all that we keep of it. What is not known is left out and so left alone."""

    first_name: str
    middle_name: str
    last_name: str
    dob: str
    sex: str
    phones: tuple[ElationPhone, ...]
    primary_physician: int | str | None = None
    caregiver_practice: int | None = None
    preferred_language: str | None = None
    address: ElationAddress | None = None


class Policy(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One insurance of the patient, in our words; the client's field map turns them into Elation's."""

    rank: Literal["primary", "secondary"]
    carrier: str
    member_id: str
    payment_program: str | None = None


def language_names(listed: Iterable[str] | None = None) -> Mapping[str, str]:
    """Code to name, by the list of the live system, or by the built-in one where there is none.

    >>> language_names()["es"], language_names(["cantonese", "English"])
    ('Spanish', {'en': 'English', 'yue': 'cantonese'})
    """
    rows = [line.split(" ", 1) for line in languages.NAMES.splitlines()]
    if listed is None:
        return {code: names.split("|")[0] for code, names in rows if len(code) == 2}
    live = {name.casefold(): name for name in listed}
    found = {code: [n for n in names.casefold().split("|") if n in live] for code, names in rows}
    return {code: live[names[0]] for code, names in found.items() if names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """Where our patients belong in Elation. The physician is a name until the live system has resolved it."""

    primary_physician: int | str | None = None
    caregiver_practice: int | None = None
    languages: Mapping[str, str] = field(default_factory=language_names)


class Snapshot(msgspec.Struct, frozen=True):
    """What an event tells of a chart, in Elation's terms: all of the patient and the policies, or a part."""

    patient: Patient | dict[str, object]
    policies: tuple[Policy, ...] | msgspec.UnsetType = msgspec.UNSET


def snapshot(event: ChartEvent, practice: Practice) -> Snapshot:
    """What is told of this event; every problem of patient and policies at once."""
    if found := patient_problems(event.data.chart) + policy_problems(event.data.chart):
        raise Unmappable(found)
    return Snapshot(_patient(event.data.chart, practice), _policies(event.data.chart))


def patient(event: ChartEvent, practice: Practice) -> Patient:
    """The whole patient as the event's chart has it."""
    if found := patient_problems(event.data.chart):
        raise Unmappable(found)
    return _patient(event.data.chart, practice)


def policies(event: ChartEvent) -> tuple[Policy, ...]:
    """The payer's policy, then Medicaid's, ranked in this order without a gap. No payer, no payer's policy."""
    if found := policy_problems(event.data.chart):
        raise Unmappable(found)
    return _policies(event.data.chart)


def _patient(chart: Chart, practice: Practice) -> Patient:
    return Patient(
        first_name=chart.first_name or "",
        middle_name=chart.middle_name or "",
        last_name=chart.last_name or "",
        dob=chart.dob or "",
        sex=SEXES.get((chart.sex or "").strip().lower(), "Unknown"),
        primary_physician=practice.primary_physician,
        caregiver_practice=practice.caregiver_practice,
        preferred_language=_language(chart.language, practice.languages),
        address=_address(chart.address),
        phones=first_two(chart.phones or ()),
    )


def _policies(chart: Chart) -> tuple[Policy, ...]:
    held: list[tuple[str, str, str | None]] = []
    if _said(chart.payer_name):
        held.append((chart.payer_name or "", chart.member_id or "", None))
    if _said(chart.medicaid_id):
        held.append((MEDICAID, chart.medicaid_id or "", MEDICAID))
    return tuple(Policy(rank, *row) for rank, row in zip(RANKS, held, strict=False))


def first_two(phones: Iterable[Phone]) -> tuple[ElationPhone, ...]:
    """The two Elation keeps: primary numbers first, then the patient's own, then the rest; equal ones once."""
    kept: dict[str, ElationPhone] = {}
    for phone in sorted(phones, key=lambda phone: (not phone.primary, not phone.owned)):
        number = us_number(phone.number or "")
        if number and number not in kept:
            kept[number] = ElationPhone(number, PHONE_TYPES.get((phone.type or "").lower(), "Other"))
    return tuple(kept.values())[:PHONES_KEPT]


def us_number(text: str) -> str:
    """The ten digits of a US number, or nothing where it is no US number.

    >>> us_number("+1 (718) 555-0142"), us_number("718-555-0142 x9"), us_number("+47 22 33 44 55")
    ('7185550142', '', '')
    """
    digits = _NOT_DIGITS.sub("", text)
    if len(digits) == 11 and digits[0] == "1":
        return digits[1:]
    # +47 and eight digits make ten as well: with a plus, ten digits are some other country's.
    return digits if len(digits) == 10 and not text.lstrip().startswith("+") else ""


def _language(code: str | None, names: Mapping[str, str]) -> str | None:
    """By the language part of a tag: ``es-MX`` is Spanish."""
    return names.get(code.strip().replace("_", "-").split("-")[0].lower()) if code else None


def _said(text: str | None) -> bool:
    return bool(text and text.strip())


def _address(address: Address | None) -> ElationAddress | None:
    if address is None or not any(map(_said, msgspec.structs.astuple(address))):
        return None
    return ElationAddress(
        address_line1=address.line1 or "",
        address_line2=address.line2 or "",
        city=address.city or "",
        state=address.state or "",
        zip=address.zip or "",
    )


def patient_problems(chart: Chart) -> list[Problem]:
    """What keeps Elation from taking the patient; nothing for a chart it can take."""
    return [
        *_required("first_name", chart.first_name),
        *_length("first_name", chart.first_name, 70),
        *_length("middle_name", chart.middle_name, 50),
        *_required("last_name", chart.last_name),
        *_length("last_name", chart.last_name, 70),
        *_dob_problems(chart.dob),
        *_address_problems(chart.address),
    ]


def policy_problems(chart: Chart) -> list[Problem]:
    """What keeps Elation from taking the policies."""
    return [
        *_length("payer_name", chart.payer_name, 200),
        *_length("member_id", chart.member_id, 50),
        *_length("medicaid_id", chart.medicaid_id, 50),
    ]


def _dob_problems(dob: str | None) -> list[Problem]:
    if not dob:
        return _required("dob", dob)
    try:
        if _DATE.fullmatch(dob):
            date.fromisoformat(dob)
            return []
    except ValueError:
        pass
    return [Problem("data.chart.dob", "is not a date; send it as YYYY-MM-DD")]


def _address_problems(address: Address | None) -> list[Problem]:
    if address is None:
        return []
    problems = [
        *_length("address.line1", address.line1, 200),
        *_length("address.line2", address.line2, 35),
        *_length("address.city", address.city, 50),
        *_length("address.zip", address.zip, 10),
    ]
    if address.state and not _STATE.fullmatch(address.state):
        problems.append(Problem("data.chart.address.state", "is not a state's two letters, such as NY"))
    return problems


def _required(name: str, text: str | None) -> list[Problem]:
    return [] if _said(text) else [Problem(f"data.chart.{name}", "is required by Elation; add it in Arc")]


def _length(name: str, text: str | None, most: int) -> list[Problem]:
    if text is None or len(text) <= most:
        return []
    too_long = f"is longer than the {most} characters Elation holds; shorten it in Arc, we never cut"
    return [Problem(f"data.chart.{name}", too_long)]
