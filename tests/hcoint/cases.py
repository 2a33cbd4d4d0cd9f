"""Where the case files of this lane are: the folder of ``HANDOFF_CASES`` and the clone's own samples."""

import os
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[1] / "samples"
CASES = Path(os.environ.get("HANDOFF_CASES", Path(__file__).parents[3] / "shared" / "data"))


def case_files(pattern: str) -> list[Path]:
    """Every file of that pattern in both folders."""
    return sorted([*SAMPLES.glob(pattern), *CASES.glob(pattern)])


def each_case(pattern: str) -> list[Any]:
    """One test a file of that pattern; where there is none, one that is skipped and says so."""
    why = pytest.mark.skip(reason=f"no case file {pattern}: set HANDOFF_CASES to a folder that has some")
    nothing = [pytest.param(Path(), marks=why, id="none")]
    return [pytest.param(path, id=path.stem) for path in case_files(pattern)] or nothing
