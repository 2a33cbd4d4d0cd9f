"""``claim_<waiting>_<queues>_<idle|backoff>``: milliseconds to take 500 messages, whatever waits behind them.

10k, 100k and (FULL) 1m messages wait; q10 and q10k: in so many queues, q1: one queue a message. Of ten queues a
claim takes up to 50 messages each, else one. ``backoff``: 19 of 20 heads wait for their next try.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

import psycopg

from benchmarks.lines import Line
from benchmarks.place import Place
from resources.store.claims import claim, rest
from resources.store.connect import connect_async
from resources.store.ids import Ids
from resources.store.lanes import NUMBERS

TRACK = NUMBERS["elation"]
ROUNDS = 15
LEASE = 1 << 41
#: What the sealed body of a test event takes.
BODY_BYTES = 900

SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}


class Shape(NamedTuple):
    """How many queues, and what a claim takes of them."""

    name: str
    queues: int | None
    at_once: int
    each: int


SHAPES = (Shape("q10", 10, 10, 50), Shape("q10k", 10_000, 500, 1), Shape("q1", None, 500, 1))

_INBOX = """
INSERT INTO inbox (id, lane, kind, body)
SELECT %(first)s + n * 8, %(lane)s, 'measured', %(body)b FROM generate_series(0, %(waiting)s - 1) AS n
"""
_WORK = """
INSERT INTO work (queue, seq, lane, arrival)
SELECT hashint8extended(n %% %(queues)s, 7), n / %(queues)s + 1, %(lane)s, %(first)s + n * 8
  FROM generate_series(0::bigint, %(waiting)s - 1) AS n
"""
_QUEUE = """
INSERT INTO queue (key, lane, last_seq, ready_at)
SELECT hashint8extended(n, 7), %(lane)s, %(waiting)s / %(queues)s,
       CASE WHEN %(backoff)s AND n %% 20 <> 0 THEN now() + interval '1 h' ELSE now() - n * interval '1 ms' END
  FROM generate_series(0::bigint, %(queues)s - 1) AS n
"""


def measure(place: Place) -> Iterator[Line]:
    """Every size, shape and state."""
    sizes = {name: size for name, size in SIZES.items() if place.full or size < 1_000_000}
    return sized(place, sizes)


def sized(place: Place, sizes: dict[str, int]) -> Iterator[Line]:
    """Of these sizes, by their names."""
    for name, waiting in sizes.items():
        wanted = [
            (bench, shape, state)
            for shape in SHAPES
            for state in ("idle", "backoff")
            if place.wants(bench := f"claim_{name}_{shape.name}_{state}")
        ]
        if not wanted:
            continue
        place.empty()
        first = Ids(0)()
        with psycopg.connect(place.owner_url, options="-c search_path=handoff", autocommit=True) as db:
            body = os.urandom(BODY_BYTES)
            db.execute(_INBOX, {"first": first, "lane": TRACK, "waiting": waiting, "body": body})
        for bench, shape, state in wanted:
            _fill(place, first, waiting, shape, backoff=state == "backoff")
            seconds, taken = asyncio.run(_claims(place, shape))
            yield Line(
                bench=bench,
                value=statistics.median(seconds) * 1000,
                unit="ms",
                also={"worst": round(max(seconds) * 1000, 1), "claimed": taken},
            )


def _fill(place: Place, first: int, waiting: int, shape: Shape, *, backoff: bool) -> None:
    values = {
        "first": first,
        "lane": TRACK,
        "waiting": waiting,
        "queues": min(shape.queues or waiting, waiting),
        "backoff": backoff,
    }
    with psycopg.connect(place.owner_url, options="-c search_path=handoff", autocommit=True) as db:
        db.execute("TRUNCATE queue, work")
        db.execute(_WORK, values)
        db.execute(_QUEUE, values)
    place.tidy()


async def _claims(place: Place, shape: Shape) -> tuple[list[float], int]:
    """The seconds of each claim, and how many messages the last one took; what was taken goes back each time."""
    seconds, taken = [], 0
    async with await connect_async(place.settings.database_url, "benchmark") as db:
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            found = await claim(db, TRACK, LEASE, queues=shape.at_once, each=shape.each)
            seconds.append(time.perf_counter() - began)
            taken = sum(map(len, found.values()))
            await rest(db, list(found), LEASE)
    return seconds[1:], taken  # the first prepares what a run prepares once
