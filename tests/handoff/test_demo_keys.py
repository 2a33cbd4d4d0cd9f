"""The demo's readers of results: new key files at every start, a passphrase that stands nowhere."""

import socket
from pathlib import Path

from handoff import demo_keys, environment, secrets_file
from handoff.env_file import read
from handoff.ports import free_port
from resources import sealing_keys
from resources.sealing import PrivateKey, PublicKey


def settings(root: Path, **changed: str) -> dict[str, str]:
    kept = root / ".handoff" / "secrets.env"
    found = read(kept) if kept.exists() else {}
    return {"HANDOFF_DECRYPT_PORT": str(free_port()), **found, **changed}


def test_every_start_makes_keys_of_its_own_and_sets_the_old_ones_aside(tmp_path: Path) -> None:
    first = demo_keys.renew(settings(tmp_path), tmp_path)
    second = demo_keys.renew(settings(tmp_path), tmp_path)
    assert first
    assert second
    opened = sealing_keys.opened(second.folder, "clinic", second.passphrase)
    named = PublicKey.parse(second.settings["PRIDOK_CLINIC_PUBLIC_KEY"])
    assert list(opened) == [named.kid]
    assert len(list(second.folder.glob("*.key.retired"))) == len(demo_keys.RECIPIENTS)
    assert first.passphrase != second.passphrase
    assert first.settings.keys() == second.settings.keys()


def test_the_public_keys_are_there_for_every_command_and_the_passphrase_for_none(tmp_path: Path) -> None:
    secrets_file.complete(tmp_path / "secrets.env", {})
    made = demo_keys.renew(settings(tmp_path), tmp_path)
    assert made
    state = environment.state_of(tmp_path)
    assert made.settings.items() <= read(state / "secrets.env").items()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert all(made.passphrase not in path.read_text() for path in files)
    assert made.passphrase not in repr(made)


def test_keys_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    theirs = PrivateKey.made("clinic").public.text
    assert demo_keys.renew(settings(tmp_path, PRIDOK_CLINIC_PUBLIC_KEY=theirs), tmp_path) is None
    assert demo_keys.renew(settings(tmp_path, PRIDOK_KEY_FOLDER=str(tmp_path)), tmp_path) is None
    assert not (tmp_path / ".handoff").exists()


def test_the_keys_of_a_demo_that_is_up_are_left_alone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert demo_keys.renew(settings(tmp_path, HANDOFF_DECRYPT_PORT=port), tmp_path) is None
