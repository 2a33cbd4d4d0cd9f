"""Rows on a terminal: aligned, no wider than it, the least needed columns left out first. Not for machines."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

#: Between columns.
GAP = 2
#: A column that is cut keeps at least this much, or another column goes.
LEAST = 16


class Column(NamedTuple):
    """A heading; ``goes`` is its turn to be left out (0: never), ``cut`` lets its text be shortened."""

    name: str
    goes: int = 0
    right: bool = False
    cut: bool = False


def show(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> None:
    """Print the rows under their headings."""
    for line in lines(columns, rows, width or shutil.get_terminal_size((120, 50)).columns):
        print(line)


def lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The heading and the rows, each as one line of at most ``width`` where that can be.

    >>> lines([Column("a"), Column("b", goes=1), Column("why", cut=True)], [("1", "2", "three four")], 8)
    ['a  why', '1  three…']
    """
    kept = list(range(len(columns)))
    widths = [max([len(column.name), *(len(row[i]) for row in rows)]) for i, column in enumerate(columns)]
    while _least(columns, widths, kept) > width and (leaving := _first_to_go(columns, kept)) is not None:
        kept.remove(leaving)
    for index in kept:
        if columns[index].cut:
            others = sum(widths[other] + GAP for other in kept if other != index)
            widths[index] = max(min(widths[index], width - others), min(widths[index], LEAST // 2 - 2))
    heading = [column.name for column in columns]
    return [_line(columns, widths, kept, row) for row in [heading, *rows]]


def _least(columns: Sequence[Column], widths: Sequence[int], kept: Sequence[int]) -> int:
    needed = sum(min(widths[i], LEAST) if columns[i].cut else widths[i] for i in kept)
    return needed + GAP * (len(kept) - 1)


def _first_to_go(columns: Sequence[Column], kept: Sequence[int]) -> int | None:
    going = [index for index in kept if columns[index].goes]
    return min(going, key=lambda index: columns[index].goes, default=None)


def _line(columns: Sequence[Column], widths: Sequence[int], kept: Sequence[int], row: Sequence[str]) -> str:
    parts = []
    for index in kept:
        text, room = " ".join(row[index].split()), widths[index]
        text = text if len(text) <= room else text[: room - 1] + "…"
        parts.append(text.rjust(room) if columns[index].right else text.ljust(room))
    return (" " * GAP).join(parts).rstrip()


def moment(at: datetime | None) -> str:
    """A moment as short as it can be read: UTC, the seconds only."""
    return "" if at is None else f"{at.astimezone(UTC):%m-%d %H:%M:%S}"
