"""``sync_pull``: records a second from a parent's feed to a clinic, through the store, by one run of the lane.

Read the feed page by page, coalesce, read each record on both sides, write down the calls, send them, read back.
Beside it ``sandbox_ceiling``: the same requests to the same servers, one after another, with no store and no thought.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx

from assets.openmrs import lane
from benchmarks.lines import Line
from benchmarks.place import Place
from resources import partner_http
from resources.openmrs import OpenMrs
from resources.settings import Settings
from resources.store import sync_feeds
from sandbox.openmrs import servers
from sandbox.running import sandbox_thread

PATIENTS, PAGES = 300, 600
FULL_PATIENTS, FULL_PAGES = 10_000, 20_000

LINK = """
[link.bench]
parent = "{url}/openmrs-parent/openmrs"
child = "{url}/openmrs-child/openmrs"
feeds = ["patient"]
filter = {{ kind = "all" }}
rate = 1000000
every_seconds = 86400
"""


def measure(place: Place) -> Iterator[Line]:
    """The lane, and what its far ends give at the most."""
    patients, pages = (FULL_PATIENTS, FULL_PAGES) if place.full else (PATIENTS, PAGES)
    with sandbox_thread(servers()) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as http:
        _lever(http, "settings", publish_delay_seconds=0)
        _lever(http, "backlog", pages=pages, patients=patients)
        began = time.perf_counter()
        _pull(place, url)
        seconds = time.perf_counter() - began
        there: dict[str, Any] = http.get("/_sandbox/openmrs-child/records").json()
        if len(there) != patients:
            raise RuntimeError(f"{len(there)} of {patients} records are at the child")
        ceiling = len(there) / asyncio.run(_ceiling(url, list(there.values()), pages))
    yield Line(
        bench="sync_pull",
        value=patients / seconds,
        unit="records/s",
        of="sandbox_ceiling",
        compared=ceiling,
        also={"pages": pages},
    )


def _lever(http: httpx.Client, name: str, **given: Any) -> None:
    http.post(f"/_sandbox/openmrs-parent/{name}", json=given).raise_for_status()


def _pull(place: Place, url: str) -> None:
    path = place.root / "openmrs.toml"
    path.write_text(LINK.format(url=url), encoding="utf-8")
    accounts = {
        f"OPENMRS_BENCH_{side}_{what}": "sync"
        for side in ("PARENT", "CHILD")
        for what in ("USER", "PASSWORD")
    }
    quick = {"HANDOFF_LINGER_SECONDS": "0.2", "OPENMRS_LINKS": str(path)}
    while True:  # a run ends after twelve minutes; the next goes on
        lane.run(Settings({**place.values, **accounts, **quick}), "bench", None)
        with place.connect() as db:
            row = db.execute("SELECT count(*) FROM work").fetchone()
            if row == (0,) and sync_feeds.next_due(db, ["bench"]) > 0:
                return


async def _ceiling(url: str, records: list[dict[str, Any]], pages: int) -> float:
    """Seconds for the pages, and for each record a read here, two there, and a write."""
    over = partner_http.transport(connections=4)
    ends = [
        OpenMrs(over, f"{url}/{name}/openmrs", user="sync", password="sync", rate=1e9)
        for name in ("openmrs-parent", "openmrs-child")
    ]
    began = time.perf_counter()
    for number in range(1, pages + 1):
        await ends[0].page("patient", number)
    async with httpx.AsyncClient(base_url=url, auth=("sync", "sync"), trust_env=False) as plain:
        for record in records:
            kind, name = record["resourceType"], record["id"]
            for end in (ends[0], ends[1], ends[1]):
                await end.read(kind, name)
            body = json.dumps(record)
            address = f"/openmrs-child/openmrs/ws/fhir2/R4/{kind}/{name}"
            await plain.put(address, content=body, headers={"content-type": "application/fhir+json"})
    seconds = time.perf_counter() - began
    await over.aclose()
    return seconds
