"""SimpleReport's callback in miniature: takes one shape, from those who have a token, and forgets when told to."""

import httpx
import pytest

from sandbox.running import sandbox_thread
from sandbox.simplereport import SimpleReport

GOOD = {"testEventInternalId": "a", "isError": True, "details": "no", "queueName": "q"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "answered"),
    [
        ("POST", "/api/reportstream/callback", {"x-functions-key": "k"}, GOOD, 200),
        ("POST", "/api/reportstream/callback", {}, GOOD, 401),
        ("GET", "/api/reportstream/callback", {"x-functions-key": "k"}, None, 405),
        ("POST", "/elsewhere", {"x-functions-key": "k"}, GOOD, 404),
        ("POST", "/api/reportstream/callback", {"x-functions-key": "k"}, [], 400),
        ("POST", "/api/reportstream/callback", {"x-functions-key": "k"}, {**GOOD, "more": 1}, 400),
        ("POST", "/api/reportstream/callback", {"x-functions-key": "k"}, {**GOOD, "isError": "yes"}, 400),
    ],
)
def test_an_exception_is_taken_as_the_backend_takes_it(
    method: str, path: str, headers: dict[str, str], body: object, answered: int
) -> None:
    with sandbox_thread([SimpleReport()]) as url:
        answer = httpx.request(method, f"{url}/simplereport{path}", headers=headers, json=body)
        assert answer.status_code == answered
        rows = f"{url}/_sandbox/simplereport/records"
        assert httpx.get(rows).json() == ([GOOD] if answered == 200 else [])
        httpx.delete(f"{url}/_sandbox/simplereport")
        assert httpx.get(rows).json() == []
