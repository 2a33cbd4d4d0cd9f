"""The whole lane on a real store: referrals taken, people at work, the report sealed, the insurer told."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from assets.drain.run import drain_singles
from assets.pridok.actors import NotAllowed, WrongState
from assets.pridok.clinic import RECIPIENTS, Clinic, KeysMissing
from assets.pridok.consultation import Reason, State
from assets.pridok.events import NotAReferral
from assets.pridok.referral import Verdict
from assets.pridok.results import Form, FormRefused
from assets.pridok.sending import lane
from resources.sealing import Place, SealBroken, Sealed, unseal, unseal_whole
from resources.settings import SettingError
from resources.store.connect import connect
from sandbox.insurer import Insurer
from sandbox.running import sandbox_thread
from tests.conftest import Database
from tests.pridok.room import FORM, KEYS, NOTE, OTHER, PROVIDER, PUBLIC, SECRETARY, Room, referral


@pytest.fixture
def room(database: Database) -> Iterator[Room]:
    made = Room(database)
    yield made
    made.close()


def test_an_accepted_referral_gives_a_patient_and_a_consultation(room: Room) -> None:
    taken = room.take(referral())
    assert taken.verdict is Verdict.ACCEPTED
    assert "phone_possible_not_valid" in taken.flags
    (one,) = room.all()
    assert (one.state, one.screened_at, one.created_at) == (State.READY_FOR_PICKUP, None, room.clock.at)
    tags = room.database.rows("SELECT tags, marketing_allowed FROM pridok_patient")
    assert tags == [(["insurer_referral"], False)]


def test_the_same_again_is_a_duplicate_and_other_content_is_kept_beside(room: Room) -> None:
    room.take(referral())
    again = json.dumps(dict(reversed(json.loads(referral()).items()))).encode()
    assert room.take(again).verdict is Verdict.DUPLICATE
    assert room.take(referral(Lastname="Annen")).verdict is Verdict.CONFLICT
    assert len(room.all()) == 1
    assert room.database.one("SELECT count(*) FROM conflict") == 1


def test_a_quarantined_referral_makes_no_patient_and_waits_for_a_person(room: Room) -> None:
    taken = room.take(referral(PID="13116900217"))
    assert taken.verdict is Verdict.INVALID_PID
    assert room.all() == []
    assert room.database.one("SELECT count(*) FROM pridok_patient") == 0
    reason = str(room.database.one("SELECT reason FROM ended"))
    assert reason.startswith("quarantined_invalid_pid; PID: ")
    assert "13116900217" not in reason


def test_what_has_no_journal_id_is_not_kept(room: Room) -> None:
    with pytest.raises(NotAReferral):
        room.take(b"{}")
    assert room.database.one("SELECT count(*) FROM inbox") == 0


def test_a_second_referral_finds_the_patient_by_number(room: Room) -> None:
    room.take(referral(1))
    taken = room.take(referral(2, PhoneNumber="+4740000000"))
    assert {"existing_user", "contact_changed"} <= set(taken.flags)
    assert room.database.one("SELECT count(*) FROM pridok_patient") == 1
    assert len({one.patients for one in room.all()}) == 1


def test_two_referrals_of_one_new_patient_at_the_same_time_make_one_patient(room: Room) -> None:
    threads = [threading.Thread(target=room.take, args=(referral(number),)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert room.database.one("SELECT count(*) FROM pridok_patient") == 1
    assert len(room.all()) == 6


def test_without_keys_nothing_is_taken(database: Database) -> None:
    clinic = Clinic(database.settings)
    try:
        with pytest.raises(KeysMissing):
            _ = clinic.keys
    finally:
        clinic.close()


def test_a_key_under_another_name_ends_the_start(database: Database) -> None:
    swapped = PUBLIC | {"PRIDOK_CLINIC_PUBLIC_KEY": PUBLIC["PRIDOK_REPORT_PUBLIC_KEY"]}
    with pytest.raises(SettingError, match="PRIDOK_CLINIC_PUBLIC_KEY"):
        Clinic(database.with_(**swapped))


def test_of_two_providers_who_pick_at_the_same_moment_one_gets_it(room: Room) -> None:
    room.take(referral())
    (one,) = room.all()
    room.practice.screen(one.id, SECRETARY)
    outcomes: list[str] = []
    gate = threading.Barrier(8)

    def pick(number: int) -> None:
        gate.wait(10)
        try:
            room.practice.pick(one.id, PROVIDER if number % 2 else OTHER)
            outcomes.append("picked")
        except WrongState:
            outcomes.append("too late")

    threads = [threading.Thread(target=pick, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["picked"] + ["too late"] * 7


def test_only_who_has_it_finishes_it(room: Room) -> None:
    one = room.running()
    with pytest.raises(NotAllowed):
        room.finishing.finish(one.id, FORM, OTHER)
    assert room.finishing.finish(one.id, FORM, PROVIDER).state is State.COMPLETED
    with pytest.raises(WrongState):
        room.finishing.finish(one.id, FORM, PROVIDER)
    assert room.database.one("SELECT count(*) FROM pridok_result") == 1


def test_a_form_with_a_problem_keeps_nothing(room: Room) -> None:
    one = room.running()
    with pytest.raises(FormRefused):
        room.finishing.finish(one.id, Form(icpc2="R74 R75", outcome="helped"), PROVIDER)
    assert room.all()[-1].state is State.IN_PROGRESS
    for table in ("pridok_result", "pridok_tally", "work"):
        assert room.database.one(f"SELECT count(*) FROM {table}") == 0


def test_a_result_opens_for_each_recipient_and_nowhere_else(room: Room) -> None:
    one = room.running()
    room.finishing.finish(one.id, FORM, PROVIDER)
    version, raw = room.database.rows("SELECT version, sealed FROM pridok_result")[0]
    sealed, place = Sealed.from_bytes(bytes(raw)), Place("pridok_result", str(one.id), version)
    for name in RECIPIENTS:
        assert unseal(sealed, place, KEYS[name])["notes"] == NOTE.encode()
    with pytest.raises(SealBroken):
        unseal(sealed, place, KEYS["insurer"])
    with pytest.raises(SealBroken):
        unseal(sealed, Place("pridok_result", str(one.id + 8), version), KEYS["clinic"])


def everything(database: Database) -> str:
    """All rows of all tables, with everything the keys of the application open."""
    tables = [row[0] for row in database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'handoff'")]
    sealed_in = {
        "inbox": "inbox",
        "outbox": "outbox",
        "conflict": "conflict",
        "pridok_patient": "pridok_patient",
    }
    found = []
    with psycopg.connect(database.cluster.owner_url, options="-c search_path=handoff") as db:
        for table in tables:
            found += [str(row) for row in db.execute(f'SELECT t::text FROM "{table}" AS t').fetchall()]
        for table in sealed_in:
            for identifier, body in db.execute(f"SELECT id, body FROM {table}").fetchall():
                found.append(repr(database.sealer.open(bytes(body), table.encode(), identifier)))
    return "\n".join(found)


def test_no_key_of_the_application_opens_a_result_a_raw_referral_or_a_number(room: Room) -> None:
    one = room.running(1, Comment="a word in the raw referral")
    room.take(referral(1, Lastname="Konflikt"))
    room.finishing.finish(one.id, FORM, PROVIDER)
    text = everything(room.database)
    assert "Danser" in text  # the name is the application's to read: the walk opens what can be opened
    for secret in (NOTE, "R74", "00123456", "13116900216", "a word in the raw referral", "Konflikt"):
        assert secret not in text
        assert secret.encode().hex() not in text


def test_the_counter_counts_by_month_organisation_and_outcome(room: Room) -> None:
    for number in (1, 2):
        room.finishing.finish(room.running(number, organisation="If").id, FORM, PROVIDER)
    rows = room.database.rows("SELECT month::text, organisation, outcome, finished FROM pridok_tally")
    assert rows == [("2026-03-01", "If", "helped", 2)]


def drained(room: Room, url: str, **settings: object) -> dict[str, int]:
    values = {
        "PRIDOK_INSURER_URL": f"{url}/insurer/messages",
        "HANDOFF_RETRY_PLAN": "0.05,0.05",
        "PRIDOK_SETTLE_SECONDS": 0.3,
        **settings,
    }
    with_ = room.database.with_(**values)
    figures, _ = drain_singles(with_, lane(with_), run_id="run")
    return dict(figures.messages)


def test_the_insurer_gets_one_sealed_message_a_finished_consultation(room: Room) -> None:
    one = room.running(organisation="If")
    room.clock.forward(15)
    room.finishing.finish(one.id, FORM, PROVIDER)
    with sandbox_thread([Insurer()]) as url, httpx.Client(base_url=url, timeout=20) as http:
        assert drained(room, url) == {"delivered": 1}
        assert drained(room, url) == {}
        (received,) = http.get("/_sandbox/insurer/received").json()
    opened = unseal_whole(received["body"].encode(), Place("insurer_message", str(one.id)), KEYS["insurer"])
    told = json.loads(opened)
    assert (told["outcome"], told["policy_number"], told["organisation"]) == ("helped", "00123456", "If")
    assert (told["waiting_seconds"], told["treatment_seconds"]) == (1800, 900)
    assert not {"icpc2", "notes", "job_description"} & told.keys()


def test_a_message_without_an_answer_goes_once_more_with_the_same_id(room: Room) -> None:
    room.finishing.finish(room.running().id, FORM, PROVIDER)
    with sandbox_thread([Insurer()]) as url, httpx.Client(base_url=url, timeout=20) as http:
        fault = {"status": 504, "take": True, "times": 1}
        assert http.post("/_sandbox/insurer/faults", json=fault).is_success
        assert drained(room, url, HANDOFF_LINGER_SECONDS=1) == {"delivered": 1}
        rows = http.get("/_sandbox/insurer/received").json()
        held = http.get("/_sandbox/insurer/records").json()
    assert [row["answered"] for row in rows] == [504, 200]
    assert len({row["headers"]["idempotency-key"] for row in rows}) == 1
    assert [one["times"] for one in held.values()] == [2]


def test_a_cancelled_consultation_is_owed_by_the_terms_of_its_deal(
    database: Database, tmp_path: Path
) -> None:
    deals = tmp_path / "deals.toml"
    deals.write_text(
        '[deal.D-17]\norganisation = "If"\nprice = "800"\ndiscount = "0.25"\nno_show_share = "0.5"\n'
    )
    room = Room(database, PRIDOK_DEALS=deals)
    try:
        one = room.running(deal_id="D-17")
        owed = "SELECT customer, total::text FROM pridok_order"
        assert room.database.rows(owed) == [("If", "600.00")]
        room.practice.cancel(one.id, Reason.NO_SHOW, PROVIDER)
        assert room.database.rows(owed) == [("If", "300.00")]
    finally:
        room.close()


def test_the_application_changes_no_log_line_and_no_referral(room: Room) -> None:
    room.take(referral())
    with connect(room.settings.database_url) as db:
        for forbidden in (
            "DELETE FROM access_log",
            "UPDATE access_log SET who = 'x'",
            "UPDATE pridok_referral SET verdict = 'x'",
            "DELETE FROM pridok_result",
            "DELETE FROM pridok_event",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(forbidden)  # type: ignore[arg-type]
