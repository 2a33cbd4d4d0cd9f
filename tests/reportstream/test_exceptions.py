"""What ReportStream says of single results: kept for the facility, and told to SimpleReport's callback."""

from collections.abc import Sequence

import httpx
import pytest

from assets.drain.run import drain_batches
from assets.reportstream import exceptions, sending
from assets.reportstream.exceptions import facility_index
from handoff.lanes import today
from pipelines.reportstream import claimable
from resources.store import exceptions as kept
from resources.store.exceptions import Told
from resources.store.values import State
from sandbox.running import sandbox_thread
from sandbox.simplereport import SimpleReport
from tests.conftest import Database
from tests.reportstream.lane_runs import Lane, lane

CLIA, OTHER = "36D1234567", "33D0000001"
NAMED = {"status": 400, "take": False, "times": 1, "items": 1, "match": "POST /api/(waters|reports)$"}


def told(database: Database, clia: str = CLIA, **page: int) -> list[Told]:
    with database.connect() as db:
        return kept.told(db, database.sealer, facility_index(database.sealer, clia), limit=50, **page)


def words(found: Sequence[Told]) -> list[tuple[str, str]]:
    return [(severity, text) for one in found for _, severity, text in one.said]


def warned(report_items: Sequence[str], **more: object) -> dict[str, object]:
    """An answer that takes everything and warns about these items."""
    warning = {
        "scope": "item",
        "trackingIds": list(report_items),
        "indices": [1],
        "field": "Patient_phone_number",
        "errorCode": "INVALID_MSG_PHONE_NUMBER",
        "message": "Invalid phone number '12' for Patient_phone_number.",
    }
    return {
        "id": "7c2e1d4e-0000-4000-8000-000000000001",
        "submissionId": 7,
        "overallStatus": "Received",
        "httpStatus": 201,
        "reportItemCount": 2,
        "warnings": [warning, {"scope": "report", "message": "Missing x header"}],
        **more,
    }


def test_what_was_refused_is_kept_for_the_facility_whose_result_it_is(database: Database) -> None:
    with lane(database) as one:
        one.take({"event_id": "a"}, {"event_id": "b", "facility.clia_number": OTHER})
        one.fault("reportstream", **NAMED)
        one.run()
    [mine] = told(database)
    assert (mine.state, mine.newer) == (State.FAILED, False)
    [(severity, text)] = words([mine])
    assert severity == "error"
    assert text.startswith("refused by ReportStream: ")
    assert told(database, OTHER) == []


def test_a_warning_is_kept_with_reportstreams_own_words_sealed(database: Database) -> None:
    with lane(database) as one:
        one.take({"event_id": "a"}, {"event_id": "b"})
        one.fault(
            "reportstream", status=201, take=True, times=1, body=warned("b"), match="POST /api/reports$"
        )
        one.run()
    assert words(told(database)) == [
        (
            "warning",
            "ReportStream warns about Patient_phone_number INVALID_MSG_PHONE_NUMBER:"
            " Invalid phone number '12' for Patient_phone_number.",
        )
    ]
    assert b"Invalid phone" not in bytes(database.one("SELECT body FROM remark"))  # type: ignore[call-overload]


def test_a_code_that_says_nothing_is_left_out_of_the_words(database: Database) -> None:
    answer = warned("b")
    answer["warnings"] = [{**answer["warnings"][0], "errorCode": "UNKNOWN"}]  # type: ignore[index]
    with lane(database) as one:
        one.take({"event_id": "a"}, {"event_id": "b"})
        one.fault("reportstream", status=201, take=True, times=1, body=answer, match="POST /api/reports$")
        one.run()
    [(_, text)] = words(told(database))
    assert text.startswith("ReportStream warns about Patient_phone_number: Invalid phone number")


def test_one_that_is_refused_alone_without_a_name_is_told_why(database: Database) -> None:
    with lane(database) as one:
        one.take({"event_id": "a"}, {"event_id": "b", "patient.last_name": "Bad"})
        one.fault("reportstream", status=400, take=False, times=2, items=0, match="POST /api/reports$")
        one.run()
    assert [(one.state, words([one])[0][0]) for one in told(database)] == [(State.FAILED, "error")]


def test_pages_of_exceptions_follow_each_other(database: Database) -> None:
    with lane(database) as one:
        one.take(*({"event_id": name} for name in "abc"))
        one.fault("reportstream", **{**NAMED, "items": 3})
        one.run()
    found = told(database)
    assert len(found) == 3
    assert [one.message for one in told(database, before=found[0].message)] == [
        found[1].message,
        found[2].message,
    ]


def test_a_correction_is_newer_than_what_was_said_of_its_original(database: Database) -> None:
    with lane(database) as one:
        one.take({"event_id": "a"})
        one.fault("reportstream", **NAMED)
        one.run()
        one.take({"event_id": "b", "prior_event_id": "a", "correction_status": "CORRECTED"})
        one.run()
    assert [(one.state, one.newer) for one in told(database)] == [(State.FAILED, True)]


# -- the callback ----------------------------------------------------------------------------------------------------


@pytest.fixture
def simplereport():
    with sandbox_thread([SimpleReport()]) as url:
        yield url


def with_callback(url: str) -> dict[str, str]:
    return {
        "REPORTSTREAM_CALLBACK_URL": f"{url}/simplereport/api/reportstream/callback",
        "REPORTSTREAM_CALLBACK_KEY": "shared",
    }


def drain(one: Lane) -> None:
    told = exceptions.lane(one.settings)
    drain_batches(one.settings, sending.lanes(one.settings), run_id="test-run", beside=told)


def rows(url: str) -> list[dict[str, object]]:
    found = httpx.get(f"{url}/_sandbox/simplereport/records").json()
    assert isinstance(found, list)
    return found


def heard(url: str) -> list[dict[str, object]]:
    return [
        one for one in httpx.get(f"{url}/_sandbox/simplereport/received").json() if one["method"] == "POST"
    ]


@pytest.mark.parametrize(
    ("form", "queue"),
    [
        ("csv", "test-event-publishing"),
        ("fhir", "fhir-data-publishing"),
        ("hl7", "hl7v2-data-publishing"),
    ],
)
def test_simplereport_is_told_of_each_item_once(
    database: Database, simplereport: str, form: str, queue: str
) -> None:
    with lane(database, REPORTSTREAM_FORMAT=form, **with_callback(simplereport)) as one:
        one.take({"event_id": "a"}, {"event_id": "b"})
        one.fault(
            "reportstream",
            status=201,
            take=True,
            times=1,
            body=warned(["a", "b"]),
            match="POST /api/(waters|reports)$",
        )
        drain(one)
        drain(one)
    assert [got["headers"]["x-functions-key"] for got in heard(simplereport)] == ["shared"] * 2  # type: ignore[index]
    details = "Invalid phone number '12' for Patient_phone_number."
    assert sorted(rows(simplereport), key=lambda row: str(row["testEventInternalId"])) == [
        {"testEventInternalId": name, "isError": False, "details": details, "queueName": queue}
        for name in ("a", "b")
    ]
    assert database.rows("SELECT state, count(*) FROM ended GROUP BY state ORDER BY state") == [
        (1, 2),
        (2, 2),
    ]


def test_a_callback_that_is_away_is_tried_again_and_stops_nothing(
    database: Database, simplereport: str
) -> None:
    with lane(database, **with_callback(simplereport)) as one:
        httpx.post(f"{simplereport}/_sandbox/simplereport/faults", json={"status": 429, "times": 1})
        one.take({"event_id": "a"})
        one.fault("reportstream", **NAMED)
        drain(one)
        one.take({"event_id": "b"})
        drain(one)
        assert [row["isError"] for row in rows(simplereport)] == [True]
        assert [got["answered"] for got in heard(simplereport)] == [429, 200]
        assert one.states() == [(0, State.FAILED), (0, State.DELIVERED), (0, State.ACCEPTED)]


def test_a_callback_that_refuses_us_pauses_itself_alone(database: Database, simplereport: str) -> None:
    values = {**with_callback(simplereport), "REPORTSTREAM_CALLBACK_KEY": ""}
    with lane(database, **values) as one:
        one.take({"event_id": "a"})
        one.fault("reportstream", **NAMED)
        drain(one)
        one.take({"event_id": "b"})
        drain(one)
        assert one.states() == [(0, State.FAILED), (0, State.ACCEPTED)]
        assert database.rows(
            "SELECT track, away_reason LIKE '%%REPORTSTREAM_CALLBACK%%' FROM destination"
        ) == [(81, True)]
        assert database.one("SELECT attempts FROM work WHERE lane = 81") == 0
        with database.connect() as db:
            assert claimable(db, one.settings) is None
            db.execute("UPDATE destination SET away_until = now()")
            db.execute("UPDATE queue SET ready_at = now() WHERE lane = 81")
            assert claimable(db, one.settings) == "an exception waits"


def test_nobody_is_told_where_no_callback_is_set(database: Database) -> None:
    with lane(database) as one:
        one.take({"event_id": "a"})
        one.fault("reportstream", **NAMED)
        drain(one)
    assert database.one("SELECT count(*) FROM inbox") == 1
    assert exceptions.lane(database.settings) is None


def test_a_replay_knows_an_exception_as_it_is(database: Database, simplereport: str) -> None:
    with lane(database, **with_callback(simplereport)) as one:
        one.take({"event_id": "a"})
        one.fault("reportstream", **NAMED)
        drain(one)
        arrival = database.one("SELECT id FROM inbox WHERE kind = 'exception'")
        with database.connect() as db:
            from resources.store.past import arrivals

            mapping = today("reportstream", one.settings, db)
            assert not isinstance(mapping, str)
            made = mapping(arrivals(db, database.sealer, [int(str(arrival))])[int(str(arrival))], 0)
    assert made is not None
    assert made.body.startswith(b'{"testEventInternalId":"a"')
