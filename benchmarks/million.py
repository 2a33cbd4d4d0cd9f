"""``million``: seconds from a store in which a million test events wait until ReportStream has accepted the last.

A run of the lane in a process of its own, without Dagster around it; the sandbox in another. The sandbox counts the
rows of an upload and looks no closer. Storing them beforehand is not part of it: see ``intake_*``. The quick size is
called by its size, ``million_50k``.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from assets.drain.run import drain_batches
from assets.reportstream import sending
from benchmarks.drills_stack import wait
from benchmarks.events import Events
from benchmarks.lines import Line, tell
from benchmarks.place import Place
from benchmarks.web_alone import peak
from resources.settings import Settings

FULL, QUICK = 1_000_000, 50_000


def measure(place: Place) -> Iterator[Line]:
    """One or the other size."""
    if place.full:
        return drained(place, "million", FULL)
    return drained(place, "million_50k", QUICK)


def drained(place: Place, name: str, number: int) -> Iterator[Line]:
    """With so many events."""
    tell(f"  storing {number} events")
    place.receive(Events(), number)
    place.tidy()
    before = _megabytes(place)
    with _sandbox(place):
        words = [sys.executable, "-m", "benchmarks.million"]
        began = time.perf_counter()
        run = subprocess.Popen(words, env={**os.environ, **place.values})
        memory = 0
        while run.poll() is None:
            memory = max(memory, _peak(run.pid))
            time.sleep(0.05)
        seconds = time.perf_counter() - began
    with place.connect() as db:
        sent = db.execute("SELECT count(*) FROM ended WHERE state IN (1, 2)").fetchone()
    if run.returncode or sent != (number,):
        raise RuntimeError(f"{sent and sent[0]} of {number} events were accepted")
    also = {
        "events": number,
        "events_per_second": round(number / seconds),
        "memory_mb": round(memory / 1e6),
        "database_mb_before": before,
        "database_mb": _megabytes(place),
    }
    yield Line(bench=name, value=seconds, unit="s", also=also)


def _peak(pid: int) -> int:
    try:
        return peak(pid)
    except OSError:  # it has just ended
        return 0


def _megabytes(place: Place) -> int:
    with place.connect() as db:
        row = db.execute("SELECT pg_database_size(current_database()) / 1000000").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def _sandbox(place: Place) -> Iterator[None]:
    url = f"http://127.0.0.1:{place.port('HANDOFF_SANDBOX_PORT')}"
    log = Path(place.state) / "sandbox.log"
    with log.open("wb") as said, httpx.Client(base_url=url, trust_env=False) as http:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox"], env={**os.environ, **place.values}, stdout=said, stderr=said
        )
        try:
            settings = "/_sandbox/reportstream/settings"
            wait(
                lambda: http.post(settings, json={"checks": "rows"}).is_success, 60, f"no sandbox, see {log}"
            )
            yield
        finally:
            process.terminate()
            process.wait(30)


def main() -> None:
    """One run, until nothing waits; its batches have no window."""
    environment = Settings.read()
    settings = Settings({**environment.values, "HANDOFF_LINGER_SECONDS": "0.1"})
    drain_batches(settings, sending.lanes(settings), run_id="million")


if __name__ == "__main__":
    main()
