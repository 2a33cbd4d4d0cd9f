"""``/journal/<id>``: what the decrypt service shows. The one place where a result is opened, and only for who treats.

Who asks is signed in by the same session as on the other pages, gives a reason, and treats the patient, or has opened
the record in an emergency (``web/emergency.py``). The look is in the access log before the seal is opened. Nothing that
was opened is kept, logged, or sent anywhere else.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from assets.pridok import reading, results
from assets.pridok.actors import Actor, NotAllowed, Role
from assets.pridok.finishing import TABLE
from assets.pridok.results import ConsultationResult
from assets.pridok.rows import consultation_of
from resources.sealing import NotForThisKey, Place, PrivateKey, SealBroken, Sealed, unseal
from resources.store import consultations as kept
from resources.store import readings
from resources.store.connect import Connection
from resources.store.readings import EMERGENCY, REFUSED
from web.addresses import pages_at
from web.staff import PROVIDER, Page, PageRequest, Problem, Response, log_access, page, render

PATH: Final = "/journal/{id:int}"
NOT_FOUND: Final = Problem(
    404,
    "There is no such result for you.",
    "Only who treats the patient reads it. In an emergency open the patient's record from Consultations first.",
)
BROKEN: Final = Problem(
    500, "This result does not open.", "It was moved or changed, or its keys are gone. Tell an administrator."
)

Keys = Mapping[str, PrivateKey]
Subject = Callable[[int], int]


def pages(keys: Keys, subject: Subject) -> Sequence[Page]:
    """Ask for a reason; then show."""

    @page(PATH, roles={PROVIDER}, title="Result")
    def ask(request: PageRequest) -> Response:
        with request.house.store() as db:
            _allowed(request, db, subject, "the form before the look")
        return _page(request, None)

    @page(PATH, roles={PROVIDER}, method="POST", title="Result")
    def show(request: PageRequest) -> Response:
        reason = request.field("reason", "why you read it")
        with request.house.store() as db:
            what, patient = _allowed(request, db, subject, reason)
            log_access(request, what, subject(patient), reason)
            result = opened(db, keys, request.path_params["id"])
        return _page(request, result)

    return [ask, show]


def _page(request: PageRequest, result: ConsultationResult | None) -> Response:
    back = f"{pages_at(request.house.settings)}/consultations"
    return render(request, "consultations/result.html", result=result, back=back)


def _allowed(request: PageRequest, db: Connection, subject: Subject, reason: str) -> tuple[str, int]:
    """How the log calls the look, and at whom, if the person who asks treats the patient or has opened the record in
    an emergency; a refusal is in the log too.
    """
    row = kept.one(db, request.path_params["id"])
    if row is None:
        raise NOT_FOUND
    patient = int(row.patients[0])
    actor = Actor(request.person.name, Role(request.person.role.value))
    history = [consultation_of(one) for one in kept.of_patient(db, patient)]
    treats = reading.treats(patient, actor, history)
    emergency = not treats and readings.in_emergency(
        db, actor.id, [subject(who) for who in row.patients], reading.EMERGENCY_LASTS
    )
    try:
        reading.require_result(patient, actor, history, reason, emergency=emergency)
    except NotAllowed:
        log_access(request, f"{REFUSED}a result", subject(patient), reason)
        raise NOT_FOUND from None
    return f"{EMERGENCY}a result" if emergency else "a result", patient


def opened(db: Connection, keys: Keys, identifier: int) -> ConsultationResult:
    """The result, opened with whichever of the clinic's keys it is sealed to."""
    found = kept.sealed_result(db, identifier)
    if found is None:
        raise NOT_FOUND
    version, raw = found
    place = Place(TABLE, str(identifier), version)
    try:
        sealed = Sealed.from_bytes(raw)
        key = next((key for kid, key in keys.items() if kid in sealed.keys), None)
        if key is None:
            raise NotForThisKey(str(place))
        return results.from_members(unseal(sealed, place, key))
    except SealBroken:
        raise BROKEN from None
