"""The life of a run: it registers, takes over, lingers, hands over, and ends when it must."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.drain.settings import BatchReceipt
from assets.drain.writing import TakenOver
from resources.store import drains
from resources.store.lanes import NUMBERS
from tests.conftest import ROOT, Database
from tests.drain import far_end
from tests.drain.far_batches import (
    FarEnd,
    Sent,
    drain,
    fill,
    lane,
    names,
    nothing_is_leased,
    states,
    taken,
)
from tests.store.making import arrival

LANE = NUMBERS["reportstream"]


class Died(Exception):
    """A fault nobody has thought of."""


def beside(act: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Do it in a thread; its end, good or bad, is the list's one item."""
    ended: list[object] = []

    def run() -> None:
        try:
            ended.append(act())
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ended


def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for it; fail when it does not come true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


def lives(database: Database) -> bool:
    with database.connect() as db:
        return drains.lives(db, LANE)


def test_a_run_lives_while_it_lingers_and_not_after(database: Database) -> None:
    thread, ended = beside(lambda: drain(database, lane(FarEnd(), linger=0.5)))
    until(lambda: lives(database))
    thread.join(10)
    assert lives(database) is False
    assert ended[0][1] == "quiet"
    assert database.rows("SELECT how, ended_at IS NOT NULL FROM drain") == [("quiet", True)]


def test_a_lingering_run_sends_at_once_what_comes(database: Database) -> None:
    far = FarEnd()
    thread, _ = beside(lambda: drain(database, lane(far, linger=1.0)))
    until(lambda: lives(database))
    time.sleep(0.2)
    fill(database, "one")
    stored = time.monotonic()
    until(lambda: far.sent)
    assert time.monotonic() - stored < 0.5
    thread.join(10)


def test_what_becomes_ready_just_after_a_look_is_not_slept_over(database: Database) -> None:
    """A row lock stands for the moment between the claim and the question when the next is ready."""
    database.receive([arrival(database.sealer, "a", body=b'{"n": "a"}')])
    far = far_end.FarEnd()
    with database.connect() as db:
        with db.transaction():
            db.execute("SELECT 1 FROM queue FOR UPDATE")
            thread, _ = beside(lambda: far_end.drain(database, far_end.lane(far, linger=4.0)))
            until(lambda: database.rows("SELECT 1 FROM drain WHERE ended_at IS NULL"))
            time.sleep(0.3)
        released = time.monotonic()
        until(lambda: far.sent)
    assert time.monotonic() - released < 1.0
    thread.join(10)


def test_a_lingering_run_costs_next_to_nothing(database: Database) -> None:
    fill(database, "waits for its window")
    drain(database, lane(FarEnd(), linger=0.2, window=60.0))  # imports and first plans
    before = time.process_time()
    drain(database, lane(FarEnd(), linger=2.0, window=60.0, heartbeat=2.0))
    assert time.process_time() - before < 0.4  # most of it is connecting


def test_an_asked_for_run_has_answered_once_it_lives(database: Database) -> None:
    with database.connect() as db:
        assert drains.ask(db, LANE, 20.0) is True
        assert drains.ask(db, LANE, 20.0) is False
        drain(database, lane(FarEnd()))
        assert drains.ask(db, LANE, 20.0) is True


def test_two_runs_share_a_lane_and_send_everything_once(database: Database) -> None:
    fill(database, *names(400))
    ends = [FarEnd(), FarEnd()]
    threads = [beside(lambda far=far: drain(database, lane(far, most_items=10, linger=0.2))) for far in ends]
    for thread, _ in threads:
        thread.join(30)
    assert [ended[0][1] for _, ended in threads] == ["quiet", "quiet"]
    assert sorted(ends[0].keys + ends[1].keys) == names(400)
    assert states(database) == {"accepted": 400}
    assert nothing_is_leased(database)


def test_two_runs_of_single_messages_keep_every_queue_in_order(database: Database) -> None:
    database.receive(
        arrival(
            database.sealer, f"{queue}-{number:03}", queue=str(queue), body=json.dumps({"n": number}).encode()
        )
        for number in range(20)
        for queue in range(20)
    )
    order: dict[int, list[int]] = {}

    async def keep(message: object) -> None:
        order.setdefault(message.queue, []).append(message.seq)
        await asyncio.sleep(0.001)

    ends = [far_end.FarEnd(before=keep), far_end.FarEnd(before=keep)]
    threads = [beside(lambda far=far: far_end.drain(database, far_end.lane(far, each=3))) for far in ends]
    for thread, _ in threads:
        thread.join(30)
    assert [ended[0][1] for _, ended in threads] == ["quiet", "quiet"]
    assert far_end.states(database) == {"delivered": 400}
    assert all(sequence == list(range(1, 21)) for sequence in order.values())


def test_a_run_hands_over_to_the_next_from_its_ninth_minute(database: Database) -> None:
    old, new = FarEnd(), FarEnd()
    thread, ended = beside(lambda: drain(database, lane(old, linger=30.0, leave_after=0.2)))
    until(lambda: database.rows("SELECT 1 FROM drain WHERE leaving"))
    assert lives(database) is False  # the sensor may ask for the next
    fill(database, "between")
    until(lambda: old.sent)  # it goes on until the next is there
    drain(database, lane(new, linger=0.5))
    thread.join(10)
    assert ended[0][1] == "handed over"


def test_a_run_ends_by_its_twelfth_minute_even_if_nobody_comes(database: Database) -> None:
    _, how = drain(database, lane(FarEnd(), linger=30.0, leave_after=0.1, end_after=0.3))
    assert how == "time is up"


def test_a_run_of_older_code_ends_when_newer_is_published(database: Database) -> None:
    thread, ended = beside(lambda: drain(database, lane(FarEnd(), linger=30.0), code="old"))
    until(lambda: lives(database))
    time.sleep(0.15)
    with database.connect() as db:
        db.execute("UPDATE lane SET code = 'old' WHERE number = %s", [LANE])
    time.sleep(0.3)
    assert thread.is_alive()
    with database.connect() as db:
        db.execute("UPDATE lane SET code = 'new' WHERE number = %s", [LANE])
    thread.join(10)
    assert ended[0][1] == "new code"


def test_a_dead_helper_ends_the_run(database: Database) -> None:
    thread, ended = beside(lambda: drain(database, lane(FarEnd(), linger=30.0)))
    until(lambda: lives(database))
    with database.connect() as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'handoff batches' LIMIT 1"
        )
    fill(database, "one")  # whoever has lost its connection learns it by its next statement
    thread.join(10)
    assert not thread.is_alive()
    assert type(ended[0]).__module__.startswith("psycopg")


@pytest.mark.parametrize("connection", ["handoff claims", "handoff listen"])
def test_a_lost_connection_ends_the_run_within_its_heartbeat(database: Database, connection: str) -> None:
    thread, ended = beside(lambda: drain(database, lane(FarEnd(), linger=30.0)))
    until(lambda: lives(database))
    with database.connect() as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [connection]
        )
    thread.join(5)
    assert not thread.is_alive()
    assert type(ended[0]).__module__.startswith("psycopg")


def test_a_fault_nobody_has_thought_of_ends_the_run_and_is_named(database: Database) -> None:
    fill(database, "one")

    def answer(sent: Sent) -> BatchReceipt:
        raise Died

    started = time.monotonic()
    with pytest.raises(Died):
        drain(database, lane(FarEnd(send_=answer), linger=30.0))
    assert time.monotonic() - started < 5


def test_a_run_that_was_taken_for_dead_counts_no_more(database: Database) -> None:
    """It sleeps through its heartbeat with a request under way; the next run asks, and does not send."""
    fill(database, "one")
    go_on = threading.Event()

    async def sleeps(sent: Sent) -> None:
        await asyncio.to_thread(go_on.wait, 10)

    slow = FarEnd(before=sleeps)
    thread, ended = beside(lambda: drain(database, lane(slow, linger=30.0, heartbeat=1.0)))
    until(lambda: slow.sent)
    with database.connect() as db:
        db.execute("UPDATE drain SET beat_at = now() - interval '60 s'")
    second = FarEnd(ask_=lambda payload, keys: BatchReceipt(status=200, external_id="it has it"))
    drain(database, lane(second, linger=0.1))
    go_on.set()
    thread.join(10)
    assert isinstance(ended[0], TakenOver)
    assert (second.sent, len(second.asked)) == ([], 1)
    assert states(database) == {"accepted": 1}
    assert database.rows("SELECT external_id FROM batch") == [("it has it",)]


def test_what_a_taken_over_run_had_leased_since_is_freed_as_well(database: Database) -> None:
    """Cut off or suspended, it claims once more before it learns; nobody else would ever free that."""
    fill(database, *names(3))
    with database.connect() as db:
        db.execute(
            "INSERT INTO drain (lease, lane, run_id, code, ended_at, how)"
            " VALUES (%s, %s, 'r', '', now(), 'taken over')",
            [5 << 20, LANE],
        )
        db.execute("UPDATE queue SET lease = %s", [(5 << 20) + 3])
    far = FarEnd()
    drain(database, lane(far))
    assert sorted(far.keys) == names(3)


def test_a_run_sends_no_batch_whose_members_another_has_taken(database: Database) -> None:
    fill(database, *names(3))
    far = FarEnd()
    one = lane(far)
    join = one.join

    def takes_away(items: object) -> bytes:
        with database.connect() as db:
            db.execute("UPDATE queue SET lease = 7 WHERE lease IS NOT NULL")
        return join(items)

    object.__setattr__(one, "join", takes_away)
    with pytest.raises(TakenOver):
        drain(database, one)
    assert far.sent == []


def test_a_run_sends_no_message_whose_queue_another_has_taken(database: Database) -> None:
    database.receive([arrival(database.sealer, "a", body=b'{"n": "a"}')])
    far = far_end.FarEnd()
    one = far_end.lane(far)

    def takes_away(mapped: object) -> object:
        with database.connect() as db:
            db.execute("UPDATE queue SET lease = 7 WHERE lease IS NOT NULL")
        return far_end.mapped(mapped)

    object.__setattr__(one, "map", takes_away)
    with pytest.raises(TakenOver):
        far_end.drain(database, one)
    assert far.sent == []


PROGRAM = """
import sys
from resources.settings import Settings
from tests.drain.far_batches import FarEnd, lane
from assets.drain.run import drain_batches
import asyncio, json

async def slow(sent):
    print("sending", flush=True)
    await asyncio.sleep(0.5)

settings = Settings(json.loads(sys.stdin.readline()))
figures, how = drain_batches(settings, [lane(FarEnd(before=slow), linger=30.0)], run_id="process")
print(how, figures.sent, flush=True)
"""


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_after_what_is_in_flight(database: Database, sign: signal.Signals) -> None:
    fill(database, *names(3))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(ROOT),
        env=environment,
    ) as process:
        process.stdin.write(json.dumps(dict(database.settings.values)) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "sending\n"
        asked = time.monotonic()
        process.send_signal(sign)
        said = process.stdout.read()
        process.wait(10)
    assert (said, process.returncode) == ("asked to stop 3\n", 0)
    assert time.monotonic() - asked < 3.0
    assert states(database) == {"accepted": 3}
    assert nothing_is_leased(database)
    assert lives(database) is False


def test_killed_outright_it_leaves_what_is_in_flight_in_doubt_and_the_next_run_goes_on(
    database: Database,
) -> None:
    fill(database, *names(3))
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(ROOT),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        process.stdin.write(json.dumps(dict(database.settings.values)) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "sending\n"
        process.kill()
        process.wait(10)
    until(lambda: not lives(database))
    far = FarEnd(send_=taken)
    drain(database, lane(far, linger=0.5))
    assert len(far.asked) >= 1
    assert far.sizes == [3]  # it never arrived: after the settle time it goes once
    assert states(database) == {"accepted": 3}
