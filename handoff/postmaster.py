"""The pid file of the embedded PostgreSQL: which process serves a data folder, and how far it is.

Not how a server is started or stopped: see ``handoff.postgres``.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

#: No process can have it: the kernel's largest is one less.
NOBODYS_PID = 4_194_305


@dataclass(frozen=True)
class Postmaster:
    """What the running server says of itself in its pid file."""

    pid: int
    port: int
    status: str


def settled(data: Path) -> Postmaster | None:
    """The running server once it is ready, or None; one that starts, recovers or stops is waited for."""
    deadline = time.monotonic() + 300
    while (found := postmaster(data)) and found.status != "ready":
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server of {data} has been {found.status or 'starting'} for five minutes")
        time.sleep(0.05)
    return found


def postmaster(data: Path) -> Postmaster | None:
    """The pid file's word, believed only if that process runs PostgreSQL on this very folder."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        found = Postmaster(int(lines[0]), int(lines[3]), lines[7].strip() if len(lines) > 7 else "")
    except (OSError, ValueError, IndexError):
        return None
    return found if _serves(found.pid, data) else None


def _serves(pid: int, data: Path) -> bool:
    """Where there is no /proc a living process is believed."""
    if Path("/proc/self/cmdline").exists():
        try:
            return str(data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def disown(data: Path) -> None:
    """Take the number out of a dead server's pid file, but leave the rest of it.

    PostgreSQL would refuse to start while another program, or a zombie, has the number. It removes the file
    itself after it has made sure by the rest that no child of the dead server is at work.
    """
    kept = data / "postmaster.pid"
    if kept.exists():
        _, _, rest = kept.read_text().partition("\n")
        kept.write_text(f"{NOBODYS_PID}\n{rest}")
