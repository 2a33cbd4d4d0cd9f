"""The client of Redox: what is a delivery, what is a refusal, what goes up first, and how it signs in."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assets.hcoint.mapping import outgoing
from assets.hcoint.note import Note
from resources.errors import PartnerAway, Refused, TryLater, Unsure
from resources.redox import Redox, signed_in_by_key, signed_in_by_legacy_key
from resources.sign_in import SignIn
from resources.store.values import Message, Receipt
from tests.hcoint.cases import each_case
from tests.hcoint.notes import NOW, REDOX, document, partner, pdf

URL = "https://redox.test"
GOOD = {"Meta": {"DataModel": "Results", "EventType": "New", "Message": {"ID": 96619801}}}
Answer = Callable[[httpx.Request], httpx.Response]


class Partner:
    """A Redox that notes what it is asked and answers as it is told."""

    def __init__(self, *, endpoint: object = GOOD, status: int = 200) -> None:
        self.asked: list[httpx.Request] = []
        self.endpoint = [(status, endpoint)]
        self.upload = [(201, {"URI": "https://blob.redoxengine.com/1"})]
        self.tokens = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.path.endswith(("/token", "/authenticate")):
            self.tokens += 1
            legacy = {
                "accessToken": f"t{self.tokens}",
                "expires": "2026-02-04T19:00:00.000Z",
                "refreshToken": "r",
            }
            return httpx.Response(
                200,
                json=legacy | {"access_token": f"t{self.tokens}", "token_type": "Bearer", "expires_in": 300},
            )
        waiting = self.upload if request.url.path == "/uploads" else self.endpoint
        status, body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, content=content)

    def paths(self) -> list[str]:
        return [request.url.path for request in self.asked]

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)


def signed_in(over: httpx.AsyncBaseTransport) -> SignIn:
    return signed_in_by_legacy_key(over, URL, api_key="k", secret="s", now=lambda: NOW)


def message(*, upload_above: int = 200_000, data: bytes | None = None) -> Message:
    sent = outgoing(REDOX, Note(document(data)), partner(upload_above_bytes=upload_above), now=NOW)
    return Message(id=1, kind=sent.kind, queue=1, seq=1, attempts=0, body=sent.body, address=sent.address)


def send(far: Partner, what: Message, *, says_more: bool = False) -> Receipt:
    redox = Redox(far.transport, URL, signed_in(far.transport), says_more=says_more)
    return asyncio.run(redox.send(what))


def test_a_document_goes_as_it_is_and_the_receipt_has_redoxs_number() -> None:
    far, what = Partner(), message()
    receipt = send(far, what)
    assert far.paths() == ["/auth/authenticate", "/endpoint"]
    assert far.asked[-1].content == what.body
    assert far.asked[-1].headers["authorization"] == "Bearer t1"
    assert (receipt.status, receipt.external_id, receipt.accepted) == (200, "96619801", False)


def test_where_somebody_tells_later_a_200_is_only_acceptance() -> None:
    assert send(Partner(), message(), says_more=True).accepted


@pytest.mark.parametrize(
    ("answer", "number"),
    [({"Meta": {}}, ""), ({"Meta": {"Logs": [{"ID": "log-1"}]}}, "log-1"), ({"Meta": {"Errors": []}}, "")],
)
def test_a_receipt_has_a_number_where_redox_gives_one(answer: object, number: str) -> None:
    assert send(Partner(endpoint=answer), message()).external_id == number


def test_a_200_with_errors_is_a_refusal_that_repeats_nothing() -> None:
    answer = {"Meta": {"Errors": [{"ID": 1, "Text": "PERSIMMON", "Type": "message", "Module": "DataModels"}]}}
    with pytest.raises(Refused) as refused:
        send(Partner(endpoint=answer), message())
    assert "PERSIMMON" not in str(refused.value)
    assert b"PERSIMMON" in refused.value.answer


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (403, Refused),
        (404, Refused),
        (429, TryLater),
        (500, Unsure),
        (502, Unsure),
        (504, Unsure),
    ],
)
def test_every_status_has_its_outcome(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind) as failed:
        send(Partner(status=status), message())
    assert type(failed.value) is kind


def test_a_200_that_cannot_be_read_is_unsure() -> None:
    with pytest.raises(Unsure):
        send(Partner(endpoint=b"<html>"), message())


def test_a_larger_file_goes_up_first_and_its_address_is_the_value() -> None:
    far, data = Partner(), pdf()
    send(far, message(upload_above=len(data) - 1, data=data))
    assert far.paths() == ["/auth/authenticate", "/uploads", "/endpoint"]
    upload, sent = far.asked[1], far.asked[2]
    assert re.search(
        rb'name="file"; filename="HO\w{11}-1\.pdf"\r\nContent-Type: application/pdf', upload.content
    )
    assert data in upload.content
    boundary = upload.headers["content-type"].partition("boundary=")[2].encode()
    assert upload.content.startswith(b"--" + boundary)
    assert upload.content.endswith(b"\r\n--" + boundary + b"--\r\n")
    (order,) = json.loads(sent.content)["Orders"]
    assert order["Results"][0]["Value"] == "https://blob.redoxengine.com/1"
    assert order["Results"][0]["Status"] == "Final"
    assert json.loads(sent.content)["Meta"]["Destinations"]


def test_an_upload_that_fails_was_no_message() -> None:
    far = Partner()
    for status, kind in ((403, Refused), (413, Refused), (500, TryLater), (429, TryLater)):
        far.upload = [(status, {})]
        with pytest.raises(kind) as failed:
            send(far, message(upload_above=0))
        assert type(failed.value) is kind
    assert "/endpoint" not in far.paths()


def test_a_document_that_is_too_large_is_sent_once_more_with_its_file_uploaded() -> None:
    far, data = Partner(), pdf()
    far.endpoint = [(413, {}), (200, GOOD)]
    send(far, message(data=data))
    assert far.paths()[1:] == ["/endpoint", "/uploads", "/endpoint"]
    assert data in far.asked[2].content
    far.endpoint = [(413, {})]
    with pytest.raises(Refused):
        send(far, message(data=data))


def test_a_413_without_a_file_to_upload_stays_a_refusal() -> None:
    far = Partner(status=413)
    for body in (b"{}", b"[]", b'{"Orders":[{"Results":[{"Value":"no base64!"}]}]}'):
        with pytest.raises(Refused):
            send(far, Message(id=1, kind="redox", queue=1, seq=1, attempts=0, body=body))
    assert "/uploads" not in far.paths()


def test_a_401_costs_a_new_token_once() -> None:
    far = Partner()
    far.endpoint = [(401, {}), (200, GOOD)]
    send(far, message())
    assert far.tokens == 2
    far.endpoint = [(401, {})]
    with pytest.raises(PartnerAway):
        send(far, message())


def test_many_messages_share_one_sign_in() -> None:
    far = Partner()

    async def all_at_once() -> None:
        redox = Redox(far.transport, URL, signed_in(far.transport))
        await asyncio.gather(*[redox.send(message()) for _ in range(20)])

    asyncio.run(all_at_once())
    assert far.tokens == 1


def test_the_signed_assertion_is_what_redox_asks_for() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    far = Partner()

    async def twice() -> None:
        for _ in range(2):
            sign_in = signed_in_by_key(far.transport, URL, client_id="client", key=pem, key_id="kid-1")
            await Redox(far.transport, URL, sign_in).send(message())

    asyncio.run(twice())
    asked = [request for request in far.asked if request.url.path == "/v2/auth/token"]
    forms = [dict(httpx.QueryParams(request.content.decode())) for request in asked]
    claims = [
        jwt.decode(form["client_assertion"], key.public_key(), ["RS384"], audience=f"{URL}/v2/auth/token")
        for form in forms
    ]
    assert jwt.get_unverified_header(forms[0]["client_assertion"])["kid"] == "kid-1"
    assert forms[0]["grant_type"] == "client_credentials"
    assert claims[0]["iss"] == claims[0]["sub"] == "client"
    assert claims[0]["jti"] != claims[1]["jti"]


def test_the_legacy_key_is_sent_as_redox_wants_it() -> None:
    far = Partner()
    send(far, message())
    assert json.loads(far.asked[0].content) == {"apiKey": "k", "secret": "s"}


def test_no_secret_stands_in_an_error() -> None:
    far = Partner(status=400)
    with pytest.raises(Refused) as refused:
        send(far, message(data=b"PERSIMMON"))
    assert "t1" not in str(refused.value)
    assert b64encode(b"PERSIMMON").decode() not in str(refused.value)


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/real_error_400_meta_errors.json"))
def test_the_published_error_is_a_refusal_with_any_status(path: Path) -> None:
    for status in (200, 400):
        with pytest.raises(Refused):
            send(Partner(endpoint=json.loads(path.read_bytes()), status=status), message())


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/*_upload_response_201.json"))
def test_the_sample_of_an_upload_is_understood(path: Path) -> None:
    far = Partner()
    far.upload = [(201, json.loads(path.read_bytes()))]
    send(far, message(upload_above=0))
    assert json.loads(path.read_bytes())["URI"].encode() in far.asked[-1].content


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/real_legacy_auth_response.json"))
def test_the_published_token_answer_is_understood(path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/authenticate":
            return httpx.Response(200, content=path.read_bytes())
        assert request.headers["authorization"] == f"Bearer {json.loads(path.read_bytes())['accessToken']}"
        return httpx.Response(200, json=GOOD)

    over = httpx.MockTransport(answer)
    assert asyncio.run(Redox(over, URL, signed_in(over)).send(message())).status == 200
