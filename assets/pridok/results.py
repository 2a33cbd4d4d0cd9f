"""The report a provider writes at the end: a form of typed values, and its members as bytes to be sealed.

A result is medical record. It exists in the clear only between the form and ``resources.sealing``: it is
never logged, never kept under the application's own keys, and shows nothing in a repr.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from assets.pridok import icpc, numbers
from assets.pridok.icpc import Code, CodeList
from assets.pridok.numbers import Kind

#: What a consultation can come to; an installation may configure another list.
OUTCOMES: Final = (
    "helped",
    "referred_gp",
    "referred_specialist",
    "referred_emergency",
    "prescription",
    "sick_note",
    "follow_up_booked",
    "unable_to_help",
    "no_show",
    "patient_cancelled",
    "technical_failure",
)

# Text, since leading zeros count; the insurer calls it avtalenummer, forsikringsnummer or polisenummer.
_POLICY_NUMBER = re.compile(r"[0-9A-Za-z][0-9A-Za-z ./-]{0,39}")
_LONGEST_JOB = 200
_LONGEST_NOTES = 20_000


class FormRefused(ValueError):
    """The form cannot be taken. ``problems`` names each member and what to do; no value is repeated."""

    def __init__(self, problems: Collection[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The report form as typed in, every member as text."""

    icpc2: str = field(repr=False)
    outcome: str = field(repr=False)
    policy_number: str = field(default="", repr=False)
    patient_number: str = field(default="", repr=False)
    job_description: str = field(default="", repr=False)
    notes: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultationResult:
    """A report that has passed the form's rules. ``patient_number`` only if the patient is not the user."""

    icpc2: Code = field(repr=False)
    outcome: str = field(repr=False)
    author: str
    policy_number: str | None = field(default=None, repr=False)
    patient_number: str | None = field(default=None, repr=False)
    job_description: str | None = field(default=None, repr=False)
    notes: str | None = field(default=None, repr=False)


def read(
    form: Form, *, author: str, codes: CodeList, outcomes: Collection[str] = OUTCOMES
) -> ConsultationResult:
    """The result in ``form``, or every problem of it at once."""
    problems: list[str] = []
    code = _code(form.icpc2, codes, problems)
    _check(form, outcomes, problems)
    patient_number = _patient_number(form.patient_number, problems)
    if problems or code is None:
        raise FormRefused(problems)
    return ConsultationResult(
        icpc2=code,
        outcome=form.outcome,
        author=author,
        policy_number=form.policy_number.strip() or None,
        patient_number=patient_number,
        job_description=form.job_description.strip() or None,
        notes=form.notes.strip() or None,
    )


def members(result: ConsultationResult) -> Mapping[str, bytes]:
    """Every member as bytes, the empty ones too: that one is missing is nobody's business either.

    The code goes with its system and the year of its list, without which it could be misread later.
    """
    texts = {
        "icpc2": f"{result.icpc2.code}|{result.icpc2.system}|{result.icpc2.year}",
        "outcome": result.outcome,
        "author": result.author,
        "policy_number": result.policy_number,
        "patient_number": result.patient_number,
        "job_description": result.job_description,
        "notes": result.notes,
    }
    return {name: (text or "").encode() for name, text in texts.items()}


def from_members(opened: Mapping[str, bytes]) -> ConsultationResult:
    """The result whose members the decrypt service has opened."""
    texts = {name: value.decode() for name, value in opened.items()}
    code, system, year = texts["icpc2"].split("|")
    return ConsultationResult(
        icpc2=Code(code=code, system=system, year=int(year)),
        outcome=texts["outcome"],
        author=texts["author"],
        policy_number=texts["policy_number"] or None,
        patient_number=texts["patient_number"] or None,
        job_description=texts["job_description"] or None,
        notes=texts["notes"] or None,
    )


def _code(text: str, codes: CodeList, problems: list[str]) -> Code | None:
    try:
        return icpc.read(text, codes)
    except icpc.CodeRefused as refused:
        problems.append(str(refused))
        return None


def _check(form: Form, outcomes: Collection[str], problems: list[str]) -> None:
    if form.outcome not in outcomes:
        problems.append("outcome: choose one of the list")
    if form.policy_number.strip() and not _POLICY_NUMBER.fullmatch(form.policy_number.strip()):
        problems.append("policy_number: up to 40 digits and letters")
    if len(form.job_description.strip()) > _LONGEST_JOB:
        problems.append(f"job_description: at most {_LONGEST_JOB} characters")
    if len(form.notes.strip()) > _LONGEST_NOTES:
        problems.append(f"notes: at most {_LONGEST_NOTES} characters")


def _patient_number(text: str, problems: list[str]) -> str | None:
    """The other patient's number (a child's), checked for what it can be checked: shape and digits."""
    if not text.strip():
        return None
    number = numbers.read(text)
    if number.kind in (Kind.MALFORMED, Kind.BAD_CHECKSUM, Kind.NO_SUCH_DATE, Kind.FH):
        problems.append(f"patient_number: {numbers.why_refused(number)}")
    return number.digits
