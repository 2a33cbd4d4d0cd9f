"""Whether the dates of a row make sense together: nothing of the future, nothing before what it follows from.

Days are compared first, with a day of grace for zones ahead of ours. Hours are compared where both were written:
who wrote none has not said the wrong thing (``bulk_times`` lets such a moment give way).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from assets.reportstream import bulk_dates, bulk_rules

#: A sender's clock may be ahead of ours by this much before a result counts as one of the future.
CLOCK_SKEW: Final = timedelta(minutes=5)

_RESULT: Final = "test_result_date"
_DATED: Final = tuple(column.name for column in bulk_rules.COLUMNS if column.rule in ("date", "moment"))
#: The address whose clock counts where a moment names no zone.
_PLACE: Final = ("ordering_provider_state", "ordering_provider_zip_code")
_MOMENTS: Final = tuple(column.name for column in bulk_rules.COLUMNS if column.rule == "moment")
#: What is not later than what; a specimen without a moment of its own was taken when the test was ordered.
_FOLLOWS: Final = (
    ("patient_dob", _RESULT),
    ("illness_onset_date", _RESULT),
    ("specimen_collection_date", _RESULT),
    (_RESULT, "date_result_released"),
)

#: Moments already compared are remembered: the rows of a file have few different ones.
_REMEMBERED: Final = 5_000

Cell = Callable[[str], str]


class Late(NamedTuple):
    """A date that is later than it can be: its column, and what it is later than."""

    column: str
    than: str


class Order:
    """Compares the dates of a file's rows, as of one moment."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._latest = now.date() + timedelta(days=1)
        self._known: dict[tuple[str, ...], tuple[Late, ...]] = {}

    def late(self, cell: Cell) -> tuple[Late, ...]:
        """What is later than it can be in the row of these cells; what is no date is left to its own rule."""
        if found := self._days(cell):
            return found
        written = (*map(cell, _MOMENTS), *map(cell, _PLACE))
        hours = self._known.get(written)
        if hours is None:
            hours = self._hours(cell)
            if len(self._known) < _REMEMBERED:
                self._known[written] = hours
        return hours

    def _days(self, cell: Cell) -> tuple[Late, ...]:
        days = {name: on for name in _DATED if (on := bulk_dates.day(cell(name))) is not None}
        future = [Late(name, "today") for name, on in days.items() if on > self._latest]
        return (
            *future,
            *(
                Late(name, than)
                for name, than in _FOLLOWS
                if name in days and than in days and days[than] < days[name] <= self._latest
            ),
        )

    def _hours(self, cell: Cell) -> tuple[Late, ...]:
        zone = bulk_dates.address_zone(*map(cell, _PLACE))
        hours = {
            name: bulk_dates.moment(text, zone)
            for name in _MOMENTS
            if ":" in (text := cell(name)) and bulk_dates.is_moment(text) and bulk_dates.day(text)
        }
        latest = self._now + CLOCK_SKEW
        future = [Late(name, "now") for name, at in hours.items() if at > latest]
        return (
            *future,
            *(
                Late(name, than)
                for name, than in _FOLLOWS
                if name in hours and than in hours and hours[than] < hours[name] <= latest
            ),
        )
