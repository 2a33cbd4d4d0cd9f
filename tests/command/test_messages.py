"""Messages from the shell: found, shown, sent again, skipped, held, released."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from assets.drain.outcomes import RetryPlan
from assets.drain.settings import BatchReceipt, Remark
from resources.errors import PartnerAway, Refused, TryLater
from resources.store import operators
from resources.store.seal import shown
from resources.store.values import Message, OnFailure, Receipt
from tests.command.shell import Partner, Ran, drain_reportstream, handoff, result
from tests.conftest import Database
from tests.drain.far_end import FarEnd, drain, lane
from tests.store.making import arrival, event

MEMBERS = [
    "id",
    "lane",
    "kind",
    "queue",
    "seq",
    "state",
    "due_at",
    "attempts",
    "reason",
    "external_id",
    "received_at",
    "delivered_at",
]
WHO = ("--by", "Katie", "--reason", "the laboratory asked")


def listed(database: Database, *words: object) -> list[dict]:
    ran = handoff(database, "messages", "list", "--json", *words)
    assert (ran.code, ran.err) == (0, "")
    return ran.lines


def act(database: Database, *words: object) -> Ran:
    return handoff(database, "messages", *words, *WHO)


def refuse(message: Message) -> Receipt:
    raise Refused("PUT /patients: 422", status=422, answer=b'{"first_name": "Quetzalcoatl is unknown"}')


def later(message: Message) -> Receipt:
    raise TryLater("PUT /patients: 503", status=503)


# -- list --------------------------------------------------------------------------------------------------------


def test_a_message_is_listed_with_the_members_of_the_contract(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    (one,) = listed(database)
    assert list(one) == MEMBERS
    assert one["id"] == str(database.one("SELECT id FROM inbox"))
    assert one["queue"] == shown(database.one("SELECT key FROM queue"))
    assert (one["lane"], one["kind"], one["seq"], one["state"]) == ("elation", "changed", 1, "waiting")
    assert (one["attempts"], one["external_id"], one["delivered_at"]) == (0, None, None)
    assert datetime.fromisoformat(one["received_at"]).utcoffset() == timedelta(0)


def test_a_delivered_message_says_when(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    drain(database, lane(FarEnd()))
    (one,) = listed(database)
    assert (one["state"], one["attempts"], one["due_at"]) == ("delivered", 1, None)
    assert one["delivered_at"] >= one["received_at"]


def test_the_newest_stand_first_and_a_limit_is_told(database: Database) -> None:
    database.receive([arrival(database.sealer, f"n{number}", queue="q") for number in range(5)])
    assert [one["seq"] for one in listed(database)] == [5, 4, 3, 2, 1]
    ran = handoff(database, "messages", "list", "--json", "--limit", 2)
    assert ([one["seq"] for one in ran.lines], "may be more" in ran.err) == ([5, 4], True)


def test_lists_narrow_by_lane_state_and_queue(database: Database) -> None:
    database.receive([arrival(database.sealer, "a", queue="x"), arrival(database.sealer, "b", queue="y")])
    database.receive([arrival(database.sealer, "c", lane="pridok")])
    assert {one["lane"] for one in listed(database)} == {"elation", "pridok"}
    assert [one["lane"] for one in listed(database, "--lane", "pridok")] == ["pridok"]
    queue = shown(database.sealer.blind("queue", "elation", "y"))
    assert [one["queue"] for one in listed(database, "--queue", queue)] == [queue]
    assert listed(database, "--state", "delivered") == []
    assert len(listed(database, "--state", "waiting")) == 3


def test_lists_narrow_by_time(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    today = datetime.now(UTC).date().isoformat()
    assert len(listed(database, "--since", "2h")) == 1
    assert len(listed(database, "--since", today, "--until", today)) == 1
    assert len(listed(database, "--until", "1h")) == 0
    assert len(listed(database, "--since", "2020-01-01T00:00:00+01:00", "--until", "2020-01-02")) == 0


def test_a_message_is_found_by_its_senders_id_its_patient_and_its_order(database: Database) -> None:
    one = arrival(database.sealer, "event-1")
    one = replace(
        one,
        patient=database.sealer.blind("patient", "elation", "patient-1"),
        reference=database.sealer.blind("reference", "elation", "order-1"),
    )
    database.receive([one, arrival(database.sealer, "event-2")])
    for key in ("event-1", "patient-1", "order-1"):
        assert [found["seq"] for found in listed(database, "--key", key)] == [1]
    assert listed(database, "--key", "nobody") == []
    ran = handoff(database, "messages", "list", "--json", "--key", "-", stdin="patient-1\n")
    assert len(ran.lines) == 1


def test_the_table_fits_its_terminal_and_keeps_the_id_whole(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    with database.connect() as db:
        operators.hold_lane(db, 2, operators.Who("Katie", "a sentence that is rather long " * 5))
    identifier = str(database.one("SELECT id FROM inbox"))
    for width in ("60", "80", "100", "160"):
        lines = handoff(database, "messages", "list", COLUMNS=width).out.splitlines()
        assert max(map(len, lines)) <= int(width)
        assert lines[1].startswith(identifier)
        assert "lane held" in lines[1]
        assert lines[1].endswith("…")


# -- why it waits ------------------------------------------------------------------------------------------------


def test_a_message_that_may_go_says_so(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    assert listed(database)[0]["reason"] == "ready for the next run"


def test_a_message_behind_another_names_it(database: Database) -> None:
    database.receive([arrival(database.sealer, name, queue="q") for name in "ab"])
    second, first = listed(database)
    assert (second["reason"], second["due_at"]) == (f"behind {first['id']}", None)


def test_a_message_that_was_tried_says_when_it_is_tried_again(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    drain(database, lane(FarEnd(send_=later), retry=RetryPlan(waits=(900.0,), jitter=0.0)))
    (one,) = listed(database)
    assert (one["state"], one["attempts"], one["reason"]) == ("waiting", 1, "next try, after 1 that failed")
    wait = datetime.fromisoformat(one["due_at"]) - datetime.now(UTC)
    assert timedelta(seconds=880) < wait <= timedelta(seconds=900)


def test_a_correction_without_its_original_says_what_it_waits_for(database: Database) -> None:
    database.receive([event(database.sealer, "c", prior="o")])
    (one,) = listed(database)
    assert "original" in one["reason"]
    assert datetime.fromisoformat(one["due_at"]) > datetime.now(UTC) + timedelta(minutes=50)


def test_a_message_whose_partner_is_away_says_so_and_until_when(database: Database) -> None:
    database.receive([arrival(database.sealer, "a"), arrival(database.sealer, "b")])

    def away(message: Message) -> Receipt:
        raise PartnerAway("Elation's sign-in: 401", status=401)

    drain(database, lane(FarEnd(send_=away)))
    for one in listed(database):
        assert one["reason"] == "the partner is away: Elation's sign-in: 401"
        assert datetime.fromisoformat(one["due_at"]) > datetime.now(UTC) + timedelta(seconds=2)


def test_a_message_in_a_batch_names_it_and_its_next_try(database: Database) -> None:
    database.receive([result(database, "a")])

    def away(keys: object) -> None:
        raise TryLater("POST /api/reports: 503", status=503)

    drain_reportstream(database, Partner(send_=away), waits=(900.0,))
    (one,) = listed(database)
    assert one["reason"] == f"in batch {database.one('SELECT id FROM batch')}"
    assert datetime.fromisoformat(one["due_at"]) > datetime.now(UTC) + timedelta(seconds=880)
    assert one["attempts"] == 1


def test_the_tries_of_a_message_are_those_of_its_batches_and_none_where_it_was_set_aside(
    database: Database,
) -> None:
    database.receive([result(database, "good"), result(database, "bad", facility__clia_number="x")])
    twice = iter([TryLater("POST /api/reports: 503", status=503), None])

    def second_time(keys: object) -> BatchReceipt:
        if error := next(twice):
            raise error
        return BatchReceipt(status=201, external_id="report-1")

    drain_reportstream(database, Partner(send_=second_time), waits=(0.01,))
    tries = {one["state"]: one["attempts"] for one in listed(database)}
    assert tries == {"accepted": 2, "set_aside": 0}


# -- show --------------------------------------------------------------------------------------------------------


def test_show_adds_every_attempt(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    drain(database, lane(FarEnd(send_=refuse)))
    identifier = listed(database)[0]["id"]
    one = handoff(database, "messages", "show", identifier, "--json").line
    assert list(one)[: len(MEMBERS)] == MEMBERS
    (tried,) = one["attempts"]
    assert list(tried) == ["run_id", "at", "outcome", "status", "ms"]
    assert (tried["run_id"], tried["outcome"], tried["status"]) == ("test-run", "refused", 422)
    assert one["reason"] == "PUT /patients: 422"


def test_show_of_a_message_that_needed_no_call_names_the_one_that_went_instead(database: Database) -> None:
    database.receive([arrival(database.sealer, name, queue="q") for name in ("a", "b")])
    drain(database, lane(FarEnd(), full_state=("changed",)))
    newest, older = listed(database)
    assert (newest["state"], older["state"]) == ("delivered", "superseded")
    assert handoff(database, "messages", "show", older["id"], "--json").line["carried_by"] == newest["id"]
    assert newest["id"] in handoff(database, "messages", "show", older["id"]).out
    assert handoff(database, "messages", "show", newest["id"], "--json").line["carried_by"] is None


def test_without_content_nothing_the_message_holds_is_shown(database: Database) -> None:
    database.receive([arrival(database.sealer, "a", body=b'{"name": "Quetzalcoatl"}')])
    drain(database, lane(FarEnd(send_=refuse)))
    identifier = listed(database)[0]["id"]
    for words in ((), ("--json",)):
        assert "Quetzalcoatl" not in handoff(database, "messages", "show", identifier, *words).out
    assert database.one("SELECT count(*) FROM access_log WHERE subject = %s", int(identifier)) == 0


def test_content_shows_what_came_what_was_sent_and_what_was_answered(database: Database) -> None:
    database.receive([arrival(database.sealer, "a", body=b'{"name": "Quetzalcoatl"}')])
    database.receive([arrival(database.sealer, "a", body=b'{"name": "another"}')])
    drain(database, lane(FarEnd(send_=refuse)))
    identifier = listed(database)[0]["id"]
    words = ("messages", "show", identifier, "--content", "--by", "Katie", "--reason", "a complaint")
    one = handoff(database, *words, "--json").line
    assert one["received"] == '{"name": "Quetzalcoatl"}'
    assert one["sent"] == [{"body": '0:{"name": "Quetzalcoatl"}', "address": {"part": "0"}}]
    assert "Quetzalcoatl" in one["attempts"][0]["answer"]
    assert one["other_contents"] == ['{"name": "another"}']
    assert handoff(database, *words).out.count("Quetzalcoatl") == 3


def test_content_is_logged_before_it_is_read(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    identifier = listed(database)[0]["id"]
    other = "k9:" + "A" * 43 + "="
    words = ("messages", "show", identifier, "--content", "--by", "Katie", "--reason", "a complaint")
    ran = handoff(database, *words, HANDOFF_KEYS=other)
    assert (ran.code, ran.out) == (1, "")
    assert "HANDOFF_KEYS" in ran.err
    assert database.rows("SELECT who, role, reason FROM access_log WHERE subject = %s", int(identifier)) == [
        ("Katie", "command", "a complaint")
    ]


def test_content_without_a_reason_is_refused(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    ran = handoff(database, "messages", "show", listed(database)[0]["id"], "--content")
    assert (ran.code, ran.out) == (1, "")
    assert "--reason" in ran.err


def test_content_of_a_batch_is_the_messages_own_line_and_its_own_remarks(database: Database) -> None:
    database.receive(
        result(database, name, patient__city=city)
        for name, city in (("a", "Tole, do"), ("b", 'Day"ton'), ("c", "Akron, OH"))
    )

    def takes(keys: object) -> BatchReceipt:
        remarks = [Remark(1, "warning", "ReportStream warns about the city")]
        return BatchReceipt(status=201, external_id="report-1", answer=b'{"id": 1}', remarks=remarks)

    drain_reportstream(database, Partner(send_=takes))
    third, second, first = listed(database)
    assert {one["external_id"] for one in (first, second, third)} == {"report-1"}
    words = ("--json", "--content", "--reason", "a complaint", "--by", "Katie")
    cities = ("Tole, do", 'Day""ton', "Akron, OH")
    for one, city in zip((first, second, third), cities, strict=True):
        seen = handoff(database, "messages", "show", one["id"], *words).line
        (sent,) = seen["sent"]
        assert sent["header"].startswith("Patient_last_name,")
        assert city in sent["body"]
        assert not [other for other in cities if other != city and other in sent["body"]]
        assert sent["body"].count("Okafor") == 1
        assert [remark["text"] for remark in seen["remarks"]] == ["ReportStream warns about the city"] * (
            one is second
        )
        (tried,) = seen["attempts"]
        assert (tried["outcome"], tried["answer"], tried["batch"]) == ("accepted", '{"id": 1}', sent["batch"])


# -- acts --------------------------------------------------------------------------------------------------------


def failed(database: Database, *names: str, queue: str = "q") -> list[dict]:
    """Messages that have failed, newest first."""
    database.receive(
        arrival(database.sealer, name, queue=queue, body=json.dumps({"n": name}).encode()) for name in names
    )
    drain(database, lane(FarEnd(send_=refuse)))
    return listed(database, "--state", "failed")


def audit(database: Database) -> list[tuple]:
    return database.rows("SELECT who, what, lane, target, reason FROM audit ORDER BY id")


def test_retry_lets_a_failed_message_wait_again_and_writes_the_audit(database: Database) -> None:
    (one,) = failed(database, "a")
    ran = act(database, "retry", one["id"])
    assert (ran.code, ran.out) == (0, "1 message goes again\n")
    assert listed(database)[0]["state"] == "waiting"
    assert audit(database) == [("Katie", "retry", "elation", one["id"], "the laboratory asked")]
    drain(database, lane(FarEnd()))
    assert listed(database)[0]["state"] == "delivered"


def test_retry_of_a_lane_takes_all_that_failed_and_all_that_waits_for_its_next_try(
    database: Database,
) -> None:
    failed(database, "a", "b")
    database.receive([arrival(database.sealer, "c", queue="other")])
    drain(database, lane(FarEnd(send_=later), retry=RetryPlan(waits=(900.0,), jitter=0.0)))
    ran = act(database, "retry", "--lane", "elation")
    assert ran.out == "2 messages go again; 1 queue tries at once instead of waiting\n"
    drain(database, lane(FarEnd()))
    assert {one["state"] for one in listed(database)} == {"delivered"}


def test_retry_of_a_queue_leaves_the_others_alone(database: Database) -> None:
    (mine,) = failed(database, "a", queue="mine")
    failed(database, "b", queue="other")
    act(database, "retry", "--queue", mine["queue"])
    assert [one["id"] for one in listed(database, "--state", "waiting")] == [mine["id"]]


def test_retry_does_not_wake_a_correction_that_waits_for_its_original(database: Database) -> None:
    database.receive([event(database.sealer, "c", prior="o")])
    assert act(database, "retry", "--lane", "reportstream").out.startswith("0 messages go again; 0 queues")
    assert database.one("SELECT ready_at > now() + interval '50 min' FROM queue") is True


def test_what_has_been_delivered_is_not_retried(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    drain(database, lane(FarEnd()))
    ran = act(database, "retry", listed(database)[0]["id"])
    assert ran.code == 1
    assert "neither waits nor has failed" in ran.err
    assert audit(database) == []


def test_skip_closes_a_message_and_what_stood_behind_it_goes_on(database: Database) -> None:
    database.receive([arrival(database.sealer, name, queue="q") for name in "ab"])
    drain(database, lane(FarEnd(send_=refuse), on_failure=OnFailure.HOLD))
    (one,) = listed(database, "--state", "failed")
    assert act(database, "skip", one["id"]).code == 0
    far = FarEnd()
    drain(database, lane(far))
    assert len(far.sent) == 1
    assert {one["state"] for one in listed(database)} == {"skipped", "delivered"}
    assert [line[1] for line in audit(database)] == ["skip"]


def test_skip_of_a_queue_closes_all_that_waits_or_has_failed_in_it(database: Database) -> None:
    failed(database, "a")
    database.receive([arrival(database.sealer, name, queue="q") for name in "bc"])
    database.receive([arrival(database.sealer, "d", queue="other")])
    queue = shown(database.sealer.blind("queue", "elation", "q"))
    assert act(database, "skip", "--queue", queue).out == "3 messages skipped\n"
    assert sorted(one["state"] for one in listed(database)) == ["skipped"] * 3 + ["waiting"]


def test_a_held_queue_stands_and_a_released_one_goes_on(database: Database) -> None:
    database.receive([arrival(database.sealer, name, queue=name) for name in "ab"])
    identifier = listed(database)[0]["id"]
    assert act(database, "hold", identifier).code == 0
    far = FarEnd()
    drain(database, lane(far))
    assert len(far.sent) == 1
    (held,) = listed(database, "--state", "waiting")
    assert held["reason"] == "queue held: Katie: the laboratory asked"
    assert act(database, "release", "--queue", held["queue"]).code == 0
    drain(database, lane(far))
    assert len(far.sent) == 2
    assert [line[1] for line in audit(database)] == ["hold queue", "release queue"]


def test_a_held_lane_claims_nothing_until_it_is_released(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    act(database, "hold", "--lane", "elation")
    far = FarEnd()
    drain(database, lane(far))
    assert far.sent == []
    assert listed(database)[0]["reason"] == "lane held: Katie: the laboratory asked"
    act(database, "release", "--lane", "elation")
    drain(database, lane(far))
    assert len(far.sent) == 1


@pytest.mark.parametrize("verb", ["retry", "skip", "hold", "release"])
def test_no_act_without_a_name_and_a_reason(database: Database, verb: str) -> None:
    database.receive([arrival(database.sealer, "a")])
    identifier = listed(database)[0]["id"]
    assert handoff(database, "messages", verb, identifier, "--by", "Katie").code == 2
    ran = handoff(database, "messages", verb, identifier, "--by", " ", "--reason", "why not")
    assert ran.code == 1
    assert "a name and a reason" in ran.err
    assert audit(database) == []


@pytest.mark.parametrize("text", ["9" * 23, "9223372036854775808", "-5", "1e5", "٣"])
def test_what_cannot_be_an_id_is_a_wrong_word_and_no_fault_of_ours(database: Database, text: str) -> None:
    for words in (("show", text), ("retry", text, *WHO), ("skip", text, *WHO)):
        assert handoff(database, "messages", *words).code == 2


def test_an_act_on_nothing_says_so(database: Database) -> None:
    for verb in ("retry", "skip", "hold", "release"):
        for target in (("4711",), ("--queue", "abcdef")):
            ran = act(database, verb, *target)
            assert ran.code == 1
            assert re.fullmatch(r"handoff: [^\n]+\n", ran.err)
    assert handoff(database, "messages", "hold", "1", "--lane", "elation", *WHO).code == 2
