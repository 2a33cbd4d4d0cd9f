"""The partner's page says of every field where it comes from: held against the messages the lane makes."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from assets.reportstream import bulk, bulk_row, software
from assets.reportstream.devices import known_devices
from assets.reportstream.encoding import BULK_ROW, TEST_EVENT, hl7_item
from resources.store.values import Arrival
from tests.conftest import ROOT
from tests.reportstream.lab_reports import SAMPLES, sample_events

PAGE = ROOT / "docs" / "partners" / "reportstream.md"

#: What APHL AIMS is sent of each segment, by SimpleReport's own account.
OF_AIMS = {
    "MSH": (3, 4, 5, 6, 7, 9, 10, 11, 12, 17, 21),
    "SFT": (1, 2, 3, 4, 6),
    "PID": (1, 3, 5, 7, 8, 10, 11, 13, 22, 39),
    "ORC": (1, 3, 12, 14, 21, 22, 23, 24),
    "OBR": (1, 3, 4, 7, 8, 16, 17, 22, 25),
    "OBX": (2, 3, 5, 8, 11, 14, 15, 19, 23, 24),
    "SPM": (1, 2, 4, 8, 17, 18),
}


def told() -> dict[str, str]:
    """What the page says of each field."""
    section = PAGE.read_text().partition("## What goes where in HL7\n")[2].partition("\n## ")[0]
    found: dict[str, str] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if re.match(r"[A-Z]{3}-\d", cells[0]):
            for field in cells[0].split(", "):
                assert field not in found, f"{field} stands twice"
                found[field] = " ".join(cells[1:])
    return found


def arrivals() -> Iterator[Arrival]:
    """The samples as the doors take them."""
    at = datetime(2026, 3, 2, 15, 10, tzinfo=UTC)
    for name in sample_events():
        body = (SAMPLES / "reportstream" / f"{name}.json").read_bytes()
        yield Arrival(id=8, kind=TEST_EVENT, body=body, received_at=at)
    for path in sorted((SAMPLES / "reportstream_bulk").glob("*.csv")):
        if path.stem == "three_mistakes":
            continue
        with path.open("rb") as opened:
            for _, row in bulk.rows(opened):
                yield Arrival(id=8, kind=BULK_ROW, body=bulk_row.encode(row), received_at=at)


@pytest.fixture(scope="module")
def messages() -> list[list[list[str]]]:
    """The fields of every segment of every sample's message; MSH's first is its delimiter."""
    item = hl7_item("P", known_devices())
    made = []
    for arrival in arrivals():
        segments = [line.split("|") for line in item(arrival).line.decode().split("\r") if line]
        segments[0].insert(1, "|")
        made.append(segments)
    return made


def filled(messages: list[list[list[str]]]) -> set[str]:
    return {
        f"{segment[0]}-{number}"
        for message in messages
        for segment in message
        for number, value in enumerate(segment[1:], start=1)
        if value
    }


def test_every_field_aims_takes_is_on_the_page() -> None:
    wanted = {f"{name}-{number}" for name, numbers in OF_AIMS.items() for number in numbers}
    assert wanted - told().keys() == set()


def test_every_field_of_a_message_is_on_the_page_and_the_page_promises_no_other(
    messages: list[list[list[str]]],
) -> None:
    promised = {field for field, text in told().items() if not text.startswith("not applicable: ")}
    assert promised == filled(messages)


def test_a_field_that_does_not_apply_says_why_and_stays_empty(messages: list[list[list[str]]]) -> None:
    assert told()["PID-3 second"].startswith("not applicable: ")
    assert {segment[3].count("~") for message in messages for segment in message if segment[0] == "PID"} == {
        0
    }
    assert "e-mail not applicable: " in told()["ORC-14"]
    assert not any("NET" in segment[14] for message in messages for segment in message if segment[0] == "ORC")


def test_every_message_says_which_release_wrote_it(messages: list[list[list[str]]]) -> None:
    for message in messages:
        [sft] = [segment for segment in message if segment[0] == "SFT"]
        assert sft[2] == sft[4] == software.VERSION
        assert sft[6] == f"{software.RELEASED_AT:%Y%m%d%H%M%S}+0000"
    assert f'\nversion = "{software.VERSION}"\n' in (ROOT / "pyproject.toml").read_text()


def test_times_are_in_the_order_receivers_check(messages: list[list[list[str]]]) -> None:
    for message in messages:
        told_at = message[0][7]
        for segment in message:
            if segment[0] == "OBR":
                collected, released = segment[7], segment[22]
            if segment[0] == "OBX":
                assert collected <= segment[14] <= segment[19] <= released <= told_at
