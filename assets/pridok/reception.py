"""Where referrals are taken: each is judged, kept once, and, if accepted, gives a patient and a consultation.

One transaction a referral; the sender hears of it only after the commit. The rules are ``referral``'s.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from assets.pridok import consultation as life
from assets.pridok import events, orders, patients
from assets.pridok.clinic import LANE, Clinic
from assets.pridok.events import Referral
from assets.pridok.numbers import NationalNumber
from assets.pridok.patients import Patient
from assets.pridok.referral import Contact, Judgement, Known, Seen, Verdict, judge, number_of
from assets.pridok.rows import order_row, patient_of, patient_row, row_of
from resources import sealing
from resources.sealing import Place
from resources.store import consultations, pridok_orders, referrals
from resources.store import patients as kept_patients
from resources.store.connect import Connection


class About(msgspec.Struct, frozen=True):
    """What the application knows of a referral beside its patient; sealed under the store's keys."""

    guid: str
    partner: str = LANE
    supervisor: str | None = None
    deal_id: str | None = None
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a referral."""

    verdict: Verdict
    flags: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Reception:
    """Takes referrals. Blocking: call it from a thread."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic

    def take(self, raw: bytes) -> Taken:
        """Keep a referral and let it do what it does; raises ``events.NotAReferral`` and ``KeysMissing``."""
        referral = events.read(raw)
        clinic, number, now = self._clinic, number_of(referral), self._clinic.now()
        arrival, clinic_key = clinic.numbers(), clinic.keys.clinic
        place = Place("pridok_referral", str(arrival))
        sealed = sealing.seal(place, {"raw": raw}, [clinic_key]).to_bytes()
        with clinic.store() as db, db.transaction():
            blind = clinic.number(number.digits) if number else None
            if blind:
                kept_patients.hold(db, [blind])
            known, patient = self._known(db, referral, arrival, blind)
            found = judge(referral, known, environment=clinic.environment, now=now)
            if found.verdict is Verdict.CONFLICT:
                digest = clinic.sealer.digest(referral.content)
                referrals.conflict(db, clinic.sealer, arrival, self._name(referral), digest, sealed)
            elif found.verdict is not Verdict.DUPLICATE:
                self._keep(db, arrival, found, patient, sealed, now)
        return Taken(found.verdict, tuple(flag.value for flag in found.flags), found.problems)

    def _name(self, referral: Referral) -> bytes:
        return self._clinic.sealer.name(LANE, referral.guid)

    def _known(
        self, db: Connection, referral: Referral, arrival: int, blind: bytes | None
    ) -> tuple[Known, Patient | None]:
        sealer = self._clinic.sealer
        digest = sealer.digest(referral.content)
        before = referrals.came_before(db, self._name(referral), arrival, 0, digest)
        if before is not None:
            return Known(seen=Seen.SAME if before == digest else Seen.OTHER), None
        row = kept_patients.of_number(db, sealer, blind) if blind else None
        if row is None:
            return Known(), None
        patient = patient_of(row)
        return Known(patient=patient.contact), patient

    def _keep(
        self,
        db: Connection,
        arrival: int,
        found: Judgement,
        known: Patient | None,
        sealed: bytes,
        now: datetime,
    ) -> None:
        referral, clinic = found.referral, self._clinic
        patient = None
        if found.verdict.accepted and found.number and found.contact:
            patient = self._patient(db, known, found.number, found.contact, now)
        about = About(
            guid=referral.guid,
            supervisor=clinic.settings.text("PRIDOK_SUPERVISOR") or None,
            deal_id=referral.deal_id,
            organisation=referral.organisation,
        )
        row = referrals.Row(
            id=arrival,
            patient=patient,
            verdict=found.verdict.value,
            flags=[flag.value for flag in found.flags],
            received_at=now,
            body=msgspec.json.encode(about),
            sealed=sealed,
        )
        by_number = clinic.sealer.blind("patient", LANE, found.number.digits) if found.number else None
        by_guid = clinic.sealer.blind("reference", LANE, referral.guid)
        aside = "" if patient else "; ".join((found.verdict.value, *found.problems))
        referrals.keep(db, clinic.sealer, row, patient=by_number, reference=by_guid, aside=aside)
        if patient:
            self._consultation(db, arrival, patient, referral, now)

    def _patient(
        self, db: Connection, known: Patient | None, number: NationalNumber, contact: Contact, now: datetime
    ) -> int:
        """The patient of the number, with the newer contact; made if there is none."""
        clinic = self._clinic
        if known is not None:
            kept_patients.place(db, clinic.sealer, patient_row(patients.referred_again(known, contact)))
            return known.id
        blind = clinic.number(number.digits)
        made = patients.referred(clinic.numbers(), contact, blind, now)
        kept_patients.place(db, clinic.sealer, patient_row(made))
        kept_patients.number(db, blind, made.id, now, clinic.sealed_number(number.digits))
        return made.id

    def _consultation(
        self, db: Connection, arrival: int, patient: int, referral: Referral, now: datetime
    ) -> None:
        """What the accepted referral gives rise to, with its order where the deal is known."""
        clinic = self._clinic
        deal = clinic.deals.get(referral.deal_id or "")
        organisation = deal.organisation if deal else referral.organisation
        made = life.received(
            clinic.numbers(), patient=patient, referral=arrival, organisation=organisation, now=now
        )
        consultations.add(db, row_of(made))
        consultations.happened(db, made.id, "received", None)
        if deal:
            pridok_orders.place(db, order_row(orders.order(clinic.numbers(), made.id, deal)))
