"""Test events to measure with: 1.8 KB of JSON, of 40 facilities and 12 devices, each patient another person."""

import json
import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

FACILITIES, DEVICES = 40, 12
FIRST_NAMES = (
    "Ana",
    "Bo",
    "Chidi",
    "Dorota",
    "Emil",
    "Fatima",
    "Goran",
    "Hana",
    "Ira",
    "José",
    "Noor",
    "Zoë",
)
LAST_NAMES = ("Rivera", "Okafor", "Lund", "Novak", "Begay", "Tran", "O'Brien", "Haddad", "Sørensen", "Kim")
STREETS = ("Elm St", "Harbor Ave", "Pier Rd", "2nd Ave", "Mill Lane")
RESULTS = ("POSITIVE", "NEGATIVE", "NEGATIVE", "NEGATIVE", "UNDETERMINED")


class Events:
    """Makes events that nobody has seen; the same seed makes the same ones."""

    def __init__(self, seed: int | None = None) -> None:
        self._chance = random.Random(seed)
        self._facilities = [self._facility(number) for number in range(FACILITIES)]
        self._providers = [self._provider(number) for number in range(FACILITIES)]
        self._devices = [self._device(number) for number in range(DEVICES)]

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield self.one()

    def one(self) -> bytes:
        """One event as a sender writes it."""
        return json.dumps(self.document()).encode()

    def some(self, number: int) -> list[bytes]:
        """So many events."""
        return [self.one() for _ in range(number)]

    def document(self) -> dict[str, Any]:
        """One event."""
        pick = self._chance.choice
        place = self._chance.randrange(FACILITIES)
        day, hour, minute = (self._chance.randrange(*bounds) for bounds in ((1, 29), (24,), (60,)))
        return {
            "event_id": self._id(),
            "prior_event_id": None,
            "correction_status": "ORIGINAL",
            "correction_reason": None,
            "date_tested": f"2026-03-{day:02}T{hour:02}:{minute:02}:05+00:00",
            "results": [{"disease": "COVID-19", "result": pick(RESULTS)}],
            "patient_has_prior_tests": pick((True, False, None)),
            "patient": self._patient(),
            "survey": {"no_symptoms": False, "symptom_onset_date": f"2026-02-{day:02}"},
            "organization": {"name": f"North Shore Care {place}", "type": "nursing_home"},
            "facility": self._facilities[place],
            "ordering_provider": self._providers[place],
            "device": pick(self._devices),
            "specimen": {"type_code": "445297001", "source_site_code": None},
        }

    def _patient(self) -> dict[str, Any]:
        pick, number = self._chance.choice, self._chance.randrange
        first, last = pick(FIRST_NAMES), pick(LAST_NAMES)
        return {
            "internal_id": self._id(),
            "first_name": first,
            "middle_name": None,
            "last_name": last,
            "suffix": None,
            "race": pick(("white", "black", "asian", "native", "unknown")),
            "ethnicity": pick(("hispanic", "not_hispanic")),
            "gender": pick(("female", "male", "other")),
            "birth_date": f"{number(1930, 2020)}-{number(1, 13):02}-{number(1, 29):02}",
            "street": f"{number(1, 999)} {pick(STREETS)}",
            "street_2": None,
            "city": "Duluth",
            "county": "St. Louis",
            "state": "MN",
            "zip_code": "55802",
            "country": "USA",
            "phone_number": f"(218) 555-{number(10_000):04}",
            "email": f"p{number(10**6)}@example.org",
            "role": pick(("RESIDENT", "STAFF")),
            "tribal_affiliation": [],
            "preferred_language": pick(("English", "Spanish")),
            "employed_in_healthcare": pick((True, False)),
            "resident_congregate_setting": None,
        }

    def _facility(self, number: int) -> dict[str, Any]:
        return {
            "name": f"North Shore Laboratory {number}",
            "clia_number": f"24D{number:07}",
            "street": f"{number + 1} Pier Rd",
            "street_2": None,
            "city": "Duluth",
            "county": "St. Louis",
            "state": "MN",
            "zip_code": "55802",
            "phone": f"(218) 555-{number:04}",
            "email": "lab@example.org",
        }

    def _provider(self, number: int) -> dict[str, Any]:
        return {
            "npi": "1245319599",
            "first_name": "Pat",
            "last_name": f"Granite-{number}",
            "street": "9 Pier Rd",
            "street_2": None,
            "city": "Duluth",
            "county": "St. Louis",
            "state": "MN",
            "zip_code": "55802",
            "phone": "(218) 555-0101",
        }

    def _device(self, number: int) -> dict[str, Any]:
        kit = f"1081187701{number:04}"
        return {
            "internal_id": self._id(),
            "model": f"BinaxNOW COVID-19 Ag Card {number}",
            "manufacturer": "Abbott",
            "test_length_minutes": 15,
            "tests": [
                {
                    "disease": "COVID-19",
                    "test_performed_code": "94558-4",
                    "test_ordered_code": "94558-4",
                    "test_kit_name_id": kit,
                    "equipment_uid": kit,
                }
            ],
        }

    def _id(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))
