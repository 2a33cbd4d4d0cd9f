"""In an emergency a provider reads somebody they have not treated: written down first, told at once, over by itself."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from handoff.decrypt import create_app
from resources.store.connect import Borrowed, connect
from resources.store.looks import looks
from resources.store.staff import Role
from tests.conftest import Database
from tests.pridok.room import FORM, KEYS, NOTE, PROVIDER, PUBLIC, Room
from tests.web.browser import PASSWORD, Browser, account, accounts, as_
from tests.web.conftest import Deployed
from tests.web.serving import serving
from tests.web.test_watch import Heard
from web.emergency import PATH, incidents
from web.opening import Opening
from web.watch import Watch

NUMBER = "13116900216"
WHY = "found unconscious, the ward asks for allergies"


@dataclass
class Night:
    """A patient whom ``provider`` has treated; ``other`` is on duty."""

    pages: httpx.Client
    decrypt: httpx.Client
    database: Database
    result: str
    before: int  # the newest line of the log, which no test can empty

    def opened(self, browser: Browser, **fields: str) -> httpx.Response:
        return browser.post(PATH, page=PATH, **{"number": NUMBER, "reason": WHY, "known": "1", **fields})

    def reads(self, browser: Browser) -> httpx.Response:
        """The result, asked for as on the other side's page."""
        desk = Browser(self.decrypt, browser.cookies)
        return desk.post(self.result, page=self.result, reason="allergies", password=PASSWORD)

    def lines(self, who: str) -> list[str]:
        with self.database.connect() as db:
            return [look.what for look in reversed(looks(db, who=who)) if look.id > self.before]


@pytest.fixture
def night(database: Database, deployed: Deployed) -> Iterator[Night]:
    accounts(database)
    account(database, "other", Role.PROVIDER)
    room = Room(database)
    one = room.running()
    room.finishing.finish(one.id, FORM, PROVIDER)
    room.close()
    app = create_app(database.settings, {KEYS["clinic"].public.kid: KEYS["clinic"]})
    with serving(app) as url, httpx.Client(base_url=url, timeout=20, trust_env=False) as decrypt:
        before = int(str(database.one("SELECT id FROM access_log_end")))
        yield Night(deployed(**PUBLIC), decrypt, database, f"/journal/{one.id}", before)


def test_a_record_is_opened_with_a_reason_and_every_look_is_marked(night: Night) -> None:
    other = as_(night.pages, "other")
    assert night.reads(other).status_code == 404
    shown = night.opened(other)
    assert "Line Danser" in shown.text
    assert night.result in shown.text
    assert NUMBER not in shown.text
    assert NOTE in night.reads(other).text
    assert night.lines("other") == [
        "refused: a result",  # the form
        "refused: a result",
        "emergency: a patient's record",
        "emergency: a result",
    ]
    with night.database.connect() as db:
        assert [look.reason for look in looks(db, who="other")][:2] == ["allergies", WHY]
    assert night.reads(as_(night.pages, "provider")).status_code == 200
    assert night.lines("provider")[-1] == "a result"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"reason": "urgent"}, 400),
        ({"reason": ""}, 400),
        ({"known": ""}, 400),
        ({"number": "05073500186"}, 404),
    ],
)
def test_nothing_is_opened_without_a_reason_and_the_word_that_it_is_followed_up(
    night: Night, fields: dict[str, str], status: int
) -> None:
    other = as_(night.pages, "other")
    refused = night.opened(other, **fields)
    assert (refused.status_code, "Danser" in refused.text) == (status, False)
    assert night.reads(other).status_code == 404


def test_it_is_for_providers_and_for_who_opened_it_alone(night: Night) -> None:
    for name in ("secretary", "clinician", "operator", "administrator"):
        assert as_(night.pages, name).get(PATH).status_code == 403
    account(night.database, "third", Role.PROVIDER)
    assert night.opened(as_(night.pages, "other")).status_code == 200
    assert night.reads(as_(night.pages, "third")).status_code == 404


def test_it_is_over_after_an_hour(night: Night) -> None:
    other = as_(night.pages, "other")
    night.opened(other)
    with connect(night.database.cluster.owner_url) as owner:
        owner.execute("UPDATE access_log SET at = at - interval '61 minutes'")
    assert night.reads(other).status_code == 404


def test_it_is_told_at_once_and_stands_in_the_follow_up_without_a_name(night: Night) -> None:
    store, heard = Borrowed(night.database.cluster.app_url, "test watch"), Heard()
    watch = Watch(store, heard, Opening(maintenance=False), windows={}, data=None, also=[incidents])
    watch.look()
    heard.texts.clear()
    night.opened(as_(night.pages, "other"))
    watch.look()
    watch.look()
    (text,) = (text for text in heard.texts if "emergency" in text)
    assert text.startswith("other has opened the record of somebody")
    page = as_(night.pages, "administrator").get("/access/follow-up").text
    assert "Opened a record in an emergency" in page
    assert "Read somebody they have not treated" not in page
    assert "Danser" not in page
    with connect(night.database.cluster.owner_url) as owner:
        owner.execute("UPDATE access_log SET at = at - interval '6 hours'")
    watch.look()
    store.close()
    assert not [key for key in heard.recovered if "emergency" in key]
