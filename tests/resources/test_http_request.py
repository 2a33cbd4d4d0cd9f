"""A request of ready parts is, to whoever looks, the request httpx would have made."""

import asyncio

import httpx
import pytest

from resources import partner_http
from resources.http_request import Request
from tests.resources.wire import listening

MADE = [
    ("GET", "http://ehr.test/patients/?limit=100", {}, b""),
    ("POST", "http://ehr.test:8080/patients/", {"Content-Type": "application/json"}, b'{"a":1}'),
    ("POST", "http://ehr.test/patients/", {}, b""),
    ("DELETE", "http://ehr.test/patients/a%2Fb/", {"If-Match": "7"}, b""),
]


@pytest.mark.parametrize(("method", "address", "headers", "content"), MADE)
def test_it_looks_like_the_request_httpx_makes(
    method: str, address: str, headers: dict[str, str], content: bytes
) -> None:
    ours = Request(method, address, headers, content, "/")
    theirs = httpx.Request(method, address, headers=headers, content=content)
    assert (ours.method, ours.url, ours.content) == (theirs.method, theirs.url, theirs.content)
    assert ours.headers == theirs.headers
    assert b"".join(ours.stream) == content  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "address", "headers", "content"), MADE)
def test_over_the_wire_both_say_the_same(
    method: str, address: str, headers: dict[str, str], content: bytes
) -> None:
    async def heard(request_of: type[httpx.Request]) -> tuple[str, set[str], bytes]:
        said: list[bytes] = []

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            said.extend([head, await reader.readexactly(len(content))])
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

        async with listening(speak) as origin:
            there = address.replace("http://ehr.test:8080", origin).replace("http://ehr.test", origin)
            over = partner_http.transport(connections=1)
            request = (
                Request(method, there, headers, content, "/")
                if request_of is Request
                else httpx.Request(method, there, headers=headers, content=content)
            )
            try:
                await over.handle_async_request(request)
            finally:
                await over.aclose()
        first, *lines = said[0].decode().strip().split("\r\n")
        names = {line.lower() for line in lines if not line.lower().startswith("host:")}
        assert sum(line.lower().startswith("host: 127.0.0.1:") for line in lines) == 1
        return first, names, said[1]

    assert asyncio.run(heard(Request)) == asyncio.run(heard(httpx.Request))


def test_a_header_that_is_put_goes_whether_somebody_looked_before_or_not() -> None:
    unseen, seen = (Request("GET", "http://ehr.test/", {"Accept": "a/b"}, b"", "/") for _ in range(2))
    assert "Authorization" not in seen.headers
    for request in (unseen, seen):
        request.put("Authorization", "Bearer one")
        request.put("Authorization", "Bearer two")
    assert dict(unseen.to_send()) == {"Accept": "a/b", "Authorization": "Bearer two"}
    assert ("Authorization", "Bearer two") in list(seen.to_send())
    assert seen.headers["accept"] == "a/b"


def test_a_header_set_as_in_httpx_goes_too() -> None:
    request = Request("GET", "http://ehr.test/", None, b"", "/")
    request.headers["X-On-Behalf-Of"] = "7"
    assert ("X-On-Behalf-Of", "7") in list(request.to_send())
