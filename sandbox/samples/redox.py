"""Orders as Redox delivers them, each asking for a clinical note."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from .people import Person, Run, people

SOURCE_ID = "7ce6f387-c33c-417d-8682-81e83628cbd9"
DESTINATION_ID = "af394f14-b34a-464f-8d24-895f370af4c9"


def orders(
    run: Run, count: int, now: datetime, changes: float = 0.0, source_id: str = SOURCE_ID
) -> Iterator[dict[str, Any]]:
    """Orders in the order they were placed; ``changes`` of a hundred update or cancel an earlier one."""
    chance = run.chance
    crowd = people(run, now.date())
    placed: list[dict[str, Any]] = []
    for number in range(count):
        at = (now - timedelta(seconds=count - number)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        if placed and chance.random() * 100 < changes:
            kind = chance.choice(("Update", "Update", "Cancel"))
            order = placed.pop(chance.randrange(len(placed)))
        else:
            kind, order = "New", new_order(run, number, next(crowd), chance)
        message = dressed(run, number, order, kind, at, source_id)
        if kind != "Cancel":
            placed.append(order)
        yield message


def new_order(run: Run, number: int, person: Person, chance: random.Random) -> dict[str, Any]:
    """Patient, visit and order without their envelope."""
    # A number of this run only: the partner knows an order by it.
    order_id = str(int(run.uuid("order", number).replace("-", "")[:12], 16))
    return {
        "Patient": patient(person, chance),
        "Visit": {"VisitNumber": f"V-{chance.randrange(10**6)}"},
        "Order": {
            "ID": order_id,
            "ApplicationOrderID": None,
            "CollectionDateTime": None,
            "Procedure": {"Code": "CN100", "Codeset": None, "Description": "Clinical note request"},
            "Provider": {
                "NPI": "1245319599",
                "ID": "1245319599",
                "IDType": "NPI",
                "FirstName": "Pat",
                "LastName": "Granite",
                "Credentials": ["MD"],
            },
            "Priority": chance.choice(("Routine", "Stat", "ASAP")),
            "Expiration": None,
            "Comments": None,
            "Notes": [],
            "Diagnoses": [],
            "ClinicalInfo": [],
        },
    }


def patient(person: Person, chance: random.Random) -> dict[str, Any]:
    """Who the note is about."""
    town = person.town
    return {
        "Identifiers": [{"ID": f"{chance.randrange(10**10):010d}", "IDType": "MR"}],
        "Demographics": {
            "FirstName": person.first_name,
            "MiddleName": person.middle_name,
            "LastName": person.last_name,
            "DOB": person.birth_date.isoformat(),
            "SSN": None,
            "Sex": chance.choice(("Female", "Male", "Unknown")),
            "Race": None,
            "IsHispanic": None,
            "MaritalStatus": None,
            "IsDeceased": None,
            "DeathDateTime": None,
            "PhoneNumber": {"Home": person.phone, "Office": None, "Mobile": None},
            "EmailAddresses": [],
            "Language": "en",
            "Citizenship": [],
            "Address": {
                "StreetAddress": person.street,
                "City": town.city,
                "State": town.state,
                "ZIP": town.zip_code,
                "County": town.county,
                "Country": "US",
            },
        },
        "Notes": [],
    }


def dressed(
    run: Run, number: int, order: dict[str, Any], kind: str, at: str, source_id: str
) -> dict[str, Any]:
    """One message: the order under its envelope, with a log id of its own."""
    meta = {
        "DataModel": "Order",
        "EventType": kind,
        "EventDateTime": at,
        "Test": False,
        "Source": {"ID": source_id, "Name": "Partner EHR"},
        "Destinations": [{"ID": DESTINATION_ID, "Name": "Notes engine"}],
        "Logs": [{"ID": run.uuid("log", number), "AttemptID": run.uuid("attempt", number)}],
        "FacilityCode": None,
    }
    status = {"Status": kind, "TransactionDateTime": at}
    return {"Meta": meta} | order | {"Order": order["Order"] | status}
