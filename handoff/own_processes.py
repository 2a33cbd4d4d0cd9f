"""The processes of one supervisor, also those it did not start itself and those an earlier one left behind.

A process is ours only if its environment says so: every service is started with ``HANDOFF_SUPERVISED`` naming the
clone's state folder, and what it starts inherits that. A process number alone proves nothing, it is given anew.
Where there is no /proc nothing is found, and only the process groups of the services are ended.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "HANDOFF_SUPERVISED"


def marked(state: Path) -> dict[str, str]:
    """What a service's environment gets so that it is known again."""
    return {MARK: str(state)}


def find(state: Path) -> Iterator[int]:
    """The living processes that carry this state folder's mark."""
    mark = f"{MARK}={state}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:
            continue


def end(state: Path, *, patience: float) -> int:
    """End them all, asking first; how many there were."""
    seen: set[int] = set()
    for sign, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + seconds
        asked: set[int] = set()
        while left := set(find(state)):
            for pid in left - asked:
                tell(pid, sign)
            asked |= left
            seen |= left
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
    return len(seen)


def tell(pid: int, sign: signal.Signals) -> None:
    """Signal a process that may have ended meanwhile."""
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return


def tell_group(leader: int, sign: signal.Signals) -> None:
    """Signal a service and all it started; its number is its group's."""
    try:
        os.killpg(leader, sign)
    except ProcessLookupError:
        return
