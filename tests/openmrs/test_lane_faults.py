"""Runs that are killed, two at once, rows of a child's own table: nothing is lost, nothing is made twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from assets.openmrs.canonical import canonical
from assets.openmrs.events import Side
from assets.openmrs.merge import changes
from handoff import postgres
from tests.conftest import ROOT, Database
from tests.openmrs.linked import Linked, linked
from tests.openmrs.people import encounter, key_of, observation, own_id, patient, visit
from web.openmrs import reading

PARENT, CHILD = Side.PARENT, Side.CHILD
RUN = (
    "from assets.openmrs import lane; from resources.settings import Settings;"
    " lane.run(Settings.read(), 'killed', None)"
)


def wards(clinic: Linked, patients: int) -> int:
    """Patients with a visit, an encounter and two heights each, at the parent; how many records that is."""
    for number in range(patients):
        name = f"p{number}"
        clinic.edit(PARENT, patient(name))
        clinic.edit(PARENT, visit(f"v{number}", name))
        clinic.edit(PARENT, encounter(f"e{number}", name, f"v{number}"))
        for height in range(2):
            clinic.edit(PARENT, observation(f"o{number}-{height}", name, f"e{number}"))
    return 5 * patients


def created(clinic: Linked) -> list[str]:
    """The records the child was told to make: creations have no id in their address."""
    return [each for each in clinic.writes(CHILD) if each.startswith("POST") and each.count("/") == 5]


def agrees(clinic: Linked) -> bool:
    here, there = clinic.records(PARENT), clinic.records(CHILD)
    return set(here) == set(there) and not any(changes(canonical(here[key]), there[key]) for key in here)


def test_a_run_that_is_killed_while_it_writes_is_followed_by_one_that_writes_the_rest(
    database: Database, tmp_path: Path
) -> None:
    with linked(database, tmp_path) as clinic:
        records = wards(clinic, 6)
        environment = {**os.environ, **clinic.settings.values}
        run = subprocess.Popen([sys.executable, "-c", RUN], cwd=ROOT, env=environment)
        deadline = time.monotonic() + 60
        while len(clinic.records(CHILD)) < 4 and run.poll() is None:
            assert time.monotonic() < deadline, "the run wrote nothing"
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        run.wait(20)
        begun = len(clinic.records(CHILD))
        clinic.drain()
        clinic.drain()
        assert 4 <= begun < records
        assert agrees(clinic)
        assert len(clinic.records(CHILD)) == records
        assert set(clinic.states()) == {"delivered"}


def test_two_runs_at_once_make_every_record_once(database: Database, tmp_path: Path) -> None:
    with linked(database, tmp_path) as clinic:
        records = wards(clinic, 4)
        threads = [threading.Thread(target=clinic.drain, kwargs={"reads": False}) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        assert agrees(clinic)
        assert len(created(clinic)) == records


def test_records_of_a_link_are_settled_side_by_side(database: Database, tmp_path: Path) -> None:
    with linked(database, tmp_path, at_once=8) as clinic:
        records = wards(clinic, 8)
        clinic.fault(CHILD, delay_seconds=0.1, times=-1)
        began = time.monotonic()
        clinic.drain()
        assert agrees(clinic)
        # One after another the clinic's answers alone would take three tenths of a second a record.
        assert time.monotonic() - began < 0.5 * 0.3 * records


def test_two_links_are_settled_side_by_side_and_one_that_is_away_stops_no_other(
    database: Database, tmp_path: Path
) -> None:
    with linked(database, tmp_path, links={"clinic-b": "openmrs-child-2"}) as clinic:
        grace = clinic.edit(PARENT, patient())
        clinic.fault(CHILD, status=503, times=-1)
        clinic.drain()
        clinic.later()
        clinic.drain()
        there = clinic.http.get("/_sandbox/openmrs-child-2/records").json()
        assert set(there) == {key_of(grace)}
        assert clinic.records(CHILD) == {}


@pytest.fixture
def childs_table(cluster: postgres.Cluster) -> Iterator[str]:
    """A child's database with its outbox table, which is not ours."""
    with psycopg.connect(cluster.superuser_url, autocommit=True) as db:
        db.execute("CREATE DATABASE child_lane")
    url = cluster.superuser_url.rpartition("/")[0] + "/child_lane"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(
            "CREATE TABLE handoff_outbox (id bigint PRIMARY KEY, resource_type text, resource_id text, body text,"
            " created_at timestamp DEFAULT now(), transported_at timestamp NULL, error text NULL)"
        )
    yield url
    with psycopg.connect(cluster.superuser_url, autocommit=True) as db:
        db.execute("DROP DATABASE child_lane WITH (FORCE)")


def test_rows_of_the_childs_table_go_up_and_are_marked_once_the_parent_has_them(
    database: Database, tmp_path: Path, childs_table: str
) -> None:
    with linked(database, tmp_path, push="C", outbox_url=childs_table) as clinic:
        grace = clinic.edit(CHILD, patient())
        rows = [
            (1, "Patient", str(grace["id"]), json.dumps(grace)),
            (2, "Patient", own_id("x"), '{"resourceType": "Basic"}'),
        ]
        with psycopg.connect(childs_table, autocommit=True) as db:
            for row in rows:
                db.execute(
                    "INSERT INTO handoff_outbox (id, resource_type, resource_id, body) VALUES (%s, %s, %s, %s)",
                    row,
                )
        clinic.drain()
        clinic.drain()
        with psycopg.connect(childs_table) as db:
            marked = db.execute(
                "SELECT id, transported_at IS NOT NULL, error FROM handoff_outbox ORDER BY id"
            ).fetchall()
        assert key_of(grace) in clinic.records(PARENT)
        assert marked[0] == (1, True, None)
        assert marked[1][1] is False
        assert "resourceType" in str(marked[1][2])
        assert clinic.database.one("SELECT count(*) FROM inbox WHERE kind = 'Patient handed in'") == 1


def test_a_long_backlog_reads_each_record_once_for_all_that_was_said_of_it(
    database: Database, tmp_path: Path
) -> None:
    with linked(database, tmp_path, filter={"kind": "all"}, feeds=["patient"]) as clinic:
        clinic.lever(PARENT, "backlog", pages=60, patients=20)
        clinic.drain()
        reads = [each["path"] for each in clinic.received(PARENT) if "/R4/" in each["path"]]
        assert len(clinic.records(CHILD)) == 20
        assert len(reads) == 20
        assert database.one("SELECT count(*) FROM sync_entry WHERE side = 'parent'") == 300


def test_a_refused_record_stops_no_other_and_what_follows_mends_it(
    database: Database, tmp_path: Path
) -> None:
    with linked(database, tmp_path) as clinic:
        grace, ruth = clinic.edit(PARENT, patient()), clinic.edit(PARENT, patient("ruth"))
        clinic.drain()
        clinic.drain()
        clinic.fault(CHILD, status=400, times=1, match=f"(PUT|POST) .*{grace['id']}")
        clinic.edit(PARENT, grace, gender="other")
        clinic.edit(PARENT, ruth, gender="other")
        clinic.drain()
        there = clinic.records(CHILD)
        assert [there[key_of(each)]["gender"] for each in (grace, ruth)] == ["female", "other"]
        assert clinic.states()["failed"] == 1
        clinic.edit(PARENT, grace, gender="unknown")
        clinic.drain()
        assert clinic.records(CHILD)[key_of(grace)]["gender"] == "unknown"
        assert "failed" not in clinic.states()


def test_what_a_clinic_hands_in_while_the_parent_is_away_is_seen_and_goes_later(
    database: Database, tmp_path: Path
) -> None:
    with linked(database, tmp_path, push="B") as clinic:
        read = reading(database.sealer, "clinic-a")
        clinic.fault(PARENT, status=503, times=-1)
        grace = clinic.edit(CHILD, patient())
        later = clinic.edit(CHILD, grace, gender="other")
        database.receive([read(json.dumps(each).encode()) for each in (grace, later)])
        clinic.drain()
        assert clinic.states()["waiting"] >= 1
        assert "failed" not in clinic.states()
        clinic.no_faults()
        with database.connect() as db:
            db.execute("UPDATE queue SET ready_at = now() WHERE ready_at < 'infinity'")
        clinic.drain()
        assert clinic.records(PARENT)[key_of(grace)]["gender"] == "other"
        assert "waiting" not in clinic.states()
