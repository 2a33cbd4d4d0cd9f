"""Hospitals side by side: one that is away is left alone for a while, and stops no other."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from assets.hcoint.hospitals import Client
from resources.errors import OneAway, PartnerAway, Refused, TryLater, Unsure
from resources.settings import SettingError
from resources.store.values import Message, Receipt


def note(partner: str) -> Message:
    return Message(id=1, kind="oru", queue=1, seq=1, attempts=0, body=b"x", address={"partner": partner})


class Far:
    """A hospital that does what ``answer`` does, and counts."""

    def __init__(self, answer: Callable[[], Receipt]) -> None:
        self.answer, self.sent, self.closed = answer, 0, False

    async def send(self, message: Message) -> Receipt:
        self.sent += 1
        return self.answer()

    async def aclose(self) -> None:
        self.closed = True


def raising(error: Exception) -> Callable[[], Receipt]:
    def answer() -> Receipt:
        raise error

    return answer


class Ward:
    """A client of the hospitals given, at a time that is set."""

    def __init__(self, breaker_after: int = 3, **hospitals: Far) -> None:
        self.now = 1000.0
        self.client = Client(
            hospitals.__getitem__, breaker_after=breaker_after, away_seconds=60.0, clock=lambda: self.now
        )

    def send(self, partner: str) -> str:
        """What becomes of one note."""
        return asyncio.run(_outcome(self.client.send(note(partner))))


async def _outcome(sending: Awaitable[Receipt]) -> str:
    try:
        await sending
    except (TryLater, Refused) as error:
        return type(error).__name__
    return "delivered"


def test_a_hospital_that_fails_in_a_row_is_left_alone_and_the_others_are_not() -> None:
    away, well = Far(raising(Unsure("POST away: 503", status=503))), Far(Receipt)
    ward = Ward(away=away, well=well)
    assert [ward.send("away") for _ in range(5)] == ["Unsure"] * 3 + ["OneAway"] * 2
    assert away.sent == 3
    assert ward.send("well") == "delivered"


def test_after_a_minute_one_note_tries_and_all_go_when_it_is_taken() -> None:
    far = Far(raising(TryLater("POST far: 503")))
    ward = Ward(far=far)
    for _ in range(3):
        ward.send("far")
    ward.now += 61
    assert [ward.send("far") for _ in range(2)] == ["TryLater", "OneAway"]
    ward.now += 61
    far.answer = Receipt
    assert [ward.send("far") for _ in range(2)] == ["delivered", "delivered"]
    far.answer = raising(TryLater("POST far: 503"))
    assert [ward.send("far") for _ in range(3)] == ["TryLater"] * 3


def test_while_one_note_tries_the_others_wait() -> None:
    async def main() -> list[str]:
        going = asyncio.Event()

        class Slow(Far):
            async def send(self, message: Message) -> Receipt:
                if self.sent >= 1:
                    await going.wait()
                return await super().send(message)

        now = [1000.0]
        far = Slow(raising(TryLater("POST far: 503")))
        client = Client(lambda name: far, breaker_after=1, away_seconds=60.0, clock=lambda: now[0])
        await _outcome(client.send(note("far")))
        now[0] += 61
        far.answer = Receipt
        first = asyncio.create_task(_outcome(client.send(note("far"))))
        await asyncio.sleep(0)
        second = await _outcome(client.send(note("far")))
        going.set()
        return [await first, second]

    assert asyncio.run(main()) == ["delivered", "OneAway"]


def test_a_refusal_is_an_answer() -> None:
    far = Far(raising(TryLater("POST far: 503")))
    ward = Ward(far=far)
    ward.send("far")
    ward.send("far")
    far.answer = raising(Refused("POST far: 400"))
    assert ward.send("far") == "Refused"
    far.answer = raising(TryLater("POST far: 503"))
    assert [ward.send("far") for _ in range(2)] == ["TryLater", "TryLater"]


@pytest.mark.parametrize(
    "error", [PartnerAway("POST far: 401", after_seconds=90.0), SettingError("far_URL is not set")]
)
def test_an_account_at_fault_is_that_hospitals_alone(error: Exception) -> None:
    far, well = Far(raising(error)), Far(Receipt)
    ward = Ward(far=far, well=well)
    with pytest.raises(OneAway, match=r"^far: ") as raised:
        asyncio.run(ward.client.send(note("far")))
    assert raised.value.after_seconds == getattr(error, "after_seconds", 60.0)
    assert ward.send("well") == "delivered"


def test_nobody_is_left_alone_where_the_setting_says_so_and_all_are_hung_up_on_in_the_end() -> None:
    far = Far(raising(TryLater("POST far: 503")))
    ward = Ward(breaker_after=0, far=far)
    assert [ward.send("far") for _ in range(30)] == ["TryLater"] * 30
    asyncio.run(ward.client.close())
    assert far.closed
