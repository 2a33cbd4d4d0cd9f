"""``/consultations``: what waits for screening, what providers may pick, what is theirs; find one; enter a direct one.

Secretaries see names of all, providers those of the open list and of what they treat. Every list that shows a name is
in the access log before it is shown. One consultation is ``web/consultation.py``'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assets.pridok import numbers
from assets.pridok.actors import Actor, Impossible
from assets.pridok.actors import Role as Acting
from assets.pridok.clinic import Clinic, KeysMissing
from assets.pridok.consultation import Consultation, State
from assets.pridok.finishing import Finishing
from assets.pridok.practice import Practice
from assets.pridok.referral import Contact, usable
from assets.pridok.register import Register
from assets.pridok.rows import consultation_of, contact_of
from resources.store import consultations as kept
from resources.store import patients, referrals
from resources.store.connect import Connection
from web import consultation
from web.staff import (
    PROVIDER,
    SECRETARY,
    Page,
    PageRequest,
    Person,
    Problem,
    Response,
    Todo,
    log_access,
    page,
    redirect,
    render,
)

ROWS = 50
#: A list: its name for people, its state, whether screened, whether only one's own, whether the newest come first.
LISTS: Final[Mapping[str, tuple[str, str | None, bool | None, bool, bool]]] = {
    "to_screen": ("To screen", "ready_for_pickup", False, False, False),
    "open": ("To pick up", "ready_for_pickup", True, False, False),
    "picked": ("Picked", "pending_sp", None, False, False),
    "running": ("In progress", "in_progress", None, False, False),
    "mine": ("Mine", None, None, True, True),
    "completed": ("Completed", "completed", None, False, True),
    "cancelled": ("Cancelled", "cancelled", None, False, True),
}
OF_ROLE: Final = {
    SECRETARY: ("to_screen", "open", "picked", "running", "completed", "cancelled"),
    PROVIDER: ("open", "mine"),
}
#: The fields of a direct consultation, as the form calls them.
ENTERED: Final[Mapping[str, str]] = {
    "number": "National number",
    "first_name": "First name",
    "last_name": "Last name",
    "email": "E-mail",
    "phone": "Telephone",
    "organisation": "Organisation",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One consultation of a list."""

    id: int
    name: str
    state: str
    created_at: datetime
    planned_at: datetime | None
    organisation: str
    provider: str


def actor_of(person: Person) -> Actor:
    """Who signed in, as the lane knows them."""
    return Actor(person.name, Acting(person.role.value))


def names(db: Connection, clinic: Clinic, found: Sequence[Consultation]) -> dict[int, str]:
    """The name of each consultation's first patient. Log the look before you call this."""
    rows = patients.of_ids(db, clinic.sealer, {one.patients[0] for one in found})
    contacts = {identifier: contact_of(row) for identifier, row in rows.items()}
    called = {who: f"{contact.first_name} {contact.last_name}" for who, contact in contacts.items()}
    return {one.id: called.get(one.patients[0], "") for one in found}


def pages(clinic: Clinic, practice: Practice, finishing: Finishing, register: Register) -> list[Page]:
    """The pages of consultations."""
    return [
        listing(clinic),
        search(clinic),
        entering(),
        entered(practice, register),
        quarantine(clinic),
        *consultation.pages(clinic, practice, finishing),
    ]


def listing(clinic: Clinic) -> Page:
    """The lists of each role."""

    @page("/consultations", roles={SECRETARY, PROVIDER}, title="Consultations", nav="Consultations")
    def listed(request: PageRequest) -> Response:
        allowed = OF_ROLE[request.person.role]
        name = request.query_params.get("list", allowed[0])
        start = request.query_params.get("after", "0")
        if name not in allowed or not start.isdecimal() or len(start) > 19:
            raise Problem(400, "There is no such list.", "Choose one of those on the page.")
        log_access(request, f"consultations: {LISTS[name][0].lower()}", None, "the list of consultations")
        _, state, screened, own, newest = LISTS[name]
        with request.house.store() as db:
            rows = kept.listed(
                db,
                state=state,
                screened=screened,
                provider=request.person.name if own else None,
                after=int(start),
                limit=ROWS + 1,
                newest_first=newest,
            )
            found = [consultation_of(row) for row in rows]
            return shown(request, db, clinic, found, chosen=name)

    return listed


def shown(
    request: PageRequest,
    db: Connection,
    clinic: Clinic,
    found: Sequence[Consultation],
    *,
    chosen: str,
    patient: int | None = None,
) -> Response:
    """The page of a list, or of the one patient who was looked for."""
    counted, called = kept.counts(db), names(db, clinic, found)
    keys = {
        "to_screen": "to_screen",
        "open": "ready_for_pickup",
        "picked": "pending_sp",
        "running": "in_progress",
    }
    allowed = OF_ROLE[request.person.role]
    return render(
        request,
        "consultations/list.html",
        lists=[(key, LISTS[key][0], counted.get(keys[key], 0) if key in keys else None) for key in allowed],
        chosen=chosen,
        patient=patient,
        rows=[line(one, called[one.id]) for one in found[:ROWS]],
        more=found[ROWS - 1].id if len(found) > ROWS else 0,
    )


def line(one: Consultation, name: str) -> Line:
    """A consultation as a list shows it."""
    unscreened = one.state is State.READY_FOR_PICKUP and one.screened_at is None
    return Line(
        id=one.id,
        name=name,
        state="to_screen" if unscreened else one.state.value,
        created_at=one.created_at,
        planned_at=one.planned_at,
        organisation=one.organisation or "",
        provider=", ".join(one.providers),
    )


def search(clinic: Clinic) -> Page:
    """One patient's consultations by national number: it names somebody, so it is never part of an address."""

    @page("/consultations", roles={SECRETARY}, method="POST", title="Consultations")
    def searched(request: PageRequest) -> Response:
        number = numbers.read(request.field("number", "a national number", most=20))
        with request.house.store() as db:
            row = patients.of_number(db, clinic.sealer, clinic.number(number.digits))
            subject = clinic.subject(row.id) if row else None
            log_access(request, "looked for a patient", subject, "found by a number somebody had at hand")
            rows = kept.of_patient(db, row.id) if row else []
            found = [consultation_of(one) for one in reversed(rows)]
            return shown(request, db, clinic, found[:ROWS], chosen="", patient=row.id if row else None)

    return searched


def entering() -> Page:
    """The form of a direct consultation."""

    @page("/consultations/new", roles={SECRETARY}, title="New consultation")
    def form(request: PageRequest) -> Response:
        return _form(request)

    return form


def _form(request: PageRequest, wrong: str = "") -> Response:
    """The form, with what was typed; nothing is typed twice because one field is wrong."""
    given = {name: request.fields.get(name, "") for name in ENTERED}
    status = 400 if wrong else 200
    return render(request, "consultations/new.html", status=status, wrong=wrong, given=given)


def entered(practice: Practice, register: Register) -> Page:
    """A direct consultation: the person is found by number or entered, and it is created."""

    @page("/consultations/new", roles={SECRETARY}, method="POST", title="New consultation")
    def create(request: PageRequest) -> Response:
        actor = actor_of(request.person)
        contact = Contact(
            first_name=request.field("first_name", "a first name", most=100),
            last_name=request.field("last_name", "a last name", most=100),
            email=request.fields.get("email") or None,
            phone=request.fields.get("phone") or None,
        )
        number = request.field("number", "a national number", most=20)
        if contact.email and not usable(contact.email):
            return _form(request, "E-mail: no mail can be sent to this address")
        try:
            patient = register.admit(actor, number, contact)
            made = practice.create(
                actor, people=[patient], organisation=request.fields.get("organisation") or None
            )
        except Impossible as error:
            member, _, rest = str(error).partition(": ")
            return _form(request, f"{ENTERED.get(member, member)}: {rest}")
        except KeysMissing:
            raise consultation.NOBODY_TO_SEAL_TO from None
        return redirect(request, f"/consultations/{made.id}")

    return create


def quarantine(clinic: Clinic) -> Page:
    """Referrals that were kept and not accepted: what is wrong with each, and nobody's name."""

    @page("/consultations/quarantine", roles={SECRETARY}, title="Quarantined referrals")
    def quarantined(request: PageRequest) -> Response:
        with request.house.store() as db:
            rows = referrals.quarantined(db)
        return render(request, "consultations/quarantine.html", rows=rows)

    return quarantined


def todos(db: Connection, person: Person) -> list[Todo]:
    """What waits for secretaries and providers."""
    if person.role not in OF_ROLE:
        return []
    counted = kept.counts(db)
    if person.role == SECRETARY:
        return [Todo(counted.get("to_screen", 0), "referrals wait to be screened", "/consultations")]
    return [Todo(counted.get("ready_for_pickup", 0), "consultations wait for a provider", "/consultations")]
