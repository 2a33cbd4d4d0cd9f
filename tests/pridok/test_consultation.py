"""What may happen to a consultation, by whom and when; and what never may."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.pridok import consultation as c
from assets.pridok import reading
from assets.pridok.actors import Actor, ConsultationError, Impossible, NotAllowed, Role, WrongState
from assets.pridok.consultation import Channel, Consultation, Reason, State

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRETARY = Actor("sol", Role.SECRETARY)
PROVIDER, OTHER = Actor("pia", Role.PROVIDER), Actor("per", Role.PROVIDER)
OPERATOR = Actor("ole", Role.OPERATOR)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def received() -> Consultation:
    return c.received(1, patient=7, referral=3, organisation="If", now=T0)


def screened() -> Consultation:
    return c.screen(received(), SECRETARY, at(10))


def picked() -> Consultation:
    return c.pick(screened(), PROVIDER, at(20))


def started() -> Consultation:
    return c.start(picked(), PROVIDER, at(30))


def finished() -> Consultation:
    return c.finish(started(), PROVIDER, at(45))


def test_a_consultation_goes_its_way_and_counts_its_times() -> None:
    done = finished()
    assert done.state is State.COMPLETED
    assert (done.created_at, done.assigned_at, done.starts_at, done.ends_at) == (T0, at(20), at(30), at(45))
    assert (done.waiting, done.treatment) == (timedelta(minutes=30), timedelta(minutes=15))
    assert (done.flow, done.category, done.version) == ("referral", "insurance", 5)


def test_what_has_not_begun_or_ended_has_no_duration() -> None:
    assert (picked().waiting, picked().treatment) == (None, None)
    assert (started().waiting, started().treatment) == (timedelta(minutes=30), None)


def test_of_two_providers_the_second_is_told_that_somebody_was_first() -> None:
    with pytest.raises(WrongState, match="state: is pending_sp; must be ready_for_pickup to be picked"):
        c.pick(picked(), OTHER, at(21))


def test_a_referral_is_screened_before_it_can_be_picked_and_only_once() -> None:
    with pytest.raises(WrongState, match="not screened"):
        c.pick(received(), PROVIDER, at(1))
    with pytest.raises(WrongState, match="already screened"):
        c.screen(screened(), SECRETARY, at(11))


def test_the_writing_of_the_report_is_not_treatment() -> None:
    done = c.finish(c.hang_up(started(), PROVIDER, at(40)), PROVIDER, at(55))
    assert (done.ends_at, done.reported_at) == (at(40), at(55))
    assert done.treatment == timedelta(minutes=10)
    with pytest.raises(WrongState, match="ended already"):
        c.hang_up(c.hang_up(started(), PROVIDER, at(40)), PROVIDER, at(41))


@pytest.mark.parametrize(
    "change",
    [
        lambda: c.screen(received(), PROVIDER, at(1)),
        lambda: c.pick(screened(), SECRETARY, at(1)),
        lambda: c.pick(screened(), OPERATOR, at(1)),
        lambda: c.assign(screened(), "per", PROVIDER, at(1)),
        lambda: c.start(picked(), OTHER, at(1)),
        lambda: c.start(picked(), SECRETARY, at(1)),
        lambda: c.start(picked(), Actor("pia", Role.ADMINISTRATOR), at(1)),
        lambda: c.hang_up(started(), OTHER, at(1)),
        lambda: c.finish(started(), OTHER, at(1)),
        lambda: c.cancel(picked(), Reason.CLINIC_CANCELLED, OTHER, at(1)),
        lambda: c.cancel(screened(), Reason.CLINIC_CANCELLED, OPERATOR, at(1)),
        lambda: c.no_show(picked(), OTHER, at(1)),
        lambda: c.update(picked(), OTHER, planned_at=at(60)),
        lambda: c.rebook(finished(), 2, OTHER, at(60)),
        lambda: c.direct(2, patients=[7], actor=PROVIDER, now=T0),
    ],
)
def test_nobody_does_what_is_not_theirs(change: Callable[[], Consultation]) -> None:
    with pytest.raises(NotAllowed):
        change()


@pytest.mark.parametrize(
    "change",
    [
        lambda: c.start(started(), PROVIDER, at(31)),
        lambda: c.start(finished(), PROVIDER, at(60)),
        lambda: c.finish(picked(), PROVIDER, at(31)),
        lambda: c.finish(finished(), PROVIDER, at(60)),
        lambda: c.hang_up(picked(), PROVIDER, at(31)),
        lambda: c.cancel(finished(), Reason.CLINIC_CANCELLED, SECRETARY, at(60)),
        lambda: c.no_show(screened(), SECRETARY, at(60)),
        lambda: c.update(finished(), SECRETARY, planned_at=at(60)),
        lambda: c.assign(started(), "per", SECRETARY, at(60)),
        lambda: c.screen(picked(), SECRETARY, at(60)),
        lambda: c.rebook(screened(), 2, SECRETARY, at(60)),
    ],
)
def test_nothing_happens_from_a_wrong_state(change: Callable[[], Consultation]) -> None:
    with pytest.raises(WrongState):
        change()


@pytest.mark.parametrize("make", [received, screened, picked, started])
def test_any_open_one_can_be_cancelled_with_a_reason(make: Callable[[], Consultation]) -> None:
    gone = c.cancel(make(), Reason.PATIENT_CANCELLED, SECRETARY, at(50))
    assert (gone.state, gone.cancelled_at, gone.cancelled_for) == (
        State.CANCELLED,
        at(50),
        Reason.PATIENT_CANCELLED,
    )


def test_a_patient_who_does_not_come_is_a_no_show() -> None:
    assert c.no_show(picked(), PROVIDER, at(50)).cancelled_for is Reason.NO_SHOW
    assert c.no_show(started(), SECRETARY, at(50)).state is State.CANCELLED


def test_the_secretary_assigns_and_may_assign_anew_until_it_starts() -> None:
    first = c.assign(screened(), "per", SECRETARY, at(20))
    assert (first.state, first.providers, first.assigned_at) == (State.PENDING_SP, ("per",), at(20))
    second = c.assign(first, "pia", SECRETARY, at(25))
    assert (second.providers, second.assigned_at) == (("pia",), at(20))
    assert c.start(second, PROVIDER, at(30)).starts_at == at(30)


def test_a_direct_one_needs_no_screening_and_at_least_one_patient() -> None:
    one = c.direct(2, patients=[7, 8, 7], actor=SECRETARY, now=T0, planned_at=at(60))
    assert (one.flow, one.patients, one.planned_at) == ("direct", (7, 8), at(60))
    assert c.pick(one, PROVIDER, at(5)).state is State.PENDING_SP
    with pytest.raises(Impossible, match="patients: missing"):
        c.direct(2, patients=[], actor=SECRETARY, now=T0)


def test_a_consultation_stays_small_enough_to_be_told_to_whoever_listens() -> None:
    with pytest.raises(Impossible, match="patients: at most 20"):
        c.direct(1, patients=range(21), actor=SECRETARY, now=T0)
    with pytest.raises(Impossible, match="organisation: at most 200"):
        c.direct(1, patients=[1], actor=SECRETARY, now=T0, organisation="x" * 201)


def test_channels_change_only_to_what_holds_together() -> None:
    one = c.update(screened(), SECRETARY, primary=Channel.PHONE, enabled=[Channel.PHONE])
    assert (one.primary_channel, one.enabled_channels) == (Channel.PHONE, frozenset({Channel.PHONE}))
    with pytest.raises(Impossible, match="primary_channel: "):
        c.update(one, SECRETARY, primary=Channel.VIDEO)
    with pytest.raises(Impossible, match="primary_channel: "):
        c.update(one, SECRETARY, enabled=[])


def test_a_change_of_the_plan_does_not_move_the_contractual_time() -> None:
    moved = c.update(picked(), PROVIDER, planned_at=at(600))
    assert (moved.planned_at, moved.created_at) == (at(600), T0)


def test_a_provider_rebooks_with_themselves_and_a_secretary_into_the_queue() -> None:
    own = c.rebook(finished(), 2, PROVIDER, at(60), planned_at=at(6000))
    assert (own.state, own.providers, own.created_at) == (State.PENDING_SP, ("pia",), at(60))
    assert (own.rebooked_from, own.flow, own.patients, own.planned_at) == (1, "referral", (7,), at(6000))
    missed = c.no_show(picked(), PROVIDER, at(50))
    queued = c.rebook(missed, 3, SECRETARY, at(60))
    assert c.pick(queued, OTHER, at(70)).providers == ("per",)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(Impossible, match="time: "):
        c.start(picked(), PROVIDER, datetime(2026, 3, 2, 9, 0))  # noqa: DTZ001


@pytest.mark.parametrize("year", [1, 1999, 2200, 9999])
def test_a_year_that_was_typed_wrongly_is_refused(year: int) -> None:
    with pytest.raises(Impossible, match="look at the year"):
        c.update(screened(), SECRETARY, planned_at=T0.replace(year=year))


def test_the_hour_of_a_clock_change_is_counted() -> None:
    oslo = ZoneInfo("Europe/Oslo")
    before, after = datetime(2022, 10, 30, 1, 30, tzinfo=oslo), datetime(2022, 10, 30, 3, 30, tzinfo=oslo)
    assert c.between(before, after) == timedelta(hours=3)


STEPS: tuple[Callable[[Consultation, Actor, datetime], Consultation], ...] = (
    c.screen,
    c.pick,
    lambda one, actor, now: c.assign(one, "per", actor, now),
    c.start,
    c.hang_up,
    c.finish,
    lambda one, actor, now: c.cancel(one, Reason.TECHNICAL_FAILURE, actor, now),
    c.no_show,
    lambda one, actor, now: c.update(one, actor, planned_at=now),
)


@given(
    st.lists(
        st.tuples(st.sampled_from(STEPS), st.sampled_from([SECRETARY, PROVIDER, OTHER, OPERATOR])),
        max_size=30,
    )
)
def test_whatever_people_press_the_times_stay_in_order_and_are_set_once(
    presses: list[tuple[Callable[[Consultation, Actor, datetime], Consultation], Actor]],
) -> None:
    one = received()
    for minute, (step, actor) in enumerate(presses, 1):
        before = one
        try:
            one = step(one, actor, at(minute))
        except ConsultationError:
            continue
        assert one.version == before.version + 1
        assert before.state in c.OPEN
        for name in ("created_at", "screened_at", "assigned_at", "starts_at", "ends_at", "reported_at"):
            assert getattr(before, name) in (None, getattr(one, name))
        steps = [
            one.created_at,
            one.screened_at,
            one.assigned_at,
            one.starts_at,
            one.ends_at,
            one.reported_at,
        ]
        reached = [moment for moment in steps if moment is not None]
        assert reached == sorted(reached)
        assert steps[: len(reached)] == reached
        assert (one.state is State.COMPLETED) == (one.reported_at is not None)
        assert (one.state is State.CANCELLED) == (one.cancelled_for is not None)


def test_names_are_seen_by_the_secretary_and_by_providers_of_what_is_open_or_theirs() -> None:
    assert reading.may_see_names(received(), SECRETARY)
    assert not reading.may_see_names(received(), PROVIDER)
    assert reading.may_see_names(screened(), OTHER)
    assert reading.may_see_names(picked(), PROVIDER)
    assert not reading.may_see_names(picked(), OTHER)
    assert not reading.may_see_names(picked(), OPERATOR)


def test_a_result_is_opened_only_by_who_treats_the_patient_and_says_why() -> None:
    reading.require_result(7, PROVIDER, [finished()], "follow-up call")
    with pytest.raises(NotAllowed, match="reason: "):
        reading.require_result(7, PROVIDER, [finished()], " ")
    for actor, patient in ((OTHER, 7), (SECRETARY, 7), (OPERATOR, 7), (PROVIDER, 8)):
        with pytest.raises(NotAllowed, match="result: "):
            reading.require_result(patient, actor, [finished()], "curious")
    gone = c.cancel(picked(), Reason.PATIENT_CANCELLED, SECRETARY, at(30))
    with pytest.raises(NotAllowed, match="result: "):
        reading.require_result(7, PROVIDER, [gone], "follow-up call")
