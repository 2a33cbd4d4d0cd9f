"""A door that judges each request by itself, in a thread, and stores it before it answers.

For lanes whose arrivals do more than wait in a queue: a referral makes a patient, an order a page. Many small events of
one kind go through ``web.intake``, which stores them together.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter
from typing import TypeVar

from starlette.types import Receive, Scope, Send

from resources.store.connect import Away
from web.answers import Answer, Refusal
from web.body import Gone
from web.figures import Meter
from web.intake import AWAY, Surroundings
from web.logs import place_of

log = logging.getLogger("handoff.door")

#: Requests are stored beside the work of people, not behind it.
THREADS = 2

T = TypeVar("T")


class OneByOne:
    """``answer`` says what a request is told; it is given this door, whose threads may block."""

    def __init__(
        self,
        system: str,
        lane: str,
        around: Surroundings,
        answer: "Callable[[OneByOne, Scope, Receive], Awaitable[Answer]]",
    ) -> None:
        self.meter: Meter = around.figures.meter(lane)
        self._system, self._answer = system, answer
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=system)

    def close(self) -> None:
        """End the threads after what they have in hand."""
        self._threads.shutdown()

    async def store(self, act: Callable[[], T]) -> T:
        """Do it in a thread; a store that is away is a refusal, and the sender comes again."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, act)
        except Away:
            raise Refusal(AWAY) from None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, answered."""
        began = perf_counter()
        try:
            what = await self._answer(self, scope, receive)
        except Refusal as refusal:
            what = refusal.answer
            self.meter.refused(what.status)
        except Gone:
            return
        except Exception as error:  # the sender keeps what it has and comes again
            log.error("%s: not stored (%s)", self._system, place_of(error))
            what = AWAY
        with suppress(RuntimeError, OSError):  # the sender hung up: what it will send again is a repeat
            await what(send)
        self.meter.answered(what.status, perf_counter() - began)
