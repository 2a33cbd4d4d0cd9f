"""Judging a bulk upload: is it a table of the template, and is every row one we may send?

The file is read as a stream, row by row, and never held. All of it or nothing is taken: any problem refuses
the file; what is found is told by ``bulk_findings``.

Beside the rules of ``bulk_rules``, the default profile differs from SimpleReport's published behaviour so:

* header names are compared without case and blanks; a column that stands twice is a problem;
* lines at the end of the file in which nothing stands are passed over; a row of blank cells is told as an
  empty row, not as thirty-two missing values;
* dates must make sense together: nothing in the future, no birth after the result, no specimen taken after
  its result;
* columns we do not know, and rows that repeat an earlier one, are said as warnings; the file is taken;
* a file that is not UTF-8 is refused in words; after ``MOST_PROBLEMS`` cells the rest is not read.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import BinaryIO, Final

from assets.reportstream import bulk_dates, bulk_row, bulk_rules
from assets.reportstream.bulk_findings import (
    ALL_DISEASES,
    EMPTY_FILE,
    MOST_COLUMNS,
    MOST_PROBLEMS,
    NOT_CSV,
    NOT_UTF8,
    STOPPED,
    TOO_MANY_COLUMNS,
    WRONG_COLUMNS,
    WRONG_DISEASE,
    WRONG_PAIR,
    Checked,
    Findings,
)
from assets.reportstream.bulk_row import BulkRow
from assets.reportstream.devices import Devices
from assets.reportstream.profile import Profile

#: The page, the guide and the door agree on this.
MOST_BYTES: Final = 50_000_000


#: Values already found right are remembered, a column at a time: most columns hold few different ones.
_REMEMBERED: Final = 5_000


class _Header:
    """Where each column of the template stands in this file."""

    def __init__(self, names: Sequence[str], profile: Profile) -> None:
        exact = profile is Profile.AS_PUBLISHED
        self.names = [name if exact else name.strip().lower() for name in names]
        self.width = len(names)
        self.places = {name: place for place, name in enumerate(self.names) if name in bulk_rules.BY_NAME}
        self.unknown = [name for name in self.names if name and name not in bulk_rules.BY_NAME]
        self.repeated = [name for name, times in Counter(self.names).items() if times > 1 and name]

    def cell(self, cells: Sequence[str], column: str) -> str:
        place = self.places.get(column)
        return cells[place].strip() if place is not None else ""


def lines_and_cells(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """The line each row of the file begins on, and its cells."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=False)
    begins = 1
    try:
        for cells in reader:
            yield begins, cells
            begins = reader.line_num + 1
    finally:
        text.detach()


def check(
    file: BinaryIO,
    *,
    devices: Devices,
    today: date,
    profile: Profile = Profile.DEFAULT,
    diseases: Collection[str] = ALL_DISEASES,
) -> Checked:
    """Judge a whole file; ``diseases`` are those behind a switch that are switched on here."""
    judge = _Judge(profile, devices, diseases, today)
    try:
        for line, cells in lines_and_cells(file):
            judge.take(line, cells)
            if judge.findings.cells >= MOST_PROBLEMS:
                judge.findings.add(STOPPED, line, "", False, "INVALID_DATA")
                break
    except UnicodeDecodeError:
        judge.findings.add(NOT_UTF8, 0, "", False, "INVALID_DATA")
    except csv.Error:
        judge.findings.add(NOT_CSV, judge.line + 1, "", False, "INVALID_DATA")
    return judge.verdict()


def rows(file: BinaryIO) -> Iterator[tuple[int, BulkRow]]:
    """The rows of a file that was found right, with the line each begins on."""
    header: _Header | None = None
    for line, cells in lines_and_cells(file):
        if header is None:
            header = _Header(cells, Profile.DEFAULT)
        elif any(cells):
            yield line, bulk_row.row(dict(zip(header.names, cells, strict=False)))


class _Judge:
    """The state of one check: the header, and per column what was already found right."""

    def __init__(self, profile: Profile, devices: Devices, diseases: Collection[str], today: date) -> None:
        self.profile, self.devices, self.diseases, self.today = profile, devices, diseases, today
        self.findings = Findings()
        self.header: _Header | None = None
        self.rows = 0
        self.line = 0
        self._columns: list[tuple[int, str, bool, Callable[[str], bool], set[str]]] = []
        self._pairs: dict[tuple[str, str], str | None] = {}
        self._seen: set[int] = set()
        self._repeats = 0
        self._absent: list[str] = []
        self._empty_lines: list[int] = []

    def take(self, line: int, cells: list[str]) -> None:
        """One row of the file, the header first."""
        self.line = line
        if self.header is None:
            self._take_header(cells)
        elif not cells:
            self._empty_lines.append(line)
        else:
            for empty in self._empty_lines:
                self._refuse_row(empty)
            self._empty_lines.clear()
            if self._has_its_columns(self.header, cells):
                self._take_row(self.header, line, cells)
            else:
                self._refuse_row(line)

    def _has_its_columns(self, header: _Header, cells: list[str]) -> bool:
        """Whether a row has the header's columns and something in them; a last comma makes no column."""
        beyond = cells[header.width :]
        if len(cells) < header.width or len(beyond) > 1 or any(beyond):
            return False
        # Most rows begin with something: only the others are looked through.
        return bool(cells[0].strip()) or self.profile is not Profile.DEFAULT or any(map(str.strip, cells))

    def _refuse_row(self, line: int) -> None:
        self.rows += 1
        self.findings.add(WRONG_COLUMNS, line, "", False, "INVALID_DATA")

    def _take_header(self, cells: list[str]) -> None:
        self.header = header = _Header(cells, self.profile)
        if header.width > MOST_COLUMNS:
            self.findings.add(TOO_MANY_COLUMNS, 0, "", False, "INVALID_DATA")
        for name in bulk_rules.REQUIRED:
            if name not in header.places:
                text = f"The header for column {name} is missing or invalid."
                self._absent.append(name)
                self.findings.add(text, 0, name, True, "MISSING_HEADER")
        if self.profile is Profile.DEFAULT:
            for name in header.repeated:
                text = f"The header for column {name} stands more than once."
                self.findings.add(text, 0, name, name in bulk_rules.REQUIRED, "MISSING_HEADER")
        for name, place in header.places.items():
            column = bulk_rules.BY_NAME[name]
            if column.required or column.rule != "text":
                accepts = bulk_rules.RULES[column.rule].accepts(self.profile)
                self._columns.append((place, name, column.required, accepts, set()))

    def _take_row(self, header: _Header, line: int, cells: list[str]) -> None:
        self.rows += 1
        for name in self._absent:
            self.findings.missing(line, name)
        for place, name, required, accepts, right in self._columns:
            value = cells[place]
            if value not in right:
                self._judge_cell(line, name, required, accepts, right, value)
        self._judge_pair(header, line, cells)
        if self.profile is Profile.DEFAULT:
            self._judge_days(header, line, cells)
            self._note_repeat(cells)

    def _judge_cell(
        self,
        line: int,
        name: str,
        required: bool,
        accepts: Callable[[str], bool],
        right: set[str],
        value: str,
    ) -> None:
        text = value.strip()
        if required and not text:
            self.findings.missing(line, name)
        elif text and not accepts(text):
            self.findings.wrong(value, line, name)
        elif len(right) < _REMEMBERED:
            right.add(value)

    def _judge_pair(self, header: _Header, line: int, cells: list[str]) -> None:
        """The device and its test together, and what a positive result of the disease asks for."""
        pair = (header.cell(cells, "equipment_model_name"), header.cell(cells, "test_performed_code"))
        if pair not in self._pairs:
            known = self.devices.pairs(*pair)
            self._pairs[pair] = self.devices.disease(pair[1]) if known else None
        disease = self._pairs[pair]
        if disease is None:
            self.findings.add(WRONG_PAIR, line, "equipment_model_name", True, "INVALID_DATA")
        elif disease in ALL_DISEASES and disease not in self.diseases:
            self.findings.add(WRONG_DISEASE, line, "equipment_model_name", True, "UNAVAILABLE_DISEASE")
        elif disease in bulk_rules.ASKED_OF_POSITIVES:
            self._judge_answers(header, line, cells, disease)

    def _judge_answers(self, header: _Header, line: int, cells: list[str], disease: str) -> None:
        if not bulk_rules.is_positive(header.cell(cells, "test_result")):
            return
        for name in bulk_rules.ASKED_OF_POSITIVES[disease]:
            if not header.cell(cells, name):
                text = (
                    f"File is missing data in the {name} column. "
                    f"This is required because the row contains a positive {disease} test result."
                )
                self.findings.add(text, line, name, True, "MISSING_DATA")

    def _judge_days(self, header: _Header, line: int, cells: list[str]) -> None:
        """Days only: hours may be written in other zones. A day of grace covers zones ahead of ours."""
        resulted = bulk_dates.day(header.cell(cells, "test_result_date"))
        latest = self.today + timedelta(days=1)
        for name in _DATED:
            value = header.cell(cells, name)
            on = bulk_dates.day(value) if value else None
            if on is None:
                continue
            if on > latest:
                self.findings.add(_later(value, name, "today"), line, name, _required(name), "INVALID_DATA")
            elif resulted is not None and name in _BEFORE_RESULT and on > resulted:
                text = _later(value, name, "test_result_date")
                self.findings.add(text, line, name, _required(name), "INVALID_DATA")

    def _note_repeat(self, cells: list[str]) -> None:
        mark = hash(tuple(cells))
        if mark in self._seen:
            self._repeats += 1
        self._seen.add(mark)

    def verdict(self) -> Checked:
        """What was found; empty lines at the end were none.

        A file without a row is told as an empty one; published, whatever its header is.
        """
        if self.profile is Profile.AS_PUBLISHED and self.rows:
            for empty in self._empty_lines:
                self._refuse_row(empty)
        if self.profile is Profile.AS_PUBLISHED and not self.rows:
            self.findings = Findings()
        if not self.rows and not self.findings.cells:
            self.findings.add(EMPTY_FILE, 0, "", True, "MISSING_HEADER")
        return Checked(self.rows, self.findings.problems(), self._warnings())

    def _warnings(self) -> list[str]:
        warnings = []
        if self.header is not None and self.header.unknown and self.profile is Profile.DEFAULT:
            names = ", ".join(name[:60] for name in self.header.unknown[:20])
            warnings.append(f"These columns are not part of the template and are not sent: {names}.")
        if self._repeats:
            warnings.append(f"{self._repeats} rows repeat an earlier row; a result is sent once.")
        return warnings


_DATED = tuple(column.name for column in bulk_rules.COLUMNS if column.rule in ("date", "moment"))
_BEFORE_RESULT = ("patient_dob", "illness_onset_date", "specimen_collection_date")


def _required(name: str) -> bool:
    return bulk_rules.BY_NAME[name].required


def _later(value: str, name: str, than: str) -> str:
    return f"{value} in the {name} column is later than {than}."
