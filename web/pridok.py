"""The door for Pridok: one referral a request, judged, kept, and only then answered.

202 also for one that is quarantined: it is kept, and a person looks at it. Who sends the same again hears 200, other
content under the same journal id is kept and answered 409, and what has no journal id is 400 and not kept.
"""

import logging

import msgspec
from starlette.types import Receive, Scope

from assets.pridok.clinic import KeysMissing
from assets.pridok.events import NotAReferral
from assets.pridok.reception import Reception, Taken
from assets.pridok.referral import Verdict
from resources.settings import Settings
from resources.store import intake
from web.answers import Answer, Refusal, answer, problem
from web.intake import POST_ONLY, UNKNOWN, Surroundings
from web.one_by_one import OneByOne
from web.proof import Secrets

log = logging.getLogger("handoff.door")

PATH = "/intake/pridok/referrals"
LANE = "pridok"

NO_KEYS = problem(
    503,
    "nobody to seal referrals to: the public keys of the lane are not set; send the same again later",
    retry_after="60",
)
REJECTED = "rejected_400"
_STATUS = {Verdict.DUPLICATE: 200, Verdict.CONFLICT: 409}
_STORED = {Verdict.DUPLICATE: intake.Verdict.DUPLICATE, Verdict.CONFLICT: intake.Verdict.CONFLICT}


def door(settings: Settings, reception: Reception, around: Surroundings) -> OneByOne:
    """Takes one JSON object a request."""
    secrets = Secrets.read(settings, "HANDOFF_TOKENS_PRIDOK")

    def take(raw: bytes) -> Taken:
        try:
            return reception.take(raw)
        except NotAReferral as error:
            raise Refusal(problem(400, str(error), members={"verdict": REJECTED})) from None
        except KeysMissing:
            raise Refusal(NO_KEYS) from None

    async def answered(at: OneByOne, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != "POST":
            raise Refusal(POST_ONLY)
        headers = dict(scope["headers"])
        if not secrets.bearer(headers.get(b"authorization", b"")):
            raise Refusal(UNKNOWN)
        if closed := around.opening.closed:
            raise Refusal(closed)
        raw = await around.bodies.json(headers, receive)
        taken = await at.store(lambda: take(raw))
        at.meter.stored([_STORED.get(taken.verdict, intake.Verdict.RECEIVED)])
        if taken.verdict is Verdict.CONFLICT:
            log.warning("pridok: a journal id came again with other content; both are kept")
        return said(taken)

    return OneByOne("pridok", LANE, around, answered)


def said(taken: Taken) -> Answer:
    """The verdict with its flags and, of what is wrong, the places."""
    content: dict[str, object] = {"verdict": taken.verdict.value, "flags": taken.flags}
    if taken.problems:
        content["problems"] = taken.problems
    return answer(_STATUS.get(taken.verdict, 202), msgspec.json.encode(content))
