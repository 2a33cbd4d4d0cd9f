"""What a person does about a mistake in an uploaded file, in a sentence or two. No value of the file is repeated."""

from typing import Final

from assets.reportstream import bulk_rules, bulk_template
from assets.reportstream.bulk_findings import (
    EMPTY_FILE,
    NOT_UTF8,
    OTHER_SEPARATOR,
    STOPPED,
    WRONG_COLUMNS,
    WRONG_PAIR,
    Problem,
)

_ADVICE: Final = {
    WRONG_PAIR: (
        "The device is written as CDC's LIVD table names its model, and the code is the LOINC code of one of its "
        "tests. The list of devices has both."
    ),
    WRONG_COLUMNS: (
        "Look for a comma in a cell (put quotation marks around that cell), for a quotation mark that is not closed, "
        "and for a row in which nothing stands (delete it)."
    ),
    NOT_UTF8: (
        "In Excel: File, Save As, CSV UTF-8 (Comma delimited). A workbook (.xlsx) is no CSV file; save its sheet the "
        "same way."
    ),
    OTHER_SEPARATOR: (
        "Semicolons or tabs come from a spreadsheet that is set to another region. In Excel: File, Save As, "
        "CSV UTF-8 (Comma delimited), with a comma as the list separator of the computer's region."
    ),
    EMPTY_FILE: "Begin with the template: it holds the header and one row as an example.",
    STOPPED: "Most of them are probably one mistake. Correct the first ones and upload the file again.",
}
#: Whoever left one of these blank need not be told how long it may be.
_PLAIN: Final = ("text", "city", "note")
_GUIDE: Final = {entry.column: entry for entry in bulk_template.guide()}


def advice(problem: Problem) -> str:
    """What would be right; empty where the message says it."""
    if told := _ADVICE.get(problem.message):
        return told
    entry = _GUIDE.get(problem.header)
    if entry is None:
        return ""
    if problem.error_type == "MISSING_HEADER":
        return f"The first line must name this column once. What it holds: {entry.meaning}."
    if problem.error_type == "UNAVAILABLE_DISEASE":
        return "Results of this disease are not reported from here. Leave these rows out."
    asked = f"{entry.meaning}. " if problem.error_type == "MISSING_DATA" else ""
    plain = problem.error_type == "MISSING_DATA" and bulk_rules.BY_NAME[problem.header].rule in _PLAIN
    takes = "" if plain else f"Takes {entry.takes}. "
    example = f"Example: {entry.example}" if entry.example else ""
    return f"{asked}{takes}{example}".strip()
