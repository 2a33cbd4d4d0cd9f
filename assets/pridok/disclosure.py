"""Which members of a result an insurer is told: a fixed list, and what can be switched on with a reason.

Two products: the message a finished consultation sends, and R2, the person-level file, which is off unless an
installation switches it on. The code and the notes are health data the insurer has no standing claim to: each
needs a written reason. R2 rows carry a legal basis of their own; a row without one is left out and counted.
"""

from dataclasses import dataclass
from typing import Final, Literal

#: Told of every finished consultation.
MESSAGE_MEMBERS: Final = (
    "consultation_id",
    "journal_guid",
    "organisation",
    "deal_id",
    "policy_number",
    "created_at",
    "assigned_at",
    "starts_at",
    "ends_at",
    "waiting_seconds",
    "treatment_seconds",
    "outcome",
)
#: R2 adds what the insurer's form asks for by name.
PERSON_LEVEL_MEMBERS: Final = (*MESSAGE_MEMBERS, "job_description")
SWITCHABLE: Final = ("job_description", "icpc2", "notes")

LegalBasis = Literal["consent", "contract"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """The members that are told. ``extra`` ones need a ``reason``, which goes to the access log."""

    fixed: tuple[str, ...]
    extra: frozenset[str] = frozenset()
    reason: str = ""

    def __post_init__(self) -> None:
        if not self.extra <= frozenset(SWITCHABLE):
            raise ValueError(f"disclosure: only {', '.join(SWITCHABLE)} can be switched on")
        if self.extra and not self.reason.strip():
            raise ValueError("disclosure: give the reason for what is switched on")

    @property
    def members(self) -> tuple[str, ...]:
        more = (name for name in SWITCHABLE if name in self.extra and name not in self.fixed)
        return (*self.fixed, *more)


PER_CONSULTATION: Final = Disclosure(fixed=MESSAGE_MEMBERS)
PERSON_LEVEL: Final = Disclosure(fixed=PERSON_LEVEL_MEMBERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Why one row of R2 may be told: the kind of basis and the id of the consent or contract."""

    kind: LegalBasis
    id: str
