"""HL7 v2 over HTTP on real sockets: the acknowledgement counts, and without one the status."""

import asyncio
import ssl
from pathlib import Path

import pytest

from resources.errors import DeliveryError, PartnerAway, Refused, TryLater, Unsure
from resources.hl7_http import Hl7OverHttp
from resources.store.values import Receipt
from tests.hcoint.lines import Far, ack, certificate, far_end, message
from tests.hcoint.notes import HL7, pdf


async def request_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One request: its head and its body."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        raise ConnectionError from None
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    return head, await reader.readexactly(length)


def answering(
    status: int,
    code: str = "",
    *,
    body: bytes = b"",
    error: str = "",
    taken: list[tuple[bytes, bytes]] | None = None,
) -> Far:
    """A receiver that gives this status, with the acknowledgement of this code or else this body."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            head, octets = await request_of(reader)
            if taken is not None:
                taken.append((head, octets))
            said = ack(code, octets, error=error) if code else body
            writer.write(b"HTTP/1.1 %d Said\r\ncontent-length: %d\r\n\r\n%b" % (status, len(said), said))
            await writer.drain()

    return answer


async def hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    await asyncio.sleep(30)


def sent_to(far: Far, *, data: bytes = b"x", path: str = "/hl7/", **settings: object) -> Receipt:
    async def run() -> Receipt:
        async with far_end(far) as port:
            sender = Hl7OverHttp(f"http://127.0.0.1:{port}{path}", **settings)  # type: ignore[arg-type]
            try:
                return await sender.send(message(data))
            finally:
                await sender.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_a_message_is_delivered_when_it_is_acknowledged(code: str) -> None:
    taken: list[tuple[bytes, bytes]] = []
    receipt = sent_to(answering(200, code, taken=taken), token="s3cret")
    assert receipt.external_id == f"{HL7.our_id}-1"
    ((head, body),) = taken
    assert head.startswith(b"POST /hl7/ HTTP/1.1\r\n")
    assert b"content-type: application/hl7-v2; charset=utf-8" in head.lower()
    assert b"Bearer s3cret" in head
    assert body == message().body


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_a_negative_acknowledgement_is_a_refusal_whatever_the_status(status: int, code: str) -> None:
    with pytest.raises(Refused) as refused:
        sent_to(answering(status, code, error="101"))
    assert b"101" in refused.value.answer
    assert "101" not in str(refused.value)


def test_an_error_that_passes_with_time_is_tried_later() -> None:
    with pytest.raises(TryLater) as later:
        sent_to(answering(500, "AE", error="204"), later_errors=("204",))
    assert not isinstance(later.value, Unsure)


@pytest.mark.parametrize(
    ("far", "kind"),
    [
        (answering(200, body=b"PERSIMMON"), Unsure),
        (answering(204), Unsure),
        (answering(200, body=b"MSH|^~\\&|FAR\rMSA|AA|SOMETHING-ELSE\r"), Unsure),
        (answering(200, "??"), Unsure),
        (answering(500, body=b"PERSIMMON"), Unsure),
        (answering(504), Unsure),
        (hanging_up, Unsure),
        (answering(429), TryLater),
        (answering(400, body=b"PERSIMMON"), Refused),
        (answering(413), Refused),
        (answering(401), PartnerAway),
        (answering(404, body=b"PERSIMMON"), PartnerAway),
    ],
)
def test_without_an_acknowledgement_the_status_counts(far: Far, kind: type[DeliveryError]) -> None:
    with pytest.raises(DeliveryError) as raised:
        sent_to(far)
    assert type(raised.value) is kind
    assert "PERSIMMON" not in str(raised.value)


def test_an_answer_that_does_not_come_leaves_us_unsure() -> None:
    with pytest.raises(Unsure):
        sent_to(silent, ack_seconds=0.1, write_seconds=0.2)


def test_without_a_listener_nothing_was_sent() -> None:
    async def run() -> None:
        async with far_end(silent) as port:
            pass
        sender = Hl7OverHttp(f"http://127.0.0.1:{port}")
        try:
            await sender.send(message())
        finally:
            await sender.aclose()

    with pytest.raises(TryLater) as later:
        asyncio.run(run())
    assert type(later.value) is TryLater


def test_twenty_megabytes_arrive_as_they_left() -> None:
    taken: list[tuple[bytes, bytes]] = []
    data = pdf().ljust(20_000_000)
    sent_to(answering(200, "AA", taken=taken), data=data)
    assert taken[0][1] == message(data).body


def test_tls_is_spoken_and_a_stranger_is_not_trusted(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path)

    async def run() -> Receipt:
        async with far_end(answering(200, "AA"), tls=theirs) as port:
            sender = Hl7OverHttp(f"https://127.0.0.1:{port}/", tls=ours)
            receipt = await sender.send(message())
            await sender.aclose()
            stranger = Hl7OverHttp(f"https://127.0.0.1:{port}/", tls=ssl.create_default_context())
            with pytest.raises(TryLater) as later:
                await stranger.send(message())
            assert not isinstance(later.value, Unsure)
            await stranger.aclose()
            return receipt

    assert asyncio.run(run()).status == 200
