"""Reports to begin with: the samples' events and rows, and how their messages are made."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assets.formats import fhir as fhir_format
from assets.reportstream import bulk
from assets.reportstream.bulk_report import report_of_row
from assets.reportstream.devices import known_devices
from assets.reportstream.event_report import report_of_event
from assets.reportstream.events import TestEvent, decode
from assets.reportstream.fhir import Sending, bundle
from assets.reportstream.profile import Profile
from assets.reportstream.report import Report

SAMPLES = Path(__file__).parents[1] / "samples"
RECEIVED = datetime(2026, 3, 2, 15, 10, 0, 250_000, tzinfo=UTC)
SENDING = Sending(made_at=RECEIVED, version="1.2.3", installed_at=datetime(2026, 2, 1, tzinfo=UTC))


def of_event(event: TestEvent, profile: Profile = Profile.DEFAULT, **known: str) -> Report:
    """The report an event makes."""
    return report_of_event(event, received_at=RECEIVED, devices=known_devices(), profile=profile, **known)


def sample_events() -> dict[str, TestEvent]:
    """The events of this clone, by name; without those whose device has no test for what it found."""
    events = {
        path.stem: decode(path.read_bytes()) for path in sorted((SAMPLES / "reportstream").glob("*.json"))
    }
    return {
        name: event
        for name, event in events.items()
        if {one.disease for one in event.results} <= tested(event)
    }


def tested(event: TestEvent) -> set[str]:
    """The diseases an event's device has a test for."""
    return {test.disease for test in event.device.tests if test.test_performed_code}


def sample_rows() -> list[Report]:
    """The rows of this clone's good uploads."""
    reports = []
    for path in sorted((SAMPLES / "reportstream_bulk").glob("*.csv")):
        with path.open("rb") as opened:
            for _, row in bulk.rows(opened):
                reports.append(report_of_row(row, devices=known_devices()))
    return reports


def document(
    report: Report, profile: Profile = Profile.DEFAULT, sending: Sending = SENDING
) -> dict[str, Any]:
    """The bundle of a report, as it is read by the far end."""
    parsed: dict[str, Any] = json.loads(fhir_format.encode(bundle(report, sending, profile=profile)))
    return parsed


def resources(parsed: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The resources of a kind in a bundle."""
    return [entry["resource"] for entry in parsed["entry"] if entry["resource"]["resourceType"] == kind]
