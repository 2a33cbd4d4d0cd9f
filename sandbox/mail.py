"""A mail server in miniature: takes every message by SMTP and keeps it where a test can read it.

Nothing is relayed to anybody. A sign-in is offered and every name and password is let in.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from email import message_from_bytes, policy

from .core import Fault, Reply, Request, System
from .desk import Desk

MOST_BYTES = 30_000_000


class Mail(System):
    """The post office."""

    name = "mail"

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None
        self._mails: list[dict[str, object]] = []

    def answer(self, request: Request) -> Reply:
        if request.method != "SMTP":
            return Reply(404)
        self._mails.append(read(request))
        return Reply(250, b"2.0.0 Ok: queued", effect=True)

    def refusal(self, request: Request, fault: Fault) -> Reply:
        """The fault's status as the SMTP code; 4xx and 5xx mean the same there."""
        status = fault.status if fault.status is not None and 400 <= fault.status < 600 else 451
        return Reply(status, str(fault.body or "Requested action not taken").encode())

    def records(self) -> object:
        """Every mail: sender, recipients, subject, text."""
        return self._mails

    def forget(self, everything: bool) -> None:
        self._mails.clear()

    async def open(self, desk: Desk) -> None:
        port = int(os.environ.get("HANDOFF_SANDBOX_SMTP_PORT", "2525"))

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await Conversation(desk, reader, writer).run()

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


def read(request: Request) -> dict[str, object]:
    """A mail as a person reads it, with its envelope."""
    mail = message_from_bytes(request.body, policy=policy.default)
    body = mail.get_body(("plain", "html"))
    envelope = request.raw_headers
    return {
        "from": next((value.decode() for name, value in envelope if name == b"mail-from"), ""),
        "to": [value.decode() for name, value in envelope if name == b"rcpt-to"],
        "subject": str(mail["subject"] or ""),
        "text": body.get_content() if body is not None else "",
    }


@dataclass(slots=True)
class Conversation:
    """One SMTP session (RFC 5321), command after command."""

    desk: Desk
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    envelope: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def run(self) -> None:
        """Talks until the client leaves or a fault drops the line."""
        try:
            await self._say("220 mail.sandbox ESMTP")
            while line := await self.reader.readline():
                if not await self._obey(line.decode("utf-8", "replace").strip()):
                    break
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            pass
        finally:
            self.writer.close()

    async def _say(self, text: str) -> None:
        self.writer.write(f"{text}\r\n".encode())
        await self.writer.drain()

    async def _obey(self, line: str) -> bool:
        """Answers one command; False ends the session."""
        verb, _, rest = line.partition(" ")
        match verb.upper():
            case "EHLO":
                await self._say(
                    f"250-mail.sandbox\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE {MOST_BYTES}"
                )
            case "MAIL":
                self.envelope = [(b"mail-from", address(rest))]
                await self._say("250 2.1.0 Ok")
            case "RCPT" if self.envelope:
                self.envelope.append((b"rcpt-to", address(rest)))
                await self._say("250 2.1.5 Ok")
            case "DATA" if len(self.envelope) > 1:
                return await self._data()
            case "AUTH":
                await self._sign_in(rest)
            case "QUIT":
                await self._say("221 2.0.0 Bye")
                return False
            case "HELO" | "RSET" | "NOOP":
                self.envelope = []
                await self._say("250 2.0.0 Ok")
            case _:
                await self._say("503 5.5.1 Bad sequence of commands")
        return True

    async def _sign_in(self, rest: str) -> None:
        """Takes whatever is given."""
        kind, _, given = rest.partition(" ")
        missing = 0 if given else (2 if kind.upper() == "LOGIN" else 1)
        for _ in range(missing):
            await self._say("334 ")
            await self.reader.readline()
        await self._say("235 2.7.0 Authentication successful")

    async def _data(self) -> bool:
        """Reads a message up to the lone dot, and hands it to the desk."""
        await self._say("354 End data with <CR><LF>.<CR><LF>")
        lines: list[bytes] = []
        while (line := await self.reader.readline()).rstrip(b"\r\n") != b".":
            if not line:
                return False
            lines.append(line[1:] if line.startswith(b".") else line)
        answer = self.desk.receive(Request("SMTP", "/", raw_headers=self.envelope, body=b"".join(lines)))
        reply = answer if isinstance(answer, Reply) else await answer
        self.envelope = []
        if reply.drop:
            self.writer.transport.abort()
            return False
        await self._say(f"{reply.status} {reply.body.decode()}")
        return True


def address(rest: str) -> bytes:
    """The address between angle brackets."""
    return rest.partition("<")[2].partition(">")[0].encode()
