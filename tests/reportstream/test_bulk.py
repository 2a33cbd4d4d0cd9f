"""Bulk uploads: what is refused, in which words, on which line, and what it costs."""

import io
import json
import time
import tracemalloc
from pathlib import Path

import pytest

from assets.reportstream import bulk, bulk_findings, bulk_row, bulk_rules, bulk_template
from assets.reportstream.bulk_advice import advice
from assets.reportstream.bulk_findings import ranges
from assets.reportstream.devices import Entry, Loinc, known_devices
from assets.reportstream.profile import Profile
from tests.reportstream.bulk_files import HEADER, NOW, judged, one, told, upload

SAMPLES = Path(__file__).parents[1] / "samples" / "reportstream_bulk"
BOTH = pytest.mark.parametrize("profile", Profile)


@BOTH
def test_the_template_is_accepted_as_it_is(profile: Profile) -> None:
    found = judged(bulk_template.template().encode(), profile)
    assert (found.rows, found.problems, found.warnings) == (1, [], [])


def test_the_template_the_rules_and_the_row_name_the_same_columns() -> None:
    assert bulk_row.COLUMNS == tuple(column.name for column in bulk_rules.COLUMNS) == HEADER
    assert len(bulk_rules.REQUIRED) == 32


def test_the_guide_speaks_of_every_column_and_of_what_it_takes() -> None:
    guide = bulk_template.guide_text()
    assert all(f"\n{column.name} (" in guide for column in bulk_rules.COLUMNS)
    assert "syphilis_history (required with a positive result for Syphilis)" in guide
    assert "pregnant (required with a positive result for HIV, Syphilis, Hepatitis C" in guide
    assert "50,000,000 bytes" in guide


@BOTH
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("patient_state", "XX"),
        ("testing_lab_zip_code", "1234"),
        ("patient_phone_number", "2059992800"),
        ("patient_phone_number", "005-999-2800"),
        ("patient_dob", "13/1/1962"),
        ("illness_onset_date", "1962-01-20"),
        ("order_test_date", "12/20/2021 24:00"),
        ("test_result_date", "12/20/2021 14:00 XYZ"),
        ("patient_email", "jane at example.com"),
        ("testing_lab_clia", "01X1058442"),
        ("patient_race", "martian"),
        ("patient_ethnicity", "none"),
        ("pregnant", "maybe"),
        ("residence_type", "castle"),
        ("test_result", "weak"),
        ("test_result_status", "X"),
        ("specimen_type", "hair"),
        ("specimen_type", "12345"),
        ("genders_of_sexual_partners", "M, X"),
        ("patient_gender_identity", "M, F"),
    ],
)
def test_a_value_of_another_kind_is_told_with_column_and_line(
    column: str, value: str, profile: Profile
) -> None:
    message = f"{value} is not an acceptable value for the {column} column."
    assert told(upload({}, {column: value}), profile) == [(message, [3])]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("patient_state", "al"),
        ("patient_state", "QC"),
        ("patient_state", "NA"),
        ("patient_zip_code", "35226-1234"),
        ("order_test_date", "12/20/2021 4:05 MST"),
        ("order_test_date", "12/20/2021 14:00 America/Denver"),
        ("patient_race", "ASK, BUT UNKNOWN"),
        ("patient_race", "2076-8"),
        ("residence_type", "57656006"),
        ("residence_type", "257656006"),
        ("test_result", "invalid RESULT"),
        ("test_result", "11214006"),
        ("specimen_type", "mid-turbinate nasal swab"),
        ("specimen_type", "1293160008"),
        ("pregnant", "unknown"),
        ("patient_sex", "anything at all"),
        ("patient_last_name", "  Doe  "),
    ],
)
def test_a_value_of_the_kind_is_accepted(column: str, value: str) -> None:
    assert told(upload({column: value})) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("specimen_type", "mid-turbinate nasal swab"),
        ("specimen_type", "1293160008"),
        ("pregnant", "unknown"),
    ],
)
def test_what_the_published_rules_refuse_by_mistake_is_refused_only_there(column: str, value: str) -> None:
    assert told(upload({column: value})) == []
    assert len(told(upload({column: value}), Profile.AS_PUBLISHED)) == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("patient_dob", "2/31/1990"),
        ("patient_dob", "1/20/0062"),
        ("test_result_date", "12/20/0021 16:30"),
        ("specimen_type", "445297002"),
        ("processing_mode_code", "X"),
        ("patient_city", "x" * 51),
        ("patient_middle_name", "x" * 200),
    ],
)
def test_what_the_published_rules_overlook_is_refused_by_ours(column: str, value: str) -> None:
    assert told(upload({column: value}), Profile.AS_PUBLISHED) == []
    assert told(upload({column: value})) == [
        (f"{value} is not an acceptable value for the {column} column.", [2])
    ]


@BOTH
def test_a_missing_value_and_a_missing_header_are_told_apart(profile: Profile) -> None:
    header = tuple(name for name in HEADER if name != "patient_county")
    errors = [
        problem.as_error()
        for problem in judged(upload({"patient_city": " "}, header=header), profile).problems
    ]
    assert errors == [
        {
            "scope": "item",
            "message": "The header for column patient_county is missing or invalid.",
            "indices": [],
            "fieldHeader": "patient_county",
            "fieldRequired": True,
            "errorType": "MISSING_HEADER",
            "source": "SIMPLE_REPORT",
        },
        *(
            {
                "scope": "item",
                "message": f"File is missing data in the {name} column.",
                "indices": [2],
                "fieldHeader": name,
                "fieldRequired": True,
                "errorType": "MISSING_DATA",
                "source": "SIMPLE_REPORT",
            }
            for name in ("patient_county", "patient_city")
        ),
    ]


@BOTH
def test_one_header_and_one_word_give_sixty_five_errors(profile: Profile) -> None:
    found = told(b"invalid\nyes", profile)
    assert len(found) == 65
    assert sum("The header for column" in message and lines == [] for message, lines in found) == 32
    assert sum("missing data" in message and lines == [2] for message, lines in found) == 32
    assert found[-1] == (bulk_findings.WRONG_PAIR, [2])


def test_the_same_mistake_on_several_lines_is_one_error() -> None:
    wrong = {"patient_state": "XX"}
    assert told(upload(wrong, {}, wrong, wrong)) == [
        ("XX is not an acceptable value for the patient_state column.", [2, 4, 5])
    ]


@BOTH
@pytest.mark.parametrize(
    "file", [b"", b"invalid\nyes", upload({}) + b"a,b\r\n", (SAMPLES / "three_mistakes.csv").read_bytes()]
)
def test_every_mistake_says_what_would_be_right_and_repeats_no_value(file: bytes, profile: Profile) -> None:
    for problem in judged(file, profile).problems:
        assert advice(problem)
        assert "Alabama" not in advice(problem)


def test_what_would_be_right_is_said_by_the_kind_of_mistake() -> None:
    wrong, missing = judged(upload({"patient_state": "XX"}, {"patient_city": ""})).problems
    assert (
        advice(wrong)
        == "Takes two letters of a US state or territory, or of a Canadian province. Example: AL"
    )
    assert advice(missing) == "City. Example: Birmingham"


def test_errors_stand_in_the_order_of_their_first_line() -> None:
    found = told(upload({"test_result": "b"}, {"patient_state": "a"}, {"test_result": "c"}))
    assert [lines for _, lines in found] == [[2], [3], [4]]


def test_a_line_break_inside_a_value_shifts_the_lines_after_it() -> None:
    file = upload({"comment": "one\ntwo"}, {"patient_state": "XX"})
    assert told(file)[0][1] == [4]


@BOTH
def test_a_device_that_does_not_do_the_test_is_refused(profile: Profile) -> None:
    file = upload({"equipment_model_name": "Alinity M", "test_performed_code": "94534-5"})
    assert told(file, profile) == [(bulk_findings.WRONG_PAIR, [2])]


@BOTH
@pytest.mark.parametrize(("model", "code"), [("ID now*", "94534-5"), ("a new device", "5229-0")])
def test_a_pair_of_the_table_and_a_test_that_any_device_does_are_accepted(
    model: str, code: str, profile: Profile
) -> None:
    assert told(upload({"equipment_model_name": model, "test_performed_code": code}), profile) == []


def test_a_device_of_the_lab_can_be_added_to_the_table() -> None:
    added = known_devices().with_entries(
        [Entry("My Device", "99999-9")], [Loinc("99999-9", "RSV", False, "")]
    )
    file = upload({"equipment_model_name": "my device", "test_performed_code": "99999-9"})
    assert bulk.check(io.BytesIO(file), devices=added, now=NOW).problems == []
    assert [problem.message for problem in judged(file).problems] == [bulk_findings.WRONG_PAIR]


SYPHILIS = {"equipment_model_name": "any", "test_performed_code": "24110-9", "test_result": "Positive"}


@BOTH
def test_a_positive_result_of_some_diseases_asks_for_more(profile: Profile) -> None:
    blank = {"pregnant": "", "syphilis_history": "", "genders_of_sexual_partners": "F"}
    found = judged(upload(SYPHILIS | blank), profile).problems
    assert [(problem.message, problem.error_type, problem.required) for problem in found] == [
        (
            f"File is missing data in the {name} column. This is required because the row contains a positive "
            "Syphilis test result.",
            "MISSING_DATA",
            True,
        )
        for name in ("pregnant", "syphilis_history")
    ]
    assert told(upload(SYPHILIS | blank | {"test_result": "Negative"}), profile) == []


@BOTH
def test_a_disease_that_is_not_switched_on_is_not_available(profile: Profile) -> None:
    found = judged(upload(SYPHILIS), profile, diseases=frozenset({"HIV"})).problems
    assert [(problem.message, problem.error_type) for problem in found] == [
        (bulk_findings.WRONG_DISEASE, "UNAVAILABLE_DISEASE")
    ]


@BOTH
@pytest.mark.parametrize("file", [b"", upload()])
def test_a_file_without_rows_is_told_as_an_empty_one(file: bytes, profile: Profile) -> None:
    assert told(file, profile) == [(bulk_findings.EMPTY_FILE, [])]


def test_a_row_with_another_number_of_columns_is_refused() -> None:
    file = upload({}) + b"a,b,c\r\n"
    assert told(file) == [(bulk_findings.WRONG_COLUMNS, [3])]


def test_a_comma_at_the_end_of_a_line_is_no_column() -> None:
    head, row, *_ = upload({}).split(b"\r\n")
    assert told(b"\r\n".join([head, row + b",", b""])) == []


def test_two_commas_at_the_end_of_a_line_are_a_column_too_many() -> None:
    head, row, *_ = upload({}).split(b"\r\n")
    assert told(b"\r\n".join([head, row + b",,", b""])) == [(bulk_findings.WRONG_COLUMNS, [2])]


@BOTH
@pytest.mark.parametrize("empty", [b"", b"  "])
def test_an_empty_line_between_rows_is_refused(empty: bytes, profile: Profile) -> None:
    head, row, *_ = upload({}).split(b"\r\n")
    other = row.replace(b"2021-000123", b"2021-000124")
    file = b"\r\n".join([head, row, empty, other, b""])
    assert told(file, profile) == [(bulk_findings.WRONG_COLUMNS, [3])]


def test_a_row_of_blank_cells_is_told_as_an_empty_row() -> None:
    file = upload({}) + b"," * (len(HEADER) - 1) + b"\r\n"
    assert told(file) == [(bulk_findings.WRONG_COLUMNS, [3])]
    assert len(told(file, Profile.AS_PUBLISHED)) == 33


def test_empty_lines_at_the_end_are_passed_over_by_ours_and_refused_as_published() -> None:
    file = upload({}) + b"\r\n\r\n"
    assert (judged(file).rows, told(file)) == (1, [])
    assert told(file, Profile.AS_PUBLISHED) == [(bulk_findings.WRONG_COLUMNS, [3, 4])]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"test_result_date": "3/3/2026"}, "3/3/2026 in the test_result_date column is later than today."),
        (
            {"patient_dob": "12/21/2021", "test_result_date": "12/20/2021 14:00"},
            "12/21/2021 in the patient_dob column is later than test_result_date.",
        ),
        (
            {"specimen_collection_date": "12/21/2021 9:00"},
            "12/21/2021 9:00 in the specimen_collection_date column is later than test_result_date.",
        ),
        (
            {"specimen_collection_date": "", "order_test_date": "12/21/2021"},
            "12/21/2021 in the order_test_date column is later than test_result_date.",
        ),
        (
            {"specimen_collection_date": "12/20/2021 16:31"},
            "12/20/2021 16:31 in the specimen_collection_date column is later than test_result_date.",
        ),
        (
            {"specimen_collection_date": "12/20/2021 16:00 PT"},
            "12/20/2021 16:00 PT in the specimen_collection_date column is later than test_result_date.",
        ),
        (
            {"date_result_released": "12/19/2021"},
            "12/20/2021 16:30 in the test_result_date column is later than date_result_released.",
        ),
        (
            {"test_result_date": "2/28/2026 19:00", "date_result_released": "2/28/2026"},
            "2/28/2026 19:00 in the test_result_date column is later than now.",
        ),
    ],
)
def test_dates_must_make_sense_together(changes: dict[str, str], text: str) -> None:
    assert told(upload(changes)) == [(text, [2])]
    assert told(upload(changes), Profile.AS_PUBLISHED) == []


def test_an_hour_that_was_not_written_is_not_compared() -> None:
    days = {"specimen_collection_date": "12/20/2021", "test_result_date": "12/20/2021 9:00"}
    assert told(upload(days)) == []


def test_tomorrow_is_already_today_where_the_address_says_so() -> None:
    tomorrow = {"test_result_date": "3/1/2026", "date_result_released": "3/1/2026"}
    assert [message.partition(" in the ")[2] for message, _ in told(upload(tomorrow))] == [
        "test_result_date column is later than today.",
        "date_result_released column is later than today.",
    ]
    guam = {"ordering_provider_state": "GU", "ordering_provider_zip_code": "96910"}
    assert told(upload({**tomorrow, **guam})) == []


def test_days_of_different_zones_are_compared_by_their_hours() -> None:
    tokyo = {"specimen_collection_date": "12/21/2021 1:00 Asia/Tokyo", "test_result_date": "12/20/2021 12:00"}
    assert told(upload(tokyo)) == []


def test_headers_compare_without_case_and_an_unknown_column_is_said() -> None:
    head, row, _ = upload({}).split(b"\r\n")
    file = head.upper() + b",Shoe_Size\r\n" + row + b",9\r\n"
    found = judged(file)
    assert found.problems == []
    assert found.warnings == ["These columns are not part of the template and are not sent: shoe_size."]


def test_only_what_looks_like_a_columns_name_is_repeated() -> None:
    head, row, _ = upload({}).split(b"\r\n")
    [said] = judged(head + b",Jane Doe,a,b c\r\n" + row + b",1,2,3\r\n").warnings
    assert said == "These columns are not part of the template and are not sent: a and 2 more."
    [said] = judged(head + b",Jane Doe\r\n" + row + b",1\r\n").warnings
    assert said == "1 column is not part of the template and not sent."


@pytest.mark.parametrize("mark", [b";", b"\t", b"|"])
def test_another_mark_than_a_comma_is_told_as_that_and_nothing_else(mark: bytes) -> None:
    found = judged(upload({}).replace(b",", mark))
    assert [(problem.message, list(problem.indices)) for problem in found.problems] == [
        (bulk_findings.OTHER_SEPARATOR, [])
    ]
    assert found.warnings == []
    assert len(judged(upload({}).replace(b",", mark), Profile.AS_PUBLISHED).problems) == 65


def test_empty_lines_before_the_header_are_passed_over() -> None:
    file = b"\r\n , \r\n" + upload({"patient_zip_code": "352"})
    assert told(file) == [("352 is not an acceptable value for the patient_zip_code column.", [4])]
    assert [line for line, _ in bulk.rows(io.BytesIO(b"\n" + upload({})))] == [3]


def test_a_character_nobody_sees_fills_no_cell() -> None:
    for blank in ("\u200b", "\ufeff", "\u00a0", "\u2028"):
        assert told(upload({"accession_number": blank})) == [
            ("File is missing data in the accession_number column.", [2])
        ]


def test_where_only_covid_goes_the_rows_of_other_diseases_are_counted() -> None:
    flu = {"test_performed_code": "85477-8"}
    file = upload({}, flu, {**flu, "accession_number": "2"})
    unknown = bulk.check(
        io.BytesIO(upload({"equipment_model_name": "x"})), devices=known_devices(), now=NOW, covid_only=True
    )
    assert unknown.warnings == []
    found = bulk.check(io.BytesIO(file), devices=known_devices(), now=NOW, covid_only=True)
    assert (found.problems, judged(file).warnings) == ([], [])
    assert found.warnings == [
        "2 rows are not about COVID-19. Only results for COVID-19 are sent from here; the others are kept and "
        "set aside."
    ]


def test_a_column_that_stands_twice_is_refused() -> None:
    header = (*HEADER, "patient_city")
    assert told(upload({}, header=header)) == [
        ("The header for column patient_city stands more than once.", [])
    ]


def test_a_repeated_row_is_said_and_taken() -> None:
    found = judged(upload({}, {}, {"accession_number": "other"}, {}))
    assert found.problems == []
    assert found.warnings == ["2 rows repeat an earlier row; a result is sent once."]


def test_a_file_in_another_encoding_is_refused_in_words() -> None:
    file = upload({"patient_last_name": "Muñoz"}).decode().encode("latin-1")
    assert told(file) == [(bulk_findings.NOT_UTF8, [])]


def test_a_byte_order_mark_is_no_part_of_the_first_header() -> None:
    assert told(b"\xef\xbb\xbf" + upload({})) == []


def test_a_quotation_mark_that_is_never_closed_is_refused_in_words() -> None:
    file = upload({}) + b'"' + b"x" * 200_000
    assert told(file) == [(bulk_findings.NOT_CSV, [3])]


def test_more_columns_than_the_limit_are_refused() -> None:
    header = (*HEADER, *(f"extra{number}" for number in range(bulk_findings.MOST_COLUMNS)))
    assert told(upload({}, header=header))[0] == (bulk_findings.TOO_MANY_COLUMNS, [])


def test_a_file_that_is_wrong_everywhere_is_not_read_to_its_end() -> None:
    head, row, _ = upload({"patient_state": "XX", "patient_zip_code": "x", "test_result": "?"}).split(b"\r\n")
    many = bulk_findings.MOST_PROBLEMS // 3 + 10
    found = judged(b"\r\n".join([head, *[row] * many]))
    assert found.rows == many - 9
    assert found.problems[-1].message == bulk_findings.STOPPED


def test_of_a_very_long_value_its_beginning_is_repeated() -> None:
    [(message, lines)] = told(upload({"patient_state": "x" * 100_000}))
    assert message == f"{'x' * 200}… is not an acceptable value for the patient_state column."
    assert lines == [2]


def test_a_log_is_told_columns_and_numbers_and_no_value() -> None:
    found = judged(upload({"patient_dob": "secret"}, {"patient_dob": "private"}, {"patient_city": ""}))
    assert found.counted() == {"patient_dob: INVALID_DATA": 2, "patient_city: MISSING_DATA": 1}


@pytest.mark.parametrize(
    ("lines", "text"), [([], ""), ([2], "2"), ([2, 3], "2-3"), ([2, 4, 5, 6, 9], "2, 4-6, 9")]
)
def test_lines_are_told_as_ranges(lines: list[int], text: str) -> None:
    assert ranges(lines) == text


def test_rows_are_read_with_their_lines_and_without_blanks_and_control_characters() -> None:
    file = upload({"comment": " a\u2028b\nc "}, {"patient_city": "  Hoover "})
    rows = list(bulk.rows(io.BytesIO(file)))
    assert [(line, row.comment, row.patient_city) for line, row in rows] == [
        (2, "a b c", "Birmingham"),
        (4, "", "Hoover"),
    ]


def test_a_row_is_stored_and_read_back_as_it_was() -> None:
    row = one({"patient_last_name": "Muñoz, Jr."})
    assert bulk_row.decode(bulk_row.encode(row)) == row


def test_the_same_result_uploaded_again_has_the_same_id_and_a_correction_another() -> None:
    first, again = one(), one({"patient_city": "Hoover"})
    corrected, later = (
        one({"test_result_status": "C"}),
        one({"test_result_status": "C", "test_result": "Positive"}),
    )
    assert bulk_row.row_id(first) == bulk_row.row_id(again) == bulk_row.result_id(corrected)
    assert len({bulk_row.row_id(row) for row in (first, corrected, later)}) == 3


def test_two_results_of_one_order_have_ids_of_their_own() -> None:
    flu = one({"test_performed_code": "5229-0", "equipment_model_name": "x"})
    assert bulk_row.row_id(one()) != bulk_row.row_id(flu)


def test_a_large_file_is_judged_in_little_memory() -> None:
    head, row, _ = upload({}).split(b"\r\n")
    size = 8_000_000
    file = io.BytesIO(head + b"\r\n" + (row + b"\r\n") * (size // len(row)))
    tracemalloc.start()
    try:
        found = bulk.check(file, devices=known_devices(), now=NOW)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.rows == size // len(row)
    assert peak < 2_000_000


def test_four_thousand_rows_are_judged_in_well_under_three_seconds() -> None:
    changes = [
        {"accession_number": f"2021-{number}", "patient_last_name": f"Doe{number}"} for number in range(4_000)
    ]
    file = upload(*changes)
    began = time.process_time()
    found = judged(file)
    assert time.process_time() - began < 3
    assert (found.rows, found.problems) == (4_000, [])


def samples() -> list[str]:
    """The uploads of this clone, each with the errors it gets."""
    return sorted(path.stem for path in SAMPLES.glob("*.csv"))


@pytest.mark.parametrize("name", samples())
def test_the_samples_get_the_errors_written_beside_them(name: str) -> None:
    found = judged((SAMPLES / f"{name}.csv").read_bytes())
    errors = [problem.as_error() for problem in found.problems]
    assert errors == json.loads((SAMPLES / f"{name}.json").read_text())
