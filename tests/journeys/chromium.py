"""A real Chromium: the one of the system, started without a sandbox of its own where tests run as root."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.web.browser import PASSWORD

#: Laptop and phone.
SIZES = {"laptop": (1280, 800), "phone": (390, 844)}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Until the end of the block; the test is skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium here: `apt-get install -y chromium` brings one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


def window(browser: Browser, web: str, size: str = "laptop", *, who: str = "clinician", **how: Any) -> Page:
    """Somebody who has signed in."""
    width, height = SIZES[size]
    page = browser.new_context(viewport={"width": width, "height": height}, **how).new_page()
    page.set_default_timeout(30_000)
    page.goto(f"{web}/sign-in")
    page.get_by_label("Name").fill(who)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page
