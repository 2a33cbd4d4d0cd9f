"""Orders and notes of the system before this one: counted, compared, taken over once."""

import base64
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.command.shell import Ran, handoff
from tests.conftest import Database
from tests.hcoint.desk import MULTICARE, SOURCE, desk, order
from tests.hcoint.notes import pdf

NOTE = pdf(pages=2)


def line(number: str, *, state: str = "requested", file: bytes | None = None, **changed: Any) -> bytes:
    """One order as the export writes it."""
    raw = order(number)
    known: dict[str, Any] = {"since": "2026-01-05T09:30:00Z", "state": state}
    if file is not None:
        known["file"] = {
            "sha256": hashlib.sha256(file).hexdigest(),
            "base64": base64.b64encode(file).decode(),
        }
    rest = json.dumps({"sha256": hashlib.sha256(raw).hexdigest(), **known, **changed}).encode()
    return b'{"order": ' + raw + b", " + rest[1:]


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "hcoint.toml"
    path.write_text(MULTICARE)
    return str(path)


def imported(database: Database, folder: Path, table: str, lines: Iterable[bytes], *words: str) -> Ran:
    path = folder / "orders.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return handoff(database, "import-orders", path, *words, HCOINT_PARTNERS=table)


def total(orders: int, files: int) -> bytes:
    return json.dumps({"orders": orders, "files": files}).encode()


LINES = [
    line("1"),
    line("2", file=NOTE),
    line("3", state="delivered", file=b"old"),
    line("4", state="cancelled"),
]


def test_orders_and_notes_come_over_as_they_stood_and_twice_is_once(
    database: Database, tmp_path: Path, table: str
) -> None:
    ran = imported(database, tmp_path, table, [*LINES, total(4, 2)])
    assert (ran.code, ran.line) == (0, {"orders": 4, "files": 2, "taken": 4, "known": 0, "refused": 0}), (
        ran.err
    )
    states = database.rows("SELECT state, requested_at::date::text FROM hcoint_order ORDER BY id")
    assert [state for state, _ in states] == ["requested", "note_attached", "delivered", "cancelled"]
    assert {day for _, day in states} == {"2026-01-05"}
    assert database.one("SELECT count(*) FROM work") == 0
    again = imported(database, tmp_path, table, [*LINES, total(4, 2)])
    assert (again.code, again.line["known"], again.line["taken"]) == (0, 4, 0)
    assert database.one("SELECT count(*) FROM hcoint_order") == 4


def test_what_came_over_can_be_sent_and_what_was_sent_guards_other_patients(
    database: Database, tmp_path: Path, table: str
) -> None:
    imported(database, tmp_path, table, [*LINES, total(4, 2)])
    with desk(database, tmp_path) as here:
        here.send("2")
        with here.book.store() as db:
            assert here.book.document(db, here.row("3"), here.life("3")).data == b"old"
        here.redox(order("9", mrn="another"))
        here.attach("9", b"old")
        with pytest.raises(ValueError, match="another patient"):
            here.send("9")


def test_an_order_that_came_by_the_feed_meanwhile_stays_as_it_is(
    database: Database, tmp_path: Path, table: str
) -> None:
    with desk(database, tmp_path) as here:
        here.redox(order("3"))
        ran = imported(database, tmp_path, table, [line("3", state="delivered", file=b"old"), total(1, 1)])
        assert (ran.code, ran.line["known"]) == (0, 1)
        assert here.life("3").state == "requested"


WRONG = [
    (line("1", sha256="0" * 64), "sha256: the order's bytes have another digest"),
    (line("1", file=NOTE).replace(base64.b64encode(NOTE), base64.b64encode(NOTE + b"x")), "another digest"),
    (line("1", state="lost"), "state: requested, delivered or cancelled"),
    (line("1", since="2026-01-05T09:30:00"), "since: give the offset"),
    (line("1", file=b"<html><body>"), "web page"),
    (line("1", colour="red"), "agreed shape"),
    (b"{", "agreed shape"),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_a_line_that_does_not_agree_is_named_and_the_others_come_over(
    database: Database, tmp_path: Path, table: str, wrong: bytes, sentence: str
) -> None:
    ran = imported(database, tmp_path, table, [line("7"), wrong, total(2, 0)])
    assert ran.code == 1
    assert "line 2: " in ran.err
    assert sentence in ran.err
    assert "Bixby" not in ran.err
    assert database.one("SELECT count(*) FROM hcoint_order") == 1


def test_a_file_with_fewer_orders_than_announced_or_cut_off_is_said(
    database: Database, tmp_path: Path, table: str
) -> None:
    ran = imported(database, tmp_path, table, [line("1"), total(2, 0)])
    assert (ran.code, "orders: 1 in the file, 2 announced" in ran.err) == (1, True)
    ran = imported(database, tmp_path, table, [line("1")])
    assert (ran.code, "last line" in ran.err) == (1, True)


def test_a_file_beside_the_lines_is_taken_and_none_from_elsewhere(
    database: Database, tmp_path: Path, table: str
) -> None:
    (tmp_path / "note.pdf").write_bytes(NOTE)
    digest = hashlib.sha256(NOTE).hexdigest()
    near, far = (
        line(number).replace(
            b'"state"', json.dumps({"file": {"sha256": digest, "path": path}}).encode()[1:-1] + b', "state"'
        )
        for number, path in (("1", "note.pdf"), ("2", "../../etc/passwd"))
    )
    ran = imported(database, tmp_path, table, [near, far, total(2, 1)])
    assert (ran.line["taken"], "leads out of the folder" in ran.err) == (1, True)


def test_a_dry_run_compares_and_takes_nothing(database: Database, tmp_path: Path, table: str) -> None:
    ran = imported(database, tmp_path, table, [*LINES, total(4, 2)], "--dry-run")
    assert (ran.code, ran.line["taken"]) == (0, 4)
    assert database.one("SELECT count(*) FROM hcoint_order") == 0


def test_what_could_not_be_used_is_read_once_more_when_its_partner_is_known(
    database: Database, tmp_path: Path, table: str
) -> None:
    with desk(database, tmp_path) as here:
        assert here.redox(order("1", source="new-source")).effects == ("quarantined_invalid",)
        here.redox(b"{")
    Path(table).write_text(MULTICARE + MULTICARE.replace("multicare", "east").replace(SOURCE, "new-source"))
    ran = handoff(database, "import-orders", "--set-aside", HCOINT_PARTNERS=table)
    assert (ran.code, ran.line) == (0, {"set_aside": 2, "taken": 1})
    assert database.rows("SELECT partner, state FROM hcoint_order") == [("east", "requested")]
    assert database.one("SELECT count(*) FROM ended WHERE state = 7") == 1
    assert handoff(database, "import-orders", "--set-aside", HCOINT_PARTNERS=table).line["taken"] == 0
