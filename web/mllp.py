"""The door for HL7 v2 over TCP: takes MLLP frames, has them stored, acknowledges.

It knows frames and acknowledgements; what a message means and where it is kept is ``receive``, given by the
caller. An acknowledgement goes out only after ``receive`` has returned. Nothing a sender does ends the
listener: a bad frame costs that sender its connection.
"""

import asyncio
import logging
import secrets
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from assets.formats.hl7_ack import Verdict, acknowledgement
from assets.formats.hl7_read import Hl7Error, ParsedMessage, decode, parse
from resources.mllp import BadFrame, frame, read_frame

log = logging.getLogger(__name__)

Receive = Callable[[bytes], Awaitable[Verdict]]

#: Orders are some kilobytes; what is larger is no order.
LARGEST = 1_000_000
LAST_WORDS_SECONDS = 2.0
_NOT_STORED = Verdict("AR", "the message could not be stored; send it again later")


def utc_now() -> datetime:
    """The wall clock, for the time in an acknowledgement."""
    return datetime.now(UTC)


class MllpListener:
    """Listens on one port until closed; each connection is answered in the order of its messages.

    ``idle_seconds``: a sender that has sent no whole message for so long is hung up on.
    """

    def __init__(
        self,
        receive: Receive,
        *,
        largest: int = LARGEST,
        idle_seconds: float = 300.0,
        connections: int = 64,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._receive, self._largest, self._idle_seconds = receive, largest, idle_seconds
        self._connections, self._now = connections, now
        self._open: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Begin to listen; returns the port, which the system chooses for 0."""
        self._server = await asyncio.start_server(self._connected, host, port, ssl=tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def aclose(self) -> None:
        """Take no more connections, finish the messages that are being stored, hang up."""
        if self._server:
            self._server.close()
        for task in self._open - self._busy:
            task.cancel()
        while self._open:
            await asyncio.wait(self._open)
        if self._server:
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # asyncio runs this as a task
        if len(self._open) >= self._connections:
            log.warning("MLLP: a connection was refused, %d are open", len(self._open))
            writer.transport.abort()
            return
        self._open.add(task)
        try:
            await self._converse(task, reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            log.debug("MLLP: a connection has ended")
        except Exception as error:
            log.error("MLLP: a connection was dropped (%s)", type(error).__name__)
        finally:
            self._open.discard(task)
            writer.close()

    async def _converse(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while self._server and self._server.is_serving():
            try:
                async with asyncio.timeout(self._idle_seconds):
                    octets = await read_frame(reader, self._largest)
            except BadFrame as error:
                log.warning("MLLP: a bad frame: %s", error)
                await self._answer(writer, None, Verdict("AR", str(error)))
                await _let_read(reader, writer)
                return
            if not octets:
                return
            self._busy.add(task)
            try:
                await self._answer(writer, _message(octets), await self._verdict(octets))
            finally:
                self._busy.discard(task)

    async def _verdict(self, octets: bytes) -> Verdict:
        """What became of the message; an error of ours is "not now", and the sender keeps it."""
        try:
            return await self._receive(octets)
        except Exception as error:
            log.error("MLLP: a message of %d bytes was not stored (%s)", len(octets), type(error).__name__)
            return _NOT_STORED

    async def _answer(
        self, writer: asyncio.StreamWriter, message: ParsedMessage | None, verdict: Verdict
    ) -> None:
        ack = acknowledgement(message, verdict, control_id=secrets.token_hex(8), now=self._now())
        writer.write(frame(ack.encode()))
        async with asyncio.timeout(self._idle_seconds):
            await writer.drain()


async def _let_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Give the sender a moment to read our last words: closing on unread bytes would take them back."""
    if writer.can_write_eof():
        writer.write_eof()
    try:
        async with asyncio.timeout(LAST_WORDS_SECONDS):
            while await reader.read(65_536):
                pass
    except TimeoutError:
        log.debug("MLLP: the sender went on sending")


def _message(octets: bytes) -> ParsedMessage | None:
    try:
        return parse(decode(octets))
    except Hl7Error:
        return None
