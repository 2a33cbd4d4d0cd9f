"""Published bulk uploads, judged as SimpleReport judged them and sent as it sent them."""

import csv
import io
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from assets.reportstream import bulk, bulk_csv
from assets.reportstream.bulk_findings import WRONG_COLUMNS, WRONG_PAIR
from assets.reportstream.devices import Devices, Entry, Loinc, known_devices
from assets.reportstream.profile import Profile
from assets.reportstream.tables.snomed import is_sctid
from tests.reportstream.bulk_files import NOW

pytestmark = pytest.mark.cases

#: What a file's name says of the disease its invented device is for.
DISEASES = {"hiv": "HIV", "hepatitisC": "Hepatitis C", "syphilis": "Syphilis", "syph": "Syphilis"}
DISEASES |= {"chlamydia": "Chlamydia", "gonorrhea": "Gonorrhea"}


def uploads(cases: Path) -> list[Path]:
    found = sorted((cases / "sr-bulk-csv").glob("test-results-upload-*.csv"))
    if not found:
        pytest.skip("no bulk uploads (sr-bulk-csv/test-results-upload-*.csv) among the case files")
    return found


def sample_devices(file: Path) -> Devices:
    """The table these files were made with: CDC's, and for a valid file the devices invented for it."""
    if "invalid" in file.name:
        return known_devices()
    disease = DISEASES.get(file.stem.removeprefix("test-results-upload-valid-").removesuffix("-only"), "")
    with file.open(newline="") as lines:
        pairs = {(row["equipment_model_name"], row["test_performed_code"]) for row in csv.DictReader(lines)}
    invented = [pair for pair in pairs if not known_devices().pairs(*pair)]
    return known_devices().with_entries(
        [Entry(model, code) for model, code in invented],
        [Loinc(code, disease, False, "") for _, code in invented],
    )


@pytest.mark.parametrize("profile", Profile)
def test_every_published_upload_is_judged_as_its_name_says(cases: Path, profile: Profile) -> None:
    for file in uploads(cases):
        with file.open("rb") as opened:
            found = bulk.check(opened, devices=sample_devices(file), now=NOW, profile=profile)
        told = [(problem.message, list(problem.indices)) for problem in found.problems]
        match file.stem.removeprefix("test-results-upload-"):
            case "invalid-values":
                assert len(told) == 34, file.name
                assert all(lines == [2] for _, lines in told), file.name
                assert sum("not an acceptable value" in message for message, _ in told) == 33, file.name
            case "invalid-deviceModel_testPerformedCode":
                assert told == [(WRONG_PAIR, [2])], file.name
            case "valid-4000-rows":
                assert (found.rows, told) == (3999, []), file.name
            case name if name.startswith("invalid-format") and profile is Profile.DEFAULT:
                assert all(message == WRONG_COLUMNS for message, _ in told), file.name
            case name if name.startswith("invalid"):
                assert told, file.name
            case _:
                assert told == [], file.name


def test_what_was_sent_for_an_upload_is_what_we_send(cases: Path) -> None:
    expectations = sorted((cases / "sr-csv-expected").glob("*-expected-transform.csv"))
    if not expectations:
        pytest.skip(
            "no expected transforms (sr-csv-expected/NAME-expected-transform.csv) among the case files"
        )
    for expected in expectations:
        given = cases / "sr-bulk-csv" / expected.name.replace("-expected-transform", "")
        with given.open("rb") as opened:
            # The sample's own look-up of addresses was switched off: everything was US Eastern.
            rows = [bulk_csv.cells(row, zone=ZoneInfo("US/Eastern")) for _, row in bulk.rows(opened)]
        with given.open(newline="") as lines:
            header = next(csv.reader(lines))
        sent = bulk_csv.text(bulk_csv.columns(header), rows)
        wanted = expected.read_text()
        assert told(sent, wanted) == told(wanted, wanted), expected.name
        if wanted.startswith('"'):  # an older sample was written without the quotation marks
            assert sent.rstrip() == wanted.rstrip(), expected.name


def told(text: str, sample: str) -> list[dict[str, str]]:
    """The rows of a file, without the specimens where the sample's own table was a mock of codes that are none."""
    real = all(is_sctid(row["specimen_type"]) for row in csv.DictReader(io.StringIO(sample)))
    rows = list(csv.DictReader(io.StringIO(text)))
    return rows if real else [{**row, "specimen_type": ""} for row in rows]
