"""Run one drain from start to end, in an event loop of its own: what an asset (or a test) calls."""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import uvloop

from assets.drain.batching import TURNS, Batching
from assets.drain.figures import Figures
from assets.drain.frame import Drain, Track
from assets.drain.settings import BatchLane, Client, SinglesLane
from assets.drain.singles import Singles
from resources.settings import Settings
from resources.store.connect import AsyncConnection, connect_async
from resources.store.seal import Sealer

Ended = tuple[Figures, str]


def drain_batches(
    settings: Settings,
    lanes: list[BatchLane],
    *,
    run_id: str,
    code: str = "",
    beside: SinglesLane | None = None,
) -> Ended:
    """Drain a lane that sends in batches, all its destinations side by side; what was counted and how it ended.

    ``beside`` is what the lane tells somebody message by message, on a track of its own.
    """

    async def main() -> Ended:
        drain = _drain(settings, lanes[0], run_id, code)
        told = await beside.connect() if beside else None
        clients = [await lane.connect() for lane in lanes]
        async with contextlib.AsyncExitStack() as opened:

            async def connected() -> AsyncConnection:
                connection = await connect_async(settings.database_url, "handoff batches", plan_anew=True)
                opened.push_async_callback(connection.close)
                return connection

            connections = [[await connected() for _ in range(TURNS + 1)] for _ in lanes]

            def tracks(drain: Drain) -> list[Track]:
                singles = [Singles(drain, beside, told)] if beside and told else []
                return singles + [
                    Batching(drain, lane, client, own)
                    for lane, client, own in zip(lanes, clients, connections, strict=True)
                ]

            return await drain.run(tracks), drain.how

    return _in_a_loop(main)


def drain_singles(
    settings: Settings,
    lane: SinglesLane,
    *,
    run_id: str,
    code: str = "",
    only: int | None = None,
    beside: Callable[[Drain, Client], Track] | None = None,
) -> Ended:
    """Drain a lane message by message; ``only`` is the one queue to work.

    ``beside`` makes a second track of the run: what fetches the lane's arrivals where nobody brings them.
    """

    async def main() -> Ended:
        drain = _drain(settings, lane, run_id, code)
        client = await lane.connect()

        def tracks(drain: Drain) -> list[Track]:
            singles = Singles(drain, lane, client, only=only)
            return [singles, beside(drain, client)] if beside else [singles]

        return await drain.run(tracks), drain.how

    return _in_a_loop(main)


def _drain(settings: Settings, lane: BatchLane | SinglesLane, run_id: str, code: str) -> Drain:
    return Drain(
        url=settings.database_url,
        sealer=Sealer(settings.keys),
        lane=lane.number,
        run_id=run_id,
        code=code,
        pace=lane.pace,
    )


def _in_a_loop(main: Callable[[], Coroutine[Any, Any, Ended]]) -> Ended:
    with _rare_collections(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(main())
        except Exception as error:
            # One cause is what an operator wants to read; the others are tasks it took along.
            raise _first(error) from None


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """What is loaded stays for the run, and what a message leaves has no cycles: walking over it is pure cost."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
