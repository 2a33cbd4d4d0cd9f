"""``/consultations/<id>``: one consultation, what its secretary or provider may do now, and the report at its end.

A result is written here and never read here: reading is the decrypt service's, under an address of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from assets.pridok import reading
from assets.pridok.actors import Actor, ConsultationError, Impossible, NotAllowed
from assets.pridok.actors import Role as Acting
from assets.pridok.clinic import Clinic, KeysMissing
from assets.pridok.consultation import OPEN, Channel, Consultation, Reason, State
from assets.pridok.finishing import Finishing
from assets.pridok.practice import Gone, Practice, behind_of
from assets.pridok.results import Form, FormRefused
from assets.pridok.rows import consultation_of, contact_of
from resources.store import consultations as kept
from resources.store import patients, referrals, staff, visits
from resources.store.connect import Connection
from resources.store.readings import REFUSED
from resources.video import VideoAway
from web.addresses import pages_at, results_at
from web.staff import (
    LIVE,
    PROVIDER,
    SECRETARY,
    Page,
    PageRequest,
    Problem,
    Response,
    flash,
    log_access,
    page,
    redirect,
    render,
)

BOTH: Final = frozenset({SECRETARY, PROVIDER})
MEMBERS: Final = ("icpc2", "outcome", "policy_number", "patient_number", "job_description", "notes")

#: What a flag of the referral means for the person who screens it; ones without a line here say it themselves.
FLAGS: Final[Mapping[str, str]] = {
    "pid_coerced": "The national number came as a number and got its leading zero back.",
    "pid_normalised": "The national number came with spaces or a hyphen.",
    "ordinary_number_in_test": "An ordinary national number in a test system: perhaps a real person's.",
    "no_email": "No e-mail: tell the patient the link.",
    "email_not_usable": "No mail can be sent to the address that was given.",
    "no_phone": "No telephone number.",
    "phone_not_possible": "The telephone number cannot be one.",
    "phone_possible_not_valid": "Nobody has been given this telephone number: ask for another.",
    "unknown_fields_kept_in_raw": "The referral says more than we read.",
    "clock_skew": "The sender's clock is ahead.",
    "existing_user": "The patient is known.",
    "contact_changed": "Name, address or telephone are new.",
}
#: The members of the report as the form calls them.
LABELS: Final[Mapping[str, str]] = {
    "icpc2": "ICPC-2 code",
    "outcome": "Outcome",
    "policy_number": "Policy number",
    "patient_number": "National number of the patient",
    "job_description": "Job description",
    "notes": "Notes",
}

NOBODY_TO_SEAL_TO: Final = Problem(
    503, "There is nobody to seal to.", "An administrator has to set the public keys of this lane."
)

Act = Callable[[Practice, int, Actor, PageRequest], Consultation]


@contextmanager
def in_plain_words() -> Iterator[None]:
    """What cannot be done now, as a page says it. The sentences name members and rules, never a value."""
    try:
        yield
    except Gone:
        raise Problem(404, "There is no such consultation.", "It may have been typed wrongly.") from None
    except NotAllowed as error:
        raise Problem(403, "That is not yours to do.", str(error)) from None
    except Impossible as error:
        raise Problem(400, "That cannot be done so.", str(error)) from None
    except ConsultationError as error:
        raise Problem(409, "That cannot be done now.", str(error)) from None
    except VideoAway as error:
        raise Problem(503, "There is no video room just now. Nothing was started.", str(error)) from None
    except KeysMissing:
        raise NOBODY_TO_SEAL_TO from None


def pages(clinic: Clinic, practice: Practice, finishing: Finishing) -> list[Page]:
    """One consultation: look at it, act on it, finish it."""
    return [one_page(clinic, finishing), finish(clinic, finishing), acting(practice)]


def _actor(request: PageRequest) -> Actor:
    return Actor(request.person.name, Acting(request.person.role.value))


def seen(request: PageRequest, db: Connection, clinic: Clinic) -> Consultation:
    """The consultation, where this person may see whose it is; one they may not see is not there, and that they
    asked for it is in the access log.
    """
    row = kept.one(db, request.path_params["id"])
    one = consultation_of(row) if row else None
    allowed = one is not None and reading.may_see_names(one, _actor(request))
    # A page that refreshes itself goes on asking for what somebody else has taken meanwhile: that is no try.
    if one is not None and not allowed and LIVE not in request.headers:
        log_access(request, f"{REFUSED}a consultation", clinic.subject(one.patients[0]), "their own work")
    if one is None or not allowed:
        raise Problem(404, "There is no such consultation for you.", "Somebody else may have taken it.")
    return one


def one_page(clinic: Clinic, finishing: Finishing) -> Page:
    """What is known of it, and what can be done."""

    @page("/consultations/{id:int}", roles=BOTH, title="Consultation")
    def look(request: PageRequest) -> Response:
        return shown(request, clinic, finishing)

    return look


def shown(
    request: PageRequest,
    clinic: Clinic,
    finishing: Finishing,
    *,
    problems: tuple[str, ...] = (),
    given: Mapping[str, str] | None = None,
) -> Response:
    """The page; with ``problems`` of the report form, which then stands as it was typed."""
    actor = _actor(request)
    with request.house.store() as db:
        one = seen(request, db, clinic)
        log_access(request, "a consultation", clinic.subject(one.patients[0]), "their own work")
        people = patients.of_ids(db, clinic.sealer, one.patients)
        history = [consultation_of(row) for row in kept.of_patient(db, one.patients[0])]
        treats = actor.role is Acting.SECRETARY or reading.treats(one.patients[0], actor, history)
        referral = referrals.one(db, clinic.sealer, one.referral) if one.referral else None
        link = visits.of_consultation(db, clinic.sealer, one.id) if one.treated_by(actor) else None
        events = kept.events(db, one.id)
        may = offered(one, actor) | ({"export"} if treats and actor.role is Acting.PROVIDER else set())
        providers = staff.names(db, staff.Role.PROVIDER) if "assign" in may else {}
    return render(
        request,
        "consultations/consultation.html",
        status=422 if problems else 200,
        one=one,
        contacts=[contact_of(people[who]) for who in one.patients if who in people],
        flags=[FLAGS.get(flag, flag.replace("_", " ")) for flag in referral.flags] if referral else [],
        patient=one.patients[0],
        events=events,
        history=[other for other in history if other.id != one.id] if treats else [],
        room=behind_of(link.body) if link and one.state is State.IN_PROGRESS and not one.ends_at else None,
        link=f"{pages_at(clinic.settings)}/visit/{behind_of(link.body).token}"
        if link and not one.ends_at
        else "",
        may=may,
        buttons=may & {"screen", "pick", "start", "hang-up", "result"},
        channels=[(channel.value, channel.value) for channel in Channel],
        providers=list(providers.items()),
        reasons=[(reason.value, reason.value.replace("_", " ")) for reason in Reason],
        outcomes=[(name, name.replace("_", " ")) for name in finishing.outcomes],
        codes=sorted(clinic.codes.codes) if one.state is State.IN_PROGRESS else [],
        problems=[_by_label(problem) for problem in problems],
        given=given or dict.fromkeys(MEMBERS, ""),
        result_address=f"{results_at(clinic.settings)}/journal/{one.id}",
    )


def _by_label(problem: str) -> str:
    """A problem of the report under its field's own name."""
    member, _, rest = problem.partition(": ")
    return f"{LABELS.get(member, member)}: {rest}"


def offered(one: Consultation, actor: Actor) -> frozenset[str]:
    """Which acts the page offers; the machine judges them again."""
    secretary, treating = actor.role is Acting.SECRETARY, one.treated_by(actor)
    ready, screened = one.state is State.READY_FOR_PICKUP, one.screened_at is not None
    offers = {
        "screen": secretary and ready and not screened,
        "pick": actor.role is Acting.PROVIDER and ready and screened,
        "start": treating and one.state is State.PENDING_SP,
        "hang-up": treating and one.state is State.IN_PROGRESS and one.ends_at is None,
        "finish": treating and one.state is State.IN_PROGRESS,
        "assign": secretary and (one.state is State.PENDING_SP or (ready and screened)),
        "cancel": (secretary or treating) and one.state in OPEN,
        "change": (secretary or treating) and one.state in OPEN,
        "rebook": (secretary or treating)
        and one.state in (State.IN_PROGRESS, State.COMPLETED, State.CANCELLED),
        "result": treating and one.state is State.COMPLETED,
        "patient": secretary,
    }
    return frozenset(name for name, offer in offers.items() if offer)


def _planned(request: PageRequest) -> datetime | None:
    """A time as the form's field gives it, in the zone of the house."""
    text = request.fields.get("planned_at", "")
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=request.house.zone)
    except ValueError:
        raise Problem(400, "That is no time.", "Choose it from the field.") from None


def _cancel(practice: Practice, identifier: int, actor: Actor, request: PageRequest) -> Consultation:
    try:
        reason = Reason(request.field("reason", "a reason"))
    except ValueError:
        raise Problem(400, "There is no such reason.", "Choose one of the list.") from None
    return practice.cancel(identifier, reason, actor)


def _change(practice: Practice, identifier: int, actor: Actor, request: PageRequest) -> Consultation:
    channel = request.fields.get("channel", "")
    try:
        primary = Channel(channel) if channel else None
    except ValueError:
        raise Problem(400, "There is no such channel.", "Choose one of the list.") from None
    enabled = {Channel.VIDEO, Channel.CHAT} | ({primary} if primary else set())
    return practice.update(
        identifier, actor, primary=primary, enabled=enabled if primary else None, planned_at=_planned(request)
    )


#: What each button does, and the sentence the next page says.
ACTS: Final[Mapping[str, tuple[Act, str]]] = {
    "screen": (lambda practice, one, actor, _: practice.screen(one, actor), "Providers can pick it now."),
    "pick": (lambda practice, one, actor, _: practice.pick(one, actor), "It is yours."),
    "start": (
        lambda practice, one, actor, _: practice.start(one, actor),
        "The patient gets the link by mail.",
    ),
    "hang-up": (lambda practice, one, actor, _: practice.hang_up(one, actor), "Now the report."),
    "assign": (
        lambda practice, one, actor, request: practice.assign(
            one, request.field("provider", "a provider", most=64), actor
        ),
        "It is assigned.",
    ),
    "cancel": (_cancel, "It is cancelled."),
    "change": (_change, "It is changed."),
    "rebook": (
        lambda practice, one, actor, request: practice.rebook(one, actor, _planned(request)),
        "This is the new consultation.",
    ),
}


def acting(practice: Practice) -> Page:
    """A button was pressed."""

    @page("/consultations/{id:int}/{act}", roles=BOTH, method="POST", title="Consultation")
    def act(request: PageRequest) -> Response:
        if request.path_params["act"] not in ACTS:
            raise Problem(404, "There is no such act.")
        do, sentence = ACTS[request.path_params["act"]]
        with in_plain_words():
            one = do(practice, request.path_params["id"], _actor(request), request)
        flash(request, sentence)
        return redirect(request, f"/consultations/{one.id}")

    return act


def finish(clinic: Clinic, finishing: Finishing) -> Page:
    """The report is in; a form with problems comes back as it was typed, and nothing of it is kept."""

    @page("/consultations/{id:int}/finish", roles={PROVIDER}, method="POST", title="Consultation")
    def finished(request: PageRequest) -> Response:
        given = {name: request.fields.get(name, "") for name in MEMBERS}
        try:
            with in_plain_words():
                one = finishing.finish(request.path_params["id"], Form(**given), _actor(request))
        except FormRefused as refused:
            return shown(request, clinic, finishing, problems=refused.problems, given=given)
        flash(request, "The report is sealed, and the insurer is told.")
        return redirect(request, f"/consultations/{one.id}")

    return finished
