"""``GET /metrics``: Prometheus text, from the store at scrape and from this process's own doors.

For this machine, or with a token: counts tell how many patients somebody has.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import accumulate
from time import monotonic
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from assets.drain.outcomes import Outcome
from resources.store.connect import Away, Borrowed, Connection
from resources.store.ids import first_id
from resources.store.lanes import NAMES, NUMBERS
from resources.store.values import State
from web.figures import BOUNDS, Figures, Meter
from web.proof import Secrets
from web.sight import Sight, see

#: Two scrapes within this time get the same figures of the store.
FRESH_SECONDS = 10.0
#: A store too busy to count leaves its figures out.
COUNT_SECONDS = 5

Labels = Mapping[str, object]
#: What a lane of its own counts.
Counts = Callable[[Connection], Sequence["Family"]]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its samples share name, type and meaning. A sample's suffix is that of a histogram's parts."""

    name: str
    kind: str
    meaning: str
    samples: Sequence[tuple[str, Labels, float]]


def exposition(families: Iterable[Family]) -> str:
    """The text format, version 0.0.4."""
    lines = []
    for family in families:
        lines += [f"# HELP {family.name} {family.meaning}", f"# TYPE {family.name} {family.kind}"]
        for suffix, labels, value in family.samples:
            lines.append(f"{family.name}{suffix}{_labels(labels)} {value:.10g}")
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""


def gauge(name: str, meaning: str, values: Iterable[tuple[Labels, float]]) -> Family:
    """A family of plain values."""
    return Family(name, "gauge", meaning, [("", labels, value) for labels, value in values])


def of_doors(figures: Figures) -> list[Family]:
    """What this process has counted since it started."""
    meters = figures.meters.values()
    answers = [
        ("", {"lane": meter.lane, "status": status}, count)
        for meter in meters
        for status, count in sorted(meter.answers.items())
    ]
    events = [
        ("", {"lane": meter.lane, "verdict": verdict.value}, count)
        for meter in meters
        for verdict, count in meter.arrivals.items()
    ]
    seconds = [sample for meter in meters for sample in _histogram(meter, {"lane": meter.lane})]
    return [
        Family("handoff_door_answers_total", "counter", "Requests by the status of their answer.", answers),
        Family("handoff_door_events_total", "counter", "Events taken, by what became of them.", events),
        Family("handoff_door_seconds", "histogram", "Time to the answer, commit included.", seconds),
    ]


def of_pages(meter: Meter) -> list[Family]:
    """What this process has counted of its pages."""
    answers = [("", {"status": status}, count) for status, count in sorted(meter.answers.items())]
    return [
        Family("handoff_page_answers_total", "counter", "Pages by the status of their answer.", answers),
        Family("handoff_page_seconds", "histogram", "Time to the answer of a page.", _histogram(meter, {})),
    ]


def _histogram(meter: Meter, labels: Labels) -> list[tuple[str, Labels, float]]:
    bounds = zip((*map(str, BOUNDS), "+Inf"), accumulate(meter.buckets), strict=True)
    return [
        *(("_bucket", {**labels, "le": bound}, count) for bound, count in bounds),
        ("_sum", labels, meter.seconds),
        ("_count", labels, sum(meter.buckets)),
    ]


def of_lanes(sights: Sequence[Sight]) -> list[Family]:
    """What the watch would see now."""

    def each(name: str, meaning: str, value: Callable[[Sight], float]) -> Family:
        return gauge(name, meaning, [({"lane": sight.lane}, value(sight)) for sight in sights])

    return [
        each("handoff_run_live", "1 while a run drains the lane.", lambda sight: sight.live),
        each("handoff_lane_held", "1 while a person holds the lane.", lambda sight: sight.held),
        each(
            "handoff_partner_away_seconds",
            "How long the breaker has been open; 0 while it is closed.",
            lambda sight: sight.away_seconds or 0.0,
        ),
        each(
            "handoff_oldest_ready_seconds",
            "Age of the oldest work that could be done now.",
            lambda sight: sight.ready_seconds,
        ),
        each("handoff_queues_held", "Queues that a final failure holds.", lambda sight: sight.queues_held),
    ]


def of_store(db: Connection, now: datetime) -> list[Family]:
    """What the store counts, each over a time that keeps the counting short."""
    hour, day = first_id(now - timedelta(hours=1)), first_id(now - timedelta(days=1))
    return [
        gauge("handoff_arrivals_last_hour", "Arrivals of the last hour.", _arrivals(db, hour)),
        gauge(
            "handoff_messages",
            "Messages by state: all that wait, and what became of those that arrived within a day.",
            _messages(db, day),
        ),
        *_attempts(db, day),
    ]


def _arrivals(db: Connection, since: int) -> list[tuple[Labels, float]]:
    rows: list[Any] = db.execute(
        "SELECT lane, count(*) FROM inbox WHERE id >= %s GROUP BY lane ORDER BY lane", [since]
    ).fetchall()
    counted = dict(rows)
    return [({"lane": lane}, counted.get(number, 0)) for lane, number in NUMBERS.items()]


def _messages(db: Connection, since: int) -> list[tuple[Labels, float]]:
    rows: list[Any] = db.execute(
        """
        SELECT lane %% 10, 0, count(*) FROM work WHERE lane < 100 GROUP BY 1
        UNION ALL SELECT lane, state, count(*) FROM ended WHERE arrival >= %s GROUP BY lane, state ORDER BY 1, 2
        """,
        [since],
    ).fetchall()
    return [({"lane": NAMES[lane], "state": State(state).name.lower()}, count) for lane, state, count in rows]


def _attempts(db: Connection, since: int) -> list[Family]:
    rows: list[Any] = db.execute(
        """
        SELECT d.lane, a.outcome, count(*), avg(a.ms) / 1000, max(a.ms) / 1000.0
          FROM attempt AS a JOIN drain AS d ON d.lease = a.lease
         WHERE a.message >= %s AND a.at > now() - interval '1 hour' GROUP BY 1, 2 ORDER BY 1, 2
        """,
        [since],
    ).fetchall()
    labelled = [
        ({"lane": NAMES[lane], "outcome": Outcome(outcome).name.lower()}, numbers)
        for lane, outcome, *numbers in rows
    ]
    about = "attempts of the last hour for what arrived within a day"
    return [
        gauge("handoff_attempts_last_hour", f"Number of {about}.", [(at, one[0]) for at, one in labelled]),
        gauge("handoff_attempt_seconds_mean", f"Mean of {about}.", [(at, one[1]) for at, one in labelled]),
        gauge("handoff_attempt_seconds_max", f"Longest of {about}.", [(at, one[2]) for at, one in labelled]),
    ]


class Metrics:
    """Answers a scrape."""

    def __init__(
        self,
        store: Borrowed,
        secrets: Secrets,
        figures: Figures,
        windows: Mapping[str, float],
        also: Sequence[Counts] = (),
    ) -> None:
        self._store, self._secrets, self._figures = store, secrets, figures
        self._windows, self._also = windows, also
        self._one = asyncio.Lock()
        self._counted: list[Family] = []
        self._at = float("-inf")

    async def __call__(self, request: Request) -> Response:
        """The figures, for those who may have them."""
        token = request.headers.get("authorization", "").encode("latin-1")
        if not (_loopback(request) or self._secrets.bearer(token)):
            return PlainTextResponse("a token is wanted\n", 401, {"www-authenticate": "Bearer"})
        async with self._one:
            if monotonic() - self._at > FRESH_SECONDS:
                self._counted = await asyncio.to_thread(self._count)
                self._at = monotonic()
        own = [*of_doors(self._figures), *of_pages(self._figures.pages)]
        text = exposition([*own, *self._counted])
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    def _count(self) -> list[Family]:
        try:
            with self._store() as db, db.transaction():
                db.execute(f"SET LOCAL statement_timeout = '{COUNT_SECONDS}s'")
                sights = [see(db, lane, window=self._windows.get(lane, 0.0)) for lane in NUMBERS]
                found = [*of_lanes(sights), *of_store(db, datetime.now(UTC))]
                found += [family for count in self._also for family in count(db)]
        except Away:
            return [_up(0)]
        return [_up(1), *found]


def _up(value: int) -> Family:
    return gauge("handoff_store_counted", "1 if the store could be counted.", [({}, value)])


def _loopback(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
