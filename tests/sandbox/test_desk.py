"""What stands in front of every system: the received list, the faults, and the wire itself."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import httpx
import pytest

from sandbox import desk
from sandbox.core import Reply, Request, System, as_json

from .conftest import Serve


class Ledger(System):
    """A partner that remembers every body it takes."""

    name = "ledger"

    def __init__(self) -> None:
        self.taken: list[str] = []

    def answer(self, request: Request) -> Reply:
        if request.method == "GET":
            return as_json(200, {"taken": len(self.taken)})
        if request.path == "/broken":
            raise RuntimeError("a defect of the simulator")
        self.taken.append(request.body.decode("latin-1"))
        return as_json(201, {"number": len(self.taken)}, effect=True)

    def records(self) -> object:
        return self.taken

    def forget(self, everything: bool) -> None:
        if everything:
            self.taken.clear()


class Slow(Ledger):
    """The same, after a moment: an answer that has to be waited for."""

    name = "slow"

    async def answer(self, request: Request) -> Reply:  # type: ignore[override]
        await asyncio.sleep(0.01)
        return Ledger.answer(self, request)


@pytest.fixture
def client(serve: Serve) -> httpx.Client:
    return serve(Ledger(), Slow())


def fault(client: httpx.Client, **fault: Any) -> None:
    assert client.post("/_sandbox/ledger/faults", json=fault).status_code == 201


def received(client: httpx.Client, **query: str) -> list[dict[str, Any]]:
    entries = client.get("/_sandbox/ledger/received", params=query).json()
    assert isinstance(entries, list)
    return entries


def taken(client: httpx.Client) -> list[str]:
    records = client.get("/_sandbox/ledger/records").json()
    assert isinstance(records, list)
    return records


def test_the_systems_are_listed(client: httpx.Client) -> None:
    assert client.get("/_sandbox").json() == {"systems": ["ledger", "slow"]}


def test_an_unknown_system_is_a_404_that_names_the_known_ones(client: httpx.Client) -> None:
    for path in ("/nobody/x", "/_sandbox/nobody/received"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.json()["systems"] == ["ledger", "slow"]


@pytest.mark.parametrize("system", ["ledger", "slow"])
def test_a_request_reaches_its_system_without_the_prefix(client: httpx.Client, system: str) -> None:
    answer = client.post(f"/{system}/entries/a%20b?x=1", content=b"one")
    assert (answer.status_code, answer.json()) == (201, {"number": 1})
    (entry,) = client.get(f"/_sandbox/{system}/received").json()
    assert (entry["method"], entry["path"], entry["query"]) == ("POST", "/entries/a b", "x=1")
    assert (entry["body"], entry["answered"], entry["effect"]) == ("one", 201, True)
    assert entry["headers"]["content-length"] == "3"
    assert entry["at"].endswith("+00:00")


def test_received_keeps_the_order_of_arrival(client: httpx.Client) -> None:
    for number in range(20):
        client.post("/ledger/", content=str(number).encode())
    assert [entry["body"] for entry in received(client)] == [str(number) for number in range(20)]


def test_bodies_are_left_out_on_request(client: httpx.Client) -> None:
    client.post("/ledger/", content=b"one")
    (entry,) = received(client, bodies="0")
    assert "body" not in entry


def test_a_body_that_is_not_text_is_shown_as_base64(client: httpx.Client) -> None:
    client.post("/ledger/", content=b"\xff\xfe")
    (entry,) = received(client)
    assert (entry["body"], entry["base64"]) == ("//4=", True)


def test_a_large_body_comes_back_whole(client: httpx.Client) -> None:
    body = "A,B,C\n" * 200_000
    client.post("/ledger/", content=body)
    assert received(client)[0]["body"] == body


def test_looking_has_no_effect(client: httpx.Client) -> None:
    client.get("/ledger/")
    assert received(client)[0]["effect"] is False


def test_the_newest_entries_are_kept(serve: Serve) -> None:
    front = desk.Desk(Ledger())
    for number in range(desk.KEPT + 5):
        front.receive(Request("POST", "/", body=str(number).encode()))
    assert len(front.entries) == desk.KEPT
    assert front.entries[0].body == b"5"


def test_old_bodies_make_room_and_their_entries_stay() -> None:
    front = desk.Desk(Ledger())
    incompressible = bytes(range(256)) * 40  # below the size that is packed
    for _ in range(3):
        front.note(Request("POST", "/", body=incompressible))
    front._body_bytes += desk.BODY_BUDGET - 2 * len(incompressible)
    front.note(Request("POST", "/", body=incompressible))
    assert [entry.body is None for entry in front.entries] == [True, True, False, False]
    assert front.entries[0].shown(bodies=True)["body_dropped"] is True


def test_a_defect_of_a_simulator_is_a_500_and_the_next_request_is_served(
    client: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    assert client.post("/ledger/broken").status_code == 500
    assert client.post("/ledger/").status_code == 201
    assert "a defect of the simulator" in capfd.readouterr().err


def test_a_fault_is_answered_as_often_as_it_says(client: httpx.Client) -> None:
    fault(client, status=503, times=2)
    assert [client.post("/ledger/").status_code for _ in range(3)] == [503, 503, 201]
    assert [entry["effect"] for entry in received(client)] == [False, False, True]


def test_a_fault_with_times_below_zero_stays_until_it_is_deleted(client: httpx.Client) -> None:
    fault(client, status=500, times=-1)
    assert [client.post("/ledger/").status_code for _ in range(5)] == [500] * 5
    assert client.get("/_sandbox/ledger/faults").json()[0]["times"] == -1
    client.delete("/_sandbox/ledger")
    assert client.post("/ledger/").status_code == 201


def test_faults_queue_up_oldest_first(client: httpx.Client) -> None:
    fault(client, status=502)
    fault(client, status=429)
    assert [client.post("/ledger/").status_code for _ in range(3)] == [502, 429, 201]


def test_several_faults_may_be_posted_at_once(client: httpx.Client) -> None:
    client.post("/_sandbox/ledger/faults", json=[{"status": 502}, {"status": 429}])
    assert [client.post("/ledger/").status_code for _ in range(3)] == [502, 429, 201]


def test_a_fault_meant_for_other_requests_waits_for_them(client: httpx.Client) -> None:
    fault(client, status=409, match="^POST /orders/[0-9]+$")
    assert client.post("/ledger/notes/7").status_code == 201
    assert client.get("/ledger/orders/7").status_code == 200
    assert client.post("/ledger/orders/7").status_code == 409
    assert client.post("/ledger/orders/7").status_code == 201


def test_a_partner_may_take_what_it_answers_with_an_error(client: httpx.Client) -> None:
    fault(client, status=504, take=True)
    assert client.post("/ledger/", content=b"one").status_code == 504
    assert taken(client) == ["one"]
    (entry,) = received(client)
    assert (entry["answered"], entry["effect"]) == (504, True)


def test_an_effect_may_show_later_than_the_answer(client: httpx.Client) -> None:
    fault(client, status=504, take=True, effect_after_seconds=0.3)
    assert client.post("/ledger/", content=b"one").status_code == 504
    assert taken(client) == []
    assert received(client)[0]["effect"] is False
    wait_until(lambda: taken(client) == ["one"])
    assert received(client)[0]["effect"] is True


def test_a_delay_changes_nothing_else(client: httpx.Client) -> None:
    fault(client, delay_seconds=0.2, times=-1)
    started = time.monotonic()
    answer = client.post("/ledger/", content=b"one")
    assert (answer.status_code, answer.json()) == (201, {"number": 1})
    assert time.monotonic() - started >= 0.2
    assert taken(client) == ["one"]


def test_a_good_status_with_a_delay_keeps_the_partners_own_words(client: httpx.Client) -> None:
    fault(client, status=200, delay_seconds=0.05)
    answer = client.post("/ledger/", content=b"one")
    assert (answer.status_code, answer.json()) == (200, {"number": 1})


def test_a_good_status_may_carry_nonsense(client: httpx.Client) -> None:
    fault(client, status=200, take=True, body="<html>Maintenance</html>", content_type="text/html")
    answer = client.post("/ledger/", content=b"one")
    assert (answer.status_code, answer.text) == (200, "<html>Maintenance</html>")
    assert answer.headers["content-type"] == "text/html"
    assert taken(client) == ["one"]


def test_a_success_that_was_none_leaves_nothing(client: httpx.Client) -> None:
    fault(client, status=201, take=False)
    assert client.post("/ledger/", content=b"one").status_code == 201
    assert taken(client) == []


def test_a_fault_may_answer_with_an_object_and_a_retry_after(client: httpx.Client) -> None:
    fault(client, status=429, retry_after=7, body={"detail": "slow down"})
    answer = client.post("/ledger/")
    assert (answer.status_code, answer.json()) == (429, {"detail": "slow down"})
    assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize(("take", "left"), [(False, []), (True, ["one"])])
def test_a_dropped_connection_may_have_been_taken_or_not(
    client: httpx.Client, take: bool, left: list[str]
) -> None:
    fault(client, status=0, take=take)
    with pytest.raises(httpx.TransportError):
        client.post("/ledger/", content=b"one")
    assert taken(client) == left
    (entry,) = received(client)
    assert (entry["answered"], entry["effect"], entry["body"]) == (0, take, "one")


def test_what_is_not_a_fault_is_refused_by_name(client: httpx.Client) -> None:
    answer = client.post("/_sandbox/ledger/faults", json={"stauts": 504})
    assert answer.status_code == 400
    assert "stauts" in answer.json()["detail"]
    assert client.post("/_sandbox/ledger/faults", json={"match": "("}).status_code == 400
    assert client.post("/_sandbox/ledger/faults", content=b"{").status_code == 400
    assert client.get("/_sandbox/ledger/faults").json() == []


def test_deleting_forgets_what_was_received_and_keeps_what_the_partner_holds(client: httpx.Client) -> None:
    client.post("/ledger/", content=b"one")
    assert client.delete("/_sandbox/ledger").status_code == 204
    assert received(client) == []
    assert taken(client) == ["one"]
    client.delete("/_sandbox/ledger?everything=1")
    assert taken(client) == []


def test_requests_sent_without_waiting_are_answered_in_their_order(client: httpx.Client) -> None:
    request = "POST /slow/ HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n{}"
    with raw(client) as wire:
        wire.sendall("".join(request.format(number) for number in range(5)).encode())
        answers = read_until(wire, b'{"number":5}')
    assert answers.index(b'{"number":1}') < answers.index(b'{"number":2}') < answers.index(b'{"number":5}')


def test_a_chunked_body_is_read(client: httpx.Client) -> None:
    client.post("/ledger/", content=iter([b"on", b"e"]))
    assert taken(client) == ["one"]


def test_a_client_that_asks_to_continue_is_told_to(client: httpx.Client) -> None:
    with raw(client) as wire:
        wire.sendall(b"PUT /ledger/ HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        assert read_until(wire, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        wire.sendall(b"one")
        assert b"201 Created" in read_until(wire, b"}")


def test_what_is_not_http_is_answered_and_the_connection_closed(client: httpx.Client) -> None:
    with raw(client) as wire:
        wire.sendall(b"\x0bMSH|^~\\&\r\x1c\r")
        assert read_until(wire, b"}").startswith(b"HTTP/1.1 400 ")
        assert wire.recv(100) == b""


def raw(client: httpx.Client) -> socket.socket:
    wire = socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=5)
    wire.settimeout(5)
    return wire


def read_until(wire: socket.socket, end: bytes) -> bytes:
    read = b""
    while end not in read:
        chunk = wire.recv(65_536)
        assert chunk, f"closed after {len(read)} bytes"
        read += chunk
    return read


def wait_until(holds: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)
