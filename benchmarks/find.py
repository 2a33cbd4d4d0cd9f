"""``find_1m`` (FULL), ``find_100k``: milliseconds to find a patient's messages by the patient's id."""

import os
import statistics
import time
from collections.abc import Iterator

import psycopg

from benchmarks.lines import Line
from benchmarks.place import Place
from resources.store.connect import Connection
from resources.store.ids import Ids
from resources.store.lanes import NUMBERS
from resources.store.lookup import Filter, arrivals_of_key, find
from resources.store.seal import Sealer

LANE = "reportstream"
#: Each patient has so many messages; one in twenty of all still waits.
EACH = 10
ROUNDS = 50

_FILL = """
WITH n AS MATERIALIZED (
    SELECT n, %(first)s + n * 8 AS id, hashint8extended(n, 7) AS queue
      FROM generate_series(0::bigint, %(number)s - 1) AS n),
i AS (INSERT INTO inbox (id, lane, kind, patient, body)
      SELECT id, %(lane)s, 'test_event', CASE WHEN n %% %(patients)s = 0 THEN %(patient)s
                                              ELSE hashint8extended(n %% %(patients)s, 9) END, %(body)b FROM n),
q AS (INSERT INTO queue (key, lane, last_seq, ready_at) SELECT queue, %(lane)s, 1, now() FROM n WHERE n %% 20 = 0),
w AS (INSERT INTO work (queue, seq, lane, arrival) SELECT queue, 1, %(lane)s, id FROM n WHERE n %% 20 = 0)
INSERT INTO ended (arrival, part, lane, state, queue, seq, attempts)
SELECT id, 0, %(lane)s, 2, queue, 1, 1 FROM n WHERE n %% 20 <> 0
"""


def measure(place: Place) -> Iterator[Line]:
    """Among a million, or a hundred thousand."""
    return among(place, "1m", 1_000_000) if place.full else among(place, "100k", 100_000)


def among(place: Place, name: str, number: int) -> Iterator[Line]:
    """Among so many messages."""
    patient = "the patient looked for"
    sealer = place.sealer
    values = {
        "first": Ids(0)(),
        "number": number,
        "lane": NUMBERS[LANE],
        "patients": number // EACH,
        "patient": sealer.blind("patient", LANE, patient),
        "body": os.urandom(900),
    }
    with psycopg.connect(place.owner_url, options="-c search_path=handoff", autocommit=True) as db:
        db.execute(_FILL, values)
    place.tidy()
    with place.connect() as db:
        seconds = [_once(db, sealer, patient) for _ in range(ROUNDS)]
    yield Line(
        bench=f"find_{name}",
        value=statistics.median(seconds) * 1000,
        unit="ms",
        also={"worst": round(max(seconds) * 1000, 1)},
    )


def _once(db: Connection, sealer: Sealer, patient: str) -> float:
    began = time.perf_counter()
    found = find(db, Filter(arrivals=arrivals_of_key(db, sealer, patient)))
    seconds = time.perf_counter() - began
    if len(found) != EACH:
        raise RuntimeError(f"{len(found)} messages found instead of {EACH}")
    return seconds
