"""The sample senders: what they make is what a partner could send, and never the same twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Reply, Request, System, as_json
from sandbox.elation.members import LANGUAGES
from sandbox.northlab import Northlab
from sandbox.samples import elation, northlab, pridok, redox, reportstream
from sandbox.samples.people import Run, new_run

from .conftest import Serve

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CLONE = Path(__file__).parents[2]


def test_the_same_seed_and_run_give_the_same_events_and_another_run_new_ids() -> None:
    def made(run: Run) -> list[dict[str, Any]]:
        return list(reportstream.sample_events(run, 50, NOW))

    assert made(Run(1, "a")) == made(Run(1, "a"))
    ids = [
        event["event_id"]
        for run in (Run(1, "a"), Run(1, "b"), Run(2, "a"), new_run(1))
        for event in made(run)
    ]
    assert len(set(ids)) == len(ids)


def test_a_correction_comes_after_what_it_corrects_and_never_after_a_removal() -> None:
    events = list(reportstream.sample_events(Run(1, "a"), 3_000, NOW))
    kinds = Counter(event["correction_status"] for event in events)
    assert min(kinds["ORIGINAL"], kinds["CORRECTED"], kinds["REMOVED"]) > 20
    seen: dict[str, str] = {}
    for event in events:
        prior = event["prior_event_id"]
        assert (prior is None) == (event["correction_status"] == "ORIGINAL")
        assert prior is None or seen.pop(prior) != "REMOVED"
        seen[event["event_id"]] = event["correction_status"]


def test_test_events_vary() -> None:
    events = list(reportstream.sample_events(Run(1, "a"), 2_000, NOW))
    patients = [event["patient"] for event in events]
    assert {len(event["results"]) for event in events} == {1, 4}
    assert any(patient["street"] == reportstream.UNKNOWN_STREET for patient in patients)
    assert any("\u2028" in patient["street"] for patient in patients)
    assert len({patient["state"] for patient in patients}) > 5
    assert all(event["results"][0]["disease"] == "COVID-19" for event in events)
    assert all(datetime.fromisoformat(event["date_tested"]) < NOW for event in events)


def test_a_providers_number_has_its_check_digit() -> None:
    assert reportstream.npi(124531959) == "1245319599"


def test_charts_are_created_before_they_change() -> None:
    created = set()
    kinds = Counter()
    for event in elation.chart_events(Run(1, "a"), 1_000, NOW):
        kinds[event["event_type"]] += 1
        assert event["data"]["chart"]["id"] == event["resource_id"]
        if event["event_type"] == "chart_created":
            created.add(event["resource_id"])
        assert event["resource_id"] in created
    assert set(kinds) == {"chart_created", "profile_changed", "contact_changed", "insurance_changed"}


def test_no_two_charts_are_taken_for_one_patient() -> None:
    events = elation.chart_events(Run(1, "a"), 5_000, NOW, changes=0)
    charts = [event["data"]["chart"] for event in events]
    names = {(chart["first_name"], chart["last_name"], chart["dob"]) for chart in charts}
    assert len(names) == 5_000
    assert "Spanish" in LANGUAGES


def test_orders_are_new_and_on_request_updated_and_cancelled() -> None:
    assert {one["Meta"]["EventType"] for one in redox.orders(Run(1, "a"), 50, NOW)} == {"New"}
    seen, cancelled = set(), set()
    logs = set()
    for one in redox.orders(Run(1, "a"), 300, NOW, changes=40):
        order, kind = one["Order"]["ID"], one["Meta"]["EventType"]
        assert (order in seen) == (kind != "New")
        assert order not in cancelled
        seen.add(order)
        cancelled |= {order} if kind == "Cancel" else set()
        logs.add(one["Meta"]["Logs"][0]["ID"])
    assert cancelled
    assert len(logs) == 300


def test_referrals_are_about_nobody() -> None:
    referrals = list(pridok.referrals(Run(1, "a"), 500, NOW))
    for one in referrals:
        digits = one["PID"]
        assert 81 <= int(digits[2:4]) <= 92  # the synthetic series
        assert pridok.check_digit(digits[:9], pridok.FIRST_WEIGHTS) == int(digits[9])
        assert pridok.check_digit(digits[:10], pridok.SECOND_WEIGHTS) == int(digits[10])
        assert one["PhoneNumber"].startswith("+471")
    assert {"Email" in one for one in referrals} == {True, False}


def test_hl7_orders_come_through_a_line(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDOFF_SANDBOX_MLLP_PORT", "0")
    laboratory = serve(Northlab())
    address = laboratory.get("/_sandbox/northlab/address").json()
    answer = run("northlab", "--count", "3", "--to", f"mllp://{address['host']}:{address['port']}")
    assert answer.returncode == 1  # a laboratory takes results, not orders
    assert json.loads(answer.stdout)["answers"] == {"AE": 3}
    bodies = [one["body"] for one in laboratory.get("/_sandbox/northlab/received").json()]
    assert all(body.startswith("MSH|^~\\&|NORTHLAB|NORTH|") for body in bodies)


def test_an_hl7_order_keeps_delimiters_out_of_names() -> None:
    assert northlab.escaped("a|b^c\\d") == "a\\F\\b\\S\\c\\E\\d"
    kinds = {text.split("\rORC|")[1][:2] for text in northlab.messages(Run(1, "a"), 200, NOW, changes=40)}
    assert kinds == {"NW", "XO", "CA"}


class Doors(System):
    """The engine's doors, as far as a sender sees them."""

    name = "doors"

    def __init__(self) -> None:
        self.bodies: list[tuple[str, str, Any]] = []

    def answer(self, request: Request) -> Reply:
        proof = request.header("authorization") or request.header("verification-token")
        if not proof:
            return as_json(401, {})
        self.bodies.append((request.path, proof, request.json()))
        return as_json(202, {}, effect=True)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox.samples", *arguments]
    return subprocess.run(command, cwd=CLONE, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("lane", "path", "proof", "sizes"),
    [
        ("reportstream", "/intake/reportstream/test-events", "Bearer t", [3, 3, 1]),
        ("elation", "/intake/elation/events", "Bearer t", [3, 3, 1]),
        ("redox", "/intake/redox", "t", [None] * 7),
        ("pridok", "/intake/pridok/referrals", "Bearer t", [None] * 7),
    ],
)
def test_a_sender_knows_its_door(
    serve: Serve, lane: str, path: str, proof: str, sizes: list[int | None]
) -> None:
    doors = Doors()
    url = f"{serve(doors).base_url}/doors"
    answer = run(lane, "--count", "7", "--batch", "3", "--token", "t", "--to", url)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["answers"] == {"202": len(sizes)}
    assert [(one[0], one[1]) for one in doors.bodies] == [(path, proof)] * len(sizes)
    assert [len(one[2]) if isinstance(one[2], list) else None for one in doors.bodies] == sizes


def test_a_refused_sender_ends_with_1(serve: Serve) -> None:
    answer = run("redox", "--count", "1", "--to", f"{serve(Doors()).base_url}/nowhere")
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["answers"] == {"404": 1}


def test_events_are_printed_one_a_line() -> None:
    answer = run("elation", "--count", "4")
    assert [json.loads(line)["source"] for line in answer.stdout.splitlines()] == ["arc"] * 4
