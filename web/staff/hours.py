"""The last day of a lane, hour by hour, as bars. Counts only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from resources.store import days
from resources.store.connect import Connection
from resources.store.lanes import NUMBERS

HOURS = 24
#: The hours of a lane are counted over all its messages, so not at every look.
FRESH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Hour:
    """One bar of a lane's day; heights are of 100."""

    at: datetime
    arrived: int
    sent: int
    failed: int
    sent_height: float
    failed_height: float
    open_height: float


class Hours:
    """The last hours of each lane, counted now and then."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Sequence[Hour]]] = {}

    def __call__(self, db: Connection, lane: str, now: datetime) -> Sequence[Hour]:
        """Of one lane, not older than half a minute."""
        at, hours = self._kept.get(lane, (float("-inf"), ()))
        if monotonic() - at > FRESH_SECONDS:
            hours = bars(days.by_hour(db, NUMBERS[lane], HOURS), now)
            self._kept[lane] = (monotonic(), hours)
        return hours


def bars(counted: Sequence[tuple[datetime, int, int, int]], now: datetime) -> list[Hour]:
    """One bar an hour, also where nothing came; the fullest hour reaches the top."""
    by_hour = {at: (arrived, sent, failed) for at, arrived, sent, failed in counted}
    most = max([arrived for arrived, _, _ in by_hour.values()], default=0) or 1
    this = now.replace(minute=0, second=0, microsecond=0)
    made = []
    for back in range(HOURS - 1, -1, -1):
        at = this - timedelta(hours=back)
        arrived, sent, failed = by_hour.get(at, (0, 0, 0))
        rest = max(0, arrived - sent - failed)
        heights = (round(100 * one / most, 1) for one in (sent, failed, rest))
        made.append(Hour(at, arrived, sent, failed, *heights))
    return made
