"""The judgement of a referral: a verdict and flags, from the referral and what the store knows.

One pure function for the door and for ``handoff try``. Quarantined and conflicting referrals are kept for a
person; only a body without an id is refused (``events.NotAReferral``). Not here: storing, sealing, answering.
"""

import enum
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from assets.pridok import numbers, phones
from assets.pridok.events import REFERRAL_2_0, Referral
from assets.pridok.numbers import Environment, NationalNumber, Standing
from assets.pridok.phones import Phone
from assets.pridok.tables.published_numbers import PUBLISHED

#: A sender's clock further ahead than this is told about.
CLOCK_SKEW = timedelta(minutes=5)
OSLO: Final = ZoneInfo("Europe/Oslo")

_ADDRESS = re.compile(r"[^@\s,;:<>\"()]+@[^@\s,;:<>\"()]+\.[^@\s,;:<>\"().]+")
_LONGEST_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets


class Verdict(enum.StrEnum):
    """What becomes of a referral; the order is the order in which reasons for quarantine are named."""

    ACCEPTED = "accepted"
    ACCEPTED_TEST_ONLY = "accepted_test_only"
    DUPLICATE = "duplicate_ignored"
    CONFLICT = "conflict_quarantined"
    INVALID_PID = "quarantined_invalid_pid"
    UNKNOWN_FORMAT = "quarantined_unknown_format"
    AMBIGUOUS_TIME = "quarantined_ambiguous_time"
    MISSING_NAME = "quarantined_missing_name"

    @property
    def accepted(self) -> bool:
        return self in (Verdict.ACCEPTED, Verdict.ACCEPTED_TEST_ONLY)


class Flag(enum.StrEnum):
    """What a person should know of a referral that is taken all the same."""

    PID_COERCED = "pid_coerced"
    PID_NORMALISED = "pid_normalised"
    ORDINARY_NUMBER_IN_TEST = "ordinary_number_in_test"
    NO_EMAIL = "no_email"
    EMAIL_NOT_USABLE = "email_not_usable"
    NO_PHONE = "no_phone"
    PHONE_NOT_POSSIBLE = "phone_not_possible"
    PHONE_POSSIBLE_NOT_VALID = "phone_possible_not_valid"
    UNKNOWN_FIELDS = "unknown_fields_kept_in_raw"
    CLOCK_SKEW = "clock_skew"
    EXISTING_USER = "existing_user"
    CONTACT_CHANGED = "contact_changed"


class Seen(enum.Enum):
    """Whether this journal id has been here, and with what."""

    NEVER = "never"
    SAME = "same"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How the patient is called and reached. Nothing of it shows in a repr."""

    first_name: str = field(repr=False)
    last_name: str = field(repr=False)
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)

    def updated_by(self, newer: "Contact") -> "Contact":
        """The newer contact; what it leaves out stays, since a sender who omits has not taken away."""
        return Contact(
            first_name=newer.first_name,
            last_name=newer.last_name,
            email=newer.email or self.email,
            phone=newer.phone or self.phone,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store knows that bears on one referral: its journal id, and the patient of its number."""

    seen: Seen = Seen.NEVER
    patient: Contact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict with everything that follows from it. ``problems`` names places, never values."""

    referral: Referral
    verdict: Verdict
    flags: tuple[Flag, ...] = ()
    problems: tuple[str, ...] = ()
    number: NationalNumber | None = None
    phone: Phone | None = None
    contact: Contact | None = None


def number_of(referral: Referral) -> NationalNumber | None:
    """The national number taken apart: its ``digits`` are what the store looks the patient up by."""
    return None if referral.pid is None else numbers.read(referral.pid)


def judge(referral: Referral, known: Known, *, environment: Environment, now: datetime) -> Judgement:
    """What becomes of ``referral``. An id that has been here is never judged twice."""
    if known.seen is Seen.SAME:
        return Judgement(referral=referral, verdict=Verdict.DUPLICATE)
    number, phone = number_of(referral), _phone(referral)
    if known.seen is Seen.OTHER:
        problem = "JournalGuid: came before with other content; ask the sender which one holds"
        return Judgement(referral=referral, verdict=Verdict.CONFLICT, problems=(problem,), number=number)
    standing = _standing(number, environment, now)
    found = _faults(referral, number, standing)
    contact = _contact(referral, phone)
    flags = (
        *_flags(referral, number, phone, environment, now),
        *(_patient_flags(known.patient, contact) if not found else ()),
    )
    return Judgement(
        referral=referral,
        verdict=next(iter(found), _accepted(standing)),
        flags=flags,
        problems=tuple(found.values()),
        number=number,
        phone=phone,
        contact=contact,
    )


def _accepted(standing: Standing) -> Verdict:
    return Verdict.ACCEPTED_TEST_ONLY if standing is Standing.TEST_ONLY else Verdict.ACCEPTED


def _standing(number: NationalNumber | None, environment: Environment, now: datetime) -> Standing:
    if number is None:
        return Standing.REFUSED
    return numbers.standing(number, environment, now.astimezone(OSLO).date())


def _faults(referral: Referral, number: NationalNumber | None, standing: Standing) -> dict[Verdict, str]:
    """Every reason for quarantine with its sentence, the one that names the verdict first."""
    faults: dict[Verdict, str] = {}
    if standing is Standing.REFUSED:
        why = "missing; send eleven digits as text" if number is None else numbers.why_refused(number)
        faults[Verdict.INVALID_PID] = f"PID: {why}"
    if referral.format_id != REFERRAL_2_0:
        faults[Verdict.UNKNOWN_FORMAT] = f"FormatId: must be {REFERRAL_2_0}"
    if referral.sent_at is None:
        faults[Verdict.AMBIGUOUS_TIME] = "MessageTimestamp: must be a date and time with its zone"
    if missing := [
        member
        for member, value in (("Firstname", referral.first_name), ("Lastname", referral.last_name))
        if value is None
    ]:
        faults[Verdict.MISSING_NAME] = f"{', '.join(missing)}: missing"
    return faults


def _flags(
    referral: Referral,
    number: NationalNumber | None,
    phone: Phone | None,
    environment: Environment,
    now: datetime,
) -> tuple[Flag, ...]:
    normalised = number is not None and number.normalised
    real = number is not None and numbers.wrong_environment(number, environment, PUBLISHED)
    raised = {
        Flag.PID_COERCED: referral.pid_was_a_number,
        Flag.PID_NORMALISED: normalised,
        Flag.ORDINARY_NUMBER_IN_TEST: real,
        Flag.NO_EMAIL: referral.email is None,
        Flag.EMAIL_NOT_USABLE: referral.email is not None and not usable(referral.email),
        Flag.NO_PHONE: phone is None,
        Flag.PHONE_NOT_POSSIBLE: phone is not None and not phone.possible,
        Flag.PHONE_POSSIBLE_NOT_VALID: phone is not None and phone.possible and not phone.valid,
        Flag.UNKNOWN_FIELDS: referral.has_unknown_members,
        Flag.CLOCK_SKEW: referral.sent_at is not None and referral.sent_at - now > CLOCK_SKEW,
    }
    return tuple(flag for flag, is_raised in raised.items() if is_raised)


def _patient_flags(patient: Contact | None, contact: Contact | None) -> tuple[Flag, ...]:
    if patient is None or contact is None:
        return ()
    changed = patient.updated_by(contact) != patient
    return (Flag.EXISTING_USER, Flag.CONTACT_CHANGED) if changed else (Flag.EXISTING_USER,)


def _phone(referral: Referral) -> Phone | None:
    return None if referral.phone is None else phones.read(referral.phone)


def _contact(referral: Referral, phone: Phone | None) -> Contact | None:
    if referral.first_name is None or referral.last_name is None:
        return None
    email = referral.email if referral.email is not None and usable(referral.email) else None
    number = None if phone is None else phone.kept
    return Contact(first_name=referral.first_name, last_name=referral.last_name, email=email, phone=number)


def usable(address: str) -> bool:
    """Whether mail can be sent to this one address: a soft check that also keeps mail headers whole."""
    return len(address) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(address) is not None
