"""Referrals as Pridok sends them, about people with synthetic national numbers.

The numbers follow the tax authority's synthetic series (month plus 80), which no person ever gets. The telephone
numbers begin with 1, where no Norwegian subscriber is.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from .people import Person, Run, people

FORMAT_ID = "http://ehelse.no/xmlstds/henvisning/2017-11-30"


def referrals(run: Run, count: int, now: datetime) -> Iterator[dict[str, Any]]:
    """One referral a person."""
    chance = run.chance
    crowd = people(run, now.date())
    for number in range(count):
        yield referral(run, number, next(crowd), chance, now - timedelta(seconds=count - number))


def referral(run: Run, number: int, person: Person, chance: random.Random, at: datetime) -> dict[str, Any]:
    """One referral; e-mail is there only hopefully."""
    document = {
        "JournalGuid": run.uuid("journal", number),
        "PID": synthetic_number(person.birth_date, chance),
        "FormatId": FORMAT_ID,
        "MessageTimestamp": f"{at:%Y-%m-%dT%H:%M:%S.%f}{chance.randrange(10)}Z",
        "Firstname": person.first_name,
        "Lastname": person.last_name,
        "Email": person.email,
        "PhoneNumber": f"+4712{chance.randrange(10**6):06d}",
    }
    if person.email is None and chance.random() < 0.5:
        del document["Email"]
    return document


FIRST_WEIGHTS = (3, 7, 6, 1, 8, 9, 4, 5, 2)
SECOND_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def synthetic_number(born: date, chance: random.Random) -> str:
    """A number with right check digits that is marked as nobody's."""
    while True:
        century = range(500) if born.year < 2000 else range(500, 1000)
        stem = f"{born.day:02d}{born.month + 80:02d}{born.year % 100:02d}{chance.choice(century):03d}"
        first = check_digit(stem, FIRST_WEIGHTS)
        if first < 10 and (second := check_digit(f"{stem}{first}", SECOND_WEIGHTS)) < 10:
            return f"{stem}{first}{second}"


def check_digit(digits: str, weights: tuple[int, ...]) -> int:
    """The digit that makes the weighted sum divisible by 11; 10 where there is none."""
    return -sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11
