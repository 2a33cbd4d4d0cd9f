"""Who may settle which record of a link, and when: one run at a time, and in it one task a record.

Records lean on each other: two tasks that find the same patient missing would make two of them, so whoever needs a
record that is in another's hand waits for it. Two that need each other's are told so, and one of them comes again
later. Records that do not need each other are settled side by side. Links that lead to one server settle a record of
it one after the other: FHIR2 ignores conditions, so two that read it at once would overwrite each other.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from assets.openmrs.events import Key
from resources.errors import OneAway

#: After so long with records in hand a run lets another one have its turn, should one wait.
TURN_SECONDS = 5.0
#: Who crossed another's way comes again after this time.
CROSSED_SECONDS = 1.0
ELSEWHERE = "another link to the same server has the record in hand"


class Turn:
    """A run's turn at a link: taken by the first record in hand, given back by the last."""

    def __init__(
        self,
        take: Callable[[], Awaitable[None]],
        give: Callable[[], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take, self._give, self._clock = take, give, clock
        self._door = asyncio.Lock()
        self._inside = 0
        self._since = 0.0
        self._empty = asyncio.Event()
        self._empty.set()

    async def __aenter__(self) -> None:
        async with self._door:
            if self._inside and self._clock() - self._since > TURN_SECONDS:
                await self._empty.wait()
            if not self._inside:
                await self._take()
                self._since = self._clock()
                self._empty.clear()
            self._inside += 1

    async def __aexit__(self, *_: object) -> None:
        self._inside -= 1
        if not self._inside:
            try:
                await self._give()
            finally:
                self._empty.set()


class Shared:
    """Records of servers that several links lead to, each in one link's hand.

    Who meets one in another's does not wait for it but comes again: tasks of several links could wait in a ring.
    """

    def __init__(
        self,
        take: Callable[[Sequence[int]], Awaitable[Sequence[int]]],
        give: Callable[[Sequence[int]], Awaitable[None]],
    ) -> None:
        self._take, self._give = take, give
        self._held: set[int] = set()

    @asynccontextmanager
    async def all_of(self, locks: Sequence[int]) -> AsyncIterator[None]:
        """Have the records of these locks in hand; ``take`` gives those that no other run has."""
        wanted: set[int] = set(locks)
        taken: Sequence[int] = ()
        if self._held & wanted:
            raise OneAway(ELSEWHERE, after_seconds=CROSSED_SECONDS)
        self._held |= wanted
        try:
            taken = await self._take(sorted(wanted))
            if len(taken) < len(wanted):
                raise OneAway(ELSEWHERE, after_seconds=CROSSED_SECONDS)
            yield
        finally:
            if taken:
                await self._give(taken)
            self._held -= wanted


class InHand:
    """The records of a link that are being settled in this run, each by one task."""

    def __init__(self) -> None:
        self._by: dict[Key, asyncio.Task[Any] | None] = {}
        self._freed: dict[Key, asyncio.Event] = {}
        self._wants: dict[asyncio.Task[Any] | None, Key] = {}

    def mine(self, key: Key) -> bool:
        """Whether the running task has the record in hand already."""
        return key in self._by and self._by[key] is asyncio.current_task()

    @asynccontextmanager
    async def one(self, key: Key) -> AsyncIterator[None]:
        """Have a record in hand, once nobody else has."""
        me = asyncio.current_task()
        while key in self._by:
            if self._waits_for_me(key, me):
                raise OneAway("two records wait for each other", after_seconds=CROSSED_SECONDS)
            self._wants[me] = key
            try:
                await self._freed[key].wait()
            finally:
                del self._wants[me]
        self._by[key], self._freed[key] = me, asyncio.Event()
        try:
            yield
        finally:
            del self._by[key]
            self._freed.pop(key).set()

    def _waits_for_me(self, key: Key | None, me: asyncio.Task[Any] | None) -> bool:
        """Whether who has the record waits, by whatever way, for one that we have."""
        while key is not None and key in self._by:
            holder = self._by[key]
            if holder is me:
                return True
            key = self._wants.get(holder)
        return False
