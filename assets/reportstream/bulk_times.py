"""The times of a row: ordered, collected, received, resulted, released.

Blank ones are those of another column, days without an hour are noon. Both may come too late: a result of nine
o'clock has not a specimen of noon, nor one of ten because the order was written down at ten. In the default profile
what was not written in a column itself therefore gives way to another time of the same day: to a later step's, and
for a specimen whose arrival is left blank to the moment it was taken. Hours that were written are never changed.
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


def times(row: BulkRow, clock: tzinfo, *, uploaded_at: datetime | None = None, orderly: bool = True) -> Times:
    """A row's times on the clock of its address; ``orderly`` lets noon give way."""

    def moment(name: str, otherwise: str, latest: datetime | None) -> datetime:
        text = getattr(row, name) or getattr(row, otherwise)
        try:
            told = bulk_dates.moment(text, clock)
        except ValueError as error:
            raise ShapeError(name if getattr(row, name) else otherwise, str(error)) from None
        written = getattr(row, name) and ":" in text
        if not orderly or latest is None or told <= latest or written:
            return told
        return _same_day(told, latest)

    result, order = "test_result_date", "order_test_date"
    released = moment("date_result_released", result, uploaded_at)
    resulted = moment(result, result, released)
    received = moment("testing_lab_specimen_received_date", order, resulted)
    collected = moment("specimen_collection_date", order, received if _given(row) else resulted)
    if orderly and not _given(row):
        received = max(received, collected)
    return Times(moment(order, order, resulted), collected, received, resulted, released)


def _given(row: BulkRow) -> bool:
    """Whether the row says when the lab had the specimen."""
    return bool(row.testing_lab_specimen_received_date)


def _same_day(told: datetime, latest: datetime) -> datetime:
    """The later limit, if it is on the same day; a day is never changed."""
    limit = latest.astimezone(told.tzinfo)
    return limit if limit.date() == told.date() else told
