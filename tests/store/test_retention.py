"""Partitions ahead, months that go as a whole, and what keeps one."""

from dataclasses import replace
from datetime import UTC, date, datetime

import psycopg
import pytest

from resources.store import partitions, retention
from resources.store.ids import first_id
from resources.store.values import State
from tests.conftest import Database
from tests.store.making import arrival, event

OLD = date(2020, 5, 1)


@pytest.fixture
def may_2020(database: Database) -> int:
    """A month long past, with its partitions; the id of its tenth day."""
    partitions.make_ahead(database.cluster.owner_url, OLD)
    return first_id(datetime(2020, 5, 10, tzinfo=UTC))


def age(database: Database, to: int) -> None:
    """Make everything in the store as old as this id."""
    with psycopg.connect(database.cluster.owner_url, autocommit=True, options="-c search_path=handoff") as db:
        db.execute("UPDATE inbox SET id = %s", [to])
        db.execute("UPDATE seen SET arrival = %s", [to])
        db.execute("UPDATE work SET arrival = %s", [to])


def end(database: Database, state: State) -> None:
    with database.connect() as db:
        db.execute(
            "WITH gone AS (DELETE FROM work RETURNING *) INSERT INTO ended (arrival, part, lane, state, queue, seq,"
            " attempts) SELECT arrival, part, lane, %s, queue, seq, 1 FROM gone",
            [state.value],
        )
        db.execute("UPDATE queue SET ready_at = 'infinity'")


def test_partitions_are_made_for_this_month_and_three_more(database: Database) -> None:
    made = partitions.make_ahead(database.cluster.owner_url, date(2031, 11, 20))
    assert {name for name in made if name.startswith("inbox")} == {
        "inbox_2031_11",
        "inbox_2031_12",
        "inbox_2032_01",
        "inbox_2032_02",
    }
    assert partitions.make_ahead(database.cluster.owner_url, date(2031, 11, 20)) == []
    assert sum(partitions.strays(database.cluster.owner_url).values()) == 0


def test_an_old_month_goes_with_its_names_and_queues(database: Database, may_2020: int) -> None:
    database.receive([arrival(database.sealer, "a")])
    age(database, may_2020)
    end(database, State.DELIVERED)
    done = retention.retire(database.cluster.owner_url, 400)
    assert done.dropped > 0
    assert not [why for why in done.kept if why.startswith("2020-05")]
    for table in ("inbox", "ended", "seen", "queue"):
        assert database.one(f"SELECT count(*) FROM {table}") == 0


def test_a_queue_that_is_still_spoken_of_outlives_its_old_names(database: Database, may_2020: int) -> None:
    database.receive([arrival(database.sealer, "old", queue="chart")])
    age(database, may_2020)
    end(database, State.DELIVERED)
    database.receive([arrival(database.sealer, "new", queue="chart")])
    end(database, State.DELIVERED)
    retention.retire(database.cluster.owner_url, 400)
    assert database.one("SELECT count(*) FROM seen") == 1
    assert database.rows("SELECT last_seq FROM queue") == [(2,)]


def test_the_queues_of_every_destination_go_with_their_names(database: Database, may_2020: int) -> None:
    added = (0, 4711, -815)
    database.receive([replace(event(database.sealer, "a"), destinations=added)])
    age(database, may_2020)
    end(database, State.DELIVERED)
    assert database.one("SELECT count(*) FROM queue") == 3
    retention.retire(database.cluster.owner_url, 400, destinations=added)
    assert database.one("SELECT count(*) FROM queue") == 0


@pytest.mark.parametrize("state", [State.FAILED, State.SET_ASIDE, State.ACCEPTED])
def test_a_month_with_something_for_a_person_stays_and_says_why(
    database: Database, may_2020: int, state: State
) -> None:
    database.receive([arrival(database.sealer, "a")])
    age(database, may_2020)
    end(database, state)
    done = retention.retire(database.cluster.owner_url, 400)
    assert "2020-05: 1 accepted, failed or set aside" in done.kept
    assert database.one("SELECT count(*) FROM inbox") == 1
    assert database.one("SELECT count(*) FROM queue") == 1


def test_a_month_with_something_waiting_stays(database: Database, may_2020: int) -> None:
    database.receive([arrival(database.sealer, "a")])
    age(database, may_2020)
    assert "2020-05: 1 waiting" in retention.retire(database.cluster.owner_url, 400).kept


def test_names_of_redox_and_pridok_stay_for_ever(database: Database, may_2020: int) -> None:
    database.receive(
        [arrival(database.sealer, "a", lane="hcoint"), arrival(database.sealer, "b", lane="pridok")]
    )
    with psycopg.connect(database.cluster.owner_url, autocommit=True, options="-c search_path=handoff") as db:
        db.execute("UPDATE seen SET arrival = %s", [may_2020])
    retention.retire(database.cluster.owner_url, 400)
    assert database.one("SELECT count(*) FROM seen") == 2


def test_entries_of_feeds_go_with_their_time_and_those_still_at_work_stay(
    database: Database, may_2020: int
) -> None:
    database.receive([arrival(database.sealer, "a", lane="openmrs")])
    waiting = database.one("SELECT arrival FROM work")
    with psycopg.connect(database.cluster.owner_url, autocommit=True, options="-c search_path=handoff") as db:
        for name, led_to, days in (("old", None, 401), ("young", None, 399), ("at work", waiting, 401)):
            db.execute(
                "INSERT INTO sync_entry (name, link, side, feed, action, arrival, at)"
                " VALUES (%s, 'clinic-a', 'parent', 'patient', '', %s, now() - %s * interval '1 day')",
                [name.encode(), led_to, days],
            )
    retention.retire(database.cluster.owner_url, 400)
    assert database.rows("SELECT name FROM sync_entry ORDER BY name") == [(b"at work",), (b"young",)]


def test_the_history_of_a_record_goes_with_its_time_and_the_record_stays(database: Database) -> None:
    with psycopg.connect(database.cluster.owner_url, autocommit=True, options="-c search_path=handoff") as db:
        db.execute(
            "INSERT INTO sync_record (id, link, type, queue, outcome, reason, body)"
            " VALUES (1, 'clinic-a', 'Patient', 1, 'applied', '', '')"
        )
        for days in (401, 399):
            db.execute(
                "INSERT INTO sync_history (record, at, outcome, reason, wrote, elements)"
                " VALUES (1, now() - %s * interval '1 day', 'applied', '', 'child', 'gender')",
                [days],
            )
    retention.retire(database.cluster.owner_url, 400)
    assert database.rows("SELECT at > now() - interval '400 days' FROM sync_history") == [(True,)]
    assert database.one("SELECT count(*) FROM sync_record") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inbox SET kind = 'x'",
        "DELETE FROM inbox",
        "UPDATE attempt SET status = 1",
        "DELETE FROM attempt",
        "DELETE FROM audit",
        "UPDATE audit SET who = 'x'",
        "INSERT INTO access_log VALUES (1, now(), 'x', 'x', 'x', 1, 'x', '')",
        "DELETE FROM access_log",
        "CREATE TABLE x (y int)",
        "DROP TABLE inbox",
    ],
)
def test_the_application_may_not_change_evidence(database: Database, statement: str) -> None:
    with database.connect() as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute(statement)
