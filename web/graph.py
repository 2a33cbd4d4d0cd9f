"""GraphQL at ``/graphql``: the consultations for programs, by the same rules as the pages.

Whoever asks is signed in: without a session nothing is answered, not even what the schema is. A query is bounded in
depth, size and aliases. Changes are told over a websocket, whichever process made them, and only to those who may see
the consultation; a subscription ends with its session. How requests get here is ``web/graph_door.py``'s.
"""

import asyncio
import enum
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import strawberry
from graphql import GraphQLError
from starlette.concurrency import run_in_threadpool
from strawberry.extensions import MaskErrors, MaxAliasesLimiter, MaxTokensLimiter, QueryDepthLimiter
from strawberry.types import ExecutionContext, Info

from assets.pridok import consultation as life
from assets.pridok import reading
from assets.pridok.actors import Actor, ConsultationError, Impossible, NotAllowed, Role
from assets.pridok.clinic import Clinic, KeysMissing
from assets.pridok.consultation import Channel, Reason, State
from assets.pridok.finishing import Finishing
from assets.pridok.practice import Gone, Practice
from assets.pridok.results import Form, FormRefused
from assets.pridok.rows import consultation_of, contact_of
from resources.store import consultations as kept
from resources.store import lookup, patients
from resources.video import VideoAway
from web.changes import Changes, Missed
from web.logs import place_of

log = logging.getLogger("handoff.graph")

MOST_ROWS = 100
#: What a person may be told as it stands; anything else is a fault of ours and is only named by its place.
SPOKEN = (ConsultationError, FormRefused, Gone, KeysMissing, Missed, VideoAway)

for _enum, _name in ((State, "ConsultationState"), (Channel, "Channel"), (Reason, "CancelReason")):
    strawberry.enum(_enum, name=_name)


@strawberry.enum
class Flow(enum.Enum):
    """How a consultation came about."""

    REFERRAL = "referral"
    DIRECT = "direct"


@dataclass(frozen=True)
class Care:
    """What the queries need of the process."""

    clinic: Clinic
    practice: Practice
    finishing: Finishing
    changes: Changes


@dataclass(frozen=True)
class Asking:
    """Who asks, in which session; ``alive`` looks whether that still stands."""

    actor: Actor
    care: Care
    alive: Callable[[], bool]


@strawberry.type
class Patient:
    """Who is treated, as far as the asking person may know."""

    id: strawberry.ID
    first_name: str
    last_name: str
    email: str | None
    phone: str | None


@strawberry.type
class Consultation:
    """One consultation; its result is read elsewhere, by the decrypt service."""

    id: strawberry.ID
    version: int
    state: State
    flow: Flow
    category: str
    organisation: str | None
    primary_channel: Channel
    enabled_channels: list[Channel]
    providers: list[str]
    patients: list[Patient]
    created_at: datetime
    planned_at: datetime | None
    screened_at: datetime | None
    assigned_at: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None
    cancelled_at: datetime | None
    cancelled_for: Reason | None
    rebooked_from: strawberry.ID | None
    waiting_seconds: float | None
    treatment_seconds: float | None


@strawberry.type
class ConsultationEdge:
    cursor: str
    node: Consultation


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Consultations:
    """A page of them, oldest first."""

    edges: list[ConsultationEdge]
    nodes: list[Consultation]
    page_info: PageInfo


@strawberry.input
class ResultInput:
    """The report form; one ICPC-2 code, an outcome of the list."""

    icpc2: str = strawberry.field(name="icpc2")
    outcome: str
    policy_number: str = ""
    patient_number: str = ""
    job_description: str = ""
    notes: str = ""


@strawberry.input
class CreateInput:
    """``referral``: the consultation of an accepted referral is screened. ``direct``: a new one for these patients."""

    flow: Flow
    id: strawberry.ID | None = None
    patients: list[strawberry.ID] = strawberry.field(default_factory=list)
    organisation: str | None = None
    planned_at: datetime | None = None


@strawberry.input
class UpdateInput:
    primary_channel: Channel | None = None
    enabled_channels: list[Channel] | None = None
    planned_at: datetime | None = None


def _asking(info: Info) -> Asking:
    asking: Asking = info.context["asking"]
    if asking.actor.role not in (Role.SECRETARY, Role.PROVIDER):
        raise NotAllowed(f"role: {asking.actor.role} may not see consultations; secretary or provider may")
    return asking


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 19:
        raise Impossible("id: must be the number of a consultation or patient")
    return int(text)


def shown(asking: Asking, found: Sequence[life.Consultation], what: str) -> list[Consultation]:
    """With the patients' names; the look is in the access log before they are read."""
    care, actor = asking.care, asking.actor
    subject = care.clinic.subject(found[0].patients[0]) if len(found) == 1 else None
    with care.clinic.store() as db:
        lookup.log_access(
            db, who=actor.id, role=actor.role, what=what, subject=subject, reason="their own work"
        )
        rows = patients.of_ids(db, care.clinic.sealer, {who for one in found for who in one.patients})
    return [_as_shown(one, rows) for one in found]


def _as_shown(one: life.Consultation, rows: dict[int, patients.Row]) -> Consultation:
    people = [(who, contact_of(rows[who])) for who in one.patients if who in rows]
    return Consultation(
        id=strawberry.ID(str(one.id)),
        version=one.version,
        state=one.state,
        flow=Flow(one.flow),
        category=one.category,
        organisation=one.organisation,
        primary_channel=one.primary_channel,
        enabled_channels=sorted(one.enabled_channels),
        providers=list(one.providers),
        patients=[
            Patient(
                id=strawberry.ID(str(who)),
                first_name=contact.first_name,
                last_name=contact.last_name,
                email=contact.email,
                phone=contact.phone,
            )
            for who, contact in people
        ],
        created_at=one.created_at,
        planned_at=one.planned_at,
        screened_at=one.screened_at,
        assigned_at=one.assigned_at,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        cancelled_at=one.cancelled_at,
        cancelled_for=one.cancelled_for,
        rebooked_from=strawberry.ID(str(one.rebooked_from)) if one.rebooked_from else None,
        waiting_seconds=one.waiting.total_seconds() if one.waiting is not None else None,
        treatment_seconds=one.treatment.total_seconds() if one.treatment is not None else None,
    )


def _one(asking: Asking, identifier: int) -> Consultation | None:
    with asking.care.clinic.store() as db:
        row = kept.one(db, identifier)
    return _told(asking, consultation_of(row)) if row else None


def _told(asking: Asking, one: life.Consultation) -> Consultation | None:
    """A consultation, or a change of one, if it is for the asking person."""
    if not reading.may_see_names(one, asking.actor):
        return None
    return shown(asking, [one], "a consultation")[0]


def _page(asking: Asking, state: State | None, first: int, after: int) -> Consultations:
    if not 1 <= first <= MOST_ROWS:
        raise Impossible(f"first: between 1 and {MOST_ROWS}")
    wanted = state.value if state else None
    with asking.care.clinic.store() as db:
        if asking.actor.role is Role.PROVIDER:
            rows = kept.visible(db, asking.actor.id, state=wanted, after=after, limit=first + 1)
        else:
            rows = kept.listed(db, state=wanted, after=after, limit=first + 1)
    nodes = shown(asking, [consultation_of(row) for row in rows[:first]], "the list of consultations")
    return Consultations(
        edges=[ConsultationEdge(cursor=str(node.id), node=node) for node in nodes],
        nodes=nodes,
        page_info=PageInfo(has_next_page=len(rows) > first, end_cursor=str(nodes[-1].id) if nodes else None),
    )


@strawberry.type
class Query:
    @strawberry.field
    async def consultations(
        self, info: Info, state: State | None = None, first: int = 50, after: str | None = None
    ) -> Consultations:
        """Those the asking person may see, oldest first."""
        asking = _asking(info)
        return await run_in_threadpool(_page, asking, state, first, _number(after) if after else 0)

    @strawberry.field
    async def consultation(self, info: Info, id: strawberry.ID) -> Consultation | None:  # noqa: A002
        """One, or nothing if it is not for the asking person."""
        asking = _asking(info)
        return await run_in_threadpool(_one, asking, _number(id))


async def _acted(info: Info, act: Callable[[Asking], life.Consultation]) -> Consultation:
    asking = _asking(info)

    def do() -> Consultation:
        return shown(asking, [act(asking)], "a consultation")[0]

    return await run_in_threadpool(do)


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def create_consultation(self, info: Info, input: CreateInput) -> Consultation:  # noqa: A002
        """Screen the consultation of a referral, or create a direct one."""

        def act(asking: Asking) -> life.Consultation:
            if input.flow is Flow.REFERRAL:
                if input.id is None:
                    raise Impossible("id: missing; name the consultation the referral gave rise to")
                return asking.care.practice.screen(_number(input.id), asking.actor)
            return asking.care.practice.create(
                asking.actor,
                people=[_number(who) for who in input.patients],
                organisation=input.organisation,
                planned_at=input.planned_at,
            )

        return await _acted(info, act)

    @strawberry.mutation
    async def pick_consultation(self, info: Info, id: strawberry.ID) -> Consultation:  # noqa: A002
        """A provider takes it; of two exactly one gets it."""
        return await _acted(info, lambda asking: asking.care.practice.pick(_number(id), asking.actor))

    @strawberry.mutation
    async def start_consultation(self, info: Info, id: strawberry.ID) -> Consultation:  # noqa: A002
        """A room is made, and the patient gets the link."""
        return await _acted(info, lambda asking: asking.care.practice.start(_number(id), asking.actor))

    @strawberry.mutation
    async def update_consultation(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002
        input: UpdateInput,  # noqa: A002
    ) -> Consultation:
        """Other channels, or another planned time."""
        return await _acted(
            info,
            lambda asking: asking.care.practice.update(
                _number(id),
                asking.actor,
                primary=input.primary_channel,
                enabled=input.enabled_channels,
                planned_at=input.planned_at,
            ),
        )

    @strawberry.mutation
    async def finish_consultation(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002
        result: ResultInput,
    ) -> Consultation:
        """The report is sealed, and the insurer is told."""
        form = Form(
            icpc2=result.icpc2,
            outcome=result.outcome,
            policy_number=result.policy_number,
            patient_number=result.patient_number,
            job_description=result.job_description,
            notes=result.notes,
        )
        return await _acted(
            info, lambda asking: asking.care.finishing.finish(_number(id), form, asking.actor)
        )

    @strawberry.mutation
    async def cancel_consultation(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002
        reason: Reason,
    ) -> Consultation:
        """It will not take place."""
        return await _acted(
            info, lambda asking: asking.care.practice.cancel(_number(id), reason, asking.actor)
        )


#: A session is looked at again so often while a subscription stays open.
LOOK_SECONDS = 5.0


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def consultations(self, info: Info) -> AsyncGenerator[Consultation, None]:
        """Every change of what the asking person may see, from now on until their session ends."""
        asking = _asking(info)
        changes = asking.care.changes
        queue = await changes.subscribe()
        try:
            while await run_in_threadpool(asking.alive):
                try:
                    changed = await asyncio.wait_for(queue.get(), LOOK_SECONDS)
                except TimeoutError:
                    continue
                if changed is None:
                    raise Missed
                one = await run_in_threadpool(_told, asking, changed)
                if one is not None:
                    yield one
        finally:
            changes.leave(queue)


class Schema(strawberry.Schema):
    """Says nothing of a fault but its place: a text may quote what was typed."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        for error in errors:
            cause = error.original_error
            if cause is not None and not isinstance(cause, SPOKEN):
                log.error("a query went wrong (%s)", place_of(cause))


def _is_fault(error: GraphQLError) -> bool:
    return error.original_error is not None and not isinstance(error.original_error, SPOKEN)


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[
        lambda: QueryDepthLimiter(max_depth=7),
        lambda: MaxTokensLimiter(max_token_count=1_000),
        lambda: MaxAliasesLimiter(max_alias_count=5),
        lambda: MaskErrors(should_mask_error=_is_fault),
    ],
)

Context = dict[str, Any]
