"""Code tables from the shell: what is shipped, and newer official files over it, in force for every run."""

import threading
import time
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import psycopg
import pytest

from assets import code_tables
from assets.code_tables import CodeTable
from assets.reportstream.tables.loadable import TABLES
from handoff.command import LANES
from handoff.tables import shipped
from resources.store import drains
from resources.store.code_tables import in_force
from tests.command.shell import Partner, drain_reportstream, handoff, result
from tests.conftest import ROOT, Database, case_folders

WHO = ("--by", "Katie", "--reason", "the list of March")


@pytest.fixture(autouse=True)
def _shipped_alone(database: Database) -> Iterator[None]:
    """Loaded tables are no part of an empty store, and what a test puts in force ends with it."""
    yield
    code_tables.use(TABLES, {})
    with psycopg.connect(database.cluster.owner_url, autocommit=True) as db:
        db.execute("TRUNCATE handoff.code_table")


def run(database: Database) -> None:
    """One run of the lane as Dagster starts it; it maps and settles, and sends nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the lane uses of Dagster is partly marked as beta
        lane = import_module("assets.reportstream.lane")
    settings = database.with_(REPORTSTREAM_TRANSPORT="none", REPORTSTREAM_BATCH_WINDOW_SECONDS=0)
    lane.run(settings, "test-run", None)


def official(folder: Path, *lines: str, name: str = "official.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(("name,code,display,version", *lines)) + "\n")
    return path


def load(database: Database, path: Path, *words: str, table: str = "languages"):
    return handoff(database, "tables", "load", "reportstream", table, path, *WHO, *words)


def test_every_shipped_table_says_where_it_is_from(database: Database) -> None:
    lines = handoff(database, "tables", "list", "--json").lines
    files = {
        (lane, path.stem)
        for lane in LANES
        for path in (ROOT / "assets" / lane / "tables").glob("*.*")
        if path.stem not in ("__init__", "loadable")
    }
    assert {(line["lane"], line["name"]) for line in lines} >= files
    for line in lines:
        assert line["origin"], line
        assert line["entries"] > 2, line
    (languages,) = [line for line in lines if (line["lane"], line["name"]) == ("reportstream", "languages")]
    assert (languages["entries"], languages["loadable"], languages["loaded_at"]) == (74, True, None)


def test_the_list_as_a_table_fits_its_terminal(database: Database) -> None:
    lines = handoff(database, "tables", "list", COLUMNS="90").out.splitlines()
    assert max(map(len, lines)) <= 90
    assert any(line.startswith("pridok") and "icpc2" in line and "708" in line for line in lines)


def test_counts_are_those_of_the_tables() -> None:
    counted = {(one.lane, one.name): one.entries for one in shipped()}
    assert counted["pridok", "icpc2"] == 708
    assert counted["hcoint", "sexes"] == 11


def test_a_loaded_table_is_in_force_for_the_next_run_and_its_mapping(
    database: Database, tmp_path: Path
) -> None:
    ran = load(database, official(tmp_path, "t,tlh,Klingon,", "t,swh,Swahili,"))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "75 entries, 1 new, 0 gone, 1 changed: Swahili\nin force with the next run\n"
    database.receive([result(database, "a", patient__preferred_language="Swahili")])
    assert TABLES["languages"]["Swahili"] == "swa"
    run(database)
    assert TABLES["languages"]["Swahili"] == "swh"
    message = database.one("SELECT arrival FROM ended")
    words = ("messages", "show", message, "--json", "--content", "--by", "Katie", "--reason", "a drill")
    assert ",swh," in handoff(database, *words).line["sent"][0]["body"]


def test_a_run_that_lingers_hands_over_when_a_table_is_loaded(database: Database, tmp_path: Path) -> None:
    run = threading.Thread(target=drain_reportstream, args=(database, Partner()), kwargs={"linger": 60.0})
    run.start()
    try:
        with database.connect() as db:
            while not drains.lives(db, 1):
                time.sleep(0.02)
        load(database, official(tmp_path, "t,tlh,Klingon,"))
        run.join(5)
        assert database.rows("SELECT how FROM drain") == [("new code",)]
    finally:
        with database.connect() as db:
            db.execute("UPDATE lane SET code = 'end' WHERE number = 1")
        run.join()


def test_a_replay_is_looked_at_with_the_tables_in_force(database: Database, tmp_path: Path) -> None:
    database.receive([result(database, "a", patient__preferred_language="Swahili")])
    run(database)
    load(database, official(tmp_path, "t,swh,Swahili,"))
    words = ("--from", "1h", "--state", "delivered", "--dry-run", "--json")
    (one,) = handoff(database, "replay", "--lane", "reportstream", *words).lines
    assert one["differs"] == ["Patient_preferred_language"]


def test_the_list_says_when_and_by_whom_a_table_was_loaded(database: Database, tmp_path: Path) -> None:
    load(database, official(tmp_path, "t,1234567,New kind of swab,"), table="specimens")
    lines = handoff(database, "tables", "list", "--json").lines
    (one,) = [line for line in lines if line["name"] == "specimens"]
    assert (one["entries"], one["by"], bool(one["loaded_at"])) == (31, "Katie", True)
    assert database.rows("SELECT who, what, lane, target, reason FROM audit") == [
        ("Katie", "load code table", "reportstream", "specimens", "the list of March")
    ]


def test_a_newer_load_counts_and_a_reset_brings_the_shipped_table_back(
    database: Database, tmp_path: Path
) -> None:
    load(database, official(tmp_path, "t,aaa,Klingon,"))
    load(database, official(tmp_path, "t,bbb,Klingon,"))
    with database.connect() as db:
        assert in_force(db, "reportstream") == {"languages": {"Klingon": "bbb"}}
    ran = handoff(database, "tables", "reset", "reportstream", "languages", *WHO)
    assert "74 entries, 0 new, 1 gone, 0 changed" in ran.out
    with database.connect() as db:
        assert in_force(db, "reportstream") == {}
    assert database.one("SELECT count(*) FROM code_table") == 3  # what was in force on a day can be told


def test_a_dry_run_loads_nothing(database: Database, tmp_path: Path) -> None:
    ran = load(database, official(tmp_path, "t,tlh,Klingon,"), "--dry-run")
    assert "1 new" in ran.out
    assert database.one("SELECT count(*) FROM code_table") == 0


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"code,name\neng,English\n", "line 1: the header has no column display"),
        (b"code,display\n", "nothing under it"),
        (b"", "line 1: the header has no column code"),
        (b"code,display\neng,English\nxyz1,Other\n", "line 3: the code has not the form"),
        (b"code,display\neng,\n", "line 2: a code and a name are needed"),
        (b"code,display\neng,English\nspa,English\n", "line 3: the same name stands for two codes"),
        (b"code,display\neng,Engl\xffish\n", "not UTF-8"),
        (b'code,display\neng,"English\n', "no CSV"),
    ],
)
def test_a_file_that_is_not_the_table_is_refused_whole(
    database: Database, tmp_path: Path, content: bytes, place: str
) -> None:
    path = tmp_path / "official.csv"
    path.write_bytes(content)
    ran = load(database, path)
    assert (ran.code, ran.out) == (1, "")
    assert place in ran.err
    assert database.one("SELECT count(*) FROM code_table") == 0


def test_a_table_that_cannot_be_loaded_names_those_that_can(database: Database, tmp_path: Path) -> None:
    ran = load(database, official(tmp_path, "t,a,b,"), table="devices")
    assert ran.code == 1
    assert "languages, specimens, source_sites" in ran.err
    ran = handoff(database, "tables", "load", "hcoint", "sexes", tmp_path / "absent.csv")
    assert ran.code == 1


def test_a_file_that_is_not_there_is_one_sentence(database: Database, tmp_path: Path) -> None:
    ran = load(database, tmp_path / "absent.csv")
    assert ran.code == 1
    assert ran.err.endswith("absent.csv: No such file or directory\n")


def test_a_table_is_never_empty_while_it_changes() -> None:
    table = CodeTable({"English": "eng"}, key="display", value="code", codes="[a-z]{3}")
    table.use({"Spanish": "spa"})
    assert table == {"English": "eng", "Spanish": "spa"}
    table.use({"French": "fre"})
    assert table == {"English": "eng", "French": "fre"}
    table.use(None)
    assert table == {"English": "eng"} == table.shipped


@pytest.mark.cases
def test_reportstreams_own_files_are_taken(database: Database) -> None:
    """Its tables as it publishes them, whatever month they are of."""
    folders = [folder / "reportstream" / "rs-tables" for folder in case_folders()]
    names = {
        "patient_preferred_language": "languages",
        "specimen_type": "specimens",
        "specimen_source_site_code": "source_sites",
    }
    files = [(folder / f"{stem}.csv", name) for folder in folders for stem, name in names.items()]
    there = [(path, name) for path, name in files if path.exists()]
    if not there:
        pytest.skip("no tables of ReportStream's: they stand in the case files under reportstream/rs-tables")
    for path, name in there:
        ran = load(database, path, "--dry-run", table=name)
        assert ran.code == 0, ran.err
