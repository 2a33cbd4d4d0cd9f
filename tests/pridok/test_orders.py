"""What a consultation costs its organisation, before and after it was cancelled or nobody came."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from assets.pridok import consultation as c
from assets.pridok import orders
from assets.pridok.actors import Actor, Role
from assets.pridok.consultation import Consultation, Reason
from assets.pridok.orders import Deal

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRETARY, PROVIDER = Actor("sol", Role.SECRETARY), Actor("pia", Role.PROVIDER)
DEAL = Deal(
    id="D-17",
    organisation="If",
    price=Decimal("799.50"),
    discount=Decimal("0.15"),
    no_show_share=Decimal("0.5"),
    late_cancel_share=Decimal("0.25"),
)


def waiting() -> Consultation:
    return c.screen(c.received(1, patient=7, referral=3, organisation="If", now=NOW), SECRETARY, NOW)


def total_after(consultation: Consultation, deal: Deal = DEAL) -> Decimal:
    return orders.recalculated(orders.order(9, 1, deal), consultation).total


def test_an_order_has_one_discounted_line_for_the_deals_organisation() -> None:
    order = orders.order(9, 1, DEAL)
    assert (order.customer, [line.category for line in order.lines]) == ("If", ["insurance"])
    assert order.total == Decimal("679.58")  # 799.50 less 15 per cent is 679.575


def test_what_takes_place_is_due_in_full() -> None:
    started = c.start(c.pick(waiting(), PROVIDER, NOW), PROVIDER, NOW)
    assert total_after(started) == total_after(c.finish(started, PROVIDER, NOW)) == Decimal("679.58")


def test_a_no_show_is_due_by_the_deals_share() -> None:
    missed = c.no_show(c.pick(waiting(), PROVIDER, NOW), PROVIDER, NOW)
    assert total_after(missed) == Decimal("339.79")


def test_a_patient_who_cancels_pays_only_after_a_provider_had_taken_it() -> None:
    early = c.cancel(waiting(), Reason.PATIENT_CANCELLED, SECRETARY, NOW)
    late = c.cancel(c.pick(waiting(), PROVIDER, NOW), Reason.PATIENT_CANCELLED, SECRETARY, NOW)
    assert (total_after(early), total_after(late)) == (Decimal("0.00"), Decimal("169.89"))


@pytest.mark.parametrize("reason", [Reason.CLINIC_CANCELLED, Reason.TECHNICAL_FAILURE, Reason.NOT_NEEDED])
def test_what_is_not_the_patients_doing_costs_nothing(reason: Reason) -> None:
    gone = c.cancel(c.pick(waiting(), PROVIDER, NOW), reason, SECRETARY, NOW)
    assert total_after(gone) == Decimal("0.00")


def test_a_deal_that_says_nothing_of_no_shows_charges_nothing_for_them() -> None:
    plain = Deal(id="D-1", organisation="If", price=Decimal(500))
    missed = c.no_show(c.pick(waiting(), PROVIDER, NOW), PROVIDER, NOW)
    assert total_after(missed, plain) == Decimal("0.00")


def test_recalculating_twice_changes_nothing() -> None:
    missed = c.no_show(c.pick(waiting(), PROVIDER, NOW), PROVIDER, NOW)
    once = orders.recalculated(orders.order(9, 1, DEAL), missed)
    assert orders.recalculated(once, missed) == once


def test_another_consultations_line_stays_as_it_is() -> None:
    order = orders.order(9, 1, DEAL)
    other = replace(order.lines[0], consultation=2)
    gone = c.cancel(waiting(), Reason.NOT_NEEDED, SECRETARY, NOW)
    assert orders.recalculated(replace(order, lines=(*order.lines, other)), gone).total == Decimal("679.58")


@pytest.mark.parametrize("name", ["discount", "no_show_share", "late_cancel_share"])
@pytest.mark.parametrize("share", [Decimal("-0.01"), Decimal("1.01"), Decimal(15)])
def test_a_share_lies_between_nothing_and_all(name: str, share: Decimal) -> None:
    with pytest.raises(ValueError, match=rf"deal\.{name}: "):
        replace(DEAL, **{name: share})


def test_a_price_is_not_negative() -> None:
    with pytest.raises(ValueError, match=r"deal\.price: "):
        replace(DEAL, price=Decimal(-1))
