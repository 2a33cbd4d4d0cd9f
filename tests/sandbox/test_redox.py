"""The manners of the network between clinics and applications."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.redox import Redox

from .conftest import Serve
from .test_desk import wait_until

KEY = ec.generate_private_key(ec.SECP384R1())
PDF = b"%PDF-1.4\r\n\x00\xff--boundary\r\n%%EOF"


def sign_in(client: httpx.Client, **changes: Any) -> httpx.Response:
    claims = {"iss": "us", "sub": "us", "aud": "x", "jti": str(uuid.uuid4()), "exp": int(time.time()) + 300}
    assertion = jwt.encode(claims | changes, KEY, algorithm="ES384", headers={"kid": "k1"})
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form = {"grant_type": "client_credentials", "client_assertion_type": kind, "client_assertion": assertion}
    return client.post("/redox/v2/auth/token", data=form)


@pytest.fixture
def network(serve: Serve) -> httpx.Client:
    client = serve(Redox())
    client.headers["authorization"] = f"Bearer {sign_in(client).json()['access_token']}"
    return client


def results(value: str, order: str = "157968300", **changes: Any) -> dict[str, Any]:
    result = {"Code": "CN100", "Value": value, "ValueType": "Encapsulated Data", "FileType": "PDF"}
    return {
        "Meta": {"DataModel": "Results", "EventType": "New", "Source": {"ID": "s1"}},
        "Patient": {"Identifiers": [{"ID": "0000000001", "IDType": "MR"}]},
        "Orders": [{"ID": order, "Status": "Resulted", "ResultsStatus": "Final", "Results": [result]}],
    } | changes


def post(network: httpx.Client, document: object) -> httpx.Response:
    return network.post("/redox/endpoint", json=document)


def records(network: httpx.Client) -> Any:
    return network.get("/_sandbox/redox/records").json()


def test_a_signed_assertion_gets_a_token_of_five_minutes(network: httpx.Client) -> None:
    reply = sign_in(network).json()
    assert (reply["token_type"], reply["expires_in"]) == ("Bearer", 300)
    assert sign_in(network, exp=1).status_code == 401


def test_a_legacy_key_gets_a_token_of_a_day(network: httpx.Client) -> None:
    reply = network.post("/redox/auth/authenticate", json={"apiKey": "k", "secret": "s"}).json()
    assert reply.keys() == {"accessToken", "expires", "refreshToken"}
    network.headers["authorization"] = f"Bearer {reply['accessToken']}"
    assert post(network, results(base64.b64encode(PDF).decode())).status_code == 200
    refresh = {"apiKey": "k", "refreshToken": reply["refreshToken"]}
    assert network.post("/redox/auth/refreshToken", json=refresh).status_code == 200
    assert network.post("/redox/auth/authenticate", json={"apiKey": "k", "secret": ""}).status_code == 401
    assert network.post("/redox/auth/authenticate", json={}).status_code == 400


def test_without_a_live_token_nothing_is_taken(network: httpx.Client) -> None:
    network.post("/_sandbox/redox/sign-out")
    assert post(network, results("")).status_code == 401
    assert network.post("/redox/uploads", files={"file": PDF}).status_code == 401


def test_an_embedded_file_arrives_byte_for_byte(network: httpx.Client) -> None:
    answer = post(network, results(base64.b64encode(PDF).decode()))
    meta = answer.json()["Meta"]
    assert answer.status_code == 200
    assert meta["DataModel"] == "Results"
    assert meta["Message"]["ID"]
    assert "Errors" not in meta
    (entry,) = records(network)["157968300"]
    assert (entry["sha256"], entry["bytes"], entry["uploaded"]) == (
        hashlib.sha256(PDF).hexdigest(),
        len(PDF),
        False,
    )
    assert (entry["model"], entry["status"]) == ("Results", "Final")


@pytest.mark.parametrize("path", ["/upload", "/uploads"])
def test_an_uploaded_file_is_named_by_its_uri(network: httpx.Client, path: str) -> None:
    answer = network.post(f"/redox{path}", files={"file": ("note.pdf", PDF, "application/pdf")})
    assert answer.status_code == 201
    uri = answer.json()["URI"]
    assert uri.startswith("https://blob.redoxengine.com/")
    assert post(network, results(uri)).status_code == 200
    (entry,) = records(network)["157968300"]
    assert (entry["sha256"], entry["uploaded"]) == (hashlib.sha256(PDF).hexdigest(), True)


def test_an_upload_needs_its_part_and_may_have_30_mb(network: httpx.Client) -> None:
    assert network.post("/redox/uploads", files={"document": PDF}).status_code == 400
    assert network.post("/redox/uploads", files={"file": b"x" * 30_000_001}).status_code == 413
    assert network.post("/redox/uploads", content=PDF).status_code == 400


def test_a_request_may_have_40_mb(network: httpx.Client) -> None:
    assert network.post("/redox/endpoint", content=b"x" * 40_000_001).status_code == 413


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        results("", Meta={"DataModel": "Order", "EventType": "New"}),
        results("", Meta={"DataModel": "Results", "EventType": "Replace"}),
        results("QUJD", Patient={}),
        results("QUJD", Orders=[]),
        results("QUJD", Orders=[{"ID": "1", "Status": "Resulted"}]),
        results("not base64"),
        results("https://blob.redoxengine.com/somebody-elses"),
        results(""),
        {"Meta": {"DataModel": "Notes", "EventType": "New"}},
        {"Meta": {"DataModel": "Media", "EventType": "New"}, "Media": {"DocumentType": "x"}},
    ],
)
def test_a_wrong_document_is_a_400_with_meta_errors(network: httpx.Client, document: object) -> None:
    answer = post(network, document)
    assert answer.status_code == 400
    assert answer.json()["Meta"]["Errors"][0].keys() == {"ID", "Text", "Type", "Module"}
    assert records(network) == {}


def test_a_note_and_a_media_document_are_taken(network: httpx.Client) -> None:
    part = {
        "DocumentType": "Clinical note",
        "DocumentID": "d1",
        "FileContents": base64.b64encode(PDF).decode(),
    }
    for model, name in (("Notes", "Note"), ("Media", "Media")):
        document = {"Meta": {"DataModel": model, "EventType": "New"}, name: part}
        assert post(network, document).status_code == 200
    assert [one["model"] for one in records(network)["d1"]] == ["Notes", "Media"]


def test_a_200_may_hold_errors_and_is_no_success_then(network: httpx.Client) -> None:
    fault = {"status": 200, "take": False, "match": "POST /endpoint"}
    network.post("/_sandbox/redox/faults", json=fault)
    answer = post(network, results("QUJD"))
    assert answer.status_code == 200
    assert answer.json()["Meta"]["Errors"]
    assert records(network) == {}


class Door(BaseHTTPRequestHandler):
    """A door that refuses as often as it was told, and remembers what it took."""

    refusals = 0
    seen: list[tuple[int, str]]

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "challenge" in message:
            return self.say(200, f"here you are: {message['challenge']}")
        assert self.headers["verification-token"] == "token"
        status = 500 if type(self).refusals > 0 else 200
        type(self).refusals -= 1
        self.seen.append((status, message["Order"]["ID"]))
        return self.say(status, "{}")

    def do_GET(self) -> None:
        self.say(200, "no challenge here")

    def say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def door() -> Iterator[tuple[str, type[Door]]]:
    handler = type("OneDoor", (Door,), {"refusals": 0, "seen": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_refused_message_pauses_the_feed_and_is_tried_until_it_is_taken(
    network: httpx.Client, door: tuple[str, type[Door]]
) -> None:
    url, handler = door
    handler.refusals = 2
    orders = [{"Order": {"ID": str(number)}} for number in range(3)]
    feed = {"url": url, "token": "token", "messages": orders, "first_wait_seconds": 0.05}
    assert network.post("/_sandbox/redox/feed", json=feed).status_code == 202
    wait_until(lambda: network.get("/_sandbox/redox/feed").json()["state"] == "idle")
    assert handler.seen == [(500, "0"), (500, "0"), (200, "0"), (200, "1"), (200, "2")]
    shown = network.get("/_sandbox/redox/feed").json()
    assert (shown["sent"], shown["waiting"], shown["attempts"]) == (3, 0, 5)


def test_a_paused_feed_can_be_stopped(network: httpx.Client) -> None:
    feed = {"url": "http://127.0.0.1:9/", "token": "token", "messages": [{}], "first_wait_seconds": 30}
    network.post("/_sandbox/redox/feed", json=feed)
    wait_until(lambda: network.get("/_sandbox/redox/feed").json()["state"] == "paused")
    assert network.delete("/_sandbox/redox/feed").status_code == 204
    assert network.get("/_sandbox/redox/feed").json()["waiting"] == 0


def test_an_endpoint_is_verified_by_the_challenge_it_gives_back(
    network: httpx.Client, door: tuple[str, type[Door]]
) -> None:
    asked = {"url": door[0], "token": "token"}
    verify = "/_sandbox/redox/verify"
    assert network.post(verify, json=asked).json() == {"verified": True}
    assert network.post(verify, json=asked | {"method": "GET"}).json() == {"verified": False}
    assert network.post(verify, json={"url": "http://127.0.0.1:9/", "token": "t"}).json() == {
        "verified": False
    }
    assert network.post(verify, json={"nowhere": "x"}).status_code == 400
