"""Key files for the readers of the demo's consultation results, and the one passphrase that opens them.

The passphrase is made here, printed once, and stands in no file and no environment. So a demo that is started again
cannot open the key files of the one before: it makes new ones and sets the old ones aside. Where the settings name
public keys or a folder of somebody else, nothing is made.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from handoff import environment, secrets_file
from handoff.env_file import read
from handoff.ports import listening
from resources import sealing_keys

#: Readers of results, and the insurer, whose key the demo holds so that what it was sent can be looked at.
RECIPIENTS = ("clinic", "report", "escrow", "insurer")


@dataclass(frozen=True, slots=True)
class Readers:
    """The public keys, as settings, and the passphrase of the key files."""

    settings: Mapping[str, str]
    folder: Path
    passphrase: str = field(repr=False)


def renew(settings: Mapping[str, str], root: Path = environment.ROOT) -> Readers | None:
    """New key files; None where the settings name keys that this clone has not made."""
    state = environment.state_of(root)
    names = {recipient: f"PRIDOK_{recipient.upper()}_PUBLIC_KEY" for recipient in RECIPIENTS}
    kept = read(state / "secrets.env") if (state / "secrets.env").exists() else {}
    theirs = any(settings.get(name) and settings[name] != kept.get(name) for name in names.values())
    # A service that listens has the key files of a demo that is up: they stay as they are.
    up = listening(environment.port(settings, "HANDOFF_DECRYPT_PORT"))
    if theirs or up or settings.get("PRIDOK_KEY_FOLDER"):
        return None
    folder = state / "keys"
    for old in folder.glob("*.key"):
        old.rename(old.with_name(f"{old.name}.retired"))
    passphrase = "-".join(secrets.token_hex(2) for _ in range(6))
    now = datetime.now(UTC)
    public = {names[one]: sealing_keys.make(folder, one, passphrase, now).text for one in RECIPIENTS}
    secrets_file.put(state / "secrets.env", public)
    return Readers(public, folder, passphrase)
