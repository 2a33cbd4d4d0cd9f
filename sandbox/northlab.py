"""A laboratory in miniature that speaks HL7 v2 over MLLP, with no network in between.

It takes ORU^R01, MDM^T02 and MDM^T10, looks for what every receiver looks for, and acknowledges. The same over HTTP for
partners who post HL7: ``POST /northlab/``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
from datetime import UTC, datetime

from .core import Fault, Reply, Request, System
from .desk import Desk

START, END = b"\x0b", b"\x1c\r"
#: MLLP has no length; a sender that never ends its frame is cut off here.
MOST_BYTES = 48_000_000


class Northlab(System):
    """The laboratory's receiving end."""

    name = "northlab"

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None
        self._held: dict[str, dict[str, object]] = {}

    def answer(self, request: Request) -> Reply:
        message = Message(request.body)
        problem = message.problem()
        if problem is not None:
            return acknowledged(message, "AE", problem)
        entry = self._held.setdefault(message.control_id, message.summary() | {"times": 0})
        entry["times"] = int(str(entry["times"])) + 1
        return acknowledged(message, "AA")

    def refusal(self, request: Request, fault: Fault) -> Reply:
        """AE or AR as the fault says; AE for any other status."""
        return acknowledged(Message(request.body), fault.ack or "AE", "the fault asked for it")

    def records(self) -> object:
        """Each message by its control id: type, order, digest of the document, how often it was taken."""
        return self._held

    def forget(self, everything: bool) -> None:
        self._held.clear()

    async def open(self, desk: Desk) -> None:
        port = int(os.environ.get("HANDOFF_SANDBOX_MLLP_PORT", "2576"))

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await converse(desk, reader, writer)

        self._server = await asyncio.start_server(connected, "127.0.0.1", port, limit=MOST_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def control(self, request: Request) -> Reply | None:
        """``/address``: where the listener is."""
        if request.path != "/address":
            return None
        return Reply(200, f'{{"host":"127.0.0.1","port":{self.port}}}'.encode())


async def converse(desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers frame after frame until the sender leaves or a fault drops the line."""
    try:
        while True:
            await reader.readuntil(START)
            body = (await reader.readuntil(END))[: -len(END)]
            answer = desk.receive(Request("MLLP", "/", body=body))
            reply = answer if isinstance(answer, Reply) else await answer
            if reply.drop:
                writer.transport.abort()
                return
            writer.write(START + reply.body + END)
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        pass
    finally:
        writer.close()


class Message:
    """An HL7 v2 message, split just far enough to be judged."""

    def __init__(self, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace").strip("\r\n")
        self.segments = [line.split("|") for line in text.replace("\n", "\r").split("\r") if line]
        self.header = self.segments[0] if self.segments and self.segments[0][0] == "MSH" else []

    def field(self, segment: str, place: int) -> str:
        """A field of the first such segment; MSH counts its separator."""
        for fields in self.segments:
            if fields[0] == segment:
                index = place - 1 if segment == "MSH" else place
                return fields[index] if index < len(fields) else ""
        return ""

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.field("MSH", 10)

    @property
    def order(self) -> str:
        """The placer's order number: ORC-2, else OBR-2, else TXA-14."""
        number = self.field("ORC", 2) or self.field("OBR", 2) or self.field("TXA", 14)
        return number.partition("^")[0]

    def document(self) -> bytes | None:
        """The file in an OBX of type ED: the component after "Base64"."""
        for fields in self.segments:
            if fields[0] == "OBX" and len(fields) > 5 and fields[2] == "ED":
                parts = fields[5].split("^")
                if "Base64" in parts[:-1]:
                    return decoded(parts[parts.index("Base64") + 1])
        return None

    def problem(self) -> str | None:
        """What keeps the laboratory from taking it."""
        kind = self.field("MSH", 9)
        if not self.header or not self.control_id:
            return "no MSH-10"
        if not kind.startswith(("ORU^R01", "MDM^T02", "MDM^T10")):
            return "message type not taken"
        if not self.field("PID", 3):
            return "no patient identifier in PID-3"
        if not self.order:
            return "no order number"
        if (
            any(fields[:1] == ["OBX"] and fields[2:3] == ["ED"] for fields in self.segments)
            and not self.document()
        ):
            return "the encapsulated document cannot be decoded"
        return None

    def summary(self) -> dict[str, object]:
        """What a test wants to know of a message taken."""
        document = self.document()
        return {
            "type": self.field("MSH", 9),
            "order": self.order,
            "status": self.field("OBR", 25) or self.field("TXA", 17),
            "sha256": None if document is None else hashlib.sha256(document).hexdigest(),
            "bytes": 0 if document is None else len(document),
        }


def decoded(value: str) -> bytes | None:
    """The file in a base64 value, or None."""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def acknowledged(message: Message, code: str, text: str = "") -> Reply:
    """The acknowledgement of a message: AA, AE or AR, with an ERR segment where something is wrong."""
    field, now = message.field, datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    trigger = field("MSH", 9).split("^")[1:2] or ["R01"]
    segments = [
        f"MSH|^~\\&|{field('MSH', 5)}|{field('MSH', 6)}|{field('MSH', 3)}|{field('MSH', 4)}|{now}||"
        f"ACK^{trigger[0]}^ACK|{f'A{message.control_id}'[:20]}|{field('MSH', 11) or 'P'}|{field('MSH', 12) or '2.5.1'}",
        f"MSA|{code}|{message.control_id}",
    ]
    if code != "AA":
        segments.append(f"ERR||||E||||{text}")
    body = "".join(f"{segment}\r" for segment in segments).encode()
    return Reply(200, body, "application/hl7-v2", effect=code == "AA", said=code)
