"""The watch sees from the store alone that a lane stands still, and speaks once of it."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest

from resources.notices import Notices
from resources.store import drains
from resources.store.connect import Borrowed, connect_async
from resources.store.ids import first_id
from resources.store.incidents import Incident
from resources.store.intake import Incoming
from resources.store.lanes import NAMES
from tests.conftest import Database
from web.opening import DISK_FULL, MAINTENANCE, Opening
from web.sight import see
from web.watch import NEARLY_FULL, Disk, Watch, embedded_data, of_disk, of_partitions


class Heard(Notices):
    """What people would have been told."""

    def __init__(self) -> None:
        super().__init__([])
        self.opened: list[str] = []
        self.recovered: list[str] = []
        self.texts: list[str] = []

    def say(self, opened: Sequence[Incident], recovered: Sequence[Incident]) -> None:
        self.opened += [incident.key for incident in opened]
        self.recovered += [incident.key for incident in recovered]
        self.texts += [incident.text for incident in (*opened, *recovered)]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def watch(database: Database, heard: Heard) -> Iterator[Watch]:
    store = Borrowed(database.cluster.app_url, "test watch")
    yield Watch(store, heard, Opening(maintenance=False), windows={"reportstream": 120.0}, data=None)
    store.close()


def arrive(database: Database, lane: int, number: int = 1) -> None:
    database.receive(
        [
            Incoming(lane=lane, name=b"%d" % one, kind="profile_changed", lineage=one, digest=1, body=b"{}")
            for one in range(number)
        ]
    )


def aged(database: Database, seconds: float) -> None:
    database.rows("UPDATE queue SET ready_at = ready_at - %s * interval '1 s' RETURNING 1", seconds)


def test_a_quiet_store_is_no_news(watch: Watch, heard: Heard) -> None:
    watch.look()
    assert (heard.opened, heard.recovered) == ([], [])
    assert watch.lanes == dict.fromkeys(NAMES.values(), "ok")


def test_work_that_nobody_does_is_spoken_of_once_and_again_when_it_is_over(
    watch: Watch, heard: Heard, database: Database
) -> None:
    arrive(database, 2)
    aged(database, 301)
    watch.look()
    watch.look()
    assert heard.opened == ["watch:stalled:elation"]
    assert watch.lanes["elation"] == "stalled"
    database.rows("DELETE FROM queue RETURNING 1")
    watch.look()
    assert heard.recovered == ["watch:stalled:elation"]


@pytest.mark.parametrize("seconds", [290, 419])
def test_work_that_has_not_waited_long_is_no_news(database: Database, seconds: int) -> None:
    arrive(database, 1)
    aged(database, seconds)
    with database.connect() as db:
        assert not see(db, "reportstream", window=120.0).stalled


async def stalled_while_live(database: Database, lane: str) -> bool:
    async with await connect_async(database.cluster.app_url) as db:
        await drains.register(db, 2, "run", "code")
        with database.connect() as other:
            return see(other, lane).stalled


def test_work_in_a_live_lane_is_no_news(database: Database) -> None:
    arrive(database, 2)
    aged(database, 900)
    assert asyncio.run(stalled_while_live(database, "elation")) is False


def test_what_a_dead_run_holds_is_seen_although_it_is_not_ready(database: Database) -> None:
    arrive(database, 2)
    with database.connect() as db:
        lease = 1 << 20
        db.execute(
            "INSERT INTO drain (lease, lane, run_id, code, beat_at)"
            " VALUES (%s, 2, 'r', 'c', now() - interval '301 s')",
            [lease],
        )
        assert not see(db, "elation").stalled
        db.execute("UPDATE queue SET lease = %s", [lease])
        assert see(db, "elation").stalled


def test_a_poll_that_nobody_makes_is_seen(database: Database) -> None:
    with database.connect() as db:
        db.execute(
            "INSERT INTO batch (id, lane, destination, queue, lease, payload, part, members, digest, poll_at, body)"
            " VALUES (%s, 101, '', 1, 1, 'p', 0, '{}', 0, now() - interval '10 min', '')",
            [first_id(datetime.now(UTC))],  # in this month: a row of no month is another incident
        )
        assert see(db, "reportstream", window=120.0).stalled


def test_a_lane_that_is_held_or_whose_partner_is_away_says_that_and_not_that_it_stalls(
    watch: Watch, heard: Heard, database: Database
) -> None:
    arrive(database, 2)
    arrive(database, 1)
    aged(database, 900)
    database.rows("UPDATE lane SET hold = 'Ana Rivera asked us to' WHERE number = 2 RETURNING 1")
    database.rows("UPDATE lane SET away_since = now(), away_until = now() WHERE number = 1 RETURNING 1")
    watch.look()
    assert sorted(heard.opened) == ["watch:away:reportstream", "watch:held:elation"]
    assert (watch.lanes["elation"], watch.lanes["reportstream"]) == ("held", "away")
    assert not any("Ana" in text for text in heard.texts)


def test_failures_are_one_incident_a_lane_with_their_number(
    watch: Watch, heard: Heard, database: Database
) -> None:
    arrive(database, 2, 3)
    database.rows("UPDATE queue SET hold = 'its head has failed', ready_at = 'infinity' RETURNING 1")
    database.rows(
        "INSERT INTO ended (arrival, part, lane, state, queue, seq, attempts)"
        " SELECT arrival, 0, 2, CASE queue WHEN 0 THEN 7 ELSE 3 END, queue, seq, 1 FROM work RETURNING 1"
    )
    watch.look()
    assert sorted(heard.opened) == ["failed:elation", "watch:queues:elation"]
    assert any("2 messages have failed and 1 arrivals were set aside" in text for text in heard.texts)
    assert watch.lanes["elation"] == "failed"


def test_a_failure_of_yesterday_is_not_spoken_of_for_ever(
    watch: Watch, heard: Heard, database: Database
) -> None:
    arrive(database, 2)
    database.rows(
        "INSERT INTO ended (arrival, part, lane, state, queue, seq, attempts, at)"
        " SELECT arrival, 0, 2, 3, queue, seq, 1, now() - interval '25 hours' FROM work RETURNING 1"
    )
    watch.look()
    assert heard.opened == []


def test_a_store_that_is_away_is_spoken_of_although_it_cannot_note_it(heard: Heard) -> None:
    nowhere = Borrowed("postgresql://nobody@127.0.0.1:9/none", "test watch")
    watch = Watch(nowhere, heard, Opening(maintenance=False), windows={}, data=None)
    watch.look()
    watch.look()
    assert heard.opened == ["watch:store"]


def test_a_lane_may_have_its_own_news(database: Database, heard: Heard) -> None:
    store = Borrowed(database.cluster.app_url, "test watch")
    news = [Incident("watch:silent:elation", "elation", "nothing has come for a day")]
    Watch(store, heard, Opening(maintenance=False), windows={}, data=None, also=[lambda db: news]).look()
    store.close()
    assert heard.opened == ["watch:silent:elation"]


def test_months_that_are_missing_are_named(database: Database) -> None:
    with database.connect() as db:
        assert of_partitions(db, date.today()) == []  # noqa: DTZ011 - the months around now exist
        (missing,) = of_partitions(db, date(2040, 12, 5))
    assert "inbox_2040_12" in missing.text
    assert "attempt_2041_01" in missing.text
    assert "handoff migrate" in missing.text


def test_rows_outside_every_month_are_seen(database: Database) -> None:
    far = 1 << 62
    try:
        database.rows("INSERT INTO inbox (id, lane, kind, body) VALUES (%s, 1, '', '') RETURNING 1", far)
        with database.connect() as db:
            (stray,) = of_partitions(db, date.today())  # noqa: DTZ011
        assert (stray.key, "inbox" in stray.text) == ("watch:strays", True)
    finally:
        with psycopg.connect(database.cluster.owner_url, autocommit=True) as db:
            db.execute("TRUNCATE handoff.inbox")


@pytest.mark.parametrize(
    ("total", "free", "told", "closed"),
    [
        (100_000_000_000, 50_000_000_000, False, False),
        (100_000_000_000, 1_900_000_000, True, False),
        (100_000_000_000, 190_000_000, True, True),
        (1_000_000_000, 150_000_000, False, False),
        (1_000_000_000, 10_000_000, True, True),
    ],
)
def test_a_disk_that_fills_is_spoken_of_before_the_doors_close(
    total: int, free: int, told: bool, closed: bool
) -> None:
    disk = Disk(total, free)
    assert bool(of_disk(disk)) is told
    assert disk.below(NEARLY_FULL) is told
    opening = Opening(maintenance=False)
    opening.disk(full=disk.below((200_000_000, 0.02)))
    assert opening.closed is (DISK_FULL if closed else None)


def test_maintenance_stays_whatever_the_disk_says() -> None:
    opening = Opening(maintenance=True)
    opening.disk(full=False)
    assert opening.closed is MAINTENANCE


def test_only_the_embedded_server_has_a_disk_to_look_at(tmp_path: Path) -> None:
    ours = "postgresql://handoff_app:x@127.0.0.1:54329/handoff"
    assert embedded_data(ours, tmp_path) is None
    folder = tmp_path / ".handoff" / "pg"
    folder.mkdir(parents=True)
    assert embedded_data(ours, tmp_path) == folder
    assert embedded_data("postgresql://handoff_app:x@db.example/handoff", tmp_path) is None
