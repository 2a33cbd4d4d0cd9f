"""``python -m sandbox.samples``: prints sample events, or sends them to the doors."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson

from . import northlab
from .elation import chart_events
from .people import Run, new_run
from .pridok import referrals
from .redox import orders
from .reportstream import Shares, sample_events


@dataclass(frozen=True, slots=True)
class Door:
    """Where a lane's events go in, and whether it takes several at once."""

    path: str
    takes_arrays: bool
    token_header: str = "authorization"

    def headers(self, token: str) -> dict[str, str]:
        """What proves the sender."""
        proof = f"Bearer {token}" if self.token_header == "authorization" else token
        return {"content-type": "application/json", self.token_header: proof}


DOORS = {
    "reportstream": Door("/intake/reportstream/test-events", takes_arrays=True),
    "elation": Door("/intake/elation/events", takes_arrays=True),
    "redox": Door("/intake/redox", takes_arrays=False, token_header="verification-token"),
    "pridok": Door("/intake/pridok/referrals", takes_arrays=False),
}


def events(lane: str, run: Run, arguments: argparse.Namespace, now: datetime) -> Iterator[dict[str, Any]]:
    """The lane's events."""
    if lane == "reportstream":
        return sample_events(run, arguments.count, now, Shares(corrections=arguments.changes))
    if lane == "elation":
        return chart_events(run, arguments.count, now, arguments.changes)
    if lane == "redox":
        return orders(run, arguments.count, now, arguments.changes)
    return referrals(run, arguments.count, now)


async def send(
    door: Door, batches: Iterator[list[dict[str, Any]]], arguments: argparse.Namespace
) -> Counter[str]:
    """Posts the batches over a few connections; the answers by status."""
    answers: Counter[str] = Counter()
    connector = aiohttp.TCPConnector(limit=arguments.connections)
    async with aiohttp.ClientSession(connector=connector, headers=door.headers(arguments.token)) as session:

        async def sender() -> None:
            for batch in batches:
                body = orjson.dumps(batch if arguments.batch > 1 and door.takes_arrays else batch[0])
                async with session.post(f"{arguments.to.rstrip('/')}{door.path}", data=body) as answer:
                    await answer.read()
                    answers[str(answer.status)] += 1

        await asyncio.gather(*(sender() for _ in range(arguments.connections)))
    return answers


def command_line() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.samples", description=__doc__)
    parser.add_argument("lane", choices=sorted((*DOORS, "northlab")))
    parser.add_argument("--count", type=int, default=10, help="how many events (10)")
    parser.add_argument("--seed", type=int, default=1, help="varies people and results (1)")
    parser.add_argument(
        "--run", help="a name: the same seed and run give the same events (default: a new one)"
    )
    parser.add_argument("--changes", type=float, default=6.0, help="corrections, updates: of a hundred (6)")
    parser.add_argument(
        "--to", help="address of the web service, such as http://127.0.0.1:8080; else they are printed"
    )
    parser.add_argument("--token", default="", help="the sender's secret")
    parser.add_argument(
        "--batch", type=int, default=1, help="events in one request, where the door takes arrays (1)"
    )
    parser.add_argument(
        "--connections", type=int, default=1, help="requests at once; above 1 the order is lost (1)"
    )
    return parser


def main() -> int:
    """Prints or sends; 1 when something was not answered with 2xx or AA."""
    arguments = command_line().parse_args()
    run = Run(arguments.seed, arguments.run) if arguments.run else new_run(arguments.seed)
    started, now = time.monotonic(), datetime.now(UTC)
    if arguments.lane == "northlab":
        messages = northlab.messages(run, arguments.count, now, arguments.changes)
        if arguments.to is None:
            return written(f"{message.replace(chr(13), chr(10))}\n".encode() for message in messages)
        answers = asyncio.run(northlab.send(arguments.to, messages))
    else:
        made = events(arguments.lane, run, arguments, now)
        if arguments.to is None:
            return written(orjson.dumps(event) + b"\n" for event in made)
        door = DOORS[arguments.lane]
        size = max(1, arguments.batch) if door.takes_arrays else 1
        batches = iter(lambda: list(itertools.islice(made, size)), [])
        answers = asyncio.run(send(door, batches, arguments))
    seconds = round(time.monotonic() - started, 3)
    print(
        json.dumps(
            {"lane": arguments.lane, "events": arguments.count, "answers": answers, "seconds": seconds}
        )
    )
    return 0 if all(code.startswith(("2", "AA")) for code in answers) else 1


def written(lines: Iterable[bytes]) -> int:
    """Prints what would be sent."""
    for line in lines:
        sys.stdout.buffer.write(line)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
