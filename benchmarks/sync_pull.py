"""``sync_pull``: records a second from a parent's feed to a clinic, through the store, by one run of the lane.

Read the feed page by page, coalesce, read each record on both sides, write down the calls, send them, read back.
Beside it ``sandbox_ceiling``: the same requests to the same servers, as many at a time, with no store and no thought.
``sync_pull_50ms`` is the same where each answer takes 50 ms, as over a line to a clinic.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from assets.openmrs import lane
from benchmarks.house import wait_for
from benchmarks.lines import Line
from benchmarks.place import Place
from handoff.environment import ROOT
from resources import partner_http
from resources.openmrs import OpenMrs
from resources.settings import Settings
from resources.store import sync_feeds

PATIENTS, PAGES = 600, 600
FULL_PATIENTS, FULL_PAGES = 10_000, 20_000
FAR_PATIENTS, FAR_PAGES = 200, 40
SYSTEMS = ("openmrs-parent", "openmrs-child")
AT_ONCE = 8

LINK = """
[link.bench]
parent = "{url}/openmrs-parent/openmrs"
child = "{url}/openmrs-child/openmrs"
feeds = ["patient"]
filter = {{ kind = "all" }}
rate = 1000000
at_once = {at_once}
every_seconds = 86400
"""


def measure(place: Place) -> Iterator[Line]:
    """The lane, and what its far ends give at the most, near by and far away."""
    size = (FULL_PATIENTS, FULL_PAGES) if place.full else (PATIENTS, PAGES)
    if place.wants("sync_pull"):
        yield _measured(place, "sync_pull", *size)
    if place.wants("sync_pull_50ms"):
        place.empty()
        yield _measured(place, "sync_pull_50ms", FAR_PATIENTS, FAR_PAGES, delay=0.05)


def _measured(place: Place, name: str, patients: int, pages: int, delay: float = 0.0) -> Line:
    with sandbox(place) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as http:
        lever(http, "openmrs-parent", "settings", publish_delay_seconds=0)
        lever(http, "openmrs-parent", "backlog", pages=pages, patients=patients)
        if delay:
            for system in SYSTEMS:
                lever(http, system, "faults", delay_seconds=delay, times=-1)
        began = time.perf_counter()
        pull(place, url)
        seconds = time.perf_counter() - began
        there: dict[str, Any] = http.get("/_sandbox/openmrs-child/records").json()
        if len(there) != patients:
            raise RuntimeError(f"{len(there)} of {patients} records are at the child")
        ceiling = len(there) / asyncio.run(_ceiling(url, list(there.values()), pages))
    return Line(
        bench=name,
        value=patients / seconds,
        unit="records/s",
        of="sandbox_ceiling",
        compared=ceiling,
        also={"pages": pages, "at_once": AT_ONCE},
    )


@contextmanager
def sandbox(place: Place) -> Iterator[str]:
    """The partners in a process of their own, as they are elsewhere."""
    url = f"http://127.0.0.1:{place.port('HANDOFF_SANDBOX_PORT')}"
    environment = {**os.environ, **place.values}
    process = subprocess.Popen([sys.executable, "-m", "sandbox"], cwd=ROOT, env=environment, stdout=-3)
    try:
        wait_for(lambda: _answers(url), 30)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_sandbox", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def lever(http: httpx.Client, system: str, name: str, **given: Any) -> None:
    """Pull one of the partner's levers."""
    http.post(f"/_sandbox/{system}/{name}", json=given).raise_for_status()


def pull(place: Place, url: str) -> None:
    """Run the lane until nothing is left to do."""
    settings = settings_of(place, url)
    while True:  # a run ends after twelve minutes; the next goes on
        lane.run(settings, "bench", None)
        with place.connect() as db:
            row = db.execute("SELECT count(*) FROM work").fetchone()
            if row == (0,) and sync_feeds.next_due(db, ["bench"]) > 0:
                return


def settings_of(place: Place, url: str) -> Settings:
    """One link, and runs that end as soon as nothing is left."""
    path = place.root / "openmrs.toml"
    path.write_text(LINK.format(url=url, at_once=AT_ONCE), encoding="utf-8")
    accounts = {
        f"OPENMRS_BENCH_{side}_{what}": "sync"
        for side in ("PARENT", "CHILD")
        for what in ("USER", "PASSWORD")
    }
    return Settings({**place.values, **accounts, "HANDOFF_LINGER_SECONDS": "0.2", "OPENMRS_LINKS": str(path)})


async def _ceiling(url: str, records: list[dict[str, Any]], pages: int) -> float:
    """Seconds for the pages one after another, and for each record a read here, two there, and a write."""
    over = partner_http.transport(connections=AT_ONCE)
    ends = [
        OpenMrs(over, f"{url}/{name}/openmrs", user="sync", password="sync", rate=1e9) for name in SYSTEMS
    ]
    left = list(records)

    async def settle(plain: httpx.AsyncClient) -> None:
        while left:
            record = left.pop()
            kind, name = record["resourceType"], record["id"]
            for end in (ends[0], ends[1], ends[1]):
                await end.read(kind, name)
            address = f"/openmrs-child/openmrs/ws/fhir2/R4/{kind}/{name}"
            content = json.dumps(record)
            await plain.put(address, content=content, headers={"content-type": "application/fhir+json"})

    began = time.perf_counter()
    for number in range(1, pages + 1):
        await ends[0].page("patient", number)
    async with httpx.AsyncClient(base_url=url, auth=("sync", "sync"), trust_env=False) as plain:
        await asyncio.gather(*(settle(plain) for _ in range(AT_ONCE)))
    seconds = time.perf_counter() - began
    await over.aclose()
    return seconds
