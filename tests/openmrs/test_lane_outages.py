"""Days without a parent, rows that wait in a clinic's table meanwhile, a feed that begins empty, a proxy in between."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from assets.openmrs.events import Side
from handoff import postgres
from tests.conftest import Database
from tests.openmrs.linked import SYSTEMS, Linked, linked
from tests.openmrs.people import encounter, key_of, patient, visit
from tests.openmrs.test_lane_faults import agrees, wards
from tests.openmrs.tls import tls_front
from tests.resources.test_http_transport import self_signed

PARENT, CHILD = Side.PARENT, Side.CHILD


def test_http_links_on_an_https_base_are_not_followed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    front: Any = None

    def above(url: str) -> str:
        nonlocal front
        front = tls_front(certificate, url)
        return str(front.__enter__())

    try:
        with linked(database, tmp_path, above=above) as clinic:
            records = wards(clinic, 4)
            page = clinic.http.get(f"/{SYSTEMS[PARENT]}/openmrs/ws/atomfeed/patient/1").text
            assert re.findall('href="(https?)://', page)[0] == "http"
            clinic.http.delete(f"/_sandbox/{SYSTEMS[PARENT]}").raise_for_status()
            clinic.drain()
            assert len(clinic.records(CHILD)) == records
            inside = clinic.http.base_url.netloc.decode()
            hosts = {dict(each["headers"])["host"] for each in clinic.received(PARENT)}
            assert len(hosts) == 1
            assert inside not in hosts
    finally:
        front.__exit__(None, None, None)


def test_three_days_of_503_park_nothing_lose_nothing_and_cost_no_attempt(
    database: Database, tmp_path: Path
) -> None:
    with linked(database, tmp_path) as clinic:
        wards(clinic, 2)
        clinic.drain()
        clinic.fault(PARENT, status=503, times=-1)
        for day in range(3):
            grace = clinic.edit(CHILD, patient(f"day{day}"))
            clinic.edit(PARENT, patient("p0"), birthDate=f"1990-05-1{day}")
            for _ in range(4):
                clinic.later()
                clinic.drain()
            assert key_of(grace) not in clinic.records(PARENT)
        assert clinic.states().get("failed", 0) == 0
        assert database.one("SELECT max(attempts) FROM work") == 0
        assert clinic.outcomes().get("parked", 0) == 0
        clinic.no_faults()
        clinic.later()
        clinic.drain()
        clinic.drain()
        assert agrees(clinic)
        assert set(clinic.states()) == {"delivered"}
        assert clinic.records(CHILD)[key_of(patient("p0"))]["birthDate"] == "1990-05-12"


def test_an_empty_feed_is_read_and_its_first_entry_is_found(database: Database, tmp_path: Path) -> None:
    with linked(database, tmp_path) as clinic:
        for _ in range(2):
            clinic.drain()
        asked = [each["path"] for each in clinic.received(PARENT) if "/atomfeed/" in each["path"]]
        assert {path.rpartition("/")[2] for path in asked} == {"recent"}
        grace = clinic.edit(PARENT, patient())
        clinic.drain()
        assert set(clinic.records(CHILD)) == {key_of(grace)}


@pytest.fixture
def table(cluster: postgres.Cluster) -> Iterator[str]:
    """The table in a clinic's own database."""
    with psycopg.connect(cluster.superuser_url, autocommit=True) as db:
        db.execute("CREATE DATABASE child_rows")
    url = cluster.superuser_url.rpartition("/")[0] + "/child_rows"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(
            "CREATE TABLE handoff_outbox (id bigint PRIMARY KEY, resource_type text, resource_id text, body text,"
            " created_at timestamp DEFAULT now(), transported_at timestamp NULL, error text NULL)"
        )
    yield url
    with psycopg.connect(cluster.superuser_url, autocommit=True) as db:
        db.execute("DROP DATABASE child_rows WITH (FORCE)")


class Table:
    """What a clinic writes there, and what it reads of us."""

    def __init__(self, url: str, clinic: Linked) -> None:
        self.url, self.clinic, self.rows = url, clinic, 0

    def save(self, record: dict[str, Any]) -> dict[str, Any]:
        """The clinic saves a record and puts its message into the table."""
        saved = self.clinic.edit(CHILD, record)
        self.rows += 1
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(
                "INSERT INTO handoff_outbox (id, resource_type, resource_id, body) VALUES (%s, %s, %s, %s)",
                [self.rows, saved["resourceType"], saved["id"], json.dumps(saved)],
            )
        return saved

    def marked(self) -> list[tuple[int, bool, str | None]]:
        with psycopg.connect(self.url) as db:
            return db.execute(
                "SELECT id, transported_at IS NOT NULL, error FROM handoff_outbox ORDER BY id"
            ).fetchall()


def test_the_outbox_is_drained_in_the_order_of_each_record_with_the_carrier_down_in_between(
    database: Database, tmp_path: Path, table: str
) -> None:
    with linked(database, tmp_path, push="C", outbox_url=table) as clinic:
        rows = Table(table, clinic)
        grace = rows.save(patient())
        rows.save(visit())
        clinic.drain()
        clinic.fault(PARENT, status=503, times=-1)
        for day in (11, 12):
            rows.save({**grace, "birthDate": f"1990-05-{day}"})
        rows.save(encounter())
        clinic.drain()
        rows.save({**grace, "birthDate": "1990-05-13"})
        assert [done for _, done, _ in rows.marked()] == [True, True, False, False, False, False]
        clinic.no_faults()
        clinic.later()
        clinic.drain()
        clinic.drain()
        assert rows.marked() == [(number, True, None) for number in range(1, 7)]
        above = clinic.records(PARENT)
        assert above[key_of(grace)]["birthDate"] == "1990-05-13"
        assert above[key_of(encounter())]["partOf"]["reference"] == key_of(visit())
        born = [
            each["body"]
            for each in clinic.received(PARENT)
            if each["method"] == "POST" and "birthdate" in each["body"]
        ]
        days = [int(found) for body in born for found in re.findall(r"1990-05-(\d\d)", body)]
        assert days == sorted(days)


def test_a_row_that_is_refused_keeps_the_reason_until_a_newer_one_is_taken(
    database: Database, tmp_path: Path, table: str
) -> None:
    with linked(database, tmp_path, push="C", outbox_url=table) as clinic:
        rows = Table(table, clinic)
        clinic.fault(PARENT, status=400, match="POST .*/patient")
        grace = rows.save(patient())
        clinic.drain()
        ((_, done, reason),) = rows.marked()
        assert not done
        assert reason is not None
        assert "400" in reason
        assert "Akello" not in reason
        rows.save({**grace, "gender": "other"})
        clinic.drain()
        assert rows.marked() == [(1, True, None), (2, True, None)]
        assert clinic.records(PARENT)[key_of(grace)]["gender"] == "other"
