"""What a patient and a policy may have in them, and the words the partner refuses them with.

Names, limits and lists are those of Elation's published API reference; the members of a policy are not published
and follow the old ``insurances`` list, with numbers for ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

Errors = dict[str, list[str]]
#: Says what is wrong with a value, or None.
Check = Callable[[Any], str | None]

PHYSICIANS = (
    {"id": 131074, "first_name": "Katie", "last_name": "Granite", "npi": "1245319599", "is_active": True},
    {"id": 131075, "first_name": "Katie", "last_name": "Former", "npi": "1245319607", "is_active": False},
    {"id": 131076, "first_name": "Samuel", "last_name": "Quarry", "npi": "1245319615", "is_active": True},
)
PRACTICES = (65540,)
LANGUAGES = (
    "Arabic", "Armenian", "Bengali", "Chinese", "English", "French", "German", "Greek", "Gujarati",
    "Haitian; Haitian Creole", "Hebrew", "Hindi", "Hungarian", "Italian", "Japanese", "Korean", "Navajo",
    "Persian", "Polish", "Portuguese", "Punjabi", "Russian", "Spanish", "Tagalog", "Ukrainian", "Urdu",
    "Vietnamese", "Yiddish",
)  # fmt: skip

REQUIRED = ("first_name", "last_name", "dob", "sex", "primary_physician", "caregiver_practice")
#: Taken without a word and without an effect, as a framework does with read-only members.
READ_ONLY = frozenset(
    (
        "id", "insurances", "deleted_insurances", "primary_care_provider", "created_date", "deleted_date",
        "last_modified", "merged_into_chart", "master_patient",
    )
)  # fmt: skip


def text(limit: int, blank: bool = True) -> Check:
    """A text of at most so many characters."""

    def check(value: Any) -> str | None:
        if value is None:
            return None if blank else "This field may not be null."
        if not isinstance(value, str):
            return "Not a valid string."
        if not value and not blank:
            return "This field may not be blank."
        return f"Ensure this field has no more than {limit} characters." if len(value) > limit else None

    return check


def choice(*values: str) -> Check:
    """One of a list of values."""

    def check(value: Any) -> str | None:
        return None if value is None or value in values else f'"{value}" is not a valid choice.'

    return check


def known(ids: tuple[int, ...]) -> Check:
    """The id of something that exists."""

    def check(value: Any) -> str | None:
        if value is None:
            return "This field may not be null."
        return None if value in ids else f'Invalid pk "{value}" - object does not exist.'

    return check


def day(value: Any) -> str | None:
    """A date."""
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."
    return None


def anything(value: Any) -> str | None:
    """A member this simulator keeps as it comes."""
    return None


def structure(members: Mapping[str, Check]) -> Check:
    """An object with these members and no others."""

    def check(value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            return "Invalid data. Expected a dictionary."
        return next((f"{name}: {words[0]}" for name, words in wrong(value, members).items()), None)

    return check


def several(one: Check, most: int | None = None) -> Check:
    """A list, perhaps no longer than so many."""

    def check(value: Any) -> str | None:
        if not isinstance(value, list):
            return "Expected a list of items."
        if most is not None and len(value) > most:
            return f"Ensure this field has no more than {most} elements."
        return next((words for words in map(one, value) if words), None)

    return check


def wrong(document: Mapping[str, Any], members: Mapping[str, Check]) -> Errors:
    """Everything wrong with an object, by member; an unknown name is an error of its own."""
    errors: Errors = {}
    for name, value in document.items():
        check = members.get(name)
        words = f"Unknown field: {name}." if check is None else check(value)
        if words is not None:
            errors[name] = [words]
    return errors


_KINDS = ("Mobile", "Home", "Main", "Work", "Night", "Fax", "Other")
_PHONE = structure({"phone": text(20, blank=False), "phone_type": choice(*_KINDS), "phone_id": anything})
_ADDRESS = structure(
    {
        "address_line1": text(200),
        "address_line2": text(35),
        "city": text(50),
        "state": text(2),
        "zip": text(10),
    }
)
_NAMES_70 = ("actual_first_name", "previous_first_name", "previous_last_name", "mothers_maiden_name")
_AS_THEY_COME = (
    "gender_identity", "legal_gender_marker", "pronouns", "sexual_orientation", "preferred_service_location",
    "primary_care_provider_npi", "emergency_contact", "guarantor", "employer", "preferred_contact",
    "patient_status", "tags", "notes", "vip", "verified", "timezone", "sms_opt_in_status", "consents",
    "previous_name", "previous_address", "preference", "ssn",
)  # fmt: skip

PATIENT: dict[str, Check] = {
    "first_name": text(70, blank=False),
    "last_name": text(70, blank=False),
    "middle_name": text(50),
    "suffix": text(20),
    "actual_name": text(150),
    **{name: text(70) for name in _NAMES_70},
    "dob": day,
    "sex": choice("Male", "Female", "Other", "Unknown"),
    "race": anything,
    "ethnicity": anything,
    "preferred_language": choice(*LANGUAGES),
    "primary_physician": known(tuple(int(str(one["id"])) for one in PHYSICIANS)),
    "caregiver_practice": known(PRACTICES),
    "address": _ADDRESS,
    "phones": several(_PHONE, most=2),
    "emails": several(structure({"email": text(254)})),
    "metadata": structure({"data": anything, "object_id": text(200), "object_web_link": text(200)}),
    **dict.fromkeys(_AS_THEY_COME, anything),
    **dict.fromkeys(READ_ONLY, anything),
}

POLICY: dict[str, Check] = {
    "rank": lambda value: None if value in (1, 2, 3, None) else f'"{value}" is not a valid choice.',
    "carrier": text(200, blank=False),
    "member_id": text(50),
    "group_id": text(50),
    "plan": text(200),
    "phone": text(20),
    **dict.fromkeys(
        ("copay", "deductible", "relationship_to_insured", "start_date", "end_date", "insured_person"),
        anything,
    ),
    "payment_program": choice(
        "Commercial - HMSA",
        "Commercial - Other",
        "Commercial - SFHP",
        "Medicaid",
        "Medicare Advantage",
        "Medicare Part B",
        "Worker's Compensation",
    ),
}

#: What a patient has who was given nothing else.
BLANK_PATIENT: dict[str, Any] = {
    "actual_name": None,
    "address": None,
    "consents": [],
    "deleted_date": None,
    "deleted_insurances": [],
    "emails": [],
    "emergency_contact": None,
    "employer": None,
    "ethnicity": "No ethnicity specified",
    "gender_identity": "unknown",
    "guarantor": None,
    "legal_gender_marker": None,
    "master_patient": None,
    "merged_into_chart": None,
    "metadata": None,
    "middle_name": "",
    "notes": None,
    "patient_status": {"deceased_date": None, "inactive_reason": None, "notes": None, "status": "active"},
    "phones": [],
    "preferred_language": None,
    "preferred_service_location": None,
    "previous_first_name": None,
    "previous_last_name": None,
    "primary_care_provider": None,
    "primary_care_provider_npi": None,
    "pronouns": None,
    "race": "No race specified",
    "sexual_orientation": "unknown",
    "ssn": None,
    "tags": [],
    "vip": False,
}
