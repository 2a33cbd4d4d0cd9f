"""What a client remembers of its partner from one run to the next: names blind, values sealed.

What is asked or told while a statement runs goes with the next one, so that many workers share a round trip.
"""

import asyncio
import struct
from typing import Any

from resources.store.connect import AsyncConnection, connect_async
from resources.store.seal import Sealer


class Known:
    """The memory of one lane, for one process; a fault of the database reaches whoever asked."""

    def __init__(self, url: str, sealer: Sealer, lane: int) -> None:
        self._url = url
        self._sealer = sealer
        self._lane = lane
        self._db: AsyncConnection | None = None
        self._lock = asyncio.Lock()
        self._asked: dict[bytes, asyncio.Future[bytes | None]] = {}
        self._told: dict[bytes, tuple[bytes, asyncio.Future[None]]] = {}

    async def get(self, name: str) -> str | None:
        """What is remembered under this name."""
        blind = self._blind(name)
        answer = self._asked.get(blind)
        if answer is None:
            answer = self._asked[blind] = asyncio.get_running_loop().create_future()
            await self._turn(answer)
        sealed = await answer
        return None if sealed is None else self._sealer.open(sealed, b"known", _row(blind)).decode()

    async def put(self, name: str, value: str) -> None:
        """Remember this from now on; returns when it is committed."""
        blind = self._blind(name)
        sealed = self._sealer.seal(value.encode(), b"known", _row(blind))
        before = self._told.get(blind)
        answer = before[1] if before else asyncio.get_running_loop().create_future()
        self._told[blind] = sealed, answer
        if not before:
            await self._turn(answer)
        await answer

    async def close(self) -> None:
        """Close the connection."""
        if self._db:
            await self._db.close()

    def _blind(self, name: str) -> bytes:
        return self._sealer.name("known", str(self._lane), name)

    async def _turn(self, answer: "asyncio.Future[Any]") -> None:
        """Wait for the connection, then ask and tell all that has gathered, ours among it."""
        async with self._lock:
            if not answer.done():
                await self._flush()

    async def _flush(self) -> None:
        asked, self._asked = self._asked, {}
        told, self._told = self._told, {}
        try:
            if self._db is None:
                self._db = await connect_async(self._url, "handoff known", plan_anew=True)
            if told:
                await self._tell(self._db, {name: value for name, (value, _) in told.items()})
            found = await self._ask(self._db, list(asked)) if asked else {}
        except BaseException as error:
            _fail([*asked.values(), *(done for _, done in told.values())], error)
            raise
        for _, done in told.values():
            done.set_result(None)
        for name, wanted in asked.items():
            wanted.set_result(found.get(name))

    async def _tell(self, db: AsyncConnection, told: dict[bytes, bytes]) -> None:
        await db.execute(
            """
            INSERT INTO known (lane, name, value)
            SELECT %s, name, value FROM unnest(%b::bytea[], %b::bytea[]) AS t(name, value) ORDER BY name
            ON CONFLICT (lane, name) DO UPDATE SET value = EXCLUDED.value
            """,
            [self._lane, list(told), list(told.values())],
        )

    async def _ask(self, db: AsyncConnection, names: list[bytes]) -> dict[bytes, bytes]:
        async with db.cursor(binary=True) as cursor:
            await cursor.execute(
                "SELECT name, value FROM known WHERE lane = %s AND name = ANY(%b::bytea[])",
                [self._lane, names],
            )
            return {bytes(name): bytes(value) for name, value in await cursor.fetchall()}


def _fail(waiting: "list[asyncio.Future[Any]]", error: BaseException) -> None:
    for future in waiting:
        if isinstance(error, asyncio.CancelledError):
            future.cancel()
        elif not future.done():
            future.set_exception(error)
            future.exception()  # whoever waits hears it; nobody else need


def _row(blind: bytes) -> int:
    """What binds a value to its name."""
    return int(struct.unpack_from("q", blind)[0])
