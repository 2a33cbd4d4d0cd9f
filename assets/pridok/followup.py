"""The follow-up of looks at patients' data: which of them somebody should ask about. Pure; names never leave it.

Each sign has innocent reasons, so that a person asks and no machine decides: a provider read somebody they never
treated, or said that it was an emergency; somebody read a patient of their own name, or of their own surname; somebody
read very many within an hour; somebody was refused. The names of the account and of the person behind it are held
against the patient's: ``line.danser``, or Line Berg Danser, and Line Danser.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

#: A page that is open asks again by itself; after this long without a look the next one is a new spell.
PAUSE: Final = timedelta(minutes=15)
#: More persons than this within one hour of the clock are very many.
MANY: Final = 30

SIGNS: Final = {
    "emergency": "opened a record in an emergency",
    "no_booking": "read somebody they have not treated",
    "own_name": "read a patient of their own name",
    "same_surname": "read a patient of their own surname",
    "many": "read very many within an hour",
    "refused": "was refused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at one person, by the person's entry in the register; ``called`` is the full name of who looked."""

    at: datetime
    who: str
    role: str
    what: str
    patient: int
    given: bool = True
    emergency: bool = False
    called: str = ""


class Read(Protocol):
    """One look as the log has it."""

    @property
    def at(self) -> datetime: ...
    @property
    def who(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def given(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a patient who was looked at; a name is here only to be compared."""

    treated_by: Collection[str] = ()
    first_name: str = field(default="", repr=False)
    last_name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Somebody to be asked about something; ``looks`` is how often, ``patient`` none where there are many."""

    who: str
    role: str
    sign: str
    first: datetime
    last: datetime
    looks: int
    patient: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """Looks of one person at the same thing for the same reason, one soon after the other: a page left open."""

    first: datetime
    last: datetime
    looks: int
    who: str
    role: str
    what: str
    reason: str
    given: bool


def spells(looks: Iterable[Read]) -> list[Spell]:
    """Looks, the oldest first, as a person reads them: spells, the newest first. Nothing is left out."""
    running: dict[tuple[str, str, str, str, bool], Spell] = {}
    over: list[Spell] = []
    for look in looks:
        key = (look.who, look.role, look.what, look.reason, look.given)
        before = running.get(key)
        if before is not None and look.at - before.last <= PAUSE:
            running[key] = replace(before, last=look.at, looks=before.looks + 1)
            continue
        if before is not None:
            over.append(before)
        running[key] = Spell(
            first=look.at,
            last=look.at,
            looks=1,
            who=look.who,
            role=look.role,
            what=look.what,
            reason=look.reason,
            given=look.given,
        )
    return sorted([*over, *running.values()], key=lambda one: one.last, reverse=True)


def findings(looks: Iterable[Look], known: Mapping[int, Known], *, many: int = MANY) -> list[Finding]:
    """What to ask about, the newest first; looks of one person at one patient are one finding a sign."""
    found: dict[tuple[str, str, str, int | None], list[datetime]] = defaultdict(list)
    hours: dict[tuple[str, str, datetime], list[Look]] = defaultdict(list)
    for look in looks:
        for sign in signs(look, known.get(look.patient, Known())):
            found[look.who, look.role, sign, look.patient].append(look.at)
        hours[look.who, look.role, _hour(look.at)].append(look)
    for (who, role, hour), within in hours.items():
        if len({look.patient for look in within}) > many:
            # An hour is told by itself: each is a question of its own.
            found[who, role, f"many {hour.isoformat()}", None] = [look.at for look in within]
    made = [
        Finding(
            who=who,
            role=role,
            sign=sign.partition(" ")[0],
            first=min(times),
            last=max(times),
            looks=len(times),
            patient=patient,
        )
        for (who, role, sign, patient), times in found.items()
    ]
    return sorted(made, key=lambda one: one.last, reverse=True)


def signs(look: Look, known: Known) -> Iterator[str]:
    """What is worth a question in one look."""
    if not look.given:
        yield "refused"
        return
    if look.emergency:
        yield "emergency"
    elif look.role == "provider" and look.who not in known.treated_by:
        yield "no_booking"
    mine = _words(look.who) | _words(look.called)
    last, first = _words(known.last_name), _words(known.first_name)
    if last and last <= mine:
        yield "own_name" if first & mine else "same_surname"


def _words(name: str) -> frozenset[str]:
    """
    >>> sorted(_words("line.danser")), sorted(_words("Danser"))
    (['danser', 'line'], ['danser'])
    """
    return frozenset(re.findall(r"[^\W\d_]+", name.casefold()))


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
