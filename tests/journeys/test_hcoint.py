"""An order answered with its note: door, page in a real Chromium, run, partner in miniature; and kill -9 on the way."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from assets.drain.run import drain_singles
from assets.hcoint.sending import lane
from handoff.ports import free_port
from resources.settings import Settings
from sandbox.northlab import Northlab
from sandbox.redox import Redox
from sandbox.running import sandbox_thread
from tests.conftest import Database
from tests.hcoint.desk import order
from tests.hcoint.notes import pdf
from tests.hcoint.test_lane_sending import EAST, MULTICARE_ID, table
from tests.journeys.chromium import SIZES, chromium, window
from tests.web.browser import accounts, as_
from tests.web.serving import serving
from tests.web.test_orders import attach, hidden, send
from web.app import create_app

HERE = Path(__file__).parent
CONTRAST = (HERE / "contrast.js").read_text()
UNNAMED = (HERE / "unnamed.js").read_text()
TOKEN = "s3cret"
LARGEST = 30_000_000


@dataclass
class Clinic:
    """Everything but Dagster: the partners, the web service's settings, a way to run the lane."""

    database: Database
    settings: Settings
    partners: httpx.Client

    def placed(self, web: str, number: str, source: str = MULTICARE_ID, **changed: Any) -> str:
        """An order comes by the door; the path of its page."""
        raw = order(number, source=source, **changed)
        answer = httpx.post(
            f"{web}/intake/redox", content=raw, headers={"verification-token": TOKEN}, trust_env=False
        )
        assert answer.status_code == 200
        return f"/orders/{self.database.one('SELECT max(id) FROM hcoint_order')}"

    def drain(self, **changed: object) -> None:
        """One run of the lane, in a thread where an event loop may be started."""
        values = {name: str(value) for name, value in changed.items()}
        settings = Settings({**self.settings.values, **values})
        with ThreadPoolExecutor(1) as thread:
            thread.submit(drain_singles, settings, lane(settings), run_id="run").result(120)

    def held(self, number: str) -> list[dict[str, Any]]:
        """What the partners hold for an order."""
        redox = self.partners.get("/_sandbox/redox/records").json().get(number, [])
        laboratory = self.partners.get("/_sandbox/northlab/records").json().values()
        return [*redox, *(one for one in laboratory if one["order"] == number)]

    def environment(self, **changed: object) -> dict[str, str]:
        """For a process of its own."""
        return {**os.environ, **self.settings.values, **{name: str(value) for name, value in changed.items()}}


@pytest.fixture
def clinic(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    accounts(database)
    monkeypatch.setenv("HANDOFF_SANDBOX_MLLP_PORT", "0")
    with sandbox_thread([Redox(), Northlab()]) as url, httpx.Client(base_url=url, timeout=60) as partners:
        port = partners.get("/_sandbox/northlab/address").json()["port"]
        path = tmp_path / "hcoint.toml"
        path.write_text(table(port, url).replace("ack_timeout_seconds = 1", "ack_timeout_seconds = 20"))
        settings = database.with_(
            HCOINT_PARTNERS=path,
            REDOX_URL=f"{url}/redox",
            REDOX_API_KEY="key",
            REDOX_SECRET="secret",
            REDOX_VERIFICATION_TOKENS=TOKEN,
            HANDOFF_DAGSTER_URL="http://127.0.0.1:9",
            HANDOFF_RETRY_PLAN="0.2,0.2,0.2",
            HCOINT_SETTLE_SECONDS="0.5",
        )
        yield Clinic(database, settings, partners)


@pytest.fixture
def web(clinic: Clinic) -> Iterator[str]:
    with serving(create_app(clinic.settings)) as address:
        yield address


@pytest.fixture
def browser(web: str) -> Iterator[Browser]:
    with chromium() as one:
        yield one


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on what is called so."""
    for _ in range(60):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(() => { const e = document.activeElement;"
            " return (e.labels?.[0]?.textContent || e.textContent || e.name || '').trim(); })()"
        )
        if found.startswith(name):
            return
    raise AssertionError(f"Tab does not lead to {name}")


@pytest.mark.browser
def test_an_order_is_answered_by_keyboard_alone(
    clinic: Clinic, web: str, browser: Browser, tmp_path: Path
) -> None:
    path = clinic.placed(web, "7001")
    data = pdf(pages=3)
    (tmp_path / "note.pdf").write_bytes(data)
    page = window(browser, web)
    tab_to(page, "Orders")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    tab_to(page, "Find an order")
    page.keyboard.type("7001")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Found: 1")).to_be_visible()
    tab_to(page, "Bixby")
    page.keyboard.press("Enter")
    expect(page).to_have_url(web + path)
    tab_to(page, "Attach the note")
    with page.expect_file_chooser() as choosing:
        page.keyboard.press("Space")
    choosing.value.set_files(tmp_path / "note.pdf")
    tab_to(page, "Attach")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The file is attached.")).to_be_visible()
    expect(page.get_by_text(hashlib.sha256(data).hexdigest())).to_be_visible()
    for words in ("Its name is", "Its date of birth is"):
        tab_to(page, words)
        page.keyboard.press("Space")
    tab_to(page, "Send the note")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The note is on its way.")).to_be_visible()
    clinic.drain()
    # the page asks again every few seconds, and not while it is in use
    expect(page.locator("#state").get_by_text("Delivered")).to_be_visible(timeout=15_000)
    expect(page.locator("#steps").get_by_text("The partner took it")).to_be_visible()
    assert [one["sha256"] for one in clinic.held("7001")] == [hashlib.sha256(data).hexdigest()]


@pytest.mark.browser
def test_the_progress_of_a_large_file_is_shown_and_one_that_is_too_large_is_refused_kindly(
    clinic: Clinic, web: str, browser: Browser, tmp_path: Path
) -> None:
    path = clinic.placed(web, "7001")
    large = tmp_path / "large.txt"
    large.write_bytes(b"a" * (LARGEST + 1))
    page = window(browser, web)
    page.goto(web + path)
    page.get_by_label("Attach the note").set_input_files(large)
    page.evaluate(
        "new MutationObserver(() => { if (document.querySelector('progress')) window.seen = true; })"
        ".observe(document.body, {childList: true, subtree: true})"
    )
    page.get_by_role("button", name="Attach", exact=True).click()
    expect(page.get_by_text("The file is too large.")).to_be_visible()
    expect(page.get_by_text("30,000,000 bytes")).to_be_visible()
    assert page.evaluate("window.seen")


@pytest.mark.browser
def test_orders_are_answered_without_scripts(clinic: Clinic, web: str, browser: Browser) -> None:
    path = clinic.placed(web, "7001")
    page = window(browser, web, java_script_enabled=False)
    page.goto(web + path)
    page.get_by_label("Attach the note").set_input_files(
        {"name": "note.txt", "mimeType": "text/plain", "buffer": b"a note"}
    )
    page.get_by_role("button", name="Attach", exact=True).click()
    page.get_by_label("Its name is").check()
    page.get_by_label("Its date of birth is").check()
    page.get_by_role("button", name="Send the note").click()
    expect(page.get_by_text("The note is on its way.")).to_be_visible()
    clinic.drain()
    page.reload()
    expect(page.locator("#state").get_by_text("Delivered")).to_be_visible()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_of_orders_can_be_read_named_and_fits(
    clinic: Clinic, web: str, browser: Browser, size: str, scheme: str
) -> None:
    paths = ["/orders", "/orders?list=sent", "/orders?list=cancelled", "/orders?test=1", "/orders/usage"]
    paths += [clinic.placed(web, str(number)) for number in range(3)]
    with httpx.Client(base_url=web, trust_env=False) as http:
        cora = as_(http, "clinician")
        attach(cora, paths[-1], pdf())
        attach(cora, paths[-2], b"The note.\n" * 50)
        send(cora, paths[-2])
    clinic.drain()
    clinic.placed(web, "2", event="Update", at="2026-03-03T10:00:00.000Z")
    page = window(browser, web, size, color_scheme=scheme)
    for number, path in enumerate(paths):
        page.goto(web + path)
        assert page.evaluate(CONTRAST) == [], path
        assert page.evaluate(UNNAMED) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], path
        if folder := os.environ.get("HANDOFF_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/hcoint-{size}-{scheme}-{number}.png", full_page=True)


def test_redox_delivers_its_whole_feed_and_is_never_paused_by_a_bad_message(clinic: Clinic, web: str) -> None:
    messages = [json.loads(order(str(number))) for number in range(8)]
    messages.insert(3, {"Meta": {"DataModel": "Order", "EventType": "New"}})
    messages.insert(5, messages[0])
    feed = {"url": f"{web}/intake/redox", "token": TOKEN, "messages": messages}
    assert clinic.partners.post("/_sandbox/redox/feed", json=feed).status_code == 202
    until(lambda: clinic.partners.get("/_sandbox/redox/feed").json()["state"] == "idle")
    shown = clinic.partners.get("/_sandbox/redox/feed").json()
    assert (shown["sent"], shown["attempts"], shown["waiting"]) == (10, 10, 0)
    assert clinic.database.one("SELECT count(*) FROM hcoint_order") == 8
    assert clinic.database.one("SELECT count(*) FROM ended WHERE state = 7") == 1
    for method in ("GET", "POST"):
        asked = {"url": f"{web}/intake/redox", "token": TOKEN, "method": method}
        assert clinic.partners.post("/_sandbox/redox/verify", json=asked).json() == {"verified": True}


def large(size: int) -> bytes:
    """A PDF of exactly this size."""
    small = pdf() + b"\n%"
    return small + b"n" * (size - len(small))


WIRES = {
    "redox embedded, 200 KB": (MULTICARE_ID, large(200_000)),
    "redox uploaded, 10 MB": (MULTICARE_ID, large(10_000_000)),
    "redox uploaded, 30 MB": (MULTICARE_ID, large(LARGEST)),
    "oru, a byte": (EAST, b"x"),
    "oru, 200 KB": (EAST, large(200_000)),
    "oru, 20 MB": (EAST, large(20_000_000)),
    "mdm, a byte": ("west", b"x"),
    "mdm, 200 KB": ("west", large(200_000)),
    "mdm, 20 MB": ("west", large(20_000_000)),
    "mdm, 30 MB": ("west", large(LARGEST)),
    "http, a byte": ("south", b"x"),
    "http, 20 MB": ("south", large(20_000_000)),
}


@pytest.mark.parametrize("wire", WIRES)
def test_the_file_at_the_far_end_has_the_digest_of_the_file_on_the_page(
    clinic: Clinic, web: str, wire: str
) -> None:
    source, data = WIRES[wire]
    path = clinic.placed(web, "7001", source)
    with httpx.Client(base_url=web, trust_env=False, timeout=60) as http:
        cora = as_(http, "clinician")
        assert attach(cora, path, data, name="note").status_code == 303
        assert hashlib.sha256(data).hexdigest() in cora.get(path).text
        assert send(cora, path).status_code == 303
        clinic.drain()
        assert "Delivered" in cora.get(path).text
    (held,) = clinic.held("7001")
    assert (held["sha256"], held["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    if "uploaded" in wire:
        assert held["uploaded"]


# -- kill -9 -------------------------------------------------------------------------------------------------------


@contextmanager
def process(words: list[str], environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of ours, killed at the end if it still lives."""
    one = subprocess.Popen([sys.executable, *words], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield one
    finally:
        one.kill()
        one.wait(20)


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def web_process(clinic: Clinic) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"

    def up() -> bool:
        try:
            return httpx.get(f"{address}/health", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    with process(["-m", "web"], clinic.environment(HANDOFF_WEB_PORT=port)) as one:
        until(up)
        yield address, one


def test_kill_9_of_the_web_service_within_an_upload_keeps_nothing_half(clinic: Clinic) -> None:
    data = large(8_000_000)
    with web_process(clinic) as (address, one), httpx.Client(base_url=address, trust_env=False) as http:
        path = clinic.placed(address, "7001")
        cora = as_(http, "clinician")
        body, kind = _form(cora.token(path), data)

        def halves() -> Iterator[bytes]:
            yield body[: len(body) // 2]
            one.kill()
            one.wait(10)
            yield body[len(body) // 2 :]

        headers = {"content-type": kind, "content-length": str(len(body)), "cookie": _cookies(cora.cookies)}
        with pytest.raises(httpx.HTTPError):
            http.post(f"{path}/note", content=halves(), headers=headers)
    assert clinic.database.one("SELECT count(*) FROM hcoint_upload") == 0
    with web_process(clinic) as (address, _), httpx.Client(base_url=address, trust_env=False) as http:
        cora = as_(http, "clinician")
        assert "Waits for its note" in cora.get(path).text
        assert attach(cora, path, data).status_code == 303
        assert hashlib.sha256(data).hexdigest() in cora.get(path).text


def _form(token: str, data: bytes) -> tuple[bytes, str]:
    request = httpx.Request("POST", "http://x", data={"csrf": token}, files={"note": ("note.pdf", data)})
    return request.read(), request.headers["content-type"]


def _cookies(jar: httpx.Cookies) -> str:
    return "; ".join(f"{one.name}={one.value}" for one in jar.jar)


DRAIN = (
    "import os; from resources.settings import Settings; from assets.hcoint.sending import lane;"
    "from assets.drain.run import drain_singles; settings = Settings(dict(os.environ));"
    "drain_singles(settings, lane(settings), run_id='killed')"
)


@pytest.mark.parametrize(("system", "source"), [("redox", MULTICARE_ID), ("northlab", EAST)])
def test_kill_9_of_the_run_within_a_send_loses_nothing_and_repeats_what_was_in_flight_at_most(
    clinic: Clinic, web: str, system: str, source: str
) -> None:
    paths = [clinic.placed(web, str(number), source) for number in range(3)]
    clinic.partners.post(f"/_sandbox/{system}/faults", json={"delay_seconds": 3, "match": "endpoint|MLLP"})
    with httpx.Client(base_url=web, trust_env=False) as http:
        cora = as_(http, "clinician")
        for number, path in enumerate(paths):
            attach(cora, path, f"note {number}".encode(), name="note.txt")
            send(cora, path)

        def begun() -> object:
            received = clinic.partners.get(f"/_sandbox/{system}/received").json()
            return any(re.search("endpoint|^/$", one["path"]) for one in received)

        with process(["-c", DRAIN], clinic.environment(HANDOFF_LINGER_SECONDS=20)) as run:
            until(begun)
            run.kill()
            run.wait(10)
        in_flight = int(
            str(clinic.database.one("SELECT count(*) FROM work JOIN outbox ON outbox.id = work.arrival"))
        )
        assert in_flight
        time.sleep(3.2)  # what was on its way over there takes its effect
        clinic.drain(HANDOFF_LINGER_SECONDS=2)
        assert all("Delivered" in cora.get(path).text for path in paths)
    times = [int(one.get("times", 1)) for number in range(3) for one in clinic.held(str(number))]
    assert 3 <= sum(times) <= 3 + in_flight
    digests = {one["sha256"] for number in range(3) for one in clinic.held(str(number))}
    assert digests == {hashlib.sha256(f"note {number}".encode()).hexdigest() for number in range(3)}
    if system == "northlab":
        assert all(len(clinic.held(str(number))) == 1 for number in range(3))


def test_a_note_may_not_be_sent_twice_by_a_double_click_or_two_windows(clinic: Clinic, web: str) -> None:
    path = clinic.placed(web, "7001")
    with httpx.Client(base_url=web, trust_env=False) as http:
        cora = as_(http, "clinician")
        attach(cora, path, b"note", name="note.txt")
        form = hidden(cora.get(path).text)
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: cora.post(f"{path}/send", **form).status_code, range(4)))
    assert sorted(answers) == [303, 409, 409, 409]
    clinic.drain()
    assert len(clinic.held("7001")) == 1
