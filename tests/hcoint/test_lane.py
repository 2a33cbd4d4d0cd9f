"""The book of orders on a real store: what hospitals say, what people do, what is then owed."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assets.hcoint.life import Flag, NotNow, State
from resources.store.intake import Verdict
from resources.store.lookup import Filter, find
from tests.conftest import Database
from tests.hcoint.desk import MULTICARE, ORM, SOURCE, Desk, desk, discharge, order
from tests.hcoint.notes import pdf


@pytest.fixture
def here(database: Database, tmp_path: Path) -> Iterator[Desk]:
    with desk(database, tmp_path) as found:
        yield found


def test_an_order_is_listed_once_and_owes_nothing_until_a_note_is_sent(here: Desk) -> None:
    assert here.redox(order()).effects == ("order_created",)
    assert here.life().state is State.REQUESTED
    assert here.database.one("SELECT count(*) FROM work") == 0
    assert here.database.rows("SELECT kind FROM inbox") == [("order_new",)]


def test_a_retry_of_a_delivery_changes_nothing(here: Desk) -> None:
    here.redox(order(log="one"))
    retry = order(log="one").replace(b'"AttemptID": "a"', b'"AttemptID": "b"')
    assert here.redox(retry).effects == ("duplicate_ignored",)
    assert here.effects() == ["order_created"]


def test_another_content_under_the_same_delivery_is_kept_for_a_person(here: Desk) -> None:
    here.redox(order(log="one"))
    assert here.redox(order(log="one", last="Other")).verdict is Verdict.CONFLICT
    assert here.database.one("SELECT count(*) FROM conflict") == 1
    assert here.life().order.patient.last_name != "Other"


def test_an_order_told_twice_under_two_deliveries_is_one_order_with_two_messages(here: Desk) -> None:
    here.redox(order(log="one"))
    assert here.redox(order(log="two")).effects == ("duplicate_order_flagged",)
    assert Flag.TOLD_TWICE in here.life().flags
    assert here.database.one("SELECT count(*) FROM hcoint_order") == 1
    assert here.database.one("SELECT count(*) FROM inbox") == 2


def test_a_cancellation_that_comes_first_is_kept_and_cancels_the_order_when_it_comes(here: Desk) -> None:
    assert here.redox(order(event="Cancel")).effects == ("parked_unknown_order",)
    here.redox(order())
    assert here.life().state is State.CANCELLED


def test_a_group_of_orders_is_kept_whole_and_once(here: Desk) -> None:
    document = json.loads(order("1", event="GroupedOrders"))
    first = document.pop("Order")
    document["Orders"] = [first, {**first, "ID": "2"}]
    assert here.redox(json.dumps(document).encode()).effects == ("order_created", "order_created")
    assert here.redox(json.dumps(document).encode()).effects == ("duplicate_ignored",)
    assert here.life("2").order.patient == here.life("1").order.patient


def test_orders_of_two_hospitals_with_the_same_number_are_two(database: Database, tmp_path: Path) -> None:
    uat = MULTICARE.replace("multicare", "uat").replace(SOURCE, "uat-source")
    with desk(database, tmp_path, MULTICARE + uat) as here:
        assert here.redox(order("1")).effects == ("order_created",)
        assert here.redox(order("1", source="uat-source", log="uat")).effects == ("order_created",)
        assert here.database.rows("SELECT partner FROM hcoint_order ORDER BY id") == [
            ("multicare",),
            ("uat",),
        ]


def test_many_deliveries_of_one_order_at_once_leave_one_order(here: Desk) -> None:
    bodies = [order(log=f"log-{number % 4}") for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(here.redox, bodies))
    assert sum(one.verdict is Verdict.RECEIVED for one in taken) == 4
    assert here.database.one("SELECT count(*) FROM hcoint_order") == 1
    assert here.life().version == 4


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b"{", "body"),
        (b'{"Meta": {"DataModel": "Order", "EventType": "New", "Source": {"ID": "x"}}}', "Order.ID"),
        (order(source="nobody"), "Meta.Source.ID"),
        (b'{"Meta": {"DataModel": "Scheduling", "EventType": "New"}}', "Meta.EventType"),
    ],
)
def test_what_cannot_be_used_is_kept_and_set_aside_with_its_place(here: Desk, raw: bytes, place: str) -> None:
    assert here.redox(raw).effects == ("quarantined_invalid",)
    with here.database.connect() as db:
        (found,) = find(db, Filter(lane="hcoint", state="set_aside"))
    assert str(found.reason).startswith(place)
    assert "nobody" not in str(found.reason)


def test_bytes_without_an_id_repeat_within_a_day_only(here: Desk) -> None:
    here.redox(b"not json")
    assert here.redox(b"not json").verdict is Verdict.DUPLICATE
    with here.database.connect() as db:
        db.execute("UPDATE seen SET arrival = arrival - (25 * 3600000::bigint << 20)")
    assert here.redox(b"not json").verdict is Verdict.RECEIVED


def test_a_note_waits_for_the_discharge_where_the_partner_wants_that(
    database: Database, tmp_path: Path
) -> None:
    with desk(database, tmp_path, MULTICARE + "after_discharge = true\n") as here:
        here.redox(order(visit="V1"))
        with pytest.raises(NotNow, match="after discharge"):
            here.attach()
        assert here.redox(discharge("V1")).effects == ("visit_ended",)
        here.attach()
        assert here.life().state is State.NOTE_ATTACHED


def test_a_discharge_that_comes_before_the_order_counts(database: Database, tmp_path: Path) -> None:
    with desk(database, tmp_path, MULTICARE + "after_discharge = true\n") as here:
        here.redox(discharge("V1"))
        here.redox(order(visit="V1"))
        here.attach()
        assert here.life().state is State.NOTE_ATTACHED


def test_a_sent_note_stands_in_the_queue_of_its_order_and_its_file_in_the_inbox_alone(here: Desk) -> None:
    here.redox(order())
    data = here.attach()
    message = here.send()
    assert here.life().state is State.SENDING
    assert here.database.rows("SELECT arrival, lane FROM work") == [(message, 3)]
    assert here.database.one("SELECT count(*) FROM hcoint_upload") == 0
    row = here.row()
    with here.book.store() as db:
        assert here.book.document(db, row, here.life()).data == data


def test_nothing_of_an_order_stands_in_the_tables_in_the_clear(here: Desk) -> None:
    here.redox(order(mrn="MRN-4711", last="Quetzalcoatl"))
    here.attach(data=b"The note of Quetzalcoatl.")
    here.send()
    for table in ("hcoint_order", "hcoint_event", "hcoint_note", "hcoint_patient", "inbox", "seen", "work"):
        text = str(here.database.rows(f"SELECT * FROM {table}"))
        assert "MRN-4711" not in text
        assert "Quetzalcoatl" not in text


def test_of_two_who_send_at_once_one_is_told_so(here: Desk) -> None:
    here.redox(order())
    here.attach()
    asked = [here.confirmed()] * 2

    def send(confirmed: object) -> object:
        try:
            return here.book.send(here.row().id, confirmed, "Cora")  # type: ignore[arg-type]
        except NotNow as error:
            return error

    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(send, asked))
    assert sum(isinstance(one, int) for one in outcomes) == 1
    assert any("sent already" in str(one) for one in outcomes)
    assert here.database.one("SELECT count(*) FROM work") == 1


def test_a_file_that_went_for_another_patient_is_stopped(here: Desk) -> None:
    data = pdf(pages=3)
    for number, mrn in (("1", "A"), ("2", "B")):
        here.redox(order(number, mrn=mrn))
        here.attach(number, data)
    here.send("1")
    with pytest.raises(NotNow, match="another patient"):
        here.send("2")


def test_an_order_that_was_cancelled_or_changed_after_the_upload_is_not_sent_as_it_was(here: Desk) -> None:
    here.redox(order())
    here.attach()
    seen = here.confirmed()
    here.redox(order(event="Update", at="2026-02-03T19:00:00.000Z"))
    with pytest.raises(NotNow, match="has changed"):
        here.book.send(here.row().id, seen, "Cora")
    here.redox(order(event="Cancel", at="2026-02-03T19:10:00.000Z"))
    with pytest.raises(NotNow, match="cancelled"):
        here.send()
    assert here.database.one("SELECT count(*) FROM work") == 0


def test_a_held_order_is_not_sent_until_it_is_released(here: Desk) -> None:
    here.redox(order())
    here.attach()
    here.book.hold(here.row().id, "Cora")
    with pytest.raises(NotNow, match="on hold"):
        here.send()
    here.book.release(here.row().id, "Cora")
    here.send()
    assert here.effects() == ["order_created", "note_attached", "held", "released", "sent"]


def test_another_patient_in_a_later_message_must_be_cleared_by_a_person(here: Desk) -> None:
    here.redox(order(mrn="A"))
    here.attach()
    here.redox(order(event="Update", mrn="B", at="2026-02-03T19:00:00.000Z"))
    with pytest.raises(NotNow, match="another patient"):
        here.send()
    here.book.clear(here.row().id, Flag.OTHER_PATIENT, "Cora")
    here.send()


def test_a_test_order_is_not_answered_in_production(database: Database, tmp_path: Path) -> None:
    with desk(database, tmp_path, HANDOFF_ENVIRONMENT="production") as here:
        here.redox(order(test=True))
        here.attach()
        with pytest.raises(NotNow, match="test order"):
            here.send()


def test_an_order_over_hl7_is_kept_like_one_of_redox(database: Database, tmp_path: Path) -> None:
    sender = ORM.read_text().split("|")[2:4]
    table = MULTICARE + MULTICARE.replace("multicare", "north").replace(
        'orders = "redox"', 'orders = "mllp"'
    ).replace("redox_source_id", "#").replace(
        'facility = "MULTICARE"', f'facility = "N"\nmllp_sender = "{"|".join(sender)}"'
    )
    with desk(database, tmp_path, table) as here:
        assert here.hl7(ORM.read_bytes()).effects == ("order_created",)
        assert here.hl7(ORM.read_bytes()).effects == ("duplicate_ignored",)
        assert here.database.rows("SELECT partner, state FROM hcoint_order") == [("north", "requested")]
