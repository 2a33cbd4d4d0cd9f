"""The register of patients as a secretary uses it: numbers, merging, and who has read what of one person."""

import html
import re
from dataclasses import dataclass

import httpx
import pytest

from resources.store import staff
from resources.store.connect import connect
from resources.store.looks import looks
from resources.store.lookup import log_access
from resources.store.staff import Role
from tests.conftest import Database
from tests.pridok.room import PUBLIC, referral
from tests.web.browser import WHO, Browser, account, accounts, as_
from tests.web.conftest import Deployed

TOKEN = "pridoks-secret"
#: Published numbers of test patients, who do not exist.
NUMBER, OTHER = "13116900216", "05073500186"


@dataclass
class House:
    client: httpx.Client
    database: Database
    secretary: Browser

    def refer(self, guid: int, **changed: object) -> str:
        """A referral comes; the path of its patient's entry."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        answer = self.client.post(
            "/intake/pridok/referrals", content=referral(guid, **changed), headers=headers
        )
        assert answer.status_code == 202
        newest = "SELECT patients[1] FROM pridok_consultation ORDER BY id DESC LIMIT 1"
        return f"/patients/{self.database.one(newest)}"

    def press(self, path: str, act: str, **fields: str) -> httpx.Response:
        return self.secretary.post(f"{path}/{act}", page=path, **fields)


@pytest.fixture
def house(deployed: Deployed, database: Database) -> House:
    accounts(database)
    account(database, "other", Role.PROVIDER)
    client = deployed(**PUBLIC, HANDOFF_TOKENS_PRIDOK=TOKEN)
    return House(client, database, as_(client, "secretary"))


def test_a_person_is_found_by_number_and_shown_with_the_history_of_numbers(house: House) -> None:
    path = house.refer(1)
    found = house.secretary.post("/consultations", page="/consultations", number=NUMBER)
    assert path in found.text
    page = house.secretary.get(path).text
    assert "Line Danser" in page
    assert page.count("In use since") == 1
    done = house.press(path, "number", number=OTHER, reason="a letter of the authority")
    assert done.status_code == 303
    page = house.secretary.get(path).text
    assert (page.count("In use since"), page.count("Was in use since")) == (1, 1)
    for number in (NUMBER, OTHER):
        assert path in house.secretary.post("/consultations", page="/consultations", number=number).text
        assert number not in page
    assert house.refer(2, PID=OTHER) == house.refer(3) == path


def test_a_number_of_somebody_else_is_not_taken(house: House) -> None:
    path = house.refer(1)
    house.refer(2, PID=OTHER, Firstname="Ola")
    refused = house.press(path, "number", number=OTHER, reason="a letter")
    assert refused.status_code == 400
    assert "merge the two" in refused.text
    wrong = house.press(path, "number", number="13116900217", reason="a letter")
    assert wrong.status_code == 400
    assert "13116900217" not in wrong.text


def test_two_entries_of_one_person_are_looked_at_and_merged(house: House) -> None:
    kept, other = house.refer(1), house.refer(2, PID=OTHER, Email=None, PhoneNumber="+4740000000")
    both = house.press(kept, "compare", number=OTHER)
    assert "Are these one person?" in both.text
    assert both.text.count(">differs<") == 2
    identifier = other.rpartition("/")[2]
    unsaid = house.press(kept, "merge", other=identifier, reason="the same mother")
    assert unsaid.status_code == 400
    done = house.press(kept, "merge", other=identifier, reason="the same mother", same="1")
    assert done.headers["location"] == kept
    page = house.secretary.get(kept).text
    assert page.count('href="/consultations/') >= 2
    assert "1 other entry was merged into this one" in page
    assert house.secretary.get(other).headers["location"] == kept
    assert house.refer(3, PID=OTHER) == kept
    again = house.press(kept, "merge", other=identifier, reason="the same mother", same="1")
    assert again.status_code == 400
    rows = house.database.rows("SELECT who, what, target, reason FROM audit WHERE lane = 'pridok'")
    assert rows == [("secretary", "merge", f"{identifier} into {kept.rpartition('/')[2]}", "the same mother")]


def test_the_patients_report_names_every_look_also_from_before_a_merge_and_what_was_refused(
    house: House,
) -> None:
    kept, other = house.refer(1), house.refer(2, PID=OTHER)
    house.secretary.get(other)
    consultation = f"/consultations/{house.database.one('SELECT max(id) FROM pridok_consultation')}"
    assert as_(house.client, "other").get(consultation).status_code == 404
    house.press(kept, "merge", other=other.rpartition("/")[2], reason="the same mother", same="1")
    report = house.press(kept, "readers", reason="the patient has asked").text
    assert "refused" in report
    assert 'data-label="Who">other ' in report
    assert "the patient has asked" in report
    with house.database.connect() as db:
        assert looks(db, who="other")[0].what == "refused: a consultation"


def test_a_page_that_refreshes_itself_is_no_try_to_read_what_somebody_else_has_taken(house: House) -> None:
    house.refer(1)
    consultation = f"/consultations/{house.database.one('SELECT max(id) FROM pridok_consultation')}"
    other, refused = (
        as_(house.client, "other"),
        "SELECT count(*) FROM access_log WHERE what LIKE 'refused: %%'",
    )
    before = int(str(house.database.one(refused)))
    assert other.get(consultation, **{"x-handoff-live": "1"}).status_code == 404
    assert house.database.one(refused) == before
    assert other.get(consultation).status_code == 404
    assert house.database.one(refused) == before + 1


def test_a_patients_data_is_handed_out_with_who_looked(house: House) -> None:
    path = house.refer(1)
    told = house.press(path, "export", reason="the patient has asked").json()
    assert told["contact"]["first_name"] == "Line"
    assert [one["state"] for one in told["consultations"]] == ["ready_for_pickup"]
    assert told["who_looked"][0]["reason"] == "the patient has asked"
    assert [one["until"] for one in told["numbers"]] == [None]


@pytest.mark.parametrize("name", ["provider", "operator", "administrator", "clinician"])
def test_nobody_else_opens_the_register(house: House, name: str) -> None:
    assert as_(house.client, name).get(house.refer(1)).status_code == 403


def test_an_administrator_is_shown_what_to_ask_about_and_no_name(house: House) -> None:
    house.refer(1)
    consultation = f"/consultations/{house.database.one('SELECT max(id) FROM pridok_consultation')}"
    account(house.database, "kari.danser", Role.SECRETARY)
    as_(house.client, "kari.danser").get(consultation)
    administrator = as_(house.client, "administrator")
    page = administrator.get("/access/follow-up").text
    assert "Read a patient of their own surname" in page
    assert "kari.danser" in page
    assert "Line" not in page
    account(house.database, "k42", Role.SECRETARY)
    as_(house.client, "k42").get(consultation)
    assert "k42" not in administrator.get("/access/follow-up").text
    with connect(house.database.cluster.owner_url) as owner:
        staff.set_full_name(owner, "k42", " Line  Danser ", WHO)
    page = administrator.get("/access/follow-up").text
    assert "Read a patient of their own name" in page
    assert "k42" in page
    assert "Line" not in page
    assert administrator.get("/access/follow-up?days=8").status_code == 400
    assert as_(house.client, "operator").get("/access/follow-up").status_code == 403
    with house.database.connect() as db:
        assert looks(db, who="administrator")[0].what == "the follow-up report"


def test_a_number_no_entry_can_have_names_nobody(house: House) -> None:
    path = house.refer(1)
    assert house.secretary.get("/patients/9999999999999999999").status_code == 404
    said = house.press(path, "merge", other="9999999999999999999", reason="the same mother", same="1")
    assert said.status_code == 400


@pytest.mark.parametrize("subject", [-(1 << 63), 9_100_000_000_000_000_000, (1 << 63) - 1])
def test_looks_at_every_subject_can_be_asked_for_and_leafed_through(house: House, subject: int) -> None:
    administrator = as_(house.client, "administrator")
    with house.database.connect() as db:
        for number in range(101):
            log_access(db, who="kari", role="secretary", what=f"look {number}", subject=subject, reason="-")
    page = administrator.get(f"/access?subject={subject}")
    assert page.status_code == 200
    (older,) = re.findall(r'href="([^"]+)">Older<', page.text)
    assert "look 0<" in administrator.get(html.unescape(older)).text
    administrator.get("/access/follow-up")  # looks of its own: another subject
    assert "the follow-up report" not in administrator.get(html.unescape(older)).text
    assert administrator.get("/access?subject=9999999999999999999").status_code == 400


def test_a_provider_gets_the_data_of_somebody_they_treat_and_of_nobody_else(house: House) -> None:
    path = house.refer(1)
    consultation = f"/consultations/{house.database.one('SELECT max(id) FROM pridok_consultation')}"
    provider, other = as_(house.client, "provider"), as_(house.client, "other")
    assert provider.post(f"{path}/export", page="/", reason="to see it").status_code == 404
    house.secretary.post(f"{consultation}/screen", page=consultation)
    assert f'action="{path}/export"' not in provider.get(consultation).text
    provider.post(f"{consultation}/pick", page=consultation)
    assert f'action="{path}/export"' in provider.get(consultation).text
    told = provider.post(f"{path}/export", page=consultation, reason="she wants it at another clinic")
    assert told.json()["contact"]["first_name"] == "Line"
    refused = other.post(f"{path}/export", page="/", reason="to see it")
    assert (refused.status_code, "Line" in refused.text) == (404, False)
    with house.database.connect() as db:
        assert looks(db, who="other")[0].what == "refused: all data of a patient"
