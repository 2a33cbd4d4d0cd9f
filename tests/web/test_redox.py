"""The door for Redox and the one for HL7 v2, in the real service: what is proven, kept, answered."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from handoff.ports import free_port
from resources.hl7_answers import acknowledged
from resources.mllp import END, START
from resources.store.orders import LANE
from sandbox.notices import Notices
from sandbox.running import sandbox_thread
from tests.conftest import Database
from tests.hcoint.cases import each_case
from tests.hcoint.desk import ORM, order
from tests.web.conftest import Deployed
from tests.web.serving import serving
from web.app import create_app

PATH = "/intake/redox"
TOKENS = "s3cret,öther"


@pytest.fixture
def door(deployed: Deployed) -> httpx.Client:
    return deployed(REDOX_VERIFICATION_TOKENS=TOKENS)


def proof(token: str = "s3cret") -> dict[str, bytes]:
    return {"verification-token": token.encode()}


def test_a_verification_gets_its_challenge_back_by_get_and_by_post(door: httpx.Client) -> None:
    asked = {"verification-token": "s3cret", "challenge": "c-1 ü"}
    assert door.get(PATH, params=asked).text == "c-1 ü"
    assert door.post(PATH, json=asked).text == "c-1 ü"
    wrong = asked | {"verification-token": "s3cret2"}
    assert {door.get(PATH, params=wrong).status_code, door.post(PATH, json=wrong).status_code} == {401}


def test_an_order_is_answered_once_it_is_kept(door: httpx.Client, database: Database) -> None:
    answer = door.post(PATH, content=order(), headers=proof())
    assert (answer.status_code, answer.json()["effect"]) == (200, "order_created")
    assert database.one("SELECT count(*) FROM hcoint_order") == 1
    bearer = {"authorization": "Bearer öther".encode()}
    assert door.post(PATH, content=order(), headers=bearer).json()["effect"] == "duplicate_ignored"


def test_nobody_leaves_anything_without_the_token(door: httpx.Client, database: Database) -> None:
    refused = [
        door.post(PATH, content=order()),
        door.post(PATH, content=order(), headers=proof("S3cret")),
        door.post(PATH, content=b"x" * 5000),
        door.put(PATH, content=order()),
    ]
    assert [answer.status_code for answer in refused] == [401, 401, 401, 405]
    assert database.one("SELECT count(*) FROM inbox") == 0


def test_without_a_configured_token_the_door_opens_to_nobody(deployed: Deployed) -> None:
    door = deployed(REDOX_VERIFICATION_TOKENS="")
    assert door.post(PATH, content=order(), headers=proof("")).status_code == 401
    assert door.get(PATH, params={"verification-token": "", "challenge": "c"}).status_code == 401


def test_what_is_far_too_large_is_refused_and_said(door: httpx.Client) -> None:
    answer = door.post(PATH, content=b" " * 10_000_001, headers=proof())
    assert answer.status_code == 413
    assert "stops the feed" in answer.json()["detail"]


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # one of apprise's plugins
def test_people_hear_once_that_the_feed_stands_still(deployed: Deployed) -> None:
    with sandbox_thread([Notices()]) as url, httpx.Client(base_url=url, timeout=20) as far:
        address = url.replace("http://", "json://")
        door = deployed(REDOX_VERIFICATION_TOKENS=TOKENS, HANDOFF_NOTICE_URLS=f"{address}/notices/")
        assert door.post(PATH, content=b" " * 5_000).status_code == 401
        for _ in range(2):
            assert door.post(PATH, content=b" " * 10_000_001, headers=proof()).status_code == 413
        until, told = time.monotonic() + 15, []
        while not told and time.monotonic() < until:
            told = far.get("/_sandbox/notices/records").json()
            time.sleep(0.05)
        assert ["stands still" in str(one["message"]) for one in told] == [True]


def test_maintenance_sends_everybody_away_for_a_while(deployed: Deployed, database: Database) -> None:
    door = deployed(REDOX_VERIFICATION_TOKENS=TOKENS, HANDOFF_MAINTENANCE="on")
    answer = door.post(PATH, content=order(), headers=proof())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert database.one("SELECT count(*) FROM inbox") == 0


def test_a_bad_message_is_kept_raised_as_an_incident_and_answered_200(
    door: httpx.Client, database: Database
) -> None:
    answer = door.post(PATH, content=b'{"Meta": {"DataModel": "Order"}}', headers=proof())
    assert (answer.status_code, answer.json()["effect"]) == (200, "quarantined_invalid")
    assert database.rows("SELECT lane, kind FROM inbox") == [(LANE, "unusable")]
    assert database.one("SELECT count(*) FROM ended WHERE state = 7") == 1


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/*_delivery_stream.jsonl"))
def test_every_delivery_of_the_stream_has_its_answer_and_its_effect(door: httpx.Client, path: Path) -> None:
    for line in path.read_text().splitlines():
        case = json.loads(line)
        answer = door.post(PATH, content=json.dumps(case["body"]), headers=proof())
        expected = case["expect"]
        assert (answer.status_code, answer.json()["effect"]) == (expected["http"], expected["effect"]), case[
            "seq"
        ]


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/*_order_*.json"))
def test_every_published_order_is_taken(door: httpx.Client, path: Path) -> None:
    answer = door.post(PATH, content=path.read_bytes(), headers=proof())
    assert answer.json()["effect"] in ("order_created", "parked_unknown_order", "order_updated")


@pytest.fixture
def wire(deployed: Deployed) -> Iterator[socket.socket]:
    port = free_port()
    deployed(HANDOFF_MLLP_PORT=port)
    with connected(port) as line:
        yield line


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        line.settimeout(10)
        yield line


def told(line: socket.socket, message: bytes) -> tuple[str, str]:
    line.sendall(START + message + END)
    answer = b""
    while not answer.endswith(END):
        answer += line.recv(65_536)
    found = acknowledged(answer.strip(START + END))
    return found.code, found.control_id


def test_an_order_over_hl7_is_acknowledged_once_it_is_kept(wire: socket.socket, database: Database) -> None:
    message = ORM.read_bytes()
    sent = message.split(b"|")[9].decode()
    assert told(wire, message) == ("AA", sent)
    assert database.one("SELECT count(*) FROM hcoint_order") == 1
    assert told(wire, message) == ("AA", sent)
    assert database.one("SELECT count(*) FROM inbox") == 1


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/hl7/*_orm_*.hl7"))
def test_every_order_sample_over_hl7_is_acknowledged(wire: socket.socket, path: Path) -> None:
    assert told(wire, path.read_bytes())[0] == "AA"


def test_hl7_that_cannot_be_used_is_kept_and_refused_with_its_place(
    wire: socket.socket, database: Database
) -> None:
    nameless = b"\r".join(
        line if not line.startswith(b"PID") else b"PID|1" for line in ORM.read_bytes().split(b"\r")
    )
    assert told(wire, nameless)[0] == "AE"
    stranger = ORM.read_bytes().replace(ORM.read_bytes().split(b"|")[2], b"STRANGER", 1)
    assert told(wire, stranger)[0] == "AR"
    assert database.rows("SELECT state, left(reason, 5) FROM ended ORDER BY arrival") == [
        (7, "PID-3"),
        (7, "MSH-3"),
    ]


def test_the_same_control_id_with_other_content_is_not_acknowledged_as_kept(wire: socket.socket) -> None:
    message = ORM.read_bytes()
    assert told(wire, message)[0] == "AA"
    assert told(wire, message.replace(b"||||", b"|||x|", 1))[0] == "AE"


def test_the_service_ends_although_a_sender_keeps_its_line(database: Database) -> None:
    port = free_port()
    with ExitStack() as lines:
        with serving(create_app(database.with_(HANDOFF_MLLP_PORT=port))):
            line = lines.enter_context(connected(port))
            assert told(line, ORM.read_bytes())[0] == "AA"
        assert line.recv(1) == b""


def test_orders_are_answered_quickly_one_after_the_other(door: httpx.Client) -> None:
    door.post(PATH, content=order("0"), headers=proof())
    began = time.perf_counter()
    for number in range(1, 51):
        assert door.post(PATH, content=order(str(number)), headers=proof()).status_code == 200
    assert time.perf_counter() - began < 5
