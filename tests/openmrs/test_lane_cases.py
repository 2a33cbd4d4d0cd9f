"""Whole scenarios through the lane: feeds into the store, runs, what the child has at the end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assets.openmrs.events import Side
from sandbox.openmrs import servers
from tests.conftest import Database
from tests.openmrs.linked import Linked, linked
from tests.openmrs.test_cases import FILTER_PARTS, RESUMED, SCENARIOS, each

pytestmark = pytest.mark.cases


@contextmanager
def served(
    database: Database, place: Path, folder: Path, feed: str = "feed", **link: Any
) -> Iterator[Linked]:
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    systems: Any = servers({"OPENMRS_SCENARIO": str(folder)})
    if feed != "feed":
        systems[0].forget(everything=True)
        systems[0].load(folder, feed)
    chosen = {"kind": "address", "parts": FILTER_PARTS, "values": [expected["filter"]]}
    with linked(database, place, systems, filter=chosen, feeds=expected["feeds"], **link) as clinic:
        yield clinic


def present(folder: Path) -> set[str]:
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return set(expected["child_after_full_pull"]["present"])


@pytest.mark.parametrize("folder", each(SCENARIOS))
def test_after_one_run_the_child_is_as_expected_and_idle_runs_write_nothing(
    database: Database, tmp_path: Path, folder: Path
) -> None:
    with served(database, tmp_path, folder) as clinic:
        clinic.drain()
        assert set(clinic.records(Side.CHILD)) == present(folder)
        read = [one["path"] for one in clinic.received(Side.PARENT) if "/R4/" in one["path"]]
        assert len(read) == len(set(read))
        clinic.drain()
        before = len(clinic.writes(Side.CHILD)), len(clinic.writes(Side.PARENT))
        for _ in range(3):
            clinic.drain()
        assert (len(clinic.writes(Side.CHILD)), len(clinic.writes(Side.PARENT))) == before
        assert set(clinic.states()) == {"delivered"}


@pytest.mark.parametrize("resumed", each(RESUMED))
def test_a_run_that_saw_half_the_feed_is_followed_by_one_that_writes_only_the_rest(
    database: Database, tmp_path: Path, resumed: tuple[Path, Path]
) -> None:
    folder, part = resumed
    with served(database, tmp_path, folder, part.name) as clinic:
        clinic.drain()
        begun = clinic.writes(Side.CHILD)
        clinic.lever(Side.PARENT, "scenario", folder=str(folder), feed="feed")
        clinic.drain()
        assert set(clinic.records(Side.CHILD)) == present(folder)
        created = [one for one in clinic.writes(Side.CHILD) if one.startswith("POST") and one.count("/") == 5]
        assert begun
        assert len(created) == len(present(folder))
