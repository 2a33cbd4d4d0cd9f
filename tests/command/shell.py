"""The command run as a person runs it, on the store of the test; and ReportStream written out as functions."""

import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from assets.drain.outcomes import RetryPlan
from assets.drain.run import drain_batches
from assets.drain.settings import BatchLane, BatchReceipt, Fate, Item, Keys, Pace
from assets.reportstream.encoding import csv_document, csv_item
from handoff.__main__ import main
from resources.store.intake import Incoming
from tests.conftest import ROOT, Database
from tests.store.making import event

SAMPLE = json.loads((ROOT / "tests" / "samples" / "reportstream" / "original.json").read_text())


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON, one document a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def line(self) -> Any:
        """The only one."""
        (only,) = self.lines
        return only


def environment(database: Database) -> dict[str, str]:
    """What a person's shell holds."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "COLUMNS": "100",
        "DAGSTER_POSTGRES_URL": database.cluster.dagster_url,
        **database.settings.values,
    }


def handoff(database: Database, *words: object, stdin: str = "", **settings: str) -> Ran:
    """Run one command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with _as_shell(environment(database) | settings, stdin), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:
            code = int(str(ended.code))
    return Ran(code, out.getvalue(), err.getvalue())


@contextmanager
def _as_shell(values: dict[str, str], stdin: str) -> Iterator[None]:
    before, reading = dict(os.environ), sys.stdin
    os.environ.clear()
    os.environ.update(values)
    sys.stdin = io.StringIO(stdin)
    try:
        yield
    finally:
        sys.stdin = reading
        os.environ.clear()
        os.environ.update(before)


@dataclass
class Partner:
    """ReportStream as a drain sees it; remembers every body it was sent."""

    send_: Callable[[Sequence[str]], BatchReceipt] = lambda keys: BatchReceipt(
        status=201, external_id="report-1"
    )
    sent: list[bytes] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def send_batch(self, payload: str, body: bytes, keys: Sequence[str]) -> BatchReceipt:
        self.sent.append(body)
        return self.send_(keys)

    async def ask_batch(self, payload: str, keys: Sequence[str], first_sent: datetime) -> BatchReceipt | None:
        self.asked.append(payload)
        return BatchReceipt(status=200, external_id="report-1")

    async def fate(self, external_id: str, keys: Keys) -> Fate:
        return Fate(final=False)

    async def close(self) -> None:
        pass


def result(database: Database, name: str, **changed: object) -> Incoming:
    """The sample under another id, with members changed by place (``patient__city``)."""
    document = json.loads(json.dumps(SAMPLE))
    for place, value in {"event_id": name, **changed}.items():
        *way, last = place.split("__")
        part = document
        for step in way:
            part = part[step]
        part[last] = value
    return event(database.sealer, name, body=json.dumps(document).encode())


def drain_reportstream(
    database: Database,
    partner: Partner,
    *,
    item: Callable[[Any], Item] | None = None,
    waits: Sequence[float] = (),
    linger: float = 0.05,
) -> None:
    """One run of the lane, its window over at once."""

    async def connect() -> Partner:
        return partner

    lane = BatchLane(
        name="reportstream",
        number=1,
        destination="https",
        part=0,
        item=item or csv_item("P"),
        join=csv_document,
        connect=connect,
        window=0.0,
        pace=Pace(
            linger=linger,
            heartbeat=0.2,
            retry=RetryPlan(waits=waits, jitter=0.0),
            breaker_after=0,
            settle=0.3,
        ),
    )
    drain_batches(database.settings, [lane], run_id="test-run")
