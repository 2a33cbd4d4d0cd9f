"""What a check of a bulk upload finds, and how it is told: SimpleReport's messages and error objects.

A ``Problem`` repeats what stood in a cell, because the person who uploaded the file must find it: it goes into
that person's answer and nowhere else. ``Checked.counted`` is what a log may say.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from assets.reportstream import bulk_rules

#: Columns a file may have; SimpleReport's limit.
MOST_COLUMNS: Final = 2_000

#: A file this wrong is of another kind; reading on would fill memory and help nobody.
MOST_PROBLEMS: Final = 100_000

#: Of a longer value its beginning is repeated; a file of nothing but such would fill memory with its mistakes.
_REPEATED: Final = 200

ErrorType = Literal["MISSING_HEADER", "MISSING_DATA", "INVALID_DATA", "UNAVAILABLE_DISEASE"]

EMPTY_FILE: Final = "File is missing headers and other required data"
WRONG_COLUMNS: Final = (
    "File has the incorrect number of columns or empty rows. Please make sure all columns match the data "
    "template, and delete any empty rows."
)
WRONG_PAIR: Final = "Invalid equipment_model_name and test_performed_code combination"
WRONG_DISEASE: Final = (
    "equipment_model_name and test_performed_code combination map to a non-active disease "
    "in this jurisdiction"
)
NOT_UTF8: Final = "File is not in UTF-8. Save it as CSV UTF-8 and upload it again."
NOT_CSV: Final = "File cannot be read as CSV from this row on. Look for a quotation mark that is not closed."
OTHER_SEPARATOR: Final = (
    "File has another character than a comma between its columns. Save it with commas and upload it again."
)
TOO_MANY_COLUMNS: Final = f"File has too many columns. The maximum number of columns is {MOST_COLUMNS}."
STOPPED: Final = f"File has more than {MOST_PROBLEMS} problems. The rows after this one have not been read."

COVID: Final = "COVID-19"
ALL_DISEASES: Final = frozenset(("HIV", "Chlamydia", "Gonorrhea", "Hepatitis C", "Syphilis"))


class Problem(NamedTuple):
    """One message and the lines of the file it speaks of; no lines where it speaks of the whole file."""

    message: str
    indices: Sequence[int]
    header: str
    required: bool
    error_type: ErrorType

    def as_error(self) -> dict[str, object]:
        """The object SimpleReport answers an upload with."""
        return {
            "scope": "item",
            "message": self.message,
            "indices": list(self.indices),
            "fieldHeader": self.header,
            "fieldRequired": self.required,
            "errorType": self.error_type,
            "source": "SIMPLE_REPORT",
        }


class Checked(NamedTuple):
    """What a file was found to be: taken if there are no problems."""

    rows: int
    problems: Sequence[Problem]
    warnings: Sequence[str]

    def counted(self) -> dict[str, int]:
        """How many cells of which column are at fault: no value of the file, fit for a log."""
        counts: Counter[str] = Counter()
        for problem in self.problems:
            counts[f"{problem.header or 'file'}: {problem.error_type}"] += max(1, len(problem.indices))
        return dict(counts)


def ranges(indices: Sequence[int]) -> str:
    """Line numbers as a person reads them.

    >>> ranges([2, 3, 4, 9])
    '2-4, 9'
    """
    spans: list[list[int]] = []
    for index in indices:
        if spans and index == spans[-1][1] + 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


class Findings:
    """Problems by message, in the order they were found; the lines of one message are kept together."""

    def __init__(self) -> None:
        self.cells = 0
        self._found: dict[tuple[str, str, bool, ErrorType], array[int]] = {}

    def add(self, message: str, line: int, header: str, required: bool, kind: ErrorType) -> None:
        lines = self._found.setdefault((message, header, required, kind), array("L"))
        if line:
            lines.append(line)
        self.cells += 1

    def wrong(self, value: str, line: int, header: str) -> None:
        column = bulk_rules.BY_NAME[header]
        if len(value) > _REPEATED:
            value = f"{value[:_REPEATED]}…"
        message = f"{value} is not an acceptable value for the {header} column."
        self.add(message, line, header, column.required, "INVALID_DATA")

    def missing(self, line: int, header: str) -> None:
        self.add(f"File is missing data in the {header} column.", line, header, True, "MISSING_DATA")

    def problems(self) -> list[Problem]:
        """Ordered by the first line each names; what speaks of the whole file comes first."""
        found = [
            Problem(message, lines, header, required, kind)
            for (message, header, required, kind), lines in self._found.items()
        ]
        return sorted(found, key=lambda problem: problem.indices[0] if len(problem.indices) else 0)
