"""One claimed queue in a run's hand: its messages in order, mapped when looked at.

Decides which of them need no call. What is sent, and what comes of it, is ``singles``'. No I/O.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from assets.drain.bodies import pack, unpack
from assets.drain.settings import SetAside, SinglesLane
from resources.store.books import Settled, Stored
from resources.store.claims import Claimed
from resources.store.ids import PARTS, arrival_and_part, moment
from resources.store.seal import Sealer
from resources.store.values import Arrival, Message, Owed

#: By aspect: the digest of what stands at the partner, if that is certain, and the newest message delivered there.
Standing = Mapping[str, tuple[int | None, int]]


class Hand:
    """The messages of one queue, and what is still to be written about them: ``settled`` are outcomes."""

    def __init__(
        self, lane: SinglesLane, sealer: Sealer, items: Sequence[Claimed], standing: Standing, *, more: bool
    ) -> None:
        self._lane, self._sealer = lane, sealer
        self._items = deque(items)
        self.standing = dict(standing)
        self.settled: list[Settled] = []
        self.queue = items[0].queue
        self._more = more
        # Made with a message that was taken, and in no table yet: written with whatever is written next.
        self._unwritten: list[Claimed] = []

    def __len__(self) -> int:
        return len(self._items)

    @property
    def more(self) -> bool:
        """Something of the queue is known to wait still."""
        return bool(self._items) or self._more

    def take(self) -> Claimed:
        """The next message; where its arrival could not be mapped ``error`` says why."""
        self._expand(0)
        item = self._items.popleft()
        if not (item.stored or item.new):
            self._unwritten += [one for one in self._items if one.arrival == item.arrival and one.new]
        return item

    def message(self, item: Claimed) -> Message:
        """What the client is given."""
        if item.owed is None:
            body, address = unpack(self._sealer.open(item.body, b"outbox", item.id))
            item.owed = Owed(kind=item.kind, body=body, address=address)
        return Message(
            id=item.id,
            kind=item.kind,
            queue=item.queue,
            seq=item.seq,
            attempts=item.attempts,
            body=item.owed.body,
            address=item.owed.address,
        )

    def to_store(self, item: Claimed | None = None) -> list[Stored]:
        """The bytes to be written before this one goes, or before the queue is given back."""
        if item is not None and not item.stored and not any(one is item for one in self._unwritten):
            self._unwritten.insert(0, item)
        stored = [self._bytes(one) for one in self._unwritten]
        for one in self._unwritten:
            one.stored = True
        self._unwritten = []
        return stored

    def newer(self, item: Claimed) -> Claimed | None:
        """The newest waiting message that carries the same state anew; nothing passes one that was tried.

        A creation or a part of a state is never merged, and nothing is merged across one.
        """
        if item.attempts or item.unsure_for is not None or not self._lane.full_state(item.kind):
            return None
        newest, place = None, 0
        while place < len(self._items):
            self._expand(place)
            later = self._items[place]
            place += 1
            if later.error is not None:
                continue  # it is set aside when its turn comes
            if not self._lane.full_state(later.kind):
                break
            if later.kind == item.kind:
                newest = later
        return newest

    def outdated(self, item: Claimed) -> int | None:
        """The message of a newer state that the partner has: one that is sent again must not go over it."""
        aspect = self._lane.aspect(item.kind)
        if aspect is None or aspect not in self.standing:
            return None
        _, by = self.standing[aspect]
        return by if arrival_and_part(by)[0] > item.arrival else None

    def unchanged(self, item: Claimed) -> int | None:
        """The message by which the partner has this already."""
        aspect = self._lane.aspect(item.kind)
        if aspect is None or item.attempts or item.unsure_for is not None or aspect not in self.standing:
            return None
        digest, by = self.standing[aspect]
        return by if digest == self.digest(item) else None

    def digest(self, item: Claimed) -> int:
        """Of the message's bytes, made once."""
        if item.digest is None:
            assert item.owed is not None  # noqa: S101 - it was mapped or opened before
            item.digest = self._sealer.digest(item.owed.body)
        return item.digest

    def close(self, item: Claimed, settled: Settled) -> None:
        """It needs no call, so its bytes need not be written."""
        self._unwritten = [one for one in self._unwritten if one is not item]
        self.settled.append(settled)

    def _bytes(self, item: Claimed) -> Stored:
        owed = item.owed
        assert owed is not None  # noqa: S101 - what is unwritten was mapped here
        return Stored(
            queue=item.queue,
            seq=item.seq,
            part=item.part,
            arrival=item.arrival,
            version=item.version,
            track=self._lane.number,
            kind=owed.kind,
            digest=self.digest(item),
            body=self._sealer.seal(pack(owed.body, owed.address), b"outbox", item.id),
            new=item.new,
        )

    # -- mapping ---------------------------------------------------------------------------------------------

    def _expand(self, place: int) -> None:
        """Put the messages of the arrival at this place into its stead."""
        item = self._items[place]
        if item.stored or item.owed is not None or item.error is not None:
            return
        try:
            owed = self._map(item)
        except Exception as error:  # also a bug of ours: it concerns this arrival alone
            item.error = error
            return
        item.kind, item.owed = owed[0].kind, owed[0]
        for number, one in enumerate(owed[1:], start=1):
            self._items.insert(place + number, _part(item, item.part + number, one))

    def _map(self, item: Claimed) -> Sequence[Owed]:
        arrival = Arrival(
            id=item.arrival,
            kind=item.kind,
            body=self._sealer.open(item.body, b"inbox", item.arrival),
            received_at=moment(item.arrival),
        )
        owed = list(self._lane.map(arrival))
        if not 0 < len(owed) <= PARTS:
            raise ValueError(f"the mapping made {len(owed)} messages of one arrival")
        if not item.again:
            return owed
        # Mapped anew, a message is one of several that have outcomes of their own.
        if item.part >= len(owed):
            raise SetAside("the mapping makes no such message of its arrival any more; skip it")
        return [owed[item.part]]


def _part(first: Claimed, part: int, owed: Owed) -> Claimed:
    return Claimed(
        queue=first.queue,
        seq=first.seq,
        part=part,
        arrival=first.arrival,
        version=first.version,
        attempts=0,
        unsure_for=first.unsure_for,
        flag=None,
        stored=False,
        kind=owed.kind,
        body=b"",
        owed=owed,
        new=True,
    )
