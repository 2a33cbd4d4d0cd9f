"""Chart events of the Arc application: charts are created, then profile, contact and insurance change."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from .people import Person, Run, people, phone

LANGUAGES = ("en", "es", "pt", "ru", "nv", None)
SEXES = ("female", "male", "f", "M", "unknown", None)
PAYERS = ("Healthfirst", "Granite State Health", "Harbor Mutual", "Aetna")


def chart_events(run: Run, count: int, now: datetime, changes: float = 50.0) -> Iterator[dict[str, Any]]:
    """Events in the order they happened; ``changes`` of a hundred are about a chart that exists already."""
    chance = run.chance
    crowd = people(run, now.date())
    charts: list[dict[str, Any]] = []
    for number in range(count):
        if charts and chance.random() * 100 < changes:
            kind = chance.choice(("profile_changed", "contact_changed", "insurance_changed"))
            place = chance.randrange(len(charts))
            charts[place] = chart = changed(charts[place], kind, next(crowd), chance)
        else:
            kind = "chart_created"
            chart = new_chart(run, len(charts), next(crowd), chance)
            charts.append(chart)
        yield {
            "event_id": run.uuid("event", number),
            "source": "arc",
            "event_type": kind,
            "resource_id": chart["id"],
            "occurred_at": (now - timedelta(seconds=count - number)).isoformat(timespec="seconds"),
            "data": {"chart": chart},
        }


def new_chart(run: Run, number: int, person: Person, chance: random.Random) -> dict[str, Any]:
    """One chart as it was first written."""
    insured = chance.random() < 0.8
    return {
        "id": run.uuid("chart", number),
        "first_name": person.first_name,
        "middle_name": person.middle_name,
        "last_name": person.last_name,
        "dob": person.birth_date.isoformat(),
        "sex": chance.choice(SEXES),
        "language": chance.choice(LANGUAGES),
        "address": address(person),
        "phones": phones(person, chance),
        "payer_name": chance.choice(PAYERS) if insured else None,
        "member_id": f"HF{chance.randrange(10**6):06d}" if insured else None,
        "medicaid_id": f"MC{chance.randrange(10**6):06d}" if chance.random() < 0.3 else None,
    }


def changed(chart: dict[str, Any], kind: str, other: Person, chance: random.Random) -> dict[str, Any]:
    """The chart after a change of one kind; new facts are borrowed from somebody else."""
    if kind == "profile_changed":
        return chart | {"middle_name": other.middle_name, "language": chance.choice(LANGUAGES)}
    if kind == "contact_changed":
        return chart | {"address": address(other), "phones": phones(other, chance)}
    return chart | {"payer_name": chance.choice(PAYERS), "member_id": f"HF{chance.randrange(10**6):06d}"}


def address(person: Person) -> dict[str, Any]:
    """Where somebody lives."""
    town = person.town
    return {
        "line1": person.street,
        "line2": None,
        "city": town.city,
        "state": town.state,
        "zip": town.zip_code,
    }


def phones(person: Person, chance: random.Random) -> list[dict[str, Any]]:
    """Up to three numbers, of which the partner keeps two."""
    kinds = chance.sample(("cell", "home", "work"), chance.randrange(1, 4))
    return [
        {"number": phone(chance, person.town), "type": kind, "primary": place == 0, "owned": kind != "work"}
        for place, kind in enumerate(kinds)
    ]
