"""``intake_c1``, ``intake_c16``, ``intake_c64``: durable test events a second through the door, one an HTTP request.

Compared with ``bare_copy``, in the same run and in turn, so that both meet the same machine.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from benchmarks.senders import Sent, request, send
from handoff.ports import free_port

TOKEN = "bench"
DOOR, BARE = "/intake/reportstream/test-events", "/take"

EVENT: dict[str, Any] = {
    "event_id": "",
    "correction_status": "ORIGINAL",
    "date_tested": "2026-03-02T15:04:05+00:00",
    "results": [{"disease": "COVID-19", "result": "POSITIVE"}],
    "patient_has_prior_tests": True,
    "patient": {
        "internal_id": "",
        "first_name": "Noor",
        "middle_name": None,
        "last_name": "Okafor",
        "race": "black",
        "ethnicity": "not_hispanic",
        "gender": "female",
        "birth_date": "1975-11-23",
        "street": "400 Harbor Ave",
        "street_2": "Apt 3",
        "city": "Duluth",
        "county": "St. Louis",
        "state": "MN",
        "zip_code": "55802",
        "country": "USA",
        "phone_number": "(218) 555-0119",
        "email": "noor@example.org",
        "role": "STAFF",
        "tribal_affiliation": [],
        "preferred_language": "English",
        "employed_in_healthcare": True,
        "resident_congregate_setting": False,
    },
    "survey": {"no_symptoms": False, "symptom_onset_date": "2026-02-27"},
    "organization": {"name": "North Shore Care", "type": "nursing_home"},
    "facility": {
        "name": "North Shore Laboratory",
        "clia_number": "24D0000001",
        "street": "9 Pier Rd",
        "city": "Duluth",
        "county": "St. Louis",
        "state": "MN",
        "zip_code": "55802",
        "phone": "(218) 555-0100",
        "email": "lab@example.org",
    },
    "ordering_provider": {
        "npi": "1245319599",
        "first_name": "Ira",
        "last_name": "Lund",
        "street": "9 Pier Rd",
        "city": "Duluth",
        "state": "MN",
        "zip_code": "55802",
        "phone": "(218) 555-0101",
    },
    "device": {
        "internal_id": "7d0b6a52-5a6c-4a7e-9a55-0f3a1b2c0003",
        "model": "BinaxNOW COVID-19 Ag Card",
        "manufacturer": "Abbott",
        "test_length_minutes": 15,
        "tests": [
            {
                "disease": "COVID-19",
                "test_performed_code": "94558-4",
                "test_ordered_code": "94558-4",
                "test_kit_name_id": "10811877011269",
                "equipment_uid": "10811877011269",
            }
        ],
    },
    "specimen": {"type_code": "445297001", "source_site_code": None},
}


def event() -> bytes:
    """A test event nobody has seen."""
    patient = {**EVENT["patient"], "internal_id": str(uuid4())}
    return json.dumps({**EVENT, "event_id": str(uuid4()), "patient": patient}, separators=(",", ":")).encode()


@contextmanager
def serving(factory: str, environment: Mapping[str, str], path: str) -> Iterator[str]:
    """The application under uvicorn, as it is deployed; yields the address to POST to."""
    port = free_port()
    words = (sys.executable, "-m", "uvicorn", "--factory", factory, "--port", str(port))
    how = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    server = subprocess.Popen([*words, *how], env={**os.environ, **environment})
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


def measure(
    environment: Mapping[str, str], *, rounds: int = 3, seconds: float = 2.0
) -> Iterator[dict[str, object]]:
    """One line a concurrency. ``environment``: the store's addresses and keys."""
    environment = {**environment, "HANDOFF_TOKENS_REPORTSTREAM": TOKEN}
    with (
        serving("web.app:create_app", environment, DOOR) as door,
        serving("benchmarks.bare_copy:create_app", environment, BARE) as bare,
    ):
        for url in (door, bare):
            _load(url, 2_000, 16)
        for connections in (1, 16, 64):
            number = int(seconds * (1_000 if connections == 1 else 5_000))
            ours, theirs = [], []
            for _ in range(rounds):
                ours.append(_load(door, number, connections).rate)
                theirs.append(_load(bare, number, connections).rate)
            value, of = statistics.median(ours), statistics.median(theirs)
            yield {
                "bench": f"intake_c{connections}",
                "value": round(value),
                "unit": "events/s",
                "of": f"bare_copy {of:.0f}",
                "ratio": round(value / of, 2),
            }


def _load(url: str, number: int, connections: int) -> Sent:
    sent = send(url, [request(url, event(), TOKEN) for _ in range(number)], connections)
    if sent.good != number:
        raise RuntimeError(f"{sent.other} of {number} requests were not taken")
    return sent


if __name__ == "__main__":
    for line in measure(os.environ):
        print(json.dumps(line), flush=True)
