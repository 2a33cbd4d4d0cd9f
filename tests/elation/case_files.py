"""Where the case files of this lane are: ``HANDOFF_CASES`` or its default, and the clone's own samples."""

import csv
import json
import os
from pathlib import Path
from typing import Any

CLONE = Path(__file__).parents[2]


def folders() -> list[Path]:
    """The folders ``partners/elation`` that exist."""
    given = Path(os.environ.get("HANDOFF_CASES") or CLONE.parent / "shared" / "data")
    return [
        f for root in (given, CLONE / "tests" / "samples") if (f := root / "partners" / "elation").is_dir()
    ]


def lines() -> list[tuple[str, dict[str, Any]]]:
    """Every case of every ``*.jsonl`` file, with the name of its place."""
    return [
        (f"{file.name}:{number}", json.loads(line))
        for folder in folders()
        for file in sorted(folder.glob("*.jsonl"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if line.strip()
    ]


def rows(pattern: str) -> list[dict[str, str]]:
    """Every row of every CSV file that fits the pattern."""
    found = [file for folder in folders() for file in sorted(folder.glob(pattern))]
    return [row for file in found for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines())]


def answers(pattern: str) -> list[tuple[str, bytes]]:
    """Name and bytes of every sample answer that fits the pattern."""
    return [(file.name, file.read_bytes()) for folder in folders() for file in sorted(folder.glob(pattern))]


def event(chart: dict[str, Any], event_type: str = "profile_changed") -> dict[str, Any]:
    """The event that carries a chart."""
    return {
        "event_id": f"event of {chart['id']}",
        "source": "arc",
        "event_type": event_type,
        "resource_id": chart["id"],
        "occurred_at": "2026-03-02T15:04:05+00:00",
        "data": {"chart": chart},
    }
