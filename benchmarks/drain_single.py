"""``drain_single_instant`` and ``drain_single_50ms``: messages a second in the order of 2,000 queues, one request each.

What is measured is a run of the lane elation: claim, map, seal, write down, send by Elation's client, settle, each
queue's next only after the one before is committed. Beside it, in the same run on the same machine and far end:
``procrastinate``, a job a message with a lock a queue, sending by aiohttp; and ``bare_loop``, the same transport
and connections with a ready body, no order and no database.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from uuid import uuid4

import httpx
import uvloop

from assets.drain.run import drain_singles
from assets.drain.settings import SinglesLane
from assets.elation import sending
from benchmarks import procrastinate_side, sink
from benchmarks.lines import Line, tell
from benchmarks.place import Place
from resources import partner_http
from resources.settings import Settings
from resources.store.intake import Incoming, Intake
from resources.store.known import Known
from resources.store.seal import Sealer
from resources.store.values import Arrival, Owed
from web.elation import reading

QUEUES = 2_000
#: Requests side by side: what does best with an instant partner, and with one that takes 50 ms.
AT_ONCE = {0: 128, 50: 512}
NAMES = {0: "drain_single_instant", 50: "drain_single_50ms"}

CHART = {
    "first_name": "Ana",
    "last_name": "Rivera",
    "dob": "1961-07-04",
    "sex": "female",
    "language": "es",
    "address": {"line1": "12 Elm St", "line2": None, "city": "Bronx", "state": "NY", "zip": "10451"},
    "phones": [{"number": "+1 (718) 555-0142", "type": "cell", "primary": True, "owned": True}],
    "payer_name": "Healthfirst",
    "member_id": "HF123456",
    "medicaid_id": None,
}


def events(charts: Sequence[str], rounds: int) -> Iterator[bytes]:
    """So many snapshots of every chart, each with another name, the charts in turn."""
    for number in range(rounds):
        for chart in charts:
            data = {"chart": {**CHART, "id": chart, "first_name": f"Ana {number}"}}
            told = {"event_id": f"{chart}-{number}", "event_type": "profile_changed", "resource_id": chart}
            yield json.dumps({**told, "data": data}).encode()


def configured(settings: Settings, url: str, at_once: int) -> Settings:
    """The same store, and Elation at this address."""
    elation = {
        "ELATION_URL": url,
        "ELATION_CLIENT_ID": "bench",
        "ELATION_CLIENT_SECRET": "bench",
        "ELATION_PRIMARY_PHYSICIAN": "7",
        "ELATION_CAREGIVER_PRACTICE": "7",
        "ELATION_CONCURRENCY": str(at_once),
        "ELATION_RATE": "1000000",
        "HANDOFF_LINGER_SECONDS": "0.01",
    }
    return Settings({**settings.values, **elation})


def one_request_each(lane: SinglesLane) -> SinglesLane:
    """The lane with the patient's call alone, and every snapshot sent: what is measured is one request a message."""

    def patient(arrival: Arrival) -> Sequence[Owed]:
        return lane.map(arrival)[:1]

    return replace(lane, map=patient, full_state=lambda kind: False)


async def fill(
    settings: Settings, charts: Sequence[str], rounds: int, patients: Sequence[str] | None = None
) -> None:
    """Charts that Elation knows, by default as patients 1, 2, 3, and their events, as through the door."""
    linked = zip(charts, patients or [str(number) for number in range(1, len(charts) + 1)], strict=True)
    sealer = Sealer(settings.keys)
    known = Known(settings.database_url, sealer, sending.NUMBER)
    await asyncio.gather(*(known.put(chart, patient) for chart, patient in linked))
    await known.close()
    read = reading(sealer)
    intake = Intake(settings.database_url, sealer)
    await intake.start()
    waiting: list[Incoming] = []
    for raw in events(charts, rounds):
        waiting.append(read(raw))
        if len(waiting) == 500:
            await intake.put(waiting)
            waiting = []
    if waiting:
        await intake.put(waiting)
    await intake.stop()


def fill_with(settings: Settings, messages: int) -> None:
    """So many messages for new charts."""
    charts = [f"bench-{uuid4()}" for _ in range(min(QUEUES, messages))]
    uvloop.run(fill(settings, charts, max(1, messages // len(charts))))


def ours(settings: Settings, url: str, at_once: int, messages: int) -> float:
    """Messages a second of one run, from its first request's answer to its last."""
    fill_with(settings, messages)
    here = configured(settings, url, at_once)
    figures, _ = drain_singles(here, one_request_each(sending.lane(here)), run_id="bench")
    if figures.sent < messages:
        raise RuntimeError(f"{messages - figures.sent} of {messages} messages were not delivered")
    return figures.rate()


def bare_loop(url: str, at_once: int, messages: int) -> float:
    """The same requests with a ready body over the same transport and as many connections, and nothing else."""
    body = json.dumps(CHART).encode()
    headers = {"Content-Type": "application/json", "Authorization": "Bearer bench"}

    async def main() -> float:
        over = partner_http.transport(connections=at_once)
        left = iter(range(messages))
        addresses = [httpx.URL(f"{url}/patients/{number}/") for number in range(QUEUES)]

        async def worker() -> None:
            for number in left:
                address = addresses[number % QUEUES]
                await over.handle_async_request(
                    httpx.Request("PATCH", address, headers=headers, content=body)
                )

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(at_once)))
        seconds = time.perf_counter() - began
        await over.aclose()
        return messages / seconds

    return uvloop.run(main())


def measure(place: Place, *, rounds: int = 3, messages: int = 20_000) -> Iterator[Line]:
    """Two lines a far end: of procrastinate and of the bare loop, each in turn, so that all meet the same machine."""
    for milliseconds, name in NAMES.items():
        at_once = AT_ONCE[milliseconds]
        runs, theirs, bare = [], [], []
        with sink.serving(milliseconds) as url:
            for _ in range(rounds):
                place.empty()
                runs.append(ours(place.settings, url, at_once, messages))
                jobs = max(10, messages // 5)
                theirs.append(procrastinate_side.rate(place.owner_url, url, at_once, jobs, QUEUES))
                bare.append(bare_loop(url, at_once, messages))
                tell(f"{name}: {runs[-1]:.0f}, procrastinate {theirs[-1]:.0f}, bare_loop {bare[-1]:.0f}")
        for of, compared in (("procrastinate", theirs), ("bare_loop", bare)):
            yield Line(
                bench=name,
                value=statistics.median(runs),
                unit="messages/s",
                of=of,
                compared=statistics.median(compared),
            )


if __name__ == "__main__":
    # A run by itself, for measurements of several: the far end's address and the requests side by side.
    there = configured(Settings.read(), sys.argv[1], int(sys.argv[2]))
    drain_singles(there, one_request_each(sending.lane(there)), run_id=f"bench {os.getpid()}")
