"""Who acts on a consultation, and how a refusal is put into words.

ConsultationError
├── NotAllowed     the role or the person may not do this
├── WrongState     not from this state: somebody else was first, or it is over
└── Impossible     the wish contradicts itself (a channel that is not enabled)

The texts name the member and say what to do; they hold no patient and no value a person typed.
"""

import enum
from dataclasses import dataclass
from typing import ClassVar


class ConsultationError(Exception):
    """The change is not allowed. ``code`` is what a program reads, the text what a person reads."""

    code: ClassVar[str] = "CONSULTATION_ERROR"


class NotAllowed(ConsultationError):
    code = "NOT_ALLOWED"


class WrongState(ConsultationError):
    code = "WRONG_STATE"


class Impossible(ConsultationError):
    code = "IMPOSSIBLE"


class Role(enum.StrEnum):
    SECRETARY = "secretary"
    PROVIDER = "provider"
    CLINICIAN = "clinician"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Actor:
    """The person who acts: the sign-in name and the one role they act in."""

    id: str
    role: Role


def require(actor: Actor, *roles: Role, to: str) -> None:
    """Refuse everyone but ``roles``."""
    if actor.role not in roles:
        raise NotAllowed(f"role: {actor.role} may not {to}; {' or '.join(roles)} may")
