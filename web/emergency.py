"""``/consultations/emergency``: a provider opens the record of somebody they have not treated, because it cannot wait.

The line in the access log is what opens it: from then on, for an hour, the decrypt service lets this provider read the
patient's results. Each opening is told by notice at once and stands in the follow-up report until somebody has asked.
"""

from datetime import timedelta
from typing import Final

from assets.pridok import reading
from assets.pridok.clinic import Clinic
from assets.pridok.register import Register
from assets.pridok.rows import consultation_of
from resources.store import consultations as kept
from resources.store import readings
from resources.store.connect import Connection
from resources.store.incidents import AGAIN_HOURS, Incident
from web.addresses import results_at
from web.staff import PROVIDER, Page, PageRequest, Problem, Response, log_access, page, render

PATH: Final = "/consultations/emergency"
#: A reason that explains itself to somebody else.
SHORTEST_REASON: Final = 15
#: So long an opening is on the start page of operators; short enough that its notice goes out once.
TOLD_FOR: Final = timedelta(hours=AGAIN_HOURS - 1)


def pages(clinic: Clinic, register: Register) -> list[Page]:
    """Ask for number and reason; then show."""
    return [asking(), opening(clinic, register)]


def asking() -> Page:
    """The form."""

    @page(PATH, roles={PROVIDER}, title="Emergency")
    def form(request: PageRequest) -> Response:
        return render(request, "consultations/emergency.html", entry=None, least=SHORTEST_REASON)

    return form


def opening(clinic: Clinic, register: Register) -> Page:
    """The record is opened: written down first, then shown."""

    @page(PATH, roles={PROVIDER}, method="POST", title="Emergency")
    def opened(request: PageRequest) -> Response:
        number = request.field("number", "the national number", most=20)
        reason = request.field("reason", "the reason")
        if len(reason) < SHORTEST_REASON:
            raise Problem(400, "Please say in a sentence why it cannot wait.", "Somebody will ask about it.")
        if request.fields.get("known") != "1":
            raise Problem(400, "Nothing was opened.", "Go back, and say that you know it is followed up.")
        with request.house.store() as db:
            who = register.of_number(db, number)
            if who is None:
                log_access(request, f"{readings.EMERGENCY}looked for a patient", None, reason)
                raise Problem(404, "Nobody is known under that number.", "Look whether all of it is there.")
            log_access(request, readings.OPENED, clinic.subject(who), reason)
            entry = register.entry(db, who)
            found = [consultation_of(row) for row in reversed(kept.of_patient(db, entry.patient.id))]
        return render(
            request,
            "consultations/emergency.html",
            entry=entry,
            consultations=found,
            minutes=int(reading.EMERGENCY_LASTS.total_seconds() // 60),
            results=f"{results_at(clinic.settings)}/journal",
        )

    return opened


def incidents(db: Connection) -> list[Incident]:
    """One each time a record was opened in an emergency: told once, and to be asked about."""
    return [
        Incident(
            f"told:pridok:emergency:{line}",
            "pridok",
            f"{who} has opened the record of somebody they have not treated, in an emergency: ask why"
            f" (line {line} of the access log, and /access/follow-up)",
        )
        for line, who in readings.emergencies(db, TOLD_FOR)
    ]
