"""``handoff try hcoint``: the message on standard output, the problems beside it."""

import json
import os
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest

from assets.formats.hl7_read import parse
from tests.hcoint.cases import SAMPLES, each_case

ROOT = Path(__file__).parents[2]
ORDER = SAMPLES / "partners/redox/composed_order_update.json"
ORM = SAMPLES / "partners/hl7/composed_orm_o01_new.hl7"
NOTE = SAMPLES / "partners/redox/composed_note.pdf"


def tried(order: Path, *options: str, note: Path = NOTE, **environment: str) -> tuple[int, str, list[str]]:
    command = [sys.executable, "-m", "handoff.tries", "hcoint", str(order), "--note", str(note), *options]
    plain = {name: value for name, value in os.environ.items() if name != "HCOINT_PARTNERS"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, env=plain | environment)
    return done.returncode, done.stdout.decode(), done.stderr.decode().splitlines()


def test_an_order_and_a_note_are_shown_as_the_hospital_gets_them() -> None:
    code, output, said = tried(ORDER, "--check", "--at", "2026-02-03T19:00:00+00:00")
    (order,) = json.loads(output)["Orders"]
    assert (code, said) == (0, ["check: redox: the file reads back alike"])
    assert b64decode(order["Results"][0]["Value"]) == NOTE.read_bytes()
    assert order["TransactionDateTime"] == "2026-02-03T19:00:00.000Z"


@pytest.mark.parametrize(("form", "event"), [("oru", "R01"), ("mdm", "T02")])
@pytest.mark.parametrize("order", [ORDER, ORM], ids=["redox", "hl7"])
def test_the_other_wires_are_shown_and_the_oracle_has_no_objection(
    form: str, event: str, order: Path
) -> None:
    code, output, said = tried(order, "--as", form, "--check", "--partner", "northlab")
    assert (code, said) == (0, ["check: hl7apy: no objection"])
    assert parse(output).first("MSH").text(9, 2) == event
    assert parse(output).first("MSH").text(6) == "NORTH"


def test_a_correction_names_what_it_replaces() -> None:
    _, output, _ = tried(ORDER, "--as", "mdm", "--corrects", "1")
    assert parse(output).first("TXA").text(13).endswith("-1")


def test_many_orders_give_the_good_ones_and_a_line_for_each_problem(tmp_path: Path) -> None:
    good = json.dumps(json.loads(ORDER.read_bytes()))
    bad = json.dumps(json.loads(ORDER.read_bytes()) | {"Order": None})
    (tmp_path / "orders.jsonl").write_text(f"{good}\n{bad}\n{good}\n")
    code, output, said = tried(tmp_path / "orders.jsonl")
    assert (code, len(output.splitlines())) == (1, 2)
    assert said == ["line 2: Order.ID: must be given"]


def test_a_cancelled_order_is_no_problem_and_gives_nothing() -> None:
    code, output, said = tried(SAMPLES / "partners/redox/composed_order_cancel.json")
    assert (code, output, said) == (0, "", ["the order is cancelled: nothing is sent for it"])


def test_a_note_that_is_not_taken_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "note.pdf").write_bytes(b"<html>")
    code, output, said = tried(ORDER, note=tmp_path / "note.pdf")
    assert (code, output) == (1, "")
    assert said[0].startswith("note: This file is a web page, although its name says that it is a PDF.")
    assert tried(ORDER, note=tmp_path / "none.pdf")[2] == ["note: No such file or directory"]


def test_a_file_that_would_go_up_first_is_announced(tmp_path: Path) -> None:
    (tmp_path / "note.pdf").write_bytes(NOTE.read_bytes().ljust(200_001))
    code, output, said = tried(ORDER, note=tmp_path / "note.pdf")
    assert (code, said) == (0, ["the file (200001 bytes) is uploaded first; Value gets its address"])
    assert json.loads(output)["Orders"][0]["Results"][0]["Value"] == ""


def test_partners_come_from_the_file_that_is_named(tmp_path: Path) -> None:
    third = (ROOT / "hcoint.toml").read_text().replace("[partner.multicare]", "[partner.third]")
    (tmp_path / "partners.toml").write_text(third.replace("af394f14", "00000000"))
    _, output, _ = tried(ORDER, HCOINT_PARTNERS=str(tmp_path / "partners.toml"))
    assert json.loads(output)["Meta"]["Destinations"][0]["ID"].startswith("00000000")
    assert tried(ORDER, "--partner", "nobody")[2] == ["--partner: there is no such partner in hcoint.toml"]
    code, _, said = tried(ORDER, HCOINT_PARTNERS=str(tmp_path / "none.toml"))
    assert code == 1
    assert "HCOINT_PARTNERS" in said[0]


def test_what_is_no_order_is_said_by_place(tmp_path: Path) -> None:
    (tmp_path / "message").write_bytes(ORM.read_bytes().replace(b"ORM^O01", b"ADT^A01"))
    assert tried(tmp_path / "message")[2] == ["MSH-9: only ORM^O01 and ADT^A03 are used"]
    (tmp_path / "message").write_bytes(ORM.read_bytes().replace(b"ORM^O01", b"ADT^A03"))
    assert tried(tmp_path / "message")[2] == ["the end of a visit: nothing is sent for it"]
    (tmp_path / "message").write_bytes(b"hello")
    assert tried(tmp_path / "message")[2] == ["MSH: the message does not begin with an MSH segment"]


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/*_order_new_*.json"))
def test_every_published_order_is_shown_on_every_wire(path: Path) -> None:
    for form in ("redox", "oru", "mdm"):
        code, output, _ = tried(path, "--as", form, "--check")
        assert code == 0
        assert "157968300" in output
