"""``python -m sandbox`` as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

CLONE = Path(__file__).parents[2]
SYSTEMS = [
    "elation",
    "insurer",
    "mail",
    "northlab",
    "notices",
    "openmrs-child",
    "openmrs-child-2",
    "openmrs-parent",
    "redox",
    "reportstream",
    "s3",
    "simplereport",
    "video",
]


def start(port: int) -> subprocess.Popen[str]:
    ports = {
        "HANDOFF_SANDBOX_PORT": str(port),
        "HANDOFF_SANDBOX_MLLP_PORT": "0",
        "HANDOFF_SANDBOX_SMTP_PORT": "0",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox"],
        cwd=CLONE,
        env=os.environ | ports,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def sandbox() -> Iterator[tuple[subprocess.Popen[str], str]]:
    with start(0) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("sandbox http://127.0.0.1:"), process.stderr
        yield process, line.split()[1]
        process.kill()


def test_it_says_where_it_is_and_serves_every_system(sandbox: tuple[subprocess.Popen[str], str]) -> None:
    assert httpx.get(f"{sandbox[1]}/_sandbox").json() == {"systems": SYSTEMS}
    for system in SYSTEMS:
        assert httpx.get(f"{sandbox[1]}/_sandbox/{system}/received").json() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_when_told_to(sandbox: tuple[subprocess.Popen[str], str], number: int) -> None:
    process, url = sandbox
    with httpx.Client() as client:
        client.get(f"{url}/_sandbox")  # a connection that stays open must not keep it
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(10) == 0
    assert time.monotonic() - started < 3
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_a_taken_port_is_said_with_the_setting_to_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, start(taken.getsockname()[1]) as process:
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert "HANDOFF_SANDBOX_PORT" in process.stderr.read()


def test_it_imports_nothing_of_the_engine() -> None:
    code = "import sandbox.__main__, sandbox.samples.__main__, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=CLONE, capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    rooms = {"assets", "handoff", "pipelines", "resources", "web", "dagster"}
    assert rooms.isdisjoint(name.partition(".")[0] for name in loaded)
