"""The page of reports: who fetches which, and that taking a sealed one along is written down first."""

import httpx
import pytest

from assets.pridok import month
from resources.store import month as kept
from resources.store.looks import looks
from tests.conftest import Database
from tests.pridok.room import Room
from tests.pridok.test_month import MARCH, played
from tests.web.browser import accounts, as_

ENVELOPE = b'{"suite": "HPKE", "ciphertext": "sealed to the insurer"}'


@pytest.fixture
def reports(database: Database) -> tuple[int, int]:
    """A month's workbook, and an envelope of the same month."""
    accounts(database)
    room = Room(database)
    played(room)
    workbook, envelope = month.make(room.clinic, MARCH).id, room.clinic.numbers()
    with database.connect() as db:
        kept.keep(db, database.sealer, envelope, MARCH, "r2", ENVELOPE)
    room.close()
    return workbook, envelope


@pytest.mark.parametrize("name", ["secretary", "operator", "administrator"])
def test_who_reports_fetches_the_month(client: httpx.Client, reports: tuple[int, int], name: str) -> None:
    browser = as_(client, name)
    assert "March 2026" in browser.get("/reports").text
    file = browser.get(f"/reports/{reports[0]}")
    assert (file.status_code, file.content[:2]) == (200, b"PK")
    assert 'filename="consultations-2026-03.xlsx"' in file.headers["content-disposition"]


@pytest.mark.parametrize("name", ["provider", "clinician"])
def test_nobody_else_does(client: httpx.Client, reports: tuple[int, int], name: str) -> None:
    browser = as_(client, name)
    assert browser.get("/reports").status_code == 403
    assert browser.get(f"/reports/{reports[0]}").status_code == 403


@pytest.mark.parametrize("name", ["secretary", "operator"])
def test_the_sealed_one_is_an_administrators_to_hand_on(
    client: httpx.Client, reports: tuple[int, int], name: str
) -> None:
    browser = as_(client, name)
    assert "Sealed to the insurer" not in browser.get("/reports").text
    assert browser.get(f"/reports/{reports[1]}").status_code == 404
    assert browser.post(f"/reports/{reports[1]}", page="/reports", reason="x").status_code == 403


def test_taking_a_sealed_one_along_is_logged_with_its_reason(
    client: httpx.Client, reports: tuple[int, int], database: Database
) -> None:
    browser = as_(client, "administrator")
    path = f"/reports/{reports[1]}"
    assert browser.get(path).status_code == 404
    assert browser.post(path, page="/reports").status_code == 400
    file = browser.post(path, page="/reports", reason="agreement 4.2, March")
    assert file.content == ENVELOPE
    with database.connect() as db:
        (look,) = [one for one in looks(db, who="administrator") if one.reason == "agreement 4.2, March"]
    assert look.what == "the sealed report of 2026-03"


def test_one_that_is_not_there_is_not_found(client: httpx.Client, reports: tuple[int, int]) -> None:
    browser = as_(client, "operator")
    for number in ("1", "9" * 30):
        assert browser.get(f"/reports/{number}").status_code == 404
