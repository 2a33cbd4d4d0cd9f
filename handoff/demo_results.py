"""The clinic of the demo that reports results of its own: its secretary uploads a file of them, and one of its test
events holds a phone number that is too short, so that ReportStream has something to say and she something to read.

The event comes through the door, the file through the page.
"""

import csv
import io
import json
from collections.abc import Iterator
from uuid import uuid4

import httpx

from handoff.demo_traffic import Stage, made, samples
from handoff.demo_window import Window, hidden
from handoff.supervisor import SupervisorError, tell
from resources.store import staff
from resources.store.connect import Connection
from resources.store.operators import Who

LANE, TOKENS = "reportstream", "HANDOFF_TOKENS_REPORTSTREAM"

#: The laboratory of the upload's template: what is said of its results concerns the secretary.
CLIA = "01D1058442"
#: ReportStream takes the result, and says that it has left this out.
SHORT_NUMBER = "555-0142"
#: Results of one upload.
ROWS = 3


def settings(sandbox: str) -> dict[str, str]:
    """Where SimpleReport is told what was said of its test events."""
    return {
        "REPORTSTREAM_CALLBACK_URL": f"{sandbox}/simplereport/api/reportstream/callback",
        "REPORTSTREAM_CALLBACK_KEY": "demo",
    }


def employ(owner: Connection) -> None:
    """The demo's secretary works for the clinic."""
    [secretary] = [account for account in staff.accounts(owner) if account.name == "secretary"]
    if secretary.facility != CLIA:
        staff.set_facility(owner, "secretary", CLIA, Who("handoff demo", "the demo's clinic"))


def send(stage: Stage) -> None:
    """Test events of everybody's, and one of the clinic's with the number that is too short."""
    samples(LANE, LANE, 300, setting=TOKENS, batch=50)(stage)
    event = json.loads(made(LANE, LANE, 1, "--changes", "0"))
    event["patient"]["phone_number"] = SHORT_NUMBER
    event["facility"]["clia_number"] = CLIA
    token = stage.settings[TOKENS].split(",")[0]
    answer = httpx.post(
        f"{stage.web}/intake/reportstream/test-events",
        json=event,
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30.0,
    )
    if answer.status_code != 202:
        raise SupervisorError(f"the clinic's test event was not taken ({answer.status_code})")


def upload(stage: Stage) -> None:
    """The secretary fills in the template and uploads it."""
    with Window(stage.web, "secretary", stage.settings["HANDOFF_DEMO_PASSWORD"]) as secretary:
        file = filled(secretary.page("/results/template"))
        token = hidden(secretary.page("/results"), "csrf")
        secretary.send("/results", csrf=token, files={"file": ("results.csv", file, "text/csv")})
    tell(f"{LANE}: the secretary has uploaded {ROWS} results")


def filled(template: str) -> bytes:
    """The template with results of this demo: an order of its own for each."""
    [row] = csv.DictReader(io.StringIO(template))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(row))
    writer.writeheader()
    writer.writerows({**row, "accession_number": str(uuid4())} for _ in range(ROWS))
    return out.getvalue().encode()


def wrong(stage: Stage) -> Iterator[str]:
    """SimpleReport is told once of each test event ReportStream had something to say about."""
    with httpx.Client(base_url=stage.sandbox, trust_env=False, timeout=30.0) as http:
        told = http.get("/_sandbox/simplereport/records").json()
    about = [one["testEventInternalId"] for one in told if "phone number" in one["details"]]
    if not about:
        yield "reportstream: SimpleReport was not told of the phone number that is too short"
    for event in sorted({event for event in about if about.count(event) > 1}):
        yield f"reportstream: SimpleReport was told of the test event {event} {about.count(event)} times"
