"""A test event as a row of ReportStream's CSV: 75 columns, COVID-19 only, the same bytes every time.

Names and meaning of the columns are those of SimpleReport's export; ReportStream reads them by the header.
What is wrong with an event (a CLIA number, a date in the future) is said by ``rules``, not here.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from assets.formats.decode import ShapeError, day, moment
from assets.reportstream.events import Device, DeviceTest, Facility, Patient, Provider, Specimen, TestEvent
from assets.reportstream.tables.languages import LANGUAGES
from assets.reportstream.tables.people import ETHNICITIES, GENDERS, RACES, YES_NO
from assets.reportstream.tables.results import RESULTS, STATUSES
from assets.reportstream.tables.specimens import TOPOGRAPHY_UNKNOWN

COLUMNS = (
    "Patient_last_name",
    "Patient_first_name",
    "Patient_middle_name",
    "Patient_suffix",
    "Patient_race",
    "Patient_DOB",
    "Patient_gender",
    "Patient_ethnicity",
    "Patient_street",
    "Patient_street_2",
    "Patient_city",
    "Patient_county",
    "Patient_state",
    "Patient_zip_code",
    "Patient_country",
    "Patient_phone_number",
    "Patient_email",
    "Patient_ID",
    "Patient_role",
    "Patient_tribal_affiliation",
    "Patient_preferred_language",
    "Employed_in_healthcare",
    "Resident_congregate_setting",
    "Result_ID",
    "Corrected_result_ID",
    "Test_correction_reason",
    "Test_result_status",
    "Order_result_status",
    "Observation_result_status",
    "Test_result_code",
    "Specimen_collection_date_time",
    "Ordering_provider_ID",
    "First_test",
    "Symptomatic_for_disease",
    "Illness_onset_date",
    "Testing_lab_name",
    "Testing_lab_CLIA",
    "Testing_lab_state",
    "Testing_lab_street",
    "Testing_lab_street_2",
    "Testing_lab_zip_code",
    "Testing_lab_county",
    "Testing_lab_phone_number",
    "Testing_lab_city",
    "Processing_mode_code",
    "Ordering_facility_city",
    "Ordering_facility_county",
    "Ordering_facility_name",
    "Organization_name",
    "Ordering_facility_phone_number",
    "Ordering_facility_email",
    "Ordering_facility_state",
    "Ordering_facility_street",
    "Ordering_facility_street_2",
    "Ordering_facility_zip_code",
    "Ordering_provider_last_name",
    "Ordering_provider_first_name",
    "Ordering_provider_street",
    "Ordering_provider_street_2",
    "Ordering_provider_city",
    "Ordering_provider_state",
    "Ordering_provider_zip_code",
    "Ordering_provider_county",
    "Ordering_provider_phone_number",
    "Ordered_test_code",
    "Specimen_source_site_code",
    "Specimen_type_code",
    "Instrument_ID",
    "Device_ID",
    "Test_Kit_Name_ID",
    "Equipment_Model_ID",
    "Test_date",
    "Date_result_released",
    "Order_test_date",
    "Site_of_care",
)

#: What SimpleReport writes for a street nobody knows. Such a patient is reported at the facility's place.
UNKNOWN_STREET = "** Unknown / Not Given **"
_UNKNOWN_STREET = UNKNOWN_STREET.lower()

#: The specimen counts as collected this long before the result when the device does not say how long it takes.
DEFAULT_TEST_LENGTH_MINUTES = 15

NO_COVID_RESULT = "has no COVID-19 result: it cannot go as CSV; send it by fhir or hl7"

#: Line ends and control characters other than tab. One U+2028 in a street once made ReportStream refuse a
#: whole report; each becomes one space.
_UNPRINTED = dict.fromkeys([*range(9), *range(10, 32), *range(127, 160), 0x2028, 0x2029], " ")


def row(event: TestEvent, *, received_at: datetime, processing_mode: str) -> tuple[str, ...]:
    """The values of ``COLUMNS`` for one event. ``ShapeError`` if it has no COVID-19 result or a date is none.

    ``received_at`` is when our intake accepted the event, so that an export made twice has the same bytes.
    """
    if event.covid_result is None:
        raise ShapeError("results", NO_COVID_RESULT)
    tested = moment("date_tested", event.date_tested)
    tested_at = stamp(tested)
    own = (
        *_patient(event.patient, event.facility),
        *_result(event, RESULTS[event.covid_result].code, stamp(tested - test_length(event.device))),
        *_order(event),
    )
    setting = _setting(
        event.facility,
        processing_mode,
        event.organization.name,
        event.ordering_provider,
        event.device,
        event.specimen,
    )
    return (*_cleaned(own), *setting, tested_at, stamp(received_at), tested_at, event.organization.type)


def _patient(patient: Patient, facility: Facility) -> tuple[str, ...]:
    place = facility if has_unknown_street(patient) else patient
    return (
        patient.last_name,
        patient.first_name,
        patient.middle_name or "",
        patient.suffix or "",
        RACES[patient.race].code,
        day("patient.birth_date", patient.birth_date).isoformat().replace("-", ""),
        GENDERS[patient.gender].code,
        ETHNICITIES[patient.ethnicity].code,
        patient.street,
        patient.street_2 or "",
        place.city or "",
        place.county or "",
        place.state,
        place.zip_code or "",
        given(patient.country) or "USA",
        given(patient.phone_number) or facility.phone,
        patient.email or "",
        patient.internal_id,
        patient.role or "",
        patient.tribal_affiliation[0] if patient.tribal_affiliation else "",
        language_code(patient.preferred_language),
        YES_NO[patient.employed_in_healthcare].code,
        YES_NO[patient.resident_congregate_setting].code,
    )


def _result(event: TestEvent, result_code: str, collected_at: str) -> tuple[str, ...]:
    status = STATUSES[event.correction_status]
    original = event.correction_status == "ORIGINAL"
    return (
        event.event_id,
        event.prior or "",
        "" if original else event.correction_reason or "",
        status.test,
        status.order,
        status.observation,
        result_code,
        collected_at,
    )


def _order(event: TestEvent) -> tuple[str, ...]:
    onset = event.survey.symptom_onset_date if event.survey else None
    return (
        event.ordering_provider.npi,
        YES_NO[_opposite(event.patient_has_prior_tests)].code,
        YES_NO[_opposite(event.survey.no_symptoms) if event.survey else None].code,
        day("survey.symptom_onset_date", onset).isoformat().replace("-", "") if onset else "",
    )


@lru_cache(1024)
def _setting(
    facility: Facility,
    processing_mode: str,
    organization_name: str,
    provider: Provider,
    device: Device,
    specimen: Specimen,
) -> tuple[str, ...]:
    """Half of the row, and the same for most events of a facility: made once. Names no patient."""
    return _cleaned(
        (
            *_testing_lab(facility),
            processing_mode,
            *_ordering_facility(facility, organization_name),
            *_provider(provider),
            *_codes(device, specimen),
        )
    )


def _testing_lab(facility: Facility) -> tuple[str, ...]:
    return (
        facility.name,
        facility.clia_number,
        facility.state,
        facility.street,
        facility.street_2 or "",
        facility.zip_code,
        facility.county or "",
        facility.phone,
        facility.city,
    )


def _ordering_facility(facility: Facility, organization_name: str) -> tuple[str, ...]:
    return (
        facility.city,
        facility.county or "",
        facility.name,
        organization_name,
        facility.phone,
        facility.email or "",
        facility.state,
        facility.street,
        facility.street_2 or "",
        facility.zip_code,
    )


def _provider(provider: Provider) -> tuple[str, ...]:
    return (
        provider.last_name,
        provider.first_name,
        provider.street or "",
        provider.street_2 or "",
        provider.city or "",
        provider.state or "",
        provider.zip_code or "",
        provider.county or "",
        provider.phone or "",
    )


def _codes(device: Device, specimen: Specimen) -> tuple[str, ...]:
    covid = covid_tests(device)
    return (
        # The column's name says ordered; ReportStream takes it for the test performed.
        (covid[0].test_performed_code or "") if covid else "",
        specimen.source_site_code or TOPOGRAPHY_UNKNOWN,
        specimen.type_code,
        device.internal_id,
        device.model,
        agreed(test.test_kit_name_id for test in covid),
        agreed(test.equipment_uid for test in covid),
    )


def test_length(device: Device) -> timedelta:
    """How long before its result a specimen counts as collected: the time the device needs."""
    minutes = device.test_length_minutes
    return timedelta(minutes=DEFAULT_TEST_LENGTH_MINUTES if minutes is None else minutes)


def has_unknown_street(patient: Patient) -> bool:
    """Whether the street is SimpleReport's literal for an address nobody knows."""
    return patient.street.lower() == _UNKNOWN_STREET


def covid_tests(device: Device) -> list[DeviceTest]:
    """What the device can say about COVID-19, in its own order."""
    return [test for test in device.tests if test.disease == "COVID-19"]


def agreed(values: Iterable[str | None]) -> str:
    """The value all agree on, else nothing: a wrong kit would be worse than none.

    >>> agreed(["10811877011269", "10811877011269"]), agreed(["10811877011269", None])
    ('10811877011269', '')
    """
    different = set(values)
    return (different.pop() or "") if len(different) == 1 else ""


def language_code(name: str | None) -> str:
    """The ISO 639 code of a language SimpleReport offers; any other text as it is."""
    return LANGUAGES.get(name, name) if name else ""


def given(text: str | None) -> str:
    """The text if there is more in it than white space."""
    return text if text and not text.isspace() else ""


def clean(text: str) -> str:
    """The text with every line end and control character but tab as one space."""
    return text.translate(_UNPRINTED)


def _cleaned(values: tuple[str, ...]) -> tuple[str, ...]:
    return values if "".join(values).isprintable() else tuple(clean(value) for value in values)


def stamp(when: datetime) -> str:
    """``yyyyMMddHHmmss`` in UTC, the only form of a time in the CSV."""
    text = when.astimezone(UTC).isoformat()[:19]
    return text.replace("-", "").replace("T", "").replace(":", "")


def _opposite(answer: bool | None) -> bool | None:
    return None if answer is None else not answer
