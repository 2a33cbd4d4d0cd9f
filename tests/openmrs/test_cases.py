"""The same code on case files: whole scenarios served by the sandbox, published feeds, answers of a real server.

Their folder comes from HANDOFF_CASES. What is there must be understood; what is absent is said.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assets.openmrs.canonical import canonical
from assets.openmrs.events import CARRIED, Side
from assets.openmrs.feed import BadPage, NoSuchPage, Page, answered
from assets.openmrs.mapping import FarKind, Target, calls
from assets.openmrs.merge import changes
from assets.openmrs.reconcile import Create
from assets.openmrs.records import set_aside
from assets.openmrs.rest import TELEPHONE
from sandbox.openmrs import servers
from sandbox.running import sandbox_thread
from tests.openmrs.clinic import Clinic
from tests.openmrs.conftest import case_folders

pytestmark = pytest.mark.cases

FILTER_PARTS = ["country", "stateProvince", "countyDistrict", "cityVillage", "postalCode"]

SCENARIOS = case_folders("scenario_*")
PUBLISHED = case_folders("feed_published/*.xml")
EDGE = case_folders("feed_edge/*")
RESUMED = [(folder, part) for folder in SCENARIOS for part in sorted(folder.glob("feed_after_*"))]
NONE = "no case files for openmrs; set HANDOFF_CASES to a folder that has them"


def each(paths: list[Any]) -> list[Any]:
    """One test a path, or one that says there is none."""
    if not paths:
        return [pytest.param(None, marks=pytest.mark.skip(NONE))]
    return [pytest.param(path, id=str(path[1] if isinstance(path, tuple) else path)[-40:]) for path in paths]


@contextmanager
def served(folder: Path, feed: str = "feed") -> Iterator[Clinic]:
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    systems = servers({"OPENMRS_SCENARIO": str(folder)})
    for system in systems:
        system.set({"publish_delay_seconds": 0})
    if feed != "feed":
        systems[0].forget(everything=True)
        systems[0].load(folder, feed)
    chosen = {"kind": "address", "parts": FILTER_PARTS, "values": [expected["filter"]]}
    with sandbox_thread(systems) as url, asyncio.Runner() as runner:
        clinic = Clinic(url, runner, filter=chosen, feeds=expected["feeds"])
        try:
            yield clinic
        finally:
            clinic.close()


def expectation(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "expected.json").read_text(encoding="utf-8")))


def newest(folder: Path) -> dict[str, Any]:
    """The newest version file of every record."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "resources").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        key = f"{record['resourceType']}/{record['id']}"
        if key not in found or found[key]["meta"]["lastUpdated"] <= record["meta"]["lastUpdated"]:
            found[key] = record
    return found


@pytest.mark.parametrize("folder", each(SCENARIOS))
def test_after_a_full_pull_the_child_is_as_expected(folder: Path) -> None:
    expected = expectation(folder)["child_after_full_pull"]
    with served(folder) as clinic:
        clinic.pull()
        clinic.close_gaps()
        there = clinic.records(Side.CHILD)
        assert set(there) == set(expected["present"])
        assert not set(there) & {*expected["tombstoned_or_absent"], *expected["never_present"]}
        versions = newest(folder)
        assert {key: sorted(changes(canonical(versions[key]), there[key])) for key in there} == {
            key: [] for key in there
        }


@pytest.mark.parametrize("folder", each(SCENARIOS))
def test_the_sandbox_serves_a_scenario_byte_for_byte(folder: Path) -> None:
    with served(folder) as clinic:
        for path in sorted((folder / "feed").glob("*/*")):
            page = path.name.partition(".")[0]
            answer = clinic.http.get(f"/openmrs-parent/openmrs/ws/atomfeed/{path.parent.name}/{page}")
            assert answer.content == path.read_bytes()


@pytest.mark.parametrize("folder", each(SCENARIOS))
def test_each_record_is_read_once_and_written_once_and_idle_cycles_do_nothing(folder: Path) -> None:
    with served(folder) as clinic:
        clinic.pull()
        read = [each["path"] for each in clinic.received(Side.PARENT) if "/R4/" in each["path"]]
        assert len(read) == len(set(read))
        assert len(clinic.writes(Side.CHILD)) == len(clinic.records(Side.CHILD))
        clinic.push()
        clinic.forget()
        for _ in range(10):
            clinic.cycle()
        assert clinic.writes(Side.CHILD) + clinic.writes(Side.PARENT) == []


@pytest.mark.parametrize("resumed", each(RESUMED))
def test_a_pull_that_stopped_early_goes_on_to_the_same_end_without_a_second_write(
    resumed: tuple[Path, Path],
) -> None:
    folder, part = resumed
    with served(folder, part.name) as clinic:
        clinic.pull()
        begun = clinic.writes(Side.CHILD)
        clinic.lever(Side.PARENT, "scenario", folder=str(folder), feed="feed")
        clinic.pull()
        expected = expectation(folder)["child_after_full_pull"]["present"]
        assert set(clinic.records(Side.CHILD)) == set(expected)
        created = [
            each for each in clinic.writes(Side.CHILD) if each.startswith("POST") and each.count("/") == 5
        ]
        assert begun
        assert len(created) == len(expected)


@pytest.mark.parametrize("path", each(PUBLISHED))
def test_a_published_page_is_read_and_every_entry_has_a_record_or_a_reason(path: Path) -> None:
    page = answered(200, path.read_bytes(), "patient")
    assert isinstance(page, Page)
    assert page.entries
    assert all((entry.key is None) == bool(set_aside(entry)) for entry in page.entries)
    assert all(entry.id and entry.updated and entry.content for entry in page.entries)


@pytest.mark.parametrize("path", each(EDGE))
def test_an_answer_at_the_edge_is_survived(path: Path) -> None:
    status = 500 if ".http500" in path.name else 200
    found = answered(status, path.read_bytes(), "patient")
    if status == 200:
        assert found == Page(number=0, has_next=False, entries=())
    elif "poison" in path.name:
        assert isinstance(found, BadPage)
    else:
        assert isinstance(found, NoSuchPage)


@pytest.mark.parametrize("path", each(case_folders("fhir2/*.json")))
def test_a_document_of_fhir2_itself_becomes_calls_or_is_no_type_of_ours(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    if record["resourceType"] not in CARRIED:
        return
    for kind in FarKind:
        target = Target(kind=kind, id="x", record=record, origin="https://x.test", telephone=TELEPHONE)
        (call,) = calls(Create(Side.CHILD, record), target).calls
        assert call.body
        assert "fhir2" not in call.template or isinstance(call.body.get("identifier", []), list)
