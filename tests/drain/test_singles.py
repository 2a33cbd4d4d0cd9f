"""Message by message: order, retries, doubt, failure, holds; on the real store."""

import json

import pytest

from resources.errors import PartnerAway, Refused, TryLater, Unsure
from resources.store.values import Message, OnFailure, Receipt
from tests.conftest import Database
from tests.drain.far_end import LANE, FarEnd, drain, lane, states
from tests.store.making import arrival


def fill(database: Database, *names: str, queue: str = "q", kind: str = "changed", **content: object) -> None:
    database.receive(
        arrival(
            database.sealer, name, queue=queue, kind=kind, body=json.dumps({"n": name, **content}).encode()
        )
        for name in names
    )


def named(message: Message) -> str:
    return json.loads(message.body.partition(b":")[2])["n"]


def test_a_queue_is_sent_in_its_order_and_everything_is_delivered(database: Database) -> None:
    far = FarEnd()
    names = [f"n{number:02}" for number in range(30)]
    fill(database, *names)
    fill(database, "other", queue="other")
    figures, how = drain(database, lane(far))
    assert [named(message) for message in far.sent if named(message) != "other"] == names
    assert states(database) == {"delivered": 31}
    assert (figures.sent, how) == (31, "quiet")
    assert database.rows("SELECT count(*), count(lease) FROM queue WHERE ready_at = 'infinity'") == [(2, 0)]


def test_the_bytes_stand_in_the_outbox_before_they_are_sent(database: Database) -> None:
    fill(database, "a", "b")
    seen: list[object] = []

    def look(message: Message) -> Receipt:
        seen.append(database.one("SELECT count(*) FROM outbox WHERE id = %s", message.id))
        return Receipt()

    drain(database, lane(FarEnd(send_=look)))
    assert seen == [1, 1]


def test_the_next_of_a_queue_goes_only_after_the_one_before_is_committed(database: Database) -> None:
    fill(database, "a", "b", "c")
    delivered: list[object] = []

    def look(message: Message) -> Receipt:
        delivered.append(database.one("SELECT count(*) FROM ended WHERE state = 2"))
        return Receipt()

    drain(database, lane(FarEnd(send_=look)))
    assert delivered == [0, 1, 2]


def test_a_message_that_may_be_taken_later_is_tried_again_and_holds_its_queue(database: Database) -> None:
    fill(database, "a", "b")
    tries = iter([TryLater("POST far: 503", status=503)])

    def answer(message: Message) -> Receipt:
        if error := next(tries, None):
            raise error
        return Receipt()

    far = FarEnd(send_=answer)
    drain(database, lane(far, linger=0.3))
    assert [named(message) for message in far.sent] == ["a", "a", "b"]
    assert database.rows("SELECT outcome, status FROM attempt ORDER BY at") == [(2, 503), (0, 200), (0, 200)]


def test_after_the_last_try_it_has_failed_and_the_next_goes(database: Database) -> None:
    fill(database, "a", "b")

    def answer(message: Message) -> Receipt:
        if named(message) == "a":
            raise TryLater("POST far: 503", status=503)
        return Receipt()

    far = FarEnd(send_=answer)
    drain(database, lane(far, linger=0.5))
    assert [named(message) for message in far.sent] == ["a", "a", "a", "b"]
    assert states(database) == {"failed": 1, "delivered": 1}
    assert "3 tries" in str(database.one("SELECT reason FROM ended WHERE state = 3"))


def test_retry_after_lengthens_a_wait_and_never_shortens_it(database: Database) -> None:
    fill(database, "a")
    far = FarEnd(send_=_raises(TryLater("POST far: 429", status=429, after_seconds=60)))
    drain(database, lane(far))
    assert len(far.sent) == 1
    assert database.one("SELECT ready_at > now() + interval '50 s' FROM queue") is True


def _raises(error: Exception):
    def answer(message: Message) -> Receipt:
        raise error

    return answer


@pytest.mark.parametrize(
    ("policy", "sent", "ends"),
    [
        (OnFailure.CONTINUE, ["a", "b", "c"], {"failed": 1, "delivered": 2}),
        (OnFailure.HOLD, ["a"], {"failed": 1, "waiting": 2}),
        (OnFailure.CANCEL_REST, ["a"], {"failed": 1, "cancelled": 2}),
    ],
)
def test_what_follows_a_refused_message(
    database: Database, policy: OnFailure, sent: list[str], ends: dict[str, int]
) -> None:
    fill(database, "a", "b", "c")

    def answer(message: Message) -> Receipt:
        if named(message) == "a":
            raise Refused("POST far: 422", status=422)
        return Receipt()

    far = FarEnd(send_=answer)
    drain(database, lane(far, on_failure=policy))
    assert [named(message) for message in far.sent] == sent
    assert states(database) == ends


def test_what_may_have_arrived_is_asked_about_and_not_sent_twice(database: Database) -> None:
    fill(database, "a", "b")
    errors = iter([Unsure("POST far: 504", status=504)])

    def answer(message: Message) -> Receipt:
        if error := next(errors, None):
            raise error
        return Receipt()

    far = FarEnd(send_=answer, ask_=lambda message: Receipt(external_id="far-1"))
    drain(database, lane(far, linger=0.3))
    assert [named(message) for message in far.sent] == ["a", "b"]
    assert [named(message) for message in far.asked] == ["a"]
    assert states(database) == {"delivered": 2}
    assert [row[0] for row in database.rows("SELECT outcome FROM attempt ORDER BY at")] == [3, 5, 0]


def test_a_no_is_believed_only_after_the_settle_time_and_eats_no_attempt(database: Database) -> None:
    fill(database, "a")
    errors = iter([Unsure("POST far: 504", status=504)])

    def answer(message: Message) -> Receipt:
        if error := next(errors, None):
            raise error
        return Receipt()

    far = FarEnd(send_=answer)
    drain(database, lane(far, linger=0.6))
    assert len(far.sent) == 2
    assert len(far.asked) >= 4
    sent_at = [row[0] for row in database.rows("SELECT at FROM attempt WHERE outcome IN (0, 3) ORDER BY at")]
    assert (sent_at[1] - sent_at[0]).total_seconds() >= 0.4
    assert database.rows("SELECT attempts, state FROM ended") == [(2, 2)]


def test_where_a_partner_cannot_be_asked_it_is_sent_once_more_after_the_settle_time(
    database: Database,
) -> None:
    fill(database, "a")
    errors = iter([Unsure("MLLP far: no ACK")])

    def answer(message: Message) -> Receipt:
        if error := next(errors, None):
            raise error
        return Receipt()

    far = FarEnd(send_=answer)
    drain(database, lane(far, can_ask=False, linger=0.6))
    assert (len(far.sent), len(far.asked)) == (2, 0)
    assert far.sent[0].id == far.sent[1].id
    assert states(database) == {"delivered": 1}


def test_doubt_that_never_ends_is_given_up_once_the_partner_surely_has_it_not(database: Database) -> None:
    fill(database, "a")
    far = FarEnd(send_=_raises(Unsure("POST far: 504", status=504)))
    drain(database, lane(far, linger=0.6, settle=0.1))
    assert len(far.sent) == 3
    assert states(database) == {"failed": 1}


def test_an_arrival_that_cannot_be_mapped_is_set_aside_alone(database: Database) -> None:
    fill(database, "a")
    fill(database, "b", bad=True)
    fill(database, "c")
    far = FarEnd()
    drain(database, lane(far))
    assert [named(message) for message in far.sent] == ["a", "c"]
    assert database.rows("SELECT reason FROM ended WHERE state = 7") == [("bad: must not be true",)]


def test_a_fault_of_a_mapping_keeps_its_words_to_itself(database: Database) -> None:
    database.receive([arrival(database.sealer, "a", body=b'"Quetzalcoatl"')])
    drain(database, lane(FarEnd()))
    reason = str(database.one("SELECT reason FROM ended WHERE state = 7"))
    assert "Quetzalcoatl" not in reason
    assert "fault of ours" in reason


def test_too_many_faults_in_a_row_hold_the_lane(database: Database) -> None:
    database.receive(arrival(database.sealer, f"n{number}", body=b'"not an object"') for number in range(40))
    drain(database, lane(FarEnd(), concurrency=1))
    assert "in a row" in str(database.one("SELECT hold FROM lane WHERE name = %s", LANE))
    assert states(database)["waiting"] > 0


def test_the_parts_of_an_arrival_have_their_own_outcomes(database: Database) -> None:
    fill(database, "a", parts=2)
    fill(database, "b")

    def answer(message: Message) -> Receipt:
        if message.address["part"] == "1":
            raise Refused("POST far: 400", status=400)
        return Receipt()

    far = FarEnd(send_=answer)
    drain(database, lane(far))
    assert [(named(message), message.address["part"]) for message in far.sent] == [
        ("a", "0"),
        ("a", "1"),
        ("b", "0"),
    ]
    assert database.rows("SELECT part, state FROM ended ORDER BY arrival, part") == [(0, 2), (1, 3), (0, 2)]


def test_a_part_that_waits_does_not_resend_the_one_before(database: Database) -> None:
    fill(database, "a", parts=2)
    errors = iter([TryLater("POST far: 503", status=503)])

    def answer(message: Message) -> Receipt:
        if message.address["part"] == "1" and (error := next(errors, None)):
            raise error
        return Receipt()

    far = FarEnd(send_=answer)
    drain(database, lane(far, linger=0.3))
    assert [message.address["part"] for message in far.sent] == ["0", "1", "1"]
    assert states(database) == {"delivered": 2}


def test_of_waiting_snapshots_only_the_newest_goes_and_a_creation_is_never_merged_away(
    database: Database,
) -> None:
    fill(database, "born", kind="created")
    fill(database, "s1", "s2", "s3", kind="changed")
    far = FarEnd()
    drain(database, lane(far, full_state=["changed"]))
    assert [named(message) for message in far.sent] == ["born", "s3"]
    newest = far.sent[-1].id
    assert database.rows("SELECT DISTINCT by_id FROM ended WHERE state = 5") == [(newest,)]


def test_ten_failures_in_a_row_open_the_breaker_and_later_probes_eat_no_attempt(database: Database) -> None:
    for number in range(40):
        fill(database, f"n{number}", queue=f"q{number}")
    far = FarEnd(send_=_raises(TryLater("POST far: 503", status=503)))
    drain(database, lane(far, breaker_after=10, concurrency=4))
    assert 10 <= len(far.sent) <= 16
    assert database.one("SELECT away_since IS NOT NULL FROM lane WHERE name = %s", LANE) is True
    with database.connect() as db:
        db.execute("UPDATE lane SET away_until = now() WHERE name = %s", [LANE])
        db.execute("UPDATE queue SET ready_at = now()")
    before = len(far.sent)
    drain(database, lane(far, breaker_after=10))
    assert len(far.sent) == before + 1
    assert database.one("SELECT count(*) FROM attempt WHERE outcome = 7") == 1
    assert database.one("SELECT max(attempts) FROM work") == 1
    with database.connect() as db:
        db.execute("UPDATE lane SET away_until = now() WHERE name = %s", [LANE])
        db.execute("UPDATE queue SET ready_at = now()")
    drain(database, lane(FarEnd(), breaker_after=10))
    assert states(database) == {"delivered": 40}


def test_a_partner_that_cannot_work_at_all_pauses_the_lane_at_once(database: Database) -> None:
    fill(database, "a")
    far = FarEnd(send_=_raises(PartnerAway("POST far/token: 401", status=401)))
    drain(database, lane(far))
    assert database.rows("SELECT attempts FROM work") == [(0,)]
    assert database.one("SELECT away_reason FROM lane WHERE name = %s", LANE) == "POST far/token: 401"


def test_a_missing_key_pauses_the_lane_and_fails_nothing(database: Database) -> None:
    fill(database, "a", "b")
    with database.connect() as db:
        db.execute("UPDATE queue SET ready_at = now()")
    other = database.with_(HANDOFF_KEYS="k9:" + "A" * 43 + "=")
    from assets.drain.run import drain_singles

    drain_singles(other, lane(FarEnd()), run_id="r")
    assert states(database) == {"waiting": 2}
    assert "k1" in str(database.one("SELECT away_reason FROM lane WHERE name = %s", LANE))


def test_one_queue_can_be_worked_by_itself(database: Database) -> None:
    fill(database, "a", queue="one")
    fill(database, "b", queue="two")
    far = FarEnd()
    drain(database, lane(far), only=database.sealer.blind("queue", LANE, "two"))
    assert [named(message) for message in far.sent] == ["b"]


def test_a_held_queue_stands_still_and_goes_on_when_released(database: Database) -> None:
    from resources.store import operators

    fill(database, "a", queue="one")
    key = database.sealer.blind("queue", LANE, "one")
    who = operators.Who("Op", "the clinic asked")
    with database.connect() as db:
        operators.hold_queue(db, key, who)
    fill(database, "b", queue="one")
    far = FarEnd()
    drain(database, lane(far))
    assert far.sent == []
    with database.connect() as db:
        operators.release_queue(db, key, who)
    drain(database, lane(far))
    assert [named(message) for message in far.sent] == ["a", "b"]
    assert database.rows("SELECT who, what, reason FROM audit ORDER BY id") == [
        ("Op", "hold queue", "the clinic asked"),
        ("Op", "release queue", "the clinic asked"),
    ]


def test_a_failed_message_is_sent_again_in_its_place_and_frees_its_queue(database: Database) -> None:
    from resources.store import operators

    fill(database, "a", "b")
    refuse = [True]

    def answer(message: Message) -> Receipt:
        if refuse[0]:
            raise Refused("POST far: 422", status=422)
        return Receipt()

    far = FarEnd(send_=answer)
    drain(database, lane(far, on_failure=OnFailure.HOLD))
    assert states(database) == {"failed": 1, "waiting": 1}
    refuse[0] = False
    with database.connect() as db:
        operators.retry_now(db, far.sent[0].id, operators.Who("Op", "partner mended"))
    drain(database, lane(far, on_failure=OnFailure.HOLD))
    assert [named(message) for message in far.sent] == ["a", "a", "b"]
    assert states(database) == {"delivered": 2}


def test_a_failed_message_that_was_passed_goes_to_the_end(database: Database) -> None:
    from resources.store import operators

    fill(database, "a", "b")
    fail = [True]

    def answer(message: Message) -> Receipt:
        if named(message) == "a" and fail[0]:
            raise Refused("POST far: 422", status=422)
        return Receipt()

    far = FarEnd(send_=answer)
    drain(database, lane(far))
    fail[0] = False
    with database.connect() as db:
        done = operators.reopen(db, [far.sent[0].id], operators.Who("Op", "again"))
    assert done == operators.Reopened(waiting=1, superseded=0)
    fill(database, "c")
    drain(database, lane(far))
    assert [named(message) for message in far.sent] == ["a", "b", "a", "c"]


def test_a_failed_snapshot_that_was_passed_is_superseded(database: Database) -> None:
    from resources.store import operators

    fill(database, "a")
    drain(database, lane(FarEnd(send_=_raises(Refused("POST far: 422", status=422)))))
    fill(database, "b")
    drain(database, lane(FarEnd()))
    failed = database.one("SELECT arrival FROM ended WHERE state = 3")
    with database.connect() as db:
        done = operators.reopen(db, [int(str(failed))], operators.Who("Op", "again"), full_state=["changed"])
    assert done == operators.Reopened(waiting=0, superseded=1)
    assert states(database) == {"delivered": 1, "superseded": 1}


def test_a_skipped_message_lets_its_queue_go_on(database: Database) -> None:
    from resources.store import operators

    fill(database, "a", "b")
    refusing = FarEnd(send_=_raises(Refused("POST far: 422", status=422)))
    drain(database, lane(refusing, on_failure=OnFailure.HOLD))
    with database.connect() as db:
        operators.skip(db, refusing.sent[0].id, operators.Who("Op", "duplicate of a fax"))
    far = FarEnd()
    drain(database, lane(far, on_failure=OnFailure.HOLD))
    assert [named(message) for message in far.sent] == ["b"]
    assert states(database) == {"skipped": 1, "delivered": 1}
