"""Message by message, when it is not plain: doubt by the plan, parts mapped anew, pauses; on the real store."""

import asyncio
import json
from dataclasses import replace

import pytest

from assets.drain.outcomes import RetryPlan
from assets.drain.writing import TakenOver, Writing
from resources.errors import OneAway, PartnerAway, Refused, TryLater, Unsure
from resources.store import claims, drains, operators
from resources.store.books import Settled, Stored
from resources.store.connect import connect_async
from resources.store.lanes import NUMBERS
from resources.store.values import Message, OnFailure, Receipt, State
from tests.conftest import Database
from tests.drain.far_end import LANE, FarEnd, drain, lane, states
from tests.store.making import arrival

WHO = operators.Who("Op", "mended")


def fill(database: Database, *names: str, queue: str = "q", kind: str = "changed", **content: object) -> None:
    for name in names:
        body = json.dumps({"n": name, **content}).encode()
        database.receive([arrival(database.sealer, name, queue=queue, kind=kind, body=body)])


def part_of(message: Message) -> str:
    return message.address["part"]


def test_what_may_have_arrived_is_sent_again_by_the_plan_and_not_as_soon_as_a_no_is_believed(
    database: Database,
) -> None:
    fill(database, "a")

    def answer(message: Message) -> Receipt:
        raise Unsure("POST far: 503", status=503)

    plan = RetryPlan(waits=(0.1, 1.0, 60.0), jitter=0.0)
    drain(database, lane(FarEnd(send_=answer), settle=0.3, retry=plan, linger=1.6))
    rows = database.rows("SELECT extract(epoch FROM at)::float8 FROM attempt WHERE outcome = 3 ORDER BY at")
    sent = [row[0] for row in rows]
    assert len(sent) == 3
    assert 0.3 <= sent[1] - sent[0] < 0.9  # the settle time, which is longer than the plan
    assert sent[2] - sent[1] >= 1.0  # the plan, which is longer than the settle time
    assert database.one("SELECT attempts FROM work") == 3


def outcomes_of(database: Database) -> list[int]:
    return [row[0] for row in database.rows("SELECT outcome FROM attempt ORDER BY at")]


def test_doubt_about_which_nobody_can_be_asked_is_told_after_one_more_try_and_holds_the_queue(
    database: Database,
) -> None:
    fill(database, "a", "b")

    def silent(message: Message) -> Receipt:
        raise Unsure("MLLP far: no acknowledgement")

    far = FarEnd(send_=silent)
    drain(database, lane(far, can_ask=False, on_failure=OnFailure.HOLD, settle=0.2, linger=0.8))
    assert len(far.sent) == 2
    assert outcomes_of(database) == [3, 3]
    assert states(database) == {"failed": 1, "waiting": 1}
    assert "ask the partner" in str(database.one("SELECT reason FROM ended"))


def test_a_partner_who_answers_that_it_could_not_is_tried_by_the_whole_plan(database: Database) -> None:
    fill(database, "a")

    def answer(message: Message) -> Receipt:
        raise Unsure("POST far: 503", status=503)

    far = FarEnd(send_=answer)
    plan = RetryPlan(waits=(0.05, 0.05, 0.05), jitter=0.0)
    drain(database, lane(far, can_ask=False, settle=0.1, retry=plan, linger=0.8))
    assert outcomes_of(database) == [3, 3, 3, 3]
    assert states(database) == {"failed": 1}


def test_what_is_not_due_yet_is_waited_for_without_a_word(database: Database) -> None:
    fill(database, "a")
    with database.connect() as db:
        db.execute("UPDATE work SET unsure_at = now()")
    far = FarEnd()
    drain(database, lane(far, can_ask=False, settle=0.4, linger=0.8))
    assert outcomes_of(database) == [0]
    took = database.one(
        "SELECT extract(epoch FROM max(a.at) - min(d.started_at))::float8 FROM attempt a, drain d"
    )
    assert float(str(took)) >= 0.3


def test_doubt_outlasts_the_time_in_which_a_partner_is_away(database: Database) -> None:
    fill(database, "a")
    answers: list[Exception] = [
        Unsure("MLLP far: no acknowledgement"),
        OneAway("far: away", after_seconds=0.05),
    ]

    def answer(message: Message) -> Receipt:
        raise answers.pop(0) if answers else Unsure("MLLP far: no acknowledgement")

    far = FarEnd(send_=answer)
    drain(database, lane(far, can_ask=False, settle=0.1, linger=0.8))
    assert outcomes_of(database) == [3, 7, 3]
    assert states(database) == {"failed": 1}


def test_a_question_that_is_not_answered_opens_the_breaker_too(database: Database) -> None:
    for number in range(6):
        fill(database, f"n{number}", queue=f"q{number}")

    def away(message: Message) -> Receipt:
        raise Unsure("POST far: 503", status=503)

    def silent(message: Message) -> Receipt | None:
        raise TryLater("GET far: 503", status=503)

    drain(database, lane(FarEnd(send_=away, ask_=silent), breaker_after=9, linger=0.5, settle=5.0))
    assert database.one("SELECT away_since IS NOT NULL FROM lane WHERE name = %s", LANE) is True
    assert database.one("SELECT max(attempts) FROM work") == 1


def test_an_honest_no_closes_the_breaker(database: Database) -> None:
    fill(database, "a")
    far = FarEnd(send_=lambda message: (_ for _ in ()).throw(Unsure("POST far: 504", status=504)))
    drain(database, lane(far, settle=5.0, breaker_after=1, ask_every=1.0))
    with database.connect() as db:
        db.execute("UPDATE lane SET away_until = now() WHERE name = %s", [LANE])
        db.execute("UPDATE queue SET ready_at = now()")
    drain(database, lane(far, settle=5.0, breaker_after=1, ask_every=1.0))
    assert len(far.asked) == 1
    assert database.one("SELECT away_since FROM lane WHERE name = %s", LANE) is None


def test_what_was_on_its_way_when_the_breaker_opened_does_not_open_it_wider(database: Database) -> None:
    for number in range(30):
        fill(database, f"n{number}", queue=f"q{number}")
    waiting = asyncio.Event()

    async def all_at_once(message: Message) -> None:
        if len(far.sent) == 30:
            waiting.set()
        await waiting.wait()

    def answer(message: Message) -> Receipt:
        raise TryLater("POST far: 503", status=503)

    far = FarEnd(send_=answer, before=all_at_once)
    drain(database, lane(far, breaker_after=3, concurrency=30))
    assert database.one("SELECT away_step FROM lane WHERE name = %s", LANE) == 0


def test_a_question_that_is_refused_ends_with_a_person_after_the_settle_time(database: Database) -> None:
    fill(database, "a")

    def doubt(message: Message) -> Receipt:
        raise Unsure("POST far: 504", status=504)

    def refuse(message: Message) -> Receipt | None:
        raise Refused("GET far: 403", status=403)

    drain(database, lane(FarEnd(send_=doubt, ask_=refuse), linger=0.6))
    assert states(database) == {"failed": 1}
    assert "403" in str(database.one("SELECT reason FROM ended"))


@pytest.mark.parametrize("refused", ["0", "1"])
def test_a_part_that_was_refused_is_mapped_anew_alone(database: Database, refused: str) -> None:
    fill(database, "a", parts=2)
    mended = False

    def answer(message: Message) -> Receipt:
        if part_of(message) == refused and not mended:
            raise Refused("POST far: 400", status=400)
        return Receipt()

    far = FarEnd(send_=answer)
    drain(database, lane(far))
    failed = int(str(database.one("SELECT arrival + part FROM ended WHERE state = 3")))
    with database.connect() as db:
        operators.retry_now(db, failed, WHO)
    mended = True
    far.sent.clear()
    drain(database, lane(far))
    assert [part_of(message) for message in far.sent] == [refused]
    assert states(database) == {"delivered": 2}


def test_a_held_part_that_is_mapped_anew_finds_the_others_waiting(database: Database) -> None:
    fill(database, "a", parts=3)
    mended = False

    def answer(message: Message) -> Receipt:
        if part_of(message) == "0" and not mended:
            raise Refused("POST far: 400", status=400)
        return Receipt()

    far = FarEnd(send_=answer)
    drain(database, lane(far, on_failure=OnFailure.HOLD))
    assert states(database) == {"failed": 1, "waiting": 2}
    failed = int(str(database.one("SELECT arrival + part FROM ended WHERE state = 3")))
    with database.connect() as db:
        operators.retry_now(db, failed, WHO)
    mended = True
    far.sent.clear()
    drain(database, lane(far, on_failure=OnFailure.HOLD))
    assert [part_of(message) for message in far.sent] == ["0", "1", "2"]
    assert states(database) == {"delivered": 3}


def test_a_lane_that_cannot_prepare_pauses_and_claims_nothing(database: Database) -> None:
    fill(database, "a")

    async def refuse() -> None:
        raise PartnerAway("GET far/physicians: none has the name")

    far = FarEnd()
    drain(database, replace(lane(far), prepare=refuse))
    assert far.sent == []
    assert "none has the name" in str(database.one("SELECT away_reason FROM lane WHERE name = %s", LANE))
    assert database.rows("SELECT attempts FROM work") == [(0,)]


def test_bytes_and_outcomes_of_one_turn_are_written_together_or_not_at_all(database: Database) -> None:
    fill(database, "a", "b")

    async def main() -> None:
        async with await connect_async(database.cluster.app_url) as db:
            lease = await drains.register(db, NUMBERS[LANE], "r", "")
            found = await claims.claim(db, NUMBERS[LANE], lease, queues=1, each=2)
            (first, second) = next(iter(found.values()))
            place = {
                "queue": first.queue,
                "arrival": first.arrival,
                "part": 0,
                "version": 0,
                "track": NUMBERS[LANE],
            }
            settled = Settled(**place, seq=1, attempts=1, state=State.DELIVERED, outcome=0)
            bytes_ = {"kind": "k", "digest": 1, "body": b"x"}
            good = Stored(**place | {"arrival": second.arrival}, seq=2, **bytes_)
            stray = Stored(**place | {"queue": 4711}, seq=2, **bytes_)
            writing = Writing(db, lease)
            with pytest.raises(TakenOver):
                await writing._flush([good, stray], [])
            twice = Stored(**place | {"arrival": second.arrival}, seq=2, **bytes_)
            with pytest.raises(Exception, match="duplicate key"):
                await writing._flush([twice], [settled])

    asyncio.run(main())
    assert database.one("SELECT count(*) FROM ended") == 0
    assert database.one("SELECT count(*) FROM attempt") == 0
