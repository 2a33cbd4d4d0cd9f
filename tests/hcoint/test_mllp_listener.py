"""The MLLP door on real sockets: it answers when the store has answered, and nothing ends it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from assets.formats.hl7_ack import Verdict
from assets.formats.hl7_read import parse
from assets.hcoint.hl7_order import judge
from resources.hl7_answers import acknowledged
from resources.mllp import MllpSender, frame, read_frame
from resources.store.values import Receipt
from tests.hcoint.cases import case_files
from tests.hcoint.lines import ORM, certificate, message
from tests.hcoint.notes import NOW
from web.mllp import MllpListener


@asynccontextmanager
async def listening(
    receive: Callable[[bytes], Awaitable[Verdict]], **settings: float
) -> AsyncIterator[tuple[MllpListener, int]]:
    listener = MllpListener(receive, now=lambda: NOW, **settings)  # type: ignore[arg-type]
    port = await listener.start("127.0.0.1", 0)
    try:
        yield listener, port
    finally:
        await listener.aclose()


async def say(port: int, *octets: bytes) -> list[bytes]:
    """Everything the listener answers to these bytes on one connection, until it or we hang up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(octets))
    writer.write_eof()
    answers = []
    async with asyncio.timeout(5):
        while answer := await read_frame(reader, 100_000):
            answers.append(answer)
    writer.close()
    return answers


def test_orders_are_acknowledged_in_their_order_and_only_once_they_are_kept() -> None:
    kept: list[bytes] = []

    async def receive(octets: bytes) -> Verdict:
        await asyncio.sleep(0.01)
        kept.append(octets)
        return judge(octets, {"EPIC|MULTICARE"})[1]

    async def run() -> list[bytes]:
        async with listening(receive) as (_, port):
            return await say(port, frame(ORM), frame(b"MSH|^~\\&|WHO\r"), frame(b"nothing"), frame(ORM))

    answers = [acknowledged(answer) for answer in asyncio.run(run())]
    assert len(kept) == 4
    assert [(answer.code, answer.control_id) for answer in answers] == [
        ("AA", "ORM0001"),
        ("AR", ""),
        ("AR", ""),
        ("AA", "ORM0001"),
    ]


def test_the_acknowledgement_waits_for_the_store() -> None:
    stored = asyncio.Event()

    async def receive(octets: bytes) -> Verdict:
        await stored.wait()
        return Verdict("AA")

    async def run() -> None:
        async with listening(receive) as (_, port):
            asking = asyncio.create_task(say(port, frame(ORM)))
            await asyncio.sleep(0.1)
            assert not asking.done()
            stored.set()
            assert acknowledged((await asking)[0]).code == "AA"

    asyncio.run(run())


def test_a_store_that_is_away_is_a_not_now_and_the_sender_may_go_on(caplog: pytest.LogCaptureFixture) -> None:
    answers = [RuntimeError("PERSIMMON"), None]

    async def receive(octets: bytes) -> Verdict:
        if error := answers.pop(0):
            raise error
        return Verdict("AA")

    async def run() -> list[bytes]:
        async with listening(receive) as (_, port):
            return await say(port, frame(ORM), frame(ORM))

    with caplog.at_level(logging.DEBUG):
        first, second = asyncio.run(run())
    assert acknowledged(first) == ("AR", "ORM0001", ("207",))
    assert acknowledged(second).code == "AA"
    assert "PERSIMMON" not in caplog.text + first.decode()
    assert "Bixby" not in caplog.text


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 5000,
        b"\x0bMSH|^~\\&|",
        b"\x0b" + b"x" * 300_000,
        b"\x1c\r",
        b"\x16\x03\x01",
    ],
)
def test_a_bad_frame_costs_its_sender_the_connection_and_nobody_else(octets: bytes) -> None:
    async def receive(_: bytes) -> Verdict:
        return Verdict("AA")

    async def run() -> tuple[list[bytes], list[bytes]]:
        async with listening(receive, largest=100_000) as (_, port):
            return await say(port, octets), await say(port, frame(ORM))

    bad, good = asyncio.run(run())
    assert [acknowledged(answer).code for answer in bad] == ["AR"]
    assert [acknowledged(answer).code for answer in good] == ["AA"]


def test_a_sender_that_sends_nothing_is_hung_up_on() -> None:
    async def receive(_: bytes) -> Verdict:
        return Verdict("AA")

    async def run() -> bytes:
        async with listening(receive, idle_seconds=0.2) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x0bMSH")
            async with asyncio.timeout(3):
                rest = await reader.read()
            writer.close()
            return rest

    assert asyncio.run(run()) == b""


def test_no_more_than_so_many_may_call_at_once() -> None:
    async def receive(_: bytes) -> Verdict:
        return Verdict("AA")

    async def run() -> bytes:
        async with listening(receive, connections=2) as (_, port):
            lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            await asyncio.sleep(0.05)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return await reader.read()
            except ConnectionResetError:
                return b""
            finally:
                for one in (writer, *[line[1] for line in lines]):
                    one.close()

    assert asyncio.run(run()) == b""


def test_closing_finishes_what_is_being_stored_and_takes_nothing_new() -> None:
    async def receive(_: bytes) -> Verdict:
        await asyncio.sleep(0.3)
        return Verdict("AA")

    async def run() -> tuple[list[bytes], int]:
        async with listening(receive) as (listener, port):
            idle = await asyncio.open_connection("127.0.0.1", port)
            asking = asyncio.create_task(say(port, frame(ORM), frame(ORM)))
            await asyncio.sleep(0.1)
            await listener.aclose()
            answers = await asking
            idle[1].close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        return answers, port

    answers, _ = asyncio.run(run())
    assert [acknowledged(answer).code for answer in answers] == ["AA"]


def test_the_listener_speaks_tls_too(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path)

    async def receive(_: bytes) -> Verdict:
        return Verdict("AA")

    async def run() -> Receipt:
        listener = MllpListener(receive)
        port = await listener.start("127.0.0.1", 0, tls=theirs)
        sender = MllpSender("127.0.0.1", port, tls=ours)
        receipt = await sender.send(message())
        await sender.aclose()
        await listener.aclose()
        return receipt

    assert asyncio.run(run()).status == 200


@pytest.mark.cases
def test_every_order_sample_is_acknowledged_over_the_wire() -> None:
    async def receive(octets: bytes) -> Verdict:
        return judge(octets, {"EPIC|MULTICARE"})[1]

    async def run(octets: list[bytes]) -> list[bytes]:
        async with listening(receive) as (_, port):
            return await say(port, *[frame(one) for one in octets])

    orders = [path.read_bytes() for path in case_files("partners/hl7/*_orm_*.hl7")]
    answers = asyncio.run(run(orders))
    assert [acknowledged(answer)[:2] for answer in answers] == [
        ("AA", parse(order.decode()).first("MSH").text(10)) for order in orders
    ]
