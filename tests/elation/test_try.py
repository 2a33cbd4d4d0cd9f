"""``handoff try elation``: one line an event, problems by their place."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from handoff.tries import register
from tests.elation import case_files
from tests.elation.charts import event_bytes

HERE = ["--primary-physician", "131074", "--caregiver-practice", "65540"]


def tried(folder: Path, raw: bytes, *options: str) -> int:
    (folder / "events.json").write_bytes(raw)
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    arguments = parser.parse_args(["try", "elation", str(folder / "events.json"), *options])
    return int(arguments.run(arguments))


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.cases
def test_the_cases_come_out_to_the_letter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = [case for _, case in case_files.lines() if "expect_patient" in case]
    if not good:
        pytest.skip("no case files: set HANDOFF_CASES to a folder that has partners/elation")
    events = [json.dumps(case_files.event(case["arc"])).encode() for case in good]
    assert tried(tmp_path, b"\n".join(events), *HERE, "--check") == 0
    out, err = capsys.readouterr()
    expected = [{"patient": case["expect_patient"], "policies": case["expect_insurance"]} for case in good]
    assert lines(out) == expected
    assert err == f"check: json: read back alike, {len(good)} events\n"


def test_the_good_ones_come_out_although_others_have_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [event_bytes(dob=None, first_name=""), event_bytes(), event_bytes("chart_exploded"), b"{"]
    assert tried(tmp_path, b"\n".join(events), *HERE) == 1
    out, err = capsys.readouterr()
    assert [line["patient"]["first_name"] for line in lines(out)] == ["Ana"]
    assert [problem.split(" ")[:3] for problem in err.splitlines()] == [
        ["line", "1:", "data.chart.first_name:"],
        ["line", "1:", "data.chart.dob:"],
        ["line", "3:", "event_type:"],
        ["line", "4:", "the"],
    ]


def test_a_physician_of_unknown_id_is_printed_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(tmp_path, event_bytes(), "--primary-physician", "Katie") == 0
    assert lines(capsys.readouterr().out)[0]["patient"]["primary_physician"] == "Katie"


def test_an_event_over_several_lines_is_one_event(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretty = json.dumps(json.loads(event_bytes()), indent=1).encode()
    assert tried(tmp_path, pretty) == 0
    assert len(lines(capsys.readouterr().out)) == 1


def test_a_chart_that_the_lane_would_set_aside_for_its_queue_is_mapped_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = json.loads(event_bytes()) | {"resource_id": "chart-2"}
    assert tried(tmp_path, json.dumps(event).encode()) == 0
    out, err = capsys.readouterr()
    assert len(lines(out)) == 1
    assert err.startswith("data.chart.id: warning: is not the resource_id")
