"""What a message holds, for a person who may read it: what came, what was sent, what the partner said.

Of a batch only the message's own item, never its neighbours'. The look is logged before anything here is called.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from assets.drain.bodies import unpack, unpack_batch
from assets.drain.items import NotApart, item_of
from resources.store import lookup
from resources.store.connect import Connection
from resources.store.ids import arrival_and_part
from resources.store.lookup import Life
from resources.store.seal import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One version of what was sent; ``head`` is what stands before the first item of a batch."""

    body: bytes
    head: bytes = b""
    address: Mapping[str, str] | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All of it, opened. ``answers`` and ``remarks`` carry their moment."""

    received: bytes
    sent: Sequence[Sent]
    answers: Sequence[tuple[datetime, bytes]]
    remarks: Sequence[tuple[datetime, str, bytes]]
    conflicts: Sequence[bytes]


def contents(db: Connection, sealer: Sealer, life: Life) -> Contents:
    """Open what is kept of one message."""
    message = life.found.id
    arrival, _ = arrival_and_part(message)
    return Contents(
        received=lookup.body_of(db, sealer, arrival),
        sent=[*_alone(db, sealer, message), *_in_batches(db, sealer, life)],
        answers=[
            (one.at, sealer.open(one.answer, b"attempt", one.batch or message))
            for one in life.tries
            if one.answer
        ],
        remarks=[
            (at, severity, sealer.open(body, b"remark", message)) for at, severity, body in life.remarks
        ],
        conflicts=lookup.conflict_bodies(db, sealer, arrival),
    )


def _alone(db: Connection, sealer: Sealer, message: int) -> Iterator[Sent]:
    for packed in lookup.sent_bodies(db, sealer, message):
        body, address = unpack(packed)
        yield Sent(body=body, address=address)


def _in_batches(db: Connection, sealer: Sealer, life: Life) -> Iterator[Sent]:
    for batch in life.batches:
        members, packed = lookup.batch_body(db, sealer, batch)
        try:
            head, item = item_of(unpack_batch(packed)[0], members, life.found.id)
        except NotApart:
            continue
        yield Sent(body=item, head=head, batch=batch)
