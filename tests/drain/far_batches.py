"""A partner that takes batches, written out as functions, and a lane that sends to it."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from assets.drain.outcomes import RetryPlan
from assets.drain.run import Ended, drain_batches
from assets.drain.settings import (
    BatchLane,
    BatchReceipt,
    Fate,
    Item,
    ItemsRefused,
    Keys,
    Pace,
    Remark,
    SetAside,
)
from resources.store.lanes import NUMBERS
from resources.store.lookup import states as counted
from resources.store.values import Arrival
from tests.conftest import Database
from tests.store.making import event

LANE = "reportstream"
PACE = Pace(
    linger=0.05,
    heartbeat=0.1,
    retry=RetryPlan(waits=(0.05, 0.1), jitter=0.0),
    breaker_after=0,
    settle=0.3,
    ask_every=0.05,
)

#: Far more than a test takes: a partner that is never asked what became of a batch.
LATER = 600.0

Answer = Callable[["Sent"], BatchReceipt]


@dataclass(frozen=True)
class Sent:
    """One request."""

    payload: str
    body: bytes
    keys: tuple[str, ...]


def taken(sent: Sent) -> BatchReceipt:
    """Accepted; it will say later what became of it."""
    return BatchReceipt(status=201, external_id=f"far-{sent.payload}")


def delivered(sent: Sent) -> BatchReceipt:
    """Taken for good."""
    return BatchReceipt(status=200, external_id=f"far-{sent.payload}", accepted=False)


def raises(error: BaseException) -> Answer:
    def answer(sent: Sent) -> BatchReceipt:
        raise error

    return answer


def refuses(*bad: str, named: bool = True) -> Answer:
    """Refuses every batch that holds one of these keys, and says which if ``named``."""

    def answer(sent: Sent) -> BatchReceipt:
        places = [place for place, key in enumerate(sent.keys) if key in bad]
        if not places:
            return taken(sent)
        remarks = [Remark(place, "error", "no good") for place in places] if named else []
        raise ItemsRefused("POST far: 400", status=400, answer=b"said so", remarks=remarks)

    return answer


@dataclass
class FarEnd:
    """Answers by function; remembers what it was sent, and what it was asked."""

    send_: Answer = taken
    ask_: Callable[[str, tuple[str, ...]], BatchReceipt | None] = lambda payload, keys: None
    fate_: Callable[[str], Fate] = lambda external_id: Fate(final=True)
    sent: list[Sent] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    followed: list[str] = field(default_factory=list)
    before: Callable[[Sent], Awaitable[None]] | None = None

    @property
    def sizes(self) -> list[int]:
        return [len(sent.keys) for sent in self.sent]

    @property
    def keys(self) -> list[str]:
        return [key for sent in self.sent for key in sent.keys]

    async def send_batch(self, payload: str, body: bytes, keys: Sequence[str]) -> BatchReceipt:
        self.sent.append(sent := Sent(payload, bytes(body), tuple(keys)))
        if self.before:
            await self.before(sent)
        return self.send_(sent)

    async def ask_batch(self, payload: str, keys: Sequence[str], first_sent: datetime) -> BatchReceipt | None:
        self.asked.append(payload)
        return self.ask_(payload, tuple(keys))

    async def fate(self, external_id: str, keys: Keys) -> Fate:
        self.followed.append(external_id)
        return self.fate_(external_id)

    async def close(self) -> None:
        pass


def in_turn(*answers: Answer, then: Answer = taken) -> Answer:
    """These answers one after the other, then always the same."""
    left = iter(answers)

    def answer(sent: Sent) -> BatchReceipt:
        return next(left, then)(sent)

    return answer


def item(arrival: Arrival) -> Item:
    """``{"n": key}``; one with ``bad`` cannot be sent."""
    content = json.loads(arrival.body)
    if content.get("bad"):
        raise SetAside("bad: must not be true")
    return Item(content["n"], arrival.body + b"\n")


def lane(far: FarEnd, *, pace: Pace = PACE, **changed: object) -> BatchLane:
    async def connect() -> FarEnd:
        return far

    paced = {name: value for name, value in changed.items() if name in Pace.__dataclass_fields__}
    own = {name: value for name, value in changed.items() if name not in paced}
    settings = {"window": 0.0, "polls": (LATER,), "most_items": 500, "item": item} | own
    return BatchLane(
        name=LANE,
        number=NUMBERS[LANE],
        destination="far",
        part=0,
        join=lambda items: b"".join(one.line for one in items),
        connect=connect,
        pace=replace(pace, **paced),
        **settings,
    )


def fill(database: Database, *names: str, prior: str | None = None, **content: object) -> None:
    """Events of these names, each first of its own lineage."""
    database.receive(
        event(database.sealer, name, prior=prior, body=json.dumps({"n": name, **content}).encode())
        for name in names
    )


def names(count: int) -> list[str]:
    return [f"e{number:04}" for number in range(count)]


def drain(database: Database, one: BatchLane, *, run_id: str = "test-run", code: str = "") -> Ended:
    return drain_batches(database.settings, [one], run_id=run_id, code=code)


def states(database: Database) -> dict[str, int]:
    """How many messages are in which state."""
    with database.connect() as db:
        return dict(counted(db).get(LANE, {}))


def let_polls_be_due(database: Database) -> None:
    with database.connect() as db:
        db.execute("UPDATE batch SET poll_at = now() WHERE poll_at IS NOT NULL")


def nothing_is_leased(database: Database) -> bool:
    return database.one("SELECT count(*) FROM queue WHERE lease IS NOT NULL") == 0
