"""Published bundles: what SimpleReport sent for a row is what we send, and everything of ours is valid R4."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from assets.formats import fhir, fhir_checks, fhir_oracle
from assets.reportstream import bulk
from assets.reportstream.bulk_report import report_of_row
from assets.reportstream.bulk_row import BulkRow
from assets.reportstream.devices import Devices, Entry, Loinc, known_devices
from assets.reportstream.fhir import Sending, bundle
from assets.reportstream.profile import Profile
from tests.reportstream.lab_reports import document, of_event, resources, sample_events, sample_rows

pytestmark = pytest.mark.cases

#: Made before comments were sent: its order has no note although its row has a comment.
OLD = "test-results-upload-valid-as-fhir.json"

#: Any moment will do: the sample's own is masked.
MADE = datetime(2026, 1, 1, tzinfo=UTC)


def published(text: str) -> list[dict[str, Any]]:
    """The bundles of a file; some are printed over many lines, one after another."""
    found, at = [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = json.JSONDecoder().raw_decode(text, at)
        found.append(value)
    return found


def pairs(cases: Path) -> list[tuple[Path, Path]]:
    """Expected bundles and the upload they were made of, by name."""
    found = []
    for expected in sorted((cases / "sr-fhir-expected").glob("fhir-for-csv-with-*.ndjson")):
        name = expected.stem.removeprefix("fhir-for-csv-with-")
        uploads = [
            cases / "sr-bulk-csv" / f"test-results-upload-valid-{kind}{name}.csv" for kind in ("with-", "")
        ]
        given = next((upload for upload in uploads if upload.exists()), None)
        assert given, f"{expected.name}: there is no upload of its name"
        found.append((expected, given))
    old = cases / "sr-fhir-expected" / OLD
    if old.exists():
        found.append((old, cases / "sr-bulk-csv" / "test-results-upload-valid.csv"))
    if not found:
        pytest.skip("no expected bundles (sr-fhir-expected/fhir-for-csv-with-X.ndjson) among the case files")
    return found


def mocked(row: BulkRow, expected: dict[str, Any]) -> Devices:
    """The device table of the sample, which was a mock: read from the sample's own Device and codes."""
    device = resources(expected, "Device")[0]
    result = next(one for one in resources(expected, "Observation") if "device" in one)
    kit = result["method"].get("extension", [{}])[0].get("valueCoding", {}).get("code", "")
    numbers = device.get("identifier", [])
    kinds = [one["type"]["coding"][0]["code"] for one in numbers if "type" in one]
    performed = result["code"]["coding"][0]
    entry = Entry(
        row.equipment_model_name,
        row.test_performed_code,
        ordered=resources(expected, "ServiceRequest")[0]["code"]["coding"][0]["code"],
        manufacturer=device.get("manufacturer", ""),
        kit=kit,
        equipment=next((one["value"] for one in numbers if "value" in one), ""),
        equipment_type=kinds[0] if kinds else "",
        performed_name=performed.get("display", ""),
        ordered_name=resources(expected, "DiagnosticReport")[0]["code"]["coding"][0].get("display", ""),
    )
    disease = known_devices().disease(row.test_performed_code) or result["code"].get("text", "")
    return Devices({}, {}).with_entries([entry], [Loinc(row.test_performed_code, disease, True, "")])


def masked(parsed: dict[str, Any]) -> dict[str, Any]:
    """The bundle without clocks and software versions, its ids replaced by the places of their entries."""
    names = {
        entry["fullUrl"]: f"{entry['resource']['resourceType']}#{at}"
        for at, entry in enumerate(parsed["entry"])
    }
    whole = json.loads(json.dumps(parsed))
    whole["timestamp"] = ""
    for entry in whole["entry"]:
        resource = entry["resource"]
        entry["fullUrl"] = resource["id"] = names[entry["fullUrl"]]
        resource.pop("recorded", None)
        if resource["resourceType"] == "Specimen":
            resource.pop("identifier")
        if "source" in resource:
            resource["source"] = {**resource["source"], "version": "", "extension": []}
    return renamed(whole, names)


def renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: names[value] if key == "reference" and value in names else renamed(value, names)
            for key, value in node.items()
        }
    return [renamed(item, names) for item in node] if isinstance(node, list) else node


def test_what_was_sent_for_a_row_is_what_we_send(cases: Path) -> None:
    for expected, given in pairs(cases):
        wanted = published(expected.read_text())
        with given.open("rb") as opened:
            rows = [row for _, row in bulk.rows(opened)]
        assert len(rows) == len(wanted), expected.name
        for row, one in zip(rows, wanted, strict=True):
            made = report_of_row(
                row,
                devices=mocked(row, one),
                profile=Profile.AS_PUBLISHED,
                zone=ZoneInfo("US/Central"),  # the sample's look-up of addresses was a mock
            )
            parsed = json.loads(
                fhir.encode(bundle(made, Sending(made_at=MADE), profile=Profile.AS_PUBLISHED))
            )
            if expected.name == OLD:
                resources(parsed, "ServiceRequest")[0].pop("note")
            assert masked(parsed) == masked(one), expected.name
            for kind in ("DiagnosticReport", "Patient", "Practitioner"):
                assert resources(parsed, kind)[0]["id"] == resources(one, kind)[0]["id"], expected.name


def test_published_bundles_are_read_and_written_as_they_are(cases: Path) -> None:
    files = [
        *(cases / "rs-fhir-hl7").glob("sample_*.fhir"),
        *(cases / "sr-fhir-resources").glob("bundle*.json"),
    ]
    if not files:
        pytest.skip("no published bundles (rs-fhir-hl7, sr-fhir-resources) among the case files")
    for file in files:
        parsed = json.loads(file.read_bytes())
        ours = [entry["resource"]["resourceType"] for entry in parsed["entry"]].count("Observation") < 20
        if (
            ours and "IL_" not in file.name
        ):  # IL's is altered by its sender, AOE's is no bundle of SimpleReport
            assert json.loads(fhir.encode(fhir.decode_bundle(file.read_bytes()))) == parsed, file.name


def test_the_official_schema_takes_everything_of_ours(cases: Path) -> None:
    file = cases.parent / "fhir" / "fhir.schema.json.gz"
    if not file.exists():
        pytest.skip("no fhir/fhir.schema.json.gz among the case files")
    schema = json.loads(gzip.decompress(file.read_bytes()))
    reports = [*map(of_event, sample_events().values()), *sample_rows()]
    for upload in sorted((cases / "sr-bulk-csv").glob("*.csv")):
        if "invalid" not in upload.name and "4000" not in upload.name:
            with upload.open("rb") as opened:
                reports += [report_of_row(row, devices=known_devices()) for _, row in bulk.rows(opened)]
    for report in reports:
        parsed = document(report)
        assert fhir_oracle.schema_says(parsed, schema) == []
        assert fhir_oracle.fhir_resources_says(parsed) == []
        assert fhir_checks.problems(parsed) == []
