"""Which record is in whose hand, and which run has its turn at a link."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from assets.openmrs.events import Key
from assets.openmrs.turns import InHand, Turn
from resources.errors import OneAway

GRACE, RUTH = Key("Patient", "grace"), Key("Patient", "ruth")


def test_a_record_is_in_one_hand_at_a_time_and_others_are_in_others() -> None:
    hand, seen = InHand(), list[str]()

    async def settle(key: Key, word: str, others: int) -> None:
        async with hand.one(key):
            seen.append(f"{word} begins")
            for _ in range(others):
                await asyncio.sleep(0)
            seen.append(f"{word} ends")

    async def main() -> None:
        await asyncio.gather(settle(GRACE, "one", 5), settle(GRACE, "two", 1), settle(RUTH, "other", 1))

    asyncio.run(main())
    assert seen.index("two begins") > seen.index("one ends")
    assert seen.index("other ends") < seen.index("one ends")


def test_of_two_that_wait_for_each_other_one_is_told_to_come_again() -> None:
    hand = InHand()

    async def settle(first: Key, then: Key) -> str:
        try:
            async with hand.one(first):
                await asyncio.sleep(0)
                async with hand.one(then):
                    return "settled"
        except OneAway:
            return "comes again"

    async def main() -> list[str]:
        return await asyncio.gather(settle(GRACE, RUTH), settle(RUTH, GRACE))

    assert sorted(asyncio.run(main())) == ["comes again", "settled"]


def test_a_task_knows_what_it_has_in_hand_itself() -> None:
    hand = InHand()

    async def main() -> None:
        async with hand.one(GRACE):
            assert hand.mine(GRACE)
            assert not hand.mine(RUTH)
            with pytest.raises(OneAway):
                await hand.one(GRACE).__aenter__()
        assert not hand.mine(GRACE)

    asyncio.run(main())


def turned(clock: Callable[[], float], work: Callable[[Turn], Awaitable[None]]) -> list[str]:
    """What is taken and given while the work is done."""
    told: list[str] = []

    async def take() -> None:
        told.append("take")

    async def give() -> None:
        told.append("give")

    async def main() -> None:
        await work(Turn(take, give, clock))

    asyncio.run(main())
    return told


def test_a_turn_is_taken_by_the_first_record_and_given_back_by_the_last() -> None:
    async def one(turn: Turn) -> None:
        async with turn:
            await asyncio.sleep(0)

    async def work(turn: Turn) -> None:
        await asyncio.gather(*(one(turn) for _ in range(5)))

    assert turned(lambda: 0.0, work) == ["take", "give"]


def test_a_turn_that_lasts_is_given_back_although_more_records_come() -> None:
    now = [0.0]

    async def one(turn: Turn, steps: int) -> None:
        async with turn:
            for _ in range(steps):
                await asyncio.sleep(0)
            now[0] += 10.0

    async def work(turn: Turn) -> None:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(one(turn, 1))
            group.create_task(one(turn, 3))
            await first
            group.create_task(one(turn, 1))

    assert turned(lambda: now[0], work) == ["take", "give", "take", "give"]
