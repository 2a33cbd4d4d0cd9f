"""A partner written out as functions, and a lane that sends to it."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from assets.drain.outcomes import RetryPlan
from assets.drain.run import Ended, drain_singles
from assets.drain.settings import Pace, SetAside, SinglesLane
from resources.store.lanes import NUMBERS
from resources.store.values import Arrival, Message, OnFailure, Owed, Receipt
from tests.conftest import Database

LANE = "elation"
PACE = Pace(
    linger=0.05,
    heartbeat=0.2,
    retry=RetryPlan(waits=(0.05, 0.1), jitter=0.0),
    breaker_after=0,
    settle=0.4,
    ask_every=0.05,
    concurrency=8,
)


def mapped(arrival: Arrival) -> list[Owed]:
    """One message an arrival; ``{"parts": n}`` makes n, ``{"bad": true}`` cannot be sent."""
    content = json.loads(arrival.body)
    if content.get("bad"):
        raise SetAside("bad: must not be true")
    return [
        Owed(kind=arrival.kind, body=f"{part}:".encode() + arrival.body, address={"part": str(part)})
        for part in range(content.get("parts", 1))
    ]


@dataclass
class FarEnd:
    """Answers by function; remembers what it was sent, in order, and what it took."""

    send_: Callable[[Message], Receipt] = lambda message: Receipt()
    ask_: Callable[[Message], Receipt | None] = lambda message: None
    sent: list[Message] = field(default_factory=list)
    asked: list[Message] = field(default_factory=list)
    before: Callable[[Message], Awaitable[None]] | None = None

    async def send(self, message: Message) -> Receipt:
        self.sent.append(message)
        if self.before:
            await self.before(message)
        return self.send_(message)

    async def ask(self, message: Message) -> Receipt | None:
        self.asked.append(message)
        return self.ask_(message)

    async def close(self) -> None:
        pass


def lane(
    far: FarEnd,
    *,
    on_failure: OnFailure = OnFailure.CONTINUE,
    full_state: Sequence[str] = (),
    can_ask: bool = True,
    pace: Pace = PACE,
    **changed: object,
) -> SinglesLane:
    async def connect() -> FarEnd:
        return far

    return SinglesLane(
        name=LANE,
        number=NUMBERS[LANE],
        map=mapped,
        connect=connect,
        on_failure=lambda kind: on_failure,
        full_state=lambda kind: kind in full_state,
        can_ask=can_ask,
        pace=replace(pace, **changed) if changed else pace,
    )


def drain(database: Database, one: SinglesLane, *, only: int | None = None) -> Ended:
    return drain_singles(database.settings, one, run_id="test-run", only=only)


def states(database: Database) -> dict[str, int]:
    """How many messages are in which state."""
    from resources.store.lookup import states as counted

    with database.connect() as db:
        return dict(counted(db).get(LANE, {}))
