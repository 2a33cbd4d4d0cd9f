"""Norwegian working days: Monday to Friday without public holidays, counted by the day in Oslo.

The insurer's guarantee is a number of working days. The day a referral arrives does not count; the day of the
first contact does, if it is a working day. So within two working days of a Friday evening ends with Tuesday.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

OSLO: Final = ZoneInfo("Europe/Oslo")
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """Working days over some years, counted up once, so that a span costs two look-ups."""

    first: int
    counts: tuple[int, ...] = field(repr=False)

    def between(self, start: datetime, end: datetime) -> int:
        """Working days after the day of ``start``, up to and with the day of ``end``."""
        return self._until(end) - self._until(start)

    def _until(self, moment: datetime) -> int:
        return self.counts[moment.astimezone(OSLO).toordinal() - self.first]


@cache
def norway(first_year: int, last_year: int) -> WorkingDays:
    """The calendar from the day before ``first_year`` to the day after ``last_year``.

    A moment of New Year's night may belong to the neighbouring year in Oslo.
    """
    start, end = date(first_year - 1, 12, 31), date(last_year + 1, 1, 1)
    closed = frozenset(holidays.country_holidays("NO", years=range(first_year - 1, last_year + 2)))
    return WorkingDays(start.toordinal(), tuple(_counted(start, end, closed)))


def _counted(start: date, end: date, closed: frozenset[date]) -> Iterator[int]:
    count = 0
    for offset in range((end - start).days + 1):
        day = start + timedelta(days=offset)
        count += day.weekday() < _SATURDAY and day not in closed
        yield count
