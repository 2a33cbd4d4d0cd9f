"""The manners of the mail server."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import httpx
import pytest

from sandbox.mail import Mail

from .conftest import Serve


@pytest.fixture
def office(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    monkeypatch.setenv("HANDOFF_SANDBOX_SMTP_PORT", "0")
    return serve(Mail())


@pytest.fixture
def smtp(office: httpx.Client) -> Iterator[smtplib.SMTP]:
    address = office.get("/_sandbox/mail/address").json()
    client = smtplib.SMTP(address["host"], address["port"], timeout=5)
    yield client
    client.close()


def mail(text: str = "Hello\n.a line that starts with a dot\n") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "clinic@example.org",
        "line@example.org",
        "Time – avtale",
    )
    message.set_content(text)
    return message


def received(office: httpx.Client) -> Any:
    return office.get("/_sandbox/mail/received").json()


def test_a_mail_is_kept_as_it_came_and_as_it_reads(office: httpx.Client, smtp: smtplib.SMTP) -> None:
    smtp.send_message(mail("Følg lenken https://meet.example/rom\n.punktum\n"))
    (entry,) = received(office)
    assert (entry["method"], entry["answered"], entry["effect"]) == ("SMTP", 250, True)
    assert entry["headers"] == {"mail-from": "clinic@example.org", "rcpt-to": "line@example.org"}
    assert "Subject:" in entry["body"]
    (read,) = office.get("/_sandbox/mail/records").json()
    assert (read["subject"], read["to"]) == ("Time – avtale", ["line@example.org"])
    assert read["text"].splitlines() == ["Følg lenken https://meet.example/rom", ".punktum"]


def test_several_mails_go_over_one_line_and_to_several_people(
    office: httpx.Client, smtp: smtplib.SMTP
) -> None:
    for _ in range(3):
        smtp.send_message(mail(), to_addrs=["a@example.org", "b@example.org"])
    assert [one["to"] for one in office.get("/_sandbox/mail/records").json()] == [
        ["a@example.org", "b@example.org"]
    ] * 3


def test_every_name_and_password_is_let_in(office: httpx.Client, smtp: smtplib.SMTP) -> None:
    smtp.login("somebody", "anything")
    smtp.send_message(mail())
    assert len(received(office)) == 1


@pytest.mark.parametrize("status", [451, 550])
def test_a_fault_refuses_with_its_code(office: httpx.Client, smtp: smtplib.SMTP, status: int) -> None:
    office.post("/_sandbox/mail/faults", json={"status": status})
    with pytest.raises(smtplib.SMTPDataError) as refused:
        smtp.send_message(mail())
    assert refused.value.smtp_code == status
    assert office.get("/_sandbox/mail/records").json() == []
    smtp.send_message(mail())
    assert [entry["answered"] for entry in received(office)] == [status, 250]


def test_a_fault_may_drop_the_line_after_the_message(office: httpx.Client, smtp: smtplib.SMTP) -> None:
    office.post("/_sandbox/mail/faults", json={"status": 0, "take": True})
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.send_message(mail())
    assert len(office.get("/_sandbox/mail/records").json()) == 1


def test_commands_out_of_order_are_refused(smtp: smtplib.SMTP) -> None:
    smtp.ehlo()
    assert smtp.docmd("DATA")[0] == 503
    assert smtp.docmd("RCPT", "TO:<a@example.org>")[0] == 503
    assert smtp.docmd("NOOP")[0] == 250


def test_it_speaks_smtp_only(office: httpx.Client) -> None:
    assert office.get("/mail/").status_code == 404
