"""Judging a bulk upload: is it a table of the template, and is every row one we may send?

The file is read as a stream, row by row, and never held. All of it or nothing is taken: any problem refuses
the file; what is found is told by ``bulk_findings``.

Beside the rules of ``bulk_rules``, the default profile differs from SimpleReport's published behaviour so:

* header names are compared without case and blanks; a column that stands twice is a problem;
* lines before the header and at the end of the file in which nothing stands are passed over; a row of blank cells
  is told as an empty row, not as thirty-two missing values;
* a header with semicolons or tabs between its columns is told as that, not as thirty-two missing ones;
* dates must make sense together (``bulk_order``): nothing in the future, no birth after the result, no specimen
  taken after its result, no result released before it was known;
* columns we do not know, and rows that repeat an earlier one, are said as warnings; the file is taken;
* a file that is not UTF-8 is refused in words; after ``MOST_PROBLEMS`` cells the rest is not read.
"""

import csv
import io
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import BinaryIO, Final

from assets.reportstream import bulk_row, bulk_rules
from assets.reportstream.bulk_findings import (
    ALL_DISEASES,
    COVID,
    EMPTY_FILE,
    MOST_COLUMNS,
    MOST_PROBLEMS,
    NOT_CSV,
    NOT_UTF8,
    OTHER_SEPARATOR,
    STOPPED,
    TOO_MANY_COLUMNS,
    WRONG_COLUMNS,
    WRONG_DISEASE,
    WRONG_PAIR,
    Checked,
    Findings,
)
from assets.reportstream.bulk_header import Header
from assets.reportstream.bulk_order import Order
from assets.reportstream.bulk_row import BulkRow
from assets.reportstream.devices import Devices
from assets.reportstream.profile import Profile
from assets.reportstream.report import plain

#: The page, the guide and the door agree on this.
MOST_BYTES: Final = 50_000_000

#: Values already found right are remembered, a column at a time: most columns hold few different ones.
_REMEMBERED: Final = 5_000


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
    now: datetime,
    profile: Profile = Profile.DEFAULT,
    diseases: Collection[str] = ALL_DISEASES,
    covid_only: bool = False,
) -> Checked:
    """Judge a whole file; ``diseases`` are those behind a switch that are switched on here.

    ``covid_only``: rows of other diseases are taken and then set aside, so a warning says how many they are.
    """
    judge = _Judge(profile, devices, diseases, now)
    judge.covid_only = covid_only
    try:
        for line, cells in lines_and_cells(file):
            judge.take(line, cells)
            if judge.unreadable:
                break
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
    header: Header | None = None
    for line, cells in lines_and_cells(file):
        if not any(cells):
            continue
        if header is None:
            header = Header(cells, Profile.DEFAULT)
        else:
            yield line, bulk_row.row(dict(zip(header.names, cells, strict=False)))


class _Judge:
    """The state of one check: the header, and per column what was already found right."""

    def __init__(self, profile: Profile, devices: Devices, diseases: Collection[str], now: datetime) -> None:
        self.profile, self.devices, self.diseases = profile, devices, diseases
        self.order = Order(now)
        self.findings = Findings()
        self.header: Header | None = None
        self.rows = 0
        self.line = 0
        #: Reading on would tell nothing: the columns cannot be told apart.
        self.unreadable = False
        self.covid_only = False
        self._others = 0
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
            if self.profile is Profile.AS_PUBLISHED or any(map(str.strip, cells)):
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

    def _has_its_columns(self, header: Header, cells: list[str]) -> bool:
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
        self.header = header = Header(cells, self.profile)
        if self.profile is Profile.DEFAULT and header.separated_otherwise():
            self.unreadable = True
            self.findings.add(OTHER_SEPARATOR, 0, "", False, "INVALID_DATA")
            return
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
            accepts = bulk_rules.RULES[column.rule].accepts(self.profile)
            self._columns.append((place, name, column.required, accepts, set()))

    def _take_row(self, header: Header, line: int, cells: list[str]) -> None:
        self.rows += 1
        for name in self._absent:
            self.findings.missing(line, name)
        for place, name, required, accepts, right in self._columns:
            value = cells[place]
            if value not in right:
                self._judge_cell(line, name, required, accepts, right, value)
        self._judge_pair(header, line, cells)
        if self.profile is Profile.DEFAULT:
            self._judge_dates(header, line, cells)
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
        text = plain(value)
        if required and not _visible(text):
            self.findings.missing(line, name)
        elif text and not accepts(text):
            self.findings.wrong(value, line, name)
        elif len(right) < _REMEMBERED:
            right.add(value)

    def _judge_pair(self, header: Header, line: int, cells: list[str]) -> None:
        """The device and its test together, and what a positive result of the disease asks for."""
        pair = (header.cell(cells, "equipment_model_name"), header.cell(cells, "test_performed_code"))
        if pair not in self._pairs:
            known = self.devices.pairs(*pair)
            self._pairs[pair] = self.devices.disease(pair[1]) if known else None
        disease = self._pairs[pair]
        self._others += disease not in (None, COVID)
        if disease is None:
            self.findings.add(WRONG_PAIR, line, "equipment_model_name", True, "INVALID_DATA")
        elif disease in ALL_DISEASES and disease not in self.diseases:
            self.findings.add(WRONG_DISEASE, line, "equipment_model_name", True, "UNAVAILABLE_DISEASE")
        elif disease in bulk_rules.ASKED_OF_POSITIVES:
            self._judge_answers(header, line, cells, disease)

    def _judge_answers(self, header: Header, line: int, cells: list[str], disease: str) -> None:
        if not bulk_rules.is_positive(header.cell(cells, "test_result")):
            return
        for name in bulk_rules.ASKED_OF_POSITIVES[disease]:
            if not header.cell(cells, name):
                text = (
                    f"File is missing data in the {name} column. "
                    f"This is required because the row contains a positive {disease} test result."
                )
                self.findings.add(text, line, name, True, "MISSING_DATA")

    def _judge_dates(self, header: Header, line: int, cells: list[str]) -> None:
        for name, than in self.order.late(lambda column: header.cell(cells, column)):
            text = f"{header.cell(cells, name)} in the {name} column is later than {than}."
            required = bulk_rules.BY_NAME[name].required
            self.findings.add(text, line, name, required, "INVALID_DATA")

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
        if self.header and self.header.unknown and self.profile is Profile.DEFAULT and not self.unreadable:
            warnings.append(self.header.not_sent())
        if self._repeats:
            rows = "1 row repeats" if self._repeats == 1 else f"{self._repeats} rows repeat"
            warnings.append(f"{rows} an earlier row; a result is sent once.")
        if self.covid_only and self._others:
            rows = "1 row is" if self._others == 1 else f"{self._others} rows are"
            warnings.append(
                f"{rows} not about COVID-19. Only results for COVID-19 are sent from here; the others are kept and "
                "set aside."
            )
        return warnings


def _visible(text: str) -> bool:
    """Whether a person sees anything of it: a character without width fills no cell."""
    return bool(text) and (text.isprintable() or any(one.isprintable() and one != " " for one in text))
