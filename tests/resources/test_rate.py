"""A partner that says 429 is asked half as often, and then more and more again."""

import asyncio
import time

import httpx
import pytest

from resources.errors import TryLater
from resources.rate import Rate
from tests.elation.far_end import FarEnd, Remembered, client, message


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def sent_in(rate: Rate, clock: Clock, seconds: float) -> int:
    """How many requests one sender that never rests gets through."""
    end, count = clock.now + seconds, 0
    while True:
        clock.now += rate.turn()
        if clock.now > end:
            return count
        count += 1
        clock.now += 1e-6


def test_the_ceiling_holds_over_time() -> None:
    clock = Clock()
    assert sent_in(Rate(50, clock=clock), clock, 10) == pytest.approx(500, abs=10)


def test_below_the_ceiling_nobody_waits() -> None:
    clock = Clock()
    rate = Rate(50, clock=clock)
    waits = []
    for _ in range(100):
        waits.append(rate.turn())
        clock.now += 0.03
    assert max(waits) == 0


def test_turns_asked_for_at_once_come_one_after_the_other() -> None:
    rate = Rate(10, clock=Clock())
    assert [round(rate.turn(), 3) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]


def test_a_429_halves_what_was_really_sent() -> None:
    clock = Clock()
    rate = Rate(10_000, clock=clock)
    for _ in range(200):
        rate.turn()
        clock.now += 0.01
    for _ in range(20):
        rate.slower()
    assert rate.per_second(clock.now) == pytest.approx(50, abs=2)


def test_a_rare_429_slows_nobody_down() -> None:
    clock = Clock()
    rate = Rate(100, clock=clock)
    for number in range(1, 1001):
        rate.turn()
        clock.now += 0.01
        if number % 50 == 0:
            rate.slower()
    assert rate.per_second(clock.now) == 100


def test_a_partner_that_takes_so_many_a_second_gets_most_of_them_and_refuses_few() -> None:
    clock = Clock()
    rate = Rate(10_000, clock=clock)
    second, taken, refused = 0, 0, 0
    room = 0
    while clock.now < 1060:
        clock.now += rate.turn() + 1e-6
        if int(clock.now) != second:
            second, room = int(clock.now), 40
        if room:
            room -= 1
            taken += 1
        else:
            refused += 1
            rate.slower()
            clock.now += 0.005
    assert taken > 0.6 * 60 * 40
    assert refused < 0.25 * taken


def test_many_429_within_a_second_halve_once() -> None:
    clock = Clock()
    rate = Rate(100, clock=clock)
    for _ in range(100):
        rate.turn()
        clock.now += 0.01
    for _ in range(64):
        rate.slower()
    assert rate.per_second(clock.now) == pytest.approx(50, abs=2)


def test_it_never_falls_below_one_a_second() -> None:
    clock = Clock()
    rate = Rate(8, clock=clock)
    for _ in range(10):
        rate.slower()
        clock.now += 1.5
    assert rate.per_second(clock.now) >= 1


def test_it_recovers_to_its_ceiling_and_no_farther() -> None:
    clock = Clock()
    rate = Rate(10_000, clock=clock)
    rate.slower()
    speeds = []
    for _ in range(200):
        speeds.append(rate.per_second(clock.now))
        clock.now += 2
    assert speeds == sorted(speeds)
    assert speeds[-1] == 10_000


def test_the_client_slows_down_for_all_when_one_is_told_to() -> None:
    far_end, clock = FarEnd(), Clock()
    far_end.patients["7"] = {"id": 7}
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def talk() -> None:
        elation = client(far_end, Remembered({"chart-1": "7"}), clock=clock, sleep=sleep, rate=100)
        update = message("patient_update", b"{}", {"chart": "chart-1"})
        await elation.send(update)
        far_end.fail("PATCH", httpx.Response(429))
        with pytest.raises(TryLater):
            await elation.send(update)
        for _ in range(3):
            await elation.send(update)

    began = time.monotonic()
    asyncio.run(talk())
    assert slept[-1] > 1
    assert time.monotonic() - began < 1
