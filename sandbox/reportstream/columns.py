"""The columns of SimpleReport's CSV as the hub names and judges them, one judgement a column at a time.

Column-wise, because a submission has 500 rows of 75 cells and nearly all of them are good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

#: The 75 headers, in the order SimpleReport writes them (which the hub does not mind).
HEADERS = """
Patient_last_name Patient_first_name Patient_middle_name Patient_suffix Patient_race Patient_DOB
Patient_gender Patient_ethnicity Patient_street Patient_street_2 Patient_city Patient_county Patient_state
Patient_zip_code Patient_country Patient_phone_number Patient_email Patient_ID Patient_role
Patient_tribal_affiliation Patient_preferred_language Employed_in_healthcare Resident_congregate_setting
Result_ID Corrected_result_ID Test_correction_reason Test_result_status Order_result_status
Observation_result_status Test_result_code Specimen_collection_date_time Ordering_provider_ID First_test
Symptomatic_for_disease Illness_onset_date Testing_lab_name Testing_lab_CLIA Testing_lab_state
Testing_lab_street Testing_lab_street_2 Testing_lab_zip_code Testing_lab_county Testing_lab_phone_number
Testing_lab_city Processing_mode_code Ordering_facility_city Ordering_facility_county Ordering_facility_name
Organization_name Ordering_facility_phone_number Ordering_facility_email Ordering_facility_state
Ordering_facility_street Ordering_facility_street_2 Ordering_facility_zip_code Ordering_provider_last_name
Ordering_provider_first_name Ordering_provider_street Ordering_provider_street_2 Ordering_provider_city
Ordering_provider_state Ordering_provider_zip_code Ordering_provider_county Ordering_provider_phone_number
Ordered_test_code Specimen_source_site_code Specimen_type_code Instrument_ID Device_ID Test_Kit_Name_ID
Equipment_Model_ID Test_date Date_result_released Order_test_date Site_of_care
""".split()  # noqa: SIM905 - 75 names read better as a paragraph

#: Where the hub's own element name is not simply the header in lower case.
_ELEMENTS = {
    "Patient_tribal_affiliation": "patient_tribal_citizenship",
    "Result_ID": "message_id",
    "Corrected_result_ID": "previous_message_id",
    "Test_result_code": "test_result",
    "Ordered_test_code": "test_performed_code",
    "Specimen_type_code": "specimen_type",
    "Instrument_ID": "equipment_instance_id",
    "Device_ID": "equipment_model_name",
    "Test_date": "test_result_date",
}

#: Cardinality ONE in the hub's schema: no value, no report. The county may be blank, its header may not.
REQUIRED = ("Patient_last_name", "Patient_state", "Result_ID", "Testing_lab_CLIA", "Ordering_facility_state")
REQUIRED_HEADERS = (*REQUIRED, "Patient_county")
MOST_COLUMNS = 2_000


def element(header: str) -> str:
    """The hub's name of a column."""
    return _ELEMENTS.get(header) or header.lower().replace("_street_2", "_street2")


def field(header: str) -> str:
    """How the hub names a column to a sender."""
    return f"{header} ({element(header)})"


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a CSV, judged."""

    width: int
    places: dict[str, int]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


@lru_cache(maxsize=64)
def header(names: tuple[str, ...]) -> Header:
    """Judges a header line; senders use the same one again and again."""
    places = {name.strip(): place for place, name in enumerate(names)}
    errors = [
        f"Your file is missing {field(name)} header." for name in REQUIRED_HEADERS if name not in places
    ]
    if len(names) > MOST_COLUMNS:
        errors.append(f"Number of columns in your report exceeds the limit of {MOST_COLUMNS}.")
    missing = [name for name in HEADERS if name not in places and name not in REQUIRED_HEADERS]
    warnings = [f"Missing {field(name)} header" for name in missing]
    known = set(HEADERS)
    warnings += [
        f"Unexpected column header found, '{name}' will be ignored" for name in places if name not in known
    ]
    return Header(len(names), places, tuple(errors), tuple(warnings))


_DATE = re.compile(
    r"\d{8}(\d{4}(\d{2}(\.\d{1,4})?)?([+-]\d{4}|Z)?)?|\d{4}-\d{2}-\d{2}.*|\d{1,2}/\d{1,2}/\d{4}.*"
)
_POSTAL = re.compile(r"[A-Za-z0-9 -]{3,12}")
_PHONE = re.compile(r"1?\d{10}")
_NOT_DIGITS = re.compile(r"\D+")


def is_date(value: str) -> bool:
    """Whether the hub reads a value as a date or date-time."""
    if _DATE.fullmatch(value) is None:
        return False
    return not value[:8].isdigit() or ("01" <= value[4:6] <= "12" and "01" <= value[6:8] <= "31")


def is_phone(value: str) -> bool:
    """Whether a value has the ten digits of a North American number."""
    return _PHONE.fullmatch(_NOT_DIGITS.sub("", value)) is not None


def _bad_date(name: str, value: str) -> str:
    return f"Invalid date: '{value}' for element {field(name)}. Reformat to YYYYMMDD."


def _bad_code(name: str, value: str) -> str:
    return f"The code '{value}' for field {field(name)} is invalid. Reformat to HL7 specification."


def _bad_phone(name: str, value: str) -> str:
    return (
        f"Invalid phone number '{value}' for {field(name)}. "
        "Reformat to a 10-digit phone number (e.g. (555) - 555-5555)."
    )


def _bad_postal(name: str, value: str) -> str:
    return (
        f"Invalid postal code '{value}' for {field(name)}. Reformat to letters, digits, spaces and hyphens."
    )


Check = tuple[Callable[[str], object], Callable[[str, str], str]]

_DATES = "Patient_DOB Specimen_collection_date_time Illness_onset_date Test_date Date_result_released Order_test_date"
_PHONES = "Patient_phone_number Testing_lab_phone_number Ordering_facility_phone_number Ordering_provider_phone_number"
_POSTALS = "Patient_zip_code Testing_lab_zip_code Ordering_facility_zip_code Ordering_provider_zip_code"
_CODES: dict[str, Callable[[str], object]] = {
    "Patient_race": frozenset(
        ("1002-5", "2028-9", "2054-5", "2076-8", "2106-3", "2131-1", "UNK", "ASKU")
    ).__contains__,
    "Patient_gender": frozenset(("M", "F", "O", "A", "N", "U")).__contains__,
    "Patient_ethnicity": frozenset(("H", "N", "U")).__contains__,
    "Test_result_status": frozenset(("F", "C", "W", "X")).__contains__,
    "Test_result_code": frozenset(
        ("260373001", "260415000", "419984006", "455371000124106", "895231008")
    ).__contains__,
    "Processing_mode_code": frozenset(("P", "T", "D")).__contains__,
}

#: What the hub checks in a value that is there; a wrong value in these columns is a warning, and is dropped.
CHECKS: dict[str, Check] = {
    **dict.fromkeys(_DATES.split(), (is_date, _bad_date)),
    **dict.fromkeys(_PHONES.split(), (is_phone, _bad_phone)),
    **dict.fromkeys(_POSTALS.split(), (_POSTAL.fullmatch, _bad_postal)),
    **{name: (check, _bad_code) for name, check in _CODES.items()},
}


_OTHERS = ("Patient_first_name", "Patient_street", "Patient_email", "Device_ID", "Specimen_type_code")
#: All the columns a submission is judged and routed by.
LOOKED_AT = tuple(dict.fromkeys((*REQUIRED, *CHECKS, *_OTHERS)))


def wrong(name: str, values: Iterable[str]) -> dict[str, str]:
    """The values of a column the hub would drop, each with its warning."""
    good, words = CHECKS[name]
    return {value: words(name, value) for value in set(values) if value and not good(value)}
