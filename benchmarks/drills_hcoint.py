"""Clinical notes under load: 500 uploads of a megabyte from 8 windows while orders arrive 50 times a second.

The web service alone with a database of its own; what it answers, how long orders take and how much memory it
wants at the most is looked at from outside.
"""

import contextlib
import io
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
from pypdf import PdfWriter

from benchmarks.drills_stack import check
from benchmarks.web_alone import REDOX_TOKEN, peak, signed_in, token, web_alone

UPLOADS, WINDOWS, BYTES = 500, 8, 1_000_000
ORDERS_A_SECOND = 50
P99_SECONDS, MOST_MEMORY = 0.100, 400_000_000
SOURCE = "7ce6f387-c33c-417d-8682-81e83628cbd9"


def uploads_beside_orders() -> dict[str, Any]:
    """No error, the p99 of an order's answer under 100 ms, the web service's memory under 400 MB."""
    with web_alone() as web:
        address = web.address
        places = [_placed(address, f"u-{number}") for number in range(WINDOWS)]
        check(all(status == 200 for status, _ in places), "the first orders were not taken")
        orders = [row[0] for row in web.rows("SELECT id FROM hcoint_order ORDER BY id")]
        people = [signed_in(address, "clinician") for _ in range(WINDOWS)]
        feed = _Feed(address)
        began = time.monotonic()
        with feed.running(), ThreadPoolExecutor(WINDOWS) as windows:
            shares = [UPLOADS // WINDOWS + (place < UPLOADS % WINDOWS) for place in range(WINDOWS)]
            answers = windows.map(_window, people, orders, shares)
            errors = [one for some in answers for one in some]
        seconds = time.monotonic() - began
        memory = peak(web.pid)
        kept = web.rows("SELECT count(*) FROM hcoint_event WHERE what = 'note_attached'")[0][0]
    check(not errors, f"{len(errors)} uploads were not taken, the first with {errors[:1]}")
    check(kept == UPLOADS, f"{kept} uploads were kept")
    check(not feed.errors, f"{len(feed.errors)} orders were not taken, the first with {feed.errors[:1]}")
    took = sorted(feed.took)
    p99 = took[int(len(took) * 0.99)]
    said = {
        "uploads": UPLOADS,
        "uploads_per_second": round(UPLOADS / seconds, 1),
        "orders": len(took),
        "order_p50_ms": round(took[len(took) // 2] * 1000, 1),
        "order_p99_ms": round(p99 * 1000, 1),
        "order_late_p99_ms": round(sorted(feed.late)[int(len(took) * 0.99)] * 1000, 1),
        "web_memory_mb": round(memory / 1e6),
    }
    check(p99 < P99_SECONDS and memory < MOST_MEMORY, f"too slow or too large: {said}")
    return said


# -- orders --------------------------------------------------------------------------------------------------------


def _order(number: str) -> bytes:
    meta = {
        "DataModel": "Order",
        "EventType": "New",
        "EventDateTime": "2026-02-03T18:00:00.000Z",
        "Test": False,
        "Source": {"ID": SOURCE},
        "Logs": [{"ID": str(uuid.uuid4())}],
    }
    patient = {
        "Identifiers": [{"ID": number, "IDType": "MR"}],
        "Demographics": {"FirstName": "Kim", "LastName": "Rowe", "DOB": "1950-05-05"},
    }
    return json.dumps({"Meta": meta, "Patient": patient, "Order": {"ID": number}}).encode()


def _placed(address: str, number: str, http: httpx.Client | None = None) -> tuple[int, float]:
    began = time.perf_counter()
    post = http.post if http else httpx.post
    headers = {"verification-token": REDOX_TOKEN}
    answer = post(f"{address}/intake/redox", content=_order(number), headers=headers)
    return answer.status_code, time.perf_counter() - began


@dataclass
class _Feed:
    """Orders at a steady pace, as Redox sends them: one after the other.

    ``took`` is the time to each answer, ``late`` the time since the order was due.
    """

    address: str
    took: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._run, args=[over])
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _run(self, over: threading.Event) -> None:
        with httpx.Client(trust_env=False) as http:
            _placed(self.address, "first", http)
            due = time.perf_counter()
            for number in range(1_000_000):
                due += 1 / ORDERS_A_SECOND
                if over.wait(max(0.0, due - time.perf_counter())):
                    return
                status, seconds = _placed(self.address, f"o-{number}", http)
                self.took.append(seconds)
                self.late.append(time.perf_counter() - due)
                if status != 200:
                    self.errors.append(status)


# -- uploads -------------------------------------------------------------------------------------------------------


def _window(http: httpx.Client, order: int, share: int) -> list[int]:
    """One person's uploads, one after the other; the answers that were no good."""
    wrong = []
    with contextlib.closing(http):
        proof = token(http, f"/orders/{order}")
        for number in range(share):
            files = {"note": ("note.pdf", _pdf(f"{order}-{number}"), "application/pdf")}
            answer = http.post(f"/orders/{order}/note", data={"csrf": proof}, files=files)
            if answer.status_code != 303:
                wrong.append(answer.status_code)
    return wrong


def _pdf(mark: str) -> bytes:
    """A PDF of a megabyte, each another one."""
    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(72, 72)
    writer.add_metadata({"/Title": mark})
    writer.write(out)
    data = out.getvalue() + b"\n%"
    return data + os.urandom(BYTES - len(data))
