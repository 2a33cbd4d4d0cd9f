"""What a row of a bulk upload means: times and zones, people, codes, answers, the CSV it may become."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from assets.formats.decode import ShapeError
from assets.reportstream import bulk_csv, bulk_dates
from assets.reportstream.bulk_report import report_of_row
from assets.reportstream.devices import county_code, known_devices
from assets.reportstream.profile import Profile
from assets.reportstream.report import Report
from assets.reportstream.tables.zones import zone_of
from tests.reportstream.bulk_files import one


def report(profile: Profile = Profile.DEFAULT, **changes: str) -> Report:
    return report_of_row(one(changes), devices=known_devices(), profile=profile)


def answers(**changes: str) -> dict[str, list[str]]:
    asked = ("pregnant", "employed_in_healthcare", "symptomatic_for_disease", "resident_congregate_setting")
    blank = dict.fromkeys(
        (*asked, "hospitalized", "icu", "syphilis_history", "genders_of_sexual_partners"), ""
    )
    blank |= {"illness_onset_date": "", "residence_type": "", "patient_gender_identity": ""}
    found = report(**{**blank, **changes}).answers
    return {answer.question.code: [value.code for value in answer.values] or [answer.day] for answer in found}


@pytest.mark.parametrize(
    ("text", "zone", "meant"),
    [
        ("7/10/2023 8:51", "America/New_York", "2023-07-10T08:51:00-04:00"),
        ("7/10/2023", "America/Chicago", "2023-07-10T12:00:00-05:00"),
        ("12/20/2021 4:00 MST", "America/New_York", "2021-12-20T04:00:00-07:00"),
        ("12/21/2021 14:00 PDT", "America/New_York", "2021-12-21T14:00:00-08:00"),
        ("12/21/2021 14:00 Asia/Tokyo", "America/New_York", "2021-12-21T14:00:00+09:00"),
        ("1/5/2022 23:59 UTC", "America/New_York", "2022-01-05T23:59:00+00:00"),
    ],
)
def test_a_moment_is_told_with_the_offset_it_had(text: str, zone: str, meant: str) -> None:
    assert bulk_dates.moment(text, ZoneInfo(zone)).isoformat() == meant


@pytest.mark.parametrize(
    ("state", "postal_code", "zone"),
    [
        ("AL", "35226", "America/Chicago"),
        ("fl", "32501", "America/Chicago"),
        ("FL", "33101", "America/New_York"),
        ("TX", "79901", "America/Denver"),
        ("AZ", "85001", "America/Phoenix"),
        ("TN", "37901", "America/New_York"),
        ("HI", "96801", "Pacific/Honolulu"),
        ("PR", "00901", "America/Puerto_Rico"),
        ("QC", "H2X 1Y4", "America/Toronto"),
        ("NA", "", "America/New_York"),
    ],
)
def test_the_zone_is_that_of_the_address(state: str, postal_code: str, zone: str) -> None:
    assert zone_of(state, postal_code) == zone


@pytest.mark.parametrize(
    "text",
    [
        "12/20/2021 14:00 ../../etc/passwd",
        "12/20/2021 14:00 Nowhere/Atall",
        "12/20/2021 14:00 EST5",
        "12/20/2021 14:00 localtime",
    ],
)
def test_a_zone_that_does_not_exist_is_none(text: str) -> None:
    assert not bulk_dates.is_moment(text)


def test_times_left_blank_are_those_of_the_order_and_the_result() -> None:
    made = report(
        order_test_date="12/20/2021 14:00",
        specimen_collection_date="",
        testing_lab_specimen_received_date="",
        test_result_date="12/23/2021",
        date_result_released="",
    )
    ordered = datetime(2021, 12, 20, 20, tzinfo=UTC)
    assert made.specimen.collected_at == made.specimen.received_at == made.ordered_at == ordered
    assert made.released_at == made.resulted_at == datetime(2021, 12, 23, 18, tzinfo=UTC)


DAYS = {
    "order_test_date": "12/20/2021",
    "specimen_collection_date": "",
    "testing_lab_specimen_received_date": "",
    "test_result_date": "12/20/2021 9:00",
    "date_result_released": "12/20/2021",
}


def test_a_day_without_an_hour_gives_way_to_a_later_time_of_that_day() -> None:
    made = report_of_row(
        one(DAYS), devices=known_devices(), uploaded_at=datetime(2021, 12, 20, 17, 30, tzinfo=UTC)
    )
    chain = [made.specimen.collected_at, made.specimen.received_at, made.resulted_at, made.released_at]
    assert [moment.astimezone(UTC).hour * 60 + moment.minute for moment in chain] == [900, 900, 900, 1050]
    assert made.ordered_at == made.resulted_at


def test_a_stand_in_gives_way_also_where_it_has_an_hour() -> None:
    late = {**DAYS, "order_test_date": "12/20/2021 10:00"}
    made = report(**late)
    assert made.specimen.collected_at == made.specimen.received_at == made.resulted_at
    taken = report(
        **{**late, "specimen_collection_date": "12/20/2021 8:30", "order_test_date": "12/20/2021 8:00"}
    )
    assert taken.specimen.received_at == taken.specimen.collected_at


@pytest.mark.parametrize(
    "changes",
    [
        {"specimen_collection_date": "12/20/2021 14:00", "test_result_date": "12/20/2021"},
        {"test_result_date": "12/20/2021 16:30", "date_result_released": "12/20/2021"},
        {"specimen_collection_date": "", "order_test_date": "12/20/2021 16:45"},
    ],
)
def test_every_step_comes_after_the_one_before(changes: dict[str, str]) -> None:
    made = report(**changes)
    chain = [made.specimen.collected_at, made.specimen.received_at, made.resulted_at, made.released_at]
    assert chain == sorted(chain)


def test_as_published_noon_stays_noon_and_a_day_is_never_changed() -> None:
    published = report(Profile.AS_PUBLISHED, **DAYS)
    assert published.specimen.collected_at > published.resulted_at
    other = report(**{**DAYS, "test_result_date": "12/19/2021 9:00"})
    assert other.specimen.collected_at.day == 20


def test_a_date_that_does_not_exist_keeps_a_row_from_going_and_is_not_repeated() -> None:
    with pytest.raises(ShapeError) as refused:
        report(test_result_date="2/31/2022")
    assert refused.value.place == "test_result_date"
    assert "31" not in str(refused.value)


def test_a_birth_date_that_does_not_exist_keeps_a_row_from_going() -> None:
    with pytest.raises(ShapeError) as refused:
        report(patient_dob="2/31/1962")
    assert refused.value.place == "patient_dob"


def test_codes_come_from_names_and_from_codes_alike() -> None:
    by_name = report(
        specimen_type="FINGERSTICK whole blood", test_result="not detected", patient_race="Asian"
    )
    by_code = report(specimen_type="122554006", test_result="260415000", patient_race="2028-9")
    for made in (by_name, by_code):
        assert made.specimen.type[:2] == ("122554006", "Capillary blood specimen")
        assert (made.results[0].value.code, made.results[0].flag) == ("260415000", "N")
        assert made.patient.race[:2] == ("2028-9", "Asian")


def test_a_result_that_says_nothing_is_called_normal_only_as_published() -> None:
    assert report(test_result="Invalid result").results[0].flag == ""
    assert report(Profile.AS_PUBLISHED, test_result="Invalid result").results[0].flag == "N"


@pytest.mark.parametrize(
    ("sex", "gender", "meant"),
    [("F", "M", "female"), ("", "male", "male"), ("", "other things", "unknown"), ("", "", "unknown")],
)
def test_sex_wins_over_gender_and_what_is_odd_is_unknown(sex: str, gender: str, meant: str) -> None:
    assert report(patient_sex=sex, patient_gender=gender).patient.sex == meant


FACILITY = ("name", "street", "street2", "city", "state", "zip_code", "phone_number")


def test_an_ordering_facility_left_out_is_the_testing_lab() -> None:
    made = report(**{f"ordering_facility_{part}": "" for part in FACILITY})
    assert made.ordering_facility is made.lab


def test_two_addresses_are_never_mixed_by_ours() -> None:
    changes = {f"ordering_facility_{part}": "" for part in FACILITY} | {"ordering_facility_city": "Mobile"}
    ours = report(**changes).ordering_facility.address
    theirs = report(Profile.AS_PUBLISHED, **changes).ordering_facility.address
    assert (ours.street, ours.city) == ("", "Mobile")
    assert (theirs.street, theirs.city) == ("400 Main Street", "Mobile")


def test_what_was_not_asked_is_not_answered() -> None:
    assert answers() == {}


def test_answers_are_coded() -> None:
    assert answers(
        symptomatic_for_disease="Yes",
        illness_onset_date="12/17/2021",
        pregnant="u",
        icu="N",
        resident_congregate_setting="y",
        residence_type="hostel",
        patient_gender_identity="tw",
        genders_of_sexual_partners="M, F, TM, R",
        syphilis_history="unk",
    ) == {
        "95419-8": ["Y"],
        "65222-2": ["2021-12-17"],
        "82810-3": ["261665006"],
        "95420-6": ["N"],
        "95421-4": ["Y"],
        "75617-1": ["257628001"],
        "76691-5": ["446141000124107"],
        "SR0001": ["446151000124109", "446141000124107", "asked-declined"],
        "1087151000119108": ["UNK"],
    }


def test_an_onset_without_symptoms_and_a_residence_outside_care_are_left_out() -> None:
    found = answers(symptomatic_for_disease="N", illness_onset_date="12/17/2021", residence_type="hostel")
    assert found == {"95419-8": ["N"]}


def test_a_misprinted_code_is_sent_right() -> None:
    found = answers(resident_congregate_setting="Y", residence_type="57656006")
    assert found["75617-1"] == ["257656006"]


def test_kit_and_device_come_from_the_row_or_else_from_the_table() -> None:
    named = report(test_kit_name_id="KIT", equipment_model_id="UID")
    known = report(test_kit_name_id="", equipment_model_id="", equipment_model_name="id now*")
    assert (named.results[0].kit, named.device.equipment, named.device.equipment_type) == ("KIT", "UID", "")
    assert (known.results[0].kit, known.device.equipment) == ("10811877011269", "00811877010616")
    assert (known.device.equipment_type, known.device.manufacturer) == ("DII", "Abbott")


def test_the_order_code_is_the_rows_or_the_devices() -> None:
    flu = {"equipment_model_name": "Alinity m", "test_performed_code": "85477-8"}
    assert report(**flu, test_ordered_code="").ordered.code == "95941-1"
    assert report(**flu, test_ordered_code="85477-8").ordered.code == "85477-8"


def test_a_correction_keeps_the_order_and_has_a_message_of_its_own() -> None:
    first, corrected = report(), report(test_result_status="C", test_result="Positive")
    assert first.order_id == corrected.order_id == "2021-000123"
    assert first.message_id != corrected.message_id
    assert first.results[0].id == corrected.results[0].id
    assert (first.status, corrected.status) == ("final", "corrected")


def test_only_covid_rows_go_as_csv_and_a_mode_is_told() -> None:
    devices = known_devices()
    assert bulk_csv.is_covid(one(), devices)
    assert not bulk_csv.is_covid(one({"test_performed_code": "5229-0"}), devices)
    assert bulk_csv.columns(("a", "syphilis_history"), "T") == ("a", "processing_mode_code")
    assert bulk_csv.cells(one(), processing_mode="T")["processing_mode_code"] == "T"


@pytest.mark.parametrize(
    ("state", "county", "code"),
    [
        ("NY", "Bronx", "36005"),
        ("al", "JEFFERSON County", "01073"),
        ("LA", "Orleans", "22071"),
        ("NY", "X", ""),
    ],
)
def test_counties_have_codes(state: str, county: str, code: str) -> None:
    assert county_code(state, county) == code
