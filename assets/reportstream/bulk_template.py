"""The template and the guide of the bulk upload, both made from ``bulk_rules``: they cannot disagree with it."""

import csv
import io
from typing import NamedTuple

from assets.reportstream import bulk_rules
from assets.reportstream.bulk import MOST_BYTES


class GuideEntry(NamedTuple):
    """What the guide says of one column."""

    column: str
    required: str
    meaning: str
    takes: str
    example: str


def template() -> str:
    """A CSV file with the header and one invented row; a spreadsheet opens it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([column.name for column in bulk_rules.COLUMNS])
    writer.writerow([column.example for column in bulk_rules.COLUMNS])
    return out.getvalue()


def guide() -> list[GuideEntry]:
    """Every column in the order of the template."""
    return [
        GuideEntry(
            column.name,
            _required(column),
            column.meaning,
            bulk_rules.RULES[column.rule].says,
            column.example,
        )
        for column in bulk_rules.COLUMNS
    ]


def guide_text() -> str:
    """The guide as plain text, for a page or a download."""
    lines = [
        f"A CSV file in UTF-8, at most {MOST_BYTES:,} bytes, any number of rows, one row a result.",
        "The header names the columns; their order does not matter. One mistake refuses the whole file.",
        "",
    ]
    for entry in guide():
        lines.append(f"{entry.column} ({entry.required})")
        lines.append(f"    {entry.meaning}. Takes {entry.takes}.")
        if entry.example:
            lines.append(f"    Example: {entry.example}")
    return "\n".join(lines) + "\n"


def _required(column: bulk_rules.Column) -> str:
    if column.required:
        return "required"
    asking = [disease for disease, names in bulk_rules.ASKED_OF_POSITIVES.items() if column.name in names]
    return f"required with a positive result for {', '.join(asking)}" if asking else "optional"
