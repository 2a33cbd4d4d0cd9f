"""What is said of many orders: lists, usage a month, what people should know, and the same in Prometheus's words."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.store import order_lists, retention
from resources.store.connect import connect
from tests.conftest import Database
from tests.hcoint.desk import Desk, desk, order
from web.metrics import exposition
from web.order_metrics import families


@pytest.fixture
def here(database: Database, tmp_path: Path) -> Iterator[Desk]:
    with desk(database, tmp_path) as found:
        yield found


def keys(here: Desk) -> list[str]:
    with here.book.store() as db:
        return [one.key.removeprefix("watch:hcoint:") for one in order_lists.incidents(db)]


def aged(here: Desk, hours: float, number: str = "") -> None:
    with here.database.connect() as db:
        db.execute(
            "UPDATE hcoint_order SET requested_at = requested_at - %s * interval '1 hour'"
            " WHERE %s = '' OR reference = %s",
            [hours, number, here.book.sealer().blind("reference", "hcoint", number)],
        )


def test_an_order_that_waits_longer_than_its_partner_allows_is_spoken_of_once(here: Desk) -> None:
    here.redox(order("1"))
    aged(here, 71)
    assert keys(here) == []
    aged(here, 2)
    assert keys(here) == ["waiting:multicare"]
    here.attach("1")
    here.send("1")
    assert keys(here) == []


def test_a_test_order_that_waits_is_nobodys_alarm(here: Desk) -> None:
    here.redox(order("1", test=True))
    aged(here, 100)
    assert keys(here) == []


def test_a_feed_is_silent_when_it_is_quiet_for_much_longer_than_ever_before(here: Desk) -> None:
    for number in range(12):
        here.redox(order(str(number)))
        aged(here, 5)
    assert "silent:multicare" not in keys(here)
    aged(here, 15)
    assert "silent:multicare" in keys(here)


def test_a_partner_with_few_orders_has_no_usual_pause(here: Desk) -> None:
    here.redox(order("1"))
    aged(here, 70)
    assert keys(here) == []


def test_a_note_that_does_not_arrive_and_one_that_was_refused_are_spoken_of(here: Desk) -> None:
    for number in ("1", "2"):
        here.redox(order(number))
        here.attach(number, f"note {number}".encode())
        here.send(number)
    with connect(here.database.cluster.owner_url) as owner:  # the application may not change what was sent
        owner.execute("UPDATE hcoint_note SET at = at - interval '31 minutes'")
    assert keys(here) == ["stuck:multicare"]
    _end(here, "1", 3)
    _end(here, "2", 2)
    assert keys(here) == ["refused:multicare"]


def _end(here: Desk, number: str, state: int) -> None:
    with here.database.connect() as db:
        db.execute(
            """
            WITH gone AS (DELETE FROM work WHERE arrival = %s RETURNING *)
            INSERT INTO ended (arrival, part, lane, state, queue, seq, attempts)
            SELECT arrival, part, lane, %s, queue, seq, 1 FROM gone
            """,
            [here.row(number).message, state],
        )


def test_usage_counts_orders_and_delivered_notes_a_partner_a_month(here: Desk) -> None:
    for number in ("1", "2", "3"):
        here.redox(order(number))
    here.redox(order("4", test=True))
    here.attach("1", b"twelve bytes")
    here.send("1")
    _end(here, "1", 2)
    with here.book.store() as db:
        (month,) = order_lists.usage(db)
        text = exposition(families(db))
    assert (month.partner, month.orders, month.notes, month.size) == ("multicare", 3, 1, 12)
    assert 'handoff_hcoint_orders{partner="multicare",state="requested"} 2' in text
    assert 'handoff_hcoint_notes_month{partner="multicare"} 1' in text


def test_lists_hold_each_order_once_and_test_orders_apart(here: Desk) -> None:
    for number in ("1", "2", "3"):
        here.redox(order(number))
    here.redox(order("4", test=True))
    here.redox(order("3", event="Cancel"))
    here.attach("2")
    here.send("2")
    with here.book.store() as db:
        assert order_lists.counts(db, test=False) == {"waiting": 1, "sent": 1, "failed": 0, "cancelled": 1}
        assert order_lists.counts(db, test=True)["waiting"] == 1
        assert len(order_lists.listed(db, here.book.sealer(), "waiting", test=False, limit=9)) == 1


def test_an_order_goes_with_its_time_and_one_that_is_open_stays(here: Desk) -> None:
    for number in ("1", "2"):
        here.redox(order(number, mrn=f"MRN-{number}"))
    here.redox(order("2", event="Cancel"))
    with here.database.connect() as db:
        db.execute("UPDATE hcoint_order SET changed_at = changed_at - interval '401 days'")
    retention.retire(here.database.cluster.owner_url, 400)
    assert here.database.rows("SELECT state FROM hcoint_order") == [("requested",)]
    for table in ("hcoint_patient", "hcoint_event"):
        assert here.database.one(f"SELECT count(DISTINCT order_id) FROM {table}") == 1
