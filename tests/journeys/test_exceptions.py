"""A facility's nurse reads, in a real Chromium, what ReportStream said of her results and what to do about it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from resources.store import staff
from resources.store.connect import connect
from resources.store.staff import Role
from tests.conftest import Database
from tests.journeys.chromium import SIZES, chromium
from tests.reportstream.lane_runs import lane
from tests.web.browser import KEPT, PASSWORD, WHO
from tests.web.serving import serving
from web.app import create_app

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
CONTRAST = (HERE / "contrast.js").read_text()
UNNAMED = (HERE / "unnamed.js").read_text()
CLIA = "36D1234567"
WARNED = {
    "id": "7c2e1d4e-0000-4000-8000-000000000001",
    "submissionId": 7,
    "overallStatus": "Received",
    "httpStatus": 201,
    "reportItemCount": 1,
    "warnings": [
        {
            "scope": "item",
            "trackingIds": ["third"],
            "field": "Patient_phone_number",
            "errorCode": "INVALID_MSG_PHONE_NUMBER",
            "message": "Invalid phone number '12' for Patient_phone_number. Reformat to a 10-digit phone number.",
        },
        {
            "scope": "item",
            "trackingIds": ["third"],
            "field": "Device_ID",
            "errorCode": "INVALID_MSG_EQUIPMENT_MAPPING",
            "message": "No match found for Device_ID; please refer to the CDC LIVD table.",
        },
    ],
}


@pytest.fixture
def web(database: Database) -> Iterator[str]:
    with connect(database.cluster.owner_url) as owner:
        staff.add(owner, "nurse", Role.SECRETARY, KEPT, WHO, facility=CLIA)
    with lane(database, HANDOFF_DAGSTER_URL="http://127.0.0.1:9") as one:
        one.take({"event_id": "first"}, {"event_id": "second", "patient.first_name": "Joseph"})
        one.fault("reportstream", status=400, take=False, times=1, items=1, match="POST /api/reports$")
        one.run()
        one.take({"event_id": "third", "patient.last_name": "Wachowski-Featherstonehaugh"})
        one.fault("reportstream", status=201, take=True, times=1, body=WARNED, match="POST /api/reports$")
        one.run()
        with serving(create_app(one.settings)) as address:
            yield address


@pytest.fixture
def browser(web: str) -> Iterator[Browser]:
    with chromium() as one:
        yield one


def window(browser: Browser, web: str, size: str, scheme: str = "light") -> Page:
    width, height = SIZES[size]
    page = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme).new_page()  # type: ignore[arg-type]
    page.goto(f"{web}/sign-in")
    page.get_by_label("Name").fill("nurse")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Exceptions").click()
    return page


def test_the_nurse_sees_which_result_which_remark_and_what_to_do(browser: Browser, web: str) -> None:
    page = window(browser, web, "laptop")
    rows = page.locator("tbody > tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Wachowski-Featherstonehaugh")
    expect(rows.nth(0)).to_contain_text("A phone number does not have ten digits.")
    expect(rows.nth(0)).to_contain_text("Accepted")
    expect(rows.nth(1)).to_contain_text("Okafor, Imani")
    expect(rows.nth(1)).to_contain_text("It has reached no health department.")
    expect(page.locator("body")).not_to_contain_text("Joseph")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["laptop", "phone"])
def test_the_page_fits_its_window_and_can_be_read(browser: Browser, web: str, size: str, scheme: str) -> None:
    page = window(browser, web, size, scheme)
    if folder := os.environ.get("HANDOFF_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/exceptions_{size}_{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(UNNAMED) == []
