"""What may happen to an order, in which order its messages ever come, and the sentence when it may not."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.hcoint.events import Happened, Identifier, Order, Patient, Visit
from assets.hcoint.life import (
    Confirmed,
    Effect,
    Flag,
    Life,
    NotNow,
    State,
    attached,
    cleared,
    delivered,
    failed,
    full_name,
    held,
    released,
    same_patient,
    sending,
    told,
    visit_ended,
)
from assets.hcoint.partners import Partner
from tests.hcoint.notes import partner

BIXBY = Patient(
    identifiers=(Identifier(id="1", kind="MR"),),
    last_name="Bixby",
    first_name="Timothy",
    birth_date="2008-01-06",
)
OTHER = Patient(identifiers=(Identifier(id="2", kind="MR"),), last_name="Bixby", birth_date="2008-01-06")
ORDER = Order(
    happened=Happened.PLACED, sender="s", facility="", order_id="7", patient=BIXBY, at="2026-02-03T18:00:00Z"
)
NEW, UPDATE, CANCEL = (replace(ORDER, happened=happened) for happened in Happened)
HERE = partner()


def life_of(*orders: Order) -> Life:
    life: Life | None = None
    for order in orders:
        life, _ = told(life, order)
    assert life is not None
    return life


def effects_of(*orders: Order) -> list[Effect]:
    life: Life | None = None
    found = []
    for order in orders:
        life, effect = told(life, order)
        found.append(effect)
    return found


def send(
    life: Life, *, by: Partner = HERE, production: bool = True, sent_for: tuple[Patient, ...] = ()
) -> Life:
    patient = life.order.patient
    confirmed = Confirmed(full_name(patient), patient.birth_date, life.version)
    return sending(life, by, confirmed, sent_for=sent_for, production=production)


def noted(*orders: Order) -> Life:
    return attached(life_of(*orders or (NEW,)), "digest", HERE)


def test_an_order_lives_from_request_to_delivery() -> None:
    life = life_of(NEW)
    assert life.state is State.REQUESTED
    life = attached(life, "digest", HERE)
    assert life.state is State.NOTE_ATTACHED
    life = send(life)
    assert (life.state, life.sent) == (State.SENDING, 1)
    life = delivered(life)
    assert (life.state, life.delivered) == (State.DELIVERED, 1)


def test_a_failed_note_can_be_sent_again() -> None:
    life = send(failed(send(noted())))
    assert (life.state, life.sent, life.delivered) == (State.SENDING, 2, 0)


def test_a_corrected_note_follows_a_delivered_one_and_knows_it() -> None:
    life = attached(delivered(send(noted())), "corrected", HERE)
    assert (life.state, life.delivered) == (State.NOTE_ATTACHED, 1)
    assert send(life).sent == 2


def test_the_very_note_that_was_delivered_is_no_correction() -> None:
    with pytest.raises(NotNow, match="already has"):
        attached(delivered(send(noted())), "digest", HERE)


def test_a_note_can_be_exchanged_before_it_is_sent() -> None:
    assert attached(noted(), "better", HERE).sha256 == "better"


def test_the_same_event_twice_is_one_order_with_a_flag() -> None:
    assert effects_of(NEW, NEW) == [Effect.CREATED, Effect.TOLD_TWICE]
    assert Flag.TOLD_TWICE in life_of(NEW, NEW).flags


def test_a_cancellation_before_the_order_is_kept() -> None:
    assert effects_of(CANCEL, NEW) == [Effect.PARKED, Effect.CREATED]
    life = life_of(CANCEL, NEW)
    assert (life.state, life.placed, life.flags) == (State.CANCELLED, True, frozenset())


def test_a_change_before_the_order_is_the_order_and_stays_the_newer_one() -> None:
    later = replace(UPDATE, at="2026-02-03T19:00:00Z", comments="later")
    assert effects_of(later, NEW) == [Effect.CREATED, Effect.CREATED]
    life = life_of(later, NEW)
    assert (life.order.comments, life.placed, life.flags) == ("later", True, frozenset())
    with pytest.raises(NotNow, match="has not come yet"):
        send(attached(life_of(later), "digest", HERE))


def test_of_two_changes_the_newer_counts_whichever_comes_last() -> None:
    newer = replace(UPDATE, at="2026-02-03T20:00:00Z", comments="newer")
    older = replace(UPDATE, at="2026-02-03T19:00:00Z", comments="older")
    assert life_of(NEW, newer, older).order.comments == "newer"
    assert life_of(NEW, older, newer).order.comments == "newer"
    assert life_of(NEW, replace(newer, at=""), replace(older, at="sometime")).order.comments == "older"


def test_a_change_after_the_note_is_shown_until_a_note_is_attached_again() -> None:
    life, _ = told(noted(), UPDATE)
    assert Flag.CHANGED_AFTER_NOTE in life.flags
    assert Flag.CHANGED_AFTER_NOTE not in attached(life, "again", HERE).flags


@pytest.mark.parametrize("sent", [send(noted()), delivered(send(noted()))])
def test_what_comes_after_sending_is_shown(sent: Life) -> None:
    assert Flag.CHANGED_AFTER_SENDING in told(sent, UPDATE)[0].flags
    cancelled, effect = told(sent, CANCEL)
    assert (cancelled.state, effect) == (sent.state, Effect.CANCELLED)
    assert Flag.CANCELLED_AFTER_SENDING in cancelled.flags


@pytest.mark.parametrize("before", [life_of(NEW), noted(), held(noted()), failed(send(noted()))])
def test_a_cancelled_order_takes_no_note_and_sends_none(before: Life) -> None:
    life, _ = told(before, CANCEL)
    assert life.state is State.CANCELLED
    with pytest.raises(NotNow, match="cancelled this order"):
        attached(life, "digest", HERE)
    with pytest.raises(NotNow, match="cancelled this order"):
        send(life)
    with pytest.raises(NotNow, match="not on hold"):
        released(life)


def test_an_order_that_comes_again_after_its_cancellation_stays_cancelled_and_is_shown() -> None:
    life = life_of(NEW, CANCEL, NEW)
    assert (life.state, life.flags) == (State.CANCELLED, {Flag.PLACED_AFTER_CANCEL})
    assert told(life, UPDATE)[0].state is State.CANCELLED


def test_two_people_sending_at_once_send_once() -> None:
    life = noted()
    first = send(life)
    with pytest.raises(NotNow, match="sent already"):
        sending(
            first, HERE, Confirmed("Bixby, Timothy", "2008-01-06", life.version), sent_for=(), production=True
        )


def test_an_order_that_changed_since_the_page_was_opened_is_looked_at_again() -> None:
    life = noted()
    seen = Confirmed("Bixby, Timothy", "2008-01-06", life.version)
    with pytest.raises(NotNow, match="since the page was opened"):
        sending(told(life, UPDATE)[0], HERE, seen, sent_for=(), production=True)


@pytest.mark.parametrize(
    ("name", "birth_date"), [("Bixby, Tom", "2008-01-06"), ("Bixby, Timothy", "2008-01-07")]
)
def test_the_confirmed_patient_is_the_orders_patient(name: str, birth_date: str) -> None:
    life = noted()
    with pytest.raises(NotNow, match="are not those of this order"):
        sending(life, HERE, Confirmed(name, birth_date, life.version), sent_for=(), production=True)


def test_a_file_that_went_out_for_another_patient_is_stopped() -> None:
    assert send(noted(), sent_for=(BIXBY,)).state is State.SENDING
    with pytest.raises(NotNow, match="sent for another patient"):
        send(noted(), sent_for=(BIXBY, OTHER))


def test_an_order_that_later_names_another_patient_is_not_sent() -> None:
    life, _ = told(noted(), replace(UPDATE, patient=OTHER))
    with pytest.raises(NotNow, match="names another patient"):
        send(life)
    assert send(cleared(life, Flag.OTHER_PATIENT)).state is State.SENDING
    assert Flag.OTHER_PATIENT in life_of(NEW, replace(NEW, patient=OTHER)).flags
    assert not same_patient(BIXBY, OTHER)


def test_a_test_order_gets_no_note_in_production_unless_the_partner_is_there_for_tests() -> None:
    life = noted(replace(NEW, test=True))
    with pytest.raises(NotNow, match="test order"):
        send(life)
    assert send(life, production=False).state is State.SENDING
    assert send(life, by=partner(test_orders=True)).state is State.SENDING


def test_a_partner_may_want_the_note_only_after_the_visit() -> None:
    patient_one = partner(after_discharge=True)
    with pytest.raises(NotNow, match="after discharge"):
        attached(life_of(NEW), "digest", patient_one)
    assert attached(visit_ended(life_of(NEW), "2026-02-04"), "digest", patient_one).sha256 == "digest"
    ended = replace(NEW, visit=Visit(ended_at="2026-02-03"))
    assert visit_ended(life_of(ended), "2026-02-04").order.visit.ended_at == "2026-02-03"


def test_a_hold_ends_where_it_began() -> None:
    life = held(noted())
    for act in (lambda: attached(life, "x", HERE), lambda: send(life)):
        with pytest.raises(NotNow, match="on hold"):
            act()
    assert released(life).state is State.NOTE_ATTACHED
    with pytest.raises(NotNow, match="can be put on hold"):
        held(life)
    with pytest.raises(NotNow, match="can be put on hold"):
        held(send(noted()))


def test_nothing_is_attached_while_sending_and_nothing_sent_without_a_note() -> None:
    with pytest.raises(NotNow, match="being sent"):
        attached(send(noted()), "x", HERE)
    with pytest.raises(NotNow, match="no note yet"):
        send(life_of(NEW))


@given(st.lists(st.sampled_from([NEW, UPDATE, CANCEL]), min_size=1, max_size=6))
def test_an_order_that_was_ever_cancelled_before_sending_is_cancelled_whatever_the_order(
    orders: list[Any],
) -> None:
    life = life_of(*orders)
    assert (life.state is State.CANCELLED) == (CANCEL in orders)
    assert life.placed == (NEW in orders)
    assert life.version == len(orders)
