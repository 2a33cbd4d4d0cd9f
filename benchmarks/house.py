"""The whole house for a measurement: services, sandbox, Dagster, as ``make demo`` runs them, in a place of its own."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.lines import tell
from benchmarks.place import Place
from handoff import services
from handoff.supervisor import Supervisor

LAUNCH = """
mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


@dataclass(frozen=True)
class House:
    """What runs, and how to speak to it."""

    place: Place
    supervisor: Supervisor
    http: httpx.Client

    def url(self, port: str, path: str) -> str:
        """An address on this machine."""
        return f"http://127.0.0.1:{self.place.port(port)}{path}"

    def ask(self, query: str, variables: dict[str, Any]) -> Any:
        """Dagster's answer to a GraphQL question."""
        url = self.url("HANDOFF_DAGSTER_PORT", "/graphql")
        answer = self.http.post(url, json={"query": query, "variables": variables})
        return answer.raise_for_status().json()["data"]

    def launch(
        self, job: str, config: dict[str, Any] | None = None, location: str = services.LOCATION
    ) -> str:
        """Launch a job and return the run's id."""
        selector = {
            "repositoryLocationName": location,
            "repositoryName": "__repository__",
            "jobName": job,
        }
        answer = self.ask(LAUNCH, {"params": {"selector": selector, "runConfigData": config or {}}})[
            "launchRun"
        ]
        if answer["__typename"] != "LaunchRunSuccess":
            raise RuntimeError(f"the run was not launched: {answer}")
        return str(answer["run"]["runId"])

    def ended(self, run_id: str) -> bool:
        """Whether a run has come to its end."""
        return self.ask(STATUS, {"id": run_id})["runOrError"]["status"] in ENDED

    def received(self, system: str, *, bodies: bool = False) -> list[dict[str, Any]]:
        """What a partner in miniature has received."""
        path = f"/_sandbox/{system}/received?bodies={int(bodies)}"
        answer: list[dict[str, Any]] = self.http.get(self.url("HANDOFF_SANDBOX_PORT", path)).json()
        return answer

    def forget(self, system: str) -> None:
        """Let a partner forget what it has received."""
        self.http.delete(self.url("HANDOFF_SANDBOX_PORT", f"/_sandbox/{system}"))

    def live(self, lane: int) -> bool:
        """Whether a run drains the lane or may be about to."""
        with self.place.connect() as db:
            rows = db.execute("SELECT 1 FROM drain WHERE lane = %s AND ended_at IS NULL", [lane]).fetchall()
        return bool(rows)


@contextmanager
def up(place: Place, *, locations: Sequence[dict[str, Any]] = ()) -> Iterator[House]:
    """The services of the demo, ready; ``locations`` are loaded beside ours."""
    place.start()
    wanted = services.for_demo(place.values, place.root)
    workspace = place.state / "dagster" / "workspace.json"
    known = json.loads(workspace.read_text())
    workspace.write_text(json.dumps({"load_from": [*known["load_from"], *locations]}))
    with (
        httpx.Client(timeout=60.0, trust_env=False) as http,
        services.running(wanted, place.values, root=place.root, say=tell) as supervisor,
    ):
        yield House(place, supervisor, http)


def wait_for(what: Callable[[], bool], seconds: float, *, every: float = 0.2) -> None:
    """Look until it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(every)


class Heaviest:
    """Watches the processes below one and remembers the most memory any of them had, and all of their time."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.megabytes = 0.0
        self.cpu_seconds: dict[int, float] = {}

    def __enter__(self) -> "Heaviest":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            for pid in _below(self._root):
                self.megabytes = max(self.megabytes, _peak(pid))
                self.cpu_seconds[pid] = _cpu_seconds(pid)


def _below(root: int) -> list[int]:
    """The processes that descend from one, by Linux's own list."""
    found, left = [], [root]
    while left:
        parent = left.pop()
        try:
            tasks = list(Path(f"/proc/{parent}/task").iterdir())
            children = [int(word) for task in tasks for word in (task / "children").read_text().split()]
        except OSError:
            continue
        found += children
        left += children
    return found


def _peak(pid: int) -> float:
    """The most memory a process has had, in megabytes; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next(
        (int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmHWM")), 0.0
    )


def _cpu_seconds(pid: int) -> float:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
