"""Scenarios of ordered queues, played on the real store by real runs in virtual time: exact to the second."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from assets.drain.frame import Drain
from assets.drain.outcomes import RetryPlan
from assets.drain.settings import Pace, SinglesLane
from assets.drain.singles import Singles
from resources.errors import Refused, TryLater
from resources.store import operators
from resources.store.lanes import NUMBERS
from resources.store.values import Arrival, Message, OnFailure, Owed, Receipt
from tests.conftest import Database, case_folders
from tests.store.making import arrival
from tests.store.virtual_time import VirtualTime, virtual_time
from web.sight import see
from web.watch import of_lane

LANE = "elation"
WHO = operators.Who("Operator", "the scenario says so")
FINAL = {"waiting": "pending", "delivered": "done", "failed": "failed", "skipped": "skipped"}

Outcome = Literal["ok", "retry", "fatal"] | tuple[Literal["retry"], float]


class Event(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    key: str
    at: float
    outcomes: Annotated[list[Outcome], msgspec.Meta(min_length=1)]


class Act(msgspec.Struct, forbid_unknown_fields=True):
    at: float
    op: Literal["skip", "retry", "hold", "release"]
    id: str


class Expect(msgspec.Struct, forbid_unknown_fields=True):
    log: list[list[Any]]
    final: dict[str, str]
    alerts: list[list[Any]]


class Scenario(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    events: list[Event]
    retry_delays: list[float]
    expect: Expect
    on_terminal: Literal["continue", "hold", "cancel_rest"] = "continue"
    operator: list[Act] = []


def files() -> list[Path]:
    folders = [folder / "partners" / "queue" for folder in case_folders()]
    return [path for folder in folders for path in sorted(folder.glob("*.jsonl"))]


def scenarios() -> list[Any]:
    lines = [(path, line) for path in files() for line in path.read_bytes().splitlines() if line.strip()]
    return [
        pytest.param(line, id=f"{path.parents[2].name}-{json.loads(line).get('name')}")
        for path, line in lines
    ]


class FarEnd:
    """Answers each event's tries in turn, the last one again and again, and logs them."""

    def __init__(self, scenario: Scenario, time: VirtualTime) -> None:
        self._outcomes = {event.id: event.outcomes for event in scenario.events}
        self._tries: Counter[str] = Counter()
        self._time = time
        self.log: list[list[Any]] = []

    async def send(self, message: Message) -> Receipt:
        name = message.body.decode()
        self._tries[name] += 1
        outcomes = self._outcomes[name]
        outcome = outcomes[min(self._tries[name], len(outcomes)) - 1]
        kind, after = outcome if isinstance(outcome, tuple) else (outcome, None)
        self.log.append([self._time.seconds, name, self._tries[name], kind])
        if kind == "fatal":
            raise Refused("POST far: 422", status=422)
        if kind == "retry":
            raise TryLater("POST far: 503", status=503, after_seconds=after)
        return Receipt()

    async def ask(self, message: Message) -> Receipt | None:
        raise AssertionError("nothing is unsure here")

    async def close(self) -> None:
        pass


class Play:
    """One scenario between its store, its far end and its clock."""

    def __init__(self, database: Database, scenario: Scenario, time: VirtualTime) -> None:
        self._database, self._scenario, self._time = database, scenario, time
        self.far = FarEnd(scenario, time)
        self.alerts: list[list[Any]] = []
        self._names = {database.sealer.name(LANE, event.id): event.id for event in scenario.events}

    def through(self) -> None:
        """From event to event until nothing will ever be ready again."""
        moments = {one.at for one in [*self._scenario.events, *self._scenario.operator]}
        while moments:
            at = min(moments)
            moments.discard(at)
            self._time.set(at)
            self._arrive(at)
            self._act(at)
            self._run()
            self._look(at)
            if (ready := self._time.next_ready()) is not None:
                assert ready > at, "something is ready and no run takes it"
                moments.add(ready)

    def final(self) -> dict[str, str]:
        from resources.store.values import State

        waiting = self._database.rows("SELECT s.name, 0 FROM work AS w JOIN seen AS s USING (arrival)")
        ended = self._database.rows("SELECT s.name, e.state FROM ended AS e JOIN seen AS s USING (arrival)")
        rows = [*waiting, *ended]
        return {self._names[bytes(name)]: FINAL[State(state).name.lower()] for name, state in rows}

    def _arrive(self, at: float) -> None:
        for event in (event for event in self._scenario.events if event.at == at):
            body = event.id.encode()
            self._database.receive([arrival(self._database.sealer, event.id, queue=event.key, body=body)])

    def _act(self, at: float) -> None:
        for act in (act for act in self._scenario.operator if act.at == at):
            name = self._database.sealer.name(LANE, act.id)
            message = int(str(self._database.one("SELECT arrival FROM seen WHERE name = %s", name)))
            with self._time.connect() as db:
                if act.op == "skip":
                    operators.skip(db, message, WHO)
                elif act.op == "retry":
                    operators.retry_now(db, message, WHO)
                elif act.op == "hold":
                    operators.hold_queue(db, operators.queue_of(db, message), WHO)
                else:
                    operators.release_queue(db, operators.queue_of(db, message), WHO)
            self.far.log.append([at, act.id, "operator", act.op])

    def _run(self) -> None:
        plan = RetryPlan(waits=tuple(self._scenario.retry_delays), jitter=0.0)
        lane = SinglesLane(
            name=LANE,
            number=NUMBERS[LANE],
            map=_as_it_is,
            connect=self._far,
            on_failure=lambda kind: OnFailure(self._scenario.on_terminal),
            pace=Pace(linger=0.0, heartbeat=0.5, retry=plan, breaker_after=0, concurrency=4),
        )
        drain = Drain(
            url=self._database.cluster.app_url,
            sealer=self._database.sealer,
            lane=lane.number,
            run_id="scenario",
            pace=lane.pace,
            connect=self._time.connect_async,
        )
        asyncio.run(drain.run(lambda drain: [Singles(drain, lane, self.far)]))

    async def _far(self) -> FarEnd:
        return self.far

    def _look(self, at: float) -> None:
        """What the watch would say now that it has not said."""
        with self._database.connect() as db:
            (failure,) = [one.text for one in of_lane(see(db, LANE)) if one.key == f"failed:{LANE}"] or [""]
        for name, message in self._database.rows("SELECT name, arrival FROM seen"):
            event = self._names[bytes(name)]
            if f"message {message} " in failure and event not in [alert[1] for alert in self.alerts]:
                kind = "exhausted" if "given up after" in failure else "non_retryable"
                self.alerts.append([at, event, kind])


def _as_it_is(arrival: Arrival) -> list[Owed]:
    return [Owed(kind=arrival.kind, body=arrival.body)]


@pytest.mark.cases
@pytest.mark.skipif(not files(), reason="no scenarios: HANDOFF_CASES has no folder partners/queue")
@pytest.mark.parametrize("line", scenarios())
def test_a_scenario_is_played_to_the_second(database: Database, line: bytes) -> None:
    scenario = msgspec.json.decode(line, type=Scenario)
    keys = {event.id: event.key for event in scenario.events}
    with virtual_time(database) as time:
        play = Play(database, scenario, time)
        play.through()
    assert by_key(play.far.log, keys) == by_key(scenario.expect.log, keys)
    assert [row[0] for row in play.far.log] == sorted(row[0] for row in play.far.log)
    assert play.final() == scenario.expect.final
    assert play.alerts == scenario.expect.alerts


def by_key(log: list[list[Any]], keys: dict[str, str]) -> dict[str, list[list[Any]]]:
    """Rows at one time may come in any order between keys, never within one."""
    return {key: [row for row in log if keys[row[1]] == key] for key in sorted(set(keys.values()))}
