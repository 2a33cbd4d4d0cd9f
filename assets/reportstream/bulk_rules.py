"""What may stand in each column of the bulk upload, and how a person is told when it does not.

One table, from which the check, the template and the guide are made. Rules of one cell only: what several
cells say together is judged in ``bulk``. The published rules are SimpleReport's; where ours differ:

========================  ============================================  =====================================
column                    as published                                  default
========================  ============================================  =====================================
dates                     2/31 passes                                   the day must exist, in 1900 or later
text                      any                                           of a length that HL7 v2 has room for
specimen_type             names without digits or hyphens, or a code    also names with a hyphen, names of the
                          of 9 or 15 digits                             table in force, and any SNOMED CT code
                                                                        whose check digit is right
yes/no columns            y, yes, n, no, u, unk                         also "unknown"
processing_mode_code      anything                                      P, T or D
zones                     as listed, or an IANA name                    the same
========================  ============================================  =====================================
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from assets.reportstream import bulk_dates
from assets.reportstream.profile import Profile
from assets.reportstream.tables import snomed
from assets.reportstream.tables.places import STATES
from assets.reportstream.tables.specimens import specimen_named

Accepts = Callable[[str], bool]


class Rule(NamedTuple):
    """A kind of column: what it takes in words, and a function a profile."""

    says: str
    default: Accepts
    as_published: Accepts

    def accepts(self, profile: Profile) -> Accepts:
        """The function that judges a value without blanks around it."""
        return self.as_published if profile is Profile.AS_PUBLISHED else self.default


def _same(says: str, accepts: Accepts) -> Rule:
    return Rule(says, accepts, accepts)


def _matches(pattern: str) -> Accepts:
    full = re.compile(pattern, re.ASCII).fullmatch
    return lambda value: full(value) is not None


def _at_most(characters: int) -> Rule:
    """Text as long as its place in an HL7 v2.5.1 message; published uploads know no limit."""
    says = f"text of at most {characters:,} characters"
    return Rule(says, lambda value: len(value) <= characters, lambda _: True)


def _within(values: frozenset[str]) -> Accepts:
    return lambda value: value.lower() in values


def _one_of(*values: str) -> Rule:
    return _same("one of: " + "; ".join(values), _within(frozenset(value.lower() for value in values)))


_YES_NO = ("y", "yes", "n", "no", "u", "unk")
_GENDERS = (
    *("F", "FEMALE", "M", "MALE", "NB", "NON BINARY", "NONBINARY", "TM", "TRANS MAN", "TW", "TRANS WOMAN"),
    *("O", "OTHER", "R", "REFUSED"),
)
_is_gender = _within(frozenset(gender.lower() for gender in _GENDERS))
_words = _matches(r"[A-Za-z ]+")


def _specimen(value: str) -> bool:
    known = value.lower() in snomed.SPECIMEN_NAMES or specimen_named(value) is not None
    return known or snomed.is_sctid(value)


def _specimen_as_published(value: str) -> bool:
    if _words(value):
        return value.lower() in snomed.SPECIMEN_NAMES
    return value.isascii() and value.isdigit() and len(value) in (9, 15)


def _real_day(shape: Accepts) -> Accepts:
    return lambda value: shape(value) and bulk_dates.day(value) is not None


RULES: Final[dict[str, Rule]] = {
    "text": _at_most(199),
    "city": _at_most(50),
    "note": _at_most(65_536),
    "state": _same(
        "two letters of a US state or territory, or of a Canadian province",
        _within(frozenset(code.lower() for code in STATES)),
    ),
    "zip": _same("five digits, with four more after a hyphen if known", _matches(r"\d{5}(?:-\d{4})?")),
    "phone": _same("NNN-NNN-NNNN; the first digit is not 0", _matches(r"[1-9]\d{2}-\d{3}-\d{4}")),
    "date": Rule("M/D/YYYY", _real_day(bulk_dates.is_date), bulk_dates.is_date),
    "moment": Rule(
        "M/D/YYYY, with H:mm (24 hours) if the time is known, and a zone after it if it is not that of the "
        "ordering provider's address (ET, CT, MT, PT, AK, HI... or a name such as America/Denver)",
        _real_day(bulk_dates.is_moment),
        bulk_dates.is_moment,
    ),
    "email": _same("an e-mail address", _matches(r"[\w.-]+@(?:[\w-]+\.)+[\w-]{2,4}")),
    "clia": _same("ten characters, the third a D: 01D1058442", _matches(r"[A-Za-z0-9]{2}[Dd][A-Za-z0-9]{7}")),
    "race": _one_of(
        "American Indian or Alaska Native", "1002-5", "Asian", "2028-9", "Black or African American", "2054-5",
        "Native Hawaiian or Other Pacific Islander", "2076-8", "White", "2106-3", "Other", "2131-1",
        "Ask, but unknown", "ASKU", "Unknown", "UNK",
    ),
    "ethnicity": _one_of(
        "Hispanic or Latino", "2135-2", "Not Hispanic or Latino", "2186-5", "Unknown", "UNK"
    ),
    "yes_no": Rule(
        "one of: Y; YES; N; NO; U; UNK",
        _within(frozenset((*_YES_NO, "unknown"))),
        _within(frozenset(_YES_NO)),
    ),
    "residence": _same(
        "one of: " + "; ".join(f"{name} ({code})" for code, name in snomed.RESIDENCES.items()),
        _within(
            frozenset((*snomed.RESIDENCES, *snomed.RESIDENCE_NAMES, snomed.MISPRINTED_PENAL_INSTITUTION))
        ),
    ),
    "result": _same(
        "Positive, Negative, Detected, Not detected, Invalid result, or a SNOMED CT code: "
        + "; ".join(f"{code} ({name})" for code, (name, _) in snomed.RESULTS.items()),
        _within(frozenset((*snomed.RESULTS, *snomed.RESULT_NAMES))),
    ),
    "status": _one_of("F", "C"),
    "mode": Rule("one of: P; T; D", _within(frozenset("ptd")), lambda _: True),
    "specimen": Rule(
        "a name ("
        + "; ".join(sorted(snomed.SPECIMEN_NAMES))
        + ") or the SNOMED CT code of a specimen",
        _specimen,
        _specimen_as_published,
    ),
    "gender_identity": _same("one of: " + "; ".join(_GENDERS), _is_gender),
    "genders": _same(
        "one or more, with commas between: " + "; ".join(_GENDERS),
        lambda value: all(_is_gender(part.strip()) for part in value.split(",")),
    ),
}  # fmt: skip


class Column(NamedTuple):
    """A column of the template."""

    name: str
    rule: str
    required: bool
    example: str
    meaning: str


def _columns(text: str) -> tuple[Column, ...]:
    """One column a line: name, rule, * if required, example, meaning."""
    lines = [[part.strip() for part in line.split("|")] for line in text.strip().splitlines()]
    return tuple(
        Column(name, rule, star == "*", example, meaning) for name, rule, star, example, meaning in lines
    )


COLUMNS: Final = _columns("""
patient_id | text | | 1234 | The number your records know the patient by
patient_last_name | text | * | Doe | Family name
patient_first_name | text | * | Jane | First name
patient_middle_name | text | | Anne | Middle name
patient_street | text | * | 123 Main St | Street; ** Unknown / Not Given ** if there is none
patient_street2 | text | | Apt 4 | Apartment, suite
patient_city | city | * | Birmingham | City
patient_state | state | * | AL | State
patient_zip_code | zip | * | 35226 | Postal code
patient_county | text | * | Jefferson | County
patient_phone_number | phone | * | 205-999-2800 | Phone
patient_dob | date | * | 1/20/1962 | Date of birth
patient_gender | text | | F | Sex, if patient_sex is not used: M, F or U
patient_sex | text | | F | Sex: M, F or U
patient_race | race | * | White | Race
patient_ethnicity | ethnicity | * | Not Hispanic or Latino | Ethnicity
patient_preferred_language | text | | Spanish | Language
patient_email | email | | jane@example.com | E-mail
patient_gender_identity | gender_identity | | F | Gender identity
accession_number | text | * | 2021-000123 | The number of the order; the same for all results of one order
equipment_model_name | text | * | ID NOW | The device, as CDC's LIVD table names its model
test_performed_code | text | * | 94534-5 | LOINC code of the test performed; must be one of the device's
test_ordered_code | text | | 94534-5 | LOINC code of the test ordered
test_result | result | * | Not Detected | Result
test_result_status | status | | F | F: final; C: corrects a result sent before
order_test_date | moment | * | 12/20/2021 14:00 | When the test was ordered
specimen_collection_date | moment | | 12/20/2021 14:00 | When the specimen was taken; the order date if blank
testing_lab_specimen_received_date | moment | | 12/20/2021 15:00 | When the lab had it; the order date if blank
test_result_date | moment | * | 12/20/2021 16:30 | When the result was known
date_result_released | moment | | 12/20/2021 17:00 | When it was released; the result date if blank
specimen_type | specimen | * | Nasal swab | Specimen
ordering_provider_id | text | * | 1013012657 | National provider identifier (NPI)
ordering_provider_last_name | text | * | Smith | Family name
ordering_provider_first_name | text | * | John | First name
ordering_provider_middle_name | text | | | Middle name
ordering_provider_street | text | * | 400 Main Street | Street
ordering_provider_street2 | text | | Suite 100 | Suite
ordering_provider_city | city | * | Birmingham | City
ordering_provider_state | state | * | AL | State
ordering_provider_zip_code | zip | * | 35228 | Postal code
ordering_provider_phone_number | phone | * | 205-888-2000 | Phone
testing_lab_clia | clia | * | 01D1058442 | CLIA number of the testing lab
testing_lab_name | text | * | My Urgent Care | Name of the testing lab
testing_lab_street | text | * | 400 Main Street | Street
testing_lab_street2 | text | | Suite 100 | Suite
testing_lab_city | city | * | Birmingham | City
testing_lab_state | state | * | AL | State
testing_lab_zip_code | zip | * | 35228 | Postal code
testing_lab_phone_number | phone | | 205-888-2000 | Phone
ordering_facility_name | text | | My Urgent Care | Facility that ordered, if not the testing lab
ordering_facility_street | text | | 400 Main Street | Street
ordering_facility_street2 | text | | Suite 100 | Suite
ordering_facility_city | city | | Birmingham | City
ordering_facility_state | state | | AL | State
ordering_facility_zip_code | zip | | 35228 | Postal code
ordering_facility_phone_number | phone | | 205-888-2000 | Phone
pregnant | yes_no | | N | Is the patient pregnant?
employed_in_healthcare | yes_no | | N | Does the patient work in healthcare?
symptomatic_for_disease | yes_no | | Y | Does the patient have symptoms?
illness_onset_date | date | | 12/17/2021 | First day of symptoms
resident_congregate_setting | yes_no | | N | Does the patient live with others in care?
residence_type | residence | | Nursing home | Where, if so
hospitalized | yes_no | | N | Is the patient in hospital for this?
icu | yes_no | | N | Is the patient in intensive care for this?
genders_of_sexual_partners | genders | | M, F | Genders of sexual partners
syphilis_history | yes_no | | N | Has the patient had syphilis before?
comment | note | | | Note for the health department
test_kit_name_id | text | | 10811877011269 | Id of the test kit
equipment_model_id | text | | 00811877010616 | Id of the device
processing_mode_code | mode | | P | P: real results; T: a test
""")

BY_NAME: Final = {column.name: column for column in COLUMNS}
REQUIRED: Final = tuple(column.name for column in COLUMNS if column.required)

#: What health departments ask beside a positive result of these diseases.
ASKED_OF_POSITIVES: Final[dict[str, tuple[str, ...]]] = {
    "HIV": ("genders_of_sexual_partners", "pregnant"),
    "Syphilis": ("genders_of_sexual_partners", "pregnant", "syphilis_history", "symptomatic_for_disease"),
    "Hepatitis C": ("genders_of_sexual_partners", "pregnant", "symptomatic_for_disease"),
    "Gonorrhea": ("genders_of_sexual_partners", "pregnant", "symptomatic_for_disease"),
    "Chlamydia": ("genders_of_sexual_partners", "pregnant", "symptomatic_for_disease"),
}


def result_code(value: str) -> str:
    """The SNOMED CT code of a result written as a name or as its code; empty if it is neither."""
    text = value.strip().lower()
    return snomed.RESULT_NAMES.get(text) or (text if text in snomed.RESULTS else "")


def is_positive(value: str) -> bool:
    """Whether a result says that the disease was found."""
    return snomed.RESULTS.get(result_code(value), ("", ""))[1] == "A"
