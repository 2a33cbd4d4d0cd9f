"""A TLS front in a thread, as a hospital's proxy: what is behind it speaks plain HTTP and links to itself that way."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit


@contextmanager
def tls_front(certificate: Path, behind: str) -> Iterator[str]:
    """The https address of a front for a plain http one."""
    where = urlsplit(behind)
    started, over = threading.Event(), asyncio.Event()
    port = 0
    loop: asyncio.AbstractEventLoop

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            while some := await reader.read(65_536):
                writer.write(some)
                await writer.drain()
        writer.close()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection(where.hostname, where.port)
        await asyncio.gather(carry(reader, their_writer), carry(their_reader, writer))

    async def main() -> None:
        nonlocal port, loop
        loop = asyncio.get_running_loop()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
        server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        started.set()
        await over.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=[main()], daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
