"""The command as a whole: its help, its exit codes, what it says when something is not as it should be."""

import subprocess
import sys
import time

import psycopg
import pytest

from handoff.tries import LANES
from tests.command.shell import environment as shell
from tests.command.shell import handoff
from tests.conftest import ROOT, Database
from tests.store.making import arrival

COMMANDS = ("migrate", "try", "messages", "replay", "keys", "tables")


def started(database: Database, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "handoff", *words],
        cwd=ROOT,
        env=shell(database) | settings,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_every_command_with_an_example(database: Database) -> None:
    ran = handoff(database, "--help")
    assert ran.code == 0
    for name in COMMANDS:
        assert f"handoff {name}" in ran.out


@pytest.mark.parametrize("name", ["migrate", "try", "messages", "replay", "keys", "tables"])
def test_each_command_explains_itself_with_an_example(database: Database, name: str) -> None:
    ran = handoff(database, name, "--help")
    assert ran.code == 0
    assert f"  handoff {name}" in ran.out


def test_the_help_of_try_names_every_lane(database: Database) -> None:
    ran = handoff(database, "try", "--help")
    assert all(f"\n    {lane}" in ran.out for lane in LANES)


def test_help_answers_at_once_and_imports_no_dagster_and_no_pandas(database: Database) -> None:
    words = (
        "import sys\nfrom handoff.__main__ import main\n"
        "try:\n    main(['messages', 'list', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'dagster', 'pandas', 'psycopg', 'sqlalchemy'} & set(sys.modules), sys.modules.keys()\n"
    )
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert time.monotonic() - began < 5


def test_a_list_imports_no_dagster_and_no_pandas(database: Database) -> None:
    words = (
        "import sys\nfrom handoff.__main__ import main\nassert main(['messages', 'list']) == 0\n"
        "assert not {'dagster', 'pandas', 'httpx', 'aiohttp'} & set(sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", words],
        cwd=ROOT,
        env=shell(database),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_migrate_says_where_the_store_stands_and_may_be_repeated(database: Database) -> None:
    ran = started(database, "migrate")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("revision ")
    assert ran.stdout.endswith(", 0 partitions made\n")


def test_migrate_counts_the_partitions_it_makes(database: Database) -> None:
    names = database.rows(
        "SELECT tablename FROM pg_tables WHERE tablename ~ '^attempt_[0-9]' ORDER BY 1 DESC LIMIT 1"
    )
    with psycopg.connect(database.cluster.owner_url, autocommit=True) as db:
        db.execute(f"DROP TABLE handoff.{names[0][0]}")
    assert handoff(database, "migrate").out.endswith(", 1 partitions made\n")


def test_try_goes_through_the_same_command_and_needs_no_database(database: Database) -> None:
    sample = str(ROOT / "tests" / "samples" / "reportstream" / "original.json")
    ran = subprocess.run(
        [sys.executable, "-m", "handoff", "try", "reportstream", sample],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.splitlines()[0][:17]) == (0, "Patient_last_name")


def test_wrong_words_are_told_apart_from_what_is_not_possible(database: Database) -> None:
    assert handoff(database, "messages", "list", "--state", "lost").code == 2
    assert handoff(database, "messages", "list", "--since", "yesterday").code == 2
    assert handoff(database, "messages", "list", "--since", "999999w").code == 2
    assert handoff(database, "messages", "list", "--until", "9999-12-31").code == 2
    assert handoff(database, "messages", "list", "--queue", "xyz").code == 2
    assert handoff(database, "messages", "show", "4711").code == 1
    assert handoff(database).code == 2


def test_a_store_that_does_not_answer_is_one_sentence(database: Database) -> None:
    away = "postgresql://handoff_app:x@127.0.0.1:1/handoff"
    ran = started(database, "messages", "list", HANDOFF_DATABASE_URL=away)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1
    assert "does not answer" in ran.stderr


def test_a_refused_sign_in_repeats_no_password(database: Database) -> None:
    url = database.cluster.app_url.replace(database.cluster.passwords["handoff_app"], "sesame")
    ran = handoff(database, "messages", "list", HANDOFF_DATABASE_URL=url)
    assert ran.code == 1
    assert "HANDOFF_DATABASE_URL" in ran.err
    assert "sesame" not in ran.err


def test_a_store_without_tables_asks_for_migrate(database: Database) -> None:
    elsewhere = database.cluster.url("handoff_dagster", "dagster")
    ran = handoff(database, "messages", "list", HANDOFF_DATABASE_URL=elsewhere)
    assert (ran.code, "handoff migrate" in ran.err) == (1, True)


def test_databases_named_by_halves_are_one_sentence(database: Database) -> None:
    ran = handoff(database, "messages", "list", HANDOFF_OWNER_URL="")
    assert ran.code == 1
    assert "HANDOFF_OWNER_URL" in ran.err


def test_a_missing_key_is_named_and_only_where_it_is_needed(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    assert handoff(database, "messages", "list", HANDOFF_KEYS="").code == 0
    ran = handoff(database, "messages", "list", "--key", "a", HANDOFF_KEYS="")
    assert (ran.code, "HANDOFF_KEYS" in ran.err) == (1, True)


def test_a_fault_of_ours_shows_kind_and_place_and_no_value(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    with psycopg.connect(database.cluster.owner_url, autocommit=True) as db:
        # a state this version does not know: what a newer release may leave in the store
        db.execute(
            "INSERT INTO handoff.ended (arrival, part, lane, state, queue, seq, attempts, reason)"
            " SELECT arrival, 1, 2, 99, queue, seq, 0, 'Quetzalcoatl' FROM handoff.work"
        )
    ran = handoff(database, "messages", "list")
    assert ran.code == 3
    assert ran.err.startswith("handoff: ValueError in resources/store/lookup.py, line ")
    assert "Quetzalcoatl" not in ran.err
    assert "Traceback" not in ran.err


def test_a_reader_who_has_enough_is_no_fault(database: Database) -> None:
    database.receive([arrival(database.sealer, f"n{number}", queue="q") for number in range(3000)])
    words = f"{sys.executable} -m handoff messages list --json --limit 3000 | head -1"
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words}"],
        cwd=ROOT,
        env=shell(database),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
