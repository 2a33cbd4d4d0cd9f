"""Ids that carry their time: the millisecond shifted left by 20, so that a range of ids is a range of time.

Below the millisecond stand a counter (10 bits), the process's number (7), so that two doors never make the
same id, and the part (3): an arrival's id has part 0, the messages made of it have the parts 0 to 7. A clock
that is set back never makes an id smaller than the one before.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

SHIFT = 20
PART_BITS = 3
PARTS = 1 << PART_BITS
PROCESSES = 128
_LOW_BITS = 10


class Ids:
    """Makes ids that only grow, for one process."""

    def __init__(self, process: int, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        if not 0 <= process < PROCESSES:
            raise ValueError(f"process number {process}: there are {PROCESSES}")
        self._process = process
        self._now_ms = now_ms
        self._last = 0

    def __call__(self) -> int:
        """The next id, with part 0."""
        self._last = max(self._last + 1, self._now_ms() << (SHIFT - _LOW_BITS))
        return self._last << _LOW_BITS | self._process << PART_BITS


def arrival_and_part(message: int) -> tuple[int, int]:
    """The arrival a message was made of, and which part of it.

    >>> arrival_and_part(805)
    (800, 5)
    """
    return message & -PARTS, message & (PARTS - 1)


def moment(identifier: int) -> datetime:
    """When the id was made, in UTC.

    >>> moment(first_id(datetime(2026, 3, 1, tzinfo=UTC))).isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp((identifier >> SHIFT) / 1000, UTC)


def first_id(at: datetime) -> int:
    """The smallest id an arrival at this moment can have; ``at`` carries its offset."""
    return int(at.timestamp() * 1000) << SHIFT
