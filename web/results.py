"""``/journal/<id>``: what the decrypt service shows. The one place where a result is opened, and only for who treats.

Who asks is signed in by the same session as on the other pages, gives a reason, and treats the patient, or has opened
the record in an emergency (``web/emergency.py``). The look is in the access log before the seal is opened. Nothing that
was opened is kept, logged, or sent anywhere else.

A session alone opens nothing: its row could be written by anybody who has the application's database role. So the
password is asked for as well, once for a quarter of an hour of reading; the application can neither read nor set it.
"""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
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
from web.staff.sign_in import confirms

PATH: Final = "/journal/{id:int}"
NOT_FOUND: Final = Problem(
    404,
    "There is no such result for you.",
    "Only who treats the patient reads it. In an emergency open the patient's record from Consultations first.",
)
BROKEN: Final = Problem(
    500, "This result does not open.", "It was moved or changed, or its keys are gone. Tell an administrator."
)

#: So long after a look the next one needs no password.
AWAKE_SECONDS: Final = 900.0

Keys = Mapping[str, PrivateKey]
Subject = Callable[[int], int]


def pages(keys: Keys, subject: Subject) -> Sequence[Page]:
    """Ask for a reason, and whether it is really they; then show."""
    awake = Awake()

    @page(PATH, roles={PROVIDER}, title="Result")
    def ask(request: PageRequest) -> Response:
        with request.house.store() as db:
            _allowed(request, db, subject, "the form before the look")
        return _page(request, awake)

    @page(PATH, roles={PROVIDER}, method="POST", title="Result")
    def show(request: PageRequest) -> Response:
        reason = request.field("reason", "why you read it")
        with request.house.store() as db:
            what, patient = _allowed(request, db, subject, reason)
            if not awake.knows(request) and not confirms(request, request.fields.get("password", "")):
                log_access(request, f"{REFUSED}a result", subject(patient), reason)
                return _page(request, awake, reason=reason, wrong="That is not the password of this account.")
            awake.seen(request)
            log_access(request, what, subject(patient), reason)
            result = opened(db, keys, request.path_params["id"])
        return _page(request, awake, result)

    return [ask, show]


class Awake:
    """The sessions whose password was given here lately: known to this process alone, and to no database."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._seen: dict[bytes, float] = {}

    def knows(self, request: PageRequest) -> bool:
        """Whether the password need not be asked for once more."""
        return self._now() - self._seen.get(request.visit.session, float("-inf")) < AWAKE_SECONDS

    def seen(self, request: PageRequest) -> None:
        """The person has read just now."""
        late = self._now() - AWAKE_SECONDS
        self._seen = {one: at for one, at in self._seen.items() if at > late}
        self._seen[request.visit.session] = self._now()


def _page(
    request: PageRequest,
    awake: Awake,
    result: ConsultationResult | None = None,
    *,
    reason: str = "",
    wrong: str = "",
) -> Response:
    return render(
        request,
        "consultations/result.html",
        status=403 if wrong else 200,
        result=result,
        back=f"{pages_at(request.house.settings)}/consultations",
        reason=reason,
        wrong=wrong,
        password=not awake.knows(request),
    )


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
