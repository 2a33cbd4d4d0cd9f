"""The web service alone, as a process with a database of its own, for drills that look at it from outside.

No Dagster and no partners: what is stored stays stored.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.drills_stack import check, wait
from handoff import postgres
from handoff.ports import free_port
from resources import passwords
from resources.settings import Settings
from resources.store import staff
from resources.store.connect import connect
from resources.store.migrate import migrate
from resources.store.operators import Who
from resources.store.seal import new_key

PASSWORD = "a quiet night to you"
REDOX_TOKEN, EVENTS_TOKEN = "s3cret", "another s3cret"


@dataclass(frozen=True)
class Alone:
    """Where it is, its process, and its settings."""

    address: str
    pid: int
    settings: Settings

    def rows(self, query: str) -> list[Any]:
        """What the store says."""
        with connect(self.settings.database_url) as db:
            return db.execute(query).fetchall()


@contextlib.contextmanager
def web_alone() -> Iterator[Alone]:
    """Until the end of the block; there is one account, a clinician's."""
    with tempfile.TemporaryDirectory(prefix="handoff-drill-") as folder:
        state, port = Path(folder), free_port()
        cluster = postgres.ensure(state, port=free_port())
        try:
            migrate(cluster.owner_url)
            with connect(cluster.owner_url) as owner:
                kept = passwords.hashed(PASSWORD)
                staff.add(owner, "clinician", staff.Role.CLINICIAN, kept, Who("drill", "a drill"))
            settings = {
                "HANDOFF_DATABASE_URL": cluster.app_url,
                "HANDOFF_KEYS": new_key("k1"),
                "HANDOFF_INDEX_KEYS": new_key("i1"),
                "HANDOFF_WEB_PORT": str(port),
                "HANDOFF_DAGSTER_URL": "http://127.0.0.1:9",
                "REDOX_VERIFICATION_TOKENS": REDOX_TOKEN,
                "HANDOFF_TOKENS_REPORTSTREAM": EVENTS_TOKEN,
            }
            address = f"http://127.0.0.1:{port}"
            with _process(settings, state / "web.log") as process:
                wait(lambda: _answers(address), 60, "no web service")
                yield Alone(address, process.pid, Settings(settings))
        finally:
            postgres.stop(state)


def _answers(address: str) -> bool:
    return httpx.get(f"{address}/health", trust_env=False).status_code == 200


@contextlib.contextmanager
def _process(settings: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, **settings}
    with log.open("wb") as said:
        process = subprocess.Popen([sys.executable, "-m", "web"], env=environment, stderr=said)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def peak(pid: int) -> int:
    """The most memory the process has had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def signed_in(address: str, name: str) -> httpx.Client:
    """One person's window. One after the other: the door of the pages counts tries."""
    http = httpx.Client(base_url=address, trust_env=False, timeout=60)
    proof = token(http, "/sign-in")
    answer = http.post("/sign-in", data={"csrf": proof, "name": name, "password": PASSWORD})
    check(answer.status_code == 303, f"the sign-in was answered {answer.status_code}")
    return http


def token(http: httpx.Client, path: str) -> str:
    """What proves that a form is from this page."""
    found = re.search(r'name="csrf" value="([^"]+)"', http.get(path).text)
    check(found, f"{path} has no form")
    return found[1] if found else ""
