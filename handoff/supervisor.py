"""Keeps services running: starts them, waits until they are ready, starts again what dies, stops all it started.

Not which services: see ``handoff.services``. Not for production, where systemd or Kubernetes does it.
"""

import fcntl
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from handoff import own_processes
from handoff.log_file import trim
from handoff.ports import listening
from handoff.service import Service, Unit

#: Seconds between looks at the processes, and between questions to those that live.
LOOK, ASK = 0.2, 5.0

#: Questions without an answer after which a living process is ended and started anew.
SILENT = 6

#: Seconds before a service that died is started again: more each time, until one has lived for a minute.
BACK_OFF = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)


#: Something to be done; what it returns is of no interest.
Act = Callable[[], object]


class SupervisorError(RuntimeError):
    """The services cannot be brought up; the text says which, why and what to change."""


def nothing() -> None:
    """Nothing is to be done."""


def tell(line: str) -> None:
    """To the terminal, at once; a terminal that is gone is no reason to leave services running."""
    with suppress(OSError):
        print(line, flush=True)


class Interrupts:
    """The first request to stop ends what is going on; further ones do not disturb the stopping."""

    def __init__(self) -> None:
        self.deaf = False

    def __call__(self, sign: int, frame: FrameType | None) -> None:
        if not self.deaf:
            self.deaf = True
            raise KeyboardInterrupt


class Watched:
    """A unit and what the supervisor remembers of it."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.deaths = 0
        self.silent = 0
        self.due: float | None = None

    def look(self, say: Callable[[str], None]) -> None:
        """Start it again when it has died and its time has come."""
        trim(self.unit.log)
        if self.unit.pid():
            return
        if self.due is None:
            self.deaths = 1 if self.unit.age() > 60 else self.deaths + 1
            seconds = BACK_OFF[min(self.deaths, len(BACK_OFF)) - 1]
            self.due = time.monotonic() + seconds
            say(
                f"  {self.unit.service.name} ended; it is started again in {seconds:g} s (see {self.unit.log})"
            )
        elif time.monotonic() >= self.due:
            self.due, self.silent = None, 0
            self.unit.start()

    def ask(self, say: Callable[[str], None]) -> None:
        """End it when it lives but has not answered for a while; the next look starts it again."""
        if not self.unit.pid() or self.unit.age() < self.unit.service.start_seconds:
            return
        self.silent = 0 if self.unit.service.answers(self.unit.started) else self.silent + 1
        if self.silent >= SILENT:
            say(f"  {self.unit.service.name} does not answer any more and is ended")
            self.unit.kill()


class Supervisor:
    """The services of one clone, watched by threads of its own."""

    def __init__(self, root: Path, state: Path, say: Callable[[str], None], keep: Act) -> None:
        self.root, self.state, self.say, self.keep = root, state, say, keep
        self.watched: list[Watched] = []
        self.leaving = threading.Event()
        self.complaint = ""
        self.threads = [
            threading.Thread(target=self._repeat, args=(act, seconds), daemon=True)
            for act, seconds in ((self._look, LOOK), (self._ask, ASK), (self.keep, 1.0))
        ]

    def start(self, services: Sequence[Service]) -> None:
        """Start all, then wait for each in turn."""
        for service in services:
            if service.port and listening(service.port):
                raise SupervisorError(
                    f"port {service.port} for {service.name} is taken: set {service.setting} to a free one"
                )
        for service in services:
            watched = Watched(Unit(service, self.root, self.state))
            watched.unit.start()
            self.watched.append(watched)
        for thread in self.threads:
            thread.start()
        for watched in self.watched:
            self._await(watched)

    def pid(self, name: str) -> int:
        """The process number of a service; 0 while it is down."""
        return next(watched.unit.pid() for watched in self.watched if watched.unit.service.name == name)

    def stop(self) -> None:
        """Stop all in reverse order, then whatever they left behind."""
        self.leaving.set()
        for thread in self.threads:
            if thread.is_alive():
                thread.join(timeout=20)
        for watched in reversed(self.watched):
            watched.unit.stop()
        own_processes.end(self.state, patience=3)

    def _await(self, watched: Watched) -> None:
        unit = watched.unit
        deadline = time.monotonic() + unit.service.start_seconds
        while not unit.ready():
            if time.monotonic() > deadline or watched.deaths > 2:
                why = "ends at once" if watched.deaths > 2 else "is not ready in time"
                raise SupervisorError(f"{unit.service.name} {why}, see {unit.log}\n{unit.last_words()}")
            time.sleep(0.1)
        self.say(
            f"  {unit.service.name:<12} ready after {unit.age():4.1f} s  {unit.service.address}".rstrip()
        )

    def _repeat(self, act: Act, seconds: float) -> None:
        """Until asked to leave. A fault of one round is told once, and the next round tries again."""
        while not self.leaving.wait(seconds):
            try:
                act()
            except Exception as fault:
                if self.complaint != str(fault):
                    self.complaint = str(fault)
                    self.say(f"  {fault}")

    def _look(self) -> None:
        for watched in self.watched:
            watched.look(self.say)

    def _ask(self) -> None:
        for watched in self.watched:
            watched.ask(self.say)


@contextmanager
def supervised(
    root: Path,
    state: Path,
    services: Sequence[Service],
    *,
    say: Callable[[str], None] = tell,
    prepare: Act = nothing,
    keep: Act = nothing,
    after: Act = nothing,
) -> Iterator[Supervisor]:
    """The services, ready, for as long as the block runs; Ctrl-C, SIGTERM and a closed terminal end it.

    ``prepare`` is called before anything is started and ``after`` when all is stopped; ``keep`` is called every
    second, for what is not a process of ours and has to be there all the same.
    """
    state = state.resolve()
    with _alone(state), _interruptible() as interrupts:
        supervisor = Supervisor(root, state, say, keep)
        try:
            if left := own_processes.end(state, patience=10):
                say(f"  ended {left} processes that an earlier supervisor left behind")
            prepare()
            supervisor.start(services)
            yield supervisor
        finally:
            interrupts.deaf = True
            say("Stopping ...")
            supervisor.stop()
            after()


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """One supervisor a clone. The kernel gives the lock back however the supervisor ends."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "supervisor.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SupervisorError(f"the services of {state} are already up: stop them first") from None
        yield


@contextmanager
def _interruptible() -> Iterator[Interrupts]:
    """Turn every polite signal into one KeyboardInterrupt, in the thread that may have it."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for sign in before:
        signal.signal(sign, interrupts)
    try:
        yield interrupts
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
