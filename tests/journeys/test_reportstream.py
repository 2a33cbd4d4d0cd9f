"""Door, daemon, run, partner: a whole Handoff, broken while it works. The long versions are ``make drills``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.drills_canary import marked, search
from benchmarks.drills_stack import LANE, Stack, events, running, wait
from resources.store.ids import moment

UPLOAD = "POST /api/reports"
LEDGER = [LANE, "ledger"]


@dataclass(frozen=True)
class Journey:
    """What was sent, and the stack it went through."""

    stack: Stack
    made: list[dict[str, Any]]

    @property
    def day(self) -> str:
        return moment(self.stack.rows("SELECT min(id) FROM inbox")[0][0]).date().isoformat()


@pytest.fixture(scope="module")
def journey() -> Iterator[Journey]:
    """400 marked events, a part of them twice, while the partner fails in four ways and the run is killed."""
    with running("journey", REPORTSTREAM_SETTLE_SECONDS="3", REPORTSTREAM_BATCH_ITEMS="50") as stack:
        made = [marked(event) for event in events(stack.root, 400, "journey")]
        stack.faults(
            {"status": 504, "take": True, "effect_after_seconds": 1, "match": UPLOAD},
            {"status": 0, "take": True, "match": UPLOAD},
            {"status": 400, "items": 2, "match": UPLOAD},
            {"status": 400, "items": 0, "match": UPLOAD},
        )
        token = stack.token()
        for at in range(0, 200, 40):
            stack.send(made[at : at + 40], token)
        stack.send(made[20:60], token)
        wait(lambda: stack.pids("run") and stack.requests(), 60, "no run has sent anything")
        stack.kill("run")
        stack.send(made[200:], token)
        wait(stack.settled, 120, "not everything has come to its end")
        yield Journey(stack, made)


def test_every_valid_event_is_taken_exactly_once(journey: Journey) -> None:
    records = journey.stack.records()
    refused = journey.stack.ids_of(3)
    assert set(records.values()) == {1}
    assert set(records) == {event["event_id"] for event in journey.made} - refused
    assert len(refused) == 2
    assert journey.stack.states() == {"delivered": 398, "failed": 2}


def test_what_the_partner_said_of_a_refused_event_is_in_the_store(journey: Journey) -> None:
    failed = journey.stack.rows("SELECT arrival FROM ended WHERE state = 3")
    for (message,) in failed:
        assert any(b"not valid" in answer for answer in journey.stack.answers_about(message))


def test_nothing_of_a_patient_is_found_outside_the_sealed_bodies(journey: Journey) -> None:
    assert search(journey.stack)["found"] == 0


def test_the_red_day_is_made_green_by_a_backfill_that_sends_what_failed(journey: Journey) -> None:
    dagster = journey.stack.dagster
    assert dagster.finish(dagster.judge(LANE, journey.day, resend="none")) == "FAILURE"
    assert dagster.partitions(LEDGER) == {journey.day: "FAILED"}
    dagster.backfill(LEDGER, [journey.day])
    wait(
        lambda: dagster.partitions(LEDGER) == {journey.day: "MATERIALIZED"},
        120,
        "the backfilled day is not green",
    )
    records = journey.stack.records()
    assert set(records.values()) == {1}
    assert set(records) == {event["event_id"] for event in journey.made}
