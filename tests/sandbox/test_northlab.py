"""The manners of a laboratory behind MLLP."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.northlab import Northlab

from .conftest import Serve

PDF = b"%PDF-1.4 a note"
ED = f"source^application^pdf^Base64^{base64.b64encode(PDF).decode()}"
ORU = (
    "MSH|^~\\&|HANDOFF|NOTES|NORTHLAB|NORTH|20260203190000||ORU^R01^ORU_R01|C1|P|2.5.1\r"
    "PID|1||0000000001^^^NORTH^MR||Bixby^Timothy\r"
    "ORC|RE|157968300^NORTHLAB\r"
    "OBR|1|157968300^NORTHLAB|F1|11506-3^Progress note^LN|||20260203190000||||||||||||||||||F\r"
    f"OBX|1|ED|11506-3^Progress note^LN||{ED}||||||F\r"
)


@pytest.fixture
def laboratory(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    monkeypatch.setenv("HANDOFF_SANDBOX_MLLP_PORT", "0")
    return serve(Northlab())


@pytest.fixture
def line(laboratory: httpx.Client) -> Iterator[socket.socket]:
    address = laboratory.get("/_sandbox/northlab/address").json()
    with socket.create_connection((address["host"], address["port"]), timeout=5) as wire:
        yield wire


def send(wire: socket.socket, message: str) -> str:
    wire.sendall(b"\x0b" + message.encode() + b"\x1c\r")
    answer = b""
    while not answer.endswith(b"\x1c\r"):
        chunk = wire.recv(65_536)
        assert chunk, "closed without an acknowledgement"
        answer += chunk
    assert answer.startswith(b"\x0b")
    return answer[1:-2].decode()


def code(acknowledgement: str) -> tuple[str, str]:
    msa = next(line for line in acknowledgement.split("\r") if line.startswith("MSA|")).split("|")
    return msa[1], msa[2]


def received(laboratory: httpx.Client) -> Any:
    return laboratory.get("/_sandbox/northlab/received").json()


def test_a_result_is_acknowledged_by_its_control_id_to_whom_it_came_from(
    laboratory: httpx.Client, line: socket.socket
) -> None:
    answer = send(line, ORU)
    assert code(answer) == ("AA", "C1")
    assert answer.startswith("MSH|^~\\&|NORTHLAB|NORTH|HANDOFF|NOTES|")
    (entry,) = received(laboratory)
    assert (entry["method"], entry["body"], entry["answered"], entry["effect"]) == ("MLLP", ORU, "AA", True)


def test_the_document_is_kept_by_its_digest(laboratory: httpx.Client, line: socket.socket) -> None:
    send(line, ORU)
    send(line, ORU)
    held = laboratory.get("/_sandbox/northlab/records").json()["C1"]
    assert held == {
        "type": "ORU^R01^ORU_R01",
        "order": "157968300",
        "status": "F",
        "sha256": hashlib.sha256(PDF).hexdigest(),
        "bytes": len(PDF),
        "times": 2,
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("|C1|", "||"),
        ("ORU^R01^ORU_R01", "ADT^A01"),
        ("0000000001^^^NORTH^MR", ""),
        ("157968300^NORTHLAB", ""),
        (base64.b64encode(PDF).decode(), "!!!"),
        ("MSH|", "MSX|"),
    ],
)
def test_a_message_it_cannot_use_is_an_ae(line: socket.socket, before: str, after: str) -> None:
    answer = send(line, ORU.replace(before, after))
    assert code(answer)[0] == "AE"
    assert "\rERR|" in answer


@pytest.mark.parametrize("ack", ["AE", "AR"])
def test_a_fault_may_answer_ae_or_ar(laboratory: httpx.Client, line: socket.socket, ack: str) -> None:
    laboratory.post("/_sandbox/northlab/faults", json={"ack": ack})
    assert code(send(line, ORU)) == (ack, "C1")
    assert code(send(line, ORU)) == ("AA", "C1")
    assert [(entry["answered"], entry["effect"]) for entry in received(laboratory)] == [
        (ack, False),
        ("AA", True),
    ]


@pytest.mark.parametrize("take", [True, False])
def test_a_fault_may_close_the_line_before_the_acknowledgement(
    laboratory: httpx.Client, line: socket.socket, take: bool
) -> None:
    laboratory.post("/_sandbox/northlab/faults", json={"status": 0, "take": take})
    line.sendall(b"\x0b" + ORU.encode() + b"\x1c\r")
    with pytest.raises((AssertionError, ConnectionResetError)):
        send(line, "")
    assert ("C1" in laboratory.get("/_sandbox/northlab/records").json()) is take
    assert received(laboratory)[0]["effect"] is take


def test_one_line_carries_many_messages_and_a_large_one(
    laboratory: httpx.Client, line: socket.socket
) -> None:
    large = base64.b64encode(b"%PDF-" + b"x" * 2_000_000).decode()
    assert code(send(line, ORU.replace(base64.b64encode(PDF).decode(), large))) == ("AA", "C1")
    for number in range(2, 12):
        assert code(send(line, ORU.replace("|C1|", f"|C{number}|"))) == ("AA", f"C{number}")
    assert laboratory.get("/_sandbox/northlab/records").json()["C1"]["bytes"] == 2_000_005


def test_the_same_may_be_posted_by_http(laboratory: httpx.Client) -> None:
    answer = laboratory.post("/northlab/", content=ORU)
    assert code(answer.text) == ("AA", "C1")
