"""The door asks Dagster for a run: for a cold lane, once, after the sender was answered; it never fails one."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from resources.settings import Settings
from resources.store import drains
from resources.store.connect import Borrowed, connect_async
from tests.conftest import Database
from tests.web.conftest import ELATION, Deployed, chart_event, encoded, event
from tests.web.serving import serving
from web.asking import Asking, Window, dagster_url

LAUNCHED = {"data": {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": "r"}}}}
REFUSED = {"data": {"launchRun": {"__typename": "PipelineNotFoundError"}}}


class Dagster:
    """The webserver's GraphQL as the door knows it: notes what it was asked, answers as it is told."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.answers: list[Response] = []

    async def __call__(self, request: Request) -> Response:
        self.asked.append((await request.json())["variables"]["params"])
        return self.answers.pop(0) if self.answers else JSONResponse(LAUNCHED)

    @contextmanager
    def serving(self) -> Iterator[str]:
        with serving(Starlette(routes=[Route("/graphql", self.__call__, methods=["POST"])])) as url:
            yield url


@pytest.fixture
def dagster() -> Dagster:
    return Dagster()


@pytest.fixture
def url(dagster: Dagster) -> Iterator[str]:
    with dagster.serving() as url:
        yield url


def until(seen: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def send_chart(client: httpx.Client, event_id: str) -> None:
    headers = {"authorization": f"Bearer {ELATION}"}
    assert client.post(
        "/intake/elation/events", content=encoded(chart_event(event_id)), headers=headers
    ).is_success


def test_a_cold_lane_is_asked_for_once(
    deployed: Deployed, dagster: Dagster, url: str, database: Database
) -> None:
    client = deployed(HANDOFF_DAGSTER_URL=url)
    for number in range(20):
        send_chart(client, str(number))
    assert until(lambda: bool(dagster.asked))
    time.sleep(1.5)  # one more look of the asker
    (asked,) = dagster.asked
    assert asked["selector"] == {
        "repositoryLocationName": "handoff",
        "repositoryName": "__repository__",
        "jobName": "elation",
    }
    assert {"key": "lane", "value": "elation"} in asked["executionMetadata"]["tags"]  # type: ignore[index]
    assert database.one("SELECT asked_at > now() - interval '20 s' FROM lane WHERE name = 'elation'") is True


def test_a_repeat_wakes_nobody(deployed: Deployed, dagster: Dagster, url: str, database: Database) -> None:
    send_chart(deployed(), "1")
    database.rows("UPDATE lane SET asked_at = '-infinity' RETURNING 1")
    client = deployed(HANDOFF_DAGSTER_URL=url)
    send_chart(client, "1")
    time.sleep(0.5)
    assert dagster.asked == []


def ask_once(
    database: Database, url: str, lane: str = "elation", windows: dict[str, Window] | None = None
) -> None:
    """Let the asker see one arrival and give it time for one round."""

    store = Borrowed(database.cluster.app_url, "test asking")

    async def main() -> None:
        asking = Asking(store, url, windows or {})
        task = asyncio.create_task(asking.run())
        asking.arrived(lane)
        await asyncio.sleep(1.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    store.close()


def test_a_lane_that_somebody_drains_is_left_alone(dagster: Dagster, url: str, database: Database) -> None:
    async def drain_and_ask() -> None:
        async with await connect_async(database.cluster.app_url) as db:
            await drains.register(db, 2, "run", "code")
            await asyncio.to_thread(ask_once, database, f"{url}/graphql")

    asyncio.run(drain_and_ask())
    assert dagster.asked == []


def test_a_lane_that_the_sensor_has_just_asked_for_is_left_alone(
    dagster: Dagster, url: str, database: Database
) -> None:
    with database.connect() as db:
        assert drains.ask(db, 2, 20.0)
    ask_once(database, f"{url}/graphql")
    assert dagster.asked == []


def test_a_lane_that_a_person_holds_is_left_alone(dagster: Dagster, url: str, database: Database) -> None:
    database.rows("UPDATE lane SET hold = 'new charts wait for Monday' WHERE name = 'elation' RETURNING 1")
    ask_once(database, f"{url}/graphql")
    assert dagster.asked == []


def test_a_webserver_that_has_lost_its_database_is_asked_again(
    dagster: Dagster, url: str, database: Database
) -> None:
    dagster.answers = [Response("away", 500)]
    ask_once(database, f"{url}/graphql")
    assert len(dagster.asked) == 2


def test_where_nothing_was_launched_the_sensor_need_not_wait(
    dagster: Dagster, url: str, database: Database
) -> None:
    dagster.answers = [JSONResponse(REFUSED)]
    ask_once(database, f"{url}/graphql")
    assert len(dagster.asked) == 1
    ask_once(database, "http://127.0.0.1:9/graphql")
    assert database.one("SELECT asked_at = '-infinity' FROM lane WHERE name = 'elation'") is True


def test_a_batch_is_asked_for_when_it_is_due(
    deployed: Deployed, dagster: Dagster, url: str, bearer: dict[str, str]
) -> None:
    client = deployed(HANDOFF_DAGSTER_URL=url, REPORTSTREAM_BATCH_WINDOW_SECONDS=2)
    began = time.monotonic()
    client.post("/intake/reportstream/test-events", content=encoded(event()), headers=bearer)
    assert until(lambda: bool(dagster.asked))
    assert time.monotonic() - began >= 2


def test_no_batch_is_asked_for_where_all_has_been_sent_meanwhile(
    dagster: Dagster, url: str, database: Database
) -> None:
    ask_once(database, f"{url}/graphql", "reportstream", {"reportstream": Window(seconds=0.0, items=500)})
    assert dagster.asked == []


def test_a_full_batch_does_not_wait_for_its_window(
    deployed: Deployed, dagster: Dagster, url: str, bearer: dict[str, str]
) -> None:
    client = deployed(HANDOFF_DAGSTER_URL=url, REPORTSTREAM_BATCH_ITEMS=3)
    many = encoded([event(str(number)) for number in range(3)])
    client.post("/intake/reportstream/test-events", content=many, headers=bearer)
    assert until(lambda: bool(dagster.asked), 3)


def test_dagster_is_found_on_its_port_or_where_the_setting_says() -> None:
    assert dagster_url(Settings({})) == "http://127.0.0.1:3000/graphql"
    assert dagster_url(Settings({"HANDOFF_DAGSTER_PORT": "3100"})) == "http://127.0.0.1:3100/graphql"
    assert (
        dagster_url(Settings({"HANDOFF_DAGSTER_URL": "https://d.example/x/"}))
        == "https://d.example/x/graphql"
    )
