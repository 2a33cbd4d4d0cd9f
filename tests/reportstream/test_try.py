"""``handoff try reportstream`` as a person or a script meets it: a real process, its two outputs, its exit code."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff import tries
from handoff.tries import Document, Remark, documents, each

ROOT = Path(__file__).parents[2]
RECEIVED = "2026-01-13T00:10:00-05:00"


def tried(*arguments: str | Path, stdin: bytes = b"") -> tuple[int, bytes, list[str]]:
    command = [sys.executable, "-m", "handoff.tries", "reportstream", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, cwd=ROOT, timeout=30)
    return done.returncode, done.stdout, done.stderr.decode().splitlines()


def test_an_event_over_several_lines_is_a_header_and_a_row(samples: Path) -> None:
    code, out, said = tried(samples / "original.json", "--received-at", RECEIVED)
    assert (code, said) == (0, [])
    assert out == (samples / "original.csv").read_bytes()


def test_events_one_a_line_are_one_csv_and_the_bad_ones_are_named(samples: Path, tmp_path: Path) -> None:
    lines = [
        json.dumps(json.loads((samples / name).read_bytes()))
        for name in ("original.json", "no_covid.json", "correction.json")
    ]
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join([lines[0], "{nonsense", "", lines[1], '{"event_id": "x"}', lines[2]]) + "\n")
    code, out, said = tried(file, "--received-at", RECEIVED)
    first, second = ((samples / f"{name}.csv").read_bytes() for name in ("original", "correction"))
    assert code == 1
    assert out == first + second.partition(b"\n")[2]
    assert said == [
        "line 2: the document is not JSON: see byte 1",
        "line 4: results: has no COVID-19 result: it cannot go as CSV; send it by fhir or hl7",
        "line 5: correction_status: is required",
    ]


def test_an_array_is_taken_apart_as_the_door_does(samples: Path) -> None:
    original = (samples / "original.json").read_bytes()
    code, out, said = tried("-", "--received-at", RECEIVED, stdin=b"[" + original + b', {"a": 1}]')
    assert (code, out) == (1, (samples / "original.csv").read_bytes())
    assert said == ["[1]: the document has a member a that is not part of the contract"]


def test_a_text_hl7_has_no_room_for_stops_an_event_there_only(
    document: Callable[..., dict[str, Any]],
) -> None:
    raw = msgspec.json.encode(document({"patient.city": "x" * 51}))
    code, out, said = tried("-", "--as", "hl7", stdin=raw)
    assert (code, out) == (1, b"")
    assert said == ["patient.city: is longer than the 50 characters HL7 has room for"]
    assert tried("-", "--as", "fhir", stdin=raw)[0] == 0


def test_a_warning_does_not_stop_an_event(samples: Path) -> None:
    code, out, said = tried(samples / "unknown_address.json", "--received-at", RECEIVED)
    assert (code, out) == (0, (samples / "unknown_address.csv").read_bytes())
    assert said == [
        "patient.preferred_language: warning: is not in the list of languages; it is sent as it is"
    ]


def test_without_a_good_event_there_is_no_output(samples: Path) -> None:
    code, out, said = tried(samples / "no_covid.json")
    assert (code, out, len(said)) == (1, b"", 1)


def test_a_broken_document_is_one_problem(samples: Path) -> None:
    broken = (samples / "original.json").read_bytes()[:-3]
    assert tried("-", stdin=broken) == (1, b"", ["the document is not JSON: it ends too early"])
    assert tried("-") == (1, b"", ["the document is not JSON: it ends too early"])


def test_check_reads_the_csv_back(samples: Path) -> None:
    code, out, said = tried(samples / "odd_text.json", "--check", "--received-at", RECEIVED)
    assert (code, out) == (0, (samples / "odd_text.csv").read_bytes())
    assert said == ["check: csv: read back alike, 1 rows of 75 columns"]


def test_a_missing_file_and_a_wrong_moment_are_said_plainly(tmp_path: Path) -> None:
    code, out, said = tried(tmp_path / "none.json")
    assert (code, out) == (1, b"")
    assert said[0].endswith("none.json: No such file or directory")
    code, out, said = tried("-", "--received-at", "2026-01-13")
    assert (code, out) == (2, b"")
    assert "--received-at: is not a date and time with an offset" in said[-1]


def test_the_mode_can_be_chosen(samples: Path) -> None:
    _, out, _ = tried(samples / "original.json", "--processing-mode", "T", "--as", "csv")
    assert out.split(b"\n")[1].split(b",")[44] == b"T"


def test_trying_needs_neither_dagster_nor_pandas_nor_a_database() -> None:
    code = "import handoff.tries.reportstream, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True, timeout=30)
    assert not {"dagster", "pandas", "psycopg", "httpx", "hl7apy", "fhir"} & set(done.stdout.decode().split())


@pytest.mark.parametrize(
    ("raw", "wheres"),
    [
        (b'{"a":\n1}', [""]),
        (b'\xef\xbb\xbf{"a": 1}\n', [""]),
        (b'{"a": 1}\r\n{"a": 2}\r\n', ["line 1", "line 2"]),
        (b'\n{"a": 1}\n\nbad\nbad\nbad', ["line 2", "line 4", "line 5", "line 6"]),
        (b'bad\n{"a": 1}', ["line 1", "line 2"]),
        (b'[{"a": 1}]', ["[0]"]),
        (b"[]", []),
        (b'{"a": [\n{"b": 1},\n{"c": 2}\n', [""]),
        (b"\xff\xfe", [""]),
        (b"", [""]),
    ],
)
def test_documents_are_told_apart(raw: bytes, wheres: list[str]) -> None:
    assert [document.where for document in documents(raw)] == wheres


def test_a_fault_in_a_mapping_costs_one_document_and_repeats_nothing() -> None:
    def make(raw: bytes, say: tries.Say) -> Any:
        if raw == b"secret":
            raise KeyError(raw)
        say(Remark("seen", stops=False))
        return raw

    made, remarks = each([Document("line 1", b"secret"), Document("line 2", b"plain")], make)
    assert made == [b"plain"]
    assert remarks[0].stops
    assert remarks[0].text.startswith("line 1: the mapping failed: KeyError in test_try.py, line ")
    assert remarks[1] == Remark("line 2: seen", stops=False)


def test_what_is_tried_is_what_the_document_says(document: Callable[..., dict[str, Any]]) -> None:
    changed = msgspec.json.encode(document({"facility.clia_number": "nonsense"}))
    code, _, said = tried("-", stdin=changed)
    assert code == 1
    assert said == ["facility.clia_number: is not a CLIA number: two characters, the letter D and seven more"]
