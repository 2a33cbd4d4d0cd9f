"""The CSV row: every column, and the decisions behind the ones that are not just copied."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import pytest

from assets.formats.csv import document as csv_document
from assets.formats.decode import ShapeError
from assets.reportstream import events
from assets.reportstream.events import TestEvent, decode
from assets.reportstream.mapping import COLUMNS, row
from assets.reportstream.tables import people, results
from assets.reportstream.tables.languages import LANGUAGES

Change = Callable[..., TestEvent]

RECEIVED = datetime(2026, 1, 13, 0, 10, tzinfo=timezone(timedelta(hours=-5)))


def cells(event: TestEvent, received_at: datetime = RECEIVED, mode: str = "P") -> dict[str, str]:
    values = row(event, received_at=received_at, processing_mode=mode)
    return dict(zip(COLUMNS, values, strict=True))


def read(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


def test_there_are_75_columns_and_none_twice() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 75


def test_every_sample_becomes_the_row_beside_it(samples: Path) -> None:
    with_rows = sorted(samples.glob("*.csv"))
    assert len(with_rows) >= 6
    for path in with_rows:
        event = decode(path.with_suffix(".json").read_bytes())
        values = row(event, received_at=RECEIVED, processing_mode="P")
        assert csv_document(COLUMNS, [values]) == path.read_bytes(), path.name


COPIED = {
    "Patient_last_name": "patient.last_name",
    "Patient_first_name": "patient.first_name",
    "Patient_middle_name": "patient.middle_name",
    "Patient_suffix": "patient.suffix",
    "Patient_street": "patient.street",
    "Patient_street_2": "patient.street_2",
    "Patient_city": "patient.city",
    "Patient_county": "patient.county",
    "Patient_state": "patient.state",
    "Patient_zip_code": "patient.zip_code",
    "Patient_country": "patient.country",
    "Patient_phone_number": "patient.phone_number",
    "Patient_email": "patient.email",
    "Patient_ID": "patient.internal_id",
    "Result_ID": "event_id",
    "Ordering_provider_ID": "ordering_provider.npi",
    "Testing_lab_name": "facility.name",
    "Testing_lab_CLIA": "facility.clia_number",
    "Testing_lab_state": "facility.state",
    "Testing_lab_street": "facility.street",
    "Testing_lab_street_2": "facility.street_2",
    "Testing_lab_zip_code": "facility.zip_code",
    "Testing_lab_county": "facility.county",
    "Testing_lab_phone_number": "facility.phone",
    "Testing_lab_city": "facility.city",
    "Ordering_facility_city": "facility.city",
    "Ordering_facility_county": "facility.county",
    "Ordering_facility_name": "facility.name",
    "Organization_name": "organization.name",
    "Ordering_facility_phone_number": "facility.phone",
    "Ordering_facility_email": "facility.email",
    "Ordering_facility_state": "facility.state",
    "Ordering_facility_street": "facility.street",
    "Ordering_facility_street_2": "facility.street_2",
    "Ordering_facility_zip_code": "facility.zip_code",
    "Ordering_provider_last_name": "ordering_provider.last_name",
    "Ordering_provider_first_name": "ordering_provider.first_name",
    "Ordering_provider_street": "ordering_provider.street",
    "Ordering_provider_street_2": "ordering_provider.street_2",
    "Ordering_provider_city": "ordering_provider.city",
    "Ordering_provider_state": "ordering_provider.state",
    "Ordering_provider_zip_code": "ordering_provider.zip_code",
    "Ordering_provider_county": "ordering_provider.county",
    "Ordering_provider_phone_number": "ordering_provider.phone",
    "Ordered_test_code": "device.tests.0.test_performed_code",
    "Specimen_source_site_code": "specimen.source_site_code",
    "Specimen_type_code": "specimen.type_code",
    "Instrument_ID": "device.internal_id",
    "Device_ID": "device.model",
    "Test_Kit_Name_ID": "device.tests.0.test_kit_name_id",
    "Equipment_Model_ID": "device.tests.0.equipment_uid",
}


@pytest.mark.parametrize("column", COPIED)
def test_a_copied_column_has_its_member_and_no_other(column: str, event: Change) -> None:
    mark = f"only here, in {COPIED[column]}"
    found = cells(event({COPIED[column]: mark}))
    assert found[column] == mark
    others = {name for name, place in COPIED.items() if place == COPIED[column]}
    assert {name for name, value in found.items() if value == mark} == others


@pytest.mark.parametrize(
    ("place", "column", "empty"),
    [
        ("patient.middle_name", "Patient_middle_name", ""),
        ("patient.suffix", "Patient_suffix", ""),
        ("patient.street_2", "Patient_street_2", ""),
        ("patient.city", "Patient_city", ""),
        ("patient.county", "Patient_county", ""),
        ("patient.zip_code", "Patient_zip_code", ""),
        ("patient.country", "Patient_country", "USA"),
        ("patient.phone_number", "Patient_phone_number", "419-555-0100"),
        ("patient.email", "Patient_email", ""),
        ("patient.role", "Patient_role", ""),
        ("patient.tribal_affiliation", "Patient_tribal_affiliation", ""),
        ("patient.preferred_language", "Patient_preferred_language", ""),
        ("patient.employed_in_healthcare", "Employed_in_healthcare", "UNK"),
        ("patient.resident_congregate_setting", "Resident_congregate_setting", "UNK"),
        ("patient_has_prior_tests", "First_test", "UNK"),
        ("survey", "Symptomatic_for_disease", "UNK"),
        ("survey.no_symptoms", "Symptomatic_for_disease", "UNK"),
        ("survey.symptom_onset_date", "Illness_onset_date", ""),
        ("facility.street_2", "Testing_lab_street_2", ""),
        ("facility.county", "Testing_lab_county", ""),
        ("facility.email", "Ordering_facility_email", ""),
        ("ordering_provider.street", "Ordering_provider_street", ""),
        ("ordering_provider.street_2", "Ordering_provider_street_2", ""),
        ("ordering_provider.city", "Ordering_provider_city", ""),
        ("ordering_provider.state", "Ordering_provider_state", ""),
        ("ordering_provider.zip_code", "Ordering_provider_zip_code", ""),
        ("ordering_provider.county", "Ordering_provider_county", ""),
        ("ordering_provider.phone", "Ordering_provider_phone_number", ""),
        ("specimen.source_site_code", "Specimen_source_site_code", "87100004"),
        ("device.tests.0.test_performed_code", "Ordered_test_code", ""),
        ("device.tests.0.test_kit_name_id", "Test_Kit_Name_ID", ""),
        ("device.tests.0.equipment_uid", "Equipment_Model_ID", ""),
    ],
)
def test_what_is_not_known_has_its_own_word(place: str, column: str, empty: str, event: Change) -> None:
    assert cells(event({place: None}))[column] == empty


def test_every_listed_value_has_its_code(event: Change) -> None:
    race = {"native": "1002-5", "asian": "2028-9", "black": "2054-5", "pacific": "2076-8", "white": "2106-3"}
    race |= {"other": "2131-1", "unknown": "UNK", "refused": "ASKU"}
    gender = {"male": "M", "female": "F", "other": "O", "refused": "U", "unknown": "U"}
    ethnicity = {"hispanic": "H", "not_hispanic": "N", "refused": "U", "unknown": "U"}
    result = {"POSITIVE": "260373001", "NEGATIVE": "260415000", "UNDETERMINED": "419984006"}
    for place, column, codes in (
        ("patient.race", "Patient_race", race),
        ("patient.gender", "Patient_gender", gender),
        ("patient.ethnicity", "Patient_ethnicity", ethnicity),
        ("results.0.result", "Test_result_code", result),
    ):
        assert {value: cells(event({place: value}))[column] for value in codes} == codes


def test_the_tables_know_every_listed_value() -> None:
    assert set(get_args(events.Race)) == set(people.RACES)
    assert set(get_args(events.Gender)) == set(people.GENDERS)
    assert set(get_args(events.Ethnicity)) == set(people.ETHNICITIES)
    assert set(get_args(events.ResultValue)) == set(results.RESULTS)
    assert set(get_args(events.CorrectionStatus)) == set(results.STATUSES)


@pytest.mark.parametrize(
    ("status", "letters"), [("ORIGINAL", "FFF"), ("CORRECTED", "CCC"), ("REMOVED", "WCW")]
)
def test_a_status_is_told_three_times(status: str, letters: str, event: Change) -> None:
    found = cells(event({"correction_status": status, "prior_event_id": "p"}))
    columns = ("Test_result_status", "Order_result_status", "Observation_result_status")
    assert "".join(found[column] for column in columns) == letters


@pytest.mark.parametrize("status", ["CORRECTED", "REMOVED"])
def test_a_correction_names_its_original_and_its_reason(status: str, event: Change) -> None:
    correction = {"correction_status": status, "prior_event_id": "the original", "correction_reason": "why"}
    found = cells(event(correction))
    assert (found["Corrected_result_ID"], found["Test_correction_reason"]) == ("the original", "why")
    found = cells(event(correction | {"correction_reason": None}))
    assert (found["Corrected_result_ID"], found["Test_correction_reason"]) == ("the original", "")


def test_an_original_names_neither(event: Change) -> None:
    found = cells(event({"prior_event_id": "x", "correction_reason": "why"}))
    assert (found["Corrected_result_ID"], found["Test_correction_reason"]) == ("", "")


@pytest.mark.parametrize("street", ["** Unknown / Not Given **", "** UNKNOWN / not given **"])
def test_a_patient_without_address_is_at_the_facility(street: str, event: Change) -> None:
    found = cells(event({"patient.street": street, "patient.state": "NA", "facility.county": None}))
    place = ("Patient_street", "Patient_city", "Patient_county", "Patient_state", "Patient_zip_code")
    assert [found[name] for name in place] == [street, "Toledo", "", "OH", "43605-1234"]


@pytest.mark.parametrize("blank", ["", "  ", "\t", None])
def test_a_blank_phone_is_the_facilitys(blank: str | None, event: Change) -> None:
    assert cells(event({"patient.phone_number": blank}))["Patient_phone_number"] == "419-555-0100"


@pytest.mark.parametrize(
    ("has_prior", "first"), [(False, "Y"), (True, "N"), (None, "UNK")], ids=["first", "not first", "unknown"]
)
def test_a_first_test_is_one_without_prior_tests(has_prior: bool | None, first: str, event: Change) -> None:
    assert cells(event({"patient_has_prior_tests": has_prior}))["First_test"] == first


@pytest.mark.parametrize(("no_symptoms", "symptomatic"), [(False, "Y"), (True, "N"), (None, "UNK")])
def test_symptomatic_is_the_opposite_of_no_symptoms(
    no_symptoms: bool | None, symptomatic: str, event: Change
) -> None:
    assert cells(event({"survey.no_symptoms": no_symptoms}))["Symptomatic_for_disease"] == symptomatic


def test_answers_are_y_and_n(event: Change) -> None:
    found = cells(
        event({"patient.employed_in_healthcare": False, "patient.resident_congregate_setting": True})
    )
    assert (found["Employed_in_healthcare"], found["Resident_congregate_setting"]) == ("N", "Y")


def test_the_first_tribe_is_told(event: Change) -> None:
    assert cells(event({"patient.tribal_affiliation": ["91", "338"]}))["Patient_tribal_affiliation"] == "91"
    assert cells(event({"patient.tribal_affiliation": []}))["Patient_tribal_affiliation"] == ""


def test_there_are_74_languages_and_others_stay_as_they_are(event: Change) -> None:
    assert len(LANGUAGES) == 74
    for name, code in {"Spanish": "spa", "Chinese": "yue", "Unknown": "zxx", "Klingon": "Klingon"}.items():
        found = cells(event({"patient.preferred_language": name}))
        assert found["Patient_preferred_language"] == code


def test_dates_are_plain_digits(event: Change) -> None:
    found = cells(event({"patient.birth_date": "1961-07-04", "survey.symptom_onset_date": "2026-01-09"}))
    assert (found["Patient_DOB"], found["Illness_onset_date"]) == ("19610704", "20260109")


@pytest.mark.parametrize(
    ("tested", "stamp"),
    [
        ("2020-12-15T00:00:00Z", "20201215000000"),
        ("2026-12-31T20:30:15.999-05:00", "20270101013015"),
        ("2026-01-01T09:59:59+10:00", "20251231235959"),
        ("2026-03-01T00:15:00+00:30", "20260228234500"),
    ],
)
def test_times_are_in_utc_also_where_that_is_another_day(tested: str, stamp: str, event: Change) -> None:
    found = cells(event({"date_tested": tested}))
    assert found["Test_date"] == found["Order_test_date"] == stamp


@pytest.mark.parametrize(("minutes", "collected"), [(15, "20201214234500"), (None, "20201214234500")])
def test_a_specimen_is_collected_before_its_result(
    minutes: int | None, collected: str, event: Change
) -> None:
    found = cells(event({"date_tested": "2020-12-15T00:00:00Z", "device.test_length_minutes": minutes}))
    assert found["Specimen_collection_date_time"] == collected
    assert found["Test_date"] == found["Order_test_date"] == "20201215000000"


def test_a_device_that_needs_no_time_collects_at_once(event: Change) -> None:
    found = cells(event({"device.test_length_minutes": 0}))
    assert found["Specimen_collection_date_time"] == found["Test_date"]


def test_a_result_is_released_when_we_received_it(event: Change) -> None:
    received = datetime(2026, 5, 1, 23, 59, 59, 999_999, UTC)
    assert cells(event(), received)["Date_result_released"] == "20260501235959"


def test_the_same_event_has_the_same_bytes_every_time(event: Change) -> None:
    assert cells(event()) == cells(event())


def test_the_mode_is_the_one_configured(event: Change) -> None:
    assert cells(event(), mode="T")["Processing_mode_code"] == "T"


@pytest.mark.parametrize("site", get_args(events.SiteOfCare))
def test_a_site_of_care_is_its_own_code(site: str, event: Change) -> None:
    assert cells(event({"organization.type": site}))["Site_of_care"] == site


FLU = {"disease": "Flu A", "test_performed_code": "88382-7", "test_kit_name_id": "F", "equipment_uid": "F"}


def covid(code: str, kit: str | None, uid: str | None) -> dict[str, Any]:
    return {
        "disease": "COVID-19",
        "test_performed_code": code,
        "test_kit_name_id": kit,
        "equipment_uid": uid,
    }


@pytest.mark.parametrize(
    ("tests", "code", "kit", "uid"),
    [
        ([FLU, covid("94534-5", "K", "U"), covid("97097-0", "K", "U")], "94534-5", "K", "U"),
        ([covid("94534-5", "K", "U"), covid("94534-5", "L", "U")], "94534-5", "", "U"),
        ([covid("94534-5", "K", "U"), covid("94534-5", "K", None)], "94534-5", "K", ""),
        ([covid("94534-5", None, None), FLU], "94534-5", "", ""),
        ([FLU], "", "", ""),
        ([], "", "", ""),
    ],
)
def test_codes_are_those_on_which_the_covid_entries_agree(
    tests: list[dict[str, Any]], code: str, kit: str, uid: str, event: Change
) -> None:
    found = cells(event({"device.tests": tests}))
    columns = ("Ordered_test_code", "Test_Kit_Name_ID", "Equipment_Model_ID")
    assert [found[column] for column in columns] == [code, kit, uid]


def test_of_several_results_the_covid_one_is_told(event: Change) -> None:
    flu, covid_19 = {"disease": "Flu A", "result": "NEGATIVE"}, {"disease": "COVID-19", "result": "POSITIVE"}
    assert cells(event({"results": [flu, covid_19]}))["Test_result_code"] == "260373001"


def test_an_event_without_covid_has_no_row(event: Change) -> None:
    with pytest.raises(ShapeError, match=r"^results: has no COVID-19 result"):
        cells(event({"results": [{"disease": "RSV", "result": "POSITIVE"}]}))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("date_tested", "2026-01-12"),
        ("patient.birth_date", "Okafor"),
        ("survey.symptom_onset_date", "yesterday"),
    ],
)
def test_a_date_that_is_none_has_no_row_and_is_not_repeated(place: str, text: str, event: Change) -> None:
    with pytest.raises(ShapeError) as caught:
        cells(event({place: text}))
    assert caught.value.place == place
    assert text not in str(caught.value).partition(", such as")[0]


CONTROLS = [chr(code) for code in (*range(9), *range(10, 32), *range(127, 160), 0x2028, 0x2029)]


@pytest.mark.parametrize("character", CONTROLS, ids=lambda character: f"U+{ord(character):04X}")
def test_a_control_character_becomes_one_space(character: str, event: Change) -> None:
    found = cells(event({"patient.street": f"12{character}Elm{character}{character}St"}))
    assert found["Patient_street"] == "12 Elm  St"


@pytest.mark.parametrize(
    "text", ["a\tb", "a\u00a0b", "José \u200dMüller", "阮 Nguyễn", "🩺", 'O\'Neil "Jo", 2nd', "\ufeffx"]
)
def test_other_text_stays_as_it_is_and_can_be_read_back(text: str, event: Change) -> None:
    values = row(event({"patient.last_name": text}), received_at=RECEIVED, processing_mode="P")
    assert values[0] == text
    assert read(csv_document(COLUMNS, [values])) == [list(COLUMNS), list(values)]


def test_a_line_end_of_two_characters_becomes_two_spaces(event: Change) -> None:
    assert cells(event({"facility.name": "East\r\nWing"}))["Testing_lab_name"] == "East  Wing"


@pytest.mark.cases
def test_reportstreams_own_sample_has_no_column_we_do_not_write(cases: Path) -> None:
    sample = cases / "rs-pdi-csv" / "simple_report_example.csv"
    if not sample.exists():
        pytest.skip("the case files hold no simple_report_example.csv")
    header, *rows = read(sample.read_bytes())
    assert len(rows) == 14
    assert not set(header) - set(COLUMNS)
