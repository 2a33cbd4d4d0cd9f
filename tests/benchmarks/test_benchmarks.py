"""Each benchmark runs at a tiny size and prints its line; what it measures is not judged here."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import (
    bulk_files,
    claim,
    consultations,
    fhir_bundles,
    find,
    hl7_messages,
    intake,
    mapping,
    million,
    store_bytes,
)
from benchmarks.__main__ import MODULES, modules
from benchmarks.drills_bulk import largest
from benchmarks.events import Events
from benchmarks.house import Heaviest
from benchmarks.lane_runs import house
from benchmarks.lines import Line, rounded
from benchmarks.place import Place, made

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with made(tmp_path_factory.mktemp("places")) as place:
        yield place


@pytest.fixture
def place(kept: Place) -> Place:
    kept.empty()
    return kept


def printed(lines: Iterator[Line]) -> list[dict[str, object]]:
    """The lines as a reader of the output gets them."""
    shown = [json.loads(json.dumps(line.members())) for line in lines]
    for line in shown:
        assert isinstance(line["value"], float | int)
        assert line["value"] > 0
        assert line["unit"]
        assert ("of" in line) == ("ratio" in line)
    return shown


def names(lines: list[dict[str, object]]) -> list[object]:
    return [line["bench"] for line in lines]


def test_mapping_is_compared_with_ways_that_make_the_same_bytes() -> None:
    lines = printed(mapping.compared(Events(1).some(50)))
    assert names(lines) == ["mapping_csv", "mapping_csv"]
    assert [str(line["of"]).split()[0] for line in lines] == ["csv.DictWriter", "pandas"]


def test_ways_that_make_other_bytes_are_not_compared() -> None:
    document = Events(1).document()
    document["patient"]["street"] = "12 Elm\u2028St"  # ours makes a space of it
    with pytest.raises(AssertionError, match="differ"):
        list(mapping.compared([json.dumps(document).encode()]))


def test_hl7_is_compared_with_ways_that_write_and_read_the_same() -> None:
    lines = printed(hl7_messages.compared(hl7_messages.reports(5)))
    assert names(lines) == ["hl7_build", "hl7_build", "hl7_parse", "hl7_parse"]
    assert [str(line["of"]).split()[0] for line in lines] == ["hl7", "hl7apy"] * 2


def test_another_message_is_not_compared() -> None:
    (report,) = hl7_messages.reports(1)
    odd = replace(report, lab=replace(report.lab, name="Lab & Sons"))  # hl7apy escapes nothing of itself
    with pytest.raises(AssertionError, match="hl7apy"):
        list(hl7_messages.compared([odd]))


def test_fhir_is_compared_with_a_way_that_writes_the_same_document() -> None:
    lines = printed(fhir_bundles.compared(hl7_messages.reports(3)))
    assert names(lines) == ["fhir_build"]
    assert str(lines[0]["of"]).startswith("fhir.resources ")


def test_the_rows_of_an_uploaded_file_are_counted() -> None:
    (line,) = printed(bulk_files.judged(largest(100_000)))
    assert (line["bench"], line["rows"]) == ("bulk_validate", 158)


def test_events_go_from_the_store_to_the_sandbox_in_a_process_that_is_watched(place: Place) -> None:
    (line,) = printed(million.drained(place, "million_50k", 1_500))
    assert line["events"] == 1_500
    assert 20 < int(str(line["memory_mb"])) < 400
    assert int(str(line["database_mb"])) >= int(str(line["database_mb_before"])) > 0


def test_intake_is_compared_with_a_bare_copy(place: Place) -> None:
    lines = printed(intake.rates(place, rounds=1, seconds=0.02))
    assert names(lines) == list(MODULES["intake"])
    assert all(str(line["of"]).startswith("bare_copy ") for line in lines)
    with place.connect() as db:
        assert db.execute("SELECT count(*) > 200 FROM inbox").fetchone() == (True,)


def test_claims_of_every_shape_take_what_they_are_meant_to(place: Place) -> None:
    lines = printed(claim.sized(place, {"10k": 10_000}))
    assert {str(line["bench"]): line["claimed"] for line in lines} == {
        "claim_10k_q10_idle": 500,
        "claim_10k_q10_backoff": 50,
        "claim_10k_q10k_idle": 500,
        "claim_10k_q10k_backoff": 500,
        "claim_10k_q1_idle": 500,
        "claim_10k_q1_backoff": 500,
    }


def test_the_bytes_of_an_event_are_those_of_all_its_tables(place: Place) -> None:
    (line,) = printed(store_bytes.grown(place, 500))
    tables = sum(
        int(str(size)) for name, size in line.items() if name.endswith("_bytes") and name != "store_bytes"
    )
    assert int(str(line["value"])) == pytest.approx(tables, rel=0.05)


def test_a_patients_messages_are_found(place: Place) -> None:
    (line,) = printed(find.among(place, "100k", 1_000))
    assert line["bench"] == "find_100k"


def test_pages_and_the_report_of_consultations_are_measured(place: Place) -> None:
    lines = printed(consultations.among(place, 400))
    assert names(lines) == list(MODULES["consultations"])
    assert {"secretary_completed", "provider_mine", "found"} <= lines[0].keys()


def test_the_lane_is_measured_in_real_runs(place: Place) -> None:
    lines = printed(house(place, waiting=600, warm=20, cold=0, runs=1))
    assert names(lines) == ["drain_batch", "latency_warm_p50", "latency_warm_p99", "run_per_message"]
    assert lines[0]["waiting"] == 600


def test_the_most_memory_is_that_of_a_process_below() -> None:
    script = "import time; kept = bytearray(80_000_000); kept[::4096] = kept[::4096]; time.sleep(0.6)"
    with Heaviest(os.getpid()) as heaviest:
        subprocess.run([sys.executable, "-c", script], check=True)
    assert heaviest.megabytes > 80


def test_every_module_that_is_listed_can_be_measured() -> None:
    assert {name for name in MODULES if (ROOT / "benchmarks" / f"{name}.py").is_file()} == set(MODULES)


def test_one_measurement_is_found_by_its_name() -> None:
    assert modules("claim_1m_q1_idle") == ["claim"]
    assert modules("") == list(MODULES)
    with pytest.raises(SystemExit, match="drain_batch"):
        modules("drain_bach")


def test_the_command_prints_one_json_object_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks"],
        cwd=ROOT,
        env={**os.environ, "ONLY": "mapping_csv", "FULL": ""},
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert [json.loads(line)["bench"] for line in done.stdout.splitlines()] == ["mapping_csv", "mapping_csv"]


def test_nothing_is_left_of_a_place(tmp_path: Path) -> None:
    with made(tmp_path) as place:
        assert place.root.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_figures_keep_three_digits() -> None:
    assert [rounded(number) for number in (0.012345, 9.8765, 12345.6)] == [0.0123, 9.88, 12346]
