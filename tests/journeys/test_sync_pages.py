"""``/sync`` in a real Chromium: a catch-up under way, a record's life, two sides compared and decided."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from assets.openmrs.events import Side
from resources.settings import Settings
from tests.conftest import Database
from tests.journeys.chromium import SIZES, chromium
from tests.journeys.test_pages import CONTRAST, UNNAMED, aside, window
from tests.openmrs.linked import Linked, linked
from tests.openmrs.people import in_home, key_of, patient, visit
from tests.web.browser import accounts
from tests.web.conftest import logging_as_it_was as logging_as_it_was
from tests.web.serving import serving
from web.app import create_app

pytestmark = pytest.mark.browser

PARENT, CHILD = Side.PARENT, Side.CHILD


@pytest.fixture
def clinic(database: Database, tmp_path: Path) -> Iterator[Linked]:
    with linked(database, tmp_path, links={"clinic-b": "openmrs-child-2"}) as made:
        yield made


def drained(clinic: Linked) -> None:
    """Runs enough for both links, which take turns at the parent's records."""
    for _ in range(3):
        clinic.drain()
        clinic.later()


@pytest.fixture
def grace(clinic: Linked) -> dict[str, Any]:
    """Whose gender and home both sides have changed; a visit of hers waits, and the parent's feed is long."""
    found = clinic.edit(PARENT, patient())
    ruth = clinic.edit(PARENT, patient("ruth"))
    drained(clinic)
    there = clinic.records(CHILD)
    clinic.edit(
        PARENT, found, gender="other", birthDate="1991-05-17", address=in_home(found, postalCode="100")
    )
    clinic.edit(CHILD, there[key_of(found)], gender="unknown", address=in_home(found, postalCode="200"))
    clinic.remove(CHILD, key_of(ruth))
    clinic.edit(PARENT, ruth, gender="other")
    clinic.edit(PARENT, visit(of="ruth"))
    drained(clinic)
    clinic.lever(PARENT, "backlog", pages=400, patients=100)
    clinic.database.rows(
        "UPDATE sync_feed SET page = 120, last_page = 400, pace = 1.5, heard_until = '2026-03-01T10:00:00Z'"
        " WHERE link = 'clinic-a' AND side = 'parent' AND feed = 'patient' RETURNING 1"
    )
    return found


@pytest.fixture
def address(clinic: Linked, grace: dict[str, Any], database: Database) -> Iterator[str]:
    accounts(database)
    with serving(
        create_app(Settings({**clinic.settings.values, "HANDOFF_DAGSTER_URL": "http://127.0.0.1:9"}))
    ) as at:
        yield at


@pytest.fixture
def browser(address: str) -> Iterator[Browser]:
    """Started last: while it runs, this thread's event loop is its own."""
    with chromium() as one:
        yield one


def pictured(page: Page, name: str) -> None:
    """A picture for whoever wants to look at the pages: HANDOFF_PICTURES names a folder."""
    if folder := os.environ.get("HANDOFF_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_the_pages_can_be_read_and_fit_by_day_by_night_and_on_a_phone(
    browser: Browser, address: str, grace: dict[str, Any]
) -> None:
    record = f"/sync/clinic-a/records/{key_of(grace)}"
    for size, scheme in itertools.product(SIZES, ("light", "dark")):
        page = window(browser, address, who="administrator", size=size, color_scheme=scheme)

        def fits(name: str, page: Page = page, size: str = size, scheme: str = scheme) -> None:
            pictured(page, f"{name}-{size}-{scheme}")
            assert page.evaluate(CONTRAST) == [], (name, size, scheme)
            assert page.evaluate(UNNAMED) == [], (name, size, scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], (name, size)

        page.goto(f"{address}/sync")
        fits("links")
        page.goto(address + record)
        fits("record")
        page.get_by_label("Why you must see it").fill("both clinics asked")
        page.get_by_role("button", name="Show both sides").click()
        fits("conflict")
        page.context.close()


def test_a_catch_up_says_how_far_it_is_and_how_long_it_will_take(browser: Browser, address: str) -> None:
    page = window(browser, address)
    page.goto(f"{address}/sync")
    card = page.locator("#link-clinic-a")
    expect(card.locator("header .badge")).to_have_text("catching up")
    told = card.locator(".catching")
    expect(told).to_contain_text("120 of 400 pages are read")
    expect(told).to_contain_text("1\u202f400 entries are not")
    expect(told).to_contain_text("About 7 min left")
    assert card.get_by_role("progressbar").get_attribute("value") == "120"
    expect(page.locator("#link-clinic-b header .badge")).to_have_text("up to date")


def test_two_sides_are_compared_and_decided_element_by_element(
    browser: Browser, address: str, clinic: Linked, grace: dict[str, Any]
) -> None:
    page = window(browser, address, who="administrator")
    page.goto(f"{address}/sync")
    page.locator(f"#link-clinic-a a[href$='{key_of(grace)}']").click()
    expect(page.locator(".lead .badge")).to_have_text("Two sides disagree")
    expect(page.locator(".steps li").last).to_contain_text("written at the child: created")
    page.get_by_label("Why you must see it").fill("both clinics asked")
    page.get_by_role("button", name="Show both sides").click()
    expect(page.locator("fieldset mark")).to_have_text(
        ["postalCode: 100", "postalCode: 200", "other", "unknown"]
    )
    home, gender = (
        page.locator("fieldset").filter(has_text="address"),
        page.locator("fieldset").filter(has_text="gender"),
    )
    home.get_by_label("The child is right").check()
    gender.get_by_label("Neither; this is right:").check()
    gender.get_by_label("What is right for gender, as JSON").fill('"male"')
    page.get_by_label("Reason").fill("asked her at the desk")
    page.get_by_role("button", name="Decide so").click()
    expect(page.get_by_role("status")).to_contain_text("The decision is kept")
    aside(lambda: drained(clinic))
    page.reload()
    expect(page.locator(".lead .badge.good")).to_be_visible()
    for side in Side:
        now = clinic.records(side)[key_of(grace)]
        assert (now["gender"], now["birthDate"]) == ("male", "1991-05-17")
        assert now["address"][0]["postalCode"] == "200"
    expect(page.locator(".steps li").first).to_contain_text("written at the")
