"""A transaction that PostgreSQL ended because it and another waited for each other is done again.

Queues are locked in the order of their keys within a statement. A transaction that needs some of them for one reason
and some for another cannot always keep that order.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from psycopg.errors import DeadlockDetected

#: One of two that wait for each other always gets through, so another time is nearly always enough.
TIMES = 5

T = TypeVar("T")


async def again_after_deadlock(act: Callable[[], Awaitable[T]]) -> T:
    """The answer of a whole transaction. Raises ``DeadlockDetected`` where it is the victim time after time."""
    for _ in range(TIMES - 1):
        try:
            return await act()
        except DeadlockDetected:
            continue
    return await act()
