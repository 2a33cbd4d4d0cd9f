"""The environment every service and every command of a clone runs in.

Not the typed settings: those are read from here by ``resources.settings``. The real environment wins over
``.env``, which wins over ``.handoff/secrets.env``. Where no database is named the embedded server is started.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from handoff import env_file, postgres, secrets_file
from handoff.server_account import NoAccountError

#: The clone: where ``pipelines``, ``web`` and ``dagster.yaml`` lie.
ROOT = Path(__file__).resolve().parents[1]

#: Named together or not at all: one server for the store, its owner and Dagster, or the embedded one for all.
DATABASES = ("HANDOFF_DATABASE_URL", "HANDOFF_OWNER_URL", "DAGSTER_POSTGRES_URL")

#: Every fixed port, and the setting that moves it.
PORTS = {
    "HANDOFF_WEB_PORT": 8080,
    "HANDOFF_DAGSTER_PORT": 3000,
    "HANDOFF_SANDBOX_PORT": 8090,
    "HANDOFF_POSTGRES_PORT": 54329,
    "HANDOFF_MLLP_PORT": 2575,
    "HANDOFF_SANDBOX_MLLP_PORT": 2576,
    "HANDOFF_SANDBOX_SMTP_PORT": 2525,
    "HANDOFF_DECRYPT_PORT": 8091,
}


class EnvironmentFault(RuntimeError):
    """The settings contradict each other; the text says what to change, by name."""


#: What ``load`` raises for a person to put right.
FAULTS = (EnvironmentFault, env_file.EnvFileError, postgres.PostgresError, NoAccountError, TimeoutError)


def state_of(root: Path) -> Path:
    """Where a clone keeps all that it makes: database, secrets, logs, temporary files."""
    return root / ".handoff"


def load(
    root: Path = ROOT, *, make_secrets: bool = False, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The whole environment of the clone's services, with a running database behind it."""
    state = state_of(root)
    (state / "tmp").mkdir(parents=True, exist_ok=True)
    given = _settings(root / ".env") | dict(environ)
    if make_secrets:
        secrets_file.complete(state / "secrets.env", given)
    found = _settings(state / "secrets.env") | given
    for name, number in PORTS.items():
        found.setdefault(name, str(number))
    found.update(_databases(state, found))
    found.setdefault("DAGSTER_HOME", str(_dagster_home(root, state)))
    found.update(TMPDIR=str(state / "tmp"), PYTHONUNBUFFERED="1")
    return found


def port(environment: Mapping[str, str], name: str) -> int:
    """One of the ports, as a number."""
    text = environment.get(name, str(PORTS[name]))
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise EnvironmentFault(f"{name}: write a port number between 1 and 65535")
    return int(text)


def embedded(environment: Mapping[str, str]) -> bool:
    """Whether these settings leave the database to the clone."""
    named = [name for name in DATABASES if environment.get(name)]
    if named and len(named) < len(DATABASES):
        missing = ", ".join(name for name in DATABASES if name not in named)
        raise EnvironmentFault(
            f"set {missing} as well, or none of {', '.join(DATABASES)} for the embedded server"
        )
    return not named


def _databases(state: Path, found: Mapping[str, str]) -> dict[str, str]:
    if not embedded(found):
        return {}
    cluster = postgres.ensure(state, port=port(found, "HANDOFF_POSTGRES_PORT"))
    return dict(zip(DATABASES, (cluster.app_url, cluster.owner_url, cluster.dagster_url), strict=True))


def _dagster_home(root: Path, state: Path) -> Path:
    """Dagster reads its configuration from its own folder: the clone's file is copied there when it changes."""
    home = state / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    wanted, kept = root / "dagster.yaml", home / "dagster.yaml"
    if not kept.exists() or kept.read_bytes() != wanted.read_bytes():
        shutil.copyfile(wanted, home / "dagster.draft")
        (home / "dagster.draft").rename(kept)
    return home


def _settings(path: Path) -> dict[str, str]:
    return env_file.read(path) if path.exists() else {}
