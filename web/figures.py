"""What this process has counted at doors and pages: requests, arrivals, how long an answer took. No store, no clock."""

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic

from resources.store.intake import Verdict

log = logging.getLogger("handoff.door")

#: Upper bounds of the histogram, in seconds.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

#: Refusals of one kind are spoken of once in so many seconds.
SAY_AGAIN_SECONDS = 60.0


class Meter:
    """The figures of one lane's door."""

    def __init__(self, lane: str, now: Callable[[], float] = monotonic) -> None:
        self.lane = lane
        self.answers: Counter[int] = Counter()
        self.arrivals: Counter[Verdict] = Counter()
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self._now = now
        self._said: dict[int, tuple[float, int]] = {}

    def answered(self, status: int, seconds: float) -> None:
        """A request was answered."""
        self.answers[status] += 1
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def stored(self, verdicts: Sequence[Verdict]) -> None:
        """What became of a request's events."""
        for verdict in verdicts:
            self.arrivals[verdict] += 1

    def refused(self, status: int) -> None:
        """Say so in the log, but not once for each request of a sender gone wrong."""
        at, unsaid = self._said.get(status, (float("-inf"), 0))
        if self._now() - at < SAY_AGAIN_SECONDS:
            self._said[status] = (at, unsaid + 1)
            return
        log.warning("%s: refused with %d, and %d more since the last such line", self.lane, status, unsaid)
        self._said[status] = (self._now(), 0)


class Figures:
    """The meters of all doors, and the one of the pages."""

    def __init__(self) -> None:
        self.meters: dict[str, Meter] = {}
        self.pages = Meter("pages")

    def meter(self, lane: str) -> Meter:
        """The lane's meter."""
        return self.meters.setdefault(lane, Meter(lane))
