"""How a lane is drained: what a lane says of itself, and what operators may set."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from assets.drain.outcomes import RetryPlan
from resources.errors import Refused
from resources.settings import Settings
from resources.store.lanes import batches, track
from resources.store.values import Arrival, Message, OnFailure, Owed, Receipt

if TYPE_CHECKING:  # mapping alone needs no database
    from resources.store.connect import AsyncConnection
    from resources.store.seal import Sealer


class Client(Protocol):
    """A partner's client as a drain uses it."""

    async def send(self, message: Message) -> Receipt:
        """Send the message's bytes; raise what ``resources.errors`` names."""
        ...

    async def ask(self, message: Message) -> Receipt | None:
        """After an unsure try: what the partner knows of the message, or None when it does not have it."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How a run behaves in time. Seconds throughout; the defaults are those of ``.env.example``."""

    linger: float = 20.0
    leave_after: float = 540.0
    end_after: float = 720.0
    heartbeat: float = 2.0
    retry: RetryPlan = field(default_factory=RetryPlan)
    breaker_after: int = 10
    settle: float = 60.0
    ask_every: float = 5.0
    concurrency: int = 64
    each: int = 8


def pace(settings: Settings, *, settle: float, concurrency: int = 64) -> Pace:
    """The pace operators have set; ``settle`` is how long a partner may still be at work after a false no."""
    standard = Pace()
    return Pace(
        linger=settings.number("HANDOFF_LINGER_SECONDS", standard.linger),
        retry=RetryPlan(
            settings.numbers("HANDOFF_RETRY_PLAN", tuple(standard.retry.waits)),
            settings.number("HANDOFF_JITTER", standard.retry.jitter),
        ),
        breaker_after=settings.whole("HANDOFF_BREAKER_AFTER", standard.breaker_after),
        settle=settle,
        ask_every=max(0.2, min(30.0, settle / 8)),
        concurrency=concurrency,
    )


async def _nothing() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class SinglesLane:
    """A lane that sends message by message.

    ``map`` makes the messages of one arrival (pure; any exception sets the arrival aside). ``on_failure``
    says what a queue does after a message of that kind has finally failed. ``full_state`` kinds carry the
    whole state: of several waiting in a row only the newest goes. ``connect`` builds the client; ``prepare``
    is awaited before every claim, and what it raises of ``resources.errors`` pauses the lane.

    A lane that ``remembers`` closes a message without a call where the partner has it already: ``aspect`` names
    what a message of a kind states wholly (the patient, the policies), or None where it states a part.
    """

    name: str
    number: int
    map: Callable[[Arrival], Sequence[Owed]]
    connect: Callable[[], Awaitable[Client]]
    on_failure: Callable[[str], OnFailure]
    full_state: Callable[[str], bool] = lambda kind: False
    can_ask: bool = True
    prepare: Callable[[], Awaitable[None]] = _nothing
    remembers: bool = False
    aspect: Callable[[str], str | None] = lambda kind: None
    pace: Pace = field(default_factory=Pace)


class SetAside(ValueError):
    """This one cannot be sent as it is; the text names the place and the rule, never a value."""

    safe = True


class NotCarried(ValueError):
    """This destination cannot carry it, another one does: it is closed here as skipped."""

    safe = True


@dataclass(frozen=True, slots=True)
class Remark:
    """What a partner said of one item of a batch; ``index`` is its place in the batch, from 0.

    ``text`` is ours and may stand anywhere; ``said`` is the partner's own and is sealed with it.
    """

    index: int
    severity: str
    text: str
    said: str = field(default="", repr=False)

    @property
    def whole(self) -> str:
        """Both, for those who may read what the partner said."""
        return f"{self.text}: {self.said}" if self.said else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReceipt:
    """The partner has taken a batch. ``accepted``: it will say later what became of it."""

    status: int
    external_id: str
    answer: bytes = b""
    accepted: bool = True
    remarks: Sequence[Remark] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of an accepted batch: which items no receiver took, and what the partner counted.

    ``final`` is false while the partner is still at work.
    """

    final: bool
    answer: bytes = b""
    lost: Sequence[Remark] = ()
    remarks: Sequence[Remark] = ()
    tally: dict[str, int] = field(default_factory=dict)


class ItemsRefused(Refused):
    """The partner refused the batch for some of its items (``remarks``; none: it did not say which)."""

    def __init__(self, text: str, *, status: int, answer: bytes, remarks: Sequence[Remark]) -> None:
        super().__init__(text, status=status, answer=answer)
        self.remarks = remarks


class TooLarge(Refused):
    """The partner takes no batch of this size: split it."""


#: The keys of a batch's items, read from the store only when wanted.
Keys = Callable[[], Awaitable[Sequence[str]]]


class BatchClient(Protocol):
    """A partner's client as a drain of batches uses it. ``keys`` name the items, in their order."""

    async def send_batch(self, payload: str, body: bytes, keys: Sequence[str]) -> BatchReceipt:
        """Send the bytes under this payload name; raise ItemsRefused, TooLarge or ``resources.errors``."""
        ...

    async def ask_batch(self, payload: str, keys: Sequence[str], first_sent: datetime) -> BatchReceipt | None:
        """After an unsure try: what the partner knows of the payload, or None; raises as ``send_batch``."""
        ...

    async def fate(self, external_id: str, keys: Keys) -> Fate:
        """What has become of an accepted batch."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a batch: its encoded form and the key by which the partner speaks of it.

    ``at`` is its moment, where a batch says of itself when it was made.
    """

    key: str
    line: bytes
    flag: str | None = None
    at: datetime | None = None


#: Completes arrivals by what the store knows besides, before they are mapped.
Recall = Callable[["AsyncConnection", "Sealer", Sequence[Arrival]], Awaitable[Sequence[Arrival]]]


async def _nothing_to_recall(
    db: "AsyncConnection", sealer: "Sealer", arrivals: Sequence[Arrival]
) -> Sequence[Arrival]:
    return arrivals


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """Where a lane listens to what its partner said of single messages: in the transaction that keeps it."""

    db: "AsyncConnection"
    sealer: "Sealer"
    ids: Callable[[], int]


#: Passes on what was said of messages, and tells whose concern each is: a blind index by message.
Heard = Callable[[Hearing, Sequence[tuple[int, Remark]]], Awaitable[Mapping[int, int]]]


async def _nobody(hearing: Hearing, said: Sequence[tuple[int, Remark]]) -> Mapping[int, int]:
    return {}


@dataclass(frozen=True, kw_only=True)
class BatchLane:
    """A lane that sends many messages in one request.

    ``item`` makes one item of an arrival (pure; any exception sets the arrival aside) that ``recall`` has completed,
    ``join`` the body of several. A batch goes when its oldest member has waited ``window`` seconds or ``most_items``
    wait. ``heard`` is told what the partner said of single messages. ``beside`` others a destination has a breaker
    of its own: one that is away waits alone.
    """

    name: str
    number: int
    destination: str
    part: int
    item: Callable[[Arrival], Item]
    join: Callable[[Sequence[Item]], bytes]
    connect: Callable[[], Awaitable[BatchClient]]
    recall: Recall = _nothing_to_recall
    heard: Heard = _nobody
    on_failure: OnFailure = OnFailure.CONTINUE
    most_items: int = 500
    most_bytes: int = 50_000_000
    window: float = 120.0
    polls: Sequence[float] = (60.0, 300.0, 900.0, 3600.0)
    poll_for: float = 72 * 3600.0
    beside: bool = False
    pace: Pace = field(default_factory=Pace)

    @property
    def track(self) -> int:
        """Where its events queue."""
        return track(self.number, self.part)

    @property
    def breaker(self) -> int:
        """What its breaker stands under: the lane, or beside others its own track."""
        return batches(self.track) if self.beside else self.number
