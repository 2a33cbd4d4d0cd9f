"""The door for SQL: an application's own transaction hands an event over, and the lane's door takes it up."""

import json
import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import Database
from tests.elation.charts import ANA
from tests.elation.practice import Practice, practising
from tests.web.conftest import logging_as_it_was  # noqa: F401 - the service sets up the logs of its process
from tests.web.serving import serving
from web.app import create_app

DATA = {"chart": ANA}

pytestmark = pytest.mark.usefixtures("logging_as_it_was")


def sender(database: Database, *, autocommit: bool = True) -> psycopg.Connection:
    """The application, whose connection knows nothing of our schema."""
    return psycopg.connect(database.cluster.sender_url, autocommit=autocommit)


def record(
    db: psycopg.Connection,
    name: str | None = "e1",
    kind: str | None = "profile_changed",
    chart: str | None = "chart-1",
    payload: object = DATA,
    lane: str = "elation",
) -> None:
    text = None if payload is None else json.dumps(payload)
    db.execute("SELECT handoff.record_event(%s, %s, %s, %s, %s::jsonb)", [lane, name, kind, chart, text])


@pytest.fixture
def doors(database: Database) -> Iterator[Practice]:
    """The web service at work, which takes up what is recorded."""
    with (
        practising(
            database, HANDOFF_TOKENS_ELATION="t", HANDOFF_DAGSTER_URL="http://127.0.0.1:9"
        ) as practice,
        serving(create_app(practice.settings)),
    ):
        yield practice


def emptied(database: Database, seconds: float = 5.0) -> float:
    """Wait until nothing waits in the door; how long it took."""
    began = time.monotonic()
    while database.one("SELECT count(*) FROM door"):
        assert time.monotonic() - began < seconds, "recorded events are not taken up"
        time.sleep(0.02)
    return time.monotonic() - began


def test_a_recorded_event_commits_or_vanishes_with_the_applications_change(database: Database) -> None:
    with sender(database, autocommit=False) as db:
        record(db, "kept")
        db.commit()
        record(db, "vanished")
        db.rollback()
    assert database.rows("SELECT event_id FROM door") == [("kept",)]


def test_the_sender_may_record_and_nothing_else(database: Database) -> None:
    with sender(database) as db:
        for statement in (
            "SELECT * FROM handoff.door",
            "DELETE FROM handoff.door",
            "SELECT * FROM handoff.inbox",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(statement)
    with database.connect() as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute("SELECT record_event('elation', 'e', 't', 'r', '{}')")


@pytest.mark.parametrize(
    "missing",
    [{"name": None}, {"name": ""}, {"kind": None}, {"chart": None}, {"payload": None}, {"lane": "pridok"}],
)
def test_what_cannot_be_recorded_fails_in_the_applications_transaction(
    database: Database, missing: dict[str, None]
) -> None:
    with sender(database) as db, pytest.raises(psycopg.errors.InvalidParameterValue):
        record(db, **missing)


def test_the_senders_own_search_path_does_not_change_what_the_function_does(database: Database) -> None:
    with psycopg.connect(database.cluster.owner_url, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA trap")
        try:
            owner.execute("CREATE TABLE trap.door (LIKE handoff.door)")
            owner.execute("GRANT ALL ON SCHEMA trap TO handoff_sender")
            with sender(database) as db:
                db.execute("SET search_path = trap")
                record(db)
        finally:
            owner.execute("DROP SCHEMA trap CASCADE")
    assert database.one("SELECT count(*) FROM door") == 1


def test_recorded_events_are_taken_up_within_a_second_and_delivered_in_their_order(doors: Practice) -> None:
    with sender(doors.database) as db:
        record(db, "e1", "chart_created")
        for number in range(30):
            record(db, f"n{number}", payload={"chart": ANA | {"first_name": f"Ana{number}"}})
    assert emptied(doors.database) < 1.0
    kinds = doors.database.rows("SELECT kind FROM inbox ORDER BY id")
    assert kinds == [("chart_created",), *[("profile_changed",)] * 30]
    doors.drain()
    assert doors.patients()[0]["first_name"] == "Ana29"


def test_the_payload_may_be_the_data_or_the_event_or_the_chart_alone(doors: Practice) -> None:
    whole = {"source": "arc", "occurred_at": "2026-03-02T15:04:05+00:00", "data": DATA, "event_id": "other"}
    with sender(doors.database) as db:
        record(db, "e1", "chart_created")
        record(db, "e2", payload=whole)
        record(db, "e3", payload=ANA)
    emptied(doors.database)
    doors.drain()
    assert sum(doors.states().values()) == 6
    assert "set_aside" not in doors.states()


def test_the_same_event_recorded_again_is_one_and_other_content_is_kept_as_a_conflict(
    doors: Practice,
) -> None:
    with sender(doors.database) as db:
        record(db)
        record(db)
        record(db, payload={"chart": ANA | {"first_name": "Anna"}})
    emptied(doors.database)
    assert doors.database.one("SELECT count(*) FROM inbox") == 1
    assert doors.database.one("SELECT count(*) FROM conflict") == 1


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"payload": {"chart": {"id": "chart-1", "first_name": 5}}}, "data.chart.first_name"),
        ({"payload": []}, "data"),
        ({"kind": "chart_burned"}, "event_type"),
        ({"payload": {"chart": ANA | {"id": "another"}}}, "data.chart.id"),
    ],
)
def test_what_has_not_the_agreed_shape_is_set_aside_with_its_place_and_not_lost(
    doors: Practice, changed: dict[str, object], place: str
) -> None:
    with sender(doors.database) as db:
        record(db, **changed)
        record(db, "good", "chart_created")
    emptied(doors.database)
    doors.drain()
    assert doors.states() == {"set_aside": 1, "delivered": 2}
    reason = str(doors.database.one("SELECT reason FROM ended WHERE state = 7"))
    assert place in reason
    assert "another" not in reason.split(":")[0]


def test_both_doors_share_the_queue_of_a_chart(doors: Practice) -> None:
    with sender(doors.database) as db:
        record(db, "e1", "chart_created")
    emptied(doors.database)
    doors.receive(
        json.dumps(
            {"event_id": "e2", "event_type": "profile_changed", "resource_id": "chart-1", "data": DATA}
        ).encode()
    )
    assert doors.database.one("SELECT last_seq FROM queue") == 2


def test_while_the_doors_are_closed_recorded_events_wait(database: Database) -> None:
    closed = database.with_(HANDOFF_MAINTENANCE="on", HANDOFF_DAGSTER_URL="http://127.0.0.1:9")
    with serving(create_app(closed)), sender(database) as db:
        record(db)
        time.sleep(0.6)
        assert database.one("SELECT count(*) FROM door") == 1
    open_ = database.with_(HANDOFF_DAGSTER_URL="http://127.0.0.1:9")
    with serving(create_app(open_)):
        emptied(database)
    assert database.one("SELECT count(*) FROM inbox") == 1


def test_two_services_take_up_in_one_order(doors: Practice) -> None:
    with serving(create_app(doors.settings)), sender(doors.database) as db:
        for number in range(1200):
            record(
                db, f"n{number}", chart=f"c{number % 3}", payload={"chart": ANA | {"id": f"c{number % 3}"}}
            )
        emptied(doors.database, 15)
    assert doors.database.one("SELECT count(*) FROM inbox") == 1200
    names = {doors.database.sealer.name("elation", f"n{number}"): number for number in range(1200)}
    rows = doors.database.rows(
        "SELECT w.queue, s.name FROM work AS w JOIN seen AS s ON s.arrival = w.arrival ORDER BY w.queue, w.seq"
    )
    order: dict[int, list[int]] = {}
    for queue, name in rows:
        order.setdefault(queue, []).append(names[bytes(name)])
    assert all(numbers == sorted(numbers) for numbers in order.values())


def test_after_a_crash_between_storing_and_removing_nothing_is_doubled(doors: Practice) -> None:
    with sender(doors.database) as db:
        record(db, "e1")
    emptied(doors.database)
    with sender(doors.database) as db:
        record(db, "e1")  # the row a process had stored and not removed
    emptied(doors.database)
    assert doors.database.one("SELECT count(*) FROM inbox") == 1
    assert doors.database.one("SELECT count(*) FROM conflict") == 0
