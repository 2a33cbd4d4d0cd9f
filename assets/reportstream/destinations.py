"""Where results go: formats and transports side by side, each with queues and an outcome of its own.

Of one setting each: ``REPORTSTREAM_FORMAT`` and ``REPORTSTREAM_TRANSPORT`` are lists of equal length (a single
value counts for all), the first of them is destination 0. What a destination says of itself is in ``sending``.
"""

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal, get_args

from resources.settings import SettingError, Settings
from resources.store.ids import PARTS

Format = Literal["csv", "fhir", "hl7"]
Transport = Literal["https", "s3", "none"]

#: What carries results of every disease; a CSV holds those of COVID-19.
CARRIES_ALL: Final = ("fhir", "hl7")


@dataclass(frozen=True, slots=True)
class Destination:
    """One place results go to; ``part`` is its number, and that of its messages."""

    part: int
    format: Format
    transport: Transport


def destinations(settings: Settings) -> tuple[Destination, ...]:
    """All of them, in the order of the settings."""
    formats = _listed(settings, "REPORTSTREAM_FORMAT", get_args(Format))
    transports = _listed(settings, "REPORTSTREAM_TRANSPORT", get_args(Transport))
    count = max(len(formats), len(transports))
    if count > PARTS:
        raise SettingError(f"REPORTSTREAM_FORMAT names {count} destinations; there can be {PARTS}")
    places = zip(_each(formats, count), _each(transports, count), strict=True)
    return tuple(
        Destination(part, form, transport)  # type: ignore[arg-type]  # _listed lets no other word pass
        for part, (form, transport) in enumerate(places)
    )


def own_of(settings: Settings, name: str, part: int, count: int, default: str = "") -> str:
    """A destination's own value of a setting: one for all, or as many as there are destinations."""
    given = [word.strip() for word in settings.text(name, default).split(",")]
    if len(given) not in (1, count):
        raise SettingError(f"{name} must hold one value, or one for each of the {count} destinations")
    return given[part if len(given) > 1 else 0]


def queues(count: int) -> tuple[int, ...]:
    """What is added (exclusive or) to a lineage to make each destination's queue of it; nothing for the first.

    >>> queues(1), queues(2)[1] == queues(3)[1]
    ((0,), True)
    """
    return (0, *(_constant(part) for part in range(1, count)))


def _constant(part: int) -> int:
    digest = sha256(f"reportstream destination {part}".encode()).digest()
    return int(struct.unpack_from("q", digest)[0])


def _listed(settings: Settings, name: str, allowed: tuple[str, ...]) -> list[str]:
    words = [word.strip() for word in settings.text(name, allowed[0]).split(",")]
    if not set(words) <= set(allowed):
        raise SettingError(f"{name} must be of {', '.join(allowed)}, with commas between")
    return words


def _each(words: list[str], count: int) -> list[str]:
    if len(words) not in (1, count):
        raise SettingError("REPORTSTREAM_FORMAT and REPORTSTREAM_TRANSPORT must be of the same length")
    return words * count if len(words) == 1 else words
