"""What the commands must know of each lane: what today's mapping makes.

Asked for by name and imported when asked, so that a command starts without five lanes. A lane's mapping is the
one its runs use: ``assets.<lane>.sending.lane(settings)``.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from assets.drain.items import apart

if TYPE_CHECKING:
    from assets.code_tables import CodeTable
    from assets.drain.settings import SinglesLane
    from resources.settings import Settings
    from resources.store.connect import Connection
    from resources.store.values import Arrival

#: Messages of one statement: long enough to be quick, short enough to hold no queue for long.
CHUNK = 5_000


def chunks(messages: Sequence[int]) -> Iterator[Sequence[int]]:
    """The messages, so many at a time."""
    for start in range(0, len(messages), CHUNK):
        yield messages[start : start + CHUNK]


@dataclass(frozen=True, slots=True)
class Made:
    """What a mapping makes of one message: its bytes, the head they stand under, the kind and the address."""

    body: bytes
    head: bytes = b""
    kind: str = ""
    address: tuple[tuple[str, str], ...] = ()


class Today:
    """A lane's mapping as it is deployed where the command runs."""

    def __init__(self, lane: str, settings: "Settings", db: "Connection") -> None:
        from resources.store.seal import Sealer

        sending: Any = import_module(f"assets.{lane}.sending")
        quiet = _quiet(settings)
        self._lane: Any = sending.lane(quiet)
        self.batches = hasattr(self._lane, "item")
        if self.batches:
            #: A part of an arrival is its share for one destination, in that destination's format.
            self._destinations: Any = sending.lanes(quiet)
            self._recalled: Any = sending.recalled
            self._kinds: Any = sending.KINDS
            self._db, self._sealer = db, Sealer(settings.keys)
        else:
            asyncio.run(prepare(self._lane))

    def __call__(self, arrival: "Arrival", part: int) -> Made | None:
        """One message of the arrival; None where today's mapping makes no such message.

        Raises what the mapping raises where it cannot make any.
        """
        if self.batches:
            if part >= len(self._destinations):
                return None
            if arrival.kind not in self._kinds:
                return Made(arrival.body, b"", arrival.kind)  # told as it is, and not to a destination
            destination = self._destinations[part]
            [whole] = self._recalled(self._db, self._sealer, [arrival])
            head, items = apart(destination.join([destination.item(whole)]))
            return Made(items[0], head)
        owed = self._lane.map(arrival)
        if part >= len(owed):
            return None
        one = owed[part]
        return Made(one.body, b"", one.kind, tuple(sorted(one.address.items())))


def _quiet(settings: "Settings") -> "Settings":
    """The same destinations, each of which sends nothing: mapping needs no account anywhere."""
    from resources.settings import Settings

    name = "REPORTSTREAM_TRANSPORT"
    count = len(settings.text(name, "none").split(","))
    return Settings({**settings.values, name: ",".join(["none"] * count)})


async def prepare(lane: "SinglesLane") -> None:
    """Let a mapping learn of its partner what it must know; a lane that needs nothing opens no connection."""
    from assets.drain.settings import SinglesLane

    if lane.prepare is SinglesLane.prepare:
        return
    client = await lane.connect()
    try:
        await lane.prepare()
    finally:
        await client.close()


def today(lane: str, settings: "Settings", db: "Connection") -> Today | str:
    """A lane's mapping with the code tables in force, or why there is none to ask here."""
    from assets import code_tables
    from resources.errors import DeliveryError
    from resources.settings import SettingError
    from resources.store.code_tables import in_force

    try:
        code_tables.use(loadable(lane), in_force(db, lane))
        return Today(lane, settings, db)
    except (SettingError, DeliveryError) as error:
        return str(error)
    except ModuleNotFoundError as error:
        if error.name != f"assets.{lane}.sending":
            raise
        return f"{lane} has no mapping of messages"


def loadable(lane: str) -> "Mapping[str, CodeTable]":
    """The code tables of a lane that an installation may renew."""
    name = f"assets.{lane}.tables.loadable"
    try:
        found: Mapping[str, CodeTable] = import_module(name).TABLES
    except ModuleNotFoundError as error:
        if error.name not in (name, f"assets.{lane}.tables"):
            raise
        return {}
    return found
