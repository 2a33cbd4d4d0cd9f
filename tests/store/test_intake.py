"""What the door's one statement promises: kept once, in order, each in its lineage."""

import asyncio

from resources.store.intake import Intake, Verdict
from tests.conftest import Database
from tests.store.making import arrival, event

RECEIVED, DUPLICATE, CONFLICT = Verdict.RECEIVED, Verdict.DUPLICATE, Verdict.CONFLICT


def test_an_arrival_is_kept_once(database: Database) -> None:
    one = arrival(database.sealer, "a")
    assert database.receive([one]) == [RECEIVED]
    assert database.receive([one]) == [DUPLICATE]
    assert database.rows("SELECT count(*) FROM inbox") == [(1,)]
    assert database.rows("SELECT count(*) FROM work") == [(1,)]


def test_a_repeat_within_one_request_is_kept_once(database: Database) -> None:
    one = arrival(database.sealer, "a")
    assert database.receive([one, one]) == [RECEIVED, DUPLICATE]
    assert database.one("SELECT count(*) FROM inbox") == 1


def test_other_content_under_the_same_id_is_kept_once_and_never_owed(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    other = arrival(database.sealer, "a", body=b'{"x":1}')
    assert database.receive([other]) == [CONFLICT]
    assert database.receive([other]) == [CONFLICT]
    assert database.one("SELECT count(*) FROM conflict") == 1
    assert database.one("SELECT count(*) FROM work") == 1


def test_a_queue_counts_in_the_order_of_its_request(database: Database) -> None:
    names = [f"n{number}" for number in range(50)]
    database.receive([arrival(database.sealer, name, queue="q", body=name.encode()) for name in names])
    rows = database.rows("SELECT i.id, i.body FROM work w JOIN inbox i ON i.id = w.arrival ORDER BY w.seq")
    opened = [database.sealer.open(bytes(body), b"inbox", identifier).decode() for identifier, body in rows]
    assert opened == names
    assert database.rows("SELECT min(seq), max(seq), count(*) FROM work") == [(1, 50, 50)]


def test_many_senders_at_once_leave_no_gap_and_no_double(database: Database) -> None:
    async def main() -> list[list[Verdict]]:
        intake = Intake(database.cluster.app_url, database.sealer)
        await intake.start()
        some = [arrival(database.sealer, f"n{number % 300}", queue=f"q{number % 7}") for number in range(600)]
        answers = await asyncio.gather(*(intake.put([one]) for one in some))
        await intake.stop()
        return list(answers)

    verdicts = [answer[0] for answer in asyncio.run(main())]
    assert verdicts.count(RECEIVED) == 300
    assert verdicts.count(DUPLICATE) == 300
    # every queue is dense: as many rows as its highest number, and the queue knows it
    assert database.rows(
        "SELECT count(*) FROM queue q JOIN (SELECT queue, count(*) n, max(seq) top FROM work GROUP BY queue) w"
        " ON w.queue = q.key WHERE NOT (w.n = w.top AND w.top = q.last_seq)"
    ) == [(0,)]


def test_a_correction_follows_its_original(database: Database) -> None:
    database.receive([event(database.sealer, "o"), event(database.sealer, "c", prior="o")])
    database.receive([event(database.sealer, "cc", prior="c")])
    assert database.rows("SELECT count(DISTINCT queue), array_agg(seq ORDER BY seq) FROM work") == [
        (1, [0, 1, 2])
    ]
    assert database.one("SELECT ready_at <= now() FROM queue") is True


def test_a_correction_before_its_original_waits_for_it_and_comes_after_it(database: Database) -> None:
    database.receive([event(database.sealer, "c", prior="o")])
    assert database.one("SELECT ready_at > now() + interval '3000 s' FROM queue") is True
    assert "original" in str(database.one("SELECT flag FROM work"))
    database.receive([event(database.sealer, "o")])
    assert database.rows("SELECT seq, flag IS NULL FROM work ORDER BY seq") == [(0, True), (1, False)]
    assert database.one("SELECT ready_at <= now() FROM queue") is True


def test_a_correction_of_a_correction_that_came_first_takes_its_place_before_it(database: Database) -> None:
    database.receive([event(database.sealer, "second", prior="first")])
    database.receive([event(database.sealer, "first", prior="original")])
    queues = database.rows("SELECT queue, array_agg(seq ORDER BY seq) FROM work GROUP BY queue")
    assert [sequence for _, sequence in queues] == [[0, 1]]


def test_bodies_and_ids_are_not_in_the_tables(database: Database) -> None:
    mark = b"Quetzalcoatl-4711"
    database.receive([arrival(database.sealer, mark.decode(), queue=mark.decode(), body=mark)])
    for table in ("seen", "inbox", "queue", "work"):
        for row in database.rows(f"SELECT t::text FROM {table} AS t"):
            assert mark.decode() not in row[0]
            assert mark.hex() not in row[0]
