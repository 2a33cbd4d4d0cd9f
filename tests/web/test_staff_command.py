"""``handoff staff``: accounts come and go from the shell, and what they may do with the pages follows at once."""

import httpx

from tests.command.shell import handoff
from tests.conftest import Database
from tests.web.browser import Browser

BY = ("--by", "Katie", "--reason", "a test")
WORDS = "four quiet words here"


def test_an_account_is_added_signs_in_gets_a_new_password_and_is_disabled(
    database: Database, client: httpx.Client
) -> None:
    added = handoff(database, "staff", "add", "Kari", "--role", "clinician", *BY, stdin=f"{WORDS}\n")
    assert (added.code, added.out) == (0, "")
    browser = Browser(client)
    assert browser.sign_in("kari", WORDS).status_code == 303
    made = handoff(database, "staff", "password", "kari", "--make", *BY)
    assert browser.get("/").status_code == 303
    assert browser.sign_in("kari", WORDS).status_code == 401
    assert browser.sign_in("kari", made.out.strip()).status_code == 303
    listed = handoff(database, "staff", "list").out
    assert "kari" in listed
    assert "clinician" in listed
    assert handoff(database, "staff", "disable", "kari", *BY).code == 0
    assert browser.get("/").status_code == 303
    assert browser.sign_in("kari", made.out.strip()).status_code == 401
    assert "disabled" in handoff(database, "staff", "list").out
    acts = database.rows("SELECT who, what, target FROM audit WHERE who = 'Katie' ORDER BY id")
    assert acts == [
        ("Katie", "account added: clinician", "kari"),
        ("Katie", "password set", "kari"),
        ("Katie", "account disabled", "kari"),
    ]


def test_what_cannot_be_done_is_said_in_a_sentence_and_no_password_is_repeated(database: Database) -> None:
    add = ("staff", "add", "kari", "--role", "operator", *BY)
    for word in ("short", "x" * 201, "kari is my name", " a space before it"):
        refused = handoff(database, *add, stdin=f"{word}\n")
        assert refused.code == 1
        assert word.strip() not in refused.err
        assert "a password" in refused.err
    assert handoff(database, *add, stdin=f"{WORDS}\n").code == 0
    again = handoff(database, *add, stdin=f"{WORDS}\n")
    assert (again.code, "there is an account of that name" in again.err) == (1, True)
    assert handoff(database, "staff", "disable", "nobody", *BY).code == 1
    assert (
        handoff(database, "staff", "add", "no name", "--role", "operator", *BY, stdin=f"{WORDS}\n").code == 1
    )
    assert handoff(database, "staff", "add", "x", "--role", "king", *BY).code == 2
    assert handoff(database, "staff", "disable", "kari", "--by", "Katie").code == 2


def test_the_demo_has_one_account_a_role_and_making_it_twice_is_once(
    database: Database, client: httpx.Client
) -> None:
    for _ in range(2):
        assert handoff(database, "staff", "demo", HANDOFF_DEMO_PASSWORD=WORDS).code == 0
    for name in ("secretary", "provider", "clinician", "operator", "administrator"):
        assert Browser(client).sign_in(name, WORDS).status_code == 303
    assert database.one("SELECT count(*) FROM staff") == 5


def test_the_demos_accounts_are_not_made_in_production(database: Database) -> None:
    refused = handoff(
        database, "staff", "demo", HANDOFF_DEMO_PASSWORD=WORDS, HANDOFF_ENVIRONMENT="production"
    )
    assert refused.code == 1
    assert database.one("SELECT count(*) FROM staff") == 0


def test_the_web_service_can_make_itself_no_account(database: Database) -> None:
    import psycopg
    import pytest

    with database.connect() as db:
        for statement in (
            "INSERT INTO staff (name, role, password) VALUES ('x', 'administrator', '$argon2id$')",
            "UPDATE staff SET role = 'administrator'",
            "DELETE FROM staff",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(statement)


def test_a_person_has_a_full_name_that_can_change(database: Database) -> None:
    add = ("staff", "add", "kari", "--role", "secretary", "--full-name", "Kari  Moe", *BY)
    assert handoff(database, *add, stdin=f"{WORDS}\n").code == 0
    assert "Kari Moe" in handoff(database, "staff", "list").out
    assert handoff(database, "staff", "full-name", "Kari", "Kari Moe Lie", *BY).code == 0
    assert "Kari Moe Lie" in handoff(database, "staff", "list").out
    assert handoff(database, "staff", "full-name", "nobody", "No Body", *BY).code == 1
    assert handoff(database, "staff", "full-name", "kari", "x" * 101, *BY).code == 1
    acts = database.rows("SELECT what, target FROM audit WHERE who = 'Katie' ORDER BY id")
    assert acts == [("account added: secretary", "kari"), ("full name set", "kari")]
