"""Formats and transports: each destination has its own queues, its own batches, its own outcome of every event."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from assets.drain.run import drain_batches
from assets.formats.hl7_read import parse
from assets.reportstream import sending
from assets.reportstream.destinations import destinations, queues
from pipelines.reportstream import claimable
from resources.settings import SettingError, Settings
from resources.store import days, operators
from resources.store.lookup import Filter, find
from resources.store.values import State
from tests.conftest import Database
from tests.reportstream.lane_runs import lane
from web.sight import see

ACCEPTED, DELIVERED = State.ACCEPTED.value, State.DELIVERED.value
SKIPPED, SET_ASIDE, FAILED = State.SKIPPED.value, State.SET_ASIDE.value, State.FAILED.value

FLU_ONLY = {
    "event_id": "flu",
    "results": [{"disease": "Flu A", "result": "POSITIVE"}],
    "device.tests": [
        {
            "disease": "Flu A",
            "test_performed_code": "85477-8",
            "test_ordered_code": "85477-8",
            "test_kit_name_id": None,
            "equipment_uid": None,
        }
    ],
}


def test_bundles_go_as_lines_to_the_universal_pipeline(database: Database) -> None:
    with lane(database, REPORTSTREAM_FORMAT="fhir") as one:
        one.take({"event_id": "a"}, {"event_id": "b"}, FLU_ONLY)
        one.run()
        [request] = [got for got in one.received("reportstream") if got["path"] == "/api/waters"]
        assert request["path"].startswith("/api/waters")
        assert request["headers"]["content-type"] == "application/fhir+ndjson"
        bundles = [json.loads(line) for line in request["body"].splitlines()]
        assert [bundle["identifier"]["value"] for bundle in bundles] == ["a", "b", "flu"]
        assert one.states() == [(0, ACCEPTED)] * 3


def test_bundles_that_are_too_many_bytes_for_one_request_go_in_several(database: Database) -> None:
    with lane(database, REPORTSTREAM_FORMAT="fhir") as one:
        one.take(*({"event_id": f"event-{number}"} for number in range(5)))
        [small] = [replace(way, most_bytes=50_000) for way in sending.lanes(one.settings)]
        drain_batches(one.settings, [small], run_id="test-run")
        bodies = one.bodies("reportstream")
        assert all(len(body.encode()) <= 50_000 for body in bodies)
        assert 1 < len(bodies) < 5
        sent = [json.loads(line)["identifier"]["value"] for body in bodies for line in body.splitlines()]
        assert sorted(sent) == [f"event-{number}" for number in range(5)]


def test_a_sender_whose_clock_is_ahead_makes_no_message_older_than_its_result(database: Database) -> None:
    with lane(database, REPORTSTREAM_FORMAT="hl7", REPORTSTREAM_TRANSPORT="s3") as one:
        ahead = datetime.now(UTC) + timedelta(minutes=3)
        one.take({"event_id": "a", "date_tested": ahead.isoformat()})
        one.run()
        [body] = one.bodies("s3")
    message = parse(body[body.index("MSH|") : body.index("BTS|")].strip("\n"))
    obr, obx, msh = message.first("OBR"), message.first("OBX"), message.first("MSH")
    told = [obr.text(7), obx.text(14), obx.text(19), obr.text(22), msh.text(7)]
    assert told == sorted(told)


def test_messages_go_as_a_batch_whose_ids_a_second_build_has_too(database: Database) -> None:
    with lane(database, REPORTSTREAM_FORMAT="hl7") as one:
        one.take({"event_id": "a"}, {"event_id": "b"})
        one.fault("reportstream", status=503, take=False, times=1, match="POST /api/waters")
        one.run()
        first, second = [got["body"] for got in one.received("reportstream") if got["path"] == "/api/waters"]
        assert first == second
        assert first.startswith("FHS|")
        assert "\nBTS|2" in first
        assert [line.split("|")[9] for line in first.split("\n") if line.startswith("MSH")] == ["a", "b"]


def test_a_bucket_that_fails_after_storing_holds_one_object(database: Database) -> None:
    with lane(database, REPORTSTREAM_FORMAT="hl7", REPORTSTREAM_TRANSPORT="s3") as one:
        one.take({"event_id": "a"}, {"event_id": "b"})
        one.fault("s3", status=500, take=True, times=1)
        one.run()
        puts = [got for got in one.received("s3") if got["method"] == "PUT"]
        assert len(puts) == 2
        assert len({got["path"] for got in puts}) == 1
        assert "/us01/SendTo/InterPartner~ExpandedELR~Simple-Report~AIMSPlatform~" in puts[0]["path"].replace(
            "%7E", "~"
        )
        assert puts[0]["headers"]["x-amz-server-side-encryption"] == "aws:kms"
        assert puts[0]["headers"]["x-amz-meta-aimsplatformsender"] == "SimpleReport"
        assert one.states() == [(0, DELIVERED)] * 2


def test_a_connection_lost_while_storing_is_asked_about_before_it_is_stored_again(database: Database) -> None:
    with lane(database, REPORTSTREAM_FORMAT="hl7", REPORTSTREAM_TRANSPORT="s3") as one:
        one.take({"event_id": "a"})
        one.fault("s3", status=0, take=True, times=1)
        one.run()
        assert [got["method"] for got in one.received("s3")] == ["PUT", "HEAD"]
        assert one.states() == [(0, DELIVERED)]


def test_a_bucket_that_refuses_the_account_pauses_the_lane_and_eats_no_attempt(database: Database) -> None:
    with lane(database, REPORTSTREAM_FORMAT="hl7", REPORTSTREAM_TRANSPORT="s3") as one:
        one.take({"event_id": "a"})
        one.fault("s3", status=403, take=False, times=1)
        one.run()
        assert one.states() == []
        assert "AccessDenied" not in str(database.one("SELECT away_reason FROM lane WHERE number = 1"))
        assert database.one("SELECT away_reason IS NOT NULL FROM lane WHERE number = 1") is True
        assert database.one("SELECT attempts FROM work WHERE lane >= 100") == 0


def test_single_files_have_no_envelope_and_the_name_of_their_message(database: Database) -> None:
    single = {"REPORTSTREAM_FORMAT": "hl7", "REPORTSTREAM_TRANSPORT": "s3", "REPORTSTREAM_BATCH_ITEMS": 1}
    with lane(database, **single) as one:
        one.take({"event_id": "a"}, {"event_id": "b"})
        one.run()
        puts = [got for got in one.received("s3") if got["method"] == "PUT"]
        assert sorted(got["path"].rpartition("~")[2].rpartition("7E")[2] for got in puts) == [
            "a.hl7",
            "b.hl7",
        ]
        assert all(got["body"].startswith("MSH|") for got in puts)


def test_each_destination_has_its_own_outcome_of_every_event(database: Database) -> None:
    two = {"REPORTSTREAM_FORMAT": "csv,hl7", "REPORTSTREAM_TRANSPORT": "https,s3"}
    with lane(database, **two) as one:
        one.take({"event_id": "a"}, FLU_ONLY)
        one.run()
        assert one.states() == [(0, ACCEPTED), (1, DELIVERED), (0, SKIPPED), (1, DELIVERED)]
        assert "no COVID-19 result" in str(database.one("SELECT reason FROM ended WHERE state = %s", SKIPPED))
        [csv] = one.bodies("reportstream")
        [hl7] = one.bodies("s3")
        assert (csv.count("\n"), hl7.count("\rPID|")) == (2, 2)


def test_what_no_destination_carries_is_set_aside(database: Database) -> None:
    with lane(database, REPORTSTREAM_FORMAT="csv") as one:
        one.take(FLU_ONLY)
        one.run()
        assert one.states() == [(0, SET_ASIDE)]


def test_a_text_hl7_has_no_room_for_is_set_aside_there_and_goes_as_fhir(database: Database) -> None:
    two = {"REPORTSTREAM_FORMAT": "hl7,fhir", "REPORTSTREAM_TRANSPORT": "s3,https"}
    with lane(database, **two) as one:
        long = {"event_id": "a", "patient.city": "x" * 51, "patient.zip_code": "10451-000000000"}
        one.take(long, {"event_id": "b", "patient.first_name": "x" * 199})
        one.run()
        assert one.states() == [(0, SET_ASIDE), (1, ACCEPTED), (0, DELIVERED), (1, ACCEPTED)]
        assert database.one("SELECT reason FROM ended WHERE state = %s", SET_ASIDE) == (
            "patient.city: is longer than the 50 characters HL7 has room for; "
            "patient.zip_code: is longer than the 12 characters HL7 has room for"
        )


def test_a_destination_that_is_away_does_not_stop_the_other(database: Database) -> None:
    two = {"REPORTSTREAM_FORMAT": "csv,hl7", "REPORTSTREAM_TRANSPORT": "https,s3"}
    with lane(database, **two) as one:
        one.fault("reportstream", status=401, take=False, times=-1, match="POST /api/reports")
        one.take({"event_id": "a"})
        one.run()
        one.take({"event_id": "b"})
        one.run()
        assert one.states() == [(1, DELIVERED), (1, DELIVERED)]
        assert database.one("SELECT away_since IS NULL AND hold IS NULL FROM lane WHERE number = 1") is True
        assert database.rows("SELECT DISTINCT attempts FROM work WHERE lane = 101") == [(0,)]


def test_an_outage_holds_its_destination_only_and_eats_no_attempt_once_the_breaker_is_open(
    database: Database,
) -> None:
    two = {"REPORTSTREAM_FORMAT": "csv,hl7", "REPORTSTREAM_TRANSPORT": "https,s3"}
    with lane(database, **two, HANDOFF_BREAKER_AFTER=2, HANDOFF_RETRY_PLAN="0.05,0.05,0.05,0.05,0.05") as one:
        one.fault("reportstream", status=429, take=False, times=-1, match="POST /api/reports")
        one.take({"event_id": "a"})
        one.run()
        tried = len([got for got in one.received("reportstream") if got["path"] == "/api/reports"])
        assert (tried, database.one("SELECT attempts FROM work WHERE lane = 101")) == (2, 2)
        assert database.rows("SELECT track, away_until > now() FROM destination") == [(101, True)]
        one.take({"event_id": "b"})
        one.run()
        assert one.states() == [(1, DELIVERED), (1, DELIVERED)]
        assert database.one("SELECT attempts FROM work WHERE lane = 101") == 2
        assert database.one("SELECT away_since IS NULL AND hold IS NULL FROM lane WHERE number = 1") is True

        _let_the_probe_go(database)
        one.run()
        assert database.one("SELECT attempts FROM work WHERE lane = 101") == 2
        assert database.one("SELECT away_step FROM destination") == 1

        httpx.delete(f"{one.url}/_sandbox/reportstream")
        _let_the_probe_go(database)
        one.run()
        assert sorted(one.states()) == [(0, ACCEPTED), (0, ACCEPTED), (1, DELIVERED), (1, DELIVERED)]
        assert database.rows("SELECT track FROM destination") == []


def test_a_run_is_asked_for_only_by_destinations_that_may_send(database: Database) -> None:
    two = {"REPORTSTREAM_FORMAT": "csv,hl7", "REPORTSTREAM_TRANSPORT": "https,s3"}
    with lane(database, **two) as one, database.connect() as db:
        one.take({"event_id": "a"})
        db.execute(
            "INSERT INTO destination (track, away_until, away_reason) VALUES (101, now() + '1 h', 'x')"
        )
        assert claimable(db, one.settings) == "a batch is due"
        db.execute(
            "INSERT INTO destination (track, away_until, away_reason) VALUES (111, now() + '1 h', 'x')"
        )
        assert claimable(db, one.settings) is None
        db.execute("UPDATE destination SET away_until = now() WHERE track = 111")
        assert claimable(db, one.settings) == "a batch is due"


def test_a_destination_that_is_away_is_seen_where_its_messages_are_and_forgotten_on_release(
    database: Database,
) -> None:
    two = {"REPORTSTREAM_FORMAT": "csv,hl7", "REPORTSTREAM_TRANSPORT": "https,s3"}
    with lane(database, **two) as one, database.connect() as db:
        one.fault("reportstream", status=401, take=False, times=-1, match="POST /api/reports")
        one.take({"event_id": "a"})
        one.run()
        sight = see(db, "reportstream")
        assert (sight.word, "401" in sight.away_reason) == ("away", True)
        [waits] = find(db, Filter(state="waiting"))
        assert "the partner is away: " in str(waits.reason)
        assert days.now_of(db, 1).away == sight.away_reason
        operators.release_lane(db, 1, operators.Who("Katie", "the key is right now"))
        assert see(db, "reportstream").word == "ok"
        assert days.now_of(db, 1).away is None


def _let_the_probe_go(database: Database) -> None:
    with database.connect() as db:
        db.execute("UPDATE destination SET away_until = now()")
        db.execute("UPDATE queue SET ready_at = now() WHERE ready_at < 'infinity' AND lane >= 100")


@pytest.mark.parametrize("form", ["csv", "fhir", "hl7"])
def test_a_correction_never_overtakes_its_original(database: Database, form: str) -> None:
    with lane(database, REPORTSTREAM_FORMAT=form) as one:
        upload = "POST /api/(waters|reports)$"
        one.fault("reportstream", status=503, take=False, times=1, match=upload)
        one.take({"event_id": "a"})
        one.take({"event_id": "c", "prior_event_id": "a", "correction_status": "CORRECTED"})
        one.take({"event_id": "r", "prior_event_id": "c", "correction_status": "REMOVED"})
        one.run()
        bodies = one.bodies("reportstream")
        assert len(bodies) == 3
        marks = {"csv": ",{},", "fhir": '"value":"{}"', "hl7": "|{}|"}
        names = [marks[form].format(name) for name in ("a", "c", "r")]
        assert all(name in body for name, body in zip(names, bodies, strict=True))


def test_every_destination_is_named_once_or_for_each() -> None:
    settings = Settings({"REPORTSTREAM_FORMAT": "csv, fhir,hl7", "REPORTSTREAM_TRANSPORT": "https"})
    assert [(one.format, one.transport) for one in destinations(settings)] == [
        ("csv", "https"),
        ("fhir", "https"),
        ("hl7", "https"),
    ]
    assert len(set(queues(8))) == 8
    for wrong in (
        {"REPORTSTREAM_FORMAT": "csv,fhir,hl7", "REPORTSTREAM_TRANSPORT": "https,s3"},
        {"REPORTSTREAM_FORMAT": "xml"},
        {"REPORTSTREAM_FORMAT": ",".join(["fhir"] * 9)},
    ):
        with pytest.raises(SettingError):
            destinations(Settings(wrong))
