"""Where two messages differ: the places, by column, member or field; their values only for who asks for them.

Places are names of a format. A member whose name is no plain word may be somebody's: its parent stands for it.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Difference:
    """One place, with what stood there and what stands there now."""

    place: str
    before: str = field(repr=False)
    after: str = field(repr=False)


def of(before: bytes, after: bytes, *, head_before: bytes = b"", head_after: bytes = b"") -> list[Difference]:
    """Where the bytes differ; the heads are those of a CSV.

    >>> [one.place for one in of(b'{"a":[{"b":1}],"c":2}', b'{"a":[{"b":3}]}')]
    ['a[0].b', 'c']
    >>> [one.place for one in of(b"1,2", b"1,3,4", head_before=b"x,y", head_after=b"x,y,z")]
    ['y', 'z']
    >>> [one.place for one in of(b"MSH|a\\rPID|1|2\\r", b"MSH|a\\rPID|1|3\\rPV1|x\\r")]
    ['PID-2', 'PV1']
    """
    if before == after and head_before == head_after:
        return []
    if head_before or head_after:
        return list(_columns(_row(head_before, before), _row(head_after, after)))
    if before.startswith(b"MSH") and after.startswith(b"MSH"):
        return list(_fields(before.decode(errors="replace"), after.decode(errors="replace")))
    try:
        return list(_members("", json.loads(before), json.loads(after)))
    except ValueError:
        return [Difference("content", before.decode(errors="replace"), after.decode(errors="replace"))]


def _row(head: bytes, line: bytes) -> Mapping[str, str]:
    names, values = (next(csv.reader(io.StringIO(part.decode(), newline="")), []) for part in (head, line))
    return dict(zip(names, values, strict=False))


def _columns(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for name in [*before, *(name for name in after if name not in before)]:
        one, other = before.get(name, ""), after.get(name, "")
        if one != other or (name in before) != (name in after):
            yield Difference(name, one, other)


def _members(place: str, before: object, after: object) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            below = f"{place}.{name}".lstrip(".") if _PLAIN.fullmatch(name) else place or "content"
            yield from _members(below, before.get(name), after.get(name))
    elif isinstance(before, list) and isinstance(after, list):
        for index, (one, other) in enumerate(zip_longest(before, after)):
            yield from _members(f"{place}[{index}]", one, other)
    elif before != after:
        yield Difference(place or "content", _text(before), _text(after))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fields(before: str, after: str) -> Iterator[Difference]:
    """Segments by their order, fields by their number; MSH counts its separator as its first field."""
    for one, other in zip_longest(_segments(before), _segments(after), fillvalue=""):
        name = (other or one)[:3]
        if not one or not other or one[:3] != other[:3]:
            yield Difference(name, one, other)
            continue
        first = 1 if name == "MSH" else 0
        for number, (a, b) in enumerate(zip_longest(one.split("|"), other.split("|"), fillvalue="")):
            if a != b:
                yield Difference(f"{name}-{number + first}", a, b)


def _segments(message: str) -> list[str]:
    return [segment for segment in message.replace("\n", "\r").split("\r") if segment]
