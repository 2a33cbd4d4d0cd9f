"""The end of a consultation: its report is sealed, the insurer's message written, the counter raised, all or nothing.

Between the form and the seal a result is in memory only: it is never logged and never kept under a key of ours.
"""

from collections.abc import Callable, Collection

import msgspec

from assets.pridok import consultation as life
from assets.pridok import results
from assets.pridok.actors import Actor, WrongState
from assets.pridok.clinic import LANE, Clinic
from assets.pridok.consultation import Consultation
from assets.pridok.disclosure import MESSAGE_MEMBERS, Disclosure
from assets.pridok.mapping import Report, insurer_message
from assets.pridok.practice import REVIEW_WITHIN, Gone
from assets.pridok.reception import About
from assets.pridok.referral import OSLO
from assets.pridok.results import ConsultationResult, Form
from assets.pridok.rows import consultation_of, row_of
from resources import sealing
from resources.sealing import Place
from resources.settings import SettingError, Settings
from resources.store import consultations, referrals, visits
from resources.store.connect import Connection
from resources.store.consultations import Overtaken

#: Where a result stands; bound into what is sealed.
TABLE = "pridok_result"
#: What the insurer's message is called in its envelope.
MESSAGE = "insurer_message"


def disclosure(settings: Settings) -> Disclosure:
    """What the insurer is told: the fixed members, and what is switched on with a reason."""
    extra = frozenset(settings.several("PRIDOK_INSURER_ALSO"))
    try:
        return Disclosure(
            fixed=MESSAGE_MEMBERS, extra=extra, reason=settings.text("PRIDOK_INSURER_ALSO_REASON")
        )
    except ValueError as error:
        raise SettingError(f"PRIDOK_INSURER_ALSO: {error}") from None


class Finishing:
    """Takes reports. Blocking: call it from a thread."""

    def __init__(self, clinic: Clinic, arrived: Callable[[str], None] = lambda lane: None) -> None:
        self._clinic, self._arrived = clinic, arrived
        self._disclosure = disclosure(clinic.settings)
        self.outcomes: Collection[str] = clinic.settings.several("PRIDOK_OUTCOMES") or results.OUTCOMES

    def finish(self, identifier: int, form: Form, actor: Actor) -> Consultation:
        """The report is in; raises ``FormRefused``, ``ConsultationError`` or ``KeysMissing``, and nothing is kept."""
        clinic = self._clinic
        _ = clinic.keys
        try:
            with clinic.store() as db, db.transaction():
                row = consultations.one(db, identifier, lock=True)
                if row is None:
                    raise Gone
                one = life.finish(consultation_of(row), actor, clinic.now())
                result = results.read(form, author=actor.id, codes=clinic.codes, outcomes=self.outcomes)
                consultations.write(db, row_of(one), after=row.version)
                consultations.happened(db, one.id, "finished", actor.id)
                self._seal(db, one, result)
                self._tell_insurer(db, one, result)
                self._count(db, one, result)
                visits.last_until(db, one.id, clinic.now() + REVIEW_WITHIN)
                visits.post(db, clinic.numbers(), one.id, "thanks")
        except Overtaken:
            raise WrongState("version: somebody else has changed it meanwhile; look at it again") from None
        self._arrived(LANE)
        return one

    def _seal(self, db: Connection, one: Consultation, result: ConsultationResult) -> None:
        """Every member to clinic, report and escrow."""
        place = Place(TABLE, str(one.id), one.version)
        sealed = sealing.seal(place, results.members(result), self._clinic.keys.recipients)
        consultations.result(db, one.id, one.version, sorted(sealed.keys), sealed.to_bytes())

    def _tell_insurer(self, db: Connection, one: Consultation, result: ConsultationResult) -> None:
        """The message, sealed as a whole before it is stored, in the queue of its patient."""
        clinic, patient = self._clinic, one.patients[0]
        about = self._about(db, one)
        report = Report(
            consultation=one,
            result=result,
            journal_guid=about.guid if about else None,
            deal_id=about.deal_id if about else None,
        )
        plain = insurer_message(report, self._disclosure)
        envelope = sealing.seal_whole(Place(MESSAGE, str(one.id)), plain, clinic.keys.insurer)
        consultations.owe(
            db,
            clinic.sealer,
            clinic.numbers(),
            name=clinic.sealer.name(LANE, MESSAGE, str(one.id)),
            queue=clinic.sealer.blind("queue", LANE, str(patient)),
            patient=clinic.subject(patient),
            envelope=envelope,
        )

    def _about(self, db: Connection, one: Consultation) -> About | None:
        row = referrals.one(db, self._clinic.sealer, one.referral) if one.referral else None
        return msgspec.json.decode(row.body, type=About) if row else None

    def _count(self, db: Connection, one: Consultation, result: ConsultationResult) -> None:
        """One more of its outcome, in the Norwegian month of its end."""
        ended = one.ends_at or self._clinic.now()
        month = ended.astimezone(OSLO).date().replace(day=1)
        consultations.count_outcome(db, month, one.organisation or "", result.outcome)
