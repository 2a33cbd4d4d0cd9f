"""Small cells are not shown: a count under 5 could point at a person.

Where a table shows sums, one hidden cell could be worked out from the others of its line; then the next
smallest of the line is hidden too. Not here: what is counted (``kpi``), how it is laid out (``workbook``).
"""

from collections.abc import Sequence
from typing import Final

SMALLEST_SHOWN: Final = 5
#: What stands for a small count, and for one hidden so that a small one cannot be worked out.
SMALL: Final = "<5"
HIDDEN: Final = "*"

Cell = int | str
_Place = tuple[int, int]


def masked(table: Sequence[Sequence[int]], *, row_sums: bool = False) -> list[list[Cell]]:
    """The table with small cells hidden. Its last row sums up each column, its last column each row if so said.

    >>> masked([[2, 30], [9, 8], [11, 38]])
    [['<5', 30], ['*', 8], [11, 38]]
    """
    places = [[(row, column) for column in range(len(line))] for row, line in enumerate(table)]
    value = {place: table[place[0]][place[1]] for line in places for place in line}
    hidden = {place for place, count in value.items() if count < SMALLEST_SHOWN}
    lines: list[Sequence[_Place]] = list(zip(*places, strict=True))
    if row_sums:
        lines.extend(places)
    while found := next((line for line in lines if _gives_away(line, hidden)), None):
        hidden.add(min((place for place in found if place not in hidden), key=lambda place: value[place]))
    return [[_cell(value[place], place in hidden) for place in line] for line in places]


def is_masked(cell: Cell) -> bool:
    return isinstance(cell, str)


def _gives_away(line: Sequence[_Place], hidden: set[_Place]) -> bool:
    """Whether a single hidden cell of the line could be worked out from the others."""
    return len(line) > 1 and sum(place in hidden for place in line) == 1


def _cell(count: int, hide: bool) -> Cell:
    if not hide:
        return count
    return SMALL if count < SMALLEST_SHOWN else HIDDEN
