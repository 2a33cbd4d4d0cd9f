"""The secrets of a developer's clone, made once and kept in ``.handoff/secrets.env``.

Not for production: there secrets come from the environment, and nothing is made up.
"""

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from handoff.env_file import read


def _token() -> str:
    return secrets.token_urlsafe(32)


def _key(name: str) -> Callable[[], str]:
    return lambda: f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


#: Every secret a clone needs to speak to itself and to the sandbox, and how it is made.
KINDS: Mapping[str, Callable[[], str]] = {
    "HANDOFF_TOKENS_REPORTSTREAM": _token,
    "HANDOFF_TOKENS_ELATION": _token,
    "HANDOFF_TOKENS_PRIDOK": _token,
    "HANDOFF_TOKENS_OPENMRS": _token,
    "HANDOFF_TOKENS_METRICS": _token,
    "REDOX_VERIFICATION_TOKENS": _token,
    "HANDOFF_KEYS": _key("k1"),
    "HANDOFF_INDEX_KEYS": _key("i1"),
    "HANDOFF_DEMO_PASSWORD": lambda: secrets.token_urlsafe(12),
}

HEADING = """\
# Made for this clone alone, readable by its owner. Senders use the tokens; HANDOFF_DEMO_PASSWORD is the password
# of the demo's staff: secretary, provider, clinician, operator, administrator.
"""


def complete(path: Path, known: Mapping[str, str]) -> list[str]:
    """Add the secrets that neither the file nor ``known`` has; return their names."""
    kept = read(path) if path.exists() else {}
    missing = [name for name in KINDS if not known.get(name) and not kept.get(name)]
    if missing:
        text = path.read_text() if path.exists() else HEADING
        _write(path, text + "".join(f"{name}={KINDS[name]()}\n" for name in missing))
    return missing


def put(path: Path, values: Mapping[str, str]) -> None:
    """Set these names, in place of what the file says of them."""
    text = path.read_text() if path.exists() else HEADING
    kept = [line for line in text.splitlines(keepends=True) if line.partition("=")[0] not in values]
    _write(path, "".join(kept) + "".join(f"{name}={value}\n" for name, value in values.items()))


def _write(path: Path, text: str) -> None:
    """In one step, so that a kill leaves the old file or the new one."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    draft.rename(path)
