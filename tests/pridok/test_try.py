"""``handoff try pridok`` as a shell sees it: output, remarks and exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.pridok.cases import OWN, ROOT, read


def tried(*arguments: object) -> tuple[int, list[dict[str, Any]], list[str]]:
    done = subprocess.run(
        [sys.executable, "-m", "handoff.tries", "pridok", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.splitlines()


def test_the_example_is_accepted_in_normal_form() -> None:
    code, [one], remarks = tried(OWN / "composed_referral_valid.json")
    assert (code, remarks, one["verdict"], one["flags"]) == (0, [], "accepted", ["phone_possible_not_valid"])
    assert (one["PID"], one["MessageTimestamp"]) == ("13116900216", "2022-11-08T22:51:10.112715Z")


def test_lines_are_judged_in_order_as_if_nothing_was_before(tmp_path: Path) -> None:
    for name in ("composed_referral_cases.jsonl", "own_referral_cases.jsonl"):
        cases = read(OWN / name)
        file = tmp_path / name
        file.write_text("".join(json.dumps(case["body"]) + "\n" for case in cases))
        code, made, remarks = tried(file)
        refused = [case for case in cases if case["expect"] == "rejected_400"]
        assert [one["verdict"] for one in made] == [
            case["expect"] for case in cases if case["expect"] != "rejected_400"
        ]
        assert (code, len(remarks)) == (1, len(refused))
        assert all("JournalGuid: " in remark and remark.startswith("line ") for remark in remarks)


def test_a_quarantined_one_is_output_and_no_error(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps(read(OWN / "own_referral_cases.jsonl")[0]["body"]))
    code, [one], remarks = tried(file, "--environment", "production")
    assert (code, remarks, one["verdict"]) == (0, [], "quarantined_invalid_pid")
    assert one["problems"] == [
        "PID: a synthetic or local help number; such numbers are accepted in the test environment only"
    ]


def test_what_is_no_referral_is_a_remark_and_exit_code_one(tmp_path: Path) -> None:
    file = tmp_path / "none.json"
    file.write_text('{"JournalGuid": // none\n}')
    code, made, remarks = tried(file)
    assert (code, made) == (1, [])
    assert remarks == ["body: must be one JSON object in UTF-8 (rejected_400)"]


def test_the_clock_can_be_given(tmp_path: Path) -> None:
    file = OWN / "composed_referral_valid.json"
    _, [one], _ = tried(file, "--received-at", "2022-11-08T22:00:00Z")
    assert "clock_skew" in one["flags"]
    assert tried(file, "--received-at", "2022-11-08T22:00:00")[0] == 2
