"""The outbox table in a child's own database, on PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from handoff import postgres
from resources.errors import PartnerAway, TryLater
from resources.openmrs_outbox import ChildOutbox

TABLE = """
CREATE TABLE handoff_outbox (
    id bigint PRIMARY KEY, resource_type text, resource_id text, body text,
    created_at timestamp, transported_at timestamp NULL, error text NULL)
"""
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def child(cluster: postgres.Cluster) -> Iterator[str]:
    """A child's database with its outbox table, which is not ours."""
    with psycopg.connect(cluster.superuser_url, autocommit=True) as db:
        db.execute("CREATE DATABASE child_clinic")
    url = cluster.superuser_url.rpartition("/")[0] + "/child_clinic"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(TABLE)
        for number in (3, 1, 2):
            row = (number, "Patient", f"p{number}", f'{{"resourceType":"Patient","id":"p{number}","x":"é"}}')
            db.execute("INSERT INTO handoff_outbox VALUES (%s, %s, %s, %s, now())", row)
    yield url
    with psycopg.connect(cluster.superuser_url, autocommit=True) as db:
        db.execute("DROP DATABASE child_clinic WITH (FORCE)")


@pytest.fixture
def outbox(child: str) -> Iterator[ChildOutbox]:
    found = ChildOutbox(child)
    yield found
    found.close()


def test_rows_come_in_the_order_they_were_written(outbox: ChildOutbox) -> None:
    assert [row.id for row in outbox.waiting(10)] == [1, 2, 3]
    assert [row.id for row in outbox.waiting(1, after=1)] == [2]
    assert outbox.waiting(1)[0].body == '{"resourceType":"Patient","id":"p1","x":"é"}'.encode()


def test_a_transported_row_is_marked_and_not_seen_again(outbox: ChildOutbox, child: str) -> None:
    outbox.failed(1, "the parent is away")
    outbox.transported(1, "Patient", "p1", NOW)
    outbox.transported(2, "Patient", "p2", NOW)
    assert [row.id for row in outbox.waiting(10)] == [3]
    with psycopg.connect(child) as db:
        marked = db.execute("SELECT transported_at, error FROM handoff_outbox WHERE id = 1").fetchone()
    assert marked == (datetime(2026, 3, 2, 8, 0), None)  # noqa: DTZ001  # the child's column has no zone


def test_marking_again_keeps_the_first_time(outbox: ChildOutbox, child: str) -> None:
    outbox.transported(1, "Patient", "p1", NOW)
    outbox.transported(1, "Patient", "p1", NOW.replace(year=2030))
    with psycopg.connect(child) as db:
        (found,) = db.execute("SELECT transported_at FROM handoff_outbox WHERE id = 1").fetchone() or (None,)
    assert found is not None
    assert found.year == 2026


def test_a_newer_row_of_a_record_marks_the_older_ones_and_no_later_or_other_one(
    outbox: ChildOutbox, child: str
) -> None:
    with psycopg.connect(child, autocommit=True) as db:
        db.execute("UPDATE handoff_outbox SET resource_id = 'p1' WHERE id <> 2")
        db.execute("INSERT INTO handoff_outbox VALUES (4, 'Patient', 'p1', '{}', now())")
    outbox.failed(1, "waits for another record")
    outbox.transported(3, "Patient", "p1", NOW)
    assert [row.id for row in outbox.waiting(10)] == [2, 4]
    with psycopg.connect(child) as db:
        assert db.execute("SELECT error FROM handoff_outbox WHERE id = 1").fetchone() == (None,)


def test_a_reason_is_left_for_the_childs_administrators(outbox: ChildOutbox, child: str) -> None:
    outbox.failed(2, "waits for Patient on the other side " * 50)
    with psycopg.connect(child) as db:
        (reason,) = db.execute("SELECT error FROM handoff_outbox WHERE id = 2").fetchone() or ("",)
    assert len(reason) == 500
    assert [row.id for row in outbox.waiting(10)] == [1, 2, 3]


def test_a_missing_table_says_what_to_check(child: str) -> None:
    with psycopg.connect(child, autocommit=True) as db:
        db.execute("DROP TABLE handoff_outbox")
    outbox = ChildOutbox(child)
    with pytest.raises(PartnerAway, match="handoff_outbox"):
        outbox.waiting(1)
    outbox.close()


def test_a_database_that_is_away_is_asked_later_and_its_password_stays_unsaid() -> None:
    outbox = ChildOutbox("postgresql://clinic:hidden@127.0.0.1:1/none")
    with pytest.raises(TryLater) as away:
        outbox.waiting(1)
    assert "hidden" not in str(away.value)
    with pytest.raises(ValueError, match="outbox_url") as wrong:
        ChildOutbox("clinic:hidden@somewhere")
    assert "hidden" not in str(wrong.value)
