"""The embedded server: what it is made of, and what it survives."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest

from handoff import postgres
from handoff.ports import free_port
from handoff.postgres import PostgresError, ensure

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand the server to another account")


def ask(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def pid(state: Path) -> int:
    return int((state / "pg" / "data" / "postmaster.pid").read_text().split()[0])


def test_every_role_signs_in_with_a_password_of_its_own(cluster: postgres.Cluster) -> None:
    urls = (cluster.owner_url, cluster.app_url, cluster.sender_url, cluster.dagster_url)
    names = [ask(url, "SELECT current_user || ' ' || current_database()") for url in urls]
    assert names == [
        "handoff_owner handoff",
        "handoff_app handoff",
        "handoff_sender handoff",
        "handoff_dagster dagster",
    ]
    assert len(set(cluster.passwords.values())) == 5
    wrong = cluster.app_url.replace(cluster.passwords["handoff_app"], cluster.passwords["handoff_sender"])
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(wrong)


def test_passwords_are_their_owners_alone_and_are_not_shown(cluster: postgres.Cluster, state: Path) -> None:
    assert (state / "pg" / "passwords.json").stat().st_mode & 0o777 == 0o600
    assert not any(password in repr(cluster) for password in cluster.passwords.values())


@pytest.mark.parametrize("role", ["handoff_app", "handoff_sender"])
def test_only_the_owner_makes_tables(cluster: postgres.Cluster, role: str) -> None:
    with psycopg.connect(cluster.owner_url) as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS made_by_the_owner (id int)")
    with (
        psycopg.connect(cluster.url(role, "handoff")) as app,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        app.execute("CREATE TABLE made_by_another (id int)")


def test_dagsters_role_has_no_way_into_the_store(cluster: postgres.Cluster) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(cluster.url("handoff_dagster", "handoff"))


def test_an_idle_transaction_ends_after_a_minute_but_not_the_owners(cluster: postgres.Cluster) -> None:
    setting = "SELECT current_setting('idle_in_transaction_session_timeout')"
    assert (ask(cluster.app_url, setting), ask(cluster.owner_url, setting)) == ("1min", "0")


def test_a_second_call_finds_the_server_also_when_it_asks_for_another_port(
    cluster: postgres.Cluster, state: Path
) -> None:
    before = pid(state)
    assert ensure(state, port=free_port()) == cluster
    assert pid(state) == before


def test_it_listens_on_loopback_alone(cluster: postgres.Cluster) -> None:
    settings = "SELECT current_setting('listen_addresses') || current_setting('unix_socket_directories')"
    assert ask(cluster.superuser_url, settings) == "127.0.0.1"


def test_neither_statements_nor_values_reach_the_servers_log(cluster: postgres.Cluster, state: Path) -> None:
    with psycopg.connect(cluster.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE guarded (name text PRIMARY KEY, born date)")
        connection.execute("INSERT INTO guarded VALUES ('Kari Canary')")
        for statement, value in (
            ("INSERT INTO guarded VALUES (%s)", "Kari Canary"),
            ("SELECT %s::int", "Canary, Kari"),
            ("SELECT 'Canary' FROM nowhere WHERE name = %s", "Canary"),
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(statement.encode(), (value,))
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(cluster.url("handoff_dagster", "handoff"))
    log = (state / "pg" / "server.log").read_text()
    assert "permission denied" in log, "refusals are for operators to see"
    assert "Canary" not in log


@as_root
def test_root_hands_the_server_to_an_account_and_opens_no_folder(
    cluster: postgres.Cluster, state: Path
) -> None:
    closed = state.parents[1]
    assert closed.stat().st_mode & 0o777 == 0o700, "pytest closes its folder to others"
    with psycopg.connect(cluster.app_url) as connection:
        for process in (pid(state), connection.info.backend_pid):
            status = Path(f"/proc/{process}/status").read_text()
            assert "0" not in re.findall(r"^[UG]id:\s+(\d+)\s", status, re.M)
            # Reading past permissions or, where root itself has no more to give, writing: nothing else.
            assert re.findall(r"^CapEff:\s+0*(\d+)$", status, re.M) in (["2"], ["4"])


@as_root
def test_root_without_setpriv_lends_a_name_in_a_user_namespace(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run((unshare, "--user", "true"), capture_output=True).returncode:
        pytest.skip("this kernel gives no user namespaces")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "unshare").symlink_to(unshare)
    program = (
        "import sys; from pathlib import Path; from handoff.postgres import ensure, stop;"
        "cluster = ensure(Path(sys.argv[1]), port=int(sys.argv[2]), durable=False);"
        "import psycopg; psycopg.connect(cluster.app_url).close(); sys.exit(not stop(Path(sys.argv[1])))"
    )
    words = (sys.executable, "-c", program, str(tmp_path), str(free_port()))
    subprocess.run(words, env={"PATH": str(tools), "PYTHONPATH": os.getcwd()}, check=True)
    assert (tmp_path / "pg" / "data").stat().st_uid == 0


@as_root
def test_with_neither_way_root_is_told_to_be_a_plain_user(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from handoff.postgres import ensure; ensure(pathlib.Path(sys.argv[1]), port=1)"
    )
    words = (sys.executable, "-c", program, str(tmp_path))
    said = subprocess.run(words, env={"PATH": "", "PYTHONPATH": os.getcwd()}, capture_output=True, text=True)
    assert "run as a plain user" in said.stderr
    assert not (tmp_path / "pg" / "data").exists()


def test_a_stopped_server_starts_with_what_it_had(tmp_path: Path) -> None:
    port = free_port()
    cluster = ensure(tmp_path, port=port, durable=False)
    with psycopg.connect(cluster.owner_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    assert postgres.stop(tmp_path)
    assert postgres.running(tmp_path) is None
    assert not postgres.stop(tmp_path)
    again = ensure(tmp_path, port=port, durable=False)
    assert ask(again.owner_url, "SELECT seven FROM kept") == 7
    assert again == cluster
    postgres.stop(tmp_path)


def test_a_killed_server_starts_again_although_its_number_has_been_given_to_another(tmp_path: Path) -> None:
    cluster = ensure(tmp_path, port=free_port(), durable=False)
    with psycopg.connect(cluster.owner_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    os.kill(pid(tmp_path), signal.SIGKILL)
    kept = tmp_path / "pg" / "data" / "postmaster.pid"
    _, _, rest = kept.read_text().partition("\n")
    kept.write_text(f"{os.getpid()}\n{rest}")
    assert postgres.running(tmp_path) is None
    assert ask(ensure(tmp_path, port=cluster.port, durable=False).owner_url, "SELECT seven FROM kept") == 7
    postgres.stop(tmp_path)


def test_a_first_start_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    draft = tmp_path / "pg" / "data.draft"
    (draft / "base").mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    cluster = ensure(tmp_path, port=free_port(), durable=False)
    assert ask(cluster.app_url, "SELECT 1") == 1
    postgres.stop(tmp_path)
    assert not draft.exists()


def test_lost_passwords_are_named_and_not_made_up(tmp_path: Path) -> None:
    (tmp_path / "pg" / "data").mkdir(parents=True)
    with pytest.raises(PostgresError, match=r"passwords\.json is lost"):
        ensure(tmp_path, port=free_port())


def test_a_taken_port_is_told_with_the_setting_that_moves_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(PostgresError, match="HANDOFF_POSTGRES_PORT"):
            ensure(tmp_path, port=other.getsockname()[1], durable=False)
        cluster = ensure(tmp_path, port=free_port(), durable=False)
    assert ask(cluster.app_url, "SELECT 1") == 1
    postgres.stop(tmp_path)


def test_a_passing_socket_on_the_port_is_waited_for(tmp_path: Path) -> None:
    passing = socket.socket()
    passing.bind(("127.0.0.1", 0))
    leaves = threading.Timer(2.0, passing.close)
    leaves.start()
    cluster = ensure(tmp_path, port=passing.getsockname()[1], durable=False)
    assert ask(cluster.app_url, "SELECT 1") == 1
    assert leaves.finished.is_set(), "the server cannot have started before the socket left"
    postgres.stop(tmp_path)


def test_two_commands_at_once_start_one_server(tmp_path: Path) -> None:
    port, found = free_port(), []
    calls = [
        threading.Thread(target=lambda: found.append(ensure(tmp_path, port=port, durable=False)))
        for _ in range(3)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert len(found) == 3
    assert all(cluster == found[0] for cluster in found)
    postgres.stop(tmp_path)


def test_two_clusters_live_side_by_side(cluster: postgres.Cluster, tmp_path: Path) -> None:
    other = ensure(tmp_path / "a folder with spaces", port=free_port(), durable=False)
    systems = [
        ask(url, "SELECT system_identifier FROM pg_control_system()")
        for url in (cluster.superuser_url, other.superuser_url)
    ]
    assert systems[0] != systems[1]
    assert postgres.stop(tmp_path / "a folder with spaces")
    assert ask(cluster.app_url, "SELECT 1") == 1
