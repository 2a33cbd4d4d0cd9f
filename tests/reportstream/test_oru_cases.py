"""Published pairs of bundle and HL7 message: what ReportStream made is what we make."""

from pathlib import Path

import pytest

from assets.formats import fhir, hl7_checks, hl7_oracle
from assets.formats.hl7_read import parse
from assets.reportstream import oru, oru_from_bundle
from assets.reportstream.bulk import rows
from assets.reportstream.bulk_report import report_of_row
from assets.reportstream.devices import known_devices
from assets.reportstream.profile import Profile
from tests.reportstream.lab_reports import SENDING

pytestmark = pytest.mark.cases

#: Made of a bundle that is no message of SimpleReport's.
FOREIGN = "sample_AOE_1_20230220-0001"


def bundles(cases: Path) -> list[Path]:
    found = sorted((cases / "rs-fhir-hl7").glob("sample_*.fhir"))
    if not found:
        pytest.skip("no pairs of bundle and message (rs-fhir-hl7/sample_*.fhir) among the case files")
    return [file for file in found if file.stem != FOREIGN]


def masked(message: str) -> list[list[str]]:
    """The fields of each segment, without the version of the software that wrote them."""
    segments = [line.split("|") for line in message.replace("\n", "\r").split("\r") if line]
    for fields in segments:
        if fields[0] == "SFT":
            fields[2] = fields[4] = ""
    return segments


def test_the_base_mapping_is_reportstreams_letter_by_letter(cases: Path) -> None:
    base = [file for file in bundles(cases) if file.stem.startswith("sample_UT_")]
    if not base:
        pytest.skip("no pair of the base mapping (rs-fhir-hl7/sample_UT_*.fhir) among the case files")
    for file in base:
        made = oru_from_bundle.message(
            fhir.decode_bundle(file.read_bytes()), devices=known_devices(), profile=Profile.AS_PUBLISHED
        )
        assert masked(made) == masked(file.with_suffix(".hl7").read_bytes().decode()), file.name


def test_every_published_bundle_makes_a_valid_message(cases: Path) -> None:
    bundles(cases)
    for file in sorted((cases / "rs-fhir-hl7").glob("*.fhir")):
        if file.stem == FOREIGN:
            continue
        made = oru_from_bundle.message(fhir.decode_bundle(file.read_bytes()), devices=known_devices())
        assert hl7_checks.problems(parse(made)) == [], file.name
        assert hl7_oracle.objections(made) == [], file.name


def test_a_state_changes_what_it_says_it_changes_and_nothing_else(cases: Path) -> None:
    file = cases / "rs-fhir-hl7" / "sample_HI_20240304-0001.fhir"
    if not file.exists():
        pytest.skip("no pair for HI among the case files")
    made = oru_from_bundle.message(
        fhir.decode_bundle(file.read_bytes()), devices=known_devices(), profile=Profile.AS_PUBLISHED
    )
    wanted = masked(file.with_suffix(".hl7").read_bytes().decode())
    different = {
        (ours[0], place)
        for ours, theirs in zip(masked(made), wanted, strict=True)
        for place in range(max(len(ours), len(theirs)))
        if ours[place : place + 1] != theirs[place : place + 1]
    }
    # MSH-5, MSH-6 (counted without the field delimiter) and the code system of the ethnicity are HI's own.
    assert different == {("MSH", 4), ("MSH", 5), ("PID", 22)}


def test_every_published_row_makes_a_valid_message(cases: Path) -> None:
    for upload in sorted((cases / "sr-bulk-csv").glob("*.csv")):
        if "invalid" in upload.name or "4000" in upload.name:
            continue
        with upload.open("rb") as opened:
            for _, row in rows(opened):
                made = oru.message(report_of_row(row, devices=known_devices()), SENDING)
                assert hl7_checks.problems(parse(made)) == [], upload.name
                assert hl7_oracle.objections(made) == [], upload.name
