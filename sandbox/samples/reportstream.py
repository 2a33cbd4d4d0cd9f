"""SimpleReport test events: originals, corrections, removals, several diseases, unknown addresses."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from .people import Person, Run, people, phone

UNKNOWN_STREET = "** Unknown / Not Given **"
DISEASES = ("COVID-19", "Flu A", "Flu B", "RSV")
RACES = ("native", "asian", "black", "pacific", "white", "other", "unknown", "refused")
ETHNICITIES = ("hispanic", "not_hispanic", "refused", "unknown")
GENDERS = ("male", "female", "other", "refused", "unknown")
ROLES = (None, "STAFF", "RESIDENT", "STUDENT", "VISITOR", "UNKNOWN")
LANGUAGES = (None, "English", "Spanish", "Portuguese", "Navajo", "Russian", "Klingon")
RESULTS = ("POSITIVE", "NEGATIVE", "NEGATIVE", "NEGATIVE", "UNDETERMINED")
SITES = ("nursing_home", "k12", "urgent_care", "correctional_facility", "fqhc", "camp", "pharmacy")
SPECIMENS = ("445297001", "258500001", "697989009", "258560004")
OFFSETS = (0, -5, -6, -8, 2)

#: Published model names and LOINC codes: one single test, one panel of four.
SINGLE = {
    "model": "BinaxNOW COVID-19 Ag Card",
    "manufacturer": "Abbott",
    "test_length_minutes": 15,
    "tests": [
        {
            "disease": "COVID-19",
            "test_performed_code": "94558-4",
            "test_ordered_code": "94558-4",
            "test_kit_name_id": "10811877011269",
            "equipment_uid": "10811877011269",
        }
    ],
}
PANEL = {
    "model": "Xpert Xpress CoV-2/Flu/RSV plus",
    "manufacturer": "Cepheid",
    "test_length_minutes": None,
    "tests": [
        {"disease": disease, "test_performed_code": code, "test_ordered_code": "95941-1"}
        for disease, code in zip(DISEASES, ("94500-6", "85477-8", "85478-6", "85479-4"), strict=True)
    ],
}


@dataclass(frozen=True, slots=True)
class Shares:
    """How many of a hundred events are of each kind."""

    corrections: float = 6.0
    removals: float = 2.0
    multiplex: float = 25.0
    unknown_address: float = 3.0
    odd_characters: float = 1.0


def sample_events(
    run: Run, count: int, now: datetime, shares: Shares | None = None
) -> Iterator[dict[str, Any]]:
    """Events in the order they happened; a correction comes after what it corrects."""
    shares = shares or Shares()
    chance = run.chance
    crowd = people(run, now.date())
    recent: deque[dict[str, Any]] = deque(
        maxlen=500
    )  # what can still be corrected: the newest of each lineage
    for number in range(count):
        draw = chance.random() * 100
        if recent and draw < shares.corrections + shares.removals:
            prior = recent[chance.randrange(len(recent))]
            recent.remove(prior)
            status = "CORRECTED" if draw < shares.corrections else "REMOVED"
            event = changed(run, number, prior, status, chance)
            if status == "CORRECTED":
                recent.append(event)
        else:
            event = original(run, number, next(crowd), chance, now, shares)
            recent.append(event)
        yield event


def changed(
    run: Run, number: int, prior: dict[str, Any], status: str, chance: random.Random
) -> dict[str, Any]:
    """The same test told again: another result, or taken back."""
    event = prior | {
        "event_id": run.uuid("event", number),
        "prior_event_id": prior["event_id"],
        "correction_status": status,
        "correction_reason": chance.choice(("INCORRECT_RESULT", "DUPLICATE_TEST", "wrong patient, sorry")),
    }
    if status == "CORRECTED":
        event["results"] = [one | {"result": chance.choice(RESULTS)} for one in prior["results"]]
    return event


def original(
    run: Run, number: int, person: Person, chance: random.Random, now: datetime, shares: Shares
) -> dict[str, Any]:
    """A first report of one test."""
    several = chance.random() * 100 < shares.multiplex
    device = PANEL if several else SINGLE
    zone = timezone(timedelta(hours=chance.choice(OFFSETS)))
    tested = (now - timedelta(minutes=chance.randrange(30, 10_000))).replace(microsecond=0).astimezone(zone)
    return {
        "event_id": run.uuid("event", number),
        "prior_event_id": None,
        "correction_status": "ORIGINAL",
        "correction_reason": None,
        "date_tested": tested.isoformat(),
        "results": [
            {"disease": disease, "result": chance.choice(RESULTS)}
            for disease in (DISEASES if several else DISEASES[:1])
        ],
        "patient_has_prior_tests": chance.choice((True, False, None)),
        "patient": patient(person, chance, shares),
        "survey": survey(chance, tested),
        "organization": {"name": f"{person.town.city} Care", "type": chance.choice(SITES)},
        "facility": facility(person, chance),
        "ordering_provider": provider(person, chance),
        "device": {"internal_id": run.uuid("device", device["model"])} | device,
        "specimen": {
            "type_code": chance.choice(SPECIMENS),
            "source_site_code": chance.choice((None, "45206002")),
        },
    }


def patient(person: Person, chance: random.Random, shares: Shares) -> dict[str, Any]:
    """Who was tested; some give no address, some paste odd characters."""
    street = person.street
    if chance.random() * 100 < shares.odd_characters:
        street = f"{street}\u2028Building {chance.randrange(9)}\tback"
    unknown = chance.random() * 100 < shares.unknown_address
    town = person.town
    return {
        "internal_id": person.id,
        "first_name": person.first_name,
        "middle_name": person.middle_name,
        "last_name": person.last_name,
        "suffix": chance.choice((None, None, None, "Jr.")),
        "race": chance.choice(RACES),
        "ethnicity": chance.choice(ETHNICITIES),
        "gender": chance.choice(GENDERS),
        "birth_date": person.birth_date.isoformat(),
        "street": UNKNOWN_STREET if unknown else street,
        "street_2": None,
        "city": None if unknown else town.city,
        "county": None if unknown else town.county,
        "state": town.state,
        "zip_code": None if unknown else town.zip_code,
        "country": "USA",
        "phone_number": person.phone if chance.random() < 0.9 else None,
        "email": person.email,
        "role": chance.choice(ROLES),
        "tribal_affiliation": ["266"] if chance.random() < 0.05 else [],
        "preferred_language": chance.choice(LANGUAGES),
        "employed_in_healthcare": chance.choice((True, False, None)),
        "resident_congregate_setting": chance.choice((True, False, None)),
    }


def survey(chance: random.Random, tested: datetime) -> dict[str, Any] | None:
    """What the patient said about symptoms, if anything."""
    if chance.random() < 0.2:
        return None
    well = chance.choice((True, False, None))
    onset = tested.date() - timedelta(days=chance.randrange(1, 12))
    return {"no_symptoms": well, "symptom_onset_date": onset.isoformat() if well is False else None}


def facility(person: Person, chance: random.Random) -> dict[str, Any]:
    """The place that tested, in the patient's town."""
    town = person.town
    return {
        "name": f"{town.city} Care Lab",
        "clia_number": f"{sum(map(ord, town.city)) % 90 + 10}D{sum(map(ord, town.county)):07d}",
        "street": "1 Main St",
        "street_2": None,
        "city": town.city,
        "county": town.county,
        "state": town.state,
        "zip_code": town.zip_code,
        "phone": phone(chance, town),
        "email": "lab@example.org",
    }


def provider(person: Person, chance: random.Random) -> dict[str, Any]:
    """Who ordered it; the number has a right check digit."""
    town = person.town
    return {
        "npi": npi(124531900 + sum(map(ord, town.city)) % 100),
        "first_name": "Pat",
        "last_name": "Granite",
        "street": "1 Main St",
        "street_2": "Suite 200" if chance.random() < 0.3 else None,
        "city": town.city,
        "county": town.county,
        "state": town.state,
        "zip_code": town.zip_code,
        "phone": phone(chance, town),
    }


def npi(first_nine: int) -> str:
    """A provider number: nine digits and the Luhn digit of 80840 followed by them."""
    digits = [int(digit) for digit in f"80840{first_nine}"]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[::-2])
    return f"{first_nine}{-(doubled + sum(digits[-2::-2])) % 10}"
