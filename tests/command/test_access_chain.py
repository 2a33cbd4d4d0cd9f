"""The access log from the shell: whole, changed, shortened, or written anew by who owns the tables."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from resources.store import looks, lookup
from tests.command.shell import Ran, handoff
from tests.conftest import Database

AS_OWNER = "-c search_path=handoff"


def logged(database: Database, count: int) -> None:
    with database.connect() as db:
        for number in range(count):
            lookup.log_access(
                db, who="kari", role="provider", what="a result", subject=number, reason="she called"
            )


def verify(database: Database, *words: object) -> Ran:
    return handoff(database, "keys", "verify-log", *words)


@contextmanager
def changed(database: Database, *statements: str) -> Iterator[int]:
    """The log with something done to it by the owner, and as it was again afterwards; the line before the last."""
    with psycopg.connect(database.cluster.owner_url, options=AS_OWNER, autocommit=True) as db:
        db.execute("CREATE TABLE log_before AS TABLE access_log")
        db.execute("CREATE TABLE end_before AS TABLE access_log_end")
        try:
            row = db.execute("SELECT max(id) - 1 FROM access_log").fetchone()
            assert row is not None
            for statement in statements:
                db.execute(statement.format(line=row[0]))  # type: ignore[arg-type]
            yield row[0]
        finally:
            db.execute("TRUNCATE access_log, access_log_end")
            db.execute("INSERT INTO access_log TABLE log_before")
            db.execute("INSERT INTO access_log_end TABLE end_before")
            db.execute("DROP TABLE log_before, end_before")


def test_a_log_that_nobody_touched_is_whole(database: Database) -> None:
    logged(database, 3)
    ran = verify(database)
    assert (ran.code, ran.line["broken"], ran.line["lines"]) == (0, None, ran.line["lines"])
    assert ran.line["end"].startswith(f"{ran.line['lines']}:")


def test_parts_of_any_size_say_the_same(database: Database) -> None:
    logged(database, 7)
    with database.connect() as db:
        whole = looks.verify(db)
        assert [looks.verify(db, most=most) for most in (1, 2, 7)] == [whole] * 3
    with (
        changed(database, "UPDATE access_log SET who = 'ola' WHERE id = {line}") as line,
        database.connect() as db,
    ):
        assert {looks.verify(db, most=most).broken for most in (1, 2, 3, 20_000)} == {line}


@pytest.mark.parametrize(
    ("statement", "after"),
    [
        ("UPDATE access_log SET reason = 'another' WHERE id = {line}", 0),
        ("UPDATE access_log SET at = at + interval '1 s' WHERE id = {line}", 0),
        ("DELETE FROM access_log WHERE id = {line}", 1),
        ("DELETE FROM access_log WHERE id > {line}", 1),
    ],
)
def test_a_line_that_was_changed_or_taken_out_is_found(
    database: Database, statement: str, after: int
) -> None:
    logged(database, 3)
    with changed(database, statement) as line:
        ran = verify(database)
    assert (ran.code, ran.line["broken"]) == (1, line + after)
    assert "changed or taken out" in ran.err


#: Takes the last line out and links the log anew, as only who owns the tables can.
ANEW = (
    "DELETE FROM access_log WHERE id > {line}",
    "UPDATE access_log_end SET id = {line}, chain = (SELECT chain FROM access_log WHERE id = {line})",
)


def test_a_log_written_anew_is_found_by_an_end_that_was_noted(database: Database) -> None:
    logged(database, 3)
    noted = verify(database).line["end"]
    logged(database, 1)
    assert verify(database, "--anchor", noted).code == 0
    with changed(
        database, *ANEW, ANEW[0].replace("{line}", "{line} - 1"), ANEW[1].replace("{line}", "({line} - 1)")
    ):
        assert verify(database).code == 0
        ran = verify(database, "--anchor", noted)
    assert (ran.code, "written anew" in ran.err) == (1, True)


def test_an_end_is_written_as_it_was_printed(database: Database) -> None:
    assert verify(database, "--anchor", "7:abc").code == 2
