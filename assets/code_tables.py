"""Code tables that an installation may renew: shipped with a lane, loaded over by an official file.

A mapping looks codes up as in any dict and is told nothing of files or stores: whoever starts a process puts the
tables in force with ``use`` before anything is mapped.
"""

import csv
import io
import re
from collections.abc import Mapping


class TableRefused(ValueError):
    """An official file is not what it should be; the sentence says where."""


class CodeTable(dict[str, str]):
    """A table from ``key`` to ``value``, two columns of its official file, one of which is the code.

    >>> table = CodeTable({"English": "eng"}, key="display", value="code", codes="[a-z]{3}")
    >>> table.use(table.read(b"code,display\\nspa,Spanish\\n"))
    >>> table["Spanish"], table["English"], table.shipped
    ('spa', 'eng', {'English': 'eng'})
    """

    def __init__(self, shipped: Mapping[str, str], *, key: str, value: str, codes: str) -> None:
        super().__init__(shipped)
        self.shipped: Mapping[str, str] = dict(shipped)
        self._key = key
        self._value = value
        self._codes = re.compile(codes)

    def read(self, content: bytes) -> dict[str, str]:
        """The entries of an official file: CSV in UTF-8 with a header. Of several names of a code the first counts."""
        try:
            lines = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
            missing = {self._key, self._value} - set(lines.fieldnames or ())
            if missing:
                raise TableRefused(
                    f"line 1: the header has no column {' and no column '.join(sorted(missing))}"
                )
            entries: dict[str, str] = {}
            for line in lines:
                self._add(entries, line, lines.line_num)
        except UnicodeDecodeError:
            raise TableRefused("the file is not UTF-8: save it as UTF-8") from None
        except csv.Error:
            raise TableRefused("the file is no CSV: a quote is not closed, or stands alone") from None
        if not entries:
            raise TableRefused("the file has a header and nothing under it")
        return entries

    def _add(self, entries: dict[str, str], line: Mapping[str, str | None], number: int) -> None:
        key, value = ((line[name] or "").strip() for name in (self._key, self._value))
        code = key if self._key == "code" else value
        if not key or not value:
            raise TableRefused(f"line {number}: a code and a name are needed")
        if not self._codes.fullmatch(code):
            raise TableRefused(f"line {number}: the code has not the form of this table's codes")
        if self._key != "code" and entries.get(key, value) != value:
            raise TableRefused(f"line {number}: the same name stands for two codes")
        entries.setdefault(key, value)

    def use(self, entries: Mapping[str, str] | None) -> None:
        """From now on in this process: the shipped table with these entries over it, or (None) alone.

        Never empty on the way, so that a thread that maps meanwhile finds what both tables have.
        """
        wanted = {**self.shipped, **(entries or {})}
        self.update(wanted)
        for key in self.keys() - wanted.keys():
            del self[key]


def use(tables: Mapping[str, CodeTable], loaded: Mapping[str, Mapping[str, str]]) -> None:
    """Put a lane's tables in force: what has been loaded by name, the shipped ones otherwise."""
    for name, table in tables.items():
        table.use(loaded.get(name))
