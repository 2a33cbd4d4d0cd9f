"""What a careless or hostile sender does to a door, byte by byte, and that the door goes on for the others."""

import json
import socket
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from resources.settings import Settings
from resources.store.intake import Busy, Incoming, Intake, Verdict
from tests.conftest import Database
from tests.web.conftest import OLD, encoded, event
from tests.web.serving import serving
from web.body import MOST_BYTES, Bodies
from web.figures import Figures
from web.intake import Surroundings
from web.opening import Opening
from web.reportstream import door

PATH = "/intake/reportstream/test-events"


def head(*lines: str) -> bytes:
    fixed = (
        f"POST {PATH} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {OLD}",
        "Content-Type: application/json",
    )
    return "\r\n".join((*fixed, *lines, "", "")).encode()


class Wire:
    """One connection, spoken by hand."""

    def __init__(self, client: httpx.Client) -> None:
        parts = urlsplit(str(client.base_url))
        self._socket = socket.create_connection((str(parts.hostname), parts.port or 0), timeout=20)

    def send(self, data: bytes) -> "Wire":
        self._socket.sendall(data)
        return self

    def status(self) -> int:
        """The next answer's status; its body is read too."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        start, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in start.split(b"\r\n")[1:])
        while len(body) < int(fields.get(b"content-length", b"0")):
            body += self._more()
        return int(start.split()[1])

    def _more(self) -> bytes:
        data = self._socket.recv(65_536)
        assert data, "the door hung up without an answer"
        return data

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def wire(client: httpx.Client) -> Wire:
    return Wire(client)


def still_open(client: httpx.Client, bearer: dict[str, str]) -> bool:
    return client.post(PATH, content=encoded(event("after")), headers=bearer).status_code == 202


def test_a_body_that_says_it_is_too_large_is_refused_unread(
    wire: Wire, client: httpx.Client, bearer: dict[str, str]
) -> None:
    assert wire.send(head(f"Content-Length: {MOST_BYTES + 1}")).status() == 413
    wire.close()
    assert still_open(client, bearer)


def test_a_sender_who_sends_all_of_it_still_reads_the_answer(
    client: httpx.Client, bearer: dict[str, str]
) -> None:
    headers = {**bearer, "content-type": "application/json"}
    assert client.post(PATH, content=b"[" + b" " * MOST_BYTES, headers=headers).status_code == 413
    assert still_open(client, bearer)


def test_a_body_that_does_not_say_is_counted_while_it_comes(
    client: httpx.Client, bearer: dict[str, str], database: Database
) -> None:
    def endless() -> "list[bytes]":
        return [b" " * 1_000_000] * 17

    headers = {**bearer, "content-type": "application/json"}
    assert client.post(PATH, content=iter(endless()), headers=headers).status_code == 413
    assert database.one("SELECT count(*) FROM inbox") == 0
    assert still_open(client, bearer)


def test_a_body_in_pieces_is_put_together(wire: Wire, database: Database) -> None:
    body = encoded(event())
    wire.send(head("Transfer-Encoding: chunked"))
    for start in range(0, len(body), 100):
        piece = body[start : start + 100]
        wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    assert wire.send(b"0\r\n\r\n").status() == 202
    wire.close()
    assert database.one("SELECT count(*) FROM inbox") == 1


def test_a_sender_who_asks_first_is_told_before_it_sends(wire: Wire) -> None:
    assert wire.send(head("Content-Length: 20000000", "Expect: 100-continue")).status() == 413
    wire.close()


def test_a_sender_who_hangs_up_leaves_nothing(
    wire: Wire, client: httpx.Client, bearer: dict[str, str], database: Database
) -> None:
    wire.send(head("Content-Length: 5000") + encoded(event())[:700]).close()
    assert still_open(client, bearer)
    assert database.one("SELECT count(*) FROM inbox") == 1


def test_requests_sent_without_waiting_are_answered_in_order(wire: Wire, database: Database) -> None:
    good, bad = encoded(event()), b"{}"
    for body in (good, bad, good):
        wire.send(head(f"Content-Length: {len(body)}") + body)
    assert [wire.status() for _ in range(3)] == [202, 422, 202]
    wire.close()


@pytest.mark.parametrize(
    "authorization", [b"Bearer ", b"\xff\xfe", b"Bearer \xc3\x28", b"Bearer " + b"x" * 60_000]
)
def test_no_header_is_strange_enough_for_a_500(wire: Wire, authorization: bytes) -> None:
    request = b"POST %b HTTP/1.1\r\nHost: x\r\nAuthorization: %b\r\nContent-Length: 2\r\n\r\n{}"
    assert wire.send(request % (PATH.encode(), authorization)).status() == 401
    wire.close()


def test_an_array_of_nothing_but_commas_is_not_taken_apart(
    client: httpx.Client, bearer: dict[str, str]
) -> None:
    headers = {**bearer, "content-type": "application/json"}
    answer = client.post(PATH, content=b"[" + b"1," * 7_000_000 + b"1]", headers=headers)
    assert answer.status_code == 413


def test_large_requests_side_by_side_are_all_taken(client: httpx.Client, bearer: dict[str, str]) -> None:
    many = [
        encoded([event(f"{sender}-{number}", correction_reason="x" * 900) for number in range(600)])
        for sender in range(12)
    ]
    answers: list[int] = []

    def send(body: bytes) -> None:
        answer = client.post(PATH, content=body, headers={**bearer, "content-type": "application/json"})
        answers.append(json.loads(answer.content)["received"])

    threads = [threading.Thread(target=send, args=(body,)) for body in many]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [600] * 12


def test_a_connection_to_the_store_that_breaks_costs_one_answer(
    client: httpx.Client, bearer: dict[str, str], database: Database
) -> None:
    def post(event_id: str) -> httpx.Response:
        return client.post(PATH, content=encoded(event(event_id)), headers=bearer)

    assert post("1").status_code == 202
    with psycopg.connect(database.cluster.superuser_url, autocommit=True) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'handoff door'"
        )
    broken = post("2")
    assert (broken.status_code, broken.headers["retry-after"]) == (503, "5")
    assert post("2").json() == {"received": 1, "duplicates": 0, "conflicts": 0}


class Overfull(Intake):
    """An intake whose writer cannot keep up."""

    async def put(self, incoming: Sequence[Incoming]) -> list[Verdict]:
        raise Busy


class Faulty(Intake):
    """An intake with a fault of ours in it, whose words repeat what was sent."""

    async def put(self, incoming: Sequence[Incoming]) -> list[Verdict]:
        raise ValueError(incoming[0].body)


@pytest.mark.parametrize(("kind", "after"), [(Overfull, "1"), (Faulty, "5")])
def test_what_cannot_be_stored_now_is_asked_for_again(
    database: Database, settings: Settings, caplog: pytest.LogCaptureFixture, kind: type[Intake], after: str
) -> None:
    woken: list[str] = []
    intake = kind(database.cluster.app_url, database.sealer)
    around = Surroundings(intake, Bodies(), Opening(maintenance=False), Figures(), woken.append)
    with serving(door(settings, database.sealer, around), lifespan="off") as url:
        headers = {"authorization": f"Bearer {OLD}"}
        answer = httpx.post(url, content=encoded(event()), headers=headers, trust_env=False)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, after)
    assert woken == []
    assert "Quill" not in caplog.text
