"""The service as a process of its own: it starts from the environment and ends without losing an answer."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from handoff.ports import free_port
from resources.settings import Settings
from tests.conftest import Database
from tests.web.conftest import ROOT, encoded, event

PATH = "/intake/reportstream/test-events"
UVICORN = ("-m", "uvicorn", "--factory", "web.app:create_app", "--no-access-log", "--port")


def start(settings: Settings, log: Path, *words: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, **settings.values, "COVERAGE_PROCESS_START": ""}
    with log.open("wb") as file:
        return subprocess.Popen((sys.executable, *words), cwd=ROOT, env=environment, stdout=file, stderr=file)


def await_health(url: str, service: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert service.poll() is None
        try:
            if httpx.get(f"{url}/health", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the service does not answer")


@pytest.mark.parametrize("how", ["python -m web", "uvicorn"])
def test_a_stop_finishes_what_is_being_stored(
    how: str, settings: Settings, bearer: dict[str, str], database: Database, tmp_path: Path
) -> None:
    port = free_port()
    settings = Settings({**settings.values, "HANDOFF_WEB_PORT": str(port)})
    words = ("-m", "web") if how != "uvicorn" else (*UVICORN, str(port))
    service = start(settings, tmp_path / "log", *words)
    url = f"http://127.0.0.1:{port}"
    taken: list[int] = []

    def send(sender: int) -> None:
        with httpx.Client(base_url=url, headers=bearer, trust_env=False) as client:
            for number in range(10_000):
                try:
                    answer = client.post(PATH, content=encoded(event(f"{sender}-{number}")))
                except httpx.TransportError:
                    return
                assert answer.status_code == 202
                taken.append(number)

    try:
        await_health(url, service)
        senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for sender in senders:
            sender.start()
        while len(taken) < 200:
            time.sleep(0.01)
        service.send_signal(signal.SIGTERM)
        service.wait(20)
        for sender in senders:
            sender.join(20)
    finally:
        service.kill()
        service.wait()
    kept = int(str(database.one("SELECT count(*) FROM inbox")))
    assert len(taken) <= kept <= len(taken) + 4
    log = (tmp_path / "log").read_text()
    assert '"level": "error"' not in log
    assert "Quill" not in log


def test_a_setting_that_is_missing_is_named(tmp_path: Path, settings: Settings) -> None:
    without = Settings({**settings.values, "HANDOFF_KEYS": "", "HANDOFF_WEB_PORT": str(free_port())})
    service = start(without, tmp_path / "log", "-m", "web")
    assert service.wait(30) != 0
    assert "HANDOFF_KEYS is not set" in (tmp_path / "log").read_text()
