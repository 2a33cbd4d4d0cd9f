"""The largest file of results: 50,000,000 bytes by the page, beside test events, and out to ReportStream.

A file of that size in which every row is wrong goes first. Memory is that of the web process alone.
"""

import csv
import io
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from assets.drain.run import drain_batches
from assets.reportstream import bulk_template, sending
from assets.reportstream.bulk import MOST_BYTES
from benchmarks.drills_stack import check
from benchmarks.events import Events
from benchmarks.web_alone import EVENTS_TOKEN, Alone, peak, signed_in, token, web_alone
from resources.settings import Settings
from sandbox.reportstream import ReportStream
from sandbox.running import sandbox_thread

MOST_MEMORY = 400_000_000
MOST_ITEMS = 500
EVENTS_A_SECOND = 20


def the_largest_file() -> dict[str, Any]:
    """Refused or taken whole within the memory, progress shown, every row sent once in batches of 500."""
    with web_alone() as web:
        http = signed_in(web.address, "clinician")
        idle = peak(web.pid)
        wrong, _ = _sent(web, http, largest(patient_state="XX", patient_zip_code="none"))
        check(wrong.status_code == 422, f"a file that is wrong everywhere was answered {wrong.status_code}")
        refused = peak(web.pid)
        file = largest()
        rows = file.count(b"\r\n") - 1
        seen: set[str] = set()
        with _events(web) as waits:
            answer, took = _sent(web, http, file, seen)
        check(len(file) == MOST_BYTES, f"the file has {len(file)} bytes")
        check(answer.status_code == 303, f"the file was answered {answer.status_code}")
        check(seen, "the page showed no progress")
        kept = web.rows("SELECT count(*) FROM inbox WHERE kind = 'bulk_row'")[0][0]
        check(kept == rows, f"{kept} of {rows} rows were stored")
        memory = peak(web.pid)
        sending_took, batches = _drained(web)
    check(max(batches) <= MOST_ITEMS, f"a batch had {max(batches)} rows")
    waits.sort()
    said = {
        "bytes": len(file),
        "rows": rows,
        "upload_seconds": round(took, 1),
        "events_beside": len(waits),
        "event_p50_ms": round(waits[len(waits) // 2] * 1000, 1),
        "event_p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 1),
        "web_memory_mb": {
            "idle": round(idle / 1e6),
            "refused": round(refused / 1e6),
            "taken": round(memory / 1e6),
        },
        "batches": len(batches),
        "sending_seconds": round(sending_took, 1),
    }
    check(memory < MOST_MEMORY, f"too much memory: {said}")
    return said


def largest(size: int = MOST_BYTES, **wrong: str) -> bytes:
    """A file of exactly so many bytes, each row another result; ``wrong`` cells carry their line."""
    header, example = csv.reader(io.StringIO(bulk_template.template()))
    cells = dict(zip(header, example, strict=True))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(header)
    number = 0
    while out.tell() < size - 2_000:
        number += 1
        own = {
            "accession_number": f"2021-{number:07}",
            "patient_last_name": f"Doe{number}",
            "patient_street": f"{number} Main St",
        }
        writer.writerow(
            {**cells, **own, **{name: f"{text}{number}" for name, text in wrong.items()}}.values()
        )
    before = out.tell()
    writer.writerow({**cells, "accession_number": "last", "comment": ""}.values())
    left = size - out.tell()
    out.truncate(out.seek(before))
    writer.writerow({**cells, "accession_number": "last", "comment": "x" * left}.values())
    return out.getvalue().encode()


def _sent(
    web: Alone, http: httpx.Client, file: bytes, seen: set[str] | None = None
) -> tuple[httpx.Response, float]:
    """The answer of the page, and after how long; ``seen`` gets what a second window is told meanwhile."""
    proof = token(http, "/results")
    over = threading.Event()

    def look() -> None:
        while not over.wait(1.0):
            page = http.get("/results", headers={"x-handoff-live": "1"}).text
            if seen is not None:
                seen.update(re.findall(r"[\d,.\u202f]+ of [\d,.\u202f]+ stored", page))

    watching = threading.Thread(target=look)
    watching.start()
    began = time.monotonic()
    try:
        with httpx.Client(base_url=web.address, cookies=http.cookies, trust_env=False, timeout=600) as sender:
            files = {"file": ("results.csv", file, "text/csv")}
            return sender.post("/results", data={"csrf": proof}, files=files), time.monotonic() - began
    finally:
        over.set()
        watching.join()


@contextmanager
def _events(web: Alone) -> Iterator[list[float]]:
    """Test events at a pace until the end of the block; the list gets the time to each answer."""
    over, waits = threading.Event(), list[float]()

    def send() -> None:
        events = Events(7)
        headers = {"authorization": f"Bearer {EVENTS_TOKEN}", "content-type": "application/json"}
        with httpx.Client(base_url=web.address, headers=headers, trust_env=False, timeout=60) as http:
            while not over.wait(1 / EVENTS_A_SECOND):
                began = time.perf_counter()
                answer = http.post("/intake/reportstream/test-events", content=events.one())
                check(answer.status_code == 202, f"an event was answered {answer.status_code}")
                waits.append(time.perf_counter() - began)

    sending_them = threading.Thread(target=send)
    sending_them.start()
    try:
        yield waits
    finally:
        over.set()
        sending_them.join()


def _drained(web: Alone) -> tuple[float, list[int]]:
    """Everything sent to the sandbox: seconds, and the rows of each upload. Every result once."""
    with sandbox_thread([ReportStream()]) as url, httpx.Client(base_url=url, timeout=60) as partner:
        values = {
            "REPORTSTREAM_URL": f"{url}/reportstream",
            "REPORTSTREAM_FUNCTION_KEY": "drill",
            "REPORTSTREAM_BATCH_WINDOW_SECONDS": "0",
            "HANDOFF_LINGER_SECONDS": "0.5",
        }
        settings = Settings({**web.settings.values, **values})
        partner.post("/_sandbox/reportstream/settings", json={"checks": "rows"}).raise_for_status()
        began = time.monotonic()
        drain_batches(settings, sending.lanes(settings), run_id="drill")
        seconds = time.monotonic() - began
        received = partner.get("/_sandbox/reportstream/received").json()
    bodies = [one["body"] for one in received if one["effect"] and one["path"] == "/api/reports"]
    found = [[row["Result_ID"] for row in csv.DictReader(io.StringIO(body))] for body in bodies]
    once = Counter(result for some in found for result in some)
    arrived = web.rows("SELECT count(*) FROM inbox")[0][0]
    check(len(once) == arrived and set(once.values()) == {1}, f"{len(once)} of {arrived} results were sent")
    return seconds, [len(some) for some in found]
