"""Elation from both doors to its charts, while it misbehaves and runs are killed: the short form of the drills."""

import contextlib
import time
from collections.abc import Iterator

import httpx
import pytest

from benchmarks import elation_traffic as traffic
from benchmarks.elation_traffic import Ends, Storm
from tests.conftest import Database
from tests.elation.practice import Practice, practising
from tests.journeys.elation_runs import running, wait
from tests.web.conftest import logging_as_it_was  # noqa: F401 - the service sets up the logs of its process
from tests.web.serving import serving
from web.app import create_app

pytestmark = pytest.mark.usefixtures("logging_as_it_was")

QUICK = {
    "HANDOFF_TOKENS_ELATION": "token",
    "HANDOFF_DAGSTER_URL": "http://127.0.0.1:9",
    "HANDOFF_LINGER_SECONDS": "600",
    "HANDOFF_BREAKER_AFTER": "10",
    "HANDOFF_RETRY_PLAN": "0.3,0.5,1,1,1,1,1,1,1",
    "ELATION_SETTLE_SECONDS": "2",
    "ELATION_TIMEOUT_SECONDS": "2",
    "ELATION_CONCURRENCY": "16",
}


@pytest.fixture
def house(database: Database) -> Iterator[tuple[Practice, Ends]]:
    """Doors at work before an empty store, and an empty Elation."""
    with practising(database, **QUICK) as practice, serving(create_app(practice.settings)) as web:
        yield practice, Ends(web, "token", database.cluster.sender_url, str(practice.http.base_url))


def settled(practice: Practice, owed: int) -> bool:
    """Everything owed has come to its end."""
    states = practice.states()
    return (
        not states.get("waiting")
        and sum(states.values()) >= owed
        and not practice.database.one("SELECT count(*) FROM door")
    )


def refused(practice: Practice, sent: traffic.Traffic) -> list[tuple[str, int]]:
    """What has failed, by the sender's id and part."""
    names = {practice.database.sealer.name("elation", event): event for event in sent.by_id()}
    rows = practice.database.rows(
        "SELECT s.name, e.part FROM ended AS e JOIN seen AS s USING (arrival) WHERE e.state = 3"
    )
    return traffic.event_ids(rows, names)


def test_in_order_once_and_whole_through_faults_and_kills(house: tuple[Practice, Ends]) -> None:
    practice, ends = house
    sent = traffic.made("j", charts=40, events=240)
    with running(practice.settings.values) as runs:
        with Storm(ends, every=0.1, refusals=3):
            traffic.send(ends, sent, connections=4)
            for _ in range(2):
                time.sleep(1.5)
                runs.kill()
            time.sleep(1.5)
        wait(lambda: settled(practice, 2 * sent.events), 60, "not everything has come to its end")
    traffic.judge(ends, sent, refused(practice, sent))
    assert runs.killed == 2
    with contextlib.closing(traffic.Health(ends.sandbox)) as health:
        assert traffic.doubled(health.received()) == 0


def test_two_runs_share_the_lane_and_keep_every_charts_order(house: tuple[Practice, Ends]) -> None:
    practice, ends = house
    sent = traffic.made("t", charts=60, events=240)
    with running(practice.settings.values, 2):
        wait(lambda: practice.database.one("SELECT count(*) FROM drain") == 2, 60, "not both are at work")
        traffic.send(ends, sent, connections=4)
        wait(lambda: settled(practice, 2 * sent.events), 60, "not everything has come to its end")
    traffic.judge(ends, sent, [])
    assert practice.database.one("SELECT count(*) FROM drain") == 2
    assert practice.database.one("SELECT count(DISTINCT lease) FROM attempt") == 2


def test_one_chart_in_trouble_delays_no_other(house: tuple[Practice, Ends]) -> None:
    practice, ends = house
    sent = traffic.made("p", charts=50, events=50)
    traffic.send(ends, sent, connections=2)
    wait(
        lambda: not practice.database.one("SELECT count(*) FROM door"), 5, "recorded events are not taken up"
    )
    practice.drain(HANDOFF_LINGER_SECONDS=0.05)
    (poisoned,) = [row["id"] for row in practice.patients() if row["metadata"]["object_id"] == "p-7"]
    practice.fault(f"PATCH .*/patients/{poisoned}", status=429, times=-1)
    changed = [
        {
            **events[0],
            "event_id": f"c{name}",
            "event_type": "profile_changed",
            "data": {"chart": events[0]["data"]["chart"] | {"first_name": "Ana 1"}},
        }
        for name, events in sent.charts.items()
    ]
    practice.receive(*(httpx.Request("POST", "http://x", json=event).content for event in changed))
    practice.drain(HANDOFF_LINGER_SECONDS=0.05)
    names = {row["metadata"]["object_id"]: row["first_name"] for row in practice.patients()}
    assert [name for name, first in names.items() if first != "Ana 1"] == ["p-7"]


def test_a_partner_that_is_away_fails_nothing_and_everything_arrives_afterwards(
    house: tuple[Practice, Ends],
) -> None:
    practice, ends = house
    practice.fault(".*/patients", status=503, times=-1)
    sent = traffic.made("a", charts=60, events=60)
    with running(practice.settings.values):
        traffic.send(ends, sent, connections=2)
        wait(
            lambda: practice.database.one("SELECT away_since IS NOT NULL FROM lane WHERE name = 'elation'"),
            30,
            "the breaker did not open",
        )
        time.sleep(7)  # a probe or two
        assert practice.states() == {"waiting": practice.states()["waiting"]}
        assert int(str(practice.database.one("SELECT max(attempts) FROM work"))) <= 2
        assert practice.http.delete("/_sandbox/elation").is_success
        wait(lambda: settled(practice, 2 * sent.events), 60, "not everything arrived")
    assert practice.states() == {"delivered": 2 * sent.events}
