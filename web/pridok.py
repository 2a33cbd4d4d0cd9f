"""The door for Pridok: one referral a request, judged, kept, and only then answered.

202 also for one that is quarantined: it is kept, and a person looks at it. Who sends the same again hears 200, other
content under the same journal id is kept and answered 409, and what has no journal id is 400 and not kept.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter

import msgspec
from starlette.types import Receive, Scope, Send

from assets.pridok.clinic import KeysMissing
from assets.pridok.events import NotAReferral
from assets.pridok.reception import Reception, Taken
from assets.pridok.referral import Verdict
from resources.settings import Settings
from resources.store import intake
from resources.store.connect import Away
from web.answers import Answer, Refusal, answer, problem
from web.body import Gone
from web.intake import AWAY, POST_ONLY, UNKNOWN, Surroundings
from web.logs import place_of
from web.proof import Secrets

log = logging.getLogger("handoff.door")

PATH = "/intake/pridok/referrals"
LANE = "pridok"
THREADS = 2

NO_KEYS = problem(
    503,
    "nobody to seal referrals to: the public keys of the lane are not set; send the same again later",
    retry_after="60",
)
REJECTED = "rejected_400"
_STATUS = {Verdict.DUPLICATE: 200, Verdict.CONFLICT: 409}
_STORED = {Verdict.DUPLICATE: intake.Verdict.DUPLICATE, Verdict.CONFLICT: intake.Verdict.CONFLICT}


class PridokDoor:
    """Takes one JSON object a request."""

    def __init__(self, settings: Settings, reception: Reception, around: Surroundings) -> None:
        self._secrets = Secrets.read(settings, "HANDOFF_TOKENS_PRIDOK")
        self._reception, self._around = reception, around
        self._meter = around.figures.meter(LANE)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="pridok")

    def close(self) -> None:
        """End the threads after what they have in hand."""
        self._threads.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, answered."""
        began = perf_counter()
        try:
            what = await self._answer(scope, receive)
        except Refusal as refusal:
            what = refusal.answer
            self._meter.refused(what.status)
        except Gone:
            return
        except Exception as error:  # the sender keeps what it has and comes again
            log.error("pridok: not stored (%s)", place_of(error))
            what = AWAY
        with suppress(RuntimeError, OSError):  # the sender hung up: what it will send again is a repeat
            await what(send)
        self._meter.answered(what.status, perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != "POST":
            raise Refusal(POST_ONLY)
        headers = dict(scope["headers"])
        if not self._secrets.bearer(headers.get(b"authorization", b"")):
            raise Refusal(UNKNOWN)
        if closed := self._around.opening.closed:
            raise Refusal(closed)
        taken = await self._take(await self._around.bodies.json(headers, receive))
        self._meter.stored([_STORED.get(taken.verdict, intake.Verdict.RECEIVED)])
        if taken.verdict is Verdict.CONFLICT:
            log.warning("pridok: a journal id came again with other content; both are kept")
        return said(taken)

    async def _take(self, raw: bytes) -> Taken:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._reception.take, raw)
        except NotAReferral as error:
            raise Refusal(problem(400, str(error), members={"verdict": REJECTED})) from None
        except KeysMissing:
            raise Refusal(NO_KEYS) from None
        except Away:
            raise Refusal(AWAY) from None


def said(taken: Taken) -> Answer:
    """The verdict with its flags and, of what is wrong, the places."""
    content: dict[str, object] = {"verdict": taken.verdict.value, "flags": taken.flags}
    if taken.problems:
        content["problems"] = taken.problems
    return answer(_STATUS.get(taken.verdict, 202), msgspec.json.encode(content))
