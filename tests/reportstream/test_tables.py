"""Our code tables against ReportStream's own, as long as its files are at hand."""

import csv
from pathlib import Path

import pytest

from assets.reportstream.tables import languages, people, places, results, specimens

pytestmark = pytest.mark.cases


@pytest.fixture
def tables(cases: Path) -> Path:
    folder = cases / "rs-tables"
    if not folder.is_dir():
        pytest.skip("the case files hold no rs-tables")
    return folder


def codes(tables: Path, name: str) -> set[str]:
    with (tables / f"{name}.csv").open(newline="") as file:
        return {line["code"] for line in csv.DictReader(file)}


def test_people_have_the_codes_reportstream_knows(tables: Path) -> None:
    assert {code for code, _ in people.RACES.values()} == codes(tables, "race")
    assert {code for code, _ in people.ETHNICITIES.values()} == codes(tables, "ethnicity")
    assert {code for code, _ in people.GENDERS.values()} <= codes(tables, "gender")
    assert {code for code, _ in people.YES_NO.values()} == codes(tables, "yesno")


def test_results_have_the_codes_reportstream_knows(tables: Path) -> None:
    assert {code for code, _ in results.RESULTS.values()} <= codes(tables, "test_result")


def test_no_specimen_or_site_of_reportstreams_is_missing(tables: Path) -> None:
    assert codes(tables, "specimen_type") <= set(specimens.SPECIMENS)
    assert codes(tables, "specimen_source_site_code") <= set(specimens.SOURCE_SITES)
    assert len(specimens.SPECIMENS) == 30
    assert len(specimens.SOURCE_SITES) == 12


def test_no_state_of_reportstreams_is_missing(tables: Path) -> None:
    assert codes(tables, "state") <= places.STATES


def test_languages_have_codes_reportstream_knows_but_for_four(tables: Path) -> None:
    unknown = set(languages.LANGUAGES.values()) - codes(tables, "patient_preferred_language")
    assert unknown == {"tws", "ium", "ary", "oan"}  # SimpleReport offers them all the same
