"""What keeps an event from being sent, what is only doubtful, and that neither repeats a value."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.reportstream.events import TestEvent, decode
from assets.reportstream.rules import Severity, is_npi, problems, sets_aside
from assets.reportstream.tables.specimens import SPECIMENS

Change = Callable[..., TestEvent]

NOW = datetime(2026, 1, 13, 6, 0, tzinfo=UTC)


def found(event: TestEvent, *, to_csv: bool = True) -> list[tuple[str, Severity]]:
    return [(one.place, one.severity) for one in problems(event, now=NOW, to_csv=to_csv)]


def wrong(place: str) -> list[tuple[str, Severity]]:
    return [(place, Severity.SET_ASIDE)]


def doubtful(place: str) -> list[tuple[str, Severity]]:
    return [(place, Severity.WARNING)]


def test_a_good_event_has_no_problem(samples: Path) -> None:
    for name in ("original", "correction", "removal", "multiplex", "odd_text"):
        assert found(decode((samples / f"{name}.json").read_bytes())) == []


@pytest.mark.parametrize(
    "place",
    [
        "patient.first_name",
        "patient.last_name",
        "patient.street",
        "organization.name",
        "facility.name",
        "facility.street",
        "facility.city",
        "facility.zip_code",
        "facility.phone",
        "ordering_provider.first_name",
        "ordering_provider.last_name",
        "ordering_provider.npi",
        "device.internal_id",
        "device.model",
    ],
)
def test_a_required_text_that_is_blank_sets_aside(place: str, event: Change) -> None:
    for blank in ("", "  "):
        assert found(event({place: blank})) == wrong(place)


@pytest.mark.parametrize("place", ["event_id", "patient.internal_id"])
def test_an_id_of_blanks_sets_aside(place: str, event: Change) -> None:
    assert found(event({place: "  "})) == wrong(place)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("facility.clia_number", ""),
        ("facility.clia_number", "36D123456"),
        ("facility.clia_number", "36E1234567"),
        ("facility.clia_number", "36D12345678"),
        ("facility.clia_number", "36D12345٧٧"),
        ("patient.state", "Ohio"),
        ("patient.state", "oh"),
        ("patient.state", ""),
        ("facility.state", "XX"),
        ("specimen.type_code", "nasal swab"),
        ("specimen.type_code", ""),
        ("specimen.source_site_code", "12345"),
        ("device.tests.0.test_performed_code", "97097"),
        ("device.tests.0.test_ordered_code", "97099-66"),
        ("device.tests.1.test_performed_code", "LOINC"),
        ("device.test_length_minutes", -1),
        ("device.test_length_minutes", 10**30),
        ("patient.birth_date", "1988-02-30"),
        ("patient.birth_date", "02/28/1988"),
        ("survey.symptom_onset_date", "2026-01-32"),
        ("survey.symptom_onset_date", ""),
        ("date_tested", "2026-01-12T23:50:00"),
        ("date_tested", "Okafor"),
    ],
)
def test_what_reportstream_cannot_use_sets_aside(place: str, value: Any, event: Change) -> None:
    named = place.replace("tests.0.", "tests[0].").replace("tests.1.", "tests[1].")
    changed = event({place: value, "survey.no_symptoms": False})
    assert found(changed) == wrong(named)
    assert sets_aside(problems(changed, now=NOW))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("ordering_provider.npi", "1457383235"),
        ("ordering_provider.npi", "12345"),
        ("ordering_provider.npi", "145738323٤"),
        ("ordering_provider.state", "Ohio"),
        ("ordering_provider.zip_code", "4355"),
        ("ordering_provider.phone", "555-0199"),
        ("patient.zip_code", "Okafor"),
        ("patient.phone_number", "419-555-01177"),
        ("patient.email", "imani at example.org"),
        ("patient.preferred_language", "Klingon"),
        ("facility.zip_code", "43605-12"),
        ("facility.phone", "none"),
        ("facility.email", "nurse@"),
        ("specimen.type_code", "123456789"),
        ("specimen.source_site_code", "123456789"),
        ("device.tests.0.test_performed_code", "97097-1"),
        ("prior_event_id", "x"),
        ("patient.birth_date", "1899-01-01"),
        ("survey", {"no_symptoms": True, "symptom_onset_date": "2026-01-09"}),
    ],
)
def test_what_may_be_dropped_on_the_way_is_a_warning(place: str, value: Any, event: Change) -> None:
    named = "survey.symptom_onset_date" if place == "survey" else place.replace("tests.0.", "tests[0].")
    changed = event({place: value})
    assert found(changed) == doubtful(named)
    assert not sets_aside(problems(changed, now=NOW))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("patient.phone_number", "+1 (419) 555-0117"),
        ("patient.phone_number", "4195550117"),
        ("patient.phone_number", " "),
        ("patient.zip_code", "43604-1234"),
        ("patient.zip_code", "K1A 0B1"),
        ("patient.zip_code", ""),
        ("patient.state", "PR"),
        ("patient.state", "QC"),
        ("patient.state", "NA"),
        ("patient.email", ""),
        ("facility.clia_number", "0AD1234567"),
        ("device.tests.0.test_ordered_code", None),
        ("device.test_length_minutes", 0),
        ("survey", None),
    ],
)
def test_what_may_go_has_no_problem(place: str, value: Any, event: Change) -> None:
    assert found(event({place: value})) == []


def test_an_unknown_address_is_not_judged(event: Change) -> None:
    nowhere = {"patient.street": "** Unknown / Not Given **", "patient.state": "?", "patient.zip_code": "?"}
    assert found(event(nowhere)) == []


def test_a_test_in_the_future_sets_aside_beyond_a_small_skew(event: Change) -> None:
    ahead = (NOW + timedelta(minutes=4)).isoformat()
    assert found(event({"date_tested": ahead})) == []
    ahead = (NOW + timedelta(minutes=6)).isoformat()
    assert found(event({"date_tested": ahead})) == wrong("date_tested")


@pytest.mark.parametrize("place", ["patient.birth_date", "survey.symptom_onset_date"])
def test_nobody_is_born_or_falls_ill_after_the_day_of_the_test(place: str, event: Change) -> None:
    late = {"date_tested": "2026-01-10T12:00:00+10:00", "survey.no_symptoms": False}
    assert found(event(late | {place: "2026-01-10"})) == []
    assert found(event(late | {place: "2026-01-11"})) == wrong(place)


def test_a_day_is_judged_where_it_comes_first(event: Change) -> None:
    guam = {"date_tested": "2026-01-10T15:00:00Z", "survey.no_symptoms": False}
    assert found(event(guam | {"survey.symptom_onset_date": "2026-01-11"})) == []


def test_a_disease_has_one_result(event: Change) -> None:
    twice = [{"disease": "COVID-19", "result": "POSITIVE"}, {"disease": "COVID-19", "result": "NEGATIVE"}]
    assert found(event({"results": twice})) == wrong("results[1].disease")


def test_an_event_without_covid_is_set_aside_only_where_it_would_be_csv(samples: Path) -> None:
    event = decode((samples / "no_covid.json").read_bytes())
    assert found(event) == wrong("results")
    assert found(event, to_csv=False) == []


@pytest.mark.parametrize("tests", [[], [{"disease": "Flu A"}], [{"disease": "COVID-19"}]])
def test_a_device_without_a_covid_code_leaves_a_cell_empty(
    tests: list[dict[str, str]], event: Change
) -> None:
    assert found(event({"device.tests": tests})) == doubtful("device.tests")
    assert found(event({"device.tests": tests}), to_csv=False) == []


def test_an_event_does_not_correct_itself(event: Change) -> None:
    own = {"correction_status": "CORRECTED", "event_id": "a", "prior_event_id": "a"}
    assert found(event(own)) == wrong("prior_event_id")


TEXTS = """
event_id date_tested patient.first_name patient.last_name patient.birth_date patient.street patient.state
patient.city patient.county patient.zip_code patient.country patient.phone_number patient.email
patient.preferred_language survey.symptom_onset_date organization.name facility.clia_number facility.state
facility.zip_code facility.phone facility.email ordering_provider.npi ordering_provider.state
ordering_provider.zip_code ordering_provider.phone device.internal_id device.model
device.tests.0.test_performed_code device.tests.0.test_ordered_code specimen.type_code
specimen.source_site_code
""".split()  # noqa: SIM905  # one list is easier to read than thirty lines


def test_no_sentence_repeats_a_value(event: Change) -> None:
    said = [str(one) for one in problems(event(dict.fromkeys(TEXTS, "Q7-secret")), now=NOW)]
    assert len(said) >= 18
    assert not [sentence for sentence in said if "Q7" in sentence or "secret" in sentence]


def test_a_table_that_is_renewed_counts_for_a_facility_that_was_judged_before(event: Change) -> None:
    odd = event({"specimen.type_code": "123456789"})
    assert found(odd) == doubtful("specimen.type_code")
    try:
        SPECIMENS.use({"123456789": "Swab of a new kind"})
        assert found(odd) == []
    finally:
        SPECIMENS.use(None)


def test_a_facility_is_judged_anew_when_anything_about_it_differs(event: Change) -> None:
    for phone, expected in (("(218) 555-0100", []), ("12", doubtful("facility.phone"))):
        assert found(event({"facility.phone": phone})) == expected


def test_a_problem_reads_as_place_and_sentence(event: Change) -> None:
    (problem,) = problems(event({"facility.clia_number": "x"}), now=NOW)
    assert str(problem) == (
        "facility.clia_number: is not a CLIA number: two characters, the letter D and seven more"
    )


@pytest.mark.cases
def test_every_npi_in_reportstreams_sample_is_one(cases: Path) -> None:
    sample = cases / "rs-pdi-csv" / "simple_report_example.csv"
    if not sample.exists():
        pytest.skip("the case files hold no simple_report_example.csv")
    with sample.open(newline="") as file:
        numbers = {line["Ordering_provider_ID"] for line in csv.DictReader(file)}
    assert len(numbers) >= 10
    assert all(map(is_npi, numbers))
