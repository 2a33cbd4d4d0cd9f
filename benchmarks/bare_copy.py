"""What intake is measured against: a Starlette handler that does nothing but COPY the raw bytes, durably.

It shares the door's micro-batch (what piled up during the last commit is the next one) and nothing else: no
secret is checked, no JSON read, nothing sealed, no repeat seen, no order kept.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resources.store.connect import AsyncConnection, connect_async

TABLE = "CREATE TABLE IF NOT EXISTS bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL)"


class Copies:
    """One writer; ``put`` returns when the bytes are committed."""

    def __init__(self) -> None:
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()

    async def put(self, body: bytes) -> None:
        """Wait for the commit that holds this body."""
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((body, committed))
        self._wake.set()
        await committed

    async def write_forever(self, db: AsyncConnection) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:512], self._waiting[512:]
                await _copy(db, [body for body, _ in batch])
                for _, committed in batch:
                    committed.set_result(None)


async def _copy(db: AsyncConnection, bodies: list[bytes]) -> None:
    async with db.cursor() as cursor, cursor.copy("COPY bare (body) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["bytea"])
        for body in bodies:
            await copy.write_row((body,))


def create_app() -> Starlette:
    """For uvicorn; the table is made by the owner."""
    copies = Copies()

    async def take(request: Request) -> Response:
        await copies.put(await request.body())
        return Response(b'{"received":1,"duplicates":0,"conflicts":0}', 202, media_type="application/json")

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        async with await connect_async(os.environ["HANDOFF_OWNER_URL"], "bare copy") as db:
            await db.execute(TABLE)
            writer = asyncio.create_task(copies.write_forever(db))
            yield
            writer.cancel()

    return Starlette(routes=[Route("/take", take, methods=["POST"])], lifespan=life)
