"""Asking Dagster for a run when something has come for a lane that nobody drains.

The sender has been answered before and never waits for this. The lane's sensor is the safety net: what goes wrong
here costs a cold lane some seconds. The store decides who asks, so the sensor and several web processes do not
ask side by side.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from resources.settings import Settings
from resources.store import claims, drains
from resources.store.connect import Away, Borrowed, Connection
from resources.store.lanes import NUMBERS
from web.logs import place_of

log = logging.getLogger("handoff.asking")

#: A run that was asked for takes a moment to hold its lane; the sensor waits as long.
ASKED_SECONDS = 20.0
#: A lane that receives all the time is not looked at more often.
LOOK_SECONDS = 1.0
#: The webserver answers 500 once for each connection its database has lost, and while the code server starts.
PASSING = ("HTTP 500", "HTTP 502", "HTTP 503", "HTTP 504", "PythonError")
TRIES_AFTER = (0.0, 0.5, 2.0)

LAUNCHED = "LaunchRunSuccess"

#: ``__repository__`` is what Dagster calls the definitions of a module.
SELECTOR = {"repositoryLocationName": "handoff", "repositoryName": "__repository__"}

LAUNCH = """
mutation Ask($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""


@dataclass(frozen=True, slots=True)
class Window:
    """When a lane of batches has something to do: after so many seconds, or with so many events."""

    seconds: float
    items: int

    def left(self, db: Connection, lane: int) -> float | None:
        """Seconds until a batch is due; 0 when one is, None when nothing waits."""
        ready = claims.ready(db, lane, self.items)
        if not ready.queues:
            return None
        if ready.queues >= self.items:
            return 0.0
        return max(0.0, self.seconds - ready.oldest_seconds)


def windows(settings: Settings) -> dict[str, Window]:
    """The lanes that wait for more before they send."""
    return {
        "reportstream": Window(
            settings.number("REPORTSTREAM_BATCH_WINDOW_SECONDS", 120.0),
            settings.whole("REPORTSTREAM_BATCH_ITEMS", 500),
        )
    }


def seconds(settings: Settings) -> dict[str, float]:
    """How long each of them may wait."""
    return {lane: window.seconds for lane, window in windows(settings).items()}


def dagster_url(settings: Settings) -> str:
    """Where the webserver answers GraphQL."""
    port = settings.whole("HANDOFF_DAGSTER_PORT", 3000)
    return settings.text("HANDOFF_DAGSTER_URL", f"http://127.0.0.1:{port}").rstrip("/") + "/graphql"


class Asking:
    """One task a lane; ``arrived`` wakes it and costs nothing."""

    def __init__(self, store: Borrowed, url: str, waits: Mapping[str, Window]) -> None:
        self._store, self._url, self._windows = store, url, waits
        self._wakes = {lane: asyncio.Event() for lane in NUMBERS}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def arrived(self, lane: str) -> None:
        """Something new was stored for the lane."""
        self._wakes[lane].set()

    async def run(self) -> None:
        """Until cancelled."""
        limits = httpx.Timeout(30.0, connect=2.0)
        async with httpx.AsyncClient(timeout=limits, trust_env=False) as http, asyncio.TaskGroup() as tasks:
            for lane in NUMBERS:
                tasks.create_task(self._attend(lane, http), name=f"asking for {lane}")

    async def _attend(self, lane: str, http: httpx.AsyncClient) -> None:
        while True:
            await self._wakes[lane].wait()
            self._wakes[lane].clear()
            pause = LOOK_SECONDS
            try:
                left = await asyncio.to_thread(self._look, lane)
                if left == 0:
                    pause = ASKED_SECONDS
                    await self._ask(lane, http)
                elif left:
                    self._again(lane, left)
            except Away:
                log.info("%s: the store is away; the sensor will ask", lane)
            except Exception as error:
                log.error("%s: no run was asked for (%s)", lane, place_of(error))
            await asyncio.sleep(pause)

    def _again(self, lane: str, seconds: float) -> None:
        if timer := self._timers.get(lane):
            timer.cancel()
        self._timers[lane] = asyncio.get_running_loop().call_later(seconds, self._wakes[lane].set)

    def _look(self, lane: str) -> float | None:
        """0 when a run is to be asked for now, seconds until then, None when nobody need ask."""
        number = NUMBERS[lane]
        with self._store() as db:
            if drains.pause(db, number) or drains.lives(db, number):
                return None
            window = self._windows.get(lane)
            if window and (left := window.left(db, number)) != 0:
                return left
            return 0.0 if drains.ask(db, number, ASKED_SECONDS) else None

    async def _ask(self, lane: str, http: httpx.AsyncClient) -> None:
        said = ""
        for pause in TRIES_AFTER:
            await asyncio.sleep(pause)
            said = await launch(http, self._url, lane)
            if said not in PASSING:
                break
        if said == LAUNCHED:
            log.info("%s: a run was asked for", lane)
            return
        log.warning("%s: no run was asked for (%s); the sensor will", lane, said)
        await asyncio.to_thread(self._not_asked, lane)

    def _not_asked(self, lane: str) -> None:
        """Nothing was launched: the sensor need not wait."""
        with self._store() as db:
            db.execute("UPDATE lane SET asked_at = '-infinity' WHERE number = %s", [NUMBERS[lane]])


async def launch(http: httpx.AsyncClient, url: str, lane: str) -> str:
    """Launch the lane's job; what Dagster says, in one word."""
    params = {
        "selector": {**SELECTOR, "jobName": lane},
        "runConfigData": {},
        "executionMetadata": {
            "tags": [{"key": "lane", "value": lane}, {"key": "handoff/asked", "value": "door"}]
        },
    }
    try:
        response = await http.post(url, json={"query": LAUNCH, "variables": {"params": params}})
    except httpx.HTTPError as error:
        return type(error).__name__
    if response.status_code != 200:
        return f"HTTP {response.status_code}"
    try:
        return str(response.json()["data"]["launchRun"]["__typename"])
    except (ValueError, KeyError, TypeError):
        return "an answer that is not Dagster's"
