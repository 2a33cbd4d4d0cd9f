"""One bad result costs only itself, through the real client and the hub in miniature, in every format."""

import httpx
import pytest

from resources.store.values import State
from tests.conftest import Database
from tests.reportstream.lane_runs import Lane, lane

POISON = "Quetzalcoatl"
FORMATS = ("csv", "fhir", "hl7")
ACCEPTED, DELIVERED, FAILED = State.ACCEPTED.value, State.DELIVERED.value, State.FAILED.value


def hub(one: Lane, **settings: object) -> None:
    httpx.post(f"{one.url}/_sandbox/reportstream/settings", json=settings).raise_for_status()


def uploads(one: Lane) -> list[dict[str, object]]:
    return [got for got in one.received("reportstream") if got["path"] in ("/api/waters", "/api/reports")]


def reached(one: Lane, marks: dict[str, str], form: str) -> list[int]:
    """How often each event is in what the hub took."""
    bodies = one.bodies("reportstream")
    return [sum(body.count(marks[form].format(name)) for body in bodies) for name in names()]


def names() -> list[str]:
    return [f"event-{number:04}" for number in range(300)]


#: An event's own id, where each format has it once.
MARKS = {"csv": ",{},,,F,", "fhir": '"identifier":{{"value":"{}"', "hl7": "|ORU^R01^ORU_R01|{}|"}


def take(one: Lane, *bad: str) -> None:
    """300 events in one array, some of them poisoned."""
    one.take(
        *({"event_id": name, **({"patient.middle_name": POISON} if name in bad else {})} for name in names())
    )


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("named", "most"), [(True, 2), (False, 19)])
def test_one_bad_in_three_hundred_costs_few_requests_and_loses_nothing(
    database: Database, form: str, named: bool, most: int
) -> None:
    with lane(database, REPORTSTREAM_FORMAT=form) as one:
        hub(one, poison=[POISON], names_poison=named)
        take(one, "event-0123")
        one.run()
        sent = uploads(one)
        assert [got["answered"] for got in sent].count(201) == len([got for got in sent if got["effect"]])
        assert len(sent) <= most
        expected = [int(name != "event-0123") for name in names()]
        assert reached(one, MARKS, form) == expected
        assert [state for _, state in one.states()].count(ACCEPTED) == 299
    [reason] = database.rows("SELECT reason FROM ended WHERE state = %s", FAILED)
    assert "400" in reason[0]


@pytest.mark.parametrize("form", FORMATS)
def test_of_two_batches_of_which_one_is_turned_away_only_its_own_items_remain(
    database: Database, form: str
) -> None:
    turned_away = {"status": 429, "take": False, "retry_after": 3600, "match": "POST /api/(waters|reports)$"}
    with lane(database, REPORTSTREAM_FORMAT=form, REPORTSTREAM_BATCH_ITEMS=150) as one:
        one.fault("reportstream", times=1, **turned_away)
        take(one)
        one.run()
        assert sorted(got["answered"] for got in uploads(one)) == [201, 429]
        gone = reached(one, MARKS, form)
    assert sum(gone) == 150
    remain = "SELECT unnest(members) FROM batch WHERE state = 0 ORDER BY 1"
    arrivals = [row[0] for row in database.rows("SELECT id FROM inbox ORDER BY id")]
    assert [row[0] for row in database.rows(remain)] == [
        arrival for arrival, times in zip(arrivals, gone, strict=True) if not times
    ]
    ended = [row[0] for row in database.rows("SELECT arrival FROM ended ORDER BY arrival")]
    assert ended == [arrival for arrival, times in zip(arrivals, gone, strict=True) if times]


@pytest.mark.parametrize("form", FORMATS)
def test_a_bucket_that_fails_after_storing_holds_each_batch_once(database: Database, form: str) -> None:
    with lane(database, REPORTSTREAM_FORMAT=form, REPORTSTREAM_TRANSPORT="s3") as one:
        one.take({"event_id": "a"}, {"event_id": "b"})
        one.fault("s3", status=500, take=True, times=2)
        one.run()
        puts = [got for got in one.received("s3") if got["method"] == "PUT"]
        assert [got["effect"] for got in puts].count(True) >= 2
        objects = httpx.get(f"{one.url}/_sandbox/s3/records").json()
        assert len(objects) == 1
        assert one.states() == [(0, DELIVERED)] * 2
