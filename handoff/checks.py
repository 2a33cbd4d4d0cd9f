"""Questions to a service on this machine: does it answer, does it do its work?

Each is a function that makes a check; a check never raises, no answer is a no.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from handoff.service import Check

#: Seconds a service on this machine may take to answer.
PATIENCE = 3.0

LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename } } } } }"
HEARTBEATS = "{ instance { daemonHealth { allDaemonStatuses { lastHeartbeatTime } } } }"


def http_ok(port: int, path: str) -> Check:
    """It answers 200."""
    return lambda _: _status(port, path) == 200


def http_answers(port: int, path: str) -> Check:
    """It answers, if only to say that it cannot work now: starting it anew would not help then."""
    return lambda _: _status(port, path) != 0


def tcp_open(port: int) -> Check:
    """It takes connections."""
    return lambda _: _connects(socket.AF_INET, ("127.0.0.1", port))


def socket_open(path: Path) -> Check:
    """It takes connections on a Unix socket, however long the path of its folder."""

    def opens(_: float) -> bool:
        with suppress(OSError), _folder(path.parent) as folder:
            return _connects(socket.AF_UNIX, os.fspath(folder / path.name))
        return False

    return opens


def location_loaded(port: int, name: str) -> Check:
    """Dagster's web interface has the code location, and it is not an error."""

    def loaded(_: float) -> bool:
        entries = _asked(port, LOCATIONS, "workspaceOrError", "locationEntries") or []
        found = {entry["name"]: entry["locationOrLoadError"] or {} for entry in entries}
        return found.get(name, {}).get("__typename") == "RepositoryLocation"

    return loaded


def daemon_beats(port: int) -> Check:
    """Dagster's daemon has given a sign of life since it was started."""

    def beats(started: float) -> bool:
        statuses = _asked(port, HEARTBEATS, "instance", "daemonHealth", "allDaemonStatuses") or []
        return any((status["lastHeartbeatTime"] or 0) >= started for status in statuses)

    return beats


def _status(port: int, path: str) -> int:
    """The answer's status; 0 when there is none."""
    with suppress(OSError, HTTPException), closing(_connection(port)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status
    return 0


def _asked(port: int, query: str, *place: str) -> Any:
    """What stands at a place in GraphQL's answer; None where there is no such place or no answer."""
    with suppress(OSError, HTTPException, ValueError), closing(_connection(port)) as connection:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/graphql", json.dumps({"query": query}), headers)
        found = json.loads(connection.getresponse().read()).get("data")
        for member in place:
            found = found.get(member) if isinstance(found, Mapping) else None
        return found
    return None


def _connection(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=PATIENCE)


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """A short name of a folder: a socket's path has at most 107 bytes."""
    number = os.open(path, os.O_RDONLY)
    try:
        short = Path(f"/proc/self/fd/{number}")
        yield short if short.exists() else path
    finally:
        os.close(number)


def _connects(family: socket.AddressFamily, address: tuple[str, int] | str) -> bool:
    with socket.socket(family) as probe:
        probe.settimeout(PATIENCE)
        return probe.connect_ex(address) == 0
