"""Connections to the store: psycopg 3, autocommit, our schema first, nothing of a body in any error.

Session pooling only: a run listens and holds an advisory lock on its connection (PgBouncer's transaction
mode would break both).
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from resources.store.ids import PROCESSES

Connection = psycopg.Connection[TupleRow]
AsyncConnection = psycopg.AsyncConnection[TupleRow]

#: Everything that means "the database is not there now": worth another try, never the message's fault.
Away = (psycopg.OperationalError, psycopg.InterfaceError)


def _options(name: str) -> dict[str, Any]:
    return {
        "autocommit": True,
        "prepare_threshold": 1,
        "application_name": name,
        "options": "-c search_path=handoff",
        "connect_timeout": 10,
        # a machine that is cut off must learn it before its leases have gone to another
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }


def connect(url: str, name: str = "handoff") -> Connection:
    """A connection for a thread: commands, sensors, the ledger."""
    return psycopg.connect(url, **_options(name))


async def connect_async(url: str, name: str = "handoff", *, plan_anew: bool = False) -> AsyncConnection:
    """A connection for an event loop: the doors and the drains.

    ``plan_anew`` is for statements over some hundreds of rows in arrays: the plan PostgreSQL keeps for any
    array joins them four times slower than the one it makes for these rows (66 to 15 us a row, measured).
    """
    options = _options(name)
    if plan_anew:
        options["options"] += " -c plan_cache_mode=force_custom_plan"
    return await psycopg.AsyncConnection.connect(url, **options)


class Borrowed:
    """One connection at a time out of a few, opened when first wanted; for the threads of the web service."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._free: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def __call__(self) -> Iterator[Connection]:
        """Lend a connection; one that broke is closed, not given back."""
        with self._lock:
            connection = self._free.pop() if self._free else None
        connection = connection or connect(self._url, self._name)
        try:
            yield connection
        except Away:
            connection.close()
            raise
        finally:
            with self._lock:
                if self._closed:  # what was lent when we closed is not wanted back
                    connection.close()
                elif not connection.closed:
                    self._free.append(connection)

    def close(self) -> None:
        """Close what is not lent, and what is when it comes back."""
        with self._lock:
            self._closed = True
            while self._free:
                self._free.pop().close()


class BorrowedAsync:
    """The same for the tasks of an event loop; at most so many at a time, whoever comes later waits."""

    def __init__(self, url: str, name: str, most: int) -> None:
        self._url = url
        self._name = name
        self._free: list[AsyncConnection] = []
        self._room = asyncio.Semaphore(most)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection; one that broke is not lent again."""
        async with self._room:
            connection = self._free.pop() if self._free else await connect_async(self._url, self._name)
            try:
                yield connection
            finally:
                if not connection.closed:
                    self._free.append(connection)

    async def close(self) -> None:
        """Close what is not lent."""
        while self._free:
            await self._free.pop().close()


async def process_number(connection: AsyncConnection) -> int:
    """A number below 128 that no other living process of ours has; it is free again when the session ends."""
    for number in range(PROCESSES):
        cursor = await connection.execute("SELECT pg_try_advisory_lock(78, %s)", [number])
        row = await cursor.fetchone()
        if row and row[0]:
            return number
    raise RuntimeError(f"{PROCESSES} processes of Handoff are connected to this store; end some of them")
