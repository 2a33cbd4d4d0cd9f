"""HL7 v2 over TCP: MLLP framing and the sender that waits for the acknowledgement.

What a message says belongs in ``assets``, what an acknowledgement means in ``hl7_answers``; the listener is
``web/mllp.py``. A partner of this kind cannot be asked whether it has a message: without an acknowledgement it is
``Unsure``. Source: HL7 v2.5.1 appendix C.4 (minimal lower layer protocol).
"""

import asyncio
import ssl
from collections.abc import Collection

from resources.errors import TryLater, Unsure
from resources.hl7_answers import control_id, judged, read
from resources.store.values import Message, Receipt

START, END = b"\x0b", b"\x1c\r"
#: The longest acknowledgement we read.
LARGEST_ANSWER = 65_536


class BadFrame(ValueError):
    """The bytes are no MLLP; the text says in what way."""


def frame(message: bytes) -> bytes:
    """The message as it goes over the line."""
    return b"".join([START, message, END])


async def read_frame(reader: asyncio.StreamReader, largest: int) -> bytes:
    """The next message without its frame; empty when the other side has closed between two messages.

    Line ends between frames are skipped, as some senders put them there.
    """
    first = await reader.read(1)
    while first in (b"\r", b"\n"):
        first = await reader.read(1)
    if not first:
        return b""
    if first != START:
        raise BadFrame("a frame begins with the byte 0B")
    found = bytearray()
    while not found.endswith(END):
        chunk = await _until_end(reader, largest + len(END) - len(found))
        found += chunk
    return bytes(found[: -len(END)])


async def _until_end(reader: asyncio.StreamReader, room: int) -> bytes:
    """Bytes up to the end mark or as many as have come; ``BadFrame`` when there is no room or no end."""
    try:
        chunk = await reader.readuntil(END)
    except asyncio.LimitOverrunError as error:
        chunk = await reader.readexactly(max(1, error.consumed))
    except asyncio.IncompleteReadError:
        raise BadFrame("the connection ended within a frame") from None
    if len(chunk) > room:
        raise BadFrame("the message is larger than we take")
    return chunk


class MllpSender:
    """One partner's listener; one connection, kept open, and one message at a time on it.

    ``later_errors`` are codes of ERR-3 that pass with time, such as 204 while the order is still on its way.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        ack_seconds: float = 30.0,
        connect_seconds: float = 10.0,
        write_seconds: float = 120.0,
        later_errors: Collection[str] = (),
    ) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._ack_seconds, self._connect_seconds, self._write_seconds = (
            ack_seconds,
            connect_seconds,
            write_seconds,
        )
        self._later_errors = frozenset(later_errors)
        self._turn = asyncio.Lock()
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def longest_seconds(self) -> float:
        """The longest that one message can take."""
        return self._connect_seconds + self._write_seconds + self._ack_seconds

    async def send(self, message: Message) -> Receipt:
        """Send one message and wait for its acknowledgement: AA or CA, else an error of ``resources.errors``."""
        expected = control_id(message.body)
        async with self._turn:
            try:
                answer = await self._exchange(message.body)
                verdict = read(answer, expected, self._where)
            except BaseException:
                self._hang_up()  # a late acknowledgement must not be taken for the next message's
                raise
        return judged(verdict, answer, self._where, self._later_errors)

    async def aclose(self) -> None:
        """Hang up."""
        async with self._turn:
            self._hang_up()

    async def _exchange(self, body: bytes) -> bytes:
        reader, writer = await self._connected()
        try:
            async with asyncio.timeout(self._write_seconds):
                writer.writelines([START, body, END])
                await writer.drain()
            async with asyncio.timeout(self._ack_seconds):
                answer = await read_frame(reader, LARGEST_ANSWER)
        except (OSError, TimeoutError, BadFrame) as error:
            raise Unsure(
                f"{self._where}: sent, and no acknowledgement came ({type(error).__name__})"
            ) from None
        if not answer:
            raise Unsure(f"{self._where}: sent, and the connection was closed without an acknowledgement")
        return answer

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The open line, or a new one where the partner has hung up meanwhile."""
        if self._line:
            reader, writer = self._line
            if reader.at_eof() or reader.exception() or writer.is_closing():
                self._hang_up()
        if not self._line:
            try:
                async with asyncio.timeout(self._connect_seconds):
                    self._line = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
            except (OSError, TimeoutError) as error:
                raise TryLater(f"{self._where}: no connection ({type(error).__name__})") from None
        return self._line

    def _hang_up(self) -> None:
        if self._line:
            self._line[1].transport.abort()
        self._line = None

    @property
    def _where(self) -> str:
        return f"MLLP {self._host}:{self._port}"
