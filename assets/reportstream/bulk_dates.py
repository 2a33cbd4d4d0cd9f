"""Dates as people write them in the bulk template, and the time zone they meant.

``M/D/YYYY`` with an optional time and an optional zone. Without a time it is noon, without a zone the clock of
the ordering provider's address; nothing here asks for the present time.
"""

import re
from datetime import date, datetime, time, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assets.reportstream.tables.zones import ABBREVIATED_ZONES, zone_of

NOON: Final = time(12)

#: No patient and no result is older; who writes 12/20/0021 has left out a part of the year.
FIRST_YEAR: Final = 1900

#: Names the zone database has beside those of places: the clock of this machine, and clocks that are none.
_NO_PLACES: Final = frozenset(("localtime", "posixrules", "Factory"))

_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_MOMENT = re.compile(
    r"(\d{1,2}/\d{1,2}/\d{4})(?: ([01]?\d|2[0-3]):([0-5]\d)(?: ([A-Za-z][A-Za-z0-9_+/-]{0,40}))?)?", re.ASCII
)


def is_date(text: str) -> bool:
    """Whether month and day are within bounds; 2/31 passes, as in the published rules.

    >>> is_date("2/31/2021"), is_date("13/1/2021")
    (True, False)
    """
    found = _DATE.fullmatch(text)
    return found is not None and 1 <= int(found[1]) <= 12 and 1 <= int(found[2]) <= 31


def is_moment(text: str) -> bool:
    """Whether the text is a date with, perhaps, a time and a zone we know."""
    found = _MOMENT.fullmatch(text)
    return found is not None and is_date(found[1]) and (found[4] is None or _zone(found[4]) is not None)


@lru_cache(maxsize=8192)
def day(text: str) -> date | None:
    """The date of a text that begins with one; none if there is no such day, or none of ``FIRST_YEAR`` or later.

    >>> day("7/10/2023 8:51"), day("2/31/2023"), day("7/10/0023")
    (datetime.date(2023, 7, 10), None, None)
    """
    found = _DATE.match(text)
    if not found:
        return None
    month, day_of_month, year = (int(part) for part in found.groups())
    try:
        return date(year, month, day_of_month) if year >= FIRST_YEAR else None
    except ValueError:
        return None


def moment(text: str, zone: tzinfo) -> datetime:
    """The moment a text means: its own zone, else ``zone``; without a time, noon."""
    found = _MOMENT.fullmatch(text)
    on = day(text)
    if not found or on is None:
        raise ValueError("is not a date that exists; write M/D/YYYY, with H:mm if the time is known")
    at = time(int(found[2]), int(found[3])) if found[2] else NOON
    named = _zone(found[4]) if found[4] else None
    return datetime.combine(on, at, named or zone)


def address_zone(state: str, postal_code: str) -> tzinfo:
    """The clock on the wall at an address."""
    return ZoneInfo(zone_of(state, postal_code))


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo | None:
    """The zone of an abbreviation or of an IANA name; none if there is no such zone."""
    if name in _NO_PLACES:
        return None
    try:
        return ZoneInfo(ABBREVIATED_ZONES.get(name.upper(), name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
