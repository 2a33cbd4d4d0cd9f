"""What may happen to an order, and what must not: the states, the guards, the sentences.

    requested -> note_attached -> sending -> delivered | failed
    cancelled (by the hospital), on_hold (by a person)

Pure: a life and an event give the next life, or ``NotNow`` with a sentence for the person who asked.
Messages come in any order: a cancellation or a change may be here before the order itself.
"""

import enum
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime

from assets.hcoint.events import Happened, Order, Patient
from assets.hcoint.partners import Partner


class State(enum.StrEnum):
    """Where an order is."""

    REQUESTED = "requested"
    NOTE_ATTACHED = "note_attached"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ON_HOLD = "on_hold"


class Flag(enum.StrEnum):
    """What a person should know about an order; the value is the sentence the page shows."""

    TOLD_TWICE = "The hospital sent this order twice. It is listed once."
    CANCEL_FIRST = "Only the cancellation of this order has come; the order itself has not."
    CHANGE_FIRST = "A change of this order came before the order itself."
    CHANGED_AFTER_NOTE = (
        "The hospital changed this order after the note was attached. Check that the note still fits."
    )
    CHANGED_AFTER_SENDING = (
        "The hospital changed this order after the note was sent. A corrected note may be needed."
    )
    CANCELLED_AFTER_SENDING = "The hospital cancelled this order after the note was sent."
    PLACED_AFTER_CANCEL = "The hospital sent this order again after cancelling it. Ask them which is meant."
    OTHER_PATIENT = "A later message names another patient for this order. Ask the hospital before you send."


class Effect(enum.StrEnum):
    """What a message of the hospital did."""

    CREATED = "order_created"
    UPDATED = "order_updated"
    CANCELLED = "order_cancelled"
    TOLD_TWICE = "duplicate_order_flagged"
    PARKED = "parked_unknown_order"


class NotNow(ValueError):
    """This cannot be done in this state; the text is for the person who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """An order and what became of it.

    ``version`` rises with every change, so that a page can say which one it showed. ``sent`` and
    ``delivered`` are the numbers of the last notes that were; 0 for none.
    """

    order: Order
    state: State = State.REQUESTED
    placed: bool = True
    sha256: str = ""
    sent: int = 0
    delivered: int = 0
    held_in: State | None = None
    flags: frozenset[Flag] = field(default_factory=frozenset)
    version: int = 1


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Whom the person confirmed on the page, and which version of the order it showed."""

    name: str
    birth_date: str
    version: int


def told(life: Life | None, order: Order) -> tuple[Life, Effect]:
    """What a message about the order changes; ``life`` is None when it is the first one."""
    if life is None:
        return _first(order)
    if order.happened is Happened.PLACED:
        return _placed(life, order)
    if order.happened is Happened.CHANGED:
        return _changed(life, order), Effect.UPDATED
    return _cancelled(life), Effect.CANCELLED


def _first(order: Order) -> tuple[Life, Effect]:
    if order.happened is Happened.CANCELLED:
        flags = frozenset({Flag.CANCEL_FIRST})
        return Life(order=order, state=State.CANCELLED, placed=False, flags=flags), Effect.PARKED
    if order.happened is Happened.CHANGED:
        return Life(order=order, placed=False, flags=frozenset({Flag.CHANGE_FIRST})), Effect.CREATED
    return Life(order=order), Effect.CREATED


def _placed(life: Life, order: Order) -> tuple[Life, Effect]:
    if not life.placed:
        flags = life.flags - {Flag.CANCEL_FIRST, Flag.CHANGE_FIRST}
        known = order if life.state is State.CANCELLED else life.order
        found = _next(life, order=known, placed=True, flags=flags | _other(life, order))
        return found, Effect.CREATED
    again = Flag.PLACED_AFTER_CANCEL if life.state is State.CANCELLED else Flag.TOLD_TWICE
    return _next(life, flags=life.flags | {again} | _other(life, order)), Effect.TOLD_TWICE


def _changed(life: Life, order: Order) -> Life:
    """The newest change counts, also when an older one comes after it. A person sees what came too late."""
    known = life.order if _older(order, life.order) else order
    if life.state is State.CANCELLED:
        return _next(life, order=known)
    flags = life.flags | _other(life, order)
    if life.state in (State.SENDING, State.DELIVERED):
        flags |= {Flag.CHANGED_AFTER_SENDING}
    elif life.sha256:
        flags |= {Flag.CHANGED_AFTER_NOTE}
    return _next(life, order=known, flags=flags)


def _cancelled(life: Life) -> Life:
    """Before sending the order ends; what was sent stays sent, and the page says so."""
    if life.state in (State.SENDING, State.DELIVERED):
        return _next(life, flags=life.flags | {Flag.CANCELLED_AFTER_SENDING})
    return _next(life, state=State.CANCELLED, held_in=None)


def attached(life: Life, sha256: str, partner: Partner) -> Life:
    """A person attached a note: the first, another one before sending, or a corrected one afterwards."""
    if life.state is State.SENDING:
        raise NotNow("The note is being sent. Wait for the outcome before you attach another one.")
    _open(life)
    if partner.after_discharge and not life.order.visit.ended_at:
        raise NotNow("This hospital wants the note after discharge. The visit has not ended yet.")
    if life.state is State.DELIVERED and sha256 == life.sha256:
        raise NotNow("This is the note that the hospital already has. Attach the corrected one.")
    flags = life.flags - {Flag.CHANGED_AFTER_NOTE, Flag.CHANGED_AFTER_SENDING}
    return _next(life, state=State.NOTE_ATTACHED, sha256=sha256, flags=flags)


def sending(
    life: Life, partner: Partner, confirmed: Confirmed, *, sent_for: Collection[Patient], production: bool
) -> Life:
    """A person sends the note, or sends it again after a failure.

    ``sent_for`` are the patients for whom this very file was sent before.
    """
    if life.state in (State.SENDING, State.DELIVERED):
        raise NotNow("This note has been sent already, perhaps by a colleague a moment ago.")
    _open(life)
    if not life.sha256:
        raise NotNow("There is no note yet. Attach it first.")
    if life.order.test and production and not partner.test_orders:
        raise NotNow("This is a test order. A note for it could end in a real chart, so it is not sent.")
    if not life.placed:
        raise NotNow(
            "The order itself has not come yet, only a change of it. Ask the hospital to send it again."
        )
    if Flag.OTHER_PATIENT in life.flags:
        raise NotNow(Flag.OTHER_PATIENT.value)
    if confirmed.version != life.version:
        raise NotNow("The order has changed since the page was opened. Look at it again, then confirm.")
    patient = life.order.patient
    if (confirmed.name, confirmed.birth_date) != (full_name(patient), patient.birth_date):
        raise NotNow("The confirmed name and date of birth are not those of this order. Nothing was sent.")
    if not all(same_patient(patient, other) for other in sent_for):
        raise NotNow("This very file was sent for another patient before. Check that it is the right one.")
    return _next(life, state=State.SENDING, sent=life.sent + 1)


def delivered(life: Life) -> Life:
    """The hospital has taken the note; a cancellation that came meanwhile stays on the page."""
    return _next(life, state=State.DELIVERED, delivered=life.sent)


def failed(life: Life) -> Life:
    """The hospital finally refused the note, or the retries are used up."""
    return _next(life, state=State.FAILED)


def held(life: Life) -> Life:
    """A person puts the order on hold; nothing happens to it until it is released."""
    if life.state in (State.SENDING, State.DELIVERED, State.CANCELLED, State.ON_HOLD):
        raise NotNow("Only an open order that is not being sent can be put on hold.")
    return _next(life, state=State.ON_HOLD, held_in=life.state)


def released(life: Life) -> Life:
    """A person ends the hold; the order is where it was."""
    if life.held_in is None:
        raise NotNow("This order is not on hold.")
    return _next(life, state=life.held_in, held_in=None)


def cleared(life: Life, flag: Flag) -> Life:
    """A person has looked into what a flag says, and it no longer stands in the way."""
    return _next(life, flags=life.flags - {flag})


def visit_ended(life: Life, ended_at: str) -> Life:
    """The patient was discharged; a note that had to wait for it can be attached now."""
    visit = replace(life.order.visit, ended_at=life.order.visit.ended_at or ended_at)
    return _next(life, order=replace(life.order, visit=visit))


def full_name(patient: Patient) -> str:
    """The name as the page shows it and asks to confirm it: ``Bixby, Timothy Paul``."""
    given = f"{patient.first_name} {patient.middle_name}".strip()
    return ", ".join([part for part in (patient.last_name, given) if part])


def same_patient(one: Patient, other: Patient) -> bool:
    """Whether two orders name the same person: they have an identifier in common. Names prove nothing."""
    return bool(set(one.identifiers) & set(other.identifiers))


def _open(life: Life) -> None:
    if life.state is State.CANCELLED:
        raise NotNow("The hospital has cancelled this order. A note is no longer wanted.")
    if life.state is State.ON_HOLD:
        raise NotNow("This order is on hold. Release it first.")


def _other(life: Life, order: Order) -> frozenset[Flag]:
    same = same_patient(life.order.patient, order.patient)
    return frozenset() if same else frozenset({Flag.OTHER_PATIENT})


def _older(order: Order, known: Order) -> bool:
    """Whether the message was written before what we know; by arrival where the two cannot be compared."""
    try:
        return datetime.fromisoformat(order.at) < datetime.fromisoformat(known.at)
    except (ValueError, TypeError):
        return False


def _next(life: Life, **changes: object) -> Life:
    return replace(life, version=life.version + 1, **changes)  # type: ignore[arg-type]
