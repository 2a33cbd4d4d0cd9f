"""Runs of the lane in processes of their own, to be killed; a new one starts as Dagster's sensor would have it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

DRAIN = "import os; from resources.settings import Settings; from assets.elation.sending import lane;"
DRAIN += " from assets.drain.run import drain_singles; settings = Settings(dict(os.environ));"
DRAIN += " drain_singles(settings, lane(settings), run_id=str(os.getpid()))"


class Runs:
    """So many runs at a time; one that has ended or was killed is followed by another."""

    def __init__(self, environment: Mapping[str, str], number: int = 1) -> None:
        self._environment = {**os.environ, **environment}
        self._processes = [self._started() for _ in range(number)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.killed = 0

    def _started(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", DRAIN], env=self._environment)

    def start(self) -> None:
        """Watch them."""
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            for place, process in enumerate(self._processes):
                if process.poll() is not None:
                    self._processes[place] = self._started()

    def kill(self, place: int = 0) -> None:
        """As a power failure would."""
        self._processes[place].send_signal(signal.SIGKILL)
        self.killed += 1

    def stop(self) -> None:
        """Ask all to stop, and wait."""
        self._over.set()
        self._thread.join(10)
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def running(environment: Mapping[str, str], number: int = 1) -> Iterator[Runs]:
    """Runs of the lane until the end of the block."""
    runs = Runs(environment, number)
    runs.start()
    try:
        yield runs
    finally:
        runs.stop()


def wait(true: Callable[[], object], seconds: float, text: str) -> None:
    """Look until it is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, text
        time.sleep(0.1)
