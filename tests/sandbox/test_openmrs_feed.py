"""The simulated Atom feed: computed pages, and the ways they move."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.core import System
from sandbox.openmrs import servers
from sandbox.openmrs.feed import ABSENT, NOT_A_PAGE, POISONED
from tests.sandbox.conftest import Serve

FEED = "/openmrs-parent/openmrs/ws/atomfeed/patient"
LEVERS = "/_sandbox/openmrs-parent"
PARTS = "/openmrs-parent/openmrs/ws/fhir2/R4"


@pytest.fixture
def parent(serve: Serve) -> httpx.Client:
    systems: tuple[System, ...] = servers()
    client = serve(*systems)
    client.post(f"{LEVERS}/settings", json={"publish_delay_seconds": 0}).raise_for_status()
    return client


def saved(client: httpx.Client, number: int, **members: Any) -> None:
    record = {"name": [{"family": f"F{number}"}], **members}
    client.put(f"{LEVERS}/records/Patient/{number:036d}", json=record).raise_for_status()


def ids(page: str) -> list[str]:
    return re.findall(r"R4/Patient/0*(\d+)", page)


def test_an_empty_feed_is_page_zero_which_cannot_be_asked_for(parent: httpx.Client) -> None:
    recent = parent.get(f"{FEED}/recent")
    assert (recent.status_code, f"{FEED.removeprefix('/openmrs-parent')}/0" in recent.text) == (200, True)
    zero = parent.get(f"{FEED}/0")
    assert (zero.status_code, zero.text) == (500, NOT_A_PAGE)


def test_pages_hold_five_entries_oldest_first_and_recent_is_the_last_one(parent: httpx.Client) -> None:
    for number in range(1, 13):
        saved(parent, number)
    assert ids(parent.get(f"{FEED}/1").text) == ["1", "2", "3", "4", "5"]
    assert ids(parent.get(f"{FEED}/recent").text) == ["11", "12"]
    assert "next-archive" in parent.get(f"{FEED}/2").text
    assert "next-archive" not in parent.get(f"{FEED}/3").text
    beyond = parent.get(f"{FEED}/4")
    assert (beyond.status_code, beyond.text) == (500, ABSENT)


def test_an_added_chunk_row_moves_entries_as_the_library_does(parent: httpx.Client) -> None:
    for number in range(1, 13):
        saved(parent, number)
    parent.post(f"{LEVERS}/settings", json={"chunks": [[5, 1], [10, 6]]})
    assert len(ids(parent.get(f"{FEED}/1").text)) == 5
    assert len(ids(parent.get(f"{FEED}/2").text)) == 7
    assert parent.get(f"{FEED}/3").status_code == 500


def test_deleted_rows_shift_every_page(parent: httpx.Client) -> None:
    for number in range(1, 13):
        saved(parent, number)
    parent.post(f"{LEVERS}/purge", json={"category": "patient", "entries": 2})
    assert ids(parent.get(f"{FEED}/1").text) == ["3", "4", "5", "6", "7"]


def test_a_poisoned_page_answers_500_and_the_others_do_not(parent: httpx.Client) -> None:
    for number in range(1, 13):
        saved(parent, number)
    parent.post(f"{LEVERS}/poison", json={"category": "patient", "page": 2})
    assert parent.get(f"{FEED}/2").text == POISONED
    assert parent.get(f"{FEED}/3").status_code == parent.get(f"{FEED}/recent").status_code == 200


def test_what_is_written_shows_after_the_publish_delay(parent: httpx.Client) -> None:
    parent.post(f"{LEVERS}/settings", json={"publish_delay_seconds": 60})
    saved(parent, 1)
    assert parent.get(f"{LEVERS}/feed/patient").json() == {"pages": 0, "rows": 0}


def test_tags_are_in_random_order_and_a_comma_cuts_the_filter(parent: httpx.Client) -> None:
    for number in range(1, 6):
        saved(parent, number, address=[{"use": "home", "country": "Congo, DR", "city": "Luiza"}])
    page = parent.get(f"{FEED}/1").text
    terms = [re.findall(r"term=([\"'])(.*?)\1", entry) for entry in page.split("<entry>")[1:]]
    firsts = {entry[0][1] for entry in terms}
    assert len(firsts) > 1
    assert {len(entry) for entry in terms} == {4}


def test_links_are_built_from_the_request_and_not_from_our_address(parent: httpx.Client) -> None:
    saved(parent, 1)
    page = parent.get(f"{FEED}/1", headers={"host": "openmrs:8080", "x-forwarded-proto": "https"}).text
    assert 'href="https://openmrs:8080/openmrs/ws/atomfeed/patient/1"' in page


def test_the_feed_asks_for_no_login_and_fhir_answers_its_refusal_in_html(parent: httpx.Client) -> None:
    assert parent.get(f"{FEED}/recent").status_code == 200
    refused = parent.get(f"{PARTS}/Patient/x")
    assert refused.status_code == 401
    assert "html" in refused.headers["content-type"]
    assert "www-authenticate" not in refused.headers


def test_a_server_that_is_off_line_drops_the_connection(parent: httpx.Client) -> None:
    parent.post(f"{LEVERS}/settings", json={"offline": True})
    with pytest.raises(httpx.TransportError):
        parent.get(f"{FEED}/recent")
    parent.post(f"{LEVERS}/settings", json={"offline": False})
    assert parent.get(f"{FEED}/recent").status_code == 200


def test_another_server_has_as_many_entries_and_none_of_the_old_ones(parent: httpx.Client) -> None:
    for number in range(1, 8):
        saved(parent, number)
    before = set(re.findall(r"<id>(tag[^<]*)", parent.get(f"{FEED}/1").text))
    parent.post(f"{LEVERS}/replace")
    after = set(re.findall(r"<id>(tag[^<]*)", parent.get(f"{FEED}/1").text))
    assert len(after) == 5
    assert not before & after


def test_a_backlog_of_twenty_thousand_pages_is_made_at_once_and_served(parent: httpx.Client) -> None:
    made = parent.post(f"{LEVERS}/backlog", json={"pages": 20_000, "patients": 10_000}).json()
    assert made == {"patients": 10_000, "rows": {"patient": 100_000}}
    assert parent.get(f"{LEVERS}/feed/patient").json()["pages"] == 20_000
    assert parent.get(f"{FEED}/20000").text.count("<entry>") == 5


def test_a_scenario_is_served_word_for_word_until_something_new_happens(parent: httpx.Client) -> None:
    folder = Path(__file__).parents[1] / "samples" / "openmrs" / "scenario_two_towns"
    parent.post(f"{LEVERS}/scenario", json={"folder": str(folder)}).raise_for_status()
    for path in sorted((folder / "feed" / "patient").iterdir()):
        answer = parent.get(f"{FEED}/{path.name.partition('.')[0]}")
        assert answer.content == path.read_bytes()
        assert answer.status_code == (200 if path.suffix == ".xml" else 500)
    before = parent.get(f"{LEVERS}/feed/patient").json()["rows"]
    saved(parent, 1)
    assert parent.get(f"{LEVERS}/feed/patient").json()["rows"] == before + 1
    listed = json.loads((folder / "expected.json").read_text(encoding="utf-8"))["fhir_reads"]
    for said, keys in listed.items():
        for key in keys if isinstance(keys, list) else []:
            assert parent.get(f"{PARTS}/{key}", auth=("a", "b")).status_code == int(said[:3])
