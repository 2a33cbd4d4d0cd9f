"""``/access/follow-up``: which looks at patients' data somebody should ask about, for administrators.

Patients' names are compared with accounts' here and shown to nobody: the page gives the subject of the access log.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from assets.pridok import followup
from assets.pridok.clinic import Clinic
from assets.pridok.followup import Known, Look
from assets.pridok.rows import contact_of
from resources.store import consultations as kept
from resources.store import patients, readings, staff
from resources.store.connect import Connection
from web.staff import ADMINISTRATOR, Page, PageRequest, Problem, Response, log_access, page, render

DAYS: Final = (1, 7, 30, 90)
ROLES: Final = ("provider", "secretary")


def pages(clinic: Clinic) -> list[Page]:
    """The report of so many days."""

    @page("/access/follow-up", roles={ADMINISTRATOR}, title="Follow-up of looks")
    def report(request: PageRequest) -> Response:
        text = request.query_params.get("days", "7")
        if text not in map(str, DAYS):
            raise Problem(400, "There is no such report.", "Choose a time from the form.")
        log_access(request, "the follow-up report", None, f"{text} days of the access log")
        with request.house.store() as db:
            subjects = _subjects(db, clinic)
            looks = _looks(db, subjects, request, int(text))
            known = _known(db, clinic, {look.patient for look in looks})
        return render(
            request,
            "followup.html",
            days=text,
            choices=[(str(days), f"{days} days" if days > 1 else "a day") for days in DAYS],
            many=followup.MANY,
            signs=followup.SIGNS,
            looks=len(looks),
            findings=followup.findings(looks, known),
            subject=clinic.subject,
        )

    return [report]


def _subjects(db: Connection, clinic: Clinic) -> Mapping[int, int]:
    """Of each subject of the log, the person it stands for today: the log itself cannot be turned round."""
    people = patients.everybody(db)
    return {clinic.subject(who): entry for who, entry in people.items()}


def _looks(db: Connection, subjects: Mapping[int, int], request: PageRequest, days: int) -> list[Look]:
    found = readings.since(db, request.house.now() - timedelta(days=days), ROLES)
    called = staff.full_names(db)
    return [
        Look(
            at=one.at,
            who=one.who,
            role=one.role,
            what=one.what,
            patient=subjects[one.subject],
            given=one.given,
            emergency=one.emergency,
            called=called.get(one.who, ""),
        )
        for one in found
        if one.subject is not None and one.subject in subjects
    ]


def _known(db: Connection, clinic: Clinic, people: set[int]) -> Mapping[int, Known]:
    """Who treats each of them, and how they are called."""
    treated = kept.providers_of(db, people)
    contacts = {who: contact_of(row) for who, row in patients.of_ids(db, clinic.sealer, people).items()}
    return {
        who: Known(
            treated_by=treated.get(who, ()), first_name=contact.first_name, last_name=contact.last_name
        )
        for who, contact in contacts.items()
    }
