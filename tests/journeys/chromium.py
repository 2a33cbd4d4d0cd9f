"""A real Chromium: the one of the system, started without a sandbox of its own where tests run as root."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

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
