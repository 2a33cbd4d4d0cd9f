"""Far ends of MLLP on real sockets, and what goes over the line."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from assets.hcoint.hl7_note import oru
from assets.hcoint.note import Note
from resources.hl7_answers import control_id
from resources.store.values import Message
from tests.hcoint.cases import SAMPLES
from tests.hcoint.notes import HL7, NOW, document, partner

ORM = (SAMPLES / "partners/hl7/composed_orm_o01_new.hl7").read_bytes()
Far = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def message(data: bytes = b"x") -> Message:
    north = partner(results="oru", mllp_url="mllp://127.0.0.1:1")
    body = oru(HL7, Note(document(data)), north, now=NOW)
    return Message(id=1, kind="oru", queue=1, seq=1, attempts=0, body=body)


def ack(code: str, to: bytes, *, error: str = "") -> bytes:
    err = f"ERR||OBR^1|{error}^^HL70357|E\r" if error else ""
    return f"MSH|^~\\&|FAR||||20260203||ACK^R01^ACK|1|T|2.5.1\rMSA|{code}|{control_id(to)}\r{err}".encode()


@asynccontextmanager
async def far_end(answer: Far, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    lines: list[tuple[asyncio.Task[None] | None, asyncio.StreamWriter]] = []

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((asyncio.current_task(), writer))
        with suppress(OSError, asyncio.CancelledError):
            await answer(reader, writer)

    server = await asyncio.start_server(kept, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task, writer in lines:
            if task:
                task.cancel()
            writer.transport.abort()
        await asyncio.sleep(0.01)


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client that trusts a server of its own, and that server."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mllp.test")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + built.public_bytes(Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return ssl.create_default_context(cafile=str(path)), server
