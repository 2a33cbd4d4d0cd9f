"""The services of ``make up`` and ``make demo``, and the commands behind them.

Not how they are kept running: see ``handoff.supervisor``. Never ``dagster dev``, which dies with its daemon.

One code server holds the location for the web interface and the daemon alike. If each loaded the module itself
there would be two copies of it, and a run would end with the process that happened to start it; so a run survives
the death of both, can be terminated from the interface, and a reload leaves it alone. The server listens on a
Unix socket: a second one on the same TCP port would be let in without an error (gRPC sets SO_REUSEPORT) and get
half of the calls, and any local account could ask it to run code.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from handoff import environment, postgres
from handoff.checks import daemon_beats, http_answers, http_ok, location_loaded, socket_open, tcp_open
from handoff.service import Service
from handoff.supervisor import Act, Supervisor, SupervisorError, nothing, supervised, tell

LOOPBACK = "127.0.0.1"
MODULE, LOCATION = "pipelines.definitions", "handoff"

#: The longest path of a Unix socket is 107 bytes, and Dagster adds a file name of 12 to its temporary folder.
SHORT = 90


def running(
    services: Sequence[Service],
    settings: Mapping[str, str],
    *,
    root: Path = environment.ROOT,
    say: Callable[[str], None] = tell,
    prepare: Act = nothing,
) -> AbstractContextManager[Supervisor]:
    """The services on a database that is prepared first, stays up with them and, if embedded, is stopped last."""
    state = environment.state_of(root)
    keep: Act = nothing
    after: Act = nothing
    cluster = postgres.running(state)
    if cluster and cluster.app_url == settings.get("HANDOFF_DATABASE_URL"):
        keep = functools.partial(postgres.ensure, state, port=cluster.port)
        after = functools.partial(postgres.stop, state)
    return supervised(root, state, services, say=say, prepare=prepare, keep=keep, after=after)


def for_up(settings: Mapping[str, str], root: Path = environment.ROOT) -> list[Service]:
    """What a developer of a lane runs: Dagster and the doors."""
    return [*_dagster(settings, root), _web(settings)]


def for_demo(
    settings: Mapping[str, str], root: Path = environment.ROOT, *, passphrase: str = ""
) -> list[Service]:
    """The same, the partners in miniature, and with the passphrase of its key who opens consultation results."""
    reading = [_decrypt(settings, passphrase)] if passphrase else []
    return [_sandbox(settings), *for_up(settings, root), *reading]


def migrate(settings: Mapping[str, str], root: Path = environment.ROOT) -> None:
    """Bring the store's schema up to date before anything uses it."""
    words = (sys.executable, "-m", "handoff", "migrate")
    done = subprocess.run(words, cwd=root, env=dict(settings), check=False)  # noqa: S603 - our own words
    if done.returncode != 0:
        raise SupervisorError("the store's schema could not be brought up to date, see above")


def _sandbox(settings: Mapping[str, str]) -> Service:
    """The partners in miniature: far ends, which see no database of ours."""
    number = environment.port(settings, "HANDOFF_SANDBOX_PORT")
    return Service(
        "sandbox",
        (sys.executable, "-m", "sandbox"),
        _without(settings, *environment.DATABASES),
        ready=tcp_open(number),
        answers=tcp_open(number),
        port=number,
        setting="HANDOFF_SANDBOX_PORT",
        address=f"http://{LOOPBACK}:{number}",
    )


def _web(settings: Mapping[str, str]) -> Service:
    """The doors and the pages; they get no database but the application's."""
    number = environment.port(settings, "HANDOFF_WEB_PORT")
    how = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--timeout-graceful-shutdown", "5")
    where = ("--host", LOOPBACK, "--port", str(number))
    return Service(
        "web",
        (sys.executable, "-m", "uvicorn", "--factory", "web.app:create_app", *where, *how),
        _without(settings, "HANDOFF_OWNER_URL", "DAGSTER_POSTGRES_URL"),
        ready=http_ok(number, "/health"),
        answers=http_answers(number, "/health"),
        port=number,
        setting="HANDOFF_WEB_PORT",
        address=f"http://{LOOPBACK}:{number}",
    )


def _decrypt(settings: Mapping[str, str], passphrase: str) -> Service:
    """The one process that opens results; the passphrase reaches it, and nobody else, by its standard input."""
    number = environment.port(settings, "HANDOFF_DECRYPT_PORT")
    return Service(
        "decrypt",
        (sys.executable, "-m", "handoff.decrypt"),
        _without(settings, "HANDOFF_OWNER_URL", "DAGSTER_POSTGRES_URL"),
        ready=http_answers(number, "/"),
        answers=http_answers(number, "/"),
        port=number,
        setting="HANDOFF_DECRYPT_PORT",
        address=f"http://{LOOPBACK}:{number}",
        told=passphrase,
    )


def _without(settings: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name not in names}


def _dagster(settings: Mapping[str, str], root: Path) -> list[Service]:
    """Code server, web interface, daemon."""
    state = environment.state_of(root)
    number = environment.port(settings, "HANDOFF_DAGSTER_PORT")
    place = state / "code-server.sock"
    socket = _short(place, root)
    settings = {**settings, "TMPDIR": str(_short(state / "tmp", root))}
    workspace = str(_workspace(state, socket))
    return [
        Service(
            "code-server",
            _code_server(socket),
            settings,
            ready=socket_open(place),
            answers=socket_open(place),
        ),
        Service(
            "dagster",
            (sys.executable, "-m", "dagster_webserver", "-h", LOOPBACK, "-p", str(number), "-w", workspace),
            settings,
            ready=location_loaded(number, LOCATION),
            answers=http_answers(number, "/server_info"),
            port=number,
            setting="HANDOFF_DAGSTER_PORT",
            address=f"http://{LOOPBACK}:{number}",
        ),
        Service(
            "daemon",
            (sys.executable, "-m", "dagster._daemon", "run", "-w", workspace),
            settings,
            ready=daemon_beats(number),
        ),
    ]


def _code_server(socket: Path) -> tuple[str, ...]:
    what = ("--module-name", MODULE, "--location-name", LOCATION, "--startup-timeout", "120")
    return (sys.executable, "-m", "dagster", "code-server", "start", "--socket", str(socket), *what)


def _workspace(state: Path, socket: Path) -> Path:
    """Where the web interface and the daemon find the code server."""
    path = state / "dagster" / "workspace.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    server = {"socket": str(socket), "location_name": LOCATION}
    path.write_text(json.dumps({"load_from": [{"grpc_server": server}]}))
    return path


def _short(path: Path, root: Path) -> Path:
    """A path every service can use for a socket: all of them run in the clone's own folder."""
    path = path.absolute()
    return (
        path
        if len(os.fsencode(path)) <= SHORT
        else Path("/proc/self/cwd") / path.relative_to(root.absolute())
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run the services until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m handoff.services", description=main.__doc__)
    parser.add_argument("what", choices=("up", "demo"))
    what = parser.parse_args(words).what
    try:
        settings = environment.load(make_secrets=True)
        services = {"up": for_up, "demo": for_demo}[what](settings)
        with running(services, settings, prepare=functools.partial(migrate, settings)):
            print(
                f"Secrets: {environment.state_of(environment.ROOT) / 'secrets.env'}\nCtrl-C stops all of it."
            )
            threading.Event().wait()
    except KeyboardInterrupt:
        tell("Stopped.")
    except (SupervisorError, *environment.FAULTS) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
