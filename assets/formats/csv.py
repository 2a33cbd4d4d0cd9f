"""CSV as RFC 4180 has it, with the header from the schema and lines that end in LF; bytes are UTF-8.

What the columns mean belongs to the lane. The same rows give the same bytes.
"""

import csv
import io
from collections.abc import Iterable, Sequence


def document(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A header and one line a row. A row of another width than the header is a ``ValueError``.

    >>> document(("name", "city"), [("Ana", "Bronx, NY"), ("Bo", "")])
    b'name,city\\nAna,"Bronx, NY"\\nBo,\\n'
    """
    width = len(columns)
    lines = [line(columns, width)]
    lines += [line(row, width) for row in rows]
    return "".join(lines).encode()


def line(row: Sequence[str], width: int) -> str:
    """One row, ended. Only what needs quotes goes through the standard writer, which costs twice as much."""
    if len(row) != width:
        raise ValueError(f"a row has {len(row)} values for {width} columns")
    joined = ",".join(row)
    plain = joined.count(",") == width - 1 and '"' not in joined and "\n" not in joined and "\r" not in joined
    return joined + "\n" if plain and joined else _quoted(row)


def _quoted(row: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(row)  # it quotes only the line ends it writes itself
    return out.getvalue().removesuffix("\r\n") + "\n"
