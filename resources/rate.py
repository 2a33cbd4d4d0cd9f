"""How many requests a second one partner gets from this process: a token bucket that slows down when told.

It opens no connection and never sleeps: ``turn`` says how long the caller has to wait. When a partner answers
429 to a tenth of what it got, the rate becomes half of what was really sent, and then grows by a quarter a
second up to its ceiling again. A rare 429 among many good answers is about one request and slows nobody down.
"""

import time
from collections.abc import Callable

GROWTH_A_SECOND = 1.25
#: Of the requests of this and the last second, as many must have been told to slow down.
TOLD_SHARE = 0.1
#: A burst may use the tokens of this many seconds.
BURST_SECONDS = 0.1


class Rate:
    """The bucket of one partner."""

    def __init__(self, ceiling: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ceiling = ceiling
        self._slowed_to = ceiling
        self._slowed_at = float("-inf")
        self._tokens = 1.0
        self._turned_at = clock()
        self._second = int(self._turned_at)
        self._sent = self._sent_before = self._told = self._told_before = 0

    def turn(self) -> float:
        """Take a token; seconds until it is good, mostly 0. Turns come in the order they were asked for."""
        now = self._clock()
        self._count(now)
        self._sent += 1
        rate = self.per_second(now)
        gained = (now - self._turned_at) * rate
        self._tokens = min(self._tokens + gained, max(1.0, rate * BURST_SECONDS)) - 1.0
        self._turned_at = now
        return max(0.0, -self._tokens / rate)

    def slower(self) -> None:
        """The partner said 429. However often it says so, the rate is halved once a second at most."""
        now = self._clock()
        self._count(now)
        self._told += 1
        few = self._told + self._told_before < TOLD_SHARE * (self._sent + self._sent_before)
        if few or now < self._slowed_at + 1.0:
            return
        really = max(self._sent, self._sent_before, 1)
        self._slowed_to, self._slowed_at = max(1.0, min(self.per_second(now), really) / 2), now

    def per_second(self, at: float) -> float:
        """Requests a second at this moment."""
        quiet = at - self._slowed_at
        if quiet > 300:
            return self._ceiling
        return min(self._ceiling, self._slowed_to * float(GROWTH_A_SECOND**quiet))

    def _count(self, now: float) -> None:
        """Begin a new second when it is time."""
        second = int(now)
        if second != self._second:
            next_one = second == self._second + 1
            self._sent_before, self._told_before = (self._sent, self._told) if next_one else (0, 0)
            self._second, self._sent, self._told = second, 0, 0
