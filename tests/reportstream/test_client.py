"""How we speak to ReportStream, and what we make of every way in which it may answer or not."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qs

import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from resources.errors import DeliveryError, PartnerAway, Refused, TryLater, Unsure
from resources.reportstream import (
    MOST_BYTES,
    Account,
    Batch,
    BatchRefused,
    BatchTooLarge,
    Nowhere,
    ReportStream,
    connect,
)
from resources.reportstream_reply import Fate, Reply

T = TypeVar("T")
Answer = Callable[[httpx.Request], httpx.Response]
Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ORIGIN = "https://hub.test"
SINCE = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
BATCH = Batch(name="batch-7", items=("id-1", "id-2", "id-3"), body=b"Result_ID\nid-1\nid-2\nid-3\n")
TAKEN = {"id": "r-1", "submissionId": 267, "overallStatus": "Received", "httpStatus": 201}


def said(status: int, body: Any, **headers: str) -> httpx.Response:
    return httpx.Response(status, content=msgspec.json.encode(body), headers=headers)


def hub(answer: Answer, **settings: Any) -> ReportStream:
    account = Account(**({"url": ORIGIN, "function_key": "key-1"} | settings))
    return ReportStream(httpx.MockTransport(answer), account)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def failure(answer: httpx.Response, batch: Batch = BATCH) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        run(hub(lambda _: answer).send(batch))
    assert "id-" not in str(caught.value)
    return caught.value


def refused(*errors: dict[str, Any], status: int = 400) -> httpx.Response:
    return said(status, {"submissionId": 268, "httpStatus": status, "errors": list(errors)})


# Handing in


def test_a_csv_goes_to_reports_with_the_function_key() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return said(201, TAKEN)

    reply = run(hub(answer).send(BATCH))
    (request,) = seen
    assert (request.method, request.url.path) == ("POST", "/api/reports")
    assert dict(request.url.params) == {"processing": "async", "payloadName": "batch-7"}
    assert request.headers["client"] == "simple_report"
    assert request.headers["x-functions-key"] == "key-1"
    assert request.headers["content-type"] == "text/csv"
    assert request.headers["content-length"] == str(len(BATCH.body))
    assert request.content == BATCH.body
    assert (reply.report_id, reply.submission_id, reply.fate) == ("r-1", 267, Fate.PENDING)


@pytest.mark.parametrize(
    ("form", "content_type"), [("fhir", "application/fhir+ndjson"), ("hl7", "application/hl7-v2")]
)
def test_fhir_and_hl7_go_to_waters(form: str, content_type: str) -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return said(201, TAKEN)

    run(hub(answer, form=form).send(BATCH))
    assert seen[0].url.path == "/api/waters"
    assert seen[0].headers["content-type"] == content_type
    assert seen[0].headers["client"] == "simple_report.fullelr"


def test_another_sender_can_be_named() -> None:
    account = Account(url=ORIGIN, client="county_lab.east")
    assert (account.sender, account.organization) == ("county_lab.east", "county_lab")


def test_no_key_shows_in_a_repr() -> None:
    assert "hush" not in repr(Account(url=ORIGIN, function_key="hush", private_key="hush"))
    assert "id-1" not in repr(BATCH).replace(repr(BATCH.items), "")


def test_a_batch_above_the_limits_never_leaves() -> None:
    never = hub(lambda _: pytest.fail("it left"))
    with pytest.raises(BatchTooLarge, match="too large"):
        run(never.send(Batch(name="b", items=("x",), body=b"x" * (MOST_BYTES + 1))))
    with pytest.raises(BatchTooLarge, match="too large"):
        run(never.send(Batch(name="b", items=("x",) * 10_001, body=b"x")))


def test_a_413_asks_for_parts() -> None:
    error = failure(httpx.Response(413, text="too large"))
    assert isinstance(error, BatchTooLarge)
    assert error.answer == b"too large"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_5xx_may_have_been_taken(status: int) -> None:
    error = failure(httpx.Response(status, text="gateway"))
    assert isinstance(error, Unsure)
    assert (error.status, error.answer) == (status, b"gateway")


@pytest.mark.parametrize("status", [408, 429])
def test_what_was_not_taken_may_be_tried_later(status: int) -> None:
    error = failure(httpx.Response(status, headers={"retry-after": "90"}))
    assert type(error) is TryLater
    assert error.after_seconds == 90


@pytest.mark.parametrize(
    "body",
    [
        b"<html>maintenance</html>",
        b"",
        b"[]",
        b'{"httpStatus": 201}',
        b'{"a":' * 100_000,
        msgspec.json.encode(TAKEN | {"errors": [{"scope": "report", "message": "no"}]}),
        msgspec.json.encode(TAKEN | {"overallStatus": "Error"}),
    ],
    ids=["page", "nothing", "array", "no id", "deep", "errors", "error"],
)
def test_a_2xx_that_cannot_be_trusted_is_unsure(body: bytes) -> None:
    assert isinstance(failure(httpx.Response(201, content=body)), Unsure)


@pytest.mark.parametrize("status", [301, 302, 401, 404, 405, 410, 415])
def test_what_is_wrong_with_our_account_pauses_the_lane(status: int) -> None:
    error = failure(httpx.Response(status, text="sunset", headers={"location": "https://elsewhere.test/"}))
    assert isinstance(error, PartnerAway)
    assert error.status == status


def test_an_answer_about_a_parameter_pauses_the_lane() -> None:
    wrong = {"scope": "parameter", "message": "'client:id-9': unknown sender"}
    error = failure(refused(wrong))
    assert isinstance(error, PartnerAway)
    assert b"id-9" in error.answer


# Refusals, and whom they name


@pytest.mark.parametrize(
    ("errors", "culprits"),
    [
        ([{"scope": "item", "indices": [2], "trackingIds": ["id-2"], "message": "id-2 is bad"}], (1,)),
        ([{"scope": "item", "indices": [7], "trackingIds": ["id-3", "id-1"]}], (0, 2)),
        ([{"scope": "item", "indices": [3], "trackingIds": ["not ours"]}], (2,)),
        ([{"scope": "item", "indices": [1]}, {"scope": "ITEM", "trackingIds": ["id-3", None]}], (0, 2)),
        ([{"scope": "item", "indices": [0, 4, -1]}], ()),
        ([{"scope": "item"}], ()),
        ([{"scope": "report", "indices": [1], "message": "Your file is missing a header"}], ()),
        ([{"scope": "item", "indices": "6 to 7"}], ()),
        ([], ()),
    ],
)
def test_a_refusal_names_items_by_tracking_id_or_by_number(
    errors: list[dict[str, Any]], culprits: tuple[int, ...]
) -> None:
    error = failure(refused(*errors))
    assert isinstance(error, BatchRefused)
    assert error.culprits == culprits
    assert str(error) == f"POST hub.test /api/reports: 400; names {len(culprits)} of 3 items"


def test_a_warning_accuses_nobody() -> None:
    warning = {"scope": "item", "indices": [1], "trackingIds": ["id-1"]}
    error = failure(said(400, {"submissionId": 1, "warnings": [warning], "errors": []}))
    assert isinstance(error, BatchRefused)
    assert error.culprits == ()


@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_refusal_in_plain_text_names_nobody(status: int) -> None:
    error = failure(httpx.Response(status, text="no"))
    assert isinstance(error, BatchRefused)
    assert (error.status, error.answer, error.culprits) == (status, b"no", ())


def test_an_id_that_stands_twice_accuses_both() -> None:
    twice = Batch(name="b", items=("x", "y", "x"), body=b"")
    error = failure(refused({"scope": "item", "trackingIds": ["x"]}), twice)
    assert isinstance(error, BatchRefused)
    assert error.culprits == (0, 2)


# Asking


class Books:
    """A hub that has these submissions, newest first, and pages of a size of its own."""

    def __init__(self, *listed: dict[str, Any], page: int = 2) -> None:
        self.listed, self.page = listed, page
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.path.endswith("/history"):
            name = request.url.path.split("/")[4]
            found = [one for one in self.listed if name in (one.get("id"), str(one["submissionId"]))]
            return (
                said(200, found[0] | {"overallStatus": "Delivered"}) if found else said(404, {"error": "?"})
            )
        until = request.url.params.get("cursor", "9")
        return said(200, [one for one in self.listed if one["timestamp"] < until][: self.page])


def entry(number: int, name: str, status: int = 201) -> dict[str, Any]:
    stamp = (SINCE - timedelta(minutes=number)).isoformat()
    report = {"id": f"r-{number}"} if status == 201 else {}
    return report | {
        "submissionId": number, "externalName": name, "httpStatus": status, "timestamp": stamp
    }  # fmt: skip


def test_a_batch_is_found_by_its_name_on_any_page() -> None:
    books = Books(*(entry(number, f"batch-{number}") for number in range(1, 9)))
    reply = run(hub(books).ask("batch-7", since=SINCE))
    assert reply is not None
    assert (reply.report_id, reply.fate) == ("r-7", Fate.DELIVERED)
    first = books.asked[0]
    assert first.url.path == "/api/waters/org/simple_report/submissions"
    assert datetime.fromisoformat(first.url.params["since"]) < SINCE
    assert first.url.params["showfailed"] == "true"
    assert first.headers["x-functions-key"] == "key-1"


def test_a_batch_that_is_nowhere_in_the_list_has_not_arrived() -> None:
    assert run(hub(Books(entry(1, "batch-1"), entry(2, "batch-2"))).ask("batch-7", since=SINCE)) is None
    assert run(hub(Books()).ask("batch-7", since=SINCE)) is None


def test_a_batch_that_was_refused_is_found_as_refused() -> None:
    reply = run(hub(Books(entry(1, "batch-7", status=400))).ask("batch-7", since=SINCE))
    assert reply is not None
    assert reply.refused
    assert reply.submission_id == 1


def test_of_two_submissions_of_a_name_the_one_that_was_taken_counts() -> None:
    books = Books(entry(1, "batch-7", status=400), entry(2, "other"), entry(3, "batch-7"))
    reply = run(hub(books).ask("batch-7", since=SINCE))
    assert reply is not None
    assert (reply.report_id, reply.refused) == ("r-3", False)


def test_a_list_without_end_is_no_answer() -> None:
    stamps = iter(range(9_999, 0, -1))

    def endless(request: httpx.Request) -> httpx.Response:
        return said(200, [{"submissionId": 1, "externalName": "x", "timestamp": f"{next(stamps):04}"}])

    with pytest.raises(TryLater, match="cannot tell"):
        run(hub(endless).ask("batch-7", since=SINCE))


def test_a_list_that_goes_in_circles_ends() -> None:
    def same(request: httpx.Request) -> httpx.Response:
        return said(200, [{"submissionId": 1, "externalName": "x", "timestamp": "1"}])

    assert run(hub(same).ask("batch-7", since=SINCE)) is None


@pytest.mark.parametrize("status", [500, 504])
def test_a_question_is_never_unsure(status: int) -> None:
    for question in (hub(lambda _: httpx.Response(status)).ask("b", since=SINCE),
                     hub(lambda _: httpx.Response(status)).history("r")):  # fmt: skip
        with pytest.raises(TryLater) as caught:
            run(question)
        assert type(caught.value) is TryLater


def test_a_question_our_account_may_not_ask_pauses_the_lane() -> None:
    for question in (hub(lambda _: httpx.Response(401)).ask("b", since=SINCE),
                     hub(lambda _: httpx.Response(403)).history("r")):  # fmt: skip
        with pytest.raises(PartnerAway):
            run(question)


def test_a_list_that_cannot_be_read_may_be_asked_for_later() -> None:
    with pytest.raises(TryLater, match="cannot be read"):
        run(hub(lambda _: said(200, {"not": "a list"})).ask("b", since=SINCE))


def test_a_report_nobody_knows_has_no_history() -> None:
    assert run(hub(lambda _: said(404, {"error": "?"})).history("r-1")) is None


# Signing in


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Desk:
    """A hub that gives tokens for assertions and takes nothing without one."""

    def __init__(self, *, life: int = 300, refuses: int = 0) -> None:
        self.life, self.refuses = life, refuses
        self.assertions: list[str] = []
        self.forms: list[dict[str, list[str]]] = []
        self.used: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/token":
            form = parse_qs(request.content.decode())
            self.forms.append(form)
            self.assertions += form["client_assertion"]
            token = f"token-{len(self.assertions)}"
            return said(200, {"access_token": token, "token_type": "bearer", "expires_in": self.life})
        self.used.append(request.headers["authorization"])
        assert "x-functions-key" not in request.headers
        if self.refuses:
            self.refuses -= 1
            return httpx.Response(401)
        return said(201, TAKEN)


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
def test_an_assertion_is_signed_by_our_key_for_this_hub(algorithm: str) -> None:
    key = (
        rsa.generate_private_key(65537, 2048)
        if algorithm == "RS256"
        else ec.generate_private_key(ec.SECP384R1())
    )
    desk = Desk()
    client = hub(desk, form="fhir", private_key=pem(key), url=f"{ORIGIN}/")
    run(client.send(BATCH))
    (form,) = desk.forms
    assert form["scope"] == ["simple_report.*.report"]
    assert form["grant_type"] == ["client_credentials"]
    assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    assertion = desk.assertions[0]
    assert jwt.get_unverified_header(assertion)["kid"] == "simple_report.fullelr"
    claims = jwt.decode(assertion, key.public_key(), [algorithm], audience=ORIGIN)
    assert claims["iss"] == claims["sub"] == "simple_report.fullelr"
    assert 0 < claims["exp"] - time.time() <= 300
    assert desk.used == ["Bearer token-1"]


@pytest.mark.parametrize("curve", [None, ec.SECP256R1()])
def test_a_key_reportstream_would_not_take_is_refused_at_the_start(
    curve: ec.EllipticCurve | None,
) -> None:
    private_key = pem(ec.generate_private_key(curve)) if curve else "not a key"
    with pytest.raises(ValueError, match="REPORTSTREAM_PRIVATE_KEY is no plain RSA or P-384 key") as caught:
        hub(Desk(), private_key=private_key)
    assert private_key not in str(caught.value)


@pytest.fixture(scope="module")
def key() -> str:
    return pem(ec.generate_private_key(ec.SECP384R1()))


def signed(desk: Desk, key: str) -> ReportStream:
    return hub(desk, private_key=key)


def test_many_batches_share_one_token(key: str) -> None:
    desk = Desk()

    async def many(client: ReportStream) -> None:
        await asyncio.gather(*(client.send(BATCH) for _ in range(20)))

    run(many(signed(desk, key)))
    assert desk.used == ["Bearer token-1"] * 20


def test_a_token_that_no_longer_holds_is_renewed_once_and_the_batch_goes(key: str) -> None:
    desk = Desk(refuses=1)
    assert run(signed(desk, key).send(BATCH)).report_id == "r-1"
    assert desk.used == ["Bearer token-1", "Bearer token-2"]
    jtis = [jwt.decode(one, options={"verify_signature": False})["jti"] for one in desk.assertions]
    assert len(set(jtis)) == 2


def test_an_account_without_rights_pauses_the_lane(key: str) -> None:
    with pytest.raises(PartnerAway, match="check the account's rights"):
        run(signed(Desk(refuses=2), key).send(BATCH))


# On real connections


def whole(reader: asyncio.StreamReader) -> Awaitable[bytes]:
    return reader.readuntil(b"id-3\n")


async def over_a_socket(speak: Speak, timeout_seconds: float = 5) -> Reply:
    talks = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        try:
            await speak(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = connect(
        Account(url=f"http://127.0.0.1:{port}", function_key="k", timeout_seconds=timeout_seconds)
    )
    try:
        return await client.send(BATCH)
    finally:
        await client.aclose()
        server.close()
        await asyncio.wait_for(asyncio.gather(*talks), 5)


def test_a_connection_lost_after_sending_is_unsure() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole(reader)

    with pytest.raises(Unsure, match="no answer came back"):
        run(over_a_socket(hang_up))


def test_a_connection_lost_in_the_answer_is_unsure() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole(reader)
        writer.write(b'HTTP/1.1 201 Created\r\ncontent-length: 500\r\n\r\n{"id": "r-1"')
        await writer.drain()

    with pytest.raises(Unsure, match="no answer came back"):
        run(over_a_socket(break_off))


def test_a_hub_that_never_answers_is_unsure() -> None:
    async def sleep_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole(reader)
        await reader.read()  # until we hang up

    with pytest.raises(Unsure, match="TimeoutError"):
        run(over_a_socket(sleep_on, timeout_seconds=0.3))


def test_a_hub_that_is_not_there_may_be_tried_later() -> None:
    async def nobody() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        client = connect(Account(url=f"http://127.0.0.1:{port}", function_key="k"))
        try:
            await client.send(BATCH)
        finally:
            await client.aclose()

    with pytest.raises(TryLater, match="no connection") as caught:
        run(nobody())
    assert type(caught.value) is TryLater


def test_an_answer_on_a_real_connection_is_read() -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole(reader)
        body = msgspec.json.encode(TAKEN)
        writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    reply = run(over_a_socket(take))
    assert (reply.report_id, reply.receipt().accepted, reply.receipt().status) == ("r-1", True, 201)


# The transport none


def test_nowhere_takes_everything_and_sends_nothing() -> None:
    async def all_of_it() -> tuple[Reply, Reply | None, Reply | None]:
        nowhere = Nowhere()
        found = await nowhere.send(BATCH), await nowhere.ask("b", since=SINCE), await nowhere.history("r")
        await nowhere.aclose()
        return found

    taken, asked, history = run(all_of_it())
    assert (taken.fate, taken.refused, taken.lost(3)) == (Fate.DELIVERED, False, 0)
    assert not taken.receipt().accepted
    assert asked is None
    assert history is None


def test_every_refusal_is_a_delivery_error() -> None:
    assert issubclass(BatchRefused, Refused)
    assert issubclass(BatchTooLarge, Refused)
