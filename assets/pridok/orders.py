"""What the organisation behind a deal owes for a consultation: an order with one line, recalculated at its end.

Every amount is computed from the line's own price and shares, never from an earlier total, so recalculating
twice changes nothing. The terms are copied from the deal when the order is made: a later deal is another
order's matter. Amounts are Norwegian kroner, rounded half up to the øre. Not here: invoicing.
"""

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from assets.pridok.consultation import CATEGORY, Consultation, Reason, State

_ORE = Decimal("0.01")
_NOTHING = Decimal(0)
_WHOLE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """What was agreed with an organisation. Shares lie between 0 and 1.

    ``discount`` is taken off the price. ``no_show_share`` and ``late_cancel_share`` of the discounted price
    are due when the patient does not come, and when a consultation is cancelled after a provider had taken
    it; both are nothing unless the deal says otherwise. What the clinic itself cancels costs nothing.
    """

    id: str
    organisation: str
    price: Decimal
    discount: Decimal = _NOTHING
    no_show_share: Decimal = _NOTHING
    late_cancel_share: Decimal = _NOTHING

    def __post_init__(self) -> None:
        if self.price < 0:
            raise ValueError("deal.price: must not be negative")
        for name in ("discount", "no_show_share", "late_cancel_share"):
            if not _NOTHING <= getattr(self, name) <= _WHOLE:
                raise ValueError(f"deal.{name}: must lie between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineItem:
    """One consultation on an order; ``share`` is how much of the discounted price is due."""

    consultation: int
    price: Decimal
    discount: Decimal
    share: Decimal = _WHOLE
    category: str = CATEGORY

    @property
    def total(self) -> Decimal:
        due = self.price * (_WHOLE - self.discount) * self.share
        return due.quantize(_ORE, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the customer, the deal's organisation, owes; ``terms`` are the deal's as they were then."""

    id: int
    customer: str
    terms: Deal
    lines: tuple[LineItem, ...]

    @property
    def total(self) -> Decimal:
        return sum((line.total for line in self.lines), _NOTHING).quantize(_ORE)


def order(order_id: int, consultation: int, deal: Deal) -> Order:
    """The order a referral's deal gives rise to, with its one line."""
    line = LineItem(consultation=consultation, price=deal.price, discount=deal.discount)
    return Order(id=order_id, customer=deal.organisation, terms=deal, lines=(line,))


def recalculated(order: Order, consultation: Consultation) -> Order:
    """The order after what became of the consultation; other lines stay as they are."""
    share = due_share(consultation, order.terms)
    lines = tuple(
        replace(line, share=share) if line.consultation == consultation.id else line for line in order.lines
    )
    return replace(order, lines=lines)


def due_share(consultation: Consultation, terms: Deal) -> Decimal:
    """How much of the discounted price is due, by state and reason of cancellation."""
    if consultation.state is not State.CANCELLED:
        return _WHOLE
    if consultation.cancelled_for is Reason.NO_SHOW:
        return terms.no_show_share
    if consultation.cancelled_for is Reason.PATIENT_CANCELLED and consultation.assigned_at is not None:
        return terms.late_cancel_share
    return _NOTHING
