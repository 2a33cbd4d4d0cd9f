"""Invented people and places. Telephone numbers are from the range kept free for fiction (555-01xx)."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

FIRST_NAMES = (
    "Ana", "Bao", "Chidi", "Dagny", "Elif", "Farid", "Grace", "Hana", "Ines", "Joaquín", "Kwame", "Leilani",
    "Mirela", "Noor", "Oleksandr", "Priya", "Quentin", "Rosa", "Søren", "Thandiwe", "Umar", "Vivian", "Wei",
    "Ximena", "Yusuf", "Zoë", "D'Arcy", "Mary Ann",
)  # fmt: skip
MIDDLE_NAMES = (None, None, None, "J", "Luz", "Marie", "van der", "Noël")
LAST_NAMES = (
    "Rivera", "O'Connor", "Nguyen", "Okafor", "Petrović", "Lindqvist", "Haddad", "Kaawa", "Muñoz", "Abernathy",
    "Begay", "Castellanos", "Dubois", "Eriksen", "Fitzgerald", "Gallardo", "Huang", "Ivanova", "Jefferson",
    "Kowalczyk", "Lafleur", "McAllister", "Nakamura", "Ostrowski", "Pereira", "Quispe", "Rahman", "Svensson",
    "Tsosie", "Underwood", "Villanueva", "Whitehorse", "Yamada", "Zielińska",
)  # fmt: skip
STREETS = (
    "Elm St",
    "Granite Ave",
    "Orchard Rd",
    "Harbor Blvd, Apt 4",
    "Mill Ln",
    'The "Old" Mill',
    "Cañon Dr",
)


@dataclass(frozen=True, slots=True)
class Town:
    """A real place, so that codes by county and state can be found."""

    city: str
    county: str
    state: str
    zip_code: str
    area: str


TOWNS = (
    Town("Bronx", "Bronx", "NY", "10451", "718"),
    Town("Newark", "Essex", "NJ", "07102", "973"),
    Town("Fresno", "Fresno", "CA", "93721", "559"),
    Town("Tacoma", "Pierce", "WA", "98402", "253"),
    Town("Flagstaff", "Coconino", "AZ", "86001", "928"),
    Town("Duluth", "St. Louis", "MN", "55802", "218"),
    Town("Mobile", "Mobile", "AL", "36602", "251"),
    Town("Bangor", "Penobscot", "ME", "04401", "207"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who does not exist."""

    id: str
    first_name: str
    middle_name: str | None
    last_name: str
    birth_date: date
    street: str
    town: Town
    phone: str
    email: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """Chance and ids of one run: the same seed and run give the same events, another run gives new ones."""

    seed: int
    id: str

    @property
    def chance(self) -> random.Random:
        """A source of chance, from its start."""
        return random.Random(f"{self.seed}:{self.id}")

    def uuid(self, *parts: object) -> str:
        """An id that belongs to this run only."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.seed}:{self.id}:{':'.join(map(str, parts))}"))


def new_run(seed: int) -> Run:
    """A run nobody has seen before."""
    return Run(seed, uuid.uuid4().hex)


def phone(chance: random.Random, town: Town) -> str:
    """A number kept free for fiction, in one of the ways people write it."""
    line = f"01{chance.randrange(100):02d}"
    return chance.choice(
        (f"({town.area}) 555-{line}", f"{town.area}-555-{line}", f"+1 {town.area} 555 {line}")
    )


def people(run: Run, today: date) -> Iterator[Person]:
    """New people without end."""
    chance = run.chance
    number = 0
    while True:
        town = chance.choice(TOWNS)
        first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        if chance.random() < 0.5:
            last = f"{last}-{chance.choice(LAST_NAMES)}"
        yield Person(
            id=run.uuid("person", number),
            first_name=first,
            middle_name=chance.choice(MIDDLE_NAMES),
            last_name=last,
            birth_date=today - timedelta(days=chance.randrange(30, 36_000)),
            street=f"{chance.randrange(1, 9_999)} {chance.choice(STREETS)}",
            town=town,
            phone=phone(chance, town),
            email=f"person{number}@example.org" if chance.random() < 0.7 else None,
        )
        number += 1
