"""The pages about links and records, and the door a clinic hands records in at, under a real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from assets.openmrs.events import Side
from resources.settings import Settings
from tests.conftest import Database
from tests.openmrs.linked import Linked, linked
from tests.openmrs.people import key_of, patient
from tests.web.browser import Browser, accounts, as_
from tests.web.conftest import logging_as_it_was as logging_as_it_was
from tests.web.serving import serving
from web.app import create_app

PARENT, CHILD = Side.PARENT, Side.CHILD
TOKEN = "clinic-secret"


@pytest.fixture
def clinic(database: Database, tmp_path: Path) -> Iterator[Linked]:
    with linked(database, tmp_path) as made:
        yield made


@pytest.fixture
def http(clinic: Linked, database: Database) -> Iterator[httpx.Client]:
    settings = {
        **clinic.settings.values,
        "HANDOFF_TOKENS_OPENMRS": TOKEN,
        "HANDOFF_DAGSTER_URL": "http://127.0.0.1:9",
    }
    accounts(database)
    with (
        serving(create_app(Settings(settings))) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=20) as client,
    ):
        yield client


def quarrel(clinic: Linked) -> dict[str, Any]:
    """Grace, whose gender both sides have changed."""
    grace = clinic.edit(PARENT, patient())
    clinic.drain()
    clinic.edit(PARENT, grace, gender="other")
    clinic.edit(CHILD, clinic.records(CHILD)[key_of(grace)], gender="unknown")
    clinic.drain()
    return grace


def shown(browser: Browser, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    return answer.text


def test_an_administrator_compares_both_sides_decides_and_the_lane_carries_it_out(
    clinic: Linked, http: httpx.Client, database: Database
) -> None:
    grace = quarrel(clinic)
    path = f"/sync/clinic-a/records/{key_of(grace)}"
    ada = as_(http, "administrator")
    assert path in shown(ada, "/sync")
    assert "Akello" not in shown(ada, path)
    before = database.one("SELECT count(*) FROM access_log")
    both = ada.post(f"{path}/versions", page=path, reason="the two clinics asked").text
    assert "unknown" in both
    assert "other" in both
    assert database.one("SELECT count(*) FROM access_log") == int(str(before)) + 1
    assert ada.post(f"{path}/resolve", page=path, **{"choice-0": "nobody", "reason": "x"}).status_code == 400
    choices = {"choice-0": "child", "reason": "asked her"}
    assert ada.post(f"{path}/resolve", page=path, **choices).status_code == 303
    clinic.drain()
    assert clinic.records(PARENT)[key_of(grace)]["gender"] == "unknown"
    assert database.one("SELECT reason FROM audit WHERE what = 'resolve a conflict'") == "asked her"


def test_an_operator_sees_that_two_sides_disagree_and_not_what_they_say(
    clinic: Linked, http: httpx.Client
) -> None:
    path = f"/sync/clinic-a/records/{key_of(quarrel(clinic))}"
    operator = as_(http, "operator")
    page = shown(operator, path)
    assert "both sides changed the same element" in page
    assert "Akello" not in page
    assert operator.post(f"{path}/versions", page=path, reason="I would like to").status_code == 403
    assert operator.post(f"{path}/look", page=path, reason="they have mended it").status_code == 303
    assert operator.get("/sync/clinic-a/records/Patient/nobody").status_code == 404
    assert operator.get("/sync/elsewhere/records/" + key_of(patient())).status_code == 404


def test_a_decision_that_leaves_an_element_open_is_not_taken(clinic: Linked, http: httpx.Client) -> None:
    path = f"/sync/clinic-a/records/{key_of(quarrel(clinic))}"
    ada = as_(http, "administrator")
    assert ada.post(f"{path}/resolve", page=path, reason="x").status_code == 400
    said = {"choice-0": "said", "said-0": "female", "reason": "x"}
    assert ada.post(f"{path}/resolve", page=path, **said).status_code == 400
    assert clinic.database.one("SELECT count(*) FROM sync_record WHERE decision IS NOT NULL") == 0


def test_a_clinic_hands_a_record_in_and_is_told_what_became_of_it(clinic: Linked, http: httpx.Client) -> None:
    def hand_in(content: bytes, link: str = "clinic-a", token: str = TOKEN) -> int:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        return http.post(f"/intake/openmrs/{link}/messages", content=content, headers=headers).status_code

    grace = clinic.edit(CHILD, patient())
    raw = json.dumps(grace).encode()
    assert [hand_in(raw), hand_in(raw)] == [202, 200]
    assert hand_in(raw, token="another") == 401
    assert hand_in(json.dumps({**grace, "id": "../../etc/passwd"}).encode()) == 422
    assert hand_in(raw, link="nobody") in (404, 405)
    clinic.drain()
    assert key_of(grace) in clinic.records(PARENT)
