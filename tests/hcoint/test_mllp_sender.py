"""The MLLP sender on real sockets: what an answer means, and what a missing one means."""

import asyncio
import ssl
from pathlib import Path

import pytest

from resources.errors import DeliveryError, Refused, TryLater, Unsure
from resources.hl7_answers import acknowledged, control_id
from resources.mllp import BadFrame, MllpSender, frame, read_frame
from resources.store.values import Receipt
from tests.hcoint.cases import case_files
from tests.hcoint.lines import Far, ack, certificate, far_end, message
from tests.hcoint.notes import HL7, pdf


def answering(code: str, *, error: str = "", taken: list[bytes] | None = None) -> Far:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await read_frame(reader, 50_000_000):
            if taken is not None:
                taken.append(octets)
            writer.write(frame(ack(code, octets, error=error)))
            await writer.drain()
        writer.close()

    return answer


def raw_answer(octets: bytes, *, close: bool = True) -> Far:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_frame(reader, 50_000_000)
        writer.write(octets)
        if close:
            writer.close()
        else:
            await asyncio.sleep(30)

    return answer


def sent_to(far: Far, *, ack_seconds: float = 5.0, **settings: object) -> Receipt:
    async def run() -> Receipt:
        async with far_end(far) as port:
            sender = MllpSender("127.0.0.1", port, ack_seconds=ack_seconds, **settings)  # type: ignore[arg-type]
            try:
                return await sender.send(message())
            finally:
                await sender.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_a_message_is_delivered_when_it_is_acknowledged(code: str) -> None:
    receipt = sent_to(answering(code))
    assert receipt.external_id == f"{HL7.our_id}-1"
    assert b"MSA|" in receipt.answer


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_a_negative_acknowledgement_is_a_refusal(code: str) -> None:
    with pytest.raises(Refused) as refused:
        sent_to(answering(code, error="204"))
    assert b"204" in refused.value.answer
    assert "204" not in str(refused.value)


def test_an_error_that_passes_with_time_is_tried_later() -> None:
    with pytest.raises(TryLater) as later:
        sent_to(answering("AE", error="204"), later_errors=("204",))
    assert not isinstance(later.value, Unsure)
    with pytest.raises(Refused):
        sent_to(answering("AE", error="101"), later_errors=("204",))
    with pytest.raises(Refused):
        sent_to(answering("AE"), later_errors=("204",))


@pytest.mark.parametrize(
    ("far", "says"),
    [
        (raw_answer(b""), "closed without an acknowledgement"),
        (raw_answer(b"\x0bMSH|^~\\&|"), "no acknowledgement came"),
        (raw_answer(b"HTTP/1.1 400 Bad Request\r\n"), "no acknowledgement came"),
        (raw_answer(frame(b"PERSIMMON")), "no acknowledgement"),
        (raw_answer(frame(b"MSH|^~\\&|FAR\r")), "no acknowledgement"),
        (raw_answer(frame(b"MSH|^~\\&|FAR\rMSA|AA|SOMETHING-ELSE\r")), "for another message"),
        (raw_answer(b"\x0b" + b"x" * 70_000 + b"\x1c\r"), "no acknowledgement came"),
        (raw_answer(b"", close=False), "no acknowledgement came"),
        (answering("??"), "table 0008"),
    ],
)
def test_without_a_clear_answer_we_are_unsure(far: Far, says: str) -> None:
    with pytest.raises(Unsure, match=says) as unsure:
        sent_to(far, ack_seconds=0.3)
    assert "PERSIMMON" not in str(unsure.value)


def test_without_a_listener_nothing_was_sent() -> None:
    async def run() -> None:
        async with far_end(answering("AA")) as port:
            pass
        await MllpSender("127.0.0.1", port).send(message())

    with pytest.raises(TryLater) as later:
        asyncio.run(run())
    assert type(later.value) is TryLater


def test_a_message_without_a_control_id_is_not_sent() -> None:
    for octets in (b"", b"PID|1\r", b"MSH|^~\\&|A\r", b"MSH|^~\\&|A|B|C|D|E|F|G||T\r"):
        with pytest.raises(Refused, match="MSH-10"):
            control_id(octets)


def test_one_connection_carries_all_messages_in_order_and_intact() -> None:
    taken: list[bytes] = []
    lines = 0
    far = answering("AA", taken=taken)

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lines
        lines += 1
        await far(reader, writer)

    async def run() -> None:
        async with far_end(counted) as port:
            sender = MllpSender("127.0.0.1", port)
            await asyncio.gather(*[sender.send(what) for what in messages])
            await sender.aclose()

    messages = [message(f"note {number}".encode()) for number in range(20)]
    asyncio.run(run())
    assert taken == [what.body for what in messages]
    assert lines == 1


def test_a_connection_the_partner_has_closed_is_opened_again_and_nothing_is_unsure() -> None:
    async def one_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        octets = await read_frame(reader, 50_000_000)
        writer.write(frame(ack("AA", octets)))
        writer.close()

    async def run() -> list[Receipt]:
        async with far_end(one_each) as port:
            sender = MllpSender("127.0.0.1", port)
            receipts = []
            for _ in range(3):
                receipts.append(await sender.send(message()))
                await asyncio.sleep(0.05)
            await sender.aclose()
            return receipts

    assert len(asyncio.run(run())) == 3


def test_a_late_acknowledgement_is_not_taken_for_the_next_messages() -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        octets = await read_frame(reader, 50_000_000)
        await asyncio.sleep(0.4)
        writer.write(frame(ack("AA", octets)))

    async def run() -> list[str]:
        outcomes = []
        async with far_end(late) as port:
            sender = MllpSender("127.0.0.1", port, ack_seconds=0.2)
            for _ in range(2):
                try:
                    await sender.send(message())
                except DeliveryError as error:
                    outcomes.append(str(error))
                await asyncio.sleep(0.3)
        return outcomes

    outcomes = asyncio.run(run())
    assert len(outcomes) == 2
    assert all("no acknowledgement came" in outcome for outcome in outcomes)


def test_twenty_megabytes_arrive_as_they_left() -> None:
    taken: list[bytes] = []
    what = message(pdf().ljust(20_000_000))

    async def run() -> None:
        async with far_end(answering("AA", taken=taken)) as port:
            sender = MllpSender("127.0.0.1", port)
            await sender.send(what)
            await sender.aclose()

    asyncio.run(run())
    assert taken == [what.body]


def fed(*chunks: bytes, limit: int = 2**16) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=limit)
    for chunk in chunks:
        reader.feed_data(chunk)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_a_frame_is_read_whatever_the_pieces(limit: int) -> None:
    async def run() -> list[bytes]:
        reader = fed(frame(b"first\x1c but no end"), b"\r\n", frame(b"second"), limit=limit)
        return [await read_frame(reader, 100) for _ in range(3)]

    assert asyncio.run(run()) == [b"first\x1c but no end", b"second", b""]


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"GET / HTTP/1.1\r\n", "byte 0B"),
        (b"\x0bMSH", "within a frame"),
        (frame(b"x" * 101), "larger than we take"),
    ],
)
def test_what_is_no_frame_is_said_to_be_none(octets: bytes, says: str) -> None:
    async def run() -> bytes:
        return await read_frame(fed(octets, limit=16), 100)

    with pytest.raises(BadFrame, match=says):
        asyncio.run(run())


def test_tls_is_spoken_by_setting_and_a_stranger_is_not_trusted(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path)

    async def run() -> Receipt:
        async with far_end(answering("AA"), tls=theirs) as port:
            sender = MllpSender("127.0.0.1", port, tls=ours)
            receipt = await sender.send(message())
            await sender.aclose()
            assert sender.longest_seconds == 10 + 120 + 30
            with pytest.raises(TryLater, match="no connection") as later:
                await MllpSender("127.0.0.1", port, tls=ssl.create_default_context()).send(message())
            assert not isinstance(later.value, Unsure)
            return receipt

    assert asyncio.run(run()).status == 200


@pytest.mark.cases
@pytest.mark.parametrize(("sample", "code"), [("aa", "AA"), ("ae", "AE")])
def test_the_sample_acknowledgements_are_understood(sample: str, code: str) -> None:
    for path in case_files(f"partners/hl7/*_ack_{sample}.hl7"):
        found = acknowledged(path.read_bytes())
        assert (found.code, found.control_id) == (code, "ORU0001")
        assert found.errors == (("204",) if sample == "ae" else ())
