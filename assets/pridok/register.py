"""The register of patients: entering somebody, a new national number, two entries that turn out to be one person.

The rules are ``patients``'; here they meet the store. Every act holds the numbers it is about, as the reception of
referrals does, so that no referral finds an entry that is just being folded into another.
"""

from dataclasses import dataclass

from assets.pridok import numbers, patients
from assets.pridok.actors import Actor, Impossible, Role, require
from assets.pridok.clinic import Clinic
from assets.pridok.numbers import Standing
from assets.pridok.patients import KnownNumber, Patient
from assets.pridok.practice import Gone
from assets.pridok.referral import OSLO, Contact
from assets.pridok.rows import patient_of, patient_row
from resources.store import consultations
from resources.store import patients as kept
from resources.store.connect import Connection
from resources.store.operators import Who, note
from resources.store.referrals import LANE


@dataclass(frozen=True, slots=True)
class Entry:
    """One person as the register has them; ``also`` are the entries that were folded into this one."""

    patient: Patient
    also: tuple[int, ...]

    @property
    def everything(self) -> tuple[int, ...]:
        """Under which numbers of entries the person is, or was, known."""
        return (self.patient.id, *self.also)


class Register:
    """Blocking: call it from a thread."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic

    def entry(self, db: Connection, identifier: int) -> Entry:
        """The person of an entry, or of the entry it was folded into. Log the look before you call this."""
        row = kept.of_ids(db, self._clinic.sealer, [identifier]).get(identifier)
        if row is None:
            raise Gone
        return Entry(_patient(db, row), tuple(kept.folded(db, row.id)))

    def of_number(self, db: Connection, digits: str) -> int | None:
        """Whose number this is, or was."""
        return kept.whose(db, self._clinic.number(numbers.read(digits).digits))

    def admit(self, actor: Actor, digits: str, contact: Contact) -> int:
        """The patient of a national number; made, with this contact, if nobody has it."""
        require(actor, Role.SECRETARY, to="enter a patient")
        clinic, blind, now = self._clinic, self._checked(digits), self._clinic.now()
        sealed = clinic.sealed_number(numbers.read(digits).digits)
        with clinic.store() as db, db.transaction():
            kept.hold(db, [blind])
            known = kept.whose(db, blind)
            if known is not None:
                return known
            made = Patient(id=clinic.numbers(), contact=contact, numbers=())
            kept.place(db, clinic.sealer, patient_row(made))
            kept.number(db, blind, made.id, now, sealed)
        return made.id

    def renumber(self, identifier: int, digits: str, actor: Actor, reason: str) -> None:
        """The person has another number from now on; the ones before go on finding them."""
        require(actor, Role.SECRETARY, to="give a patient another number")
        clinic, blind, now = self._clinic, self._checked(digits), self._clinic.now()
        sealed = clinic.sealed_number(numbers.read(digits).digits)
        with clinic.store() as db, db.transaction():
            self._hold(db, [identifier], blind)
            before = self.entry(db, identifier).patient
            whose = kept.whose(db, blind)
            if whose not in (None, before.id):
                raise Impossible("number: another entry has it; merge the two")
            after = patients.renumbered(before, blind, now)
            if after != before:
                kept.number(db, blind, before.id, now, sealed)
                note(db, Who(actor.id, reason), "another number", lane=LANE, target=str(before.id))

    def merge(self, keep: int, other: int, actor: Actor, reason: str) -> None:
        """Fold one entry into another: numbers, tags and consultations are the kept one's from now on."""
        require(actor, Role.SECRETARY, to="merge two entries")
        clinic, now = self._clinic, self._clinic.now()
        if keep == other:
            raise Impossible("entry: both are the same; there is nothing to merge")
        with clinic.store() as db, db.transaction():
            self._hold(db, [keep, other])
            rows = kept.of_ids(db, clinic.sealer, [keep, other])
            if {keep, other} - {row.id for row in rows.values()}:
                raise Impossible("entry: one of the two was merged meanwhile; look at it again")
            whole, folded = patients.merged(_patient(db, rows[keep]), _patient(db, rows[other]), now)
            kept.place(db, clinic.sealer, patient_row(whole))
            kept.place(db, clinic.sealer, patient_row(folded))
            kept.fold(db, keep, other, now)
            for row in consultations.of_patient(db, other):
                consultations.rename(db, row.id, other, keep)
                consultations.happened(db, row.id, "merged", actor.id)
            note(db, Who(actor.id, reason), "merge", lane=LANE, target=f"{other} into {keep}")

    def _checked(self, digits: str) -> bytes:
        """The blind index of a number that may be taken here."""
        number, today = numbers.read(digits), self._clinic.now().astimezone(OSLO).date()
        if numbers.standing(number, self._clinic.environment, today) is Standing.REFUSED:
            raise Impossible(f"number: {numbers.why_refused(number)}")
        return self._clinic.number(number.digits)

    def _hold(self, db: Connection, people: list[int], *more: bytes) -> None:
        """Nobody takes a referral about these people before our transaction ends."""
        held = [blind for who in people for blind, _, _ in kept.numbers_of(db, who)]
        kept.hold(db, [*held, *more])
        kept.lock(db, people)


def _patient(db: Connection, row: kept.Row) -> Patient:
    known = kept.numbers_of(db, row.id)
    return patient_of(
        row, [KnownNumber(index=index, since=since, until=until) for index, since, until in known]
    )
