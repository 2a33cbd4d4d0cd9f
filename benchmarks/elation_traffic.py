"""Charts that change, sent through both doors at once, and how Elation must look when all has arrived.

For the drills of the lane and for the short form among the tests. Everything is looked at from outside: the doors
by HTTP and SQL, Elation by its own API and by what it was sent. How Elation misbehaves stands in ``FAULTS``.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from assets.elation.calls import owed
from assets.elation.events import decode
from assets.elation.mapping import Practice
from resources.elation_api import POLICY_NAMES
from resources.elation_patients import holds

#: What the sandbox's practice is.
PRACTICE = Practice(primary_physician=131074, caregiver_practice=65540)
SETTINGS = {
    "ELATION_CLIENT_ID": "us",
    "ELATION_CLIENT_SECRET": "secret",
    "ELATION_PRIMARY_PHYSICIAN": "Katie",
    "ELATION_CAREGIVER_PRACTICE": "65540",
}
API = "/elation/api/2.0"
CHANGES = ("profile_changed", "contact_changed", "insurance_changed")

Row = dict[str, Any]

#: One of each class that may be tried again; several of these in a row still leave attempts.
FAULTS: tuple[Row, ...] = (
    {"status": 408},
    {"status": 425},
    {"status": 429, "retry_after": 1, "times": 2},
    {"status": 500, "take": True},
    {"status": 500},
    {"status": 502, "take": True},
    {"status": 503, "retry_after": 1},
    {"status": 504, "take": True},
    {"status": 504, "take": True, "effect_after_seconds": 1},
    {"status": 504},
    {"status": 0, "take": True},
    {"status": 0},
    {"status": 200, "take": True, "body": "<html>maintenance</html>", "content_type": "text/html"},
    {"status": 401},
)
WRITES = "(POST|PATCH) .*/patients"
REFUSED = {"status": 400, "body": {"detail": "refused by the drill"}, "match": "PATCH .*/patients"}


@dataclass(frozen=True)
class Ends:
    """Where the traffic goes in and where it comes out."""

    web: str
    token: str
    sender_url: str
    sandbox: str


@dataclass
class Traffic:
    """Every chart's events in their order; ``first_name`` counts them, so that each can be told in what was sent."""

    run: str
    charts: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """How many there are."""
        return sum(map(len, self.charts.values()))

    def by_id(self) -> dict[str, Row]:
        """Every event by its own id."""
        return {event["event_id"]: event for events in self.charts.values() for event in events}


def made(run: str, charts: int, events: int, seed: int = 0) -> Traffic:
    """So many events, a creation and then changes, spread over the charts."""
    chance = random.Random(seed)
    traffic = Traffic(run)
    for number in range(charts):
        traffic.charts[f"{run}-{number}"] = [_event(run, number, 0, "chart_created")]
    names = list(traffic.charts)
    for _ in range(events - charts):
        number = chance.randrange(charts)
        mine = traffic.charts[names[number]]
        mine.append(_event(run, number, len(mine), chance.choice(CHANGES)))
    return traffic


def _event(run: str, number: int, nth: int, kind: str) -> Row:
    chart = {
        "id": f"{run}-{number}",
        "first_name": f"Ana {nth}",
        "last_name": f"Rivera {run} {number}",
        "dob": "1961-07-04",
        "sex": "female",
        "language": "es",
        "address": {"line1": f"{nth + 1} Elm St", "city": "Bronx", "state": "NY", "zip": "10451"},
        "phones": [
            {"number": f"+1 718 555 {nth % 10_000:04}", "type": "cell", "primary": True, "owned": True}
        ],
        "payer_name": "Healthfirst",
        "member_id": f"HF{number}-{nth // 3}",
        "medicaid_id": None,
    }
    told = {"event_id": f"{run}-{number}-{nth}", "event_type": kind, "resource_id": chart["id"]}
    return {**told, "source": "arc", "data": {"chart": chart}}


# -- in --------------------------------------------------------------------------------------------------------------


def send(ends: Ends, traffic: Traffic, connections: int = 16, *, pause: float = 0.0) -> None:
    """All events of a chart over one connection, one after the other; every second connection is one of SQL.

    ``pause`` seconds lie between the events of a connection.
    """
    lanes: list[list[list[Row]]] = [[] for _ in range(connections)]
    for place, events in enumerate(traffic.charts.values()):
        lanes[place % connections].append(events)
    with ThreadPoolExecutor(connections) as pool:
        done = [
            pool.submit((_by_http, _by_sql)[place % 2], ends, list(_in_turn(some)), pause)
            for place, some in enumerate(lanes)
        ]
        for one in done:
            one.result()


def _in_turn(charts: list[list[Row]]) -> Iterator[Row]:
    """The first of each, then the second of each: what is sent one after the other is not one chart's alone."""
    for nth in range(max(map(len, charts), default=0)):
        yield from (events[nth] for events in charts if nth < len(events))


def _by_http(ends: Ends, events: list[Row], pause: float) -> None:
    headers = {"authorization": f"Bearer {ends.token}", "content-type": "application/json"}
    with httpx.Client(timeout=10.0, trust_env=False, headers=headers) as http:
        for event in events:
            _until_taken(lambda event=event: _post(http, ends, event))  # type: ignore[misc]
            time.sleep(pause)


def _post(http: httpx.Client, ends: Ends, event: Row) -> bool:
    try:
        answer = http.post(f"{ends.web}/intake/elation/events", content=json.dumps(event).encode())
    except httpx.TransportError:
        return False
    if answer.status_code < 500 and answer.status_code not in (200, 202):
        raise RuntimeError(f"the door answers {answer.status_code}")
    return answer.status_code < 500


def _by_sql(ends: Ends, events: list[Row], pause: float) -> None:
    db: psycopg.Connection[Any] | None = None
    for event in events:

        def record(event: Row = event) -> bool:
            nonlocal db
            try:
                db = db if db and not db.closed else psycopg.connect(ends.sender_url, connect_timeout=5)
                values = [
                    event["event_id"],
                    event["event_type"],
                    event["resource_id"],
                    json.dumps(event["data"]),
                ]
                db.execute("SELECT handoff.record_event('elation', %s, %s, %s, %s::jsonb)", values)
                db.commit()
            except psycopg.OperationalError:
                if db:
                    db.close()
                return False
            return True

        _until_taken(record)
        time.sleep(pause)
    if db:
        db.close()


def _until_taken(take: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not take():
        if time.monotonic() > end:
            raise RuntimeError("an event was not taken in time")
        time.sleep(0.2)


# -- what goes wrong -------------------------------------------------------------------------------------------------


class Storm:
    """Faults at random while the block lasts: one in so many seconds; refusals as many as given.

    Few wait at a time: a partner that fails every request is away, which is another matter.
    ``refusals`` says how many refusals are left to be dealt out.
    """

    MOST_WAITING = 3

    def __init__(self, ends: Ends, *, every: float, refusals: int = 0, seed: int = 0) -> None:
        self._ends, self._every, self.refusals = ends, every, refusals
        self._chance = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._blow, daemon=True)
        self.played = 0

    def __enter__(self) -> "Storm":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(20)

    def _blow(self) -> None:
        with httpx.Client(base_url=self._ends.sandbox, timeout=10.0, trust_env=False) as http:
            while not self._over.wait(self._every):
                if len(http.get("/_sandbox/elation/faults").json()) >= self.MOST_WAITING:
                    continue
                fault = {"match": WRITES, **self._chance.choice(FAULTS)}
                if self.refusals and self._chance.random() < 0.3:
                    fault, self.refusals = REFUSED, self.refusals - 1
                http.post("/_sandbox/elation/faults", json=fault)
                self.played += 1


# -- out -------------------------------------------------------------------------------------------------------------


class Health:
    """Elation as its own users see it."""

    def __init__(self, sandbox: str) -> None:
        self._http = httpx.Client(base_url=sandbox, timeout=60.0, trust_env=False)
        form = {"grant_type": "client_credentials", "client_id": "us", "client_secret": "secret"}
        token = self._http.post(f"{API}/oauth2/token/", data=form).json()["access_token"]
        self._headers = {"authorization": f"Bearer {token}"}

    def rows(self, path: str) -> Iterator[Row]:
        """All rows of a list."""
        link: str | None = f"{API}{path}?limit=100"
        while link:
            page = self._http.get(link, headers=self._headers).raise_for_status().json()
            yield from page["results"]
            link = page["next"]

    def received(self) -> list[Row]:
        """Every request it got, in order."""
        rows: list[Row] = self._http.get("/_sandbox/elation/received").json()
        return rows

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def judge(ends: Ends, traffic: Traffic, refused: Iterable[tuple[str, int]]) -> dict[str, int]:
    """What must hold, or an AssertionError that says what does not; ``refused``: event ids and part (0, 1)."""
    gone = set(refused)
    health = Health(ends.sandbox)
    try:
        patients = list(health.rows("/patients/"))
        at_elation = {
            row["metadata"]["object_id"]: row for row in patients if (row["metadata"] or {}).get("object_id")
        }
        _check(
            len(at_elation) == len(patients), f"{len(patients) - len(at_elation)} patients stand there twice"
        )
        _check(
            set(traffic.charts) == set(at_elation),
            f"{len(set(traffic.charts) - set(at_elation))} charts are missing",
        )
        behind = _out_of_order(health.received(), traffic)
        _check(not behind, f"{len(behind)} charts went out of order")
        wrong = [
            name
            for name, events in traffic.charts.items()
            if not _is_newest(health, at_elation[name], events[-1], gone)
        ]
        _check(not wrong, f"{len(wrong)} charts do not stand as their newest event has them")
    finally:
        health.close()
    return {"charts": len(patients), "events": traffic.events, "failed": len(gone)}


def _out_of_order(received: list[Row], traffic: Traffic) -> set[str]:
    """Charts of which an event took effect for the first time after a later one had."""
    latest: dict[str, int] = {}
    firsts: set[tuple[str, int]] = set()
    behind: set[str] = set()
    for row in received:
        if not row["effect"] or row["method"] not in ("POST", "PATCH") or "policies" in row["path"]:
            continue
        body = json.loads(row["body"])
        chart, nth = body["metadata"]["object_id"], int(body["first_name"].split()[1])
        if chart in traffic.charts and (chart, nth) not in firsts and nth < latest.get(chart, -1):
            behind.add(chart)
        firsts.add((chart, nth))
        latest[chart] = max(nth, latest.get(chart, -1))
    return behind


def _is_newest(health: Health, patient: Row, event: Row, gone: set[tuple[str, int]]) -> bool:
    calls = owed(decode(json.dumps(event).encode()), PRACTICE, POLICY_NAMES)
    if (event["event_id"], 0) not in gone and not holds(patient, json.loads(calls[0].body)):
        return False
    if (event["event_id"], 1) in gone:
        return True
    ranked = {row["rank"]: row for row in health.rows(f"/patients/{patient['id']}/policies/") if row["rank"]}
    return all(holds(ranked.get(want["rank"], {}), want) for want in json.loads(calls[1].body))


def doubled(received: list[Row]) -> int:
    """Creations beyond the first that took effect, over all charts."""
    created = [
        json.loads(row["body"])["metadata"]["object_id"]
        for row in received
        if row["effect"] and row["method"] == "POST" and row["path"].rstrip("/").endswith("/patients")
    ]
    return len(created) - len(set(created))


def _check(true: object, text: str) -> None:
    if not true:
        raise AssertionError(text)


def event_ids(rows: Iterable[tuple[bytes, int]], names: Mapping[bytes, str]) -> list[tuple[str, int]]:
    """Blind names of the store and parts, as event ids and parts."""
    return [(names[bytes(name)], part) for name, part in rows if bytes(name) in names]
