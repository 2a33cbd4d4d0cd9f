"""R1 of a month, made and kept: figures from times and counters, their workbook, and what may be shown of them.

No private key is needed and none is here: results are never opened for it. What is counted is ``kpi``'s to say, the
layout ``workbook``'s, and who fetches it the pages'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from assets.pridok import kpi, workbook
from assets.pridok.clinic import Clinic
from assets.pridok.consultation import Reason
from assets.pridok.kpi import Figures, Row
from assets.pridok.masking import Cell
from assets.pridok.results import OUTCOMES
from resources.settings import Settings
from resources.store import month as kept
from resources.store.connect import Connection
from resources.store.month import Times


class NotOver(Exception):
    """The month has not ended. Two reports of one month would give small cells away by what changed between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A report that was kept: its id, its size, and the masked cells of all organisations together."""

    id: int
    size: int
    figures: Mapping[str, Cell | float]
    outcomes: Mapping[str, Cell]


def make(clinic: Clinic, first: date) -> Made:
    """Make the workbook of the month of ``first`` and keep it, sealed."""
    settings, now = clinic.settings, clinic.now()
    window = kpi.month(first)
    if now < window.end:
        raise NotOver(f"{first:%Y-%m} has not ended; its report can be made from {window.end:%Y-%m-%d} on")
    listed = settings.several("PRIDOK_OUTCOMES") or OUTCOMES
    with clinic.store() as db:
        figures = figures_of(db, settings, first)
        title = f"Consultations in {first:%B %Y}"
        report = workbook.monthly(figures, title=title, made_at=now, outcomes=listed)
        number = clinic.numbers()
        kept.keep(db, clinic.sealer, number, first.replace(day=1), "r1", report)
    month, outcomes = workbook.totals(figures, listed)
    return Made(id=number, size=len(report), figures=month, outcomes=outcomes)


def figures_of(db: Connection, settings: Settings, first: date) -> Sequence[Figures]:
    """Every organisation's figures of the month, then all together."""
    window = kpi.month(first)
    rows = [row(times) for times in kept.times(db, window.start, window.end)]
    outcomes = kept.outcomes(db, first.replace(day=1))
    guarantee = settings.whole("PRIDOK_GUARANTEE_WORKING_DAYS", 2)
    return kpi.monthly(rows, outcomes, window, guarantee_working_days=guarantee)


def row(times: Times) -> Row:
    """A consultation's times as the figures take them."""
    return Row(
        created_at=times.created_at,
        assigned_at=times.assigned_at,
        starts_at=times.starts_at,
        ends_at=times.ends_at,
        completed=times.completed,
        cancelled_at=times.cancelled_at,
        cancelled_for=Reason(times.cancelled_for) if times.cancelled_for else None,
        organisation=times.organisation,
        by_referral=times.by_referral,
    )
