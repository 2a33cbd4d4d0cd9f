"""R1, the month in figures: volume, waiting and treatment, the guarantee, outcomes. Numbers only.

Every figure belongs to the (Norwegian) month in which its moment fell: received by receipt, waiting by the first
contact, completed by its end. So a closed month never changes. A negative duration is a data error: left out
and counted. A consultation that has not begun is open, not a wait of zero; a no-show was never in contact.
Outcomes come from monthly counters, since results are sealed. Masking small cells is in ``masking``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from assets.pridok import working_days
from assets.pridok.consultation import Reason, between
from assets.pridok.working_days import OSLO, WorkingDays

#: The row that sums up all organisations.
ALL: Final = "all"
_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the report needs of a consultation: times, organisation, and whether a referral stood behind it."""

    created_at: datetime
    assigned_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    completed: bool = False
    cancelled_at: datetime | None = None
    cancelled_for: Reason | None = None
    organisation: str = ""
    by_referral: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """The two durations of one consultation in seconds, and the first thing wrong with its times."""

    waiting_seconds: float | None
    treatment_seconds: float | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a duration spreads; median and 90th percentile in seconds (interpolated, as spreadsheets do)."""

    count: int
    median: float | None
    p90: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One organisation's month."""

    organisation: str
    received: int
    by_referral: int
    started: int
    completed: int
    cancelled: int
    no_shows: int
    open_at_end: int
    overdue_at_end: int
    within_guarantee: int
    time_errors: int
    pick_up: Spread
    waiting: Spread
    treatment: Spread
    outcomes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A month in Norway as two moments, the second not in it."""

    start: datetime
    end: datetime

    def holds(self, moment: datetime | None) -> bool:
        return moment is not None and self.start <= moment < self.end


def month(first: date) -> Window:
    """The month of ``first``, from midnight to midnight in Oslo."""
    start = first.replace(day=1)
    following = (start + timedelta(days=31)).replace(day=1)
    return Window(start=_midnight(start), end=_midnight(following))


def durations(row: Row) -> Durations:
    """Waiting from receipt to first contact, treatment from there to the end."""
    waiting = None if row.starts_at is None else between(row.created_at, row.starts_at)
    treatment = None if row.starts_at is None or row.ends_at is None else between(row.starts_at, row.ends_at)
    faults = {"negative_waiting": waiting, "negative_treatment": treatment}
    error = next((name for name, time in faults.items() if time is not None and time < _NO_TIME), None)
    return Durations(waiting_seconds=_sound(waiting), treatment_seconds=_sound(treatment), error=error)


def monthly(
    rows: Iterable[Row],
    outcomes: Mapping[tuple[str, str], int],
    window: Window,
    *,
    guarantee_working_days: int,
) -> Sequence[Figures]:
    """The figures of every organisation in order of name, then of all together.

    ``rows`` are the consultations received before the month's end that were not over before it began; more
    do no harm. ``outcomes`` counts finished ones by (organisation, outcome).
    """
    everything = [row for row in rows if row.created_at < window.end]
    calendar = _calendar(everything, window)
    rows_of: dict[str, list[Row]] = {name: [] for name, _ in outcomes}
    for row in everything:
        rows_of.setdefault(row.organisation, []).append(row)
    total: Counter[str] = Counter()
    for (_, outcome), count in outcomes.items():
        total[outcome] += count
    chosen = [(name, rows_of[name], _of(outcomes, name)) for name in sorted(rows_of)]
    return [
        _figures(name, some, counts, window, calendar, guarantee_working_days)
        for name, some, counts in (*chosen, (ALL, everything, total))
    ]


def spread(seconds: Iterable[float]) -> Spread:
    """Count, median and 90th percentile."""
    ordered = sorted(seconds)
    return Spread(count=len(ordered), median=quantile(ordered, 0.5), p90=quantile(ordered, 0.9))


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The value at ``share`` of the way through, between neighbours if need be; nothing of nothing.

    >>> quantile([1, 2, 3, 4], 0.5)
    2.5
    """
    if not ordered:
        return None
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _figures(
    name: str,
    rows: Sequence[Row],
    outcomes: Mapping[str, int],
    window: Window,
    calendar: WorkingDays,
    guarantee: int,
) -> Figures:
    received = [row for row in rows if window.holds(row.created_at)]
    met = [row for row in rows if window.holds(row.starts_at) and row.cancelled_for is not Reason.NO_SHOW]
    waited = [row for row in met if durations(row).waiting_seconds is not None]
    completed = [row for row in rows if row.completed and window.holds(row.ends_at)]
    cancelled = [row for row in rows if window.holds(row.cancelled_at)]
    waiting_at_end = [row for row in rows if _waits_at(row, window.end)]
    return Figures(
        organisation=name,
        received=len(received),
        by_referral=sum(row.by_referral for row in received),
        started=len(met),
        completed=len(completed),
        cancelled=len(cancelled),
        no_shows=sum(row.cancelled_for is Reason.NO_SHOW for row in cancelled),
        open_at_end=len(waiting_at_end),
        overdue_at_end=sum(
            calendar.between(row.created_at, window.end - timedelta(microseconds=1)) > guarantee
            for row in waiting_at_end
        ),
        within_guarantee=sum(days <= guarantee for days in _working_days(waited, calendar)),
        time_errors=sum(_is_wrong(row, window) for row in rows),
        pick_up=spread(_pick_ups(rows, window)),
        waiting=spread(_present(durations(row).waiting_seconds for row in waited)),
        treatment=spread(_present(durations(row).treatment_seconds for row in completed)),
        outcomes=dict(outcomes),
    )


def _is_wrong(row: Row, window: Window) -> bool:
    """Whether time ran backwards for a consultation that began or ended in the month."""
    concerned = window.holds(row.starts_at) or window.holds(row.ends_at)
    return concerned and durations(row).error is not None


def _waits_at(row: Row, moment: datetime) -> bool:
    """Whether the patient was still waiting for a first contact then."""
    begun = row.starts_at is not None and row.starts_at < moment
    over = row.cancelled_at is not None and row.cancelled_at < moment
    return not begun and not over


def _working_days(rows: Iterable[Row], calendar: WorkingDays) -> Iterable[int]:
    return (calendar.between(row.created_at, row.starts_at) for row in rows if row.starts_at is not None)


def _pick_ups(rows: Iterable[Row], window: Window) -> Iterable[float]:
    for row in rows:
        if row.assigned_at is not None and window.holds(row.assigned_at):
            seconds = _sound(between(row.created_at, row.assigned_at))
            if seconds is not None:
                yield seconds


def _calendar(rows: Iterable[Row], window: Window) -> WorkingDays:
    first = min((row.created_at for row in rows), default=window.start)
    return working_days.norway(first.year, window.end.year)


def _of(outcomes: Mapping[tuple[str, str], int], organisation: str) -> Mapping[str, int]:
    return {outcome: count for (name, outcome), count in outcomes.items() if name == organisation}


def _present(values: Iterable[float | None]) -> Iterable[float]:
    return (value for value in values if value is not None)


def _sound(duration: timedelta | None) -> float | None:
    """Seconds, unless there is none or time ran backwards."""
    return None if duration is None or duration < _NO_TIME else duration.total_seconds()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=OSLO).astimezone(UTC)
