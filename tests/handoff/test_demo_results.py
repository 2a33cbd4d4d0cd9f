"""The demo's clinic: its file is one that is taken, and SimpleReport is told once of its event."""

import io
from datetime import UTC, datetime

import httpx

from assets.reportstream import bulk, bulk_row, bulk_template
from assets.reportstream.devices import known_devices
from handoff.demo_results import CLIA, ROWS, filled, wrong
from handoff.demo_traffic import Stage
from sandbox.running import sandbox_thread
from sandbox.simplereport import SimpleReport


def test_the_clinics_file_is_good_and_each_of_its_results_new() -> None:
    files = [filled(bulk_template.template()) for _ in range(2)]
    for file in files:
        found = bulk.check(io.BytesIO(file), devices=known_devices(), now=datetime.now(UTC), covid_only=True)
        assert (found.rows, found.problems, found.warnings) == (ROWS, [], [])
    rows = [row for file in files for _, row in bulk.rows(io.BytesIO(file))]
    assert len({bulk_row.result_id(row) for row in rows}) == 2 * ROWS
    assert {row.testing_lab_clia for row in rows} == {CLIA}


def test_an_event_simplereport_is_not_told_of_or_twice_is_named() -> None:
    notice = {
        "testEventInternalId": "a",
        "isError": False,
        "details": "Invalid phone number",
        "queueName": "q",
    }
    with sandbox_thread([SimpleReport()]) as url, httpx.Client(base_url=url, trust_env=False) as http:
        stage = Stage({}, web="", sandbox=url)
        found = []
        for _ in range(3):
            found.append(list(wrong(stage)))
            told = http.post(
                "/simplereport/api/reportstream/callback", json=notice, headers={"x-functions-key": "demo"}
            )
            assert told.status_code == 200
    assert found == [
        ["reportstream: SimpleReport was not told of the phone number that is too short"],
        [],
        ["reportstream: SimpleReport was told of the test event a 2 times"],
    ]
