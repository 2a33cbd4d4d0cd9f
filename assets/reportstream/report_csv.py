"""A report as a row of ReportStream's CSV: how a row of a bulk upload goes where test events go.

A test event's own row is ``mapping.row``. What an upload does not ask for (role, county of the lab, first test
where nobody said it) is blank, or unknown where the column has a word for that.
"""

from typing import Final

from assets.formats.decode import ShapeError
from assets.reportstream.mapping import COLUMNS, NO_COVID_RESULT, stamp
from assets.reportstream.report import Facility, Patient, Provider, Report, Result
from assets.reportstream.tables.results import STATUSES

_COVID: Final = "COVID-19"
_SEXES: Final = {"male": "M", "female": "F", "other": "O"}
_STATUS: Final = {"final": "ORIGINAL", "corrected": "CORRECTED", "removed": "REMOVED"}

#: Questions whose answer has a column, by LOINC code.
_ASKED: Final = {
    "95418-0": "Employed_in_healthcare",
    "95421-4": "Resident_congregate_setting",
    "95417-2": "First_test",
    "95419-8": "Symptomatic_for_disease",
}
_ONSET: Final = "65222-2"


def row(report: Report, *, processing_mode: str) -> tuple[str, ...]:
    """The values of ``mapping.COLUMNS``. ``ShapeError`` if the report has no COVID-19 result."""
    covid = next((result for result in report.results if result.disease == _COVID), None)
    if covid is None:
        raise ShapeError("results", NO_COVID_RESULT)
    mode = report.processing_mode if processing_mode == "P" else processing_mode
    values = {
        **_patient(report.patient),
        **_answers(report),
        **_result(report, covid),
        **_place("Testing_lab", report.lab),
        "Testing_lab_CLIA": report.lab.clia,
        **_place("Ordering_facility", report.ordering_facility),
        "Ordering_facility_email": report.ordering_facility.email,
        "Organization_name": report.ordering_facility.name,
        **_provider(report.provider),
        "Processing_mode_code": mode,
    }
    return tuple(values.get(column, "") for column in COLUMNS)


def _patient(patient: Patient) -> dict[str, str]:
    place = patient.address
    return {
        "Patient_last_name": patient.name.last,
        "Patient_first_name": patient.name.first,
        "Patient_middle_name": patient.name.middle,
        "Patient_suffix": patient.name.suffix,
        "Patient_race": patient.race.code,
        "Patient_DOB": patient.birth_date.replace("-", ""),
        "Patient_gender": _SEXES.get(patient.sex, "U"),
        "Patient_ethnicity": patient.ethnicity.code,
        "Patient_street": place.street,
        "Patient_street_2": place.street_2,
        "Patient_city": place.city,
        "Patient_county": place.county,
        "Patient_state": place.state,
        "Patient_zip_code": place.zip_code,
        "Patient_country": place.country,
        "Patient_phone_number": patient.phone,
        "Patient_email": patient.email,
        "Patient_ID": patient.id,
        "Patient_tribal_affiliation": patient.tribes[0].code if patient.tribes else "",
        "Patient_preferred_language": patient.language.code if patient.language else "",
    }


def _answers(report: Report) -> dict[str, str]:
    said = dict.fromkeys(_ASKED.values(), "UNK")
    for answer in report.answers:
        if answer.question.code == _ONSET:
            said["Illness_onset_date"] = answer.day.replace("-", "")
        elif (column := _ASKED.get(answer.question.code)) and answer.values:
            said[column] = answer.values[0].code
    return said


def _result(report: Report, result: Result) -> dict[str, str]:
    status = STATUSES[_STATUS[report.status]]
    return {
        "Result_ID": report.message_id,
        "Corrected_result_ID": report.corrects,
        "Test_correction_reason": report.correction_reason,
        "Test_result_status": status.test,
        "Order_result_status": status.order,
        "Observation_result_status": status.observation,
        "Test_result_code": result.value.code,
        "Specimen_collection_date_time": stamp(report.specimen.collected_at),
        "Ordered_test_code": result.performed.code,
        "Specimen_source_site_code": report.specimen.site.code,
        "Specimen_type_code": report.specimen.type.code,
        "Instrument_ID": report.device.id,
        "Device_ID": report.device.model,
        "Test_Kit_Name_ID": result.kit,
        "Equipment_Model_ID": result.equipment,
        "Test_date": stamp(report.resulted_at),
        "Date_result_released": stamp(report.released_at),
        "Order_test_date": stamp(report.ordered_at),
    }


def _place(whose: str, facility: Facility) -> dict[str, str]:
    place = facility.address
    return {
        f"{whose}_name": facility.name,
        f"{whose}_street": place.street,
        f"{whose}_street_2": place.street_2,
        f"{whose}_city": place.city,
        f"{whose}_county": place.county,
        f"{whose}_state": place.state,
        f"{whose}_zip_code": place.zip_code,
        f"{whose}_phone_number": facility.phone,
    }


def _provider(provider: Provider) -> dict[str, str]:
    place = provider.address
    return {
        "Ordering_provider_ID": provider.number,
        "Ordering_provider_last_name": provider.name.last,
        "Ordering_provider_first_name": provider.name.first,
        "Ordering_provider_street": place.street,
        "Ordering_provider_street_2": place.street_2,
        "Ordering_provider_city": place.city,
        "Ordering_provider_state": place.state,
        "Ordering_provider_zip_code": place.zip_code,
        "Ordering_provider_county": place.county,
        "Ordering_provider_phone_number": provider.phone,
    }
