"""From judgements and finished consultations to the JSON that is shown or sent. Plain functions, no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from assets.pridok.consultation import Consultation, State
from assets.pridok.disclosure import PER_CONSULTATION, PERSON_LEVEL, Basis, Disclosure
from assets.pridok.referral import Judgement
from assets.pridok.results import ConsultationResult

#: Raised when the members of the insurer's message change.
MESSAGE_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A finished consultation with its result, on the way to the insurer."""

    consultation: Consultation
    result: ConsultationResult = field(repr=False)
    journal_guid: str | None = None
    deal_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLevel:
    """R2: a header, rows of text and numbers, and how many consultations had no basis and were left out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...] = field(repr=False)
    without_basis: int


def normalised(judgement: Judgement) -> dict[str, object]:
    """The referral in normal form, in the sender's own member names, with its verdict and flags."""
    referral, contact = judgement.referral, judgement.contact
    phone = judgement.phone
    return {
        "JournalGuid": referral.guid,
        "PID": referral.pid if judgement.number is None else judgement.number.digits,
        "FormatId": referral.format_id,
        "MessageTimestamp": _moment(referral.sent_at),
        "Firstname": referral.first_name,
        "Lastname": referral.last_name,
        "Email": referral.email if contact is None else contact.email,
        "PhoneNumber": referral.phone if phone is None else phone.kept,
        **({"deal_id": referral.deal_id} if referral.deal_id else {}),
        **({"organisation": referral.organisation} if referral.organisation else {}),
        "verdict": judgement.verdict.value,
        "flags": [flag.value for flag in judgement.flags],
        **({"problems": list(judgement.problems)} if judgement.problems else {}),
    }


def insurer_message(report: Report, disclosure: Disclosure = PER_CONSULTATION) -> bytes:
    """What the insurer is told of one finished consultation, ready to be sealed to its key.

    The health content (code, notes) is left out unless the disclosure switches it on with a reason.
    """
    if report.consultation.state is not State.COMPLETED:
        raise ValueError("consultation: not completed; only a finished one is reported")
    told = members(report)
    chosen = {name: told[name] for name in disclosure.members}
    head = {"message": "consultation_finished", "version": MESSAGE_VERSION}
    return msgspec.json.encode({**head, **chosen})


def person_level(
    reports: Iterable[tuple[Report, Basis | None]], disclosure: Disclosure = PERSON_LEVEL
) -> PersonLevel:
    """R2 from finished consultations; each row that is in it is one disclosure to be logged."""
    rows: list[tuple[object, ...]] = []
    without_basis = 0
    for report, basis in reports:
        if basis is None:
            without_basis += 1
            continue
        told = members(report)
        rows.append((*(told[name] for name in disclosure.members), basis.kind, basis.id))
    columns = (*disclosure.members, "legal_basis", "legal_basis_id")
    return PersonLevel(columns=columns, rows=tuple(rows), without_basis=without_basis)


def members(report: Report) -> dict[str, object]:
    """Everything that could be told, by member name; ``disclosure`` says what is."""
    consultation, result = report.consultation, report.result
    return {
        "consultation_id": str(consultation.id),
        "journal_guid": report.journal_guid,
        "organisation": consultation.organisation,
        "deal_id": report.deal_id,
        "policy_number": result.policy_number,
        "created_at": _moment(consultation.created_at),
        "assigned_at": _moment(consultation.assigned_at),
        "starts_at": _moment(consultation.starts_at),
        "ends_at": _moment(consultation.ends_at),
        "waiting_seconds": _seconds(consultation.waiting),
        "treatment_seconds": _seconds(consultation.treatment),
        "outcome": result.outcome,
        "job_description": result.job_description,
        "icpc2": result.icpc2.code,
        "notes": result.notes,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _seconds(duration: timedelta | None) -> int | None:
    """Whole seconds, rounded down."""
    return None if duration is None else int(duration.total_seconds())
