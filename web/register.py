"""``/patients/<id>``: one person in the register, for the secretary: contact, numbers, consultations, who has looked.

The address holds the number of an entry, which means nothing outside; a national number is typed into a form and never
stands in an address. A number itself is shown nowhere: it is sealed to the clinic. Two entries that are one person are
merged here, after both have been looked at side by side.
"""

from dataclasses import asdict
from typing import Final

import msgspec

from assets.pridok import followup, reading
from assets.pridok.actors import Actor
from assets.pridok.actors import Role as Acting
from assets.pridok.clinic import Clinic
from assets.pridok.practice import Gone
from assets.pridok.register import Entry, Register
from assets.pridok.rows import consultation_of
from resources.store import consultations as kept
from resources.store import readings
from resources.store.connect import Connection
from resources.store.readings import REFUSED, Reading
from web.consultation import in_plain_words
from web.staff import (
    PROVIDER,
    SECRETARY,
    Page,
    PageRequest,
    Problem,
    Response,
    download,
    flash,
    log_access,
    page,
    redirect,
    render,
)

PATH: Final = "/patients/{id:int}"
NOBODY: Final = Problem(404, "There is no such patient.", "Look for the person by their number.")
OWN_WORK: Final = "their own work"


def pages(clinic: Clinic, register: Register) -> list[Page]:
    """Look at a person, change the number, merge, and hand out what is theirs to know."""
    return [
        one(clinic, register),
        renumber(register),
        compare(clinic, register),
        merge(register),
        readers(clinic, register),
        export(clinic, register),
    ]


def _actor(request: PageRequest) -> Actor:
    return Actor(request.person.name, Acting(request.person.role.value))


def looked_up(
    request: PageRequest, db: Connection, clinic: Clinic, register: Register, what: str, why: str
) -> Entry:
    """The entry of the address; the look is in the access log first."""
    return _entry(request, db, clinic, register, request.path_params["id"], what, why)


def _entry(
    request: PageRequest, db: Connection, clinic: Clinic, register: Register, who: int, what: str, why: str
) -> Entry:
    log_access(request, what, clinic.subject(who), why)
    try:
        return register.entry(db, who)
    except Gone:
        raise NOBODY from None


def _asked(request: PageRequest) -> int:
    return int(request.path_params["id"])


def _treats(request: PageRequest, db: Connection) -> bool:
    """Whether the provider who asks treats the person of the address; nothing of the person is read for it."""
    found = [consultation_of(row) for row in kept.of_patient(db, _asked(request))]
    return reading.treats(_asked(request), _actor(request), found)


def readings_of(db: Connection, clinic: Clinic, entry: Entry) -> list[Reading]:
    """Every look at this person, under whichever entry they were known."""
    return readings.of_subjects(db, [clinic.subject(who) for who in entry.everything])


def one(clinic: Clinic, register: Register) -> Page:
    """The person, and the person's consultations."""

    @page(PATH, roles={SECRETARY}, title="Patient")
    def look(request: PageRequest) -> Response:
        with request.house.store() as db:
            entry = looked_up(request, db, clinic, register, "a patient", OWN_WORK)
            if entry.patient.id != request.path_params["id"]:
                return redirect(request, f"/patients/{entry.patient.id}")
            found = [consultation_of(row) for row in kept.of_patient(db, entry.patient.id)]
        return render(request, "patients/patient.html", entry=entry, consultations=list(reversed(found)))

    return look


def renumber(register: Register) -> Page:
    """Another national number from now on."""

    @page(PATH + "/number", roles={SECRETARY}, method="POST", title="Patient")
    def renumbered(request: PageRequest) -> Response:
        who = request.path_params["id"]
        number = request.field("number", "the new national number", most=20)
        with in_plain_words():
            register.renumber(who, number, _actor(request), request.field("reason", "a reason"))
        flash(request, "The new number is in use. The one before goes on finding this person.")
        return redirect(request, f"/patients/{who}")

    return renumbered


def compare(clinic: Clinic, register: Register) -> Page:
    """The entry of another number beside this one, before anything is merged."""

    @page(PATH + "/compare", roles={SECRETARY}, method="POST", title="Merge two entries")
    def compared(request: PageRequest) -> Response:
        number = request.field("number", "the other entry's national number", most=20)
        with request.house.store() as db:
            entry = looked_up(request, db, clinic, register, "a patient", "a merge")
            other = register.of_number(db, number)
            if other is None:
                raise Problem(404, "Nobody is known under that number.", "Look whether all of it is there.")
            if other == entry.patient.id:
                raise Problem(409, "That is this person's own number.", "There is nothing to merge.")
            both = (entry, _entry(request, db, clinic, register, other, "a patient", "a merge"))
            counts = [len(kept.of_patient(db, side.patient.id)) for side in both]
        return render(request, "patients/compare.html", sides=list(zip(both, counts, strict=True)))

    return compared


def merge(register: Register) -> Page:
    """The two are one person: said by somebody, with a reason."""

    @page(PATH + "/merge", roles={SECRETARY}, method="POST", title="Merge two entries")
    def merged(request: PageRequest) -> Response:
        who, other = request.path_params["id"], request.field("other", "the other entry", most=19)
        known = other.isdecimal() and int(other) < 1 << 63
        if not known or request.fields.get("same") != "1":
            raise Problem(400, "Nothing was merged.", "Go back, and say that both are the same person.")
        with in_plain_words():
            register.merge(who, int(other), _actor(request), request.field("reason", "a reason"))
        flash(request, "The two entries are one. Every number either had finds it.")
        return redirect(request, f"/patients/{who}")

    return merged


def readers(clinic: Clinic, register: Register) -> Page:
    """Who has read what of this person: the patient's report, to be printed or handed out."""

    @page(PATH + "/readers", roles={SECRETARY}, method="POST", title="Who has read")
    def told(request: PageRequest) -> Response:
        why = request.field("reason", "why it is handed out")
        with request.house.store() as db:
            entry = looked_up(request, db, clinic, register, "who has read a patient's data", why)
            found = readings_of(db, clinic, entry)
        return render(
            request,
            "patients/readers.html",
            entry=entry,
            looks=len(found),
            spells=followup.spells(reversed(found)),
        )

    return told


def export(clinic: Clinic, register: Register) -> Page:
    """All the application itself knows of one person, as a file: contact, consultations, who looked.

    A secretary may have anybody's, a provider that of somebody they treat.
    """

    @page(PATH + "/export", roles={SECRETARY, PROVIDER}, method="POST", title="A patient's data")
    def exported(request: PageRequest) -> Response:
        why = request.field("reason", "why the data is handed out")
        with request.house.store() as db:
            if request.person.role == PROVIDER and not _treats(request, db):
                log_access(request, f"{REFUSED}all data of a patient", clinic.subject(_asked(request)), why)
                raise NOBODY
            entry = looked_up(request, db, clinic, register, "all data of a patient", why)
            rows = kept.of_patient(db, entry.patient.id)
            content = {
                "contact": entry.patient.contact,
                "tags": sorted(entry.patient.tags),
                "numbers": [{"since": one.since, "until": one.until} for one in entry.patient.numbers],
                "consultations": [consultation_of(row) for row in rows],
                "events": {str(row.id): kept.events(db, row.id) for row in rows},
                "who_looked": [asdict(one) for one in readings_of(db, clinic, entry)],
            }
        data = msgspec.json.format(msgspec.json.encode(content))
        return download(request, data, name="patient.json", kind="application/json")

    return exported
