"""What a run counted: for the asset's metadata and the benchmarks. Numbers only, never a body or a name."""

import random
import time
from collections import Counter

from assets.drain.outcomes import Outcome


class Figures:
    """Counts, and a fair sample of how long messages took from the door to the partner."""

    SAMPLE = 5_000

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.messages: Counter[str] = Counter()
        self.batches = 0
        self._latencies: list[float] = []
        self._seen = 0
        self._first: float | None = None
        self._last = 0.0
        self._chance = random.Random(0)  # noqa: S311 - a sample, not a secret

    def tried(self, outcome: Outcome) -> None:
        """One request came to this."""
        self.outcomes[outcome] += 1
        self._last = time.monotonic()
        self._first = self._first or self._last

    def ended(self, state: str, arrival: int, messages: int = 1) -> None:
        """So many messages came to this end; ``arrival`` is the id of (one of) what they were made of."""
        self.messages[state] += messages
        if state in ("delivered", "accepted"):
            self._took(time.time() - (arrival >> 20) / 1000)

    def _took(self, seconds: float) -> None:
        self._seen += 1
        if len(self._latencies) < self.SAMPLE:
            self._latencies.append(seconds)
        elif (place := self._chance.randrange(self._seen)) < self.SAMPLE:
            self._latencies[place] = seconds

    @property
    def sent(self) -> int:
        """Messages the partner has."""
        return self.messages["delivered"] + self.messages["accepted"]

    def quantile(self, part: float) -> float:
        """Seconds from door to partner within which this part of the messages stayed; 0 without any."""
        if not self._latencies:
            return 0.0
        ordered = sorted(self._latencies)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]

    def rate(self) -> float:
        """Messages a second between the first and the last answer."""
        seconds = self._last - (self._first or self._last)
        return self.sent / seconds if seconds > 0 else 0.0
