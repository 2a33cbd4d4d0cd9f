"""``handoff try openmrs`` on a file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.openmrs.people import own_id, patient, visit

ROOT = Path(__file__).parents[2]


def tried(
    folder: Path, *records: object, arguments: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    file = folder / "records.json"
    file.write_text("\n".join(json.dumps(record) for record in records))
    command = [sys.executable, "-m", "handoff.tries", "openmrs", str(file), "--link", "clinic-a", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_a_record_becomes_the_call_that_creates_it(tmp_path: Path) -> None:
    found = tried(tmp_path, patient(), visit())
    calls = [json.loads(line) for line in found.stdout.splitlines()]
    assert [(call["method"], call["path"]) for call in calls] == [
        ("POST", "/ws/rest/v1/patient"),
        ("POST", "/ws/rest/v1/visit"),
    ]
    assert calls[0]["body"]["uuid"] == own_id("grace")
    assert (found.returncode, found.stderr) == (0, "")


def test_a_patient_outside_the_catchment_is_not_sent_down_but_goes_up(tmp_path: Path) -> None:
    down = tried(tmp_path, patient(city="Elsewhere"))
    assert (down.returncode, down.stdout) == (0, "")
    assert "outside the link's catchment" in down.stderr
    assert tried(tmp_path, patient(city="Elsewhere"), arguments=("--to", "parent")).stdout


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"resourceType": "Form", "id": "x"}, "resourceType: is not one of"),
        ([1], "the document is not a JSON object"),
    ],
)
def test_a_problem_names_its_place_and_the_good_ones_are_still_shown(
    tmp_path: Path, record: object, said: str
) -> None:
    found = tried(tmp_path, record, patient())
    assert found.returncode == 1
    assert said in found.stderr
    assert len(found.stdout.splitlines()) == 1


def test_check_judges_the_record_itself_and_repeats_no_value(tmp_path: Path) -> None:
    found = tried(tmp_path, patient(birthDate="1990-02-30"), arguments=("--check",))
    assert "birthDate" in found.stderr
    assert "1990-02-30" not in found.stderr


def test_an_unknown_link_is_said_with_those_there_are(tmp_path: Path) -> None:
    found = tried(tmp_path, patient(), arguments=("--link", "clinic-z"))
    assert found.returncode == 1
    assert "clinic-a, clinic-b" in found.stderr
