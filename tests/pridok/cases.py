"""Where the case files of this lane are, and what each of them is.

Files are told apart by what they hold, so that a folder of other cases with other names is judged too.
"""

import csv
import json
import os
from pathlib import Path
from typing import Any, Literal

import pytest

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("HANDOFF_CASES", ROOT.parent / "shared" / "data")) / "partners" / "pridok"
OWN = ROOT / "tests" / "samples" / "partners" / "pridok"

Sort = Literal["referral", "kpi", "number", "phone", "icpc"]


def files(*patterns: str) -> list[Path]:
    return sorted(path for folder in (SHARED, OWN) for pattern in patterns for path in folder.glob(pattern))


def sort_of(path: Path) -> Sort | None:
    """What the file's first case says it is; ``None`` if it is not understood."""
    try:
        cases = read(path)
    except ValueError:
        return None
    members = set(cases[0]) if cases else set()
    marks: dict[Sort, set[str]] = {
        "referral": {"body", "expect", "flags"},
        "kpi": {"created_at", "starts_at", "ends_at", "expect"},
        "number": {"number", "kind", "checksum_2032", "accept_in_production"},
        "phone": {"input", "parse", "possible", "valid", "e164"},
        "icpc": {"code", "accept"},
    }
    return next((sort for sort, mark in marks.items() if mark <= members), None)


def read(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("utf-8")
    if path.suffix == ".csv":
        return list(csv.DictReader(text.splitlines()))
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def of(sort: Sort) -> list[object]:
    """One parameter a file of that sort; a skip that says so where the folder of shared cases is absent."""
    found: list[object] = [
        pytest.param(path, id=f"{'own' if path.parent == OWN else 'shared'}-{path.stem}")
        for path in files("*.jsonl", "*_cases.csv")
        if sort_of(path) == sort
    ]
    if SHARED.is_dir():
        return found
    reason = f"no case files beside the clone: {SHARED} is absent (HANDOFF_CASES names the folder)"
    return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="shared"), *found]
