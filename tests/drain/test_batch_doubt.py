"""Batches in doubt: asked about before they go again; taken over from a run that died; followed to their end."""

import time

import pytest

from assets.drain.outcomes import RetryPlan
from assets.drain.settings import BatchReceipt, Fate, ItemsRefused, Remark
from resources.errors import TryLater, Unsure
from resources.store import batches
from resources.store.lanes import NUMBERS
from resources.store.lanes import batches as batch_track
from tests.conftest import Database
from tests.drain.far_batches import (
    FarEnd,
    Sent,
    drain,
    fill,
    in_turn,
    lane,
    let_polls_be_due,
    names,
    nothing_is_leased,
    raises,
    refuses,
    states,
    taken,
)

GONE = Unsure("POST far: 504", status=504)
KNOWN = BatchReceipt(status=200, external_id="known")


class Died(Exception):
    """The process ends here."""


def test_what_may_have_arrived_is_asked_about_and_not_sent_twice(database: Database) -> None:
    fill(database, *names(4))
    far = FarEnd(send_=in_turn(raises(GONE)), ask_=lambda payload, keys: KNOWN)
    drain(database, lane(far, linger=0.3))
    assert (far.sizes, far.asked) == ([4], [far.sent[0].payload])
    assert states(database) == {"accepted": 4}
    assert [row[0] for row in database.rows("SELECT outcome FROM attempt ORDER BY at")] == [3, 5]


def test_a_no_is_believed_only_after_the_settle_time_and_eats_no_attempt(database: Database) -> None:
    fill(database, *names(4))
    far = FarEnd(send_=in_turn(raises(GONE)))
    drain(database, lane(far, linger=0.6))
    assert far.sizes == [4, 4]
    assert far.sent[0] == far.sent[1]
    assert len(far.asked) >= 3
    at = [row[0] for row in database.rows("SELECT at FROM attempt WHERE outcome IN (1, 3) ORDER BY at")]
    assert (at[1] - at[0]).total_seconds() >= 0.3


def test_the_settle_time_starts_anew_with_each_try_in_doubt(database: Database) -> None:
    fill(database, "one")
    far = FarEnd(send_=in_turn(raises(GONE), raises(GONE)))
    drain(database, lane(far, linger=0.7))
    assert far.sizes == [1, 1, 1]
    at = [row[0] for row in database.rows("SELECT at FROM attempt WHERE outcome IN (1, 3) ORDER BY at")]
    assert (at[1] - at[0]).total_seconds() >= 0.3
    assert (at[2] - at[1]).total_seconds() >= 0.3


def test_after_a_believed_no_it_is_sent_again_by_the_plan_and_not_sooner(database: Database) -> None:
    fill(database, "one")
    far = FarEnd(send_=in_turn(raises(GONE)))
    plan = RetryPlan(waits=(0.6,), jitter=0.0)
    drain(database, lane(far, settle=0.1, retry=plan, linger=0.8))
    at = [row[0] for row in database.rows("SELECT at FROM attempt WHERE outcome IN (1, 3) ORDER BY at")]
    assert (at[1] - at[0]).total_seconds() >= 0.6


def test_a_partner_that_cannot_be_asked_now_is_asked_again_and_nothing_is_sent(database: Database) -> None:
    fill(database, "one")
    questions = iter([TryLater("GET far: 503", status=503)] * 3)

    def ask(payload: str, keys: tuple[str, ...]) -> BatchReceipt | None:
        if error := next(questions, None):
            raise error
        return KNOWN

    far = FarEnd(send_=raises(GONE), ask_=ask)
    drain(database, lane(far, settle=0.05, linger=0.4))
    assert (far.sizes, len(far.asked)) == ([1], 4)
    assert states(database) == {"accepted": 1}
    at = [row[0] for row in database.rows("SELECT at FROM attempt ORDER BY at")]
    assert (at[3] - at[1]).total_seconds() >= 0.1  # not as fast as it can


def test_a_batch_that_had_arrived_and_was_refused_is_parted_by_the_names_in_the_answer(
    database: Database,
) -> None:
    fill(database, *names(4))

    def ask(payload: str, keys: tuple[str, ...]) -> BatchReceipt | None:
        raise ItemsRefused("asked: 400", status=400, answer=b"", remarks=[Remark(2, "error", "no good")])

    far = FarEnd(send_=in_turn(raises(GONE)), ask_=ask)
    drain(database, lane(far, linger=0.3))
    assert far.sizes == [4, 3]
    assert states(database) == {"failed": 1, "accepted": 3}


def test_doubt_that_never_ends_is_given_up_once_the_partner_surely_has_it_not(database: Database) -> None:
    fill(database, *names(2))
    far = FarEnd(send_=raises(GONE))
    drain(database, lane(far, settle=0.1, linger=0.5))
    assert len(far.sent) == 3
    assert states(database) == {"failed": 2}
    assert nothing_is_leased(database)


def test_what_is_in_doubt_is_asked_about_while_the_partner_is_away_and_a_yes_brings_it_back(
    database: Database,
) -> None:
    fill(database, "one")
    answers = iter([None, None])
    far = FarEnd(send_=in_turn(raises(GONE)), ask_=lambda payload, keys: next(answers, KNOWN))
    started = time.monotonic()
    drain(database, lane(far, breaker_after=1, settle=60.0, linger=0.4))
    assert time.monotonic() - started < 3.0
    assert (far.sizes, len(far.asked)) == ([1], 3)
    assert states(database) == {"accepted": 1}
    assert database.one("SELECT away_since IS NULL FROM lane WHERE name = 'reportstream'") is True


def test_a_no_while_the_partner_is_away_sends_nothing_before_the_probe(database: Database) -> None:
    fill(database, "one")
    far = FarEnd(send_=raises(GONE))
    drain(database, lane(far, breaker_after=1, settle=0.05, ask_every=0.3, linger=0.2))
    assert len(far.sent) == 1
    assert 1 <= len(far.asked) <= 3
    assert states(database) == {"waiting": 1}


def test_a_question_does_not_use_up_the_probe(database: Database) -> None:
    fill(database, "one")
    drain(database, lane(FarEnd(send_=raises(GONE)), breaker_after=1))
    with database.connect() as db:
        db.execute("UPDATE lane SET away_until = now() WHERE name = 'reportstream'")
        db.execute("UPDATE queue SET ready_at = now() WHERE lane >= 100")
    far = FarEnd()
    drain(database, lane(far, breaker_after=1, settle=60.0))
    assert far.sent == []
    assert len(far.asked) >= 1
    assert (
        database.one("SELECT away_until < now() + interval '6 s' FROM lane WHERE name = 'reportstream'")
        is True
    )


# -- a run that died ---------------------------------------------------------------------------------------------


def test_a_run_that_dies_with_a_batch_under_way_leaves_it_in_doubt(database: Database) -> None:
    fill(database, *names(6))
    with pytest.raises(Died):
        drain(database, lane(FarEnd(send_=raises(Died())), most_items=2))
    far = FarEnd(ask_=lambda payload, keys: KNOWN)
    drain(database, lane(far, most_items=2, linger=0.3))
    open_batches = len(far.asked)
    assert 1 <= open_batches <= 3
    assert len(far.sent) == 3 - open_batches
    assert states(database) == {"accepted": 6}
    assert nothing_is_leased(database)


def test_a_run_that_dies_between_claim_and_batch_leaves_its_events_free(database: Database) -> None:
    fill(database, *names(3))
    dying = lane(FarEnd())

    def join(items: object) -> bytes:
        raise Died

    object.__setattr__(dying, "join", join)
    with pytest.raises(Died):
        drain(database, dying)
    assert database.one("SELECT count(*) FROM queue WHERE lease IS NOT NULL") == 3
    far = FarEnd()
    drain(database, lane(far))
    assert (far.sizes, far.asked) == ([3], [])
    assert states(database) == {"accepted": 3}


def test_a_batch_whose_run_died_while_it_waited_goes_on_with_its_members(database: Database) -> None:
    fill(database, "waits")
    drain(database, lane(FarEnd(send_=raises(TryLater("POST far: 503", status=503, after_seconds=60)))))
    fill(database, "dies")
    with pytest.raises(Died):
        drain(database, lane(FarEnd(send_=raises(Died()))))
    with database.connect() as db:
        db.execute("UPDATE queue SET ready_at = now() WHERE ready_at < 'infinity'")
    far = FarEnd(ask_=lambda payload, keys: KNOWN if keys == ("dies",) else None)
    drain(database, lane(far, linger=0.6))
    assert [sent.keys for sent in far.sent] == [("waits",)]
    assert states(database) == {"accepted": 2}


def test_a_half_of_a_parted_batch_survives_the_death_of_its_run(database: Database) -> None:
    fill(database, *names(8))

    def answer(sent: Sent) -> BatchReceipt:
        if len(sent.keys) == 4:
            raise Died
        return refuses("e0006", named=False)(sent)

    with pytest.raises(Died):
        drain(database, lane(FarEnd(send_=answer)))
    far = FarEnd(send_=refuses("e0006", named=False))
    drain(database, lane(far, linger=0.6))
    assert states(database) == {"failed": 1, "accepted": 7}
    accepted = [key for sent in far.sent if "e0006" not in sent.keys for key in sent.keys]
    assert sorted(accepted) == sorted(set(names(8)) - {"e0006"})
    assert nothing_is_leased(database)


# -- what became of it -------------------------------------------------------------------------------------------


def test_an_accepted_batch_is_delivered_when_the_partner_says_so(database: Database) -> None:
    fill(database, *names(3))
    drain(database, lane(FarEnd()))
    assert states(database) == {"accepted": 3}
    let_polls_be_due(database)
    with database.connect() as db:
        assert batches.poll_due(db, batch_track(NUMBERS["reportstream"])) is True
    far = FarEnd(fate_=lambda external_id: Fate(final=True, tally={"sent": 3}))
    drain(database, lane(far, linger=0.2))
    assert states(database) == {"delivered": 3}
    assert database.rows("SELECT state, tally FROM batch") == [(2, {"sent": 3})]
    with database.connect() as db:
        assert batches.poll_due(db, batch_track(NUMBERS["reportstream"])) is False


def test_items_no_receiver_took_have_failed_although_their_batch_was_accepted(database: Database) -> None:
    fill(database, *names(3))
    drain(database, lane(FarEnd()))
    let_polls_be_due(database)
    lost = Fate(final=True, lost=[Remark(1, "error", "filtered: not in this state")])
    drain(database, lane(FarEnd(fate_=lambda external_id: lost), linger=0.2))
    assert states(database) == {"delivered": 2, "failed": 1}
    assert database.one("SELECT reason FROM ended WHERE state = 3") == "filtered: not in this state"
    assert database.one("SELECT count(*) FROM remark") == 1


def test_a_partner_still_at_work_is_asked_again_by_the_plan(database: Database) -> None:
    fill(database, "one")
    answers = iter([Fate(final=False), Fate(final=False)])
    far = FarEnd(fate_=lambda external_id: next(answers, Fate(final=True)))
    drain(database, lane(far, polls=(0.05, 0.1), linger=0.6))
    assert len(far.followed) == 3
    assert states(database) == {"delivered": 1}


def test_after_the_last_question_a_batch_stays_accepted_and_is_not_asked_about(database: Database) -> None:
    fill(database, "one")
    far = FarEnd(fate_=lambda external_id: Fate(final=False))
    drain(database, lane(far, polls=(0.05,), poll_for=0.2, linger=0.6))
    assert states(database) == {"accepted": 1}
    assert database.one("SELECT poll_at IS NULL FROM batch") is True


def test_a_question_that_fails_is_put_again(database: Database) -> None:
    fill(database, "one")
    questions = iter([TryLater("GET far: 503", status=503)])

    def fate(external_id: str) -> Fate:
        if error := next(questions, None):
            raise error
        return Fate(final=True)

    far = FarEnd(send_=taken, fate_=fate)
    drain(database, lane(far, polls=(0.05,), linger=0.4))
    assert len(far.followed) == 2
    assert states(database) == {"delivered": 1}
