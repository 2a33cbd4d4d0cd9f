"""Who may read what of a consultation. Every reading that is allowed here is logged by whoever shows it.

A secretary sees names and contact of all, a provider those of the open list and of what they treat, and
results only a provider who treats the patient. Nobody else sees either, but for an emergency: then a provider opens
the record of somebody they have not treated, for a while, with a reason, and is asked about it afterwards.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from assets.pridok.actors import Actor, NotAllowed, Role
from assets.pridok.consultation import Consultation, State

#: A record that was opened in an emergency is closed again after this.
EMERGENCY_LASTS: Final = timedelta(hours=1)


def may_see_names(consultation: Consultation, actor: Actor) -> bool:
    """Whether the list shows this one with its patient."""
    if actor.role is Role.SECRETARY:
        return True
    return consultation.treated_by(actor) or (actor.role is Role.PROVIDER and on_open_list(consultation))


def on_open_list(consultation: Consultation) -> bool:
    """Whether it waits for a provider: screened, and picked by nobody."""
    return consultation.state is State.READY_FOR_PICKUP and consultation.screened_at is not None


def treats(patient: int, actor: Actor, consultations: Iterable[Consultation]) -> bool:
    """Whether the provider has, or had, a consultation with the patient; one that was cancelled is none."""
    return any(
        patient in consultation.patients
        and consultation.treated_by(actor)
        and consultation.state is not State.CANCELLED
        for consultation in consultations
    )


def require_result(
    patient: int,
    actor: Actor,
    consultations: Iterable[Consultation],
    reason: str,
    *,
    emergency: bool = False,
) -> None:
    """Refuse the opening of a result to all but a provider who treats the patient and says why.

    ``emergency``: they have opened the patient's record in an emergency, and that still lasts.
    """
    opened = emergency and actor.role is Role.PROVIDER
    if not opened and not treats(patient, actor, consultations):
        raise NotAllowed("result: only a provider who treats the patient may read it")
    if not reason.strip():
        raise NotAllowed("reason: missing; say why the result is read, it goes to the access log")
