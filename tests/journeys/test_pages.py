"""The shared staff pages in a real Chromium: by keyboard, without scripts, in the dark, on a phone."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from resources.store.connect import Borrowed
from resources.store.operators import Who, hold_lane
from tests.conftest import Database
from tests.drain.far_end import FarEnd, drain, lane
from tests.journeys.chromium import SIZES, chromium
from tests.web.browser import PASSWORD, accounts
from tests.web.night import EVIL, ids, night
from tests.web.serving import serving
from web.staff import House, Site

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
CONTRAST = (HERE / "contrast.js").read_text()
UNNAMED = (HERE / "unnamed.js").read_text()


@pytest.fixture
def address(database: Database) -> Iterator[str]:
    """The pages of a busy night."""
    accounts(database)
    night(database)
    store = Borrowed(database.settings.database_url, "test")
    with serving(Site(House(database.settings, store)).app()) as at:
        yield at
    store.close()


@pytest.fixture
def browser(address: str) -> Iterator[Browser]:
    """Started last: while it runs, this thread's event loop is its own."""
    with chromium() as one:
        yield one


def aside(act: Callable[[], object]) -> None:
    """Do this in another thread, where an event loop may be started."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(act).result(60)


def window(
    browser: Browser, address: str, *, who: str = "operator", size: str = "laptop", **how: object
) -> Page:
    """Somebody who has signed in."""
    width, height = SIZES[size]
    context: BrowserContext = browser.new_context(viewport={"width": width, "height": height}, **how)  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    page.get_by_label("Name").fill(who)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


def all_pages(database: Database) -> list[str]:
    failed, set_aside = ids(database)[3], ids(database)[5]
    return [
        "/",
        "/messages",
        "/messages?state=cancelled",
        f"/messages/{failed}",
        f"/messages/{set_aside}",
        f"/messages/{ids(database)[-1]}",
        f"/messages/{ids(database, 'reportstream')[0]}",
        f"/messages/{failed}/content",
        "/lanes",
        "/lanes/elation",
        "/access",
        "/audit",
        "/keys",
        "/no-such-page",
    ]


def test_every_page_can_be_read_named_and_fits_by_day_by_night_and_on_a_phone(
    database: Database, browser: Browser, address: str
) -> None:
    for size, scheme in itertools.product(SIZES, ("light", "dark")):
        page = window(browser, address, who="administrator", size=size, color_scheme=scheme)
        for path in all_pages(database):
            page.goto(address + path)
            assert page.evaluate(CONTRAST) == [], (path, size, scheme)
            assert page.evaluate(UNNAMED) == [], (path, size, scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], (path, size)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(UNNAMED) == []
        page.context.close()


def test_a_failed_message_is_found_and_sent_again_by_keyboard_alone(
    database: Database, browser: Browser, address: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    keys = page.keyboard
    keys.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    keys.press("Enter")
    keys.press("Tab")
    expect(page.locator(":focus")).to_have_attribute("name", "name")
    keys.type("operator")
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Yours to do")).to_be_visible()
    page.goto(f"{address}/messages")
    page.get_by_label("Any id you have at hand").focus()
    keys.type("bad-1")
    keys.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody a").first.focus()
    keys.press("Enter")
    expect(page.locator(".lead .badge")).to_have_text("Failed")
    page.get_by_label("Reason").focus()
    keys.type("the chart has been mended")
    keys.press("Tab")
    expect(page.locator(":focus")).to_have_text("Send now")
    keys.press("Enter")
    expect(page.get_by_role("status")).to_have_text("The message goes again.")
    expect(page.locator(".lead .badge")).to_have_text("Waiting")
    assert database.one("SELECT reason FROM audit WHERE what = 'retry'") == "the chart has been mended"
    context.close()


def test_the_same_goes_without_javascript(database: Database, browser: Browser, address: str) -> None:
    page = window(browser, address, java_script_enabled=False)
    page.get_by_role("link", name="Messages", exact=True).click()
    page.get_by_label("State").select_option("failed")
    page.get_by_role("button", name="Show", exact=True).click()
    page.locator("tbody a").first.click()
    page.get_by_label("Reason").fill("mended")
    page.get_by_role("button", name="Skip").click()
    expect(page.get_by_role("status")).to_contain_text("is skipped")
    page.get_by_role("link", name="Lanes", exact=True).click()
    page.get_by_role("link", name="elation").click()
    page.get_by_label("Reason").fill("Elation moves")
    page.get_by_role("button", name="Hold the lane").click()
    expect(page.locator(".lead .badge")).to_have_text("Held")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.context.close()


def test_a_message_becomes_delivered_under_the_eyes_of_whoever_watches(
    database: Database, browser: Browser, address: str
) -> None:
    page = window(browser, address)
    message = ids(database)[-1]
    page.goto(f"{address}/messages/{message}")
    expect(page.locator(".lead .badge")).to_have_text("Waiting")
    page.get_by_label("Reason").fill("typed meanwhile")
    with database.connect() as db:
        db.execute("UPDATE queue SET ready_at = now() WHERE ready_at < 'infinity'")
    aside(lambda: drain(database, lane(FarEnd())))
    expect(page.locator(".lead .badge")).to_have_text("Delivered", timeout=15_000)
    expect(page.get_by_label("Reason")).to_have_value("typed meanwhile")
    page.get_by_label("Reason").fill("")
    page.get_by_label("Reason").blur()
    expect(page.get_by_role("button", name="Send now")).to_be_hidden(timeout=15_000)
    page.context.close()


def test_stored_scripts_do_not_run_in_a_real_browser(
    database: Database, browser: Browser, address: str
) -> None:
    with database.connect() as db:
        hold_lane(db, 2, Who("operator", EVIL))
        db.execute("UPDATE ended SET reason = %s", [EVIL])
        db.execute("UPDATE outbox SET kind = %s", [EVIL])
        db.execute("INSERT INTO incident (key, lane, text) VALUES ('x', %s, %s)", [EVIL, EVIL])
    page = window(browser, address, who="administrator")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    content = f"/messages/{ids(database)[3]}/content"
    for path in all_pages(database):
        page.goto(address + path)
        assert page.title() != "taken", path
    page.goto(address + content)
    page.get_by_label("Why you must see it").fill(EVIL)
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_text("Logged:")).to_be_visible()
    page.wait_for_timeout(300)
    assert page.title() != "taken"
    assert errors == []
    page.context.close()


def test_a_double_click_sends_once(database: Database, browser: Browser, address: str) -> None:
    page = window(browser, address)
    page.goto(f"{address}/lanes/hcoint")
    page.get_by_label("Reason").fill("once")
    page.get_by_role("button", name="Hold the lane").dblclick()
    expect(page.locator(".lead .badge")).to_have_text("Held")
    assert database.one("SELECT count(*) FROM audit WHERE what = 'hold lane'") == 1
    page.context.close()


def test_a_session_that_ends_leads_back_to_the_sign_in(
    database: Database, browser: Browser, address: str
) -> None:
    page = window(browser, address)
    page.goto(f"{address}/lanes")
    with database.connect() as db:
        db.execute("DELETE FROM staff_session")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=15_000)
    page.context.close()
