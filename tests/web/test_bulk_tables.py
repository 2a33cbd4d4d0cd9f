"""Files of results are judged by the code tables that are in force, not by those that were shipped."""

import csv
import io
from pathlib import Path

import httpx

from resources.store import code_tables
from resources.store.operators import Who
from tests.conftest import Database
from tests.web.conftest import NEW, Deployed

GOOD = Path(__file__).parents[1] / "samples" / "reportstream_bulk" / "three_mistakes_mended.csv"
WHO = Who("Katie", "the list of March")


def put(client: httpx.Client, specimen: str) -> httpx.Response:
    rows = list(csv.DictReader(io.StringIO(GOOD.read_text())))
    rows[0]["specimen_type"] = specimen
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    files = {"file": ("results.csv", out.getvalue().encode(), "text/csv")}
    door = "/intake/reportstream/bulk"
    return client.post(door, files=files, headers={"authorization": f"Bearer {NEW}".encode()})


def test_a_specimen_that_only_a_loaded_table_names_is_taken_once_it_is_loaded(
    deployed: Deployed, database: Database
) -> None:
    client = deployed()
    assert put(client, "Swab of the future").status_code == 422
    with database.connect() as db:
        code_tables.load(db, "reportstream", "specimens", {"445297001": "Swab of the future"}, WHO)
    assert put(client, "Swab of the future").status_code == 200
    with database.connect() as db:
        code_tables.load(db, "reportstream", "specimens", None, WHO)
    assert put(client, "swab of the future").status_code == 422
