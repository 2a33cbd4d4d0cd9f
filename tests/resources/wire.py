"""Partners that speak as told on a real socket."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx

from resources import partner_http

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(speak: Speak, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The address of a partner that speaks as told on a real socket; all connections are closed after."""
    conversations = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await speak(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*conversations), 5)


async def spoken(speak: Speak, *, seconds: float = 5) -> httpx.Response:
    """What the real transport brings from a partner that speaks as told."""
    async with listening(speak) as origin:
        over = partner_http.transport(connections=2)
        try:
            request = partner_http.request("POST", origin, "/patients/", content=b"{}")
            return await partner_http.send(over, request, idempotent=False, timeout=seconds)
        finally:
            await over.aclose()


def says(answer: bytes) -> Speak:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    return speak


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the other side gives up
