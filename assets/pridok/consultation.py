"""A consultation and what may happen to it: one state machine, guarded, without I/O.

::

    ready_for_pickup ──pick, assign──► pending_sp ──start──► in_progress ──(hang_up,) finish──► completed
            └──────────────── cancel, no_show (from any of these three) ────────────────► cancelled

Every change returns a new value with the next ``version``; the store writes it where the old version still
stands (compare and set), so that of two providers who press at the same moment exactly one gets it. ``now`` is
the store's clock. ``created_at`` is ours, set at receipt: the contractual time starts there.
Who may read what is in ``reading``; the report in ``results``; what it costs in ``orders``.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from assets.pridok.actors import Actor, Impossible, NotAllowed, Role, WrongState, require

#: Every consultation of this lane is an insurance consultation.
CATEGORY: Final = "insurance"
#: A change is told to whoever listens with the row it made, and PostgreSQL tells at most 8,000 bytes at a time.
LONGEST_ORGANISATION: Final = 200
MOST_PATIENTS: Final = 20
EARLIEST_YEAR, LATEST_YEAR = 2000, 2199


class State(enum.StrEnum):
    READY_FOR_PICKUP = "ready_for_pickup"
    PENDING_SP = "pending_sp"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


OPEN = frozenset({State.READY_FOR_PICKUP, State.PENDING_SP, State.IN_PROGRESS})


class Channel(enum.StrEnum):
    VIDEO = "video"
    CHAT = "chat"
    PHONE = "phone"


class Reason(enum.StrEnum):
    """Why a consultation was cancelled."""

    PATIENT_CANCELLED = "patient_cancelled"
    CLINIC_CANCELLED = "clinic_cancelled"
    NOT_NEEDED = "not_needed"
    TECHNICAL_FAILURE = "technical_failure"
    NO_SHOW = "no_show"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consultation:
    """One consultation. Times are UTC. Today one provider treats; the model leaves room for more."""

    id: int
    patients: tuple[int, ...]
    created_at: datetime
    version: int = 1
    state: State = State.READY_FOR_PICKUP
    referral: int | None = None
    order: int | None = None
    organisation: str | None = None
    category: str = CATEGORY
    primary_channel: Channel = Channel.VIDEO
    enabled_channels: frozenset[Channel] = frozenset({Channel.VIDEO, Channel.CHAT})
    providers: tuple[str, ...] = ()
    planned_at: datetime | None = None
    screened_at: datetime | None = None
    assigned_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    reported_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancelled_for: Reason | None = None
    rebooked_from: int | None = None

    @property
    def flow(self) -> Literal["referral", "direct"]:
        return "direct" if self.referral is None else "referral"

    @property
    def waiting(self) -> timedelta | None:
        """From receipt to the first contact; open until there was one."""
        return None if self.starts_at is None else _sound(between(self.created_at, self.starts_at))

    @property
    def treatment(self) -> timedelta | None:
        if self.starts_at is None or self.ends_at is None:
            return None
        return _sound(between(self.starts_at, self.ends_at))

    def treated_by(self, actor: Actor) -> bool:
        return actor.role is Role.PROVIDER and actor.id in self.providers


def between(start: datetime, end: datetime) -> timedelta:
    """The time that passed. Subtracting two local times would skip the hour of a clock change."""
    return end.astimezone(UTC) - start.astimezone(UTC)


def _sound(time: timedelta) -> timedelta | None:
    """A time that runs backwards is a fault of the data, and none is told."""
    return time if time >= timedelta(0) else None


def received(
    consultation_id: int, *, patient: int, referral: int, organisation: str | None, now: datetime
) -> Consultation:
    """What an accepted referral gives rise to: it waits for a secretary to screen it.

    An organisation's name beyond all measure is cut here; the referral keeps it whole.
    """
    return Consultation(
        id=consultation_id,
        patients=(patient,),
        referral=referral,
        organisation=organisation[:LONGEST_ORGANISATION] if organisation else None,
        created_at=_utc(now),
    )


def direct(
    consultation_id: int,
    *,
    patients: Iterable[int],
    actor: Actor,
    now: datetime,
    organisation: str | None = None,
    planned_at: datetime | None = None,
) -> Consultation:
    """A consultation without a referral; the secretary who makes it has spoken to the patient: it is screened."""
    require(actor, Role.SECRETARY, to="create a consultation")
    people = tuple(dict.fromkeys(patients))
    if not people:
        raise Impossible("patients: missing; name at least one")
    if len(people) > MOST_PATIENTS:
        raise Impossible(f"patients: at most {MOST_PATIENTS} in one consultation")
    if organisation and len(organisation) > LONGEST_ORGANISATION:
        raise Impossible(f"organisation: at most {LONGEST_ORGANISATION} characters")
    moment = _utc(now)
    return Consultation(
        id=consultation_id,
        patients=people,
        organisation=organisation,
        planned_at=None if planned_at is None else _utc(planned_at),
        created_at=moment,
        screened_at=moment,
    )


def screen(consultation: Consultation, actor: Actor, now: datetime) -> Consultation:
    """The secretary has called and the patient needs help: providers may pick it from now on."""
    require(actor, Role.SECRETARY, to="screen a referral")
    _from(consultation, State.READY_FOR_PICKUP, to="be screened")
    if consultation.screened_at is not None:
        raise WrongState("screened_at: already screened; it waits for a provider")
    return replace(consultation, version=consultation.version + 1, screened_at=_utc(now))


def pick(consultation: Consultation, actor: Actor, now: datetime) -> Consultation:
    """A provider takes it from the queue."""
    require(actor, Role.PROVIDER, to="pick a consultation")
    return _assigned(consultation, actor.id, now)


def assign(consultation: Consultation, provider: str, actor: Actor, now: datetime) -> Consultation:
    """The secretary gives it to a provider, or to another one before it has started."""
    require(actor, Role.SECRETARY, to="assign a consultation")
    if consultation.state is State.PENDING_SP:
        return replace(consultation, version=consultation.version + 1, providers=(provider,))
    return _assigned(consultation, provider, now)


def start(consultation: Consultation, actor: Actor, now: datetime) -> Consultation:
    """Provider and patient are in contact: waiting ends, treatment begins."""
    _treating(consultation, actor, to="start it")
    _from(consultation, State.PENDING_SP, to="be started")
    return replace(
        consultation, version=consultation.version + 1, state=State.IN_PROGRESS, starts_at=_utc(now)
    )


def hang_up(consultation: Consultation, actor: Actor, now: datetime) -> Consultation:
    """The contact is over and the report still to be written: that writing is not treatment."""
    _treating(consultation, actor, to="end it")
    _from(consultation, State.IN_PROGRESS, to="be ended")
    if consultation.ends_at is not None:
        raise WrongState("ends_at: the contact has ended already; finish with the report")
    return replace(consultation, version=consultation.version + 1, ends_at=_utc(now))


def finish(consultation: Consultation, actor: Actor, now: datetime) -> Consultation:
    """The report is in: ``ends_at`` is the end of the contact, or now if nobody hung up before."""
    _treating(consultation, actor, to="finish it")
    _from(consultation, State.IN_PROGRESS, to="be finished")
    moment = _utc(now)
    ends_at = consultation.ends_at or moment
    return replace(
        consultation,
        version=consultation.version + 1,
        state=State.COMPLETED,
        ends_at=ends_at,
        reported_at=moment,
    )


def cancel(consultation: Consultation, reason: Reason, actor: Actor, now: datetime) -> Consultation:
    """It will not take place, or broke off; a provider cancels only what is theirs."""
    _theirs(consultation, actor, to="cancel it")
    _from(consultation, *OPEN, to="be cancelled")
    return replace(
        consultation,
        version=consultation.version + 1,
        state=State.CANCELLED,
        cancelled_at=_utc(now),
        cancelled_for=reason,
    )


def no_show(consultation: Consultation, actor: Actor, now: datetime) -> Consultation:
    """The patient did not come: cancelled for that reason, once there was somebody to meet."""
    _from(consultation, State.PENDING_SP, State.IN_PROGRESS, to="be a no-show")
    return cancel(consultation, Reason.NO_SHOW, actor, now)


def update(
    consultation: Consultation,
    actor: Actor,
    *,
    primary: Channel | None = None,
    enabled: Iterable[Channel] | None = None,
    planned_at: datetime | None = None,
) -> Consultation:
    """Other channels or another planned time, while it is open; the contractual time does not move."""
    _theirs(consultation, actor, to="change it")
    _from(consultation, *OPEN, to="be changed")
    channels = consultation.enabled_channels if enabled is None else frozenset(enabled)
    chosen = primary or consultation.primary_channel
    if chosen not in channels:
        raise Impossible("primary_channel: not among the enabled channels; enable it or choose another")
    return replace(
        consultation,
        version=consultation.version + 1,
        primary_channel=chosen,
        enabled_channels=channels,
        planned_at=consultation.planned_at if planned_at is None else _utc(planned_at),
    )


def rebook(
    consultation: Consultation,
    consultation_id: int,
    actor: Actor,
    now: datetime,
    planned_at: datetime | None = None,
) -> Consultation:
    """A further consultation for the same patients after one that has begun or was cancelled.

    A provider rebooks with themselves; a secretary puts it into the queue. Its contractual time starts anew.
    """
    _theirs(consultation, actor, to="rebook it")
    over = (State.IN_PROGRESS, State.COMPLETED, State.CANCELLED)
    _from(consultation, *over, to="be rebooked (before that, change its planned time)")
    moment = _utc(now)
    fresh = Consultation(
        id=consultation_id,
        patients=consultation.patients,
        referral=consultation.referral,
        organisation=consultation.organisation,
        primary_channel=consultation.primary_channel,
        enabled_channels=consultation.enabled_channels,
        planned_at=None if planned_at is None else _utc(planned_at),
        created_at=moment,
        screened_at=moment,
        rebooked_from=consultation.id,
    )
    if actor.role is not Role.PROVIDER:
        return fresh
    return replace(fresh, state=State.PENDING_SP, providers=(actor.id,), assigned_at=moment)


def _assigned(consultation: Consultation, provider: str, now: datetime) -> Consultation:
    _from(consultation, State.READY_FOR_PICKUP, to="be picked")
    if consultation.screened_at is None:
        raise WrongState("screened_at: not screened yet; a secretary creates the consultation first")
    return replace(
        consultation,
        version=consultation.version + 1,
        state=State.PENDING_SP,
        providers=(provider,),
        assigned_at=_utc(now),
    )


def _from(consultation: Consultation, *states: State, to: str) -> None:
    if consultation.state not in states:
        wanted = " or ".join(sorted(states))
        raise WrongState(f"state: is {consultation.state}; must be {wanted} to {to}")


def _treating(consultation: Consultation, actor: Actor, *, to: str) -> None:
    require(actor, Role.PROVIDER, to=to)
    if not consultation.treated_by(actor):
        raise NotAllowed(f"providers: only the provider who has picked it may {to}")


def _theirs(consultation: Consultation, actor: Actor, *, to: str) -> None:
    """A secretary may, and a provider with what is theirs."""
    if actor.role is not Role.SECRETARY:
        require(actor, Role.SECRETARY, Role.PROVIDER, to=to)
        _treating(consultation, actor, to=to)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise Impossible("time: without its zone; give one")
    # At the ends of the calendar a time cannot be shown in another zone, and a list that holds it could not be shown.
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise Impossible(f"time: look at the year; it must be from {EARLIEST_YEAR} to {LATEST_YEAR}")
    return moment.astimezone(UTC)
