"""``consultations_page``, ``consultations_report``: milliseconds for a page of consultations, and for a month's report.

Pages are asked for by people who have signed in, at the web service as it is deployed; each shows names and so writes
the access log. The figure is that of the slowest list, its median; the others stand beside it. The report reads a
month in which all of them were received, makes the workbook and keeps it. 100,000 consultations with FULL, else 10,000.
"""

import html
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import httpx
import msgspec
import psycopg

from assets.pridok import kpi, month
from assets.pridok.clinic import Clinic
from assets.pridok.referral import Contact
from benchmarks.intake import serving
from benchmarks.lines import Line
from benchmarks.place import Place
from handoff import staff
from resources.store.connect import connect
from resources.store.ids import Ids

SIZES = {True: 100_000, False: 10_000}
ROUNDS = 15
OF_SECRETARY = ("to_screen", "open", "picked", "running", "completed", "cancelled")
OF_PROVIDER = ("open", "mine")

#: Of a hundred: who waits, is treated, was cancelled; the rest is finished. One provider in fifty is ours.
_FILL = """
WITH n AS MATERIALIZED (
    SELECT n, %(first)s + n * 8 AS id, %(start)s + (%(end)s - %(start)s) * 0.9 * n / %(number)s AS received,
           n %% 100 AS share, CASE WHEN n %% 50 = 7 THEN 'provider' ELSE 'provider' || n %% 50 END AS provider
      FROM generate_series(0::bigint, %(number)s - 1) AS n),
r AS (INSERT INTO pridok_referral (id, patient, verdict, flags, received_at, body, sealed)
      SELECT id, id, 'accepted', '{}', received, %(body)b, %(sealed)b FROM n),
c AS (INSERT INTO pridok_consultation (id, version, state, patients, referral, organisation, category, primary_channel,
                                       enabled_channels, providers, created_at, screened_at, assigned_at, starts_at,
                                       ends_at, reported_at, cancelled_at, cancelled_for)
      SELECT id, 1,
             CASE WHEN share < 2 THEN 'ready_for_pickup' WHEN share = 2 THEN 'pending_sp'
                  WHEN share = 3 THEN 'in_progress' WHEN share < 8 THEN 'cancelled' ELSE 'completed' END,
             ARRAY[id], id, 'organisation ' || n %% 5, 'insurance', 'video', '{video}',
             CASE WHEN share < 2 THEN '{}'::text[] ELSE ARRAY[provider] END, received,
             CASE WHEN share > 0 THEN received + interval '10 min' END,
             CASE WHEN share > 1 THEN received + interval '20 min' END,
             CASE WHEN share = 3 OR share > 7 THEN received + interval '1 min' * (30 + n %% 300) END,
             CASE WHEN share > 7 THEN received + interval '1 min' * (42 + n %% 300) END,
             CASE WHEN share > 7 THEN received + interval '1 min' * (45 + n %% 300) END,
             CASE WHEN share BETWEEN 4 AND 7 THEN received + interval '1 hour' END,
             CASE WHEN share BETWEEN 4 AND 7 THEN 'patient_cancelled' END
        FROM n RETURNING id, state),
s AS (INSERT INTO pridok_result (consultation, version, kids, sealed)
      SELECT id, 1, '{clinic,report,escrow}', %(sealed)b FROM c WHERE state = 'completed')
INSERT INTO pridok_tally (month, organisation, outcome, finished)
SELECT %(month)s, 'organisation ' || n %% 5, (ARRAY['helped', 'referred_gp', 'sick_note'])[1 + n %% 3], count(*)
  FROM n WHERE share > 7 GROUP BY 2, 3
"""


def measure(place: Place) -> Iterator[Line]:
    """Pages and the report among so many."""
    return among(place, SIZES[place.full])


def among(place: Place, number: int) -> Iterator[Line]:
    """Fill the store with so many consultations of last month, and measure."""
    first = (datetime.now(UTC).date().replace(day=1) - timedelta(days=1)).replace(day=1)
    looked_for = _fill(place, number, first)
    place.tidy()
    yield from _pages(place, number, looked_for)
    yield _report(place, number, first)


def _fill(place: Place, number: int, first: date) -> str:
    """Patients with names of their own, and their consultations; the national number of one of them."""
    window, start, sealer = kpi.month(first), Ids(0)(), place.sealer
    digits = [f"{1_000_000 + n:011d}" for n in range(number)]
    with psycopg.connect(place.owner_url, options="-c search_path=handoff") as db, db.cursor() as cursor:
        with cursor.copy("COPY pridok_patient (id, body) FROM STDIN") as copy:
            for n in range(number):
                contact = Contact(first_name=f"Kari {n}", last_name="Prøve", email=f"kari{n}@example.com")
                row = start + n * 8
                body = sealer.seal(msgspec.json.encode(contact), b"pridok_patient", row)
                copy.write_row((row, body))
        with cursor.copy("COPY pridok_number (number, patient, since, sealed) FROM STDIN") as copy:
            sealed = os.urandom(330)
            for n, one in enumerate(digits):
                blind = sealer.name("national number", "pridok", one)
                copy.write_row((blind, start + n * 8, window.start, sealed))
        values = {"first": start, "number": number, "start": window.start, "end": window.end, "month": first}
        cursor.execute(_FILL, {**values, "body": os.urandom(200), "sealed": os.urandom(1_000)})
    return digits[number // 2]


# -- pages -------------------------------------------------------------------------------------------------------


def _pages(place: Place, number: int, looked_for: str) -> Iterator[Line]:
    settings = place.settings
    with connect(settings.owner_url, "benchmark") as owner:
        staff.demo(settings, owner)
    password = settings.required("HANDOFF_DEMO_PASSWORD")
    with serving("web.app:create_app", place.values, "") as url:
        medians = {
            **_lists(url, "secretary", password, OF_SECRETARY, number),
            **_lists(url, "provider", password, OF_PROVIDER, number),
            "found": _search(url, password, looked_for),
        }
    yield Line(
        bench="consultations_page",
        value=max(medians.values()),
        unit="ms",
        also={"consultations": number, **{name: round(value, 1) for name, value in medians.items()}},
    )


def _lists(url: str, role: str, password: str, names: tuple[str, ...], number: int) -> dict[str, float]:
    with closing(_signed_in(url, role, password)) as person:
        found = {}
        for name in names:
            rows = 50 if number >= 10_000 else 1
            found[f"{role}_{name}"] = _median(
                lambda name=name: person.get("/consultations", params={"list": name}), rows
            )
        return found


def _search(url: str, password: str, looked_for: str) -> float:
    with closing(_signed_in(url, "secretary", password)) as person:
        fields = {"csrf": _token(person.get("/consultations")), "number": looked_for}
        return _median(lambda: person.post("/consultations", data=fields), 1)


def _median(ask: Callable[[], httpx.Response], rows: int) -> float:
    """Of so many answers, each of which must show as many rows."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        page = ask()
        times.append((time.perf_counter() - began) * 1000)
        if page.status_code != 200 or page.text.count("Kari ") < rows:
            raise RuntimeError(f"a page of {rows} names answered {page.status_code} without them")
    return statistics.median(times)


def _signed_in(url: str, name: str, password: str) -> httpx.Client:
    person = httpx.Client(base_url=url, trust_env=False, timeout=60, headers={"accept": "text/html"})
    fields = {"csrf": _token(person.get("/sign-in")), "name": name, "password": password}
    if person.post("/sign-in", data=fields).status_code != 303:
        person.close()
        raise RuntimeError(f"{name} could not sign in")
    return person


def _token(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    if not found:
        raise RuntimeError(f"a page without a form answered {page.status_code}")
    return html.unescape(found[1])


# -- the report --------------------------------------------------------------------------------------------------


def _report(place: Place, number: int, first: date) -> Line:
    clinic = Clinic(place.settings)
    try:
        began = time.perf_counter()
        made = month.make(clinic, first)
        seconds = time.perf_counter() - began
    finally:
        clinic.close()
    if made.figures["received"] != number:
        raise RuntimeError(f"the report counts {made.figures['received']} instead of {number}")
    return Line(
        bench="consultations_report",
        value=seconds * 1000,
        unit="ms",
        also={"consultations": number, "workbook_bytes": made.size},
    )
