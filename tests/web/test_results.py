"""The decrypt service: opens a result for who treats the patient, after the look is in the log, and for nobody else."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from handoff.decrypt import create_app
from resources.store.connect import connect
from resources.store.looks import looks
from resources.store.staff import Person, Role
from tests.conftest import Database
from tests.pridok.room import FORM, KEYS, NOTE, PROVIDER, Room
from tests.web.browser import KEPT, PASSWORD, Browser, account, accounts, as_
from tests.web.serving import serving
from web.results import Awake
from web.staff import PageRequest
from web.staff.sessions import Visit, hash_of, new_token


@dataclass
class Service:
    """Who signs in on the pages reads in the decrypt service."""

    pages: httpx.Client
    decrypt: httpx.Client
    path: str

    def reader(self, name: str) -> Browser:
        browser = as_(self.pages, name)
        return Browser(self.decrypt, browser.cookies)


@pytest.fixture
def service(database: Database, client: httpx.Client) -> Iterator[Service]:
    accounts(database)
    account(database, "other", Role.PROVIDER)
    room = Room(database)
    one = room.running()
    room.finishing.finish(one.id, FORM, PROVIDER)
    room.close()
    key = KEYS["clinic"]
    app = create_app(database.settings, {key.public.kid: key})
    with serving(app) as url, httpx.Client(base_url=url, timeout=20, trust_env=False) as decrypt:
        yield Service(client, decrypt, f"/journal/{one.id}")


def test_who_treats_the_patient_reads_it_with_a_reason(service: Service, database: Database) -> None:
    provider = service.reader("provider")
    assert provider.post(service.path, page=service.path).status_code == 400
    shown = provider.post(service.path, page=service.path, reason="the patient calls back", password=PASSWORD)
    assert NOTE in shown.text
    assert "R74" in shown.text
    with database.connect() as db:
        (look,) = [look for look in looks(db, who="provider") if look.what == "a result"][:1]
    assert look.reason == "the patient calls back"


@pytest.mark.parametrize(("name", "status"), [("other", 404), ("secretary", 403), ("administrator", 403)])
def test_nobody_else_reads_it(service: Service, name: str, status: int) -> None:
    assert service.reader(name).get(service.path).status_code == status


def test_without_a_session_there_is_nothing(service: Service) -> None:
    assert service.decrypt.get(service.path).status_code == 303
    assert service.decrypt.get("/messages").status_code == 404


def test_a_result_that_was_moved_does_not_open(service: Service, database: Database) -> None:
    database_change(database, "UPDATE pridok_result SET version = version + 1")
    provider = service.reader("provider")
    shown = provider.post(service.path, page=service.path, reason="the patient calls back", password=PASSWORD)
    assert shown.status_code == 500
    assert NOTE not in shown.text


def database_change(database: Database, statement: str) -> None:
    """What the owner of the tables does; the application may not."""
    with connect(database.cluster.owner_url) as db:
        db.execute(statement)  # type: ignore[arg-type]


def test_the_web_service_has_no_way_to_open_a_result(service: Service) -> None:
    provider = as_(service.pages, "provider")
    assert provider.get(service.path).status_code == 404


def test_a_session_alone_opens_nothing_for_its_row_can_be_forged(
    service: Service, database: Database
) -> None:
    """What somebody can do who has the application's role, its environment and a dump."""
    token = new_token()
    with database.connect() as db:
        db.execute(
            "INSERT INTO staff_session (hash, staff) SELECT %s, id FROM staff WHERE name = 'provider'",
            [hash_of(token)],
        )
    forger = Browser(service.decrypt, httpx.Cookies({"handoff_session": token}))
    for password in ("", KEPT, "a password of my own"):
        refused = forger.post(service.path, page=service.path, reason="just to see", password=password)
        assert (refused.status_code, NOTE in refused.text, "R74" in refused.text) == (403, False, False)
        assert 'value="just to see"' in refused.text
    with database.connect() as db:
        assert looks(db, who="provider")[0].what == "refused: a result"


def test_the_password_is_asked_for_once_while_somebody_reads(service: Service) -> None:
    provider, other_window = service.reader("provider"), service.reader("provider")
    assert "Your password" in provider.get(service.path).text
    assert provider.post(service.path, page=service.path, reason="a", password=PASSWORD).status_code == 200
    assert "Your password" not in provider.get(service.path).text
    assert NOTE in provider.post(service.path, page=service.path, reason="b").text
    assert other_window.post(service.path, page=service.path, reason="c").status_code == 403


def test_passwords_cannot_be_tried_out_here_either(service: Service) -> None:
    provider = service.reader("provider")
    tries = [
        provider.post(service.path, page=service.path, reason="a", password=f"guess number {number}")
        for number in range(6)
    ]
    assert [one.status_code for one in tries] == [403] * 5 + [429]


@pytest.mark.parametrize(("seconds", "known"), [(899.0, True), (901.0, False)])
def test_who_has_not_read_for_a_while_is_asked_again(seconds: float, known: bool) -> None:
    clock = [0.0]
    awake = Awake(lambda: clock[0])
    request = PageRequest({"type": "http"})
    request.known = Visit(Person(1, "provider", Role.PROVIDER), b"session", "csrf", ())
    awake.seen(request)
    clock[0] = seconds
    assert awake.knows(request) is known
