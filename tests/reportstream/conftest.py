"""Test events to begin with, and where the case files are."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assets.reportstream.events import TestEvent, decode

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "samples" / "reportstream"

Change = Callable[..., TestEvent]


@pytest.fixture
def samples() -> Path:
    """The samples of this clone: NAME.json and, where it has a row, NAME.csv."""
    return SAMPLES


@pytest.fixture
def cases() -> Path:
    """The folder of ReportStream's case files; without it the test says so and is skipped."""
    folder = Path(os.environ.get("HANDOFF_CASES", ROOT / ".." / "shared" / "data")) / "reportstream"
    if not folder.is_dir():
        pytest.skip("no folder of case files for reportstream; set HANDOFF_CASES")
    return folder


@pytest.fixture
def document() -> Callable[..., dict[str, Any]]:
    """The original's JSON with members changed by place: ``document({"patient.suffix": None})``."""
    return changed


@pytest.fixture
def event() -> Change:
    """The original with members changed by place: ``event({"patient.suffix": "Jr."})``."""
    return lambda changes=None: decode(msgspec.json.encode(changed(changes or {})))


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The original's JSON with ``changes``; ``...`` takes a member away."""
    whole = msgspec.json.decode((SAMPLES / "original.json").read_bytes())
    for place, value in changes.items():
        *way, last = place.split(".")
        part = whole
        for step in way:
            part = part[int(step)] if step.isdigit() else part[step]
        if value is ...:
            del part[last]
        else:
            part[int(last) if last.isdigit() else last] = value
    return whole
