"""Services that die, hang, are orphaned or never start: real processes, small ones."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from handoff import own_processes
from handoff.checks import http_answers, http_ok, tcp_open
from handoff.log_file import trim
from handoff.ports import free_port
from handoff.service import Service, Unit
from handoff.supervisor import SILENT, SupervisorError, Watched, supervised

ENVIRONMENT = {"PATH": os.environ["PATH"]}

#: Listens, and leaves a grandchild in a session of its own, as a run worker could.
SERVER = """
import socket, subprocess, sys, time
if len(sys.argv) > 2:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    while True:
        server.accept()[0].close()
"""


def server(name: str, *more: str) -> Service:
    port = free_port()
    return Service(
        name,
        (sys.executable, "-c", SERVER, str(port), *more),
        ENVIRONMENT,
        ready=tcp_open(port),
        port=port,
        setting=f"{name.upper()}_PORT",
        stop_seconds=5,
    )


def until(true: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


#: One service and its grandchild, until a signal comes.
APART = """
import pathlib, sys, threading
from handoff.supervisor import supervised
from tests.handoff.test_supervisor import server
here = pathlib.Path(sys.argv[1])
try:
    with supervised(here, here, [server("first", "with a grandchild")]):
        threading.Event().wait()
except KeyboardInterrupt:
    sys.exit(7)
"""


@contextmanager
def supervisor_apart(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A supervisor in a process of its own, whose services are ready."""
    words = (sys.executable, "-c", APART, str(folder))
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        assert supervisor.stdout.readline().split()[:2] == ["first", "ready"]
        assert until(lambda: len(list(own_processes.find(folder))) == 2)
        yield supervisor


def silent(_: str) -> None:
    """Nobody reads along."""


def test_services_are_ready_when_the_block_begins_and_gone_when_it_ends(tmp_path: Path) -> None:
    said: list[str] = []
    services = [server("first", "with a grandchild"), server("second")]
    with supervised(tmp_path, tmp_path, services, say=said.append) as supervisor:
        assert all(service.ready(0) for service in services)
        assert {supervisor.pid("first"), supervisor.pid("second")} < set(own_processes.find(tmp_path))
        assert until(lambda: len(list(own_processes.find(tmp_path))) == 3)
    assert list(own_processes.find(tmp_path)) == []
    assert not any(service.ready(0) for service in services)
    assert [line.split()[0] for line in said] == ["first", "second", "Stopping"]


def test_a_killed_service_is_back_within_seconds_and_the_others_are_left_alone(tmp_path: Path) -> None:
    service, other = server("first"), server("second")
    with supervised(tmp_path, tmp_path, [service, other], say=silent) as supervisor:
        before, bystander = supervisor.pid("first"), supervisor.pid("second")
        os.kill(before, signal.SIGKILL)
        assert until(lambda: supervisor.pid("first") not in {0, before} and service.ready(0), seconds=5)
        assert supervisor.pid("second") == bystander


def test_a_service_is_told_its_passphrase_again_whenever_it_is_started(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    words = f"import sys; open({str(heard)!r}, 'a').write(sys.stdin.readline())\n{SERVER}"
    port = free_port()
    service = Service(
        "reader",
        (sys.executable, "-c", words, str(port)),
        ENVIRONMENT,
        ready=tcp_open(port),
        told="a word of its own",
    )
    with supervised(tmp_path, tmp_path, [service], say=silent) as supervisor:
        os.kill(supervisor.pid("reader"), signal.SIGKILL)
        assert until(lambda: heard.read_text() == "a word of its own\n" * 2, seconds=5)


def test_a_service_that_ends_at_once_is_named_with_its_last_words(tmp_path: Path) -> None:
    words = (sys.executable, "-c", "raise SystemExit('no such table')")
    service = Service("web", words, ENVIRONMENT, ready=lambda _: False)
    said = r"web ends at once, see .*web\.log\n(?s:.*)no such table"
    with pytest.raises(SupervisorError, match=said), supervised(tmp_path, tmp_path, [service], say=silent):
        pytest.fail("nothing is ready")
    assert list(own_processes.find(tmp_path)) == []


def test_a_taken_port_is_told_with_its_setting_and_nothing_is_started(tmp_path: Path) -> None:
    first, second = server("first"), server("second")
    with (
        socket.create_server(("127.0.0.1", second.port)),
        pytest.raises(SupervisorError, match="set SECOND_PORT to a free one"),
        supervised(tmp_path, tmp_path, [first, second], say=silent),
    ):
        pytest.fail("the port is taken")
    assert not (tmp_path / "logs").exists()


def test_what_a_killed_supervisor_left_behind_is_ended_and_a_stranger_is_not(tmp_path: Path) -> None:
    sleep = (sys.executable, "-c", "import time; time.sleep(600)")
    stranger = subprocess.Popen(sleep, env={**ENVIRONMENT, **own_processes.marked(tmp_path / "another")})
    with supervisor_apart(tmp_path) as killed:
        killed.kill()
        killed.wait()
    left = set(own_processes.find(tmp_path))
    assert len(left) == 2
    said: list[str] = []
    try:
        with supervised(tmp_path, tmp_path, [server("first")], say=said.append):
            assert left.isdisjoint(own_processes.find(tmp_path))
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    assert said[0] == "  ended 2 processes that an earlier supervisor left behind"


def test_a_second_supervisor_of_the_same_clone_is_refused(tmp_path: Path) -> None:
    with (
        supervised(tmp_path, tmp_path, [], say=silent),
        pytest.raises(SupervisorError, match="already up"),
        supervised(tmp_path, tmp_path, [], say=silent),
    ):
        pytest.fail("there are two")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_and_a_second_one_does_not_hinder_it(
    tmp_path: Path, sign: signal.Signals
) -> None:
    with supervisor_apart(tmp_path) as supervisor:
        supervisor.send_signal(sign)
        assert supervisor.stdout
        assert supervisor.stdout.readline() == "Stopping ...\n"
        supervisor.send_signal(sign)
        assert supervisor.wait(15) == 7
    assert list(own_processes.find(tmp_path)) == []


def test_a_service_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    deaf = (
        "import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    unit = Unit(
        Service("deaf", (sys.executable, "-c", deaf), ENVIRONMENT, ready=lambda _: True, stop_seconds=0.2),
        tmp_path,
        tmp_path,
    )
    unit.start()
    assert until(lambda: "deaf" in unit.last_words())
    unit.stop()
    assert unit.process is not None
    assert unit.process.returncode == -signal.SIGKILL


def test_a_service_that_lives_but_does_not_answer_is_ended(tmp_path: Path) -> None:
    sleep = (sys.executable, "-c", "import time; time.sleep(600)")
    hung = Service("hung", sleep, ENVIRONMENT, ready=lambda _: True, answers=lambda _: False, start_seconds=0)
    watched = Watched(Unit(hung, tmp_path, tmp_path))
    watched.unit.start()
    for _ in range(SILENT - 1):
        watched.ask(silent)
    assert watched.unit.pid()
    watched.ask(silent)
    assert not watched.unit.pid()


def test_what_is_kept_beside_the_services_is_looked_after_and_its_faults_are_told_once(
    tmp_path: Path,
) -> None:
    calls: list[float] = []
    said: list[str] = []

    def keep() -> None:
        calls.append(time.monotonic())
        raise RuntimeError("the database does not start")

    with supervised(tmp_path, tmp_path, [], say=said.append, keep=keep):
        assert until(lambda: len(calls) == 3)
    assert said == ["  the database does not start", "Stopping ..."]


def test_a_log_is_kept_below_its_size_while_its_process_goes_on_writing(tmp_path: Path) -> None:
    writes = "import time\nfor n in range(10 ** 6): print(f'{n:099}', flush=True); time.sleep(0.001)"
    unit = Unit(
        Service("chatty", (sys.executable, "-c", writes), ENVIRONMENT, ready=lambda _: True),
        tmp_path,
        tmp_path,
    )
    unit.start()
    assert until(lambda: unit.log.stat().st_size > 20_000)
    trim(unit.log, most=20_000)
    assert until(lambda: 1_000 < unit.log.stat().st_size < 20_000)
    unit.stop()
    assert b"\0" not in unit.log.read_bytes(), "the process does not write at its old place"
    assert unit.log.with_suffix(".log.1").stat().st_size > 20_000


def test_a_service_that_cannot_work_now_answers_all_the_same() -> None:
    port = free_port()
    serve = (
        "import http.server, sys; http.server.test(http.server.BaseHTTPRequestHandler, port=int(sys.argv[1]))"
    )
    with subprocess.Popen((sys.executable, "-c", serve, str(port)), stderr=subprocess.DEVNULL) as process:
        assert until(lambda: http_answers(port, "/health")(0)), "501 is an answer"
        assert not http_ok(port, "/health")(0)
        process.kill()
    assert not http_answers(port, "/health")(0)
