"""How the lane openmrs sends: each message is a record, and sending it is bringing its two sides to agreement.

What exactly is written to which side is known only after both have been read; those calls stand in the outbox,
below the message's own version, before their first byte leaves. To ask after an unsure try is to settle once
more: both sides are read before anything is written.
"""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from assets.drain.settings import SinglesLane, pace
from assets.openmrs import hints
from assets.openmrs import links as written
from assets.openmrs.connected import Connected, failure
from assets.openmrs.events import Key, Side
from assets.openmrs.links import Link, LinksError
from assets.openmrs.shelf import StoreShelf
from assets.openmrs.sync import Apart
from assets.openmrs.turns import Shared, Turn
from resources.errors import Refused
from resources.settings import SettingError, Settings
from resources.store import sync_records
from resources.store.connect import AsyncConnection, BorrowedAsync, connect_async, process_number
from resources.store.ids import Ids
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer
from resources.store.values import Arrival, Message, OnFailure, Owed, Receipt

NAME = "openmrs"
NUMBER = NUMBERS[NAME]
ROOT = Path(__file__).resolve().parents[2]

#: Messages in hand at a time, of all links together: twice what the links settle at once keeps the next ones ready.
FEWEST, MOST = 16, 64
#: Connections to the store for all links together: a statement is short, a clinic's answer is long.
BORROWED = 6


def links(settings: Settings) -> tuple[Link, ...]:
    """The links of ``OPENMRS_LINKS``."""
    path = ROOT / settings.text("OPENMRS_LINKS", "openmrs.toml")
    try:
        return written.read(path.read_text(encoding="utf-8"))
    except OSError:
        raise SettingError("OPENMRS_LINKS: the file cannot be read; see .env.example") from None
    except LinksError as error:
        raise SettingError(f"OPENMRS_LINKS: {error}") from None


def usable(settings: Settings) -> list[Link]:
    """The links whose accounts are set; the others wait for theirs and disturb nobody."""
    return [link for link in links(settings) if not lacking(link, settings)]


def lacking(link: Link, settings: Settings) -> str:
    """What keeps a link from being used, or empty."""
    try:
        for side in Side:
            written.account(link.name, side, settings.values)
    except LinksError as error:
        return str(error)
    return ""


def lane(settings: Settings) -> SinglesLane:
    """The lane as these settings describe it."""
    known = usable(settings)

    async def connect() -> Client:
        return Client(known, settings)

    planned = pace(
        settings,
        settle=settings.number("OPENMRS_SETTLE_SECONDS", 5.0),
        concurrency=min(MOST, max(FEWEST, 2 * sum(link.at_once for link in known))),
    )
    return SinglesLane(
        name=NAME,
        number=NUMBER,
        map=owed,
        connect=connect,
        on_failure=lambda kind: OnFailure.CONTINUE,
        full_state=hints.FULL_STATE.__contains__,
        # One side that is away must not stop the other links: each link has its own pause.
        pace=dataclasses.replace(planned, breaker_after=0),
    )


def owed(arrival: Arrival) -> Sequence[Owed]:
    """The record an arrival is about."""
    hints.told(arrival.body)
    return [Owed(kind=arrival.kind, body=arrival.body)]


class Client:
    """All links as one: each message goes to the link it names."""

    def __init__(self, known: Sequence[Link], settings: Settings) -> None:
        self.links = {link.name: link for link in known}
        self.sealer = Sealer(settings.keys)
        self._settings = settings
        self._lend = BorrowedAsync(settings.database_url, "handoff openmrs", BORROWED)
        self._turns: list[AsyncConnection] = []
        self._shared: asyncio.Future[Shared] | None = None
        self._open: dict[str, asyncio.Future[Connected]] = {}

    async def send(self, message: Message) -> Receipt:
        """Settle the record."""
        told = hints.told(message.body)
        if told.link not in self.links:
            raise Refused(f"openmrs.toml has no link {told.link} with accounts; see docs/partners/openmrs.md")
        done = await (await self.connected(told.link)).settle(told, message.id)
        if failed := failure(done):
            raise failed
        return Receipt(answer=f"{done.outcome.value}: {done.reason}".encode())

    async def ask(self, message: Message) -> Receipt | None:
        """Read both sides again and do what is left to do."""
        return await self.send(message)

    async def connected(self, name: str) -> Connected:
        """A link, called up once; who asks meanwhile waits in line, so that records keep their order."""
        if name not in self._open:
            self._open[name] = asyncio.ensure_future(self._connect(name))
        return await self._open[name]

    async def _connect(self, name: str) -> Connected:
        db = await connect_async(self._settings.database_url, "handoff openmrs turn")
        self._turns.append(db)
        lock = self.sealer.blind("lock", hints.LANE, name)
        turn = Turn(partial(sync_records.lock, db, lock), partial(sync_records.unlock, db, lock))
        beside = {side: self._beside(name, side) for side in Side}
        shelf = StoreShelf(self._lend, self.sealer, Ids(await process_number(db)), name, beside)
        return Connected(self.links[name], self._settings, shelf, turn, await self._apart(name, beside))

    async def _apart(self, name: str, beside: Mapping[Side, Sequence[object]]) -> Apart | None:
        """What keeps the other links from a record of a server they lead to as well; None where there are none."""
        there = {side: self.links[name].on(side).url for side in Side if beside[side]}
        if not there:
            return None
        if self._shared is None:
            self._shared = asyncio.ensure_future(self._share())
        shared, blind = await self._shared, self.sealer.blind

        def apart(keys: Mapping[Side, Key]) -> AbstractAsyncContextManager[None]:
            return shared.all_of(
                [blind("lock", hints.LANE, url, str(keys[side])) for side, url in there.items()]
            )

        return apart

    async def _share(self) -> Shared:
        db = await connect_async(self._settings.database_url, "handoff openmrs records")
        self._turns.append(db)
        return Shared(partial(sync_records.take, db), partial(sync_records.give, db))

    def _beside(self, name: str, side: Side) -> list[tuple[str, Side]]:
        """The other links to the same server: what one of them writes there, this one hears of."""
        url = self.links[name].on(side).url
        return [
            (other.name, theirs)
            for other in self.links.values()
            for theirs in Side
            if other.name != name and other.on(theirs).url == url
        ]

    async def close(self) -> None:
        """Hang up everywhere."""
        for one in self._open.values():
            if one.done() and not one.exception():
                await one.result().close()
        for db in self._turns:
            await db.close()
        await self._lend.close()
