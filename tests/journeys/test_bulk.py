"""A file of results from a person: mistakes understood and corrected in a real Chromium, then delivered."""

import csv
import io
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.drills_bulk import largest
from tests.conftest import Database
from tests.journeys.chromium import SIZES, chromium, window
from tests.reportstream.lane_runs import Lane, lane
from tests.web.browser import accounts
from tests.web.serving import serving
from web.app import create_app

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
CONTRAST = (HERE / "contrast.js").read_text()
UNNAMED = (HERE / "unnamed.js").read_text()
SAMPLES = HERE.parent / "samples" / "reportstream_bulk"
WITH_MISTAKES = SAMPLES / "three_mistakes.csv"


@pytest.fixture
def results(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lane]:
    """The lane and its partner, which says soon what became of a batch."""
    accounts(database)
    monkeypatch.setenv("HANDOFF_SANDBOX_DELIVERS_AFTER_SECONDS", "0.1")
    quick = {"REPORTSTREAM_POLL_PLAN": "0.3,0.3", "HANDOFF_LINGER_SECONDS": "1.5"}
    with lane(database, HANDOFF_DAGSTER_URL="http://127.0.0.1:9", **quick) as one:
        yield one


@pytest.fixture
def web(results: Lane) -> Iterator[str]:
    with serving(create_app(results.settings)) as address:
        yield address


@pytest.fixture
def browser(web: str) -> Iterator[Browser]:
    with chromium() as one:
        yield one


def results_page(browser: Browser, web: str, size: str = "laptop") -> Page:
    """Somebody from the clinic at the results."""
    page = window(browser, web, size)
    page.get_by_role("link", name="Results", exact=True).click()
    return page


def mistakes(page: Page) -> list[tuple[str, str, str]]:
    """The table of mistakes as it is read: what is wrong, what would be right, where."""
    rows = page.locator("#mistakes tbody tr").all()
    found = []
    for row in rows:
        wrong, right, where = row.locator("td").all_inner_texts()
        found.append((wrong, right, where))
    return found


def corrected(table: list[tuple[str, str, str]]) -> bytes:
    """The file as a person corrects it who knows nothing but this table and the file itself."""
    lines = list(csv.reader(io.StringIO(WITH_MISTAKES.read_text())))
    for wrong, right, where in table:
        named = re.search(r"the (\w+) column|Invalid (\w+)", wrong)
        example = re.search(r"Example: (.+)$", right)
        assert named, "the mistake names no column"
        column = named[1] or named[2]
        # The list of devices is asked for where the guidance sends one there.
        value = example[1] if example else {"equipment_model_name": "ID NOW"}[column]
        lines[int(where) - 1][lines[0].index(column)] = value
    out = io.StringIO(newline="")
    csv.writer(out).writerows(lines)
    return out.getvalue().encode()


def send(page: Page, name: str, data: bytes) -> None:
    page.get_by_label("A CSV file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": data})
    page.get_by_role("button", name="Upload").click()


def drain(results: Lane) -> None:
    """One run of the lane, in a thread where an event loop may be started."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(results.run).result(60)


def looked_at(page: Page, name: str, size: str) -> None:
    """What no page may be: hard to read, without names for its parts, wider than the window."""
    assert page.evaluate(CONTRAST) == [], name
    assert page.evaluate(UNNAMED) == [], name
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], name
    if folder := os.environ.get("HANDOFF_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/bulk-{size}-{name}.png", full_page=True)


@pytest.mark.parametrize("size", SIZES)
def test_a_person_corrects_three_mistakes_and_sees_the_results_delivered(
    results: Lane, web: str, browser: Browser, size: str
) -> None:
    page = results_page(browser, web, size)
    expect(page.get_by_text("Nothing has been uploaded yet.")).to_be_visible()
    looked_at(page, "1-empty", size)

    send(page, "march.csv", WITH_MISTAKES.read_bytes())
    expect(page.get_by_role("alert")).to_contain_text("The file was not accepted")
    looked_at(page, "2-mistakes", size)
    table = mistakes(page)
    assert [where for _, _, where in table] == ["3", "4", "5"]
    with page.expect_download() as download:
        page.get_by_role("link", name="Download this table").click()
    rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8-sig"))))
    assert [tuple(row) for row in rows[1:]] == table

    send(page, "march.csv", corrected(table))
    expect(page.get_by_role("heading", name="Success: File Accepted")).to_be_visible()
    looked_at(page, "3-accepted", size)
    drain(results)
    expect(page.locator("#delivered")).to_have_text("4", timeout=15_000)
    looked_at(page, "4-delivered", size)
    [body] = results.bodies("reportstream")
    assert len(body.splitlines()) == 5

    page.get_by_role("link", name="Upload results").click()
    expect(page.locator("#earlier tbody tr")).to_have_count(1)
    looked_at(page, "5-earlier", size)


@pytest.mark.parametrize("size", SIZES)
def test_guide_and_devices_are_read_on_every_screen(
    results: Lane, web: str, browser: Browser, size: str
) -> None:
    page = results_page(browser, web, size)
    for name in ("Guide", "Devices"):
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(name)
        looked_at(page, name.lower(), size)
        page.get_by_role("link", name="Upload results").click()


def test_a_long_file_shows_its_progress_and_survives_a_closed_window(
    results: Lane, web: str, browser: Browser
) -> None:
    page = results_page(browser, web)
    send(page, "all of march.csv", largest(20_000_000))
    progress = page.locator("#earlier progress")
    expect(progress).to_be_visible(timeout=60_000)
    expect(page.get_by_role("status").first).to_contain_text("Sent.")
    assert progress.get_attribute("max") == "32083"
    looked_at(page, "6-storing", "laptop")
    page.close()
    other = results_page(browser, web)
    expect(other.locator("#earlier progress")).to_have_count(0, timeout=60_000)
    expect(other.locator("#earlier tbody tr")).to_contain_text("32\u202f083")
