"""A hint as an arrival of the lane: which record on which side of which link, and where it waits. No I/O.

The queue is the record's. Which patient it belongs to is known only once it has been read, and reading it is
the message's work; records of a link are settled one at a time, so the queue need not keep patients apart.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from assets.openmrs.events import Action, Entry, Key, Side
from assets.openmrs.records import RANKS, coalesce, set_aside
from assets.openmrs.tree import Tree, encode
from resources.store.seal import Sealer
from resources.store.sync_feeds import Feed, Heard
from resources.store.sync_hints import Hint

LANE = "openmrs"
HOW = ("at the parent", "at the child", "handed in")
#: Every kind carries a record's whole state, for both sides are read: of several waiting only the newest goes.
FULL_STATE = tuple(f"{kind} {how}" for kind in RANKS if kind != "visit" for how in HOW)


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the body of an arrival says. ``record`` is a record handed in, ``row`` its row in a child's table."""

    link: str
    side: str
    type: str
    id: str
    record: msgspec.Raw = msgspec.Raw(b"")
    row: int = 0

    def __repr__(self) -> str:
        return f"Told({self.link}, {self.side}, {self.type})"  # the rest is about a patient

    @property
    def key(self) -> Key:
        return Key(self.type, self.id)

    @property
    def on(self) -> Side:
        return Side(self.side)


_read = msgspec.json.Decoder(Told).decode
_write = msgspec.json.Encoder().encode


def told(raw: bytes) -> Told:
    """What an arrival says."""
    return _read(raw)


def body(link: str, side: Side, key: Key, record: Tree | None = None, row: int = 0) -> bytes:
    """The body of an arrival."""
    said: dict[str, Any] = {"link": link, "side": side.value, "type": key.type, "id": key.id}
    if record is not None:
        said["record"] = msgspec.Raw(encode(record))
    return _write({**said, "row": row} if row else said)


def kind_of(side: Side, key: Key, *, handed_in: bool = False) -> str:
    """The kind as lists show it."""
    return f"{key.type} handed in" if handed_in else f"{key.type} at the {side.value}"


def queue_of(sealer: Sealer, link: str, key: Key) -> int:
    """Where the messages of a record wait."""
    return sealer.blind("queue", LANE, link, str(key))


def name_of(sealer: Sealer, link: str, key: Key) -> bytes:
    """The blind name of a record on a side of a link."""
    return sealer.name(LANE, link, str(key))


def patient_of(sealer: Sealer, key: Key) -> int | None:
    """The look-up key of a patient's own record."""
    return sealer.blind("patient", LANE, key.id) if key.type == "Patient" else None


def hint(sealer: Sealer, link: str, side: Side, key: Key, rank: int | None = None) -> Hint:
    """A record to look at."""
    return Hint(
        queue=queue_of(sealer, link, key),
        kind=kind_of(side, key),
        body=body(link, side, key),
        rank=RANKS[key.type] if rank is None else rank,
        patient=patient_of(sealer, key),
    )


def heard(sealer: Sealer, feed: Feed, entries: Sequence[Entry]) -> list[Heard]:
    """What the entries of a page come to: each a hint, or a reason why not."""
    side = Side(feed.side)
    ranks = {each.key: each.rank for each in coalesce(entries)}
    found = []
    for entry in entries:
        why = set_aside(entry)
        led = None if why or entry.key is None else hint(sealer, feed.link, side, entry.key, ranks[entry.key])
        # An entry without an id of its own is known by what it says.
        own = entry.id or f"{entry.updated} {entry.content}"
        name = sealer.name(LANE, "entry", feed.link, feed.side, feed.name, own)
        found.append(Heard(name=name, action=entry.action.value, hint=led, problem=why or None))
    return found


def actions(found: Iterable[str]) -> frozenset[Action]:
    """The publishers' words, as kept with the entries."""
    return frozenset(Action(each) for each in found)
