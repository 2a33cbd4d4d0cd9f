"""The lane from the feeds of two servers in miniature through the store and back, over real HTTP."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assets.openmrs import hints, remembering
from assets.openmrs.events import Key, Side
from assets.openmrs.reconcile import Decision
from resources.store import claims, sync_hints, sync_records
from resources.store.connect import connect_async, process_number
from resources.store.ids import Ids
from resources.store.operators import Who
from resources.store.sync_records import Name
from tests.conftest import Database
from tests.openmrs.linked import Linked, linked
from tests.openmrs.people import encounter, in_home, key_of, observation, own_id, patient, visit
from web.openmrs import reading

PARENT, CHILD = Side.PARENT, Side.CHILD
WHO = Who("Ada", "the clinic called")


@pytest.fixture
def clinic(database: Database, tmp_path: Path) -> Iterator[Linked]:
    with linked(database, tmp_path) as made:
        yield made


def admitted(clinic: Linked) -> dict[str, Any]:
    """Grace with a visit, an encounter and a height, at the parent."""
    grace = clinic.edit(PARENT, patient())
    for record in (visit(), encounter(), observation()):
        clinic.edit(PARENT, record)
    return grace


def decide(clinic: Linked, record: dict[str, Any], decision: Decision) -> None:
    """What the page does when a person has decided."""
    sealer = clinic.database.sealer
    key = Key(str(record["resourceType"]), str(record["id"]))
    with clinic.database.connect() as db:
        name = Name("parent", hints.name_of(sealer, "clinic-a", key))
        kept = sync_records.one(db, sealer, "clinic-a", [name])
        assert kept is not None
        sync_records.decide(db, sealer, kept, remembering.decided(decision), WHO)

    async def main() -> None:
        async with await connect_async(clinic.database.cluster.app_url) as db, db.transaction():
            ids = Ids(await process_number(db))
            await sync_hints.add(db, sealer, ids, [hints.hint(sealer, "clinic-a", PARENT, key)])

    asyncio.run(main())


def test_what_the_parent_has_comes_to_the_child_under_its_own_ids(clinic: Linked) -> None:
    admitted(clinic)
    clinic.drain()
    assert set(clinic.records(CHILD)) == set(clinic.records(PARENT))
    assert set(clinic.states()) == {"delivered"}


def test_the_exact_calls_stand_in_the_outbox(clinic: Linked) -> None:
    clinic.edit(PARENT, patient())
    clinic.drain()
    rows = clinic.database.rows("SELECT version, kind FROM outbox ORDER BY version DESC")
    assert rows[0] == (0, "Patient at the parent")
    assert [version for version, _ in rows] == [0, -1]
    assert "child" in rows[1][1]


def test_an_edit_at_the_child_goes_up_and_its_echo_is_not_answered(clinic: Linked) -> None:
    grace = admitted(clinic)
    clinic.drain()
    clinic.edit(CHILD, {**grace, **clinic.records(CHILD)[key_of(grace)]}, gender="unknown")
    clinic.drain()
    assert clinic.records(PARENT)[key_of(grace)]["gender"] == "unknown"
    clinic.drain()
    before = clinic.writes(PARENT) + clinic.writes(CHILD)
    for _ in range(3):
        clinic.drain()
    assert clinic.writes(PARENT) + clinic.writes(CHILD) == before


def test_many_entries_about_a_record_are_one_message(clinic: Linked) -> None:
    grace = clinic.edit(PARENT, patient())
    for number in range(12):
        clinic.edit(PARENT, grace, birthDate=f"1990-05-{number + 10}")
    clinic.drain()
    assert clinic.database.one("SELECT count(*) FROM sync_entry WHERE side = 'parent'") == 13
    assert clinic.database.one("SELECT count(*) FROM inbox WHERE kind = 'Patient at the parent'") == 1
    assert clinic.records(CHILD)[key_of(grace)]["birthDate"] == "1990-05-21"


def test_a_conflict_waits_for_a_person_with_both_versions_and_their_word_is_carried_out(
    database: Database, tmp_path: Path
) -> None:
    with linked(database, tmp_path) as clinic:
        grace = clinic.edit(PARENT, patient())
        clinic.drain()
        clinic.drain()
        clinic.edit(PARENT, grace, gender="other")
        clinic.edit(CHILD, clinic.records(CHILD)[key_of(grace)], gender="unknown")
        clinic.drain()
        assert clinic.outcomes() == {"conflict": 1}
        assert clinic.states()["failed"] >= 1
        assert (
            clinic.records(PARENT)[key_of(grace)]["gender"],
            clinic.records(CHILD)[key_of(grace)]["gender"],
        ) == ("other", "unknown")
        decide(clinic, grace, Decision(elements={"gender": CHILD}))
        clinic.drain()
        assert clinic.records(PARENT)[key_of(grace)]["gender"] == "unknown"
        assert clinic.outcomes() == {"applied": 1} or clinic.outcomes() == {"unchanged": 1}
        assert "failed" not in clinic.states()
        assert database.one("SELECT count(*) FROM sync_record WHERE decision IS NOT NULL") == 0


def test_a_record_waits_for_the_one_it_points_to_and_goes_once_that_is_there(clinic: Linked) -> None:
    grace = clinic.edit(PARENT, patient())
    clinic.drain()
    clinic.remove(CHILD, key_of(grace))
    clinic.edit(PARENT, grace, gender="other")
    clinic.edit(PARENT, visit())
    clinic.drain()
    assert clinic.outcomes()["conflict"] == 1
    assert clinic.outcomes()["parked"] == 1
    tries = database_tries(clinic)
    clinic.drain(reads=False)
    assert database_tries(clinic) == tries
    decide(clinic, grace, Decision(survivor=PARENT))
    clinic.drain()
    assert set(clinic.records(CHILD)) == {key_of(grace), key_of(visit())}
    assert "failed" not in clinic.states()


def database_tries(clinic: Linked) -> object:
    return clinic.database.one("SELECT count(*) FROM attempt")


def test_a_side_that_is_away_parks_nothing_and_eats_no_attempt(clinic: Linked) -> None:
    grace = admitted(clinic)
    clinic.fault(CHILD, status=503, times=-1)
    clinic.drain()
    assert set(clinic.states()) == {"waiting"}
    assert clinic.database.one("SELECT max(attempts) FROM work") == 0
    clinic.no_faults()
    with clinic.database.connect() as db:
        db.execute("UPDATE queue SET ready_at = now() WHERE ready_at < 'infinity'")
    clinic.drain()
    assert key_of(grace) in clinic.records(CHILD)


def test_a_creation_whose_answer_was_lost_is_not_made_twice(clinic: Linked) -> None:
    clinic.fault(CHILD, status=504, take=True, times=1, match="POST ")
    grace = clinic.edit(PARENT, patient())
    clinic.drain()
    assert set(clinic.records(CHILD)) == {key_of(grace)}
    assert len([each for each in clinic.writes(CHILD) if each.startswith("POST")]) == 1
    assert set(clinic.states()) == {"delivered"}


def test_a_patient_who_moves_in_brings_the_records_of_before(clinic: Linked) -> None:
    grace = clinic.edit(PARENT, patient(city="Gulu"))
    for record in (visit(), encounter(), observation()):
        clinic.edit(PARENT, record)
    clinic.drain()
    assert clinic.records(CHILD) == {}
    clinic.edit(PARENT, grace, address=in_home(grace, city="Kampala"))
    clinic.drain()
    assert set(clinic.records(CHILD)) == set(clinic.records(PARENT))


def test_a_feed_of_another_server_is_not_read_until_a_person_confirms_it(clinic: Linked) -> None:
    from resources.store import sync_feeds

    admitted(clinic)
    clinic.drain()
    clinic.lever(PARENT, "replace")
    for number in range(3):
        clinic.edit(PARENT, patient(f"new{number}"))
    clinic.drain()
    stopped = clinic.database.rows("SELECT side, feed FROM sync_feed WHERE stopped IS NOT NULL")
    assert ("parent", "patient") in stopped
    assert key_of(patient("new1")) not in clinic.records(CHILD)
    with clinic.database.connect() as db:
        for side, feed in stopped:
            assert sync_feeds.confirm(db, sync_feeds.Feed("clinic-a", side, feed))
    clinic.drain()
    assert key_of(patient("new1")) in clinic.records(CHILD)


def test_a_record_handed_in_goes_up_and_the_same_again_is_the_same_arrival(
    database: Database, tmp_path: Path
) -> None:
    with linked(database, tmp_path, push="B") as clinic:
        grace = clinic.edit(CHILD, patient())
        read = reading(database.sealer, "clinic-a")
        verdicts = database.receive([read(json.dumps(grace).encode()), read(json.dumps(grace).encode())])
        clinic.drain()
        assert [each.value for each in verdicts] == ["received", "duplicate"]
        assert key_of(grace) in clinic.records(PARENT)
        assert clinic.states() == {"delivered": 1}


def test_a_lane_that_is_held_reads_nothing(clinic: Linked) -> None:
    admitted(clinic)
    with clinic.database.connect() as db:
        db.execute("UPDATE lane SET hold = 'Ada: not now' WHERE name = 'openmrs'")
    clinic.drain()
    assert clinic.received(PARENT) == []
    assert own_id("grace") not in str(clinic.records(CHILD))


def test_nothing_of_a_patient_stands_open_in_the_tables(clinic: Linked) -> None:
    admitted(clinic)
    clinic.drain()
    for table in ("sync_record", "sync_name", "sync_entry", "sync_feed", "inbox", "outbox"):
        rows = clinic.database.rows(f"SELECT * FROM {table}")
        assert rows
        assert not any(b"Akello" in bytes(str(row), "utf-8") for row in rows)


def test_queues_are_claimed_in_the_order_in_which_they_became_ready(clinic: Linked) -> None:
    """Dependencies first: what others point to is settled before them and read once."""
    database, sealer = clinic.database, clinic.database.sealer

    async def main() -> list[int]:
        async with await connect_async(database.cluster.app_url) as db:
            ids = Ids(await process_number(db))
            keys = [Key("Patient", own_id(f"p{number}")) for number in range(20)]
            wanted = [
                hints.hint(sealer, "clinic-a", PARENT, key, rank=20 - at) for at, key in enumerate(keys)
            ]
            async with db.transaction():
                await sync_hints.add(db, sealer, ids, wanted)
            await db.execute("UPDATE queue SET ready_at = ready_at - interval '1 minute'")
            claimed = await claims.claim(db, sync_hints.LANE, 1 << 20, queues=50, each=8)
            assert list(claimed) == [hint.queue for hint in reversed(wanted)]
            return list(claimed)

    assert len(asyncio.run(main())) == 20
