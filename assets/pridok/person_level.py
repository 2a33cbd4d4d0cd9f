"""R2 of a month: what the insurer may be told person by person, opened with the report key and sealed to the insurer.

Only the process that is given the report key for its run calls this: no web process, no run of Dagster. A
consultation is told on a legal basis of its own, the contract of its deal or a consent; one without is neither opened
nor told. Every one that is told is in the access log before its seal is opened. Nothing opened is kept or returned.
"""

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import msgspec

from assets.pridok import kpi, results, workbook
from assets.pridok.clinic import LANE, ROOT, Clinic
from assets.pridok.disclosure import PERSON_LEVEL_MEMBERS, Basis, Disclosure
from assets.pridok.finishing import TABLE
from assets.pridok.mapping import Report, person_level
from assets.pridok.month import NotOver
from assets.pridok.reception import About
from assets.pridok.rows import consultation_of
from resources import sealing
from resources.sealing import Place, PrivateKey, SealBroken, Sealed
from resources.settings import SettingError, Settings
from resources.store import consultations, lookup, referrals
from resources.store import month as kept
from resources.store.connect import Connection

#: What the envelope is called; its row is the month.
ENVELOPE: Final = "insurer_report"


class NotSwitchedOn(Exception):
    """Nobody has said that the insurer may be told person by person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks for the report and why, and the consents that stand behind rows no contract covers."""

    by: str
    reason: str
    consents: Mapping[int, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of the month's consultations: told, without a basis, shredded, or not opening (by id)."""

    id: int | None
    told: int
    without_basis: int
    shredded: int
    broken: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finished consultation, what the application knows of its referral, and why it may be told."""

    row: consultations.Row
    about: About | None
    basis: Basis | None


def disclosure(settings: Settings) -> Disclosure:
    """What the file tells: the fixed members, and what is switched on with a reason."""
    if settings.choice("PRIDOK_R2", ("off", "on")) == "off":
        raise NotSwitchedOn("PRIDOK_R2 is off: the insurer gets no file person by person")
    extra = frozenset(settings.several("PRIDOK_R2_ALSO"))
    try:
        return Disclosure(
            fixed=PERSON_LEVEL_MEMBERS, extra=extra, reason=settings.text("PRIDOK_R2_ALSO_REASON")
        )
    except ValueError as error:
        raise SettingError(f"PRIDOK_R2_ALSO: {error}") from None


def contracts(settings: Settings) -> Mapping[str, str]:
    """The contract of each deal that has one: ``contract`` in its table of ``PRIDOK_DEALS``."""
    if not (path := settings.text("PRIDOK_DEALS")):
        return {}
    tables = tomllib.loads((ROOT / path).read_text("utf-8")).get("deal", {})
    return {name: str(table["contract"]) for name, table in tables.items() if table.get("contract")}


def consents(text: str) -> Mapping[int, str]:
    """A CSV of consultation and consent ids, with a header; raises ValueError that names the line.

    >>> consents("consultation_id,consent_id\\n17,S-4\\n")
    {17: 'S-4'}
    """
    found: dict[int, str] = {}
    lines = csv.reader(io.StringIO(text))
    if next(lines, None) != ["consultation_id", "consent_id"]:
        raise ValueError("line 1: must be consultation_id,consent_id")
    for number, line in enumerate(lines, start=2):
        if len(line) != 2 or not line[0].isascii() or not line[0].isdecimal() or not line[1].strip():
            raise ValueError(f"line {number}: must be the id of a consultation and that of a consent")
        found[int(line[0])] = line[1].strip()
    return found


def make(clinic: Clinic, first: date, keys: Mapping[str, PrivateKey], asked: Asked) -> Made:
    """Open what may be told, seal it to the insurer as a whole, and keep the envelope."""
    what, insurer, now = disclosure(clinic.settings), clinic.keys.insurer, clinic.now()
    if now < kpi.month(first).end:
        raise NotOver(f"{first:%Y-%m} has not ended")
    with clinic.store() as db:
        found = list(candidates(db, clinic, first, asked.consents))
        based = [one for one in found if one.basis is not None]
        opened = _Opened()
        reports = [(opened.report(db, clinic, keys, one, asked), one.basis) for one in based]
        told = person_level([(report, basis) for report, basis in reports if report], what)
        number = None
        if told.rows:
            title = f"Consultations in {first:%B %Y}, person by person"
            file = workbook.person_level(told, title=title, made_at=now)
            envelope = sealing.seal_whole(Place(ENVELOPE, f"{first:%Y-%m}"), file, insurer)
            number = clinic.numbers()
            kept.keep(db, clinic.sealer, number, first.replace(day=1), "r2", envelope)
    return Made(
        id=number,
        told=len(told.rows),
        without_basis=len(found) - len(based),
        shredded=opened.shredded,
        broken=tuple(opened.broken),
    )


def candidates(db: Connection, clinic: Clinic, first: date, agreed: Mapping[int, str]) -> Iterator[Candidate]:
    """The consultations that ended in the month, each with its basis if it has one."""
    window, by_deal = kpi.month(first), contracts(clinic.settings)
    for identifier in kept.finished(db, window.start, window.end):
        row = consultations.one(db, identifier)
        if row is None:
            continue
        referral = referrals.one(db, clinic.sealer, row.referral) if row.referral else None
        about = msgspec.json.decode(referral.body, type=About) if referral else None
        yield Candidate(row, about, _basis(identifier, about, by_deal, agreed))


def _basis(
    identifier: int, about: About | None, by_deal: Mapping[str, str], agreed: Mapping[int, str]
) -> Basis | None:
    if identifier in agreed:
        return Basis(kind="consent", id=agreed[identifier])
    contract = by_deal.get(about.deal_id or "") if about else None
    return Basis(kind="contract", id=contract) if contract else None


class _Opened:
    """Opens results one by one, each logged before, and counts those that nobody can open any more."""

    def __init__(self) -> None:
        self.shredded = 0
        self.broken: list[int] = []

    def report(
        self, db: Connection, clinic: Clinic, keys: Mapping[str, PrivateKey], one: Candidate, asked: Asked
    ) -> Report | None:
        """What may be told of one consultation; None where its result does not open."""
        identifier = one.row.id
        stored = consultations.sealed_result(db, identifier)
        try:
            sealed = Sealed.from_bytes(stored[1]) if stored else None
            if stored is None or sealed is None or not sealed.keys:
                self.shredded += 1
                return None
            key = next((key for kid, key in keys.items() if kid in sealed.keys), None)
            if key is None:
                raise SealBroken
            self._log(db, clinic, one, asked)
            members = sealing.unseal(sealed, Place(TABLE, str(identifier), stored[0]), key)
        except SealBroken:
            self.broken.append(identifier)
            return None
        return Report(
            consultation=consultation_of(one.row),
            result=results.from_members(members),
            journal_guid=one.about.guid if one.about else None,
            deal_id=one.about.deal_id if one.about else None,
        )

    def _log(self, db: Connection, clinic: Clinic, one: Candidate, asked: Asked) -> None:
        """One disclosure, on its basis, of each patient it is about."""
        for patient in _people(one.row.patients):
            lookup.log_access(
                db,
                who=asked.by,
                role="report",
                what=f"told the insurer: {LANE} {one.row.id}",
                subject=clinic.subject(patient),
                reason=f"{one.basis.kind} {one.basis.id}; {asked.reason}" if one.basis else asked.reason,
            )


def _people(patients: Sequence[int]) -> Sequence[int]:
    return tuple(dict.fromkeys(patients))
