"""What every service and command of a clone finds in its environment."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from handoff import env_file, environment, postgres, secrets_file
from handoff.environment import EnvironmentFault, load
from handoff.ports import free_port

CLONE = Path(__file__).resolve().parents[2]
ELSEWHERE = dict.fromkeys(environment.DATABASES, "postgresql://somewhere/else")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A clone with nothing but Dagster's configuration."""
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    yield tmp_path
    postgres.stop(tmp_path / ".handoff")


def test_the_real_environment_wins_over_env_which_wins_over_the_secrets_file(root: Path) -> None:
    (root / ".handoff").mkdir()
    (root / ".handoff" / "secrets.env").write_text("A=secret\nB=secret\nC=secret\n")
    (root / ".env").write_text("A=env\nB=env\n")
    found = load(root, environ={**ELSEWHERE, "A": "real"})
    assert (found["A"], found["B"], found["C"]) == ("real", "env", "secret")


def test_without_databases_every_role_finds_the_embedded_server(root: Path) -> None:
    found = load(root, environ={"HANDOFF_POSTGRES_PORT": str(free_port())})
    users = []
    for name in environment.DATABASES:
        with psycopg.connect(found[name]) as connection:
            users.append(connection.info.user)
    assert users == ["handoff_app", "handoff_owner", "handoff_dagster"]


def test_databases_are_named_together_or_not_at_all(root: Path) -> None:
    with pytest.raises(EnvironmentFault, match="set HANDOFF_OWNER_URL, DAGSTER_POSTGRES_URL as well"):
        load(root, environ={"HANDOFF_DATABASE_URL": "postgresql://somewhere/else"})
    load(root, environ=ELSEWHERE)
    assert not (root / ".handoff" / "pg").exists(), "a server was started that nobody asked for"


def test_dagsters_home_follows_the_clones_configuration(root: Path) -> None:
    home = Path(load(root, environ=ELSEWHERE)["DAGSTER_HOME"])
    assert home == root / ".handoff" / "dagster"
    (root / "dagster.yaml").write_text("nux: {enabled: false}\n")
    load(root, environ=ELSEWHERE)
    assert (home / "dagster.yaml").read_text() == "nux: {enabled: false}\n"


def test_secrets_are_made_once_for_their_owner_alone(root: Path) -> None:
    load(root, environ=ELSEWHERE)
    path = root / ".handoff" / "secrets.env"
    assert not path.exists(), "only the services make secrets"
    first = load(root, environ=ELSEWHERE, make_secrets=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(root, environ=ELSEWHERE, make_secrets=True) == first
    assert {name for name in secrets_file.KINDS if first[name]} == set(secrets_file.KINDS)
    for name in ("HANDOFF_KEYS", "HANDOFF_INDEX_KEYS"):
        key, _, encoded = first[name].partition(":")
        assert key.isalnum()
        assert len(base64.b64decode(encoded, validate=True)) == 32


def test_a_secret_that_is_given_is_not_made_and_one_that_is_new_is_added(root: Path) -> None:
    (root / ".handoff").mkdir()
    path = root / ".handoff" / "secrets.env"
    path.write_text("HANDOFF_KEYS=kept\n")
    found = load(root, environ={**ELSEWHERE, "HANDOFF_TOKENS_ELATION": "given"}, make_secrets=True)
    assert (found["HANDOFF_KEYS"], found["HANDOFF_TOKENS_ELATION"]) == ("kept", "given")
    assert set(env_file.read(path)) == set(secrets_file.KINDS) - {"HANDOFF_TOKENS_ELATION"}


def test_a_line_that_is_no_setting_is_named_by_number_and_never_repeated(root: Path) -> None:
    (root / ".env").write_text("# a comment\nGOOD='a b'\nexport ALSO=1\nhunter2 is no setting\n")
    with pytest.raises(env_file.EnvFileError, match="line 4: write NAME=value") as fault:
        load(root, environ=ELSEWHERE)
    assert "hunter2" not in str(fault.value)


@pytest.mark.parametrize("text", ["http", "0", "70000", "-1", "8080 "])
def test_a_port_that_is_none_is_told_by_name(text: str) -> None:
    with pytest.raises(EnvironmentFault, match="HANDOFF_WEB_PORT"):
        environment.port({"HANDOFF_WEB_PORT": text}, "HANDOFF_WEB_PORT")


def test_the_example_names_every_setting_once_and_explains_its_groups() -> None:
    text = (CLONE / ".env.example").read_text()
    names = re.findall(r"^([A-Z_]+)=", text, re.M)
    assert len(names) == len(set(names))
    assert set(names) >= {*environment.DATABASES, *environment.PORTS, *secrets_file.KINDS}
    assert {
        name: int(env_file.read(CLONE / ".env.example")[name]) for name in environment.PORTS
    } == environment.PORTS


def test_the_example_has_every_setting_the_code_reads() -> None:
    example = set(re.findall(r"^([A-Z0-9_]+)=", (CLONE / ".env.example").read_text(), re.M))
    setting = re.compile(
        r'"((?:HANDOFF|DAGSTER_POSTGRES|REPORTSTREAM|ELATION|HCOINT|REDOX|PRIDOK|VIDEO|OPENMRS)_[A-Z0-9_]+)"'
    )
    rooms = ("pipelines", "assets", "resources", "web", "handoff")
    read = {
        (name, path.relative_to(CLONE).as_posix())
        for room in rooms
        for path in (CLONE / room).rglob("*.py")
        for name in setting.findall(path.read_text())
    }
    missing = sorted(found for found in read if found[0] not in example | {"HANDOFF_SUPERVISED"})
    assert not missing, f"add to .env.example: {missing}"
