"""Replay: a look that changes nothing, sending again, and a store that was restored from a backup."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from assets.drain.outcomes import RetryPlan
from assets.drain.settings import Item, ItemsRefused, Remark, SetAside
from assets.reportstream.encoding import csv_item
from handoff import lanes
from handoff.lanes import Made
from handoff.verdict import Judge
from resources.errors import TryLater, Unsure
from resources.store import drains, operators, past
from resources.store.connect import connect_async
from resources.store.values import Arrival, Message, Owed, Receipt, State
from tests.command.shell import Partner, Ran, drain_reportstream, handoff, result
from tests.conftest import Database
from tests.drain.far_end import FarEnd, drain, lane
from tests.store.making import arrival

WHO = ("--by", "Katie", "--reason", "an outage at the state")


def replay(database: Database, *words: object, lane: str = "reportstream") -> Ran:
    span = () if "--after-restore" in words else ("--from", "1h")
    return handoff(database, "replay", "--lane", lane, *span, *words)


def look(database: Database, *words: object, lane: str = "reportstream") -> list[dict]:
    ran = replay(database, "--dry-run", "--json", *words, lane=lane)
    assert ran.code == 0, ran.err
    return ran.lines


def states(database: Database) -> list[str]:
    rows = database.rows(
        "SELECT arrival, state FROM ended UNION SELECT arrival, 0 FROM work WHERE lane < 100 ORDER BY 1"
    )
    return [State(state).name.lower() for _, state in rows]


def whole(database: Database) -> list[tuple]:
    """Everything a replay could change."""
    tables = ("ended", "work", "queue", "audit", "outbox")
    return [row for name in tables for row in database.rows(f"SELECT t::text FROM {name} AS t ORDER BY 1")]


def refusing(*places: int) -> Partner:
    def refuse(keys: Sequence[str]) -> None:
        remarks = [Remark(place, "error", "refused") for place in places]
        raise ItemsRefused("POST /api/reports: 400", status=400, answer=b"{}", remarks=remarks)

    return Partner(send_=refuse)


def away(message: Message) -> Receipt:
    raise TryLater("PUT /patients: 503", status=503)


def cannot(arrival: Arrival) -> Item:
    raise SetAside("specimen.type_code: must be there")


# -- looking -----------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_go_and_changes_nothing(database: Database) -> None:
    database.receive(result(database, name) for name in "abc")
    drain_reportstream(database, Partner())
    before = whole(database)
    ran = replay(database, "--dry-run", "--state", "accepted")
    assert ran.code == 0
    assert whole(database) == before
    assert "3 messages would wait again; the health departments would see 3 results twice" in ran.out
    assert ran.out.count("mapped anew  no difference") == 3


def test_a_dry_run_names_the_columns_that_todays_mapping_writes_otherwise(database: Database) -> None:
    database.receive([result(database, "a"), result(database, "b")])
    drain_reportstream(database, Partner(), item=csv_item("T"))
    for one in look(database, "--state", "accepted"):
        assert (one["effect"], one["differs"]) == ("mapped anew", ["Processing_mode_code"])
    ran = replay(database, "--dry-run", "--state", "accepted")
    assert "Processing_mode_code: differs in 2" in ran.out


def test_a_dry_run_shows_no_value_unless_it_is_asked_to(database: Database) -> None:
    database.receive([result(database, "a", patient__last_name="Quetzalcoatl")])

    def before(arrival: Arrival) -> Item:
        item = csv_item("P")(arrival)
        return Item(item.key, item.line.replace(b"Quetzalcoatl", b"Xolotl"), None)

    drain_reportstream(database, Partner(), item=before)
    words = ("--dry-run", "--state", "accepted")
    for ran in (replay(database, *words), replay(database, *words, "--json")):
        assert "Patient_last_name" in ran.out
        assert "Quetzalcoatl" not in ran.out + ran.err
        assert "Xolotl" not in ran.out + ran.err
    (one,) = look(database, "--state", "accepted", "--content", *WHO)
    assert one["values"] == {"Patient_last_name": ["Xolotl", "Quetzalcoatl"]}


def test_a_look_at_values_needs_a_reason_and_stands_in_the_access_log(database: Database) -> None:
    database.receive([result(database, "a")])
    drain_reportstream(database, Partner())
    words = ("--dry-run", "--state", "accepted", "--content")
    assert replay(database, *words).code == 1
    message = database.one("SELECT arrival FROM ended")
    counted = "SELECT count(*) FROM access_log WHERE subject = %s"
    assert database.one(counted, message) == 0
    assert replay(database, *words, *WHO).code == 0
    assert database.one(counted, message) == 1


def test_arrivals_outside_the_span_are_left_alone(database: Database) -> None:
    database.receive([result(database, "a")])
    drain_reportstream(database, Partner())
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    words = ("replay", "--lane", "reportstream", "--state", "accepted", "--dry-run", "--json")
    assert handoff(database, *words, "--from", yesterday, "--to", yesterday).out == ""
    assert handoff(database, *words, "--from", "2h", "--to", "1h").out == ""
    assert len(handoff(database, *words, "--from", yesterday).lines) == 1


def test_without_the_lanes_settings_a_dry_run_says_what_it_cannot_compare(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    drain(database, lane(FarEnd(send_=away), retry=RetryPlan(waits=(), jitter=0.0)))
    ran = replay(database, "--dry-run", "--json", lane="elation")
    assert ran.code == 0
    assert "not compared with today's mapping: " in ran.err
    assert "ELATION_" in ran.err
    assert (ran.line["effect"], ran.line["differs"]) == ("same bytes", None)


def test_a_mapping_that_must_know_something_of_its_partner_asks_first(database: Database) -> None:
    asked: list[str] = []

    async def ask() -> None:
        asked.append("setup")

    knowing = replace(lane(FarEnd()), prepare=ask)
    asyncio.run(lanes.prepare(knowing))
    assert asked == ["setup"]


class Mapping:
    """Today's mapping, written out."""

    batches = False

    def __init__(self, made: Made | None) -> None:
        self.made = made

    def __call__(self, arrival: Arrival, part: int) -> Made | None:
        return self.made


def judged(database: Database, made: Made | None) -> tuple[str, list[str] | None]:
    with database.connect() as db:
        judge = Judge(db, database.settings, Mapping(made))
        (verdict,) = judge.verdicts(next(past.past(db, 2, 0, 1 << 62, list(State))))
    return verdict.effect, None if verdict.differs is None else [one.place for one in verdict.differs]


def test_messages_sent_one_by_one_are_compared_by_member_address_and_kind(database: Database) -> None:
    database.receive([arrival(database.sealer, "a", body=b'{"n": 1}')])

    def mapped(arrival: Arrival) -> list[Owed]:
        return [Owed(kind="patient", body=b'{"name":{"first":"A"},"phones":[1,2]}', address={"chart": "c"})]

    drain(database, replace(lane(FarEnd()), map=mapped))
    address = (("chart", "c"),)
    same = Made(b'{"name":{"first":"A"},"phones":[1,2]}', kind="patient", address=address)
    assert judged(database, same) == ("same bytes", [])
    other = Made(b'{"name":{"first":"B"},"phones":[1]}', kind="patient", address=address)
    assert judged(database, other) == ("same bytes", ["name.first", "phones[1]"])
    elsewhere = Made(same.body, kind="person", address=(("chart", "d"),))
    assert judged(database, elsewhere) == ("same bytes", ["kind", "address.chart"])
    assert judged(database, None) == ("same bytes", ["message"])


# -- acting ------------------------------------------------------------------------------------------------------


def test_what_failed_goes_again_with_its_place_in_the_audit(database: Database) -> None:
    database.receive([arrival(database.sealer, "a"), arrival(database.sealer, "b", queue="other")])
    drain(database, lane(FarEnd(send_=away), retry=RetryPlan(waits=(), jitter=0.0)))
    assert states(database) == ["failed", "failed"]
    ran = replay(database, *WHO, lane="elation")
    assert (ran.code, ran.out) == (0, "2 messages wait again\n")
    far = FarEnd()
    drain(database, lane(far))
    assert (len(far.sent), states(database)) == (2, ["delivered", "delivered"])
    assert database.rows("SELECT who, what, lane, target, reason FROM audit") == [
        ("Katie", "replay", "elation", "2 messages", "an outage at the state")
    ]


def test_what_was_delivered_goes_again_only_when_it_is_asked_for(database: Database) -> None:
    database.receive(result(database, name) for name in "ab")
    drain_reportstream(database, Partner())
    assert replay(database, *WHO).out == "0 messages wait again\n"
    ran = replay(database, "--state", "accepted", *WHO)
    assert ran.out == "2 messages wait again; the health departments will see 2 results twice\n"
    partner = Partner()
    drain_reportstream(database, partner)
    assert len(partner.sent) == 1


def test_a_refused_result_that_today_gives_the_same_bytes_stays_failed(database: Database) -> None:
    database.receive([result(database, "a")])
    drain_reportstream(database, refusing(0))
    (one,) = look(database)
    assert (one["effect"], one["differs"]) == ("stays failed", [])
    assert "same bytes" in one["reason"]
    ran = replay(database, *WHO)
    assert "0 messages wait again; 1 stay as they are" in ran.out
    assert states(database) == ["failed"]
    assert replay(database, "--unchanged", *WHO).out.startswith("1 message waits again")
    drain_reportstream(database, Partner())
    assert states(database) == ["accepted"]


def test_a_refused_result_that_is_mapped_otherwise_today_goes(database: Database) -> None:
    database.receive([result(database, "a")])
    drain_reportstream(database, refusing(0), item=csv_item("T"))
    assert replay(database, *WHO).out.startswith("1 message waits again")
    partner = Partner()
    drain_reportstream(database, partner)
    assert len(partner.sent) == 1


def test_what_was_set_aside_goes_once_the_mapping_can_make_it(database: Database) -> None:
    database.receive(
        [result(database, "a"), result(database, "b", device__model="", facility__clia_number="x")]
    )
    drain_reportstream(database, Partner(), item=cannot)
    assert states(database) == ["set_aside", "set_aside"]
    first, second = look(database)
    assert (first["effect"], first["differs"]) == ("mapped anew", None)
    assert second["effect"] == "stays set aside"
    assert second["reason"].startswith("cannot be mapped: facility.clia_number:")
    assert replay(database, *WHO).out.splitlines()[-1].startswith("1 message waits again; 1 stay as they are")
    drain_reportstream(database, Partner())
    assert states(database) == ["accepted", "set_aside"]


def test_an_overtaken_update_is_closed_when_a_newer_one_has_gone(database: Database) -> None:
    for number, name in enumerate("ab"):
        database.receive(
            [arrival(database.sealer, name, queue="q", kind="patient_update", body=b"{}" + b" " * number)]
        )
        drain(
            database,
            lane(FarEnd(send_=away) if name == "a" else FarEnd(), retry=RetryPlan(waits=(), jitter=0.0)),
        )
    assert states(database) == ["failed", "delivered"]
    ran = replay(database, "--dry-run", lane="elation")
    assert "0 messages would wait again; 1 superseded by a newer state" in ran.out
    assert states(database) == ["failed", "delivered"]
    replay(database, *WHO, lane="elation")
    assert states(database) == ["superseded", "delivered"]


def test_a_replay_without_a_name_and_a_reason_does_nothing(database: Database) -> None:
    database.receive([result(database, "a")])
    drain_reportstream(database, Partner(), item=cannot)
    for words in ((), ("--by", "Katie"), ("--reason", "why not")):
        ran = replay(database, *words)
        assert ran.code == 1
        assert "a name and a reason" in ran.err
    assert states(database) == ["set_aside"]


def test_a_message_whose_last_try_was_unsure_is_asked_about_before_it_goes(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])

    def unsure(message: Message) -> Receipt:
        raise Unsure("POST /patients: 504", status=504)

    drain(database, lane(FarEnd(send_=unsure), linger=0.0, ask_every=60.0, settle=60.0))
    with database.connect() as db:
        message = database.one("SELECT arrival FROM work")
        db.execute("UPDATE queue SET hold = 'failed: a person must look'")
        operators.skip(db, message, operators.Who("Katie", "nobody knows"))
    (one,) = look(database, "--state", "skipped", lane="elation")
    assert one["effect"] == "asks first"
    replay(database, "--state", "skipped", *WHO, lane="elation")
    far = FarEnd(ask_=lambda message: Receipt())
    drain(database, lane(far))
    assert (len(far.asked), far.sent, states(database)) == (1, [], ["delivered"])


# -- after a restore ---------------------------------------------------------------------------------------------


def test_after_a_restore_everything_that_waits_is_asked_about_before_it_goes(database: Database) -> None:
    names = "abc"
    database.receive(arrival(database.sealer, name, body=json.dumps({"n": name}).encode()) for name in names)
    assert replay(database, "--after-restore", "--dry-run", lane="elation").out == (
        "elation: 3 messages and 0 batches would be asked about before they go\n"
    )
    assert database.one("SELECT count(unsure_at) FROM work") == 0
    assert replay(database, "--after-restore", *WHO, lane="elation").code == 0

    def knows(message: Message) -> Receipt | None:
        return Receipt() if b'"a"' in message.body else None

    far = FarEnd(ask_=knows)
    drain(database, lane(far, linger=1.0))
    assert len({message.id for message in far.asked}) == 3
    assert sorted(message.body for message in far.sent) == [b'0:{"n": "b"}', b'0:{"n": "c"}']
    assert states(database) == ["delivered"] * 3


def test_after_a_restore_a_batch_is_asked_about_by_its_name_and_single_results_are_counted(
    database: Database,
) -> None:
    database.receive([result(database, "a")])

    def gone(keys: Sequence[str]) -> None:
        raise TryLater("POST /api/reports: 503", status=503)

    drain_reportstream(database, Partner(send_=gone), waits=(0.0,) + (900.0,) * 3)
    database.receive([result(database, "b")])
    ran = replay(database, "--after-restore", *WHO)
    assert "2 messages and 1 batches asked about before they go" in ran.out
    assert "1 of the messages stand in no batch" in ran.out
    assert "up to 1 results twice" in ran.out
    with database.connect() as db:
        db.execute("UPDATE queue SET ready_at = now() WHERE lane >= 100")
    partner = Partner()
    drain_reportstream(database, partner)
    assert len(partner.asked) == 1
    assert len(partner.sent) == 1
    assert states(database) == ["accepted", "accepted"]
    rows = handoff(database, "messages", "list", "--json").lines
    assert "restored" in rows[0]["reason"]


def test_after_restore_may_be_repeated(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    replay(database, "--after-restore", *WHO, lane="elation")
    marked = database.rows("SELECT unsure_at, flag FROM work")
    replay(database, "--after-restore", *WHO, lane="elation")
    assert database.rows("SELECT unsure_at, flag FROM work") == marked


def test_after_a_restore_every_lane_is_meant_where_none_is_named(database: Database) -> None:
    database.receive([arrival(database.sealer, "a"), arrival(database.sealer, "b", lane="pridok")])
    ran = handoff(database, "replay", "--after-restore", *WHO)
    assert ran.code == 0
    assert [line.partition(":")[0] for line in ran.out.splitlines()] == [
        "reportstream",
        "elation",
        "hcoint",
        "pridok",
        "openmrs",
    ]
    assert database.one("SELECT count(*) FROM work WHERE unsure_at IS NULL") == 0
    assert handoff(database, "replay", "--from", "1h", *WHO).code == 1


def test_a_lane_that_is_at_work_is_held_before_it_is_marked(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])

    async def at_work() -> Ran:
        async with await connect_async(database.cluster.app_url, "a run") as db:
            await drains.register(db, 2, "test-run", "")
            return await asyncio.to_thread(replay, database, "--after-restore", *WHO, lane="elation")

    ran = asyncio.run(at_work())
    assert ran.code == 1
    assert "handoff messages hold --lane elation" in ran.err
    assert database.one("SELECT count(unsure_at) FROM work") == 0
