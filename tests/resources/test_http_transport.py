"""The real transport against real sockets: nothing that was sent is taken for unsent."""

import asyncio
import gzip
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from resources import partner_http
from resources.errors import Refused, TryLater, Unsure
from tests.resources.wire import listening, says, silence, spoken


def test_a_connection_lost_after_sending_is_unsure() -> None:
    with pytest.raises(Unsure):
        asyncio.run(spoken(says(b"")))


def test_an_answer_broken_off_in_its_body_is_unsure() -> None:
    with pytest.raises(Unsure):
        asyncio.run(spoken(says(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")))


def test_an_answer_that_is_no_http_is_unsure() -> None:
    with pytest.raises(Unsure):
        asyncio.run(spoken(says(b"MSH|^~\\&|\r\n\r\n")))


def test_a_silent_partner_is_unsure_after_the_timeout() -> None:
    with pytest.raises(Unsure):
        asyncio.run(spoken(silence, seconds=0.2))


def test_a_drip_of_bytes_does_not_outlast_the_timeout() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        for _ in range(20):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    with pytest.raises(Unsure, match="TimeoutError"):
        asyncio.run(spoken(drip, seconds=0.3))


def test_a_port_where_nobody_listens_is_no_connection() -> None:
    async def knock() -> None:
        server = await asyncio.start_server(silence, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        over = partner_http.transport(connections=1)
        request = partner_http.request("POST", f"http://127.0.0.1:{port}", "/patients/")
        try:
            await partner_http.send(over, request, idempotent=False, timeout=5)
        finally:
            await over.aclose()

    with pytest.raises(TryLater, match="no connection") as caught:
        asyncio.run(knock())
    assert type(caught.value) is TryLater


def test_a_whole_answer_comes_through_the_real_transport() -> None:
    response = asyncio.run(spoken(says(b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"id":7}')))
    assert partner_http.decoded(response, lambda body: body) == b'{"id":7}'


def test_a_compressed_answer_is_unpacked() -> None:
    packed = gzip.compress(b"x" * 1000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    assert asyncio.run(spoken(says(head + packed))).content == b"x" * 1000


def test_a_chunked_answer_is_put_together() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    assert asyncio.run(spoken(says(answer))).content == b"{}"


def test_an_answer_that_swells_when_unpacked_is_not_read_to_its_end() -> None:
    packed = gzip.compress(b"x" * 2_000_000)
    over = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(packed))
    )
    request = partner_http.request("POST", "https://ehr.test", "/patients/")
    with pytest.raises(Unsure, match="larger"):
        asyncio.run(partner_http.send(over, request, idempotent=False, timeout=5, largest=1_000_000))


def test_no_cookie_of_a_partner_comes_back_to_it() -> None:
    heard: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")

    async def twice() -> None:
        async with listening(speak) as origin:
            over = partner_http.transport(connections=1)
            for _ in range(2):
                await partner_http.send(
                    over, partner_http.request("GET", origin, "/"), idempotent=True, timeout=5
                )
            await over.aclose()

    asyncio.run(twice())
    assert len(heard) == 2
    assert b"cookie" not in heard[1].lower()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_a_connection_is_used_again_after_an_answer_of_any_form(answer: bytes) -> None:
    requests: list[int] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(0)
        while True:
            await reader.readuntil(b"\r\n\r\n")
            requests[-1] += 1
            writer.write(answer)

    async def thrice() -> None:
        async with listening(speak) as origin:
            over = partner_http.transport(connections=1)
            for _ in range(3):
                with suppress(Refused):
                    request = partner_http.request("GET", origin, "/")
                    await partner_http.send(over, request, idempotent=True, timeout=5)
            await over.aclose()

    asyncio.run(thrice())
    assert requests == [3]


def test_an_endless_refusal_is_left_and_its_connection_closed() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    with pytest.raises(Refused) as caught:
        asyncio.run(spoken(speak))
    assert len(caught.value.answer) == partner_http.ANSWER_KEPT


def test_a_quoted_path_reaches_the_partner_as_it_was_quoted() -> None:
    heard: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def once() -> None:
        async with listening(speak) as origin:
            over = partner_http.transport(connections=1)
            request = partner_http.request(
                "GET", origin, "/c/{id}", path={"id": "a/b ü%?"}, query={"q": "x y&é"}
            )
            await partner_http.send(over, request, idempotent=True, timeout=5)
            await over.aclose()

    asyncio.run(once())
    assert heard == [b"GET /c/a%2Fb%20%C3%BC%25%3F?q=x+y%26%C3%A9 HTTP/1.1\r\n"]


def test_a_form_with_a_file_is_sent_whole() -> None:
    heard: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        heard.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n")

    async def once() -> None:
        async with listening(speak) as origin:
            over = partner_http.transport(connections=1)
            request = httpx.Request("POST", origin, files={"file": ("note.pdf", b"%PDF-1.7")})
            await partner_http.send(over, request, idempotent=False, timeout=5)
            await over.aclose()

    asyncio.run(once())
    assert b"%PDF-1.7" in heard[0]


def self_signed(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that no authority knows, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = Encoding.PEM
    file = folder / "partner.pem"
    file.write_bytes(
        key.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(pem)
    )
    return file


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_nobody_vouches_for_is_tried_later_and_nothing_is_sent(
    trusted: bool, tmp_path: Path
) -> None:
    file = self_signed(tmp_path)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(file)
    ours = ssl.create_default_context(cafile=file) if trusted else None

    async def knock() -> int:
        async with listening(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), theirs) as origin:
            over = partner_http.transport(connections=1, tls=ours)
            try:
                request = partner_http.request("POST", origin, "/patients/")
                return (await partner_http.send(over, request, idempotent=False, timeout=5)).status_code
            finally:
                await over.aclose()

    if trusted:
        assert asyncio.run(knock()) == 200
        return
    with pytest.raises(TryLater, match="no trusted TLS connection") as caught:
        asyncio.run(knock())
    assert type(caught.value) is TryLater
