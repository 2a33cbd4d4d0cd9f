"""The door for Pridok and the pages of consultations, in the real service, as people use them."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from resources.store.looks import looks
from resources.store.staff import Role
from sandbox.mail import Mail
from sandbox.running import sandbox_thread
from sandbox.video import Video
from tests.conftest import Database
from tests.pridok.cases import of, read
from tests.pridok.room import NOTE, PUBLIC, referral
from tests.web.browser import Browser, account, accounts, as_
from tests.web.conftest import Deployed

PATH = "/intake/pridok/referrals"
TOKEN = "pridoks-secret"
PROOF = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}


@dataclass
class House:
    """The service with a video provider and a mail server."""

    client: httpx.Client
    sandbox: httpx.Client
    database: Database

    def refer(self, guid: int = 1, **changed: object) -> httpx.Response:
        return self.client.post(PATH, content=referral(guid, **changed), headers=PROOF)

    def mails(self, count: int) -> list[str]:
        """The texts of the mails, once so many have come."""
        until = time.monotonic() + 15
        while time.monotonic() < until:
            rows = self.sandbox.get("/_sandbox/mail/records").json()
            if len(rows) >= count:
                return [str(row["text"]) for row in rows]
            time.sleep(0.1)
        raise AssertionError("the mail did not come")


@pytest.fixture
def house(deployed: Deployed, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("HANDOFF_SANDBOX_SMTP_PORT", "0")
    accounts(database)
    account(database, "other", Role.PROVIDER)
    mail = Mail()
    with ExitStack() as stack:
        url = stack.enter_context(sandbox_thread([Video(), mail]))
        client = deployed(
            **PUBLIC,
            HANDOFF_TOKENS_PRIDOK=TOKEN,
            VIDEO_URL=f"{url}/video",
            HANDOFF_SMTP_HOST="127.0.0.1",
            HANDOFF_SMTP_PORT=mail.port,
            HANDOFF_SMTP_TLS="off",
        )
        yield House(client, stack.enter_context(httpx.Client(base_url=url, timeout=20)), database)


def test_the_door_answers_by_the_verdict(house: House) -> None:
    answers = [
        house.refer(),
        house.refer(),
        house.refer(Lastname="Annen"),
        house.refer(2, PID="1"),
        house.client.post(PATH, content=b"{}", headers=PROOF),
        house.client.post(PATH, content=referral(), headers=PROOF | {"authorization": "Bearer no"}),
    ]
    assert [answer.status_code for answer in answers] == [202, 200, 409, 202, 400, 401]
    assert [answer.json().get("verdict") for answer in answers] == [
        "accepted",
        "duplicate_ignored",
        "conflict_quarantined",
        "quarantined_invalid_pid",
        "rejected_400",
        None,
    ]


def test_a_door_without_keys_keeps_nothing_and_says_so(deployed: Deployed, database: Database) -> None:
    client = deployed(HANDOFF_TOKENS_PRIDOK=TOKEN)
    assert client.post(PATH, content=referral(), headers=PROOF).status_code == 503
    assert database.one("SELECT count(*) FROM seen") == 0


@pytest.mark.cases
@pytest.mark.parametrize("path", of("referral"))
def test_every_referral_case_gets_its_verdict_at_the_door(house: House, path: Path) -> None:
    wrong = []
    for case in read(path):
        body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
        told = house.client.post(PATH, content=body.encode(), headers=PROOF).json()
        flags = set(told.get("flags", [])) - {"ordinary_number_in_test"}
        if told["verdict"] != case["expect"] or not set(case["flags"]) <= flags:
            wrong.append((case["name"], told["verdict"], sorted(flags)))
    assert not wrong


def newest(house: House) -> str:
    return f"/consultations/{house.database.one('SELECT max(id) FROM pridok_consultation')}"


def press(browser: Browser, path: str, act: str, **fields: str) -> httpx.Response:
    return browser.post(f"{path}/{act}", page=path, **fields)


def test_people_take_a_referral_to_its_end(house: House) -> None:
    house.refer()
    path = newest(house)
    secretary, provider, other = (as_(house.client, name) for name in ("secretary", "provider", "other"))
    assert "Line Danser" in secretary.get("/consultations").text
    assert provider.get(path).status_code == 404  # not screened: it is not on the open list
    assert press(secretary, path, "screen").status_code == 303
    token = other.token(path)
    assert press(provider, path, "pick").status_code == 303
    assert other.post(f"{path}/pick", csrf=token).status_code == 409
    assert other.get(path).status_code == 404
    assert press(provider, path, "start").status_code == 303

    (text,) = house.mails(1)
    assert not re.search("health|doctor|consultation|Danser|insur", text, re.IGNORECASE)
    link = "/visit/" + re.search(r"/visit/(\S+)", text)[1]  # type: ignore[index]
    visit = house.client.get(link)
    room = re.search(r'href="(http[^"]+/video/consultation-[^"]+)"', visit.text)
    assert room
    assert house.sandbox.get(room[1]).status_code == 200

    refused = press(provider, path, "finish", icpc2="R74 and more", outcome="helped", notes=NOTE)
    assert refused.status_code == 422
    assert NOTE in refused.text
    done = press(provider, path, "finish", icpc2="R74", outcome="helped", notes=NOTE)
    assert done.status_code == 303
    page = provider.get(path).text
    assert "Completed" in page
    assert NOTE not in page

    house.mails(2)
    assert "How was it" in house.client.get(link).text
    assert house.client.post(f"{link}/review", data={"stars": "5"}).status_code == 200
    assert house.client.get(link).status_code == 404
    assert house.database.one("SELECT stars FROM pridok_link") == 5


def test_every_look_is_in_the_log_before_it_is_shown(house: House) -> None:
    house.refer()
    secretary = as_(house.client, "secretary")
    secretary.get("/consultations")
    secretary.get(newest(house))
    with house.database.connect() as db:
        whats = [look.what for look in looks(db, who="secretary")][:2]
    assert whats == ["a consultation", "consultations: to screen"]


def test_a_link_dies_when_the_consultation_is_cancelled(house: House) -> None:
    house.refer()
    path = newest(house)
    secretary, provider = (as_(house.client, name) for name in ("secretary", "provider"))
    press(secretary, path, "screen")
    press(provider, path, "pick")
    press(provider, path, "start")
    link = "/visit/" + re.search(r"/visit/(\S+)", house.mails(1)[0])[1]  # type: ignore[index]
    assert press(provider, path, "cancel", reason="no_show").status_code == 303
    assert house.client.get(link).status_code == 404


def test_a_secretary_books_without_a_referral_and_rebooks(house: House) -> None:
    secretary = as_(house.client, "secretary")
    fields = {"number": "13116900216", "first_name": "Line", "last_name": "Danser"}
    made = secretary.post("/consultations/new", page="/consultations/new", **fields)
    path = made.headers["location"]
    assert "direct" in secretary.get(path).text
    assert "To pick up" in secretary.post("/consultations", page="/consultations", number="13116900216").text
    press(secretary, path, "cancel", reason="not_needed")
    again = press(secretary, path, "rebook")
    assert again.headers["location"] != path
    assert house.database.one("SELECT count(*) FROM pridok_patient") == 1


@pytest.mark.parametrize("name", ["operator", "administrator", "clinician"])
def test_nobody_else_sees_consultations(house: House, name: str) -> None:
    house.refer()
    browser = as_(house.client, name)
    assert {browser.get(path).status_code for path in ("/consultations", newest(house))} == {403}


def test_an_organisation_beyond_all_measure_stops_no_sender(house: House) -> None:
    assert house.refer(1, organisation="ø" * 9_000).json()["verdict"] == "accepted"
    assert house.database.one("SELECT length(organisation) FROM pridok_consultation") == 200


def test_a_consultation_is_assigned_only_to_somebody_who_can_hold_it(house: House) -> None:
    house.refer()
    secretary = as_(house.client, "secretary")
    path = f"/consultations/{house.database.one('SELECT id FROM pridok_consultation')}"
    secretary.post(f"{path}/screen", page=path)
    page = secretary.get(path).text
    assert re.findall(r'<option value="([^"]+)">\1<', page.partition("Assign to a provider")[2])[:2] == [
        "other",
        "provider",
    ]
    for nobody in ("secretary", "nobody-here"):
        refused = secretary.post(f"{path}/assign", page=path, provider=nobody)
        assert refused.status_code == 400
        assert nobody not in refused.text.partition("<main")[2]
    assert secretary.post(f"{path}/assign", page=path, provider="other").status_code == 303
    assert house.database.one("SELECT providers FROM pridok_consultation") == ["other"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"number": "13116900217"}, "National number: the check digits do not fit"),
        ({"email": "line danser"}, "E-mail: no mail can be sent to this address"),
        ({"organisation": "x" * 201}, "Organisation: at most 200 characters"),
    ],
)
def test_of_a_form_with_one_wrong_field_nothing_has_to_be_typed_again(
    house: House, wrong: dict[str, str], sentence: str
) -> None:
    typed = {"number": "13116900216", "first_name": "Line", "last_name": "Danser", "phone": "+4740000000"}
    page = "/consultations/new"
    answer = as_(house.client, "secretary").post(page, page=page, **{**typed, **wrong})
    assert answer.status_code == 400
    assert sentence in answer.text
    for value in (typed | wrong).values():
        assert f'value="{value}"' in answer.text
    assert house.database.one("SELECT count(*) FROM pridok_consultation") == 0
