"""What would become of one ended message if it went again, and where today's mapping differs from what was sent.

Judges and changes nothing; ``handoff.replay`` shows it and acts on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handoff.difference import Difference

if TYPE_CHECKING:
    from handoff.lanes import Made, Today
    from resources.settings import Settings
    from resources.store.connect import Connection
    from resources.store.past import Past
    from resources.store.values import Arrival

#: The outcomes of ``assets.drain.outcomes`` that decide how a message goes again.
UNSURE, REFUSED, NOT_FOUND = 3, 4, 6


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would become of one message. ``differs`` is None where nothing can be compared."""

    past: "Past"
    effect: str
    differs: Sequence[Difference] | None = None
    why: str | None = None

    @property
    def goes(self) -> bool:
        """Whether it goes although nobody insists."""
        return not self.effect.startswith("stays")

    def insisted(self) -> "Verdict":
        """The same where a person insists on sending bytes that were refused."""
        refused_again = not self.goes and self.differs == []
        return Verdict(self.past, "same bytes", self.differs) if refused_again else self


class Judge:
    """Looks at ended messages and at what today's mapping makes of their arrivals."""

    def __init__(self, db: "Connection", settings: "Settings", mapping: "Today | str") -> None:
        from resources.store.seal import Sealer

        self._db = db
        self._sealer = Sealer(settings.keys)
        self._mapping = mapping
        self._batches: dict[int, tuple[list[int], bytes]] = {}

    def verdicts(self, some: Sequence["Past"]) -> list[Verdict]:
        """One for each, in order."""
        from resources.store import past

        mapping = self._mapping
        if isinstance(mapping, str):
            return [
                Verdict(one, _asks(one) or ("mapped anew" if _anew(one) else "same bytes")) for one in some
            ]
        came = past.arrivals(self._db, self._sealer, sorted({one.arrival for one in some}))
        kept = past.last_sent(self._db, self._sealer, [one.message for one in some])
        return [self._verdict(mapping, one, came[one.arrival], kept.get(one.message)) for one in some]

    def _verdict(self, mapping: "Today", one: "Past", arrival: "Arrival", kept: bytes | None) -> Verdict:
        from assets.drain.bodies import reason

        anew = mapping.batches or _anew(one)
        try:
            made = mapping(arrival, one.message - one.arrival)
        except Exception as error:  # a mapping's fault concerns this message; its text may hold a value
            effect = f"stays {state_of(one)}" if anew else "same bytes"
            return Verdict(one, _asks(one) or effect, None, f"cannot be mapped: {reason(error)}")
        differs = self._differs(one, made, kept)
        refused = one.state.name == "FAILED" and one.outcome == REFUSED
        if refused and differs == []:
            return Verdict(
                one, "stays failed", differs, "mapped anew it is the same bytes, which were refused"
            )
        return Verdict(one, _asks(one) or ("mapped anew" if anew else "same bytes"), differs)

    def _differs(self, one: "Past", made: "Made | None", kept: bytes | None) -> Sequence[Difference] | None:
        from assets.drain.bodies import unpack
        from assets.drain.items import NotApart
        from handoff import difference

        if made is None:
            return [Difference("message", one.kind, "")]
        if one.batch is not None:
            try:
                head, item = self._item(one.batch, one.message)
            except NotApart:
                return None
            return difference.of(item, made.body, head_before=head, head_after=made.head)
        if kept is None:
            return None
        body, address = unpack(kept)
        found = difference.of(body, made.body)
        for name, (before, after) in _pairs(address, dict(made.address)):
            found.append(Difference(f"address.{name}", before, after))
        return found if one.kind == made.kind else [Difference("kind", one.kind, made.kind), *found]

    def _item(self, batch: int, message: int) -> tuple[bytes, bytes]:
        from assets.drain.bodies import unpack_batch
        from assets.drain.items import item_of
        from resources.store import lookup

        if batch not in self._batches:
            while len(self._batches) >= 4:  # messages of a batch stand close together
                self._batches.pop(next(iter(self._batches)))
            members, packed = lookup.batch_body(self._db, self._sealer, batch)
            self._batches[batch] = members, unpack_batch(packed)[0]
        members, body = self._batches[batch]
        return item_of(body, members, message)


def _anew(one: "Past") -> bool:
    """Whether the store has it mapped anew: what was refused or never mapped."""
    return one.state.name == "SET_ASIDE" or one.outcome == REFUSED


def _asks(one: "Past") -> str | None:
    """The partner is asked first where the last try was unsure; a batch's doubt ended with the batch."""
    return "asks first" if one.batch is None and one.outcome in (UNSURE, NOT_FOUND) else None


def state_of(one: "Past") -> str:
    """A state as people read it."""
    return one.state.name.lower().replace("_", " ")


def _pairs(before: dict[str, str], after: dict[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for name in sorted({*before, *after}):
        if (pair := (before.get(name, ""), after.get(name, "")))[0] != pair[1]:
            yield name, pair
