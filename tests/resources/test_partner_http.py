"""HTTP becomes our errors in one way."""

import asyncio
import logging
from datetime import UTC, datetime

import aiohttp
import httpx
import pytest

from resources import partner_http
from resources.errors import DeliveryError, PartnerAway, Refused, TryLater, Unsure

NAME = "Rivera"
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def sent(answer: httpx.Response | Exception, method: str = "PATCH", **options: bool) -> httpx.Response:
    """What ``send`` makes of one answer."""

    def partner(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    request = partner_http.request(
        method,
        "https://ehr.test/api",
        "/patients/{id}/",
        path={"id": NAME},
        query={"dob": "1961-07-04"},
        content=b"{}",
    )
    options = {"idempotent": True} | options
    return asyncio.run(
        partner_http.send(httpx.MockTransport(partner), request, timeout=5, now=lambda: NOW, **options)
    )


def failure(answer: httpx.Response | Exception, method: str = "PATCH", **options: bool) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        sent(answer, method, **options)
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_2xx_answer_is_returned(status: int) -> None:
    assert sent(httpx.Response(status, json={"id": 1})).status_code == status


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_an_idempotent_request_may_be_repeated_after_these(status: int) -> None:
    error = failure(httpx.Response(status))
    assert type(error) is TryLater
    assert error.status == status


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504])
def test_after_any_5xx_a_creation_may_have_happened(status: int) -> None:
    assert type(failure(httpx.Response(status), "POST", idempotent=False)) is Unsure


@pytest.mark.parametrize("status", [408, 425, 429])
def test_a_creation_that_was_turned_away_at_the_gate_did_not_happen(status: int) -> None:
    assert type(failure(httpx.Response(status), "POST", idempotent=False)) is TryLater


def test_a_gateway_timeout_is_unsure_even_where_repeating_is_harmless() -> None:
    assert type(failure(httpx.Response(504))) is Unsure


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 405, 409, 410, 413, 415, 422])
def test_every_other_answer_is_a_refusal(status: int) -> None:
    error = failure(httpx.Response(status, headers={"Location": "https://elsewhere.test/"}))
    assert type(error) is Refused
    assert error.status == status


@pytest.mark.parametrize("answer", [httpx.Response(504), httpx.ReadTimeout("x"), httpx.ReadError("x")])
def test_a_question_is_never_unsure(answer: httpx.Response | Exception) -> None:
    assert type(failure(answer, "GET")) is TryLater
    assert type(failure(answer, "POST", idempotent=False, question=True)) is TryLater


@pytest.mark.parametrize("lost", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_without_a_connection_nothing_was_sent(lost: type[httpx.TransportError]) -> None:
    assert type(failure(lost(NAME), "POST", idempotent=False)) is TryLater


@pytest.mark.parametrize(
    "lost", [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.RemoteProtocolError]
)
def test_what_is_lost_after_the_first_byte_is_unsure(lost: type[httpx.TransportError]) -> None:
    assert type(failure(lost(NAME))) is Unsure


@pytest.mark.parametrize(
    ("behind", "judged"),
    [
        (aiohttp.ServerDisconnectedError(), Unsure),
        (aiohttp.ClientOSError(104, "reset"), Unsure),
        (aiohttp.ConnectionTimeoutError(), TryLater),
    ],
)
def test_a_connect_timeout_is_judged_by_what_stands_behind_it(behind: Exception, judged: type) -> None:
    told = httpx.ConnectTimeout("x")
    told.__cause__ = behind
    assert type(failure(told)) is judged


def test_an_address_we_cannot_call_pauses_the_lane() -> None:
    assert type(failure(httpx.UnsupportedProtocol("x"))) is PartnerAway


def test_a_text_never_names_what_was_in_the_path_the_query_or_the_answer() -> None:
    error = failure(httpx.Response(422, text=f"{NAME} is too long"))
    assert str(error) == "PATCH ehr.test /patients/{id}/: 422"
    assert error.answer == b"Rivera is too long"


def test_no_library_exception_hangs_on_ours() -> None:
    error = failure(httpx.ReadError(NAME))
    assert error.__cause__ is None
    assert error.__context__ is None
    assert NAME not in str(error)


def test_a_request_without_a_template_names_the_host_only() -> None:
    assert (
        partner_http.where(httpx.Request("GET", f"https://ehr.test/{NAME}"))
        == "GET ehr.test (path not shown)"
    )


def test_a_long_answer_is_kept_in_part() -> None:
    assert len(failure(httpx.Response(422, content=b"x" * 100_000)).answer) == partner_http.ANSWER_KEPT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Mon, 02 Mar 2026 00:01:30 GMT", 90.0),
        ("Sun, 01 Mar 2026 00:00:00 GMT", 0.0),
        ("99999999999", partner_http.LONGEST_WAIT_SECONDS),
        ("Mon, 02 Mar 2099 00:00:00 GMT", partner_http.LONGEST_WAIT_SECONDS),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float | None) -> None:
    error = failure(httpx.Response(429, headers={"Retry-After": header}))
    assert isinstance(error, TryLater)
    assert error.after_seconds == seconds


def test_a_2xx_page_that_is_no_json_is_unsure_for_a_creation_and_later_for_a_question() -> None:
    page = httpx.Response(200, text="<html>Maintenance</html>")
    page.request = httpx.Request("POST", "https://ehr.test/")
    with pytest.raises(Unsure):
        partner_http.decoded(page, lambda body: int(body))
    page.request = httpx.Request("GET", "https://ehr.test/")
    with pytest.raises(TryLater) as caught:
        partner_http.decoded(page, lambda body: int(body))
    assert type(caught.value) is TryLater


def test_a_link_is_followed_on_its_own_origin_only() -> None:
    home = "https://ehr.test/api/2.0"
    assert (
        partner_http.on_origin(home, "/api/2.0/patients/?cursor=x")
        == "https://ehr.test/api/2.0/patients/?cursor=x"
    )
    assert partner_http.on_origin(home, "https://ehr.test/a") == "https://ehr.test/a"
    for link in (
        "https://evil.test/",
        "http://ehr.test/",
        "https://ehr.test:8443/",
        "//evil.test/",
        "https://u@ehr.test/",
    ):
        with pytest.raises(Refused, match="another origin"):
            partner_http.on_origin(home, link)


def test_the_loggers_of_the_http_libraries_say_no_address(caplog: pytest.LogCaptureFixture) -> None:
    partner_http.quiet_loggers()
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("httpx").info("HTTP Request: GET https://ehr.test/?last_name=Rivera")
    assert caplog.records == []
