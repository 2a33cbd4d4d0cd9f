"""ICPC-2 codes: reading the one code of a report, and searching a list by code.

A report carries exactly one code. Two codes, free text and codes of another system (ICD-10) are refused, for
the insurer's and the clinic's statistics count codes. Lists hold codes without titles (see ``tables/icpc2``).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from assets.pridok.tables import icpc2

CHAPTERS: Final = "ABDFHKLNPRSTUWXYZ"

_ICPC_2 = re.compile(r"[A-Z][0-9]{2}[0-9]?")
_ICPC_2B = re.compile(r"([A-Z][0-9]{2}[0-9]?)\.[0-9]{4}")
# 30 to 69 are actions and hold in every chapter; a dash stands for "any chapter".
_PROCESS = re.compile(rf"[{CHAPTERS}-](3[0-9]|[45][0-9]|6[0-9])")


class CodeRefused(ValueError):
    """The text is not one code of the list; the sentence says what to do and repeats nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code with the system and the year of the list that knew it. The code never shows in a repr."""

    code: str = field(repr=False)
    system: str
    year: int


@dataclass(frozen=True, slots=True)
class CodeList:
    """The codes in force from 1 January of ``year`` until the next list."""

    year: int
    codes: frozenset[str] = field(repr=False)


def shipped() -> CodeList:
    """The list that comes with the lane."""
    return CodeList(icpc2.YEAR, frozenset(_expanded()))


def code_list(text: str, year: int) -> CodeList:
    """The list in an official file: one code a line, first of its columns; other lines are left out."""
    words = (re.split(r"[;,\t ]", line.strip().strip('"'), maxsplit=1)[0] for line in text.splitlines())
    codes = frozenset(word.strip('"') for word in words if _ICPC_2.fullmatch(word.strip('"')))
    if not codes:
        raise ValueError("ICPC-2 file: holds no code; one code a line, in the first column")
    return CodeList(year, codes)


def in_force(lists: Iterable[CodeList], on: date) -> CodeList:
    """The newest list that was in force on the day, else the oldest there is."""
    ordered = sorted(lists, key=lambda one: one.year)
    return next((one for one in reversed(ordered) if one.year <= on.year), ordered[0])


def read(text: str, codes: CodeList, *, process: bool = False) -> Code:
    """The one code in ``text``, in capitals and without spaces around it.

    >>> read(" r74 ", shipped()).system
    'ICPC-2'
    """
    code = text.strip().upper()
    if not code:
        raise CodeRefused("icpc2: missing; choose one code")
    if code in codes.codes:
        return Code(code=code, system="ICPC-2", year=codes.year)
    if (extended := _ICPC_2B.fullmatch(code)) and extended[1] in codes.codes:
        return Code(code=code, system="ICPC-2B", year=codes.year)
    if _PROCESS.fullmatch(code):
        if process:
            return Code(code=code, system="ICPC-2 process", year=codes.year)
        raise CodeRefused("icpc2: a process code is not a reason for contact; choose a symptom or diagnosis")
    if len(re.findall(r"[A-Z][0-9]{2}", code)) > 1:
        raise CodeRefused("icpc2: more than one code; a report carries exactly one")
    if _ICPC_2.fullmatch(code):
        raise CodeRefused(f"icpc2: not in the list of {codes.year}; choose one from the search")
    raise CodeRefused("icpc2: not an ICPC-2 code; choose one from the search")


def search(prefix: str, codes: CodeList, most: int = 20) -> Sequence[str]:
    """The first codes that begin with what was typed, in order; nothing typed finds nothing.

    >>> search("r99", shipped())[:3]
    ['R99', 'R991', 'R992']
    """
    start = prefix.strip().upper()
    return sorted(code for code in codes.codes if start and code.startswith(start))[:most]


def _expanded() -> Iterator[str]:
    for chapter, runs in icpc2.CHAPTERS.items():
        for run in runs.split():
            first, _, last = run.partition("-")
            for number in range(int(first), int(last or first) + 1):
                yield f"{chapter}{number:02d}"
