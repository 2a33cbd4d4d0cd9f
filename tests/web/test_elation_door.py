"""The door for chart events: one object is answered by its status, an array by counts."""

import httpx
import pytest

from tests.conftest import Database
from tests.web.conftest import ELATION, chart_event, encoded

PATH = "/intake/elation/events"
HEADERS = {"authorization": f"Bearer {ELATION}", "content-type": "application/json"}


def post(client: httpx.Client, document: object) -> httpx.Response:
    return client.post(PATH, content=encoded(document), headers=HEADERS)


def test_one_event_is_answered_by_what_became_of_it(client: httpx.Client, database: Database) -> None:
    first = post(client, chart_event())
    again = post(client, dict(reversed(chart_event().items())))
    other = post(client, chart_event(occurred_at=None))
    assert [answer.status_code for answer in (first, again, other)] == [202, 200, 409]
    assert first.json() == {"received": 1, "duplicates": 0, "conflicts": 0}
    assert again.json() == {"received": 0, "duplicates": 1, "conflicts": 0}
    assert other.json()["conflicts"] == 1
    assert database.one("SELECT count(*) FROM conflict") == 1


def test_a_member_we_do_not_know_is_content_too(client: httpx.Client) -> None:
    post(client, chart_event(nickname="a"))
    assert post(client, chart_event(nickname="b")).status_code == 409


def test_an_array_is_answered_with_counts(client: httpx.Client) -> None:
    many = [chart_event("1"), chart_event("2"), chart_event("1"), chart_event("2", source="other")]
    answer = post(client, many)
    assert (answer.status_code, answer.json()) == (202, {"received": 2, "duplicates": 1, "conflicts": 1})


def test_a_chart_is_a_queue_and_keeps_its_order(client: httpx.Client, database: Database) -> None:
    post(client, [chart_event("1", "x"), chart_event("2", "y"), chart_event("3", "x")])
    post(client, chart_event("4", "x", event_type="chart_created"))
    queue = database.sealer.blind("queue", "elation", "x")
    rows = database.rows(
        "SELECT w.seq, i.kind FROM work AS w JOIN inbox AS i ON i.id = w.arrival WHERE queue = %s ORDER BY seq",
        queue,
    )
    assert rows == [(1, "profile_changed"), (2, "profile_changed"), (3, "chart_created")]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (chart_event(event_type="chart_burned"), "event_type"),
        (chart_event(resource_id=5), "resource_id"),
        (chart_event(data={}), "data.chart"),
    ],
)
def test_a_fault_is_named_with_its_place(client: httpx.Client, document: object, place: str) -> None:
    answer = post(client, [chart_event("good"), document])
    assert answer.status_code == 422
    assert (answer.json()["index"], answer.json()["place"]) == (1, place)


def test_a_member_we_do_not_know_may_not_be_a_pit(client: httpx.Client) -> None:
    body = encoded(chart_event())[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = client.post(PATH, content=body, headers=HEADERS)
    assert answer.status_code == 400
    assert "nested too deeply" in answer.json()["detail"]


def test_the_secret_of_another_lane_does_not_open(client: httpx.Client, bearer: dict[str, str]) -> None:
    assert client.post(PATH, content=encoded(chart_event()), headers=bearer).status_code == 401
