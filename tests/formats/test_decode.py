"""What JSON at the edge may look like, and what is said of what may not: the place, and never a value."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal

import msgspec
import pytest

from assets.formats.decode import ShapeError, day, decoder, elements, moment, refuse_repeated_members

SECRET = "Rivera"


class Leaf(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["red", "green"]
    size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Tree(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    leaves: Annotated[tuple[Leaf, ...], msgspec.Meta(min_length=1)]
    by_name: dict[str, Leaf] | None = None
    parent: "Tree | None" = None


class Loose(msgspec.Struct):
    name: str


class Odd(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    rest: msgspec.Raw = msgspec.Raw(b"")


decode = decoder(Tree)
GOOD = b'{"name": "Rivera", "leaves": [{"kind": "red"}]}'


def said(raw: bytes | str) -> tuple[str, str]:
    with pytest.raises(ShapeError) as caught:
        decode(raw if isinstance(raw, bytes) else raw.encode())
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return caught.value.place, caught.value.text


def test_a_good_document_is_a_value() -> None:
    assert decode(GOOD) == Tree("Rivera", (Leaf("red"),))


@pytest.mark.parametrize(
    ("raw", "place", "text"),
    [
        ('{"leaves": [{"kind": "red"}]}', "name", "is required"),
        ('{"name": "a", "leaves": [{}]}', "leaves[0].kind", "is required"),
        ('{"name": 7, "leaves": []}', "name", "must be text, not a whole number"),
        ('{"name": null, "leaves": []}', "name", "must be text, not null"),
        ('{"name": "a", "leaves": {"Rivera": 1}}', "leaves", "must be an array, not an object"),
        ('{"name": "a", "leaves": []}', "leaves", "must have a length of at least 1"),
        ('{"name": "a", "leaves": [{"kind": "Rivera"}]}', "leaves[0].kind", "must be one of green, red"),
        (
            '{"name": "a", "leaves": [{"kind": "red", "size": -1}]}',
            "leaves[0].size",
            "must be at least 0",
        ),
        (
            '{"name": "a", "leaves": [{"kind": "red", "size": 1.5}]}',
            "leaves[0].size",
            "must be a whole number or null, not a number",
        ),
        (
            '{"name": "a", "leaves": [{"kind": "red", "size": 1e400}]}',
            "leaves[0].size",
            "has a value the contract does not allow",
        ),
        (
            '{"name": "a", "leaves": [{"kind": "red"}], "by_name": {"Rivera": {"kind": "Rivera"}}}',
            "by_name[...].kind",
            "must be one of green, red",
        ),
        (
            '{"name": "a", "leaves": [{"kind": "red"}], "parent": {"name": "b", "leaves": [{"kind": 1}]}}',
            "parent.leaves[0].kind",
            "must be text, not a whole number",
        ),
        ("[]", "", "must be an object, not an array"),
    ],
)
def test_a_fault_is_named_by_its_place(raw: str, place: str, text: str) -> None:
    assert said(raw) == (place, text)


def test_an_unknown_member_is_named_if_it_can_only_be_a_name() -> None:
    assert said('{"name": "a", "lastname": "Rivera"}') == (
        "",
        "has a member lastname that is not part of the contract",
    )
    assert said('{"name": "a", "leaves": [{"kinds": 1}]}') == (
        "leaves[0]",
        "has a member kinds that is not part of the contract",
    )


@pytest.mark.parametrize("name", ["Ana Rivera", "Rivera1961", "R" * 41, "", "Rivera`", "Rivéra"])
def test_an_unknown_member_that_may_be_a_value_is_not_repeated(name: str) -> None:
    assert said('{"name": "a", "' + name + '": 1}') == ("", "has a member that is not part of the contract")


def test_a_members_name_cannot_pose_as_a_place() -> None:
    assert said('{"x` - at `$.Rivera": 1}') == ("", "has a member that is not part of the contract")
    assert said('{"leaves": [{"x` - at `$.name": 1}]}')[0] == "leaves[0]"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "is not JSON: it ends too early"),
        (b'{"name": "Rivera', "is not JSON: it ends too early"),
        (GOOD + b"x", "is not JSON: see byte 48"),
        (b"Rivera", "is not JSON: see byte 0"),
        (b"\xef\xbb\xbf" + GOOD, "is not JSON: see byte 0"),
        (GOOD.replace(b"Rivera", b"Riv\xffera"), "is not UTF-8"),
        (b'{"name": "\\ud800", "leaves": []}', "is not JSON: see byte 16"),
        (b'{"parent": ' * 100_000, "is nested too deeply"),
    ],
)
def test_what_is_no_json_is_said_without_its_content(raw: bytes, text: str) -> None:
    assert said(raw) == ("", text)


def test_a_tolerant_shape_survives_deep_nesting_too() -> None:
    with pytest.raises(ShapeError, match="nested too deeply"):
        decoder(Loose)(b'{"more": ' + b"[" * 100_000)


def test_a_shape_json_schema_cannot_describe_still_gives_places() -> None:
    with pytest.raises(ShapeError, match=r"^name: must be text, not a whole number$"):
        decoder(Odd)(b'{"name": 1}')
    with pytest.raises(ShapeError, match=r"^has a member that is not part of the contract$"):
        decoder(Odd)(b'{"nome": 1}')


def test_an_array_comes_apart_into_its_elements() -> None:
    assert elements(b' [{"a": 1}, "x",[2]]') == [b'{"a": 1}', b'"x"', b"[2]"]
    assert elements(b"[]") == []


def test_anything_else_is_its_own_only_element() -> None:
    assert elements(b'{"a": [1, 2]}') == [b'{"a": [1, 2]}']
    assert elements(b"nonsense") == [b"nonsense"]


@pytest.mark.parametrize("raw", [b"[1", b"[1,]", b"[\xff]", b"[" * 100_000])
def test_a_broken_array_is_refused_as_a_whole(raw: bytes) -> None:
    with pytest.raises(ShapeError):
        elements(raw)


def test_a_member_that_stands_twice_is_refused() -> None:
    with pytest.raises(ShapeError, match="the member last_name stands more than once"):
        refuse_repeated_members(b'{"a": {"last_name": "Rivera", "last_name": "Roy"}}')
    with pytest.raises(ShapeError, match="a member stands more than once") as caught:
        refuse_repeated_members(b'{"Rivera 1961": 1, "Rivera 1961": 2}')
    assert SECRET not in str(caught.value)
    refuse_repeated_members(b'{"a": {"b": 1}, "b": {"b": 2}}')
    with pytest.raises(ShapeError, match="nested too deeply"):
        refuse_repeated_members(b"[" * 100_000)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T15:04:05+00:00",
        "2026-03-02T15:04:05Z",
        "2026-03-02T15:04:05.000Z",
        "20260302T150405Z",
        "2026-03-02T10:04:05-05:00",
        "2026-03-02T10:04:05-0500",
    ],
)
def test_a_moment_has_an_offset(text: str) -> None:
    assert moment("at", text).astimezone(UTC) == datetime(2026, 3, 2, 15, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-02",
        "2026-03-02T15:04:05",
        "2026-03-02 15:04:05Z",
        "2026-02-30T15:04:05Z",
        "2026-03-02T24:04:05Z",
        "2026-03-02T15:04:05+99:00",
        "2026-W10-1T15:04:05Z",
        "0001-01-01T00:00:00+14:00",
        "٢٠٢٦-03-02T15:04:05Z",
        "2026-03-02T15:04:05Z ",
        "2026-03-02T15:04:05Z\n",
    ],
)
def test_what_is_no_moment_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(ShapeError) as caught:
        moment("date_tested", text)
    assert caught.value.place == "date_tested"
    assert caught.value.text.startswith("is not a date and time with an offset, such as ")
    assert not text or text not in caught.value.text.partition("such as")[0]


def test_a_day_is_year_month_and_day() -> None:
    assert day("birth_date", "1988-02-29") == date(1988, 2, 29)


@pytest.mark.parametrize("text", ["", "1987-02-29", "19880229", "29.02.1988", "1988-2-29", "0001-01-01"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ShapeError, match=r"^birth_date: is not a date of the form YYYY-MM-DD$"):
        day("birth_date", text)
