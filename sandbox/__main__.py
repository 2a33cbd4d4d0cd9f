"""``python -m sandbox``: every partner in miniature on one port, until it is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import uvloop

from .front import Front
from .registry import all_systems
from .running import LOOPBACK, serve


def told(front: Front, port: int) -> None:
    """One line for the console, once requests are taken."""
    print(f"sandbox http://{LOOPBACK}:{port} serves {', '.join(sorted(front.desks))}", flush=True)


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    await serve(all_systems(), int(os.environ.get("HANDOFF_SANDBOX_PORT", "8090")), stop, told)


if __name__ == "__main__":
    try:
        uvloop.run(main())
    except OSError as taken:
        ports = "HANDOFF_SANDBOX_PORT, HANDOFF_SANDBOX_MLLP_PORT or HANDOFF_SANDBOX_SMTP_PORT"
        sys.exit(f"sandbox: cannot listen ({taken}); set {ports} to a free port")
