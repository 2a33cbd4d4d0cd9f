"""The lane from the store to Elation in miniature, over real HTTP."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
import pytest

from assets.drain.settings import SetAside
from assets.elation.calls import FULL_STATE
from assets.lane_assets import queue_of, resend
from resources.store import operators
from resources.store.lanes import NUMBERS
from resources.store.seal import shown
from resources.store.values import Arrival, Owed
from tests.elation.charts import ANA
from tests.elation.practice import Practice, chart, event

WHO = operators.Who("Op", "the clinic asked")


def retry(practice: Practice) -> None:
    """A person has the first of what has failed or was set aside tried again."""
    first = practice.database.one("SELECT min(arrival + part) FROM ended WHERE state IN (3, 7)")
    with practice.database.connect() as db:
        operators.retry_now(db, int(str(first)), WHO)


def test_a_new_chart_becomes_a_patient_with_its_policies(practice: Practice) -> None:
    practice.receive(event("1", "chart_created"))
    _, how = practice.drain()
    (patient,) = practice.patients()
    (policy,) = practice.policies(patient["id"])
    assert (patient["last_name"], patient["metadata"]["object_id"]) == ("Rivera", "chart-1")
    assert (patient["primary_physician"], patient["preferred_language"]) == (131074, "Spanish")
    assert (policy["rank"], policy["carrier"], policy["member_id"]) == (1, "Healthfirst", "HF123456")
    assert practice.states() == {"delivered": 2}
    assert how == "quiet"


def test_events_of_a_chart_arrive_in_their_order(practice: Practice) -> None:
    practice.receive(event("1", "chart_created"))
    practice.drain()
    for number in range(5):
        practice.receive(event(f"e{number}", of=ANA | {"first_name": f"Ana{number}"}))
        practice.drain()
    names = [json.loads(row["body"])["first_name"] for row in practice.received("PATCH")]
    assert names == [f"Ana{number}" for number in range(5)]


def test_the_link_to_the_patient_is_remembered_from_run_to_run(practice: Practice) -> None:
    practice.receive(event("1", "chart_created"))
    practice.drain()
    searches = len(practice.received("GET"))
    practice.receive(event("2", of=ANA | {"first_name": "Anna"}))
    practice.drain()
    assert [row["path"] for row in practice.received("GET")[searches:]] == []
    assert practice.database.one("SELECT count(*) FROM known") == 2


def test_a_snapshot_in_which_nothing_of_ours_changed_is_closed_without_a_call(practice: Practice) -> None:
    practice.receive(event("1", "chart_created"))
    practice.drain()
    before = len(practice.received())
    practice.receive(event("2", of=ANA | {"phones": [*ANA["phones"], *ANA["phones"]]}))
    practice.drain()
    assert len(practice.received()) == before
    assert practice.states() == {"delivered": 4}
    first, second = practice.database.rows("SELECT DISTINCT arrival FROM ended ORDER BY 1")
    rows = practice.database.rows(
        "SELECT by_id, attempts, reason FROM ended WHERE arrival = %s ORDER BY part", second[0]
    )
    assert [row[:2] for row in rows] == [(first[0], 0), (first[0] + 1, 0)]
    assert all("nothing of ours has changed" in row[2] for row in rows)


def test_what_was_in_doubt_since_is_sent_although_it_is_what_was_last_delivered(practice: Practice) -> None:
    practice.receive(event("1", "chart_created"))
    practice.drain()
    practice.fault("PATCH", status=400, take=True)
    practice.receive(event("2", of=ANA | {"first_name": "Anna"}))
    practice.drain()
    practice.receive(event("3"))
    practice.drain()
    assert practice.patients()[0]["first_name"] == "Ana"
    assert practice.states() == {"delivered": 5, "failed": 1}


def test_waiting_updates_go_as_one_call_and_each_event_points_to_it(practice: Practice) -> None:
    practice.receive(
        event("1", "chart_created"),
        *(
            event(f"e{number}", of=ANA | {"first_name": f"Ana{number}", "member_id": f"M{number}"})
            for number in range(4)
        ),
    )
    practice.drain()
    assert practice.writes() == ["POST patients", "PATCH patients", "POST policies"]
    assert practice.patients()[0]["first_name"] == "Ana3"
    rows = practice.database.rows(
        "SELECT e.part, e.state, b.arrival = e.by_id & -8, e.part = (e.by_id & 7) FROM ended AS e"
        " JOIN ended AS b ON b.arrival + b.part = e.by_id WHERE e.state = 5 ORDER BY e.arrival, e.part"
    )
    # The creation's own policies are carried by the newest event's; its patient is never merged away.
    assert rows == [(1, 5, True, True), *[(part, 5, True, True) for _ in range(3) for part in (0, 1)]]
    assert practice.states() == {"delivered": 3, "superseded": 7}


def test_no_state_is_lost_to_a_newer_one_that_cannot_be_sent(practice: Practice) -> None:
    practice.receive(event("1", "chart_created"))
    practice.drain()
    practice.receive(
        event("2", of=ANA | {"first_name": "Anna"}),
        event("3", of=ANA | {"first_name": "Annabel", "last_name": "x" * 71}),
    )
    practice.drain()
    assert practice.patients()[0]["first_name"] == "Anna"
    assert practice.states() == {"delivered": 4, "set_aside": 1}
    reason = practice.database.one("SELECT reason FROM ended WHERE state = 7")
    assert "data.chart.last_name" in str(reason)


def test_policies_that_fail_do_not_send_the_patient_again(practice: Practice) -> None:
    practice.fault("POST .*/policies", status=400)
    practice.receive(event("1", "chart_created"))
    practice.drain()
    assert practice.states() == {"delivered": 1, "failed": 1}
    retry(practice)
    practice.drain()
    assert practice.states() == {"delivered": 2}
    assert practice.writes() == ["POST patients", "POST policies", "POST policies"]


def test_a_refused_creation_holds_its_queue_and_goes_on_in_order_when_mended(practice: Practice) -> None:
    practice.fault("POST .*/patients", status=400)
    practice.receive(event("1", "chart_created"), event("2", of=ANA | {"first_name": "Anna"}))
    practice.receive(event("other", "chart_created", chart(2)))
    practice.drain()
    assert [row["last_name"] for row in practice.patients()] == ["Rivera 2"]
    # Nothing of the chart follows: its policies and the change wait behind what has failed.
    assert practice.states() == {"failed": 1, "waiting": 2, "delivered": 2}
    assert practice.writes() == ["POST patients", "POST patients", "POST policies"]
    held = "SELECT hold FROM queue WHERE key = %s"
    queue = practice.database.sealer.blind("queue", "elation", "chart-1")
    assert practice.database.one(held, queue) == "failed: a person must look"
    retry(practice)
    practice.drain()
    assert practice.writes()[3:] == ["POST patients", "PATCH patients", "POST policies"]
    assert practice.states() == {"delivered": 5, "superseded": 1}
    assert {row["last_name"]: row["first_name"] for row in practice.patients()} == {
        "Rivera": "Anna",
        "Rivera 2": "Ana",
    }
    assert practice.database.one(held, queue) is None


def test_a_chart_whose_event_was_set_aside_is_mapped_anew_with_all_its_calls(practice: Practice) -> None:
    def yesterdays(arrival: Arrival) -> Sequence[Owed]:
        raise SetAside("data.chart.zip: a rule that was wrong")

    practice.receive(event("1", "chart_created"))
    practice.drain(mapped=yesterdays)
    assert practice.states() == {"set_aside": 1}
    assert practice.writes() == []
    retry(practice)
    practice.drain()
    assert practice.writes() == ["POST patients", "POST policies"]
    assert practice.states() == {"delivered": 2}


def test_what_still_cannot_be_mapped_is_set_aside_again_for_the_reason_it_has_now(
    practice: Practice,
) -> None:
    def yesterdays(arrival: Arrival) -> Sequence[Owed]:
        raise SetAside("data.chart.zip: a rule that was wrong")

    practice.receive(event("1", "chart_created", ANA | {"dob": "not a date"}), event("2", "profile_changed"))
    practice.drain(mapped=yesterdays)
    assert practice.states() == {"set_aside": 2}
    retry(practice)
    practice.drain()
    assert practice.states() == {"set_aside": 2}
    reasons = practice.database.rows("SELECT reason FROM ended ORDER BY arrival")
    assert [("dob" in reason, "zip" in reason) for (reason,) in reasons] == [(True, False), (False, True)]


def test_without_the_one_physician_the_lane_pauses_and_nothing_fails(practice: Practice) -> None:
    practice.receive(event("1", "chart_created"))
    practice.drain(ELATION_PRIMARY_PHYSICIAN="Nobody")
    assert practice.states() == {"waiting": 1}
    away = str(practice.database.one("SELECT away_reason FROM lane WHERE name = 'elation'"))
    assert "ELATION_PRIMARY_PHYSICIAN" in away
    with practice.database.connect() as db:
        db.execute("UPDATE lane SET away_until = now() WHERE name = 'elation'")
    practice.drain()
    assert practice.states() == {"delivered": 2}
    assert practice.database.one("SELECT away_since FROM lane WHERE name = 'elation'") is None


def test_a_sign_in_that_is_refused_pauses_the_lane_and_eats_no_attempt(practice: Practice) -> None:
    practice.http.post("/_sandbox/elation/settings", json={"clients": {"somebody": "else"}})
    practice.receive(event("1", "chart_created"))
    practice.drain()
    assert practice.database.rows("SELECT attempts FROM work") == [(0,)]
    assert practice.database.one("SELECT away_since IS NOT NULL FROM lane WHERE name = 'elation'") is True


def test_a_creation_in_doubt_is_looked_for_before_it_is_sent_again(practice: Practice) -> None:
    practice.fault("POST .*/patients", status=504, take=True)
    practice.receive(event("1", "chart_created"))
    practice.drain(HANDOFF_LINGER_SECONDS=1.5)
    assert len(practice.patients()) == 1
    assert practice.writes().count("POST patients") == 1
    assert practice.states() == {"delivered": 2}


def test_sending_a_delivered_state_again_on_request_makes_a_call(practice: Practice) -> None:
    from resources.store.values import State

    practice.receive(event("1", "chart_created"))
    practice.drain()
    messages = [row[0] for row in practice.database.rows("SELECT arrival + part FROM ended ORDER BY 1")]
    with practice.database.connect() as db:
        operators.reopen(db, messages, WHO, states=[State.DELIVERED])
    before = len(practice.received("PATCH"))
    practice.drain()
    assert len(practice.received("PATCH")) == before + 1
    assert practice.states() == {"delivered": 2}


def test_one_chart_can_be_worked_by_itself(practice: Practice) -> None:
    practice.receive(event("1", "chart_created"), event("2", "chart_created", chart(2)))
    practice.drain(only=practice.database.sealer.blind("queue", "elation", "chart-2"))
    assert [row["metadata"]["object_id"] for row in practice.patients()] == ["chart-2"]


@pytest.mark.parametrize("written", ["chart-1", "zz", "%", "0" * 40, "ffffffffffff", " "])
def test_a_queue_is_named_as_lists_show_it_and_a_slip_is_said_without_repeating_it(
    practice: Practice, written: str
) -> None:
    practice.receive(event("1"))
    key = int(str(practice.database.one("SELECT key FROM queue")))
    with practice.database.connect() as db:
        assert queue_of(db, f" {shown(key).upper()} ") == key
        with pytest.raises(dg.Failure, match="no queue is shown so") as failure:
            queue_of(db, written)
    assert written == " " or written not in (failure.value.description or "")
    assert failure.value.allow_retries is False


def test_while_our_rights_are_in_doubt_no_further_run_gives_up_a_message(practice: Practice) -> None:
    charts = [chart(number) for number in range(6)]
    practice.receive(*[event(f"c{one['id']}", "chart_created", one) for one in charts])
    practice.drain()
    practice.receive(*[event(f"u{one['id']}", of=one | {"sex": "m"}) for one in charts])
    practice.fault("PATCH", status=403, times=-1)
    for run in range(4):
        practice.drain(ELATION_CONCURRENCY=1)
        assert practice.states()["failed"] == 2, f"after run {run}"
        with practice.database.connect() as db:
            db.execute("UPDATE lane SET away_until = now() WHERE name = 'elation'")
    practice.http.delete("/_sandbox/elation")
    practice.drain()
    assert (practice.states()["failed"], practice.states().get("waiting", 0)) == (2, 0)


def test_charts_that_may_be_searched_and_not_created_pause_the_lane_too(practice: Practice) -> None:
    practice.receive(*[event(f"e{number}", "chart_created", chart(number)) for number in range(6)])
    practice.fault("POST .*/patients", status=403, times=-1)
    practice.drain(ELATION_CONCURRENCY=1)
    assert practice.states()["failed"] == 2
    reason = practice.database.one("SELECT away_reason FROM lane WHERE name = 'elation'")
    assert "check our rights" in str(reason)


# -- an older state that is sent again ---------------------------------------------------------------------------

NEWEST = ANA | {"first_name": "Newest"}


def send_again(practice: Practice, which: str) -> operators.Reopened:
    """What the day's ledger does."""
    today = datetime.now(UTC).date()
    with practice.database.connect() as db:
        return resend(db, NUMBERS["elation"], today, which, WHO, sorted(FULL_STATE))


def names(practice: Practice) -> list[str]:
    return [patient["first_name"] for patient in practice.patients()]


def test_all_of_a_day_sent_again_leaves_a_chart_with_its_newest_state(practice: Practice) -> None:
    practice.receive(event("1", "chart_created"))
    practice.drain()
    practice.receive(event("2"), event("3", of=NEWEST))  # the first of them says nothing new
    practice.drain()
    before = len(practice.received("PATCH"))
    send_again(practice, "all")
    practice.drain()
    assert names(practice) == ["Newest"]
    assert len(practice.received("PATCH")) == before + 1
    assert practice.states().get("waiting", 0) == 0


def test_a_creation_that_is_sent_again_does_not_go_over_a_newer_state(practice: Practice) -> None:
    practice.fault("POST .*/patients/$", status=400)
    practice.receive(event("1", "chart_created"))
    practice.drain()
    with practice.database.connect() as db:
        operators.release_queue(db, int(str(practice.database.one("SELECT key FROM queue"))), WHO)
    practice.receive(event("2", of=NEWEST))
    practice.drain()
    retry(practice)
    practice.drain()
    assert names(practice) == ["Newest"]
    assert practice.states() == {"delivered": 2, "superseded": 2}


def test_what_was_set_aside_does_not_go_over_a_newer_state_once_it_can_be_mapped(practice: Practice) -> None:
    def fault(arrival: Arrival) -> Sequence[Owed]:
        raise SetAside("data.chart.first_name: not today")

    practice.receive(event("1"))
    practice.drain(mapped=fault)
    practice.receive(event("2", of=NEWEST))
    practice.drain()
    send_again(practice, "failed")
    practice.drain()
    assert names(practice) == ["Newest"]
    assert practice.states() == {"delivered": 2, "superseded": 2}


def test_a_newer_state_that_failed_is_sent_although_an_older_one_was_sent_again_since(
    practice: Practice,
) -> None:
    practice.receive(event("1", "chart_created"))
    practice.drain()
    for name, first in (("2", "Older"), ("3", "Newest")):
        practice.fault("PATCH", status=400)
        practice.receive(event(name, of=ANA | {"first_name": first}))
        practice.drain()
    retry(practice)
    practice.drain()
    assert names(practice) == ["Older"]
    retry(practice)
    practice.drain()
    assert names(practice) == ["Newest"]
