"""Norwegian national numbers: what kind one is, whether it holds together, where it may be used.

The number is DDMMYY, three individual digits and two check digits. A D-number adds 40 to the day; synthetic
series and the local help number (H) add 40, 65 or 80 to the month. From 1 January 2032 the first check digit
may leave 0, 1, 2 or 3, and the century can no longer be read. Sex and birth date read from a number are
hints by the old rule, never facts about a person: Skatteetaten tells systems to stop relying on them.

Not here: whose number it is, its blind index, its history.
"""

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Environment = Literal["test", "production"]

#: The new rule for the first check digit is in force from this day (Skatteetaten).
NEW_RULE_FROM = date(2032, 1, 1)

_FIRST_WEIGHTS = (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)
_SECOND_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)

# ASCII only: another script's digits would give one person a second blind index.
_ELEVEN = re.compile(r"[0-9]{11}")
_SEPARATED = re.compile(r"([0-9]{6})-([0-9]{5})")
_SPACES = re.compile(r"[ \t]")


class Kind(enum.StrEnum):
    """The series a number belongs to, or why it belongs to none."""

    ORDINARY = "fnr"
    D = "d_number"
    H_OR_NAV = "h_number_or_nav_synthetic"
    H_OR_NAV_D = "h_number_or_nav_synthetic_d"
    NHN = "nhn_synthetic"
    NHN_D = "nhn_synthetic_d"
    TENOR = "tenor_synthetic"
    TENOR_D = "tenor_synthetic_d"
    FH = "fh_number"
    BAD_CHECKSUM = "bad_checksum"
    NO_SUCH_DATE = "no_such_date"
    MALFORMED = "malformed"


class Standing(enum.Enum):
    """What an environment makes of a number."""

    ACCEPTED = "accepted"
    TEST_ONLY = "test_only"
    REFUSED = "refused"


#: What a series adds to the month, with its name for ordinary days and for D days (day + 40).
_SERIES = {
    0: (Kind.ORDINARY, Kind.D),
    40: (Kind.H_OR_NAV, Kind.H_OR_NAV_D),
    65: (Kind.NHN, Kind.NHN_D),
    80: (Kind.TENOR, Kind.TENOR_D),
}
_REAL = frozenset({Kind.ORDINARY, Kind.D})
_NO_NUMBER = frozenset({Kind.FH, Kind.BAD_CHECKSUM, Kind.NO_SUCH_DATE, Kind.MALFORMED})

_REASONS = {
    Kind.FH: "a common help number (FH) is not accepted; ask the sender for the national number",
    Kind.BAD_CHECKSUM: "the check digits do not fit; ask the sender for the right number",
    Kind.NO_SUCH_DATE: "the first six digits are no date; ask the sender for the right number",
    Kind.MALFORMED: "must be eleven digits 0 to 9",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NationalNumber:
    """A number taken apart. ``digits`` is what is indexed and compared; it never shows in a repr."""

    digits: str = field(repr=False)
    kind: Kind
    normalised: bool = False
    old_rule: bool = False
    new_rule: bool = False
    born: date | None = field(default=None, repr=False)

    @property
    def readable(self) -> bool:
        """Whether the number makes sense by the rule before 2032: check digits, century and date."""
        return self.old_rule and self.born is not None

    @property
    def sex(self) -> Literal["F", "M"] | None:
        """What the ninth digit said before 2032, for a person who screens; never a fact."""
        if not self.readable:
            return None
        return "M" if int(self.digits[8]) % 2 else "F"


def read(text: str) -> NationalNumber:
    """The number in ``text``: spaces and the customary hyphen are taken out, nothing else is forgiven.

    >>> read("131169-00216").kind.value
    'fnr'
    """
    digits = normalise(text)
    normalised = digits != text
    if not _ELEVEN.fullmatch(digits):
        return NationalNumber(digits=digits, kind=Kind.MALFORMED, normalised=normalised)
    old_rule, new_rule = check_digits(digits)
    series, day, month = _marks(digits)
    born = _born(digits, day, month) if old_rule else None
    return NationalNumber(
        digits=digits,
        kind=_kind(digits, series, new_rule, _is_date(day, month, int(digits[4:6]))),
        normalised=normalised,
        old_rule=old_rule,
        new_rule=new_rule,
        born=born,
    )


def normalise(text: str) -> str:
    """``text`` without spaces, and without the hyphen between birth date and personal part."""
    return _SEPARATED.sub(r"\1\2", _SPACES.sub("", text))


def check_digits(digits: str) -> tuple[bool, bool]:
    """Whether eleven digits fit the rule before 2032, and the rule from then on."""
    values = [int(digit) for digit in digits]
    first = sum(weight * value for weight, value in zip(_FIRST_WEIGHTS, values, strict=False)) % 11
    second = sum(weight * value for weight, value in zip(_SECOND_WEIGHTS, values, strict=True)) % 11
    return second == 0 and first == 0, second == 0 and first <= 3


def standing(number: NationalNumber, environment: Environment, on: date) -> Standing:
    """What ``environment`` makes of ``number`` on the (Norwegian) day ``on``.

    A synthetic number in production would be a test patient among the real ones. The mark of an H-number
    is also NAV's synthetic mark, and an H-number must not leave its owner: both stay out of production.
    """
    if number.kind in _NO_NUMBER:
        return Standing.REFUSED
    if number.kind not in _REAL:
        return Standing.TEST_ONLY if environment == "test" else Standing.REFUSED
    return Standing.ACCEPTED if number.readable or on >= NEW_RULE_FROM else Standing.REFUSED


def why_refused(number: NationalNumber) -> str:
    """One sentence, without the number, for whoever looks at a refused one."""
    if number.kind in _REASONS:
        return _REASONS[number.kind]
    if number.kind in _REAL:
        return "fits only the rule in force from 1 January 2032; ask the sender for the right number"
    return "a synthetic or local help number; such numbers are accepted in the test environment only"


def _marks(digits: str) -> tuple[tuple[Kind, Kind] | None, int, int]:
    """The series, and day and month without their marks; the day keeps 40 if it is no D-number."""
    day, month = int(digits[:2]), int(digits[2:4])
    added = next((mark for mark in _SERIES if 1 <= month - mark <= 12), None)
    return (None, day, month) if added is None else (_SERIES[added], day, month - added)


def _kind(digits: str, series: tuple[Kind, Kind] | None, checks: bool, dated: bool) -> Kind:
    if digits[0] in "89":
        return Kind.FH
    if not checks:
        return Kind.BAD_CHECKSUM
    if series is None or not dated:
        return Kind.NO_SUCH_DATE
    return series[digits[0] >= "4"]


def _born(digits: str, day: int, month: int) -> date | None:
    year = _year(int(digits[4:6]), int(digits[6:9]))
    return None if year is None else _date(year, month, _calendar_day(day))


def _year(year: int, individual: int) -> int | None:
    """The four-digit year by the table of individual numbers in force before 2032."""
    if individual < 500:
        return 1900 + year
    if individual < 750 and year >= 54:
        return 1800 + year
    if year < 40:
        return 2000 + year
    return 1900 + year if individual >= 900 else None


def _is_date(day: int, month: int, year: int) -> bool:
    """Whether day and month exist in this year of any century: by the new rule none can be told."""
    return any(_date(century + year, month, _calendar_day(day)) for century in (1900, 2000))


def _calendar_day(day: int) -> int:
    return day - 40 if day > 40 else day


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def wrong_environment(number: NationalNumber, environment: Environment, published: Iterable[str]) -> bool:
    """Whether a real person's number may have reached a test system: an alarm, not a refusal."""
    return environment == "test" and number.kind in _REAL and number.digits not in frozenset(published)
