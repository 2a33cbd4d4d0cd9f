"""CSV documents are what the standard writer would write, whichever way a row takes."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.formats.csv import document

CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(['"', ",", "\n", "\r\n", " ", ""])
TABLES = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=5)
)


def as_the_standard_writer(table: list[list[str]]) -> bytes:
    lines = []
    for row in table:
        out = io.StringIO()
        csv.writer(out).writerow(row)
        lines.append(out.getvalue().removesuffix("\r\n"))
    return "".join(line + "\n" for line in lines).encode()


@given(TABLES)
def test_any_table_has_the_bytes_of_the_standard_writer(table: list[list[str]]) -> None:
    assert document(table[0], table[1:]) == as_the_standard_writer(table)


@given(TABLES)
def test_any_table_is_read_back_as_it_was(table: list[list[str]]) -> None:
    text = document(table[0], table[1:]).decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == table


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="3 values for 2 columns"):
        document(("a", "b"), [("1", "2", "3")])


def test_a_document_without_rows_is_its_header() -> None:
    assert document(("a", "b"), []) == b"a,b\n"
