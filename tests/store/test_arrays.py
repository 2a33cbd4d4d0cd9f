"""Columns packed by us are read by PostgreSQL as what they are."""

import pytest

from resources.store.arrays import Bool, Bytea, Column, Float8, Int2, Int4, Int8, Text
from tests.conftest import Database


@pytest.mark.parametrize(
    ("column", "named"),
    [
        (Int2([1, -2, 32767]), "smallint[]"),
        (Int4([1, None, -(2**31)]), "integer[]"),
        (Int8([2**63 - 1, -(2**63), None]), "bigint[]"),
        (Float8([0.5, -1e300, None]), "double precision[]"),
        (Bool([True, False, None]), "boolean[]"),
        (Bytea([b"", b"\x00\xff" * 300, None]), "bytea[]"),
        (Text(["", "Zoë\n{}\"',", None]), "text[]"),
        (Int8([]), "bigint[]"),
        (Text([]), "text[]"),
        (Text([None]), "text[]"),
    ],
)
def test_a_column_arrives_as_it_is(database: Database, column: Column, named: str) -> None:
    (row,) = database.rows("SELECT pg_typeof(t.a)::text, t.a FROM (SELECT %b AS a) AS t", column)
    assert row == (named, list(column))
