"""How the lane pridok sends: the insurer's message of a finished consultation, sealed when it came here.

The lane carries, counts and retries it unopened: no key that opens it is in this process.
"""

from collections.abc import Sequence

from assets.drain.settings import SetAside, SinglesLane, pace
from resources import partner_http
from resources.insurer import Insurer
from resources.settings import Settings
from resources.store.consultations import KIND
from resources.store.lanes import NUMBERS
from resources.store.values import Arrival, OnFailure, Owed

NAME = "pridok"
NUMBER = NUMBERS[NAME]
#: Few are finished at the same moment.
AT_ONCE = 4


def lane(settings: Settings) -> SinglesLane:
    """The lane as these settings describe it."""

    async def connect() -> Insurer:
        url = settings.required("PRIDOK_INSURER_URL")
        return Insurer(
            partner_http.transport(connections=AT_ONCE), url, settings.text("PRIDOK_INSURER_TOKEN")
        )

    return SinglesLane(
        name=NAME,
        number=NUMBER,
        map=messages,
        connect=connect,
        on_failure=lambda kind: OnFailure.CONTINUE,
        can_ask=False,
        pace=pace(settings, settle=settings.number("PRIDOK_SETTLE_SECONDS", 60.0), concurrency=AT_ONCE),
    )


def messages(arrival: Arrival) -> Sequence[Owed]:
    """The one message a finished consultation owes. A referral owes none: people work on it."""
    if arrival.kind != KIND:
        raise SetAside(f"{arrival.kind}: it is not sent on; ask Pridok to send a corrected referral")
    return [Owed(kind=KIND, body=arrival.body)]
