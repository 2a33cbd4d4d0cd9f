"""HL7 v2 over TCP: MLLP framing and the sender that waits for the acknowledgement.

What a message says belongs in ``assets``; the listener is ``web/mllp.py``. A partner of this kind cannot be
asked whether it has a message: without an acknowledgement it is ``Unsure``.
Source: HL7 v2.5.1 appendix C.4 (minimal lower layer protocol); acknowledgement codes: table 0008.
"""

import asyncio
import ssl
from collections.abc import Collection
from typing import NamedTuple

from resources.errors import Refused, TryLater, Unsure
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


class Acknowledged(NamedTuple):
    """What an acknowledgement says: MSA-1, MSA-2, and the codes in ERR-3."""

    code: str
    control_id: str
    errors: tuple[str, ...] = ()


def acknowledged(answer: bytes) -> Acknowledged:
    """The acknowledgement's verdict; ``ValueError`` for what is none."""
    text = answer.decode("utf-8", "replace").replace("\n", "\r")
    if not text.startswith("MSH") or len(text) < 8:
        raise ValueError("no acknowledgement")
    field, component = text[3], text[4]
    found = [line.split(field) for line in text.split("\r")]
    msa = next((line for line in found if line[0] == "MSA" and len(line) > 2), None)
    if msa is None:
        raise ValueError("no acknowledgement")
    errors = [line[3].split(component)[0] for line in found if line[0] == "ERR" and len(line) > 3]
    return Acknowledged(msa[1].strip(), msa[2].strip(), tuple(errors))


def control_id(message: bytes) -> str:
    """MSH-10 of a message of ours; ``Refused`` when it has none, for then no answer could be matched."""
    header = message[:4096].split(b"\r", 1)[0].decode("utf-8", "replace")
    fields = header.split(header[3]) if len(header) > 3 and header.startswith("MSH") else []
    if len(fields) < 10 or not fields[9]:
        raise Refused("MLLP: MSH-10: the message has no control id; it was not sent")
    return fields[9]


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
                verdict = self._read(answer, expected)
            except BaseException:
                self._hang_up()  # a late acknowledgement must not be taken for the next message's
                raise
        return self._judged(verdict, answer)

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

    def _read(self, answer: bytes, expected: str) -> Acknowledged:
        try:
            verdict = acknowledged(answer)
        except ValueError:
            raise Unsure(f"{self._where}: the answer is no acknowledgement", answer=answer) from None
        if verdict.control_id != expected:
            raise Unsure(f"{self._where}: the acknowledgement is for another message", answer=answer)
        return verdict

    def _judged(self, verdict: Acknowledged, answer: bytes) -> Receipt:
        if verdict.code in ("AA", "CA"):
            return Receipt(status=200, external_id=verdict.control_id, answer=answer)
        if verdict.code not in ("AE", "AR", "CE", "CR"):
            raise Unsure(f"{self._where}: the acknowledgement has no code of table 0008", answer=answer)
        text = f"{self._where}: {verdict.code}"
        if verdict.errors and set(verdict.errors) <= self._later_errors:
            raise TryLater(text, answer=answer)
        raise Refused(text, answer=answer)

    def _hang_up(self) -> None:
        if self._line:
            self._line[1].transport.abort()
        self._line = None

    @property
    def _where(self) -> str:
        return f"MLLP {self._host}:{self._port}"
