"""``intake_c1``, ``intake_c16``, ``intake_c64``: durable test events a second through the door, one an HTTP request.

Compared with ``bare_copy``, in the same run and in turn, so that both meet the same machine.
"""

import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.events import Events
from benchmarks.lines import Line
from benchmarks.place import Place
from benchmarks.senders import Sent, request, send
from handoff.ports import free_port

TOKEN = "bench"
DOOR, BARE = "/intake/reportstream/test-events", "/take"


@contextmanager
def serving(factory: str, environment: Mapping[str, str], path: str) -> Iterator[str]:
    """The application under uvicorn, as it is deployed; yields the address to POST to."""
    port = free_port()
    words = (sys.executable, "-m", "uvicorn", "--factory", factory, "--port", str(port))
    how = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    server = subprocess.Popen([*words, *how], env=dict(environment))
    try:
        _await(port, server)
        yield f"http://127.0.0.1:{port}{path}"
    finally:
        server.terminate()
        server.wait(20)


def _await(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
            return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            if server.poll() is not None:
                raise RuntimeError(f"the server ended with {server.returncode}") from None
            time.sleep(0.05)
    raise RuntimeError("the server does not answer")


def measure(place: Place) -> Iterator[Line]:
    """One line a concurrency: the medians of several rounds, ours and the other in turn."""
    return rates(place, rounds=5 if place.full else 3, seconds=4.0 if place.full else 2.0)


def rates(place: Place, *, rounds: int, seconds: float) -> Iterator[Line]:
    """With so many rounds of about so many seconds."""
    environment = {**place.values, "HANDOFF_TOKENS_REPORTSTREAM": TOKEN}
    events = Events()
    with (
        serving("web.app:create_app", environment, DOOR) as door,
        serving("benchmarks.bare_copy:create_app", environment, BARE) as bare,
    ):
        for url in (door, bare):
            _load(url, events, round(1_000 * seconds), 16)
        for connections in (1, 16, 64):
            number = round(seconds * (1_000 if connections == 1 else 5_000))
            ours, theirs = [], []
            for _ in range(rounds):
                ours.append(_load(door, events, number, connections).rate)
                theirs.append(_load(bare, events, number, connections).rate)
            yield Line(
                bench=f"intake_c{connections}",
                value=statistics.median(ours),
                unit="events/s",
                of="bare_copy",
                compared=statistics.median(theirs),
            )


def _load(url: str, events: Events, number: int, connections: int) -> Sent:
    sent = send(url, [request(url, events.one(), TOKEN) for _ in range(number)], connections)
    if sent.good != number:
        raise RuntimeError(f"{sent.other} of {number} requests were not taken")
    return sent
