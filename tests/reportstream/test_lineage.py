"""Corrections of corrections: followed through the store, they keep the id of the order they began with."""

import json
from collections.abc import Sequence

import pytest

from assets.reportstream.lineage import recalled
from assets.reportstream.originals import original_among, originals
from resources.store.past import arrivals
from resources.store.values import Arrival
from tests.command.shell import handoff
from tests.conftest import Database
from tests.reportstream.conftest import changed
from tests.reportstream.lane_runs import lane

CHAIN = (
    {"event_id": "a"},
    {"event_id": "b", "prior_event_id": "a", "correction_status": "CORRECTED"},
    {"event_id": "c", "prior_event_id": "b", "correction_status": "CORRECTED"},
    {"event_id": "d", "prior_event_id": "c", "correction_status": "REMOVED"},
)


def orders(bodies: Sequence[str], form: str) -> list[str]:
    """The order's id in each of the bodies, one message each."""
    if form == "fhir":
        reports = [
            entry["resource"]["identifier"][0]["value"]
            for body in bodies
            for entry in json.loads(body)["entry"]
            if entry["resource"]["resourceType"] == "DiagnosticReport"
        ]
        return [str(one) for one in reports]
    return [
        segment.split("|")[3].split("^")[0]
        for body in bodies
        for segment in body.split("\r")
        if segment.startswith("OBR|")
    ]


@pytest.mark.parametrize("form", ["fhir", "hl7"])
def test_a_correction_of_a_correction_has_the_order_of_the_original(database: Database, form: str) -> None:
    with lane(database, REPORTSTREAM_FORMAT=form) as one:
        for event in CHAIN:
            one.take(event)
            one.run()
        bodies = one.bodies("reportstream")
    assert len(bodies) == 4
    assert orders(bodies, form) == ["a"] * 4


def test_a_replay_is_compared_with_the_order_of_the_original(database: Database) -> None:
    with lane(database, REPORTSTREAM_FORMAT="csv,hl7", REPORTSTREAM_TRANSPORT="https,s3") as one:
        for event in CHAIN[:3]:
            one.take(event)
            one.run()
        words = ("--lane", "reportstream", "--from", "1h", "--state", "delivered", "--state", "accepted")
        ran = handoff(database, "replay", *words, "--dry-run", "--json", **one.settings.values)
    assert ran.code == 0, ran.err
    assert [line["differs"] for line in ran.lines] == [[]] * 6


def test_a_part_no_destination_stands_for_any_more_is_made_no_more(database: Database) -> None:
    with lane(database, REPORTSTREAM_FORMAT="csv,hl7", REPORTSTREAM_TRANSPORT="https,s3") as one:
        one.take(CHAIN[0])
        one.run()
        fewer = {**one.settings.values, "REPORTSTREAM_FORMAT": "csv", "REPORTSTREAM_TRANSPORT": "https"}
        words = ("--lane", "reportstream", "--from", "1h", "--state", "delivered", "--state", "accepted")
        ran = handoff(database, "replay", *words, "--dry-run", "--json", **fewer)
    assert [line["differs"] for line in ran.lines] == [[], ["message"]]


def test_what_the_store_never_saw_is_the_oldest_that_is_known(database: Database) -> None:
    with lane(database, REPORTSTREAM_FORMAT="hl7", REPORTSTREAM_ORIGINAL_WAIT_SECONDS=0) as one:
        one.take(CHAIN[2], CHAIN[3])
    came = _came(database)
    with database.connect() as db:
        assert [arrival.original for arrival in recalled(db, database.sealer, came)] == ["b", "b"]


def test_originals_are_left_as_they_are_and_ask_the_store_nothing(database: Database) -> None:
    with lane(database) as one:
        one.take({"event_id": "a", "prior_event_id": "z"})
    came = _came(database)
    with database.connect() as db:
        db.close()
        assert recalled(db, database.sealer, came) is came


def test_events_that_name_each_other_have_one_original() -> None:
    events: dict[str, str | None] = {"a": "b", "b": "c", "c": "a", "d": "c"}
    assert {original_among(name, str(prior), events) for name, prior in events.items()} == {"a"}


def test_a_generation_is_asked_for_at_once() -> None:
    walk = originals({"c1": "b1", "c2": "b2"})
    assert next(walk) == {"b1", "b2"}
    assert walk.send({"b1": "a1", "b2": None}) == {"a1"}


def test_a_file_that_is_tried_is_followed_within_itself(tmp_path, capsys) -> None:
    from handoff.__main__ import main

    file = tmp_path / "chain.ndjson"
    file.write_text("\n".join(json.dumps(changed(event)) for event in CHAIN))
    assert main(["try", "reportstream", str(file), "--as", "hl7"]) == 0
    out = capsys.readouterr().out
    assert orders([out.replace("\n", "\r")], "hl7") == ["a"] * 4


def _came(database: Database) -> list[Arrival]:
    ids = [row[0] for row in database.rows("SELECT id FROM inbox ORDER BY id")]
    with database.connect() as db:
        found = arrivals(db, database.sealer, ids)
    return [found[identifier] for identifier in ids]
