"""What came of a try, and what follows from it. No I/O; chance comes in as an argument."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from resources.errors import DeliveryError, OneAway, PartnerAway, Refused, TryLater, Unsure
from resources.store.values import Receipt


class Outcome(enum.IntEnum):
    """One vocabulary for every lane; the numbers stand in the store."""

    DELIVERED = 0
    ACCEPTED = 1
    TRY_LATER = 2
    UNSURE = 3
    REFUSED = 4
    FOUND = 5  # asked after an unsure try: the partner has it
    NOT_FOUND = 6  # asked: the partner does not have it (yet); no attempt is eaten
    PROBE = 7  # the breaker's probe failed, or the partner was away; no attempt is eaten


class Tried(msgspec.Struct, frozen=True, gc=False):
    """One try as the books need it. ``text`` is safe to log; ``answer`` is not."""

    outcome: Outcome
    status: int = 0
    answer: bytes = b""
    external_id: str = ""
    after_seconds: float = 0.0
    text: str = ""
    away: bool = False
    alone: bool = False
    final: bool = False
    said: bool = False


def taken(receipt: Receipt, *, found: bool = False) -> Tried:
    """The partner has it."""
    taken_as = Outcome.ACCEPTED if receipt.accepted else Outcome.DELIVERED
    outcome = Outcome.FOUND if found else taken_as
    return Tried(outcome, receipt.status, receipt.answer, receipt.external_id)


def fault(error: DeliveryError) -> Tried:
    """The partner did not confirm it."""
    after = error.after_seconds or 0.0 if isinstance(error, TryLater) else 0.0
    if isinstance(error, Refused):
        outcome = Outcome.REFUSED
    else:
        outcome = Outcome.UNSURE if isinstance(error, Unsure) else Outcome.TRY_LATER
    return Tried(
        outcome,
        error.status,
        error.answer,
        after_seconds=after,
        text=str(error),
        away=isinstance(error, PartnerAway),
        alone=isinstance(error, OneAway),
    )


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """How long to wait after each failed try; after the last wait and one more try the message has failed.

    The default is the plan Arc's own retries follow: about 5 s, 1 min, 12 min, 1 h, 4 h, six tries in all.
    Jitter only lengthens a wait; a longer Retry-After wins.
    """

    waits: Sequence[float] = (5.0, 60.0, 720.0, 3600.0, 14400.0)
    jitter: float = 0.1

    def wait(self, attempts: int, asked: float, chance: Callable[[], float]) -> float | None:
        """Seconds until the next try after this many failed ones, or None to give up.

        >>> plan = RetryPlan(jitter=0.0)
        >>> plan.wait(1, 0.0, lambda: 0.5), plan.wait(5, 90.0, lambda: 0.5), plan.wait(6, 0.0, lambda: 0.5)
        (5.0, 14400.0, None)
        """
        if self.used_up(attempts):
            return None
        planned = self.waits[attempts - 1]
        return max(planned * (1 + self.jitter * chance()), asked)

    def used_up(self, attempts: int) -> bool:
        """Whether this many failed tries are all there are."""
        return attempts > len(self.waits)


class Breaker:
    """Counts tries in a row that failed for the partner's sake; says when the partner is away.

    Ten in a row over all queues within 60 seconds; one trustworthy answer, also a refusal, starts anew.
    """

    def __init__(self, after: int = 10, within: float = 60.0) -> None:
        self._after = after
        self._within = within
        self._row: list[float] = []

    def failed(self, now: float) -> bool:
        """Note a failed try at this monotonic time; True when it is one too many. ``after`` 0 switches it off."""
        self._row = [at for at in self._row if now - at <= self._within]
        self._row.append(now)
        return bool(self._after) and len(self._row) >= self._after

    def answered(self) -> None:
        """The partner gave a trustworthy answer."""
        self._row.clear()
