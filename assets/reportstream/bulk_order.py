"""Whether the dates of a row make sense together: nothing of the future, nothing before what it follows from.

Days are compared first, with today as it is at the ordering provider's address; a birth and an onset have no place
and a day of grace. Hours are compared where both were written: who wrote none has not said the wrong thing
(``bulk_times`` lets such a moment give way).
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from assets.reportstream import bulk_dates, bulk_rules

#: A sender's clock may be ahead of ours by this much before a result counts as one of the future.
CLOCK_SKEW: Final = timedelta(minutes=5)

_RESULT, _ORDER = "test_result_date", "order_test_date"
_MOMENTS: Final = tuple(column.name for column in bulk_rules.COLUMNS if column.rule == "moment")
_DAYS: Final = tuple(column.name for column in bulk_rules.COLUMNS if column.rule == "date")
#: What is not later than what.
_FOLLOWS: Final = (("specimen_collection_date", _RESULT), (_RESULT, "date_result_released"))
#: The address whose clock counts where a moment names no zone.
_PLACE: Final = ("ordering_provider_state", "ordering_provider_zip_code")

#: Moments already compared are remembered: the rows of a file have few different ones.
_REMEMBERED: Final = 5_000

Cell = Callable[[str], str]


class Late(NamedTuple):
    """A date that is later than it can be: its column, and what it is later than."""

    column: str
    than: str


class _Told(NamedTuple):
    """What a cell says of a moment: the day; with its zone, if an hour was written."""

    day: date
    at: datetime | None

    def after(self, other: "_Told") -> bool:
        if self.at is not None and other.at is not None:
            return self.at > other.at
        return self.day > other.day


class Order:
    """Compares the dates of a file's rows, as of one moment."""

    def __init__(self, now: datetime) -> None:
        self._latest = now + CLOCK_SKEW
        self._last_day = now.date() + timedelta(days=1)
        self._known: dict[tuple[str, ...], tuple[Late, ...]] = {}

    def late(self, cell: Cell) -> tuple[Late, ...]:
        """What is later than it can be in the row of these cells; what is no date is left to its own rule."""
        written = (*map(cell, _MOMENTS), *map(cell, _PLACE))
        moments = self._known.get(written)
        if moments is None:
            moments = tuple(self._moments(cell))
            if len(self._known) < _REMEMBERED:
                self._known[written] = moments
        days = tuple(self._days(cell))
        return (*days, *moments) if days else moments

    def _days(self, cell: Cell) -> Iterator[Late]:
        resulted = bulk_dates.day(cell(_RESULT))
        for name in _DAYS:
            on = bulk_dates.day(cell(name))
            if on is not None and on > self._last_day:
                yield Late(name, "today")
            elif on is not None and resulted is not None and on > resulted:
                yield Late(name, _RESULT)

    def _moments(self, cell: Cell) -> Iterator[Late]:
        zone = bulk_dates.address_zone(*map(cell, _PLACE))
        told = {name: one for name in _MOMENTS if (one := _told(cell(name), zone)) is not None}
        today = _Told(self._latest.astimezone(zone).date(), self._latest)
        future = {name for name, one in told.items() if one.after(today)}
        for name in told:
            if name in future:
                yield Late(name, "today" if told[name].day > today.day else "now")
        for name, than in _FOLLOWS:
            if name in told and than in told and name not in future and told[name].after(told[than]):
                yield Late(name, than)
        # Where a specimen has no day of its own the order's stands for it; the order's hour gives way.
        stands = not cell("specimen_collection_date") and _ORDER in told and _ORDER not in future
        if stands and _RESULT in told and told[_ORDER].day > told[_RESULT].day:
            yield Late(_ORDER, _RESULT)


def _told(text: str, zone: tzinfo) -> _Told | None:
    on = bulk_dates.day(text)
    if on is None or not bulk_dates.is_moment(text):
        return None
    return _Told(on, bulk_dates.moment(text, zone) if ":" in text else None)
