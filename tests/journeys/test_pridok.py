"""A referral to its end in a real Chromium: door, pages, two providers at once, patient, report, run, insurer."""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import websockets
from playwright.sync_api import Browser, Page, expect

from handoff.decrypt import create_app as decrypt_app
from handoff.ports import free_port
from resources.sealing import Place, unseal_whole
from resources.settings import Settings
from resources.store.staff import Role
from sandbox.insurer import Insurer
from sandbox.mail import Mail
from sandbox.running import sandbox_thread
from sandbox.video import Video
from tests.conftest import Database
from tests.journeys.chromium import SIZES, chromium
from tests.pridok.room import KEYS, NOTE, PUBLIC, referral
from tests.web.browser import PASSWORD, account, accounts, as_
from tests.web.conftest import logging_as_it_was  # noqa: F401 - the service sets up the logs of its process
from tests.web.serving import serving
from web.app import create_app

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("logging_as_it_was")]

HERE = Path(__file__).parent
CONTRAST = (HERE / "contrast.js").read_text()
UNNAMED = (HERE / "unnamed.js").read_text()
TOKEN = "pridoks-secret"
SUBSCRIPTION = "subscription { consultations { id version state providers } }"


@dataclass
class Clinic:
    """The web service, the decrypt service, and the partners in miniature."""

    database: Database
    settings: Settings
    web: str
    partners: httpx.Client

    def refer(self, guid: int = 1, **changed: object) -> str:
        """A referral comes by the door; the path of its consultation."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        answer = httpx.post(
            f"{self.web}/intake/pridok/referrals",
            content=referral(guid, **changed),
            headers=headers,
            trust_env=False,
        )
        assert answer.status_code == 202, answer.text
        return f"/consultations/{self.database.one('SELECT max(id) FROM pridok_consultation')}"

    def mails(self, count: int) -> list[dict[str, Any]]:
        """The mails, once so many have come."""
        rows: list[dict[str, Any]] = []

        def there() -> bool:
            rows[:] = self.partners.get("/_sandbox/mail/records").json()
            return len(rows) >= count

        until(there)
        return rows


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def clinic(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    monkeypatch.setenv("HANDOFF_SANDBOX_SMTP_PORT", "0")
    accounts(database)
    account(database, "other", Role.PROVIDER)
    mail = Mail()
    with ExitStack() as stack:
        url = stack.enter_context(sandbox_thread([Insurer(), Video(), mail]))
        key = KEYS["clinic"]
        journal = stack.enter_context(serving(decrypt_app(database.settings, {key.public.kid: key})))
        port = free_port()
        settings = database.with_(
            **PUBLIC,
            HANDOFF_TOKENS_PRIDOK=TOKEN,
            HANDOFF_DAGSTER_URL="http://127.0.0.1:9",
            PRIDOK_INSURER_URL=f"{url}/insurer/messages",
            PRIDOK_JOURNAL_URL=journal,
            PRIDOK_PUBLIC_URL=f"http://127.0.0.1:{port}",
            PRIDOK_SETTLE_SECONDS="1",
            VIDEO_URL=f"{url}/video",
            HANDOFF_SMTP_HOST="127.0.0.1",
            HANDOFF_SMTP_PORT=mail.port,
            HANDOFF_SMTP_TLS="off",
        )
        web = stack.enter_context(serving(create_app(settings), port=port))
        yield Clinic(
            database,
            settings,
            web,
            stack.enter_context(httpx.Client(base_url=url, timeout=20, trust_env=False)),
        )


@pytest.fixture
def browser(clinic: Clinic) -> Iterator[Browser]:
    """Started last: while it runs, this thread's event loop is its own."""
    with chromium() as one:
        yield one


def window(browser: Browser, clinic: Clinic, who: str, size: str = "laptop", **how: Any) -> Page:
    """Somebody who has signed in."""
    width, height = SIZES[size]
    page = browser.new_context(viewport={"width": width, "height": height}, **how).new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{clinic.web}/sign-in")
    page.get_by_label("Name").fill(who)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


def picture(page: Page, name: str) -> None:
    """For people to look at, where a folder is named."""
    if folder := os.environ.get("HANDOFF_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/pridok-{name}.png", full_page=True)


# -- a program that listens ----------------------------------------------------------------------------------------


@dataclass
class Listener:
    """A client of the subscription, in a thread with a loop of its own."""

    url: str
    cookie: str
    heard: list[dict[str, Any]] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        asyncio.run(self._listen())

    async def _listen(self) -> None:
        async with websockets.connect(
            self.url,
            subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
            additional_headers={"cookie": self.cookie},
        ) as socket:
            await socket.send(json.dumps({"type": "connection_init"}))
            await socket.recv()
            await socket.send(
                json.dumps({"id": "1", "type": "subscribe", "payload": {"query": SUBSCRIPTION}})
            )
            await asyncio.sleep(0.5)
            self.ready.set()
            while not self.over.is_set():
                try:
                    message = json.loads(await asyncio.wait_for(socket.recv(), 0.2))
                except TimeoutError:
                    continue
                if message["type"] == "next":
                    self.heard.append(message["payload"]["data"]["consultations"])


@contextmanager
def listening(page: Page, clinic: Clinic) -> Iterator[Listener]:
    """A program with the session of somebody at a window."""
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
    one = Listener(clinic.web.replace("http", "ws") + "/graphql", cookie)
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    assert one.ready.wait(20)
    try:
        yield one
    finally:
        one.over.set()
        thread.join(20)


# -- Dagster -------------------------------------------------------------------------------------------------------


def run_of_the_lane(clinic: Clinic, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> str:
    """One run of the lane's job in Dagster, in a thread where an event loop may be started."""
    from pipelines.definitions import defs

    for name, value in clinic.settings.values.items():
        monkeypatch.setenv(name, value)
    job = defs.resolve_job_def("pridok")
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(job.execute_in_process, instance=instance, raise_on_error=True).result(120)
    assert done.success
    return str(done.run_id)


@contextmanager
def dagster_pages(folder: Path) -> Iterator[str]:
    """Dagster's own pages over the instance of a folder."""
    port = free_port()
    words = [
        sys.executable,
        "-m",
        "dagster_webserver",
        "--empty-workspace",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    environment = {**os.environ, "DAGSTER_HOME": str(folder)}
    with subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as one:
        address = f"http://127.0.0.1:{port}"

        def up() -> bool:
            try:
                return httpx.get(f"{address}/server_info", trust_env=False).status_code == 200
            except httpx.HTTPError:
                return False

        try:
            until(up, 60)
            yield address
        finally:
            one.terminate()
            one.wait(20)


# -- the journey ---------------------------------------------------------------------------------------------------


def press_at_the_same_moment(pages: list[Page], name: str) -> None:
    """Each presses the button when the machine's clock shows one and the same moment."""
    moment = time.time() * 1000 + 500
    for page in pages:
        page.get_by_role("button", name=name, exact=True).evaluate(
            "(button, moment) => { setTimeout(() => button.click(), moment - Date.now()); }", moment
        )
    for page in pages:
        page.wait_for_timeout(1500)
        page.wait_for_load_state()


def test_a_referral_is_screened_picked_by_one_started_joined_finished_and_told_to_the_insurer(
    clinic: Clinic, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clinic.refer()
    secretary, provider, other, operator = (
        window(browser, clinic, who) for who in ("secretary", "provider", "other", "operator")
    )
    with listening(secretary, clinic) as listener:
        screen(secretary)
        winner = picked_by_one(clinic, path, [provider, other])
        start(clinic, browser, winner)
        finish(winner)
        until(lambda: len(listener.heard) >= 5)
    heard = [(one["state"], one["version"]) for one in listener.heard]
    states = ["READY_FOR_PICKUP", "PENDING_SP", "IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]
    assert heard == [(state, version) for version, state in enumerate(states, start=2)]
    read(winner)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        run = run_of_the_lane(clinic, monkeypatch, instance)
    with dagster_pages(tmp_path) as address:
        operator.goto(f"{address}/runs/{run}")
        expect(operator.get_by_text("Success", exact=True).first).to_be_visible()
        expect(operator.get_by_text("pridok").first).to_be_visible()
        picture(operator, "dagster")
    told(clinic, path)
    operator.goto(f"{clinic.web}{path}")
    expect(operator.get_by_text("This page is not for your role.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_of_the_clinic_can_be_read_named_and_fits(
    clinic: Clinic, browser: Browser, size: str, scheme: str
) -> None:
    picked, running, ready = (clinic.refer(guid) for guid in (1, 2, 3))
    clinic.refer(4, PID="05073500186", Firstname="Ola Kristoffer", Lastname="Nordmann-Prøvehaugen")
    clinic.refer(5, PID="1")
    acts = [(path, "secretary", "screen") for path in (picked, running, ready)]
    acts += [(path, "provider", "pick") for path in (picked, running)]
    with httpx.Client(base_url=clinic.web, trust_env=False, timeout=20) as http:
        people = {name: as_(http, name) for name in ("secretary", "provider")}
        for path, who, act in [*acts, (running, "provider", "start")]:
            assert people[who].post(f"{path}/{act}", page=path).status_code == 303
        newest = clinic.refer(6, PID="15507600333")
        assert as_(http, "other").get(running).status_code == 404
    entry = f"/patients/{clinic.database.one('SELECT min(id) FROM pridok_patient')}"
    paths = {
        "secretary": [
            *("/consultations", "/consultations?list=running", "/consultations?list=cancelled"),
            *("/consultations/new", "/consultations/quarantine", newest, running, entry),
        ],
        "provider": ["/consultations", "/consultations?list=mine", ready, picked, running],
        "administrator": ["/access", "/access/follow-up"],
    }
    for who, mine in paths.items():
        page = window(browser, clinic, who, size, color_scheme=scheme)
        for number, path in enumerate(mine):
            page.goto(clinic.web + path)
            looked_at(page, f"{who}-{number}-{size}-{scheme}", size)
    page = window(browser, clinic, "secretary", size, color_scheme=scheme)
    for summary, fields, press in (
        ("Merge with another entry", {"The other entry's number": "05073500186"}, "Show both"),
        ("Who has read", {"Why it is handed out": "the patient has asked"}, "Show the report"),
        ("Another national number", {}, ""),
    ):
        page.goto(clinic.web + entry)
        page.get_by_text(summary, exact=True).click()
        for label, value in fields.items():
            page.locator("details[open]").get_by_label(label).fill(value)
        if press:
            page.get_by_role("button", name=press).click()
            page.wait_for_load_state()
        looked_at(page, f"{summary.replace(' ', '-').lower()}-{size}-{scheme}", size)


def looked_at(page: Page, name: str, size: str) -> None:
    """Its text can be read, its fields have names, and nothing is wider than the window."""
    picture(page, name)
    assert page.evaluate(CONTRAST) == [], name
    assert page.evaluate(UNNAMED) == [], name
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], name


def screen(page: Page) -> None:
    """The secretary finds the referral in the list and creates the consultation."""
    page.get_by_role("link", name="referrals wait to be screened").click()
    picture(page, "to-screen")
    page.get_by_role("link", name="Line Danser").click()
    picture(page, "screening")
    page.get_by_role("button", name="Screened: create the consultation").click()
    expect(page.get_by_text("Providers can pick it now.")).to_be_visible()


def picked_by_one(clinic: Clinic, path: str, pages: list[Page]) -> Page:
    """Of two providers who press at the same moment exactly one gets it; the other is told so."""
    for page in pages:
        page.goto(clinic.web + path)
    press_at_the_same_moment(pages, "Pick")
    won = [page for page in pages if page.get_by_text("It is yours.").count()]
    lost = [page for page in pages if page not in won]
    assert len(won) == len(lost) == 1
    expect(lost[0].get_by_role("heading", name="That cannot be done now.")).to_be_visible()
    picture(lost[0], "too-late")
    events = clinic.database.rows("SELECT who FROM pridok_event WHERE what = 'picked'")
    assert len(events) == 1
    return won[0]


def start(clinic: Clinic, browser: Browser, page: Page) -> None:
    """The provider starts, and the patient, on a phone, joins by the link in the mail."""
    picture(page, "picked")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("link", name="Open the video room")).to_be_visible()
    (mail,) = clinic.mails(1)
    assert mail["to"] == ["line.danser@example.com"]
    link = re.search(r"http\S+/visit/\S+", str(mail["text"]))
    assert link
    patient = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    patient.goto(link[0])
    assert patient.evaluate(CONTRAST) == []
    picture(patient, "patient-phone")
    patient.get_by_role("link", name="Join").click()
    expect(patient.get_by_role("heading", name="You are in the room")).to_be_visible()


def finish(page: Page) -> None:
    """The provider hangs up, is told of a code that is none, and finishes with a good one."""
    page.get_by_role("button", name="Hang up").click()
    expect(page.get_by_text("Now the report.")).to_be_visible()
    page.get_by_label("ICPC-2 code").fill("R74 R75")
    page.get_by_label("Outcome").select_option("helped")
    page.get_by_label("Notes").fill(NOTE)
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_text("The report was not taken.")).to_be_visible()
    expect(page.get_by_label("Notes")).to_have_value(NOTE)
    picture(page, "report-refused")
    page.get_by_label("ICPC-2 code").fill("R74")
    page.get_by_label("Policy number").fill("00123456")
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_text("The report is sealed, and the insurer is told.")).to_be_visible()
    assert NOTE not in page.content()
    picture(page, "finished")


def read(page: Page) -> None:
    """Who treats the patient reads the result in the decrypt service, with a reason."""
    page.get_by_role("link", name="Read the result").click()
    page.get_by_label("Why you read it").fill("the patient calls back")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text(NOTE)).to_be_visible()
    picture(page, "result")


def told(clinic: Clinic, path: str) -> None:
    """The insurer holds the report, once, and can open it."""
    (held,) = clinic.partners.get("/_sandbox/insurer/records").json().values()
    assert held["times"] == 1
    (received,) = clinic.partners.get("/_sandbox/insurer/received").json()
    identifier = path.rpartition("/")[2]
    opened = unseal_whole(received["body"].encode(), Place("insurer_message", identifier), KEYS["insurer"])
    report = json.loads(opened)
    assert (report["outcome"], report["policy_number"]) == ("helped", "00123456")
    assert NOTE not in opened.decode()
