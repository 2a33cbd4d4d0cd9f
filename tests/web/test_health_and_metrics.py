"""What the service says of itself: to a prober without proof, to Prometheus on this machine or with a token."""

import asyncio
import re
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from resources.settings import Settings
from resources.store.connect import Borrowed
from resources.store.lanes import NUMBERS
from tests.conftest import Database
from tests.web.conftest import Deployed, encoded, event
from web.figures import Figures, Meter
from web.metrics import Family, Metrics, exposition
from web.proof import Secrets

PATH = "/intake/reportstream/test-events"
SAMPLE = re.compile(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+-]+')


def health(client: httpx.Client) -> httpx.Response:
    """What it says once the watch has looked for the first time."""
    until = time.monotonic() + 15
    while not (answer := client.get("/health")).json()["lanes"] and time.monotonic() < until:
        time.sleep(0.05)
    return answer


def test_health_says_ok_while_nothing_stands_still(client: httpx.Client) -> None:
    answer = health(client)
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["lanes"] == dict.fromkeys(NUMBERS, "ok")


def test_health_is_degraded_but_up_while_a_lane_is_held(deployed: Deployed, database: Database) -> None:
    database.rows("UPDATE lane SET hold = 'Lea Quill asked' WHERE number = 2 RETURNING 1")
    answer = health(deployed())
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["lanes"]["elation"] == "held"
    assert "Quill" not in answer.text


def samples(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in lines)
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_metrics_count_what_came_and_what_waits(
    client: httpx.Client, bearer: dict[str, str], database: Database
) -> None:
    client.post(PATH, content=encoded([event("1"), event("2"), event("2")]), headers=bearer)
    client.post(PATH, content=b"{}", headers=bearer)
    with database.connect() as db:
        db.execute("INSERT INTO drain (lease, lane, run_id, code) VALUES (1, 2, 'r', 'c')")
        db.execute(
            "INSERT INTO attempt (message, lease, outcome, status, ms)"
            " SELECT max(id), 1, 2, 503, ms FROM inbox, unnest('{200,400}'::int[]) AS ms GROUP BY ms"
        )
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    seen = samples(answer.text)
    assert seen['handoff_door_answers_total{lane="reportstream",status="202"}'] == 1
    assert seen['handoff_door_answers_total{lane="reportstream",status="422"}'] == 1
    assert seen['handoff_door_events_total{lane="reportstream",verdict="duplicate"}'] == 1
    assert seen['handoff_door_seconds_count{lane="reportstream"}'] == 2
    assert seen['handoff_arrivals_last_hour{lane="reportstream"}'] == 2
    assert seen['handoff_messages{lane="reportstream",state="waiting"}'] == 2
    assert seen['handoff_attempts_last_hour{lane="elation",outcome="try_later"}'] == 2
    assert seen['handoff_attempt_seconds_mean{lane="elation",outcome="try_later"}'] == pytest.approx(0.3)
    assert seen['handoff_run_live{lane="elation"}'] == 0
    assert seen["handoff_store_counted"] == 1


def test_metrics_tell_how_long_pages_take(client: httpx.Client) -> None:
    before = samples(client.get("/metrics").text)
    assert before["handoff_page_seconds_count"] == 0
    assert [client.get(path).status_code for path in ("/sign-in", "/sign-in", "/orders")] == [200, 200, 303]
    seen = samples(client.get("/metrics").text)
    assert seen["handoff_page_seconds_count"] == 3
    assert seen['handoff_page_seconds_bucket{le="+Inf"}'] == 3
    assert seen['handoff_page_answers_total{status="200"}'] == 2


def test_metrics_of_a_store_that_is_away_still_show_the_doors(deployed: Deployed) -> None:
    client = deployed(HANDOFF_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    seen = samples(client.get("/metrics").text)
    assert seen["handoff_store_counted"] == 0
    assert seen['handoff_door_seconds_count{lane="reportstream"}'] == 0


async def ask_from(metrics: Metrics, address: str, token: str | None) -> httpx.Response:
    transport = httpx.ASGITransport(
        Starlette(routes=[Route("/metrics", metrics.__call__)]), client=(address, 1)
    )
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as http:
        return await http.get("/metrics", headers=headers)


@pytest.mark.parametrize(
    ("address", "token", "status"),
    [
        ("127.0.0.1", None, 200),
        ("::1", None, 200),
        ("10.1.2.3", None, 401),
        ("10.1.2.3", "wrong", 401),
        ("10.1.2.3", "scraper", 200),
        ("not an address", None, 401),
    ],
)
def test_metrics_are_for_this_machine_or_with_a_token(
    database: Database, address: str, token: str | None, status: int
) -> None:
    secrets = Secrets.read(Settings({"HANDOFF_TOKENS_METRICS": "scraper"}), "HANDOFF_TOKENS_METRICS")
    store = Borrowed(database.cluster.app_url, "test metrics")
    assert asyncio.run(ask_from(Metrics(store, secrets, Figures(), {}), address, token)).status_code == status
    store.close()


def test_the_histogram_of_a_door_adds_up() -> None:
    meter = Meter("elation")
    for seconds in (0.0005, 0.001, 0.003, 9.0):
        meter.answered(202, seconds)
    assert meter.buckets == [2, 0, 1, *[0] * 9, 1]
    assert meter.seconds == pytest.approx(9.0045)


def test_refusals_are_logged_once_a_minute_with_how_many_there_were(caplog: pytest.LogCaptureFixture) -> None:
    clock = [0.0]
    meter = Meter("elation", lambda: clock[0])
    for now in (0.0, 1.0, 2.0, 61.0):
        clock[0] = now
        meter.refused(401)
    assert [record.getMessage() for record in caplog.records] == [
        "elation: refused with 401, and 0 more since the last such line",
        "elation: refused with 401, and 2 more since the last such line",
    ]


def test_a_family_is_written_as_prometheus_reads_it() -> None:
    family = Family("n", "gauge", "What it is.", [("", {}, 1), ("_sum", {"lane": "x", "le": "0.5"}, 0.25)])
    assert (
        exposition([family]) == '# HELP n What it is.\n# TYPE n gauge\nn 1\nn_sum{lane="x",le="0.5"} 0.25\n'
    )
