"""A patient as the lane knows one: contact, tags, and the history of national numbers.

A person's number can change (a D-number becomes an ordinary one; a change of sex), so the patient is not the
number: each number is known by its blind index, with the time it was in use. Not here: the index itself, its
key, and the number, which is sealed to the clinic.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from assets.pridok.referral import Contact

#: Patients an insurer referred get no marketing mail, ever: the insurer sent them, they did not sign up.
INSURER_REFERRAL: Final = "insurer_referral"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNumber:
    """A national number by its blind index; ``until`` is set when another took its place."""

    index: bytes = field(repr=False)
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One person. ``merged_into`` is set when the person turned out to be another entry."""

    id: int
    contact: Contact
    numbers: tuple[KnownNumber, ...]
    tags: frozenset[str] = frozenset()
    marketing_allowed: bool = False
    merged_into: int | None = None


def referred(patient_id: int, contact: Contact, index: bytes, now: datetime) -> Patient:
    """A new patient from an insurer's referral."""
    return Patient(
        id=patient_id,
        contact=contact,
        numbers=(KnownNumber(index=index, since=now),),
        tags=frozenset({INSURER_REFERRAL}),
    )


def referred_again(patient: Patient, contact: Contact) -> Patient:
    """A known patient, with the newer contact and the insurer's tag, whatever was allowed before."""
    return replace(
        patient,
        contact=patient.contact.updated_by(contact),
        tags=patient.tags | {INSURER_REFERRAL},
        marketing_allowed=False,
    )


def may_market(patient: Patient) -> bool:
    """Whether a mail that is not about a consultation may be sent: asked wherever such mail is made."""
    return patient.marketing_allowed and INSURER_REFERRAL not in patient.tags


def renumbered(patient: Patient, index: bytes, now: datetime) -> Patient:
    """The same person under a new number; the old ones go on finding them."""
    if any(number.index == index and number.until is None for number in patient.numbers):
        return patient
    return replace(patient, numbers=(*_closed(patient.numbers, now), KnownNumber(index=index, since=now)))


def merged(kept: Patient, other: Patient, now: datetime) -> tuple[Patient, Patient]:
    """Two entries that are one person: ``kept`` takes the other's numbers and tags, ``other`` points to it.

    The stricter choice about marketing holds for both.
    """
    if kept.id == other.id:
        raise ValueError("merge: both are the same patient")
    if kept.merged_into is not None or other.merged_into is not None:
        raise ValueError("merge: one of the two is merged already; merge the entry it points to")
    numbers = (*_closed(other.numbers, now), *kept.numbers)
    marketing = kept.marketing_allowed and other.marketing_allowed
    whole = replace(kept, numbers=numbers, tags=kept.tags | other.tags, marketing_allowed=marketing)
    return whole, replace(other, merged_into=kept.id, marketing_allowed=False)


def _closed(numbers: tuple[KnownNumber, ...], now: datetime) -> tuple[KnownNumber, ...]:
    return tuple(replace(number, until=number.until or now) for number in numbers)
