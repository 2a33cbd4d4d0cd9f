"""``/exceptions``: a facility reads what ReportStream said of its results, nobody else's, and every look is logged."""

import httpx
import pytest

from assets.reportstream.advice import advice
from resources.store import staff
from resources.store.connect import connect
from resources.store.staff import Role
from tests.command.shell import handoff
from tests.conftest import Database
from tests.reportstream.lane_runs import lane
from tests.web.browser import KEPT, WHO, Browser, as_
from tests.web.conftest import Deployed
from web.bulk_pages import UPLOADERS

CLIA, OTHER = "36D1234567", "33D0000001"
REFUSED = {"status": 400, "take": False, "times": 1, "match": "POST /api/reports$"}


def works_for(database: Database, name: str, facility: str | None, role: Role = Role.SECRETARY) -> None:
    with connect(database.cluster.owner_url) as owner:
        staff.add(owner, name, role, KEPT, WHO, facility=facility)


@pytest.fixture
def client(deployed: Deployed) -> httpx.Client:
    return deployed()


@pytest.fixture
def nurse(database: Database, client: httpx.Client) -> Browser:
    """Of the facility the samples are from; something was said of one of its results and of one of another's."""
    works_for(database, "nurse", CLIA)
    with lane(database) as one:
        one.take({"event_id": "first"}, {"event_id": "second", "facility.clia_number": OTHER})
        one.fault("reportstream", **REFUSED, items=2)
        one.run()
    return as_(client, "nurse")


def test_a_facility_reads_what_was_said_of_its_own_results_and_what_to_do(nurse: Browser) -> None:
    shown = nurse.get("/exceptions").text
    assert "Okafor, Imani" in shown
    assert "Tested 12 Jan 2026, 23:50" in shown
    assert "first" in shown
    assert "second" not in shown
    assert "refused by ReportStream" in shown
    assert "then correct the result" in shown
    assert "It has reached no health department." in shown
    assert 'href="/exceptions"' in nurse.get("/").text


def test_every_look_is_logged_before_it_is_given(nurse: Browser, database: Database) -> None:
    before = database.one("SELECT max(id) FROM access_log")
    nurse.get("/exceptions")
    nurse.get("/exceptions?before=5")
    looks = database.rows(
        "SELECT who, role, what, subject IS NOT NULL FROM access_log WHERE id > coalesce(%s, 0)", before
    )
    assert looks == [("nurse", "secretary", "exceptions of a facility", True)] * 2


def test_an_account_of_another_facility_sees_none_of_it(
    nurse: Browser, database: Database, client: httpx.Client
) -> None:
    works_for(database, "elsewhere", "99D9999999")
    shown = as_(client, "elsewhere").get("/exceptions").text
    assert "Okafor" not in shown
    assert "Nothing was said of your results." in shown


@pytest.mark.parametrize("role", list(Role))
def test_an_account_of_no_facility_is_shown_nothing(
    nurse: Browser, database: Database, client: httpx.Client, role: Role
) -> None:
    works_for(database, "nobody", None, role)
    browser = as_(client, "nobody")
    answer = browser.get("/exceptions")
    assert answer.status_code == (200 if role in UPLOADERS else 403)
    assert ("Your account belongs to no facility." in answer.text) == (role in UPLOADERS)
    assert "Okafor" not in answer.text
    assert 'href="/exceptions"' not in browser.get("/").text
    assert database.rows("SELECT 1 FROM access_log WHERE who = 'nobody'") == []


def test_an_operator_reads_no_content_also_with_a_facility(
    nurse: Browser, database: Database, client: httpx.Client
) -> None:
    works_for(database, "op", CLIA, Role.OPERATOR)
    assert as_(client, "op").get("/exceptions").status_code == 403


def test_a_visitor_without_a_session_is_asked_to_sign_in(client: httpx.Client) -> None:
    answer = Browser(client).get("/exceptions")
    assert (answer.status_code, answer.headers["location"].startswith("/sign-in")) == (303, True)


def test_an_address_that_makes_no_sense_is_a_page_in_plain_words(nurse: Browser) -> None:
    for before in ("x", "-1", "9" * 30, "٣"):
        assert nurse.get(f"/exceptions?before={before}").status_code == 400


def test_a_facility_is_given_from_the_shell_and_counts_at_once(
    database: Database, client: httpx.Client
) -> None:
    by = ("--by", "Katie", "--reason", "a test")
    words = "four quiet words here\n"
    add = ("staff", "add", "lea", "--role", "secretary", "--facility", "36d1234567", *by)
    assert handoff(database, *add, stdin=words).code == 0
    browser = Browser(client)
    browser.sign_in("lea", words.strip())
    assert CLIA in browser.get("/exceptions").text
    assert CLIA in handoff(database, "staff", "list").out
    assert handoff(database, "staff", "facility", "lea", "--none", *by).code == 0
    assert browser.get("/exceptions").status_code == 303
    browser.sign_in("lea", words.strip())
    assert "belongs to no facility" in browser.get("/exceptions").text
    assert handoff(database, "staff", "facility", "lea", OTHER, *by).code == 0
    wrong = handoff(database, "staff", "facility", "lea", "12", *by)
    assert (wrong.code, "CLIA number" in wrong.err) == (1, True)
    assert handoff(database, "staff", "facility", "lea", *by).code == 1
    acts = database.rows("SELECT what FROM audit WHERE target = 'lea' ORDER BY id")
    assert [act for (act,) in acts] == [
        f"account added: secretary of {CLIA}",
        "facility set: none",
        f"facility set: {OTHER}",
    ]


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (
            "filtered: isValidCLIA: For oh-doh.elr, filter isValidCLIA[testing_lab_clia] filtered out a",
            "CLIA",
        ),
        ("filtered: hasValidDataFor: For hi.elr, filter hasValidDataFor[specimen_type]", "specimen"),
        ("filtered: hasValidDataFor: For hi.elr, filter hasValidDataFor[patient_dob]", "date of birth"),
        ("ReportStream warns about Patient_phone_number X: Invalid phone number '1'", "phone number"),
        ("refused by ReportStream: Item is a duplicate.", "already"),
        ("refused by ReportStream: Blank value for element patient_state", "missing"),
        (
            "ReportStream warns about Device_ID: No match found for x; please refer to the CDC LIVD table",
            "device",
        ),
        ("refused by ReportStream: Invalid date: 'x' for element Test_date", "date"),
        ("ReportStream: Not Delivering", "No health department"),
        ("something new", "what ReportStream said"),
    ],
)
def test_advice_is_about_what_was_said(said: str, names: str) -> None:
    assert names in advice("error", said)
    assert said not in advice("error", said)


def test_a_warning_nobody_knows_says_that_the_result_went_on() -> None:
    assert "The result went on" in advice("warning", "something new")
