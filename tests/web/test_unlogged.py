"""Where a look cannot be written down nothing is shown: no name, no result, on no page and by no query."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from handoff.decrypt import create_app
from resources.store.staff import Role
from tests.conftest import Database
from tests.pridok.room import FORM, KEYS, NOTE, PROVIDER, PUBLIC, Room, referral
from tests.web.browser import PASSWORD, Browser, account, accounts, as_
from tests.web.conftest import Deployed
from tests.web.serving import serving

NUMBER, OTHER = "13116900216", "05073500186"
LIST = "{ consultations(first: 5) { nodes { id patients { lastName } } } }"


@dataclass
class Clinic:
    """A finished consultation of one patient, an open one of another, and who looks."""

    database: Database
    people: dict[str, Browser]
    finished: int
    patient: int

    def ask(self, name: str, method: str, path: str, **fields: str) -> httpx.Response:
        """A page, or a form with a token that was had before."""
        path = path.format(consultation=self.finished, patient=self.patient)
        browser = self.people[name]
        return browser.get(path) if method == "GET" else browser.post(path, **fields)

    @contextmanager
    def nothing_is_logged(self) -> Iterator[None]:
        """The application may not write the access log."""
        with psycopg.connect(
            self.database.cluster.owner_url, options="-c search_path=handoff", autocommit=True
        ) as db:
            db.execute("REVOKE EXECUTE ON FUNCTION log_access FROM handoff_app")
            try:
                yield
            finally:
                db.execute("GRANT EXECUTE ON FUNCTION log_access TO handoff_app")


@pytest.fixture
def clinic(deployed: Deployed, database: Database) -> Iterator[Clinic]:
    accounts(database)
    account(database, "other", Role.PROVIDER)
    room = Room(database)
    one = room.running()
    room.finishing.finish(one.id, FORM, PROVIDER)
    room.take(referral(2, PID=OTHER))
    room.close()
    client = deployed(**PUBLIC)
    people = {name: as_(client, name) for name in ("secretary", "provider")}
    key = KEYS["clinic"]
    app = create_app(database.settings, {key.public.kid: key})
    with serving(app) as url, httpx.Client(base_url=url, timeout=20, trust_env=False) as decrypt:
        people["reader"] = Browser(decrypt, people["provider"].cookies)
        yield Clinic(database, people, one.id, one.patients[0])


WHY = {"reason": "the patient has asked"}

LOOKS = [
    ("secretary", "GET", "/consultations", {}, "Danser"),
    ("secretary", "GET", "/consultations?list=completed", {}, "Danser"),
    ("secretary", "POST", "/consultations", {"number": NUMBER}, "Danser"),
    ("secretary", "GET", "/consultations/{consultation}", {}, "Danser"),
    ("provider", "GET", "/consultations?list=mine", {}, "Danser"),
    ("provider", "GET", "/consultations/{consultation}", {}, "Danser"),
    ("secretary", "GET", "/patients/{patient}", {}, "Danser"),
    ("secretary", "POST", "/patients/{patient}/compare", {"number": OTHER}, "Danser"),
    ("secretary", "POST", "/patients/{patient}/readers", WHY, "Danser"),
    ("secretary", "POST", "/patients/{patient}/export", WHY, "Danser"),
    ("provider", "POST", "/patients/{patient}/export", WHY, "Danser"),
    ("provider", "POST", "/consultations/emergency", {**WHY, "number": NUMBER, "known": "1"}, "Danser"),
    ("reader", "POST", "/journal/{consultation}", {**WHY, "password": PASSWORD}, NOTE),
]


@pytest.mark.parametrize(
    ("who", "method", "path", "fields", "shown"), LOOKS, ids=[f"{one[0]} {one[1]} {one[2]}" for one in LOOKS]
)
def test_what_cannot_be_logged_is_not_shown(
    clinic: Clinic, who: str, method: str, path: str, fields: dict[str, str], shown: str
) -> None:
    form = "/consultations/new" if who == "secretary" else "/"
    if method == "POST":
        own = clinic.people["provider"] if who == "reader" else clinic.people[who]
        fields = {**fields, "csrf": own.token(form)}
    assert shown in clinic.ask(who, method, path, **fields).text
    with clinic.nothing_is_logged():
        answer = clinic.ask(who, method, path, **fields)
    assert answer.status_code == 500
    for word in ("Danser", "Line", NOTE, "R74", NUMBER):
        assert word not in answer.text


@pytest.mark.parametrize("who", ["secretary", "provider"])
def test_a_query_whose_look_cannot_be_logged_is_not_answered(clinic: Clinic, who: str) -> None:
    browser = clinic.people[who]
    cookie = {"cookie": "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)}

    def ask() -> httpx.Response:
        return browser.http.post("/graphql", json={"query": LIST}, headers=cookie)

    assert "Danser" in ask().text
    with clinic.nothing_is_logged():
        answer = ask()
    assert "Danser" not in answer.text
    assert not answer.json().get("data")
