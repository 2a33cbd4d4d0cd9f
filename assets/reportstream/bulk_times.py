"""The times of a row: ordered, collected, received, resulted, released.

Blank ones are those of another column, days without an hour are noon. Neither need fit: a result of nine o'clock has
not a specimen of noon, a result of four is not released at noon, and nothing is released after it was uploaded. In the
default profile what has no hour in its own column therefore gives way to another time of the same day, so that each
step comes after the one before; hours that were written are never changed.
"""

from datetime import datetime, tzinfo
from typing import NamedTuple

from assets.formats.decode import ShapeError
from assets.reportstream import bulk_dates
from assets.reportstream.bulk_row import BulkRow


class Times(NamedTuple):
    """When what happened."""

    ordered: datetime
    collected: datetime
    received: datetime
    resulted: datetime
    released: datetime


class _Step(NamedTuple):
    """One moment on the way of a result; ``fixed`` if its own column has an hour."""

    at: datetime
    fixed: bool

    def no_later(self, limit: datetime | None) -> "_Step":
        return self if limit is None or self.fixed or self.at <= limit else self._moved(limit)

    def no_earlier(self, limit: datetime) -> "_Step":
        return self if self.fixed or self.at >= limit else self._moved(limit)

    def _moved(self, limit: datetime) -> "_Step":
        """At the limit, if it is on the same day; a day is never changed."""
        there = limit.astimezone(self.at.tzinfo)
        return self._replace(at=there) if there.date() == self.at.date() else self


#: A result's steps in their order, each with the column that stands for it where its own is blank.
_STEPS = (
    ("specimen_collection_date", "order_test_date"),
    ("testing_lab_specimen_received_date", "order_test_date"),
    ("test_result_date", "test_result_date"),
    ("date_result_released", "test_result_date"),
)


def times(row: BulkRow, clock: tzinfo, *, uploaded_at: datetime | None = None, orderly: bool = True) -> Times:
    """A row's times on the clock of its address; ``orderly`` lets what was not written give way."""
    ordered = _step(row, "order_test_date", "order_test_date", clock)
    steps = [_step(row, name, otherwise, clock) for name, otherwise in _STEPS]
    if orderly:
        limit = uploaded_at
        for place in reversed(range(len(steps))):
            steps[place] = steps[place].no_later(limit)
            limit = min(limit or steps[place].at, steps[place].at)
        for place in range(1, len(steps)):
            steps[place] = steps[place].no_earlier(steps[place - 1].at)
        ordered = ordered.no_later(steps[2].at)
    return Times(ordered.at, *(step.at for step in steps))


def _step(row: BulkRow, name: str, otherwise: str, clock: tzinfo) -> _Step:
    own = getattr(row, name)
    try:
        at = bulk_dates.moment(own or getattr(row, otherwise), clock)
    except ValueError as error:
        raise ShapeError(name if own else otherwise, str(error)) from None
    return _Step(at, ":" in own)
