"""The values that pass between the store, the lanes and the clients. No I/O, no SQL.

``Arrival`` is what came, ``Owed`` what a mapping makes of it, ``Message`` what the outbox holds of it,
``Receipt`` what a partner answered when it took one. Every message passes through all of them: as structs
they are made in a fifth of the time a frozen dataclass takes.
"""

import enum
from collections.abc import Mapping
from datetime import datetime

import msgspec


class State(enum.IntEnum):
    """Where something is on its way.

    Arrivals: ``new -> mapped | set_aside`` (a person may map it again).
    Messages: ``waiting -> accepted -> delivered``, ``waiting -> failed | skipped | superseded | cancelled``,
    ``failed -> waiting`` when a person asks. ``accepted``: the partner has it but has not said what became
    of it; it frees the queue.
    """

    WAITING = 0
    ACCEPTED = 1
    DELIVERED = 2
    FAILED = 3
    SKIPPED = 4
    SUPERSEDED = 5
    CANCELLED = 6
    SET_ASIDE = 7


class OnFailure(enum.Enum):
    """What a queue does after one of its messages has finally failed."""

    HOLD = "hold"
    CONTINUE = "continue"
    CANCEL_REST = "cancel_rest"


class Arrival(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something a partner or a person gave us, exactly as it came.

    ``original`` is the sender's id of the first of its lineage, where the lane has looked that up.
    """

    id: int
    kind: str
    body: bytes
    received_at: datetime
    original: str | None = None


class Owed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message that an arrival gives rise to: the exact bytes and what the client needs to address them.

    ``address`` (chart id, order id, destination...) is sealed with the body; it never leaves the store
    but through the client.
    """

    kind: str
    body: bytes
    address: Mapping[str, str] = msgspec.field(default_factory=dict)


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something we owe a partner, as the outbox holds it.

    ``queue`` and ``seq`` are its place; ``attempts`` counts the tries already recorded.
    """

    id: int
    kind: str
    queue: int
    seq: int
    attempts: int
    body: bytes
    address: Mapping[str, str] = msgspec.field(default_factory=dict)


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The partner has taken a message.

    ``accepted`` is true where the partner will only later say what became of it. ``external_id`` is the
    partner's own id for it. ``answer`` is kept sealed with the attempt.
    """

    status: int = 200
    external_id: str = ""
    answer: bytes = b""
    accepted: bool = False
