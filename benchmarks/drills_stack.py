"""A whole Handoff of a drill's own: a copy of the code, services, database, partners, all on free ports.

It is driven and looked at from outside, by HTTP and SQL, and broken by signals. Not how a drill judges what it
sees: that stands in the drills.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.drills_dagster import Dagster
from handoff import environment, own_processes, postgres
from handoff.checks import daemon_beats, http_ok, location_loaded
from handoff.ports import free_port
from handoff.services import LOCATION
from resources.settings import Settings
from resources.store.connect import connect
from resources.store.ids import arrival_and_part
from resources.store.lanes import NUMBERS
from resources.store.lookup import states
from resources.store.seal import Sealer

LANE = "reportstream"
ROOMS = ("assets", "handoff", "pipelines", "resources", "sandbox", "web")

#: What a drill's lane is set to: small batches and short waits, so that much happens in little time.
QUICK = {
    "REPORTSTREAM_BATCH_WINDOW_SECONDS": "0.5",
    "REPORTSTREAM_BATCH_ITEMS": "200",
    "REPORTSTREAM_SETTLE_SECONDS": "8",
    "REPORTSTREAM_POLL_PLAN": "1,2,3",
    "HANDOFF_RETRY_PLAN": "2,4,8,16,32",
    "HANDOFF_SANDBOX_DELIVERS_AFTER_SECONDS": "0.5",
}

#: How the processes of the services are known.
SIGNS = {
    "web": ("uvicorn",),
    "daemon": ("dagster._daemon",),
    "code-server": ("code-server", "start"),
    "location": ("api", "grpc"),
    "run": ("spawn_main",),
    "dagster": ("dagster_webserver",),
}


class Failed(AssertionError):
    """The drill has shown a fault; the text says which."""


def check(true: object, text: str) -> None:
    """What must hold."""
    if not true:
        raise Failed(text)


class Stack:
    """One running Handoff; ``start`` it, use it, ``stop`` it."""

    def __init__(self, root: Path, changed: Mapping[str, str]) -> None:
        self.root = root
        self.state = environment.state_of(root)
        ports = {name: str(free_port()) for name in environment.PORTS}
        self.given = {**_plain(), **ports, **QUICK, **changed, "SAMPLES": "0", "HOME": str(root / "home")}
        self.given |= {
            "REPORTSTREAM_URL": f"http://127.0.0.1:{ports['HANDOFF_SANDBOX_PORT']}/reportstream",
            "REPORTSTREAM_FUNCTION_KEY": "drill",
        }
        self.http = httpx.Client(timeout=30.0, trust_env=False)
        self.dagster = Dagster(self.http, self.port("HANDOFF_DAGSTER_PORT"))
        self._process: subprocess.Popen[bytes] | None = None
        self._partner: subprocess.Popen[bytes] | None = None

    def port(self, name: str) -> int:
        """One of its ports."""
        return int(self.given[name])

    # -- up and down -----------------------------------------------------------------------------------------

    def start(self, seconds: float = 180.0) -> None:
        """Start everything and wait until it does its work."""
        (self.root / "home").mkdir(exist_ok=True)
        if self._partner is None:  # it outlives what is killed: it remembers what it took
            self._partner = self._started("sandbox")
        self._process = process = self._started("handoff.services", "up")
        since = time.time()
        log_path = self.root / "handoff.services.log"
        wait(
            lambda: self.answers(since) or process.poll() is not None,
            seconds,
            f"the services are not ready, see {log_path}",
        )
        check(process.poll() is None, f"the services do not start, see {log_path}")

    def _started(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.root / f"{module}.log").open("ab") as log:
            return subprocess.Popen(
                (sys.executable, "-m", module, *words),
                cwd=self.root,
                env=self.given,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def answers(self, since: float) -> bool:
        """Whether the doors, the code location and the daemon do their work."""
        dagster = self.port("HANDOFF_DAGSTER_PORT")
        checks = (
            http_ok(self.port("HANDOFF_WEB_PORT"), "/health"),
            location_loaded(dagster, LOCATION),
            daemon_beats(dagster),
        )
        return all(one(since) for one in checks)

    def stop(self) -> None:
        """Stop everything, politely, then what is left."""
        for process in filter(None, (self._process, self._partner)):
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        own_processes.end(self.state, patience=3)
        postgres.stop(self.state)
        self.http.close()

    # -- breaking --------------------------------------------------------------------------------------------

    def pids(self, what: str) -> list[int]:
        """The processes of one of its parts."""
        if what == "postgres":
            first = (self.state / "pg" / "data" / "postmaster.pid").read_text().split("\n", 1)[0]
            return [int(first)]
        if what == "supervisor":
            return [self._process.pid] if self._process else []
        return [pid for pid in own_processes.find(self.state) if _is(pid, SIGNS[what])]

    def kill(self, what: str) -> int:
        """End them as a power failure would; how many there were."""
        parts = ("supervisor", *SIGNS, "postgres") if what == "everything" else (what,)
        pids = [pid for part in parts for pid in self.pids(part)]
        for pid in dict.fromkeys(pids):
            own_processes.tell(pid, signal.SIGKILL)
        if what == "everything" and self._process:
            self._process.wait()
        return len(pids)

    # -- sending ---------------------------------------------------------------------------------------------

    @property
    def door(self) -> str:
        """Where test events go in."""
        return f"http://127.0.0.1:{self.port('HANDOFF_WEB_PORT')}/intake/reportstream/test-events"

    def secrets(self) -> dict[str, str]:
        """What the clone has made up for itself."""
        return dict(environment.load(self.root, environ=self.given))

    def token(self) -> str:
        """A sender's secret."""
        return self.secrets()["HANDOFF_TOKENS_REPORTSTREAM"].split(",")[0]

    def send(self, events: list[dict[str, Any]], token: str, *, patience: float = 60.0) -> dict[str, int]:
        """Hand events over as a careful sender does: again and again until it is answered."""
        end = time.monotonic() + patience
        body = json.dumps(events).encode()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        while True:
            try:
                answer = self.http.post(self.door, content=body, headers=headers, timeout=10.0)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 202:
                return dict(answer.json())
            if answer is not None and answer.status_code < 500:
                raise Failed(f"the door answers {answer.status_code}")
            check(time.monotonic() < end, "the door did not take an event in time")
            time.sleep(0.2)

    # -- the partner -----------------------------------------------------------------------------------------

    @property
    def partner(self) -> str:
        """The partner's desk."""
        return f"http://127.0.0.1:{self.port('HANDOFF_SANDBOX_PORT')}/_sandbox/reportstream"

    def faults(self, *faults: dict[str, Any]) -> None:
        """What the partner does instead of answering well."""
        self.http.post(f"{self.partner}/faults", json=list(faults)).raise_for_status()

    def mend(self) -> None:
        """No more faults. It forgets what it took as well: only before it has taken anything."""
        self.http.delete(self.partner).raise_for_status()

    def records(self) -> Counter[str]:
        """How often the partner took each result."""
        return Counter(self.http.get(f"{self.partner}/records").raise_for_status().json())

    def requests(self, bodies: bool = False) -> list[dict[str, Any]]:
        """What the partner received."""
        found = self.http.get(f"{self.partner}/received?bodies={int(bodies)}", timeout=120).raise_for_status()
        return list(found.json())

    # -- the store -------------------------------------------------------------------------------------------

    @property
    def cluster(self) -> postgres.Cluster:
        """Its database server."""
        found = postgres.running(self.state)
        if found is None:
            raise Failed("the database is not running")
        return found

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, as the application sees them."""
        with closing(connect(self.cluster.app_url, "drill")) as db:
            return db.execute(query, values).fetchall()

    def states(self) -> dict[str, int]:
        """How many messages of the lane are in which state."""
        with closing(connect(self.cluster.app_url, "drill")) as db:
            return dict(states(db).get(LANE, {}))

    def sealer(self) -> Sealer:
        """Opens what it has stored."""
        return Sealer(Settings(self.secrets()).keys)

    def ids_of(self, *wanted: int) -> set[str]:
        """The event ids of the messages that are in one of these states."""
        sealer = self.sealer()
        rows = self.rows(
            "SELECT i.id, i.body FROM ended AS e JOIN inbox AS i ON i.id = e.arrival"
            " WHERE e.lane = %s AND e.state = ANY(%s::smallint[])",
            NUMBERS[LANE],
            list(wanted),
        )
        return {json.loads(sealer.open(bytes(body), b"inbox", at))["event_id"] for at, body in rows}

    def answers_about(self, message: int) -> list[bytes]:
        """What the partner said to the batches a message was in."""
        arrival, _ = arrival_and_part(message)
        rows = self.rows(
            "SELECT a.message, a.answer FROM attempt AS a JOIN batch AS b ON b.id = a.message"
            " WHERE %s = ANY(b.members) AND a.answer IS NOT NULL",
            arrival,
        )
        sealer = self.sealer()
        return [sealer.open(bytes(answer), b"attempt", at) for at, answer in rows]

    def drains(self) -> int:
        """How many runs drain the lane now."""
        held = "SELECT count(*) FROM drain WHERE lane = %s AND ended_at IS NULL AND beat_at > now() - interval '10 s'"
        return int(self.rows(held, NUMBERS[LANE])[0][0])

    def settled(self) -> bool:
        """Nothing waits and nothing is only accepted."""
        found = self.states()
        return not (found.get("waiting") or found.get("accepted"))


@contextmanager
def running(name: str, **changed: str) -> Iterator[Stack]:
    """A stack for one drill, in a folder of its own that is new each time and stays for whoever looks after it."""
    root = environment.state_of(environment.ROOT) / "drills" / name
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for room in ROOMS:
        shutil.copytree(environment.ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [*environment.ROOT.glob("*.toml"), environment.ROOT / "dagster.yaml"]:
        shutil.copy(path, root)
    stack = Stack(root, changed)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def wait(true: Callable[[], object], seconds: float, text: str, *, every: float = 0.1) -> float:
    """Seconds until it came true; the drill has failed when it does not in time. What is down is waited for."""
    started = time.monotonic()
    while True:
        try:
            if true():
                return time.monotonic() - started
        except Exception as error:
            text_of = f"{text} ({type(error).__name__})"
        else:
            text_of = text
        check(time.monotonic() - started < seconds, text_of)
        time.sleep(every)


def events(root: Path, count: int, run: str, *, changes: float = 6.0) -> list[dict[str, Any]]:
    """Sample test events, made by the sandbox's own sender."""
    words = (sys.executable, "-m", "sandbox.samples", LANE, "--count", str(count), "--run", run)
    made = subprocess.run(
        (*words, "--changes", str(changes)), cwd=root, capture_output=True, check=True, env=_plain()
    )
    return [json.loads(line) for line in made.stdout.splitlines() if line.startswith(b"{")]


def _plain() -> dict[str, str]:
    """This process's environment without anything that names another Handoff."""
    ours = ("HANDOFF_", "REPORTSTREAM_", "DAGSTER_", "ELATION_", "REDOX_", "CHECK", "ONLY", "FULL", "SAMPLES")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _is(pid: int, signs: tuple[str, ...]) -> bool:
    try:
        words = (Path("/proc") / str(pid) / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    return all(sign in words for sign in signs)
