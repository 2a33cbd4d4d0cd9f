"""The services of a clone, with a small lane in the product's place: real Dagster, real PostgreSQL."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from handoff import environment, own_processes, postgres, services
from handoff.checks import daemon_beats, location_loaded
from handoff.ports import free_port
from handoff.supervisor import SupervisorError

CLONE = Path(__file__).resolve().parents[2]

DEFINITIONS = """
import dagster as dg

@dg.asset
def greeting() -> None: ...

greet = dg.define_asset_job("greet", selection="greeting", executor_def=dg.in_process_executor)

@dg.sensor(job=greet, minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def greet_work(context):
    return dg.RunRequest()

defs = dg.Definitions(assets=[greeting], jobs=[greet], sensors=[greet_work])
"""

WEB = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

def create_app():
    return Starlette(routes=[Route("/health", lambda request: PlainTextResponse("ok"))])
"""

PORTS = ("HANDOFF_WEB_PORT", "HANDOFF_DAGSTER_PORT", "HANDOFF_SANDBOX_PORT", "HANDOFF_POSTGRES_PORT")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A clone with one asset and one page, in a folder too deep for the path of a Unix socket."""
    root = tmp_path / ("a-folder-with-a-long-name-" * 4) / "clone"
    for name, text in (("pipelines/definitions.py", DEFINITIONS), ("web/app.py", WEB)):
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        (path.parent / "__init__.py").touch()
    (root / "dagster.yaml").write_text((CLONE / "dagster.yaml").read_text())
    return root


@pytest.fixture
def settings(root: Path) -> Iterator[dict[str, str]]:
    """The environment of that clone, on ports of its own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("HANDOFF_", "DAGSTER_"))}
    yield environment.load(root, environ={**own, **{name: str(free_port()) for name in PORTS}})
    postgres.stop(root / ".handoff")


def until(true: Callable[[], bool], seconds: float = 90) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return False


def succeeded(settings: dict[str, str], since: float) -> bool:
    """Whether a run that began after this moment has ended well, by Dagster's own tables."""
    with psycopg.connect(settings["DAGSTER_POSTGRES_URL"]) as connection:
        row = connection.execute(
            "SELECT count(*) FROM runs WHERE status = 'SUCCESS' AND start_time > %s", (since,)
        ).fetchone()
    return bool(row and row[0])


def test_a_lane_runs_and_goes_on_when_every_service_and_the_database_are_killed(
    root: Path, settings: dict[str, str]
) -> None:
    said: list[str] = []
    names = ["code-server", "dagster", "daemon", "web"]
    dagster = environment.port(settings, "HANDOFF_DAGSTER_PORT")
    with services.running(
        services.for_up(settings, root), settings, root=root, say=said.append
    ) as supervisor:
        assert [line.split()[0] for line in said] == names
        assert until(lambda: succeeded(settings, 0))
        before = {name: supervisor.pid(name) for name in names}
        killed = time.time()
        for pid in (*before.values(), postmaster(root)):
            os.kill(pid, signal.SIGKILL)
        assert until(lambda: postgres.running(root / ".handoff") is not None)
        assert until(lambda: all(supervisor.pid(name) not in {0, pid} for name, pid in before.items()))
        assert until(lambda: daemon_beats(dagster)(killed) and location_loaded(dagster, "handoff")(killed))
        assert until(lambda: succeeded(settings, killed))
    assert list(own_processes.find(root / ".handoff")) == []
    assert postgres.running(root / ".handoff") is None


def postmaster(root: Path) -> int:
    return int((root / ".handoff" / "pg" / "data" / "postmaster.pid").read_text().split()[0])


def test_the_doors_get_no_database_but_the_applications(root: Path) -> None:
    settings = dict.fromkeys(environment.DATABASES, "postgresql://somewhere/else")
    by_name = {service.name: service for service in services.for_demo(settings, root)}
    assert set(by_name) == {"sandbox", "code-server", "dagster", "daemon", "web"}
    assert set(by_name["web"].environment) & set(environment.DATABASES) == {"HANDOFF_DATABASE_URL"}
    assert set(by_name["code-server"].environment) >= set(environment.DATABASES)
    assert set(by_name["sandbox"].environment).isdisjoint(environment.DATABASES)


def test_results_are_opened_by_a_service_that_alone_is_told_the_passphrase(root: Path) -> None:
    settings = dict.fromkeys(environment.DATABASES, "postgresql://somewhere/else")
    found = services.for_demo(settings, root, passphrase="a word of its own")
    told = {service.name: service.told for service in found}
    assert told.pop("decrypt") == "a word of its own"
    assert not any(told.values())
    reader = found[-1]
    assert set(reader.environment) & set(environment.DATABASES) == {"HANDOFF_DATABASE_URL"}
    assert all("a word of its own" not in " ".join(service.command) for service in found)
    assert all("a word of its own" not in service.environment.values() for service in found)
    assert "a word of its own" not in repr(reader)


def test_web_interface_and_daemon_ask_one_code_server_on_a_socket_any_path_can_name(root: Path) -> None:
    settings = dict.fromkeys(environment.DATABASES, "postgresql://somewhere/else")
    code_server, webserver, daemon, _ = services.for_up(settings, root)
    workspace = json.loads((root / ".handoff" / "dagster" / "workspace.json").read_text())
    (location,) = workspace["load_from"]
    path = location["grpc_server"]["socket"]
    assert location["grpc_server"]["location_name"] == "handoff"
    assert path in code_server.command
    assert (
        webserver.command[-1] == daemon.command[-1] == str(root / ".handoff" / "dagster" / "workspace.json")
    )
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(FileNotFoundError):
        probe.connect(path)


def test_a_database_of_ones_own_is_neither_kept_up_nor_stopped(root: Path, settings: dict[str, str]) -> None:
    elsewhere = {**settings, "HANDOFF_DATABASE_URL": "postgresql://somewhere/else"}
    with services.running([], elsewhere, root=root, say=lambda _: None):
        pass
    assert postgres.running(root / ".handoff") is not None


def test_a_second_supervisor_is_refused_and_leaves_the_first_ones_database_alone(
    root: Path, settings: dict[str, str]
) -> None:
    def quiet(_: str) -> None: ...

    with services.running([], settings, root=root, say=quiet):
        first = postmaster(root)
        second = services.running([], settings, root=root, say=quiet)
        with pytest.raises(SupervisorError, match="already up"), second:
            pytest.fail("there are two")
        assert postmaster(root) == first
    assert postgres.running(root / ".handoff") is None


def test_a_database_that_cannot_be_prepared_is_stopped_again(root: Path, settings: dict[str, str]) -> None:
    def refuse() -> None:
        raise SupervisorError("the store's schema could not be brought up to date")

    with pytest.raises(SupervisorError), services.running([], settings, root=root, prepare=refuse):
        pytest.fail("nothing was prepared")
    assert postgres.running(root / ".handoff") is None
