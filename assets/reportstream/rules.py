"""What is wrong with a test event that has the right shape, in sentences a person can act on.

``SET_ASIDE`` keeps the event from being sent until it is mended: ReportStream would refuse the whole batch for
it, or a health department would be told something untrue. ``WARNING`` lets it go: ReportStream takes it, but may
empty the cell or a receiver may filter it. No sentence repeats a value. Shapes are judged by ``events``.
"""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from assets.formats.decode import ShapeError, day, moment
from assets.reportstream.events import (
    Device,
    Facility,
    Organization,
    Patient,
    Provider,
    Specimen,
    Survey,
    TestEvent,
)
from assets.reportstream.mapping import NO_COVID_RESULT, covid_tests, given, has_unknown_street
from assets.reportstream.tables.languages import LANGUAGES
from assets.reportstream.tables.places import STATES
from assets.reportstream.tables.specimens import SOURCE_SITES, SPECIMENS


class Severity(enum.Enum):
    """Whether an event may go."""

    SET_ASIDE = "set aside"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: where, what and how bad."""

    place: str
    text: str
    severity: Severity

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


#: A sender's clock may be ahead of ours by this much before a result counts as one of the future.
CLOCK_SKEW = timedelta(minutes=5)
#: The date is already tomorrow somewhere: a day is judged by where it comes first (UTC+14).
_FIRST_DATE_LINE = timedelta(hours=14)
_LONGEST_TEST_MINUTES = 14 * 24 * 60
_OLDEST_YEARS = 125

_CLIA = re.compile(r"[0-9A-Za-z]{2}D[0-9A-Za-z]{7}")
_LOINC = re.compile(r"[0-9]{1,7}-[0-9]")
_SNOMED = re.compile(r"[1-9][0-9]{5,17}")
_NPI = re.compile(r"[12][0-9]{9}")
_US_ZIP = re.compile(r"[0-9]{5}(-?[0-9]{4})?")
_CANADIAN_ZIP = re.compile(r"[A-Za-z][0-9][A-Za-z][ -]?[0-9][A-Za-z][0-9]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
#: Ten digits, in any dress, with or without the country's 1.
_PHONE = re.compile(r"[^0-9]*(1[^0-9]*)?([0-9][^0-9]*){10}")

_EMPTY = "is empty; it is required"
_NO_STATE = "is not a code of a state, a territory or a province, such as NY"
_NO_POSTAL_CODE = "is not a postal code of five or nine digits; its cell may be emptied"
_NO_PHONE = "is not a phone number of ten digits; its cell may be emptied"
_NO_EMAIL = "is not an e-mail address; its cell may be emptied"


def problems(event: TestEvent, *, now: datetime, to_csv: bool = True) -> list[Problem]:
    """Everything wrong with ``event``, the place first that comes first in the contract.

    ``to_csv``: the event is to become a CSV row, which only a COVID-19 result can.
    """
    return [
        *_identity(event),
        *_times(event, now),
        *_results(event, to_csv),
        *_patient(event.patient),
        *_survey(event.survey),
        *_setting(
            event.organization,
            event.facility,
            event.ordering_provider,
            event.device,
            to_csv and event.covid_result is not None,
        ),
        *_specimen(event.specimen),
    ]


def sets_aside(found: list[Problem]) -> bool:
    """Whether one of the problems keeps the event from being sent."""
    return any(problem.severity is Severity.SET_ASIDE for problem in found)


def _wrong(place: str, text: str) -> Problem:
    return Problem(place, text, Severity.SET_ASIDE)


def _doubtful(place: str, text: str) -> Problem:
    return Problem(place, text, Severity.WARNING)


def _identity(event: TestEvent) -> Iterator[Problem]:
    if not given(event.event_id):
        yield _wrong("event_id", _EMPTY)
    if event.prior == event.event_id:
        yield _wrong("prior_event_id", "names the event itself; it must name the event that is corrected")
    if event.correction_status == "ORIGINAL" and event.prior_event_id:
        yield _doubtful("prior_event_id", "is left out, because correction_status says ORIGINAL")


def _times(event: TestEvent, now: datetime) -> Iterator[Problem]:
    tested = now
    try:
        tested = moment("date_tested", event.date_tested)
    except ShapeError as error:
        yield _wrong(error.place, error.text)
    if tested > now + CLOCK_SKEW:
        yield _wrong("date_tested", "is in the future; check the clock and the offset of the sender")
    latest = (tested.astimezone(UTC) + _FIRST_DATE_LINE).date()
    birth = event.patient.birth_date
    if fault := _not_after("patient.birth_date", birth, latest):
        yield fault
    elif latest.year - int(birth[:4]) > _OLDEST_YEARS:
        yield _doubtful("patient.birth_date", f"is more than {_OLDEST_YEARS} years before the test")
    onset = event.survey.symptom_onset_date if event.survey else None
    if onset is not None and (fault := _not_after("survey.symptom_onset_date", onset, latest)):
        yield fault


def _not_after(place: str, text: str, latest: date) -> Problem | None:
    try:
        return _wrong(place, "is after the day of the test") if day(place, text) > latest else None
    except ShapeError as error:
        return _wrong(error.place, error.text)


def _results(event: TestEvent, to_csv: bool) -> Iterator[Problem]:
    seen = set()
    for index, one in enumerate(event.results):
        if one.disease in seen:
            yield _wrong(f"results[{index}].disease", "stands twice; send one result a disease")
        seen.add(one.disease)
    if to_csv and event.covid_result is None:
        yield _wrong("results", NO_COVID_RESULT)


def _patient(patient: Patient) -> Iterator[Problem]:
    if not given(patient.internal_id):
        yield _wrong("patient.internal_id", _EMPTY)
    if not given(patient.first_name):
        yield _wrong("patient.first_name", _EMPTY)
    if not given(patient.last_name):
        yield _wrong("patient.last_name", _EMPTY)
    if not given(patient.street):
        yield _wrong("patient.street", _EMPTY)
    if not has_unknown_street(patient):  # else the facility's place is reported
        if patient.state not in STATES:
            yield _wrong("patient.state", _NO_STATE)
        if not _is_postal_code(patient.zip_code):
            yield _doubtful("patient.zip_code", _NO_POSTAL_CODE)
    if not _is_phone(patient.phone_number):
        yield _doubtful("patient.phone_number", _NO_PHONE)
    if not _is_email(patient.email):
        yield _doubtful("patient.email", _NO_EMAIL)
    if patient.preferred_language and patient.preferred_language not in LANGUAGES:
        yield _doubtful("patient.preferred_language", "is not in the list of languages; it is sent as it is")


def _survey(survey: Survey | None) -> Iterator[Problem]:
    if survey and survey.no_symptoms and survey.symptom_onset_date:
        yield _doubtful("survey.symptom_onset_date", "is given although no_symptoms is true")


@lru_cache(1024)
def _setting(
    organization: Organization,
    facility: Facility,
    provider: Provider,
    device: Device,
    needs_covid: bool,
) -> tuple[Problem, ...]:
    """Who tested with what: the same for most events of a facility, so it is judged once. Names no patient.

    Nothing in here goes by a table that can be renewed while a process lives.
    """
    return (
        *_facility(organization, facility),
        *_provider(provider),
        *_device(device, needs_covid),
    )


def _facility(organization: Organization, facility: Facility) -> Iterator[Problem]:
    if not given(organization.name):
        yield _wrong("organization.name", _EMPTY)
    for name in ("name", "street", "city", "zip_code", "phone"):
        if not given(getattr(facility, name)):
            yield _wrong(f"facility.{name}", _EMPTY)
    if not _CLIA.fullmatch(facility.clia_number):
        yield _wrong(
            "facility.clia_number", "is not a CLIA number: two characters, the letter D and seven more"
        )
    if facility.state not in STATES:
        yield _wrong("facility.state", _NO_STATE)
    if not _is_postal_code(facility.zip_code):
        yield _doubtful("facility.zip_code", _NO_POSTAL_CODE)
    if not _is_phone(facility.phone):
        yield _doubtful("facility.phone", _NO_PHONE)
    if not _is_email(facility.email):
        yield _doubtful("facility.email", _NO_EMAIL)


def _provider(provider: Provider) -> Iterator[Problem]:
    for name in ("npi", "first_name", "last_name"):
        if not given(getattr(provider, name)):
            yield _wrong(f"ordering_provider.{name}", _EMPTY)
    if given(provider.npi) and not is_npi(provider.npi):
        yield _doubtful("ordering_provider.npi", "is not an NPI: its check digit or its length is wrong")
    if given(provider.state) and provider.state not in STATES:
        yield _doubtful("ordering_provider.state", _NO_STATE)
    if not _is_postal_code(provider.zip_code):
        yield _doubtful("ordering_provider.zip_code", _NO_POSTAL_CODE)
    if not _is_phone(provider.phone):
        yield _doubtful("ordering_provider.phone", _NO_PHONE)


def _device(device: Device, needs_covid: bool) -> Iterator[Problem]:
    if not given(device.internal_id):
        yield _wrong("device.internal_id", _EMPTY)
    if not given(device.model):
        yield _wrong("device.model", _EMPTY)
    minutes = device.test_length_minutes
    if minutes is not None and not 0 <= minutes <= _LONGEST_TEST_MINUTES:
        yield _wrong("device.test_length_minutes", f"must be between 0 and {_LONGEST_TEST_MINUTES}")
    for index, test in enumerate(device.tests):
        if test.test_performed_code:
            yield from _loinc(f"device.tests[{index}].test_performed_code", test.test_performed_code)
        if test.test_ordered_code:
            yield from _loinc(f"device.tests[{index}].test_ordered_code", test.test_ordered_code)
    if needs_covid and not next((test.test_performed_code for test in covid_tests(device)), None):
        yield _doubtful("device.tests", "has no test_performed_code for COVID-19; its cell stays empty")


def _loinc(place: str, text: str) -> Iterator[Problem]:
    if not _LOINC.fullmatch(text):
        yield _wrong(place, "is not a LOINC code: digits, a hyphen and a check digit")
    elif not _luhn(text.replace("-", "")):
        yield _doubtful(place, "is no LOINC code: its check digit is wrong")


def _specimen(specimen: Specimen) -> Iterator[Problem]:
    if specimen.type_code not in SPECIMENS:
        yield _snomed("specimen.type_code", specimen.type_code)
    if specimen.source_site_code and specimen.source_site_code not in SOURCE_SITES:
        yield _snomed("specimen.source_site_code", specimen.source_site_code)


def _snomed(place: str, text: str) -> Problem:
    """What to say of a code that ReportStream's tables do not have."""
    if not _SNOMED.fullmatch(text):
        return _wrong(place, "is not a SNOMED CT code: six to eighteen digits")
    return _doubtful(place, "is not a code ReportStream knows; receivers may filter the result")


def _is_postal_code(text: str | None) -> bool:
    return not text or bool(_US_ZIP.fullmatch(text) or _CANADIAN_ZIP.fullmatch(text)) or text.isspace()


def _is_phone(text: str | None) -> bool:
    return not text or bool(_PHONE.fullmatch(text)) or text.isspace()


def _is_email(text: str | None) -> bool:
    return not text or bool(_EMAIL.fullmatch(text)) or text.isspace()


@lru_cache(4096)
def is_npi(text: str) -> bool:
    """Whether ``text`` is a National Provider Identifier, whose check digit counts with the prefix 80840.

    >>> is_npi("1245319599"), is_npi("1245319598")
    (True, False)
    """
    return bool(_NPI.fullmatch(text)) and _luhn("80840" + text)


@lru_cache(4096)
def _luhn(digits: str) -> bool:
    """The check of ISO/IEC 7812-1 over ASCII digits, the last of which is the check digit."""
    doubled = sum((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)[int(digit)] for digit in digits[-2::-2])
    return (doubled + sum(int(digit) for digit in digits[::-2])) % 10 == 0
