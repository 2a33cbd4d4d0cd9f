"""Signing in and out, sessions, and what tries to get around them."""

import threading

import httpx
import pytest

from resources.store import staff
from resources.store.connect import connect
from resources.store.staff import Role
from tests.conftest import Database
from tests.web.browser import WHO, Browser, account, accounts, as_
from tests.web.conftest import Deployed
from web.staff.sign_in import LIMITS, TOO_OFTEN, WRONG, local

COOKIE = "handoff_session"


@pytest.fixture
def browser(database: Database, client: httpx.Client) -> Browser:
    accounts(database)
    return Browser(client)


def test_whoever_signs_in_comes_to_the_page_they_wanted(browser: Browser) -> None:
    asked = browser.get("/messages?state=failed")
    assert asked.status_code == 303
    assert asked.headers["location"] == "/sign-in?next=/messages%3Fstate%3Dfailed"
    assert (
        browser.sign_in("operator", next="/messages?state=failed").headers["location"]
        == "/messages?state=failed"
    )
    assert "operator" in browser.get("/messages?state=failed").text


def test_unknown_wrong_and_disabled_get_the_same_answer(database: Database, browser: Browser) -> None:
    account(database, "gone", Role.OPERATOR)
    with connect(database.cluster.owner_url) as owner:
        staff.disable(owner, "gone", WHO)
    answers = [
        browser.sign_in("nobody", "wrong wrong wrong"),
        browser.sign_in("operator", "wrong wrong wrong"),
        browser.sign_in("gone"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert all(WRONG in answer.text for answer in answers)
    names = ("nobody", "operator", "gone")
    texts = {answer.text.replace(name, "") for answer, name in zip(answers, names, strict=True)}
    assert len(texts) == 1
    assert COOKIE not in browser.cookies


def test_after_five_wrong_tries_the_right_password_waits_too_from_there_and_only_there(
    database: Database, browser: Browser
) -> None:
    for _ in range(LIMITS.pair):
        assert browser.sign_in("operator", "wrong wrong wrong").status_code == 401
    refused = browser.sign_in("operator")
    assert refused.status_code == 429
    assert TOO_OFTEN in refused.text
    assert browser.sign_in("administrator").status_code == 303
    with database.connect() as db:
        sealer = database.sealer
        elsewhere = staff.may_try(
            db, sealer.name("staff account", "operator"), sealer.name("staff address", "10.0.0.9"), LIMITS
        )
    assert elsewhere


def test_many_tries_at_once_are_counted_one_after_the_other(database: Database) -> None:
    allowed: list[bool] = []

    def one() -> None:
        with database.connect() as db:
            allowed.append(staff.may_try(db, b"a" * 16, b"b" * 16, LIMITS))

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(allowed) == LIMITS.pair


def test_an_account_and_an_address_have_limits_of_their_own(database: Database) -> None:
    with database.connect() as db:
        from_many = [
            staff.may_try(db, b"a" * 16, f"{n:016}".encode(), LIMITS) for n in range(LIMITS.account + 1)
        ]
        of_many = [
            staff.may_try(db, f"{n:016}".encode(), b"b" * 16, LIMITS) for n in range(LIMITS.address + 1)
        ]
    assert from_many == [True] * LIMITS.account + [False]
    assert of_many == [True] * LIMITS.address + [False]


def test_a_name_typed_into_the_store_by_mistake_is_not_readable_there(
    database: Database, browser: Browser
) -> None:
    browser.sign_in("my-secret-password-in-the-wrong-field", "x")
    assert b"my-secret" not in b"".join(
        row[0] + row[1] for row in database.rows("SELECT account, address FROM sign_in_try")
    )


def test_a_session_given_to_somebody_beforehand_is_worth_nothing_after_sign_in(browser: Browser) -> None:
    given = "attacker-knows-this-token-and-waits"
    browser.cookies.set(COOKIE, given, domain="127.0.0.1")
    assert browser.get("/messages").status_code == 303
    browser.sign_in("operator")
    token = browser.cookies[COOKIE]
    assert token != given
    other = Browser(browser.http)
    other.cookies.set(COOKIE, given, domain="127.0.0.1")
    assert other.get("/messages").status_code == 303


def test_signing_in_again_makes_a_new_session_and_ends_the_old_one(browser: Browser) -> None:
    browser.sign_in("operator")
    first = browser.cookies[COOKIE]
    form = Browser(browser.http)
    token = form.token("/sign-in")
    browser.cookies.update(form.cookies)
    browser.post("/sign-in", csrf=token, name="administrator", password="a quiet night to you")
    assert browser.cookies[COOKIE] != first
    old = Browser(browser.http)
    old.cookies.set(COOKIE, first, domain="127.0.0.1")
    assert old.get("/messages").status_code == 303


def test_the_store_keeps_no_token_of_a_session(database: Database, browser: Browser) -> None:
    browser.sign_in("operator")
    kept = database.one("SELECT hash FROM staff_session")
    assert browser.cookies[COOKIE].encode() not in bytes(kept)  # type: ignore[call-overload]


def test_signing_out_ends_the_session_in_the_store(database: Database, browser: Browser) -> None:
    browser.sign_in("operator")
    token = browser.cookies[COOKIE]
    assert browser.post("/sign-out", page="/messages").headers["location"] == "/sign-in"
    browser.cookies.set(COOKIE, token, domain="127.0.0.1")
    assert browser.get("/messages").status_code == 303
    assert database.one("SELECT count(*) FROM staff_session") == 0


def test_a_session_nobody_uses_ends_and_a_page_that_refreshes_itself_does_not_keep_it(
    database: Database, browser: Browser
) -> None:
    browser.sign_in("operator")
    with database.connect() as db:
        db.execute("UPDATE staff_session SET seen_at = now() - interval '29 min'")
    assert browser.get("/messages", **{"x-handoff-live": "1"}).status_code == 200
    with database.connect() as db:
        db.execute("UPDATE staff_session SET seen_at = seen_at - interval '2 min'")
    assert browser.get("/messages", **{"x-handoff-live": "1"}).status_code == 401
    assert browser.get("/messages").status_code == 303


def test_a_used_session_lives_on_but_no_longer_than_a_shift(database: Database, browser: Browser) -> None:
    browser.sign_in("operator")
    with database.connect() as db:
        db.execute("UPDATE staff_session SET seen_at = now() - interval '29 min'")
    browser.get("/messages")
    assert database.one("SELECT seen_at > now() - interval '1 min' FROM staff_session")
    with database.connect() as db:
        db.execute("UPDATE staff_session SET started_at = now() - interval '12 h 1 min'")
    assert browser.get("/messages").status_code == 303


@pytest.mark.parametrize("change", ["disable", "set_password"])
def test_a_disabled_account_and_a_new_password_end_every_session(
    database: Database, browser: Browser, change: str
) -> None:
    browser.sign_in("operator")
    with connect(database.cluster.owner_url) as owner:
        if change == "disable":
            staff.disable(owner, "operator", WHO)
        else:
            staff.set_password(owner, "operator", "$argon2id$other", WHO)
    assert browser.get("/messages").status_code == 303


def test_the_cookie_is_for_this_host_and_no_script(database: Database, deployed: Deployed) -> None:
    accounts(database)
    plain = Browser(deployed()).sign_in("operator").headers.get_list("set-cookie")
    assert any(line.startswith(COOKIE) and "HttpOnly" in line and "SameSite=lax" in line for line in plain)
    assert not any("secure" in line.lower() for line in plain)
    behind_tls = Browser(deployed(HANDOFF_WEB_HTTPS="on"))
    answer = behind_tls.get("/sign-in")
    assert "Secure" in answer.headers["set-cookie"]
    assert "max-age" in answer.headers["strict-transport-security"]
    assert (
        "Secure" in Browser(deployed(HANDOFF_ENVIRONMENT="production")).get("/sign-in").headers["set-cookie"]
    )


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
    ],
)
def test_signing_in_leads_nowhere_else(browser: Browser, elsewhere: str) -> None:
    assert local(elsewhere) == "/"
    assert browser.sign_in("operator", next=elsewhere).headers["location"] == "/"


def test_nobody_is_signed_in_by_another_site(browser: Browser) -> None:
    token = browser.token("/sign-in")
    stranger = Browser(browser.http)
    fields = {"name": "operator", "password": "a quiet night to you"}
    assert stranger.post("/sign-in", csrf=token, **fields).status_code == 403
    assert stranger.post("/sign-in", **fields).status_code == 403
    crossed = {"sec-fetch-site": "cross-site"}
    assert browser.post("/sign-in", csrf=token, headers=crossed, **fields).status_code == 403


def test_two_people_at_two_windows_do_not_meet(browser: Browser) -> None:
    first, second = as_(browser.http, "operator"), as_(browser.http, "administrator")
    assert first.get("/access").status_code == 403
    assert second.get("/access").status_code == 200


def test_a_browser_that_came_by_http_where_https_is_wanted_is_told_so(
    database: Database, deployed: Deployed
) -> None:
    accounts(database)
    browser = Browser(deployed(HANDOFF_WEB_HTTPS="on"))
    refused = browser.sign_in("operator")
    assert refused.status_code == 400
    assert "by https only" in refused.text
