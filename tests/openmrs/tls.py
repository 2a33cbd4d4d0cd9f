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
    started, loop = threading.Event(), asyncio.new_event_loop()
    port = 0

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
        nonlocal port
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
        server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        started.set()

    def run() -> None:
        loop.run_until_complete(main())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
