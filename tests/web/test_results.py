"""The decrypt service: opens a result for who treats the patient, after the look is in the log, and for nobody else."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from handoff.decrypt import create_app
from resources.store.connect import connect
from resources.store.looks import looks
from resources.store.staff import Role
from tests.conftest import Database
from tests.pridok.room import FORM, KEYS, NOTE, PROVIDER, Room
from tests.web.browser import Browser, account, accounts, as_
from tests.web.serving import serving


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
    shown = provider.post(service.path, page=service.path, reason="the patient calls back")
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
    shown = provider.post(service.path, page=service.path, reason="the patient calls back")
    assert shown.status_code == 500
    assert NOTE not in shown.text


def database_change(database: Database, statement: str) -> None:
    """What the owner of the tables does; the application may not."""
    with connect(database.cluster.owner_url) as db:
        db.execute(statement)  # type: ignore[arg-type]


def test_the_web_service_has_no_way_to_open_a_result(service: Service) -> None:
    provider = as_(service.pages, "provider")
    assert provider.get(service.path).status_code == 404
