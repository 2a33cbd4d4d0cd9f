"""One process that is kept running: how it is started, how it is known to work, how it is ended.

Not when: see ``handoff.supervisor``. A service writes to its log file itself, so nothing is lost and nothing
blocks when the supervisor is killed.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from handoff import own_processes

#: Whether the service does its work, told when its process was started (seconds since 1970).
Check = Callable[[float], bool]


@dataclass(frozen=True)
class Service:
    """What runs, where, how to know that it works, and which setting moves its port."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    ready: Check
    answers: Check = lambda _: True
    port: int = 0
    setting: str = ""
    address: str = ""
    start_seconds: float = 90.0
    stop_seconds: float = 10.0
    #: What it reads from its standard input at every start: a passphrase stands in no environment and no file.
    told: str = field(default="", repr=False)


class Unit:
    """A service and its process of the moment."""

    def __init__(self, service: Service, root: Path, state: Path) -> None:
        self.service = service
        self.root = root
        self.log = state / "logs" / f"{service.name}.log"
        self.environment = {**service.environment, **own_processes.marked(state)}
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0

    def start(self) -> None:
        """Start the process, in a session of its own: Ctrl-C is for the supervisor."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(self.log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own words only
                self.service.command,
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.PIPE if self.service.told else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
        self._tell(self.process)
        self.started = time.time()

    def _tell(self, process: subprocess.Popen[bytes]) -> None:
        """A line fits into the pipe, so this never waits; one that has ended already shows at the next look."""
        if process.stdin is not None:
            with suppress(OSError), process.stdin as line:
                line.write(self.service.told.encode() + b"\n")

    def pid(self) -> int:
        """Its process number; 0 while it is down."""
        return self.process.pid if self.process and self.process.poll() is None else 0

    def age(self) -> float:
        """Seconds since it was started."""
        return time.time() - self.started

    def ready(self) -> bool:
        """Whether it does its work."""
        return self.pid() != 0 and self.service.ready(self.started)

    def stop(self) -> None:
        """Ask the process and its children to end; end them when they do not."""
        if self.process is not None and self.pid():
            own_processes.tell_group(self.process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(self.service.stop_seconds)
        self.kill()

    def kill(self) -> None:
        """End what is left of the process and of its group."""
        if self.process is not None:
            own_processes.tell_group(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def last_words(self) -> str:
        """The end of its log, for the person who has to find out why it does not start."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {line}" for line in lines[-8:])
