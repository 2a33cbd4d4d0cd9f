"""Invented charts for the tests of this lane."""

import json
from typing import Any

ANA: dict[str, Any] = {
    "id": "chart-1",
    "first_name": "Ana",
    "middle_name": None,
    "last_name": "Rivera",
    "dob": "1961-07-04",
    "sex": "female",
    "language": "es",
    "address": {"line1": "12 Elm St", "line2": None, "city": "Bronx", "state": "NY", "zip": "10451"},
    "phones": [{"number": "+1 (718) 555-0142", "type": "cell", "primary": True, "owned": True}],
    "payer_name": "Healthfirst",
    "member_id": "HF123456",
    "medicaid_id": None,
}


def event_bytes(event_type: str = "profile_changed", **changes: object) -> bytes:
    """An event about Ana's chart, with these members of the chart changed."""
    chart = ANA | changes
    event = {
        "event_id": "event-1",
        "event_type": event_type,
        "resource_id": chart["id"],
        "data": {"chart": chart},
    }
    return json.dumps(event).encode()
