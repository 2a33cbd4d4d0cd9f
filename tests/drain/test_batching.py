"""Batches: made, written down, sent, parted where one of them is refused; on the real store."""

import json

import pytest

from assets.drain.run import drain_batches
from assets.drain.settings import BatchReceipt, Item, ItemsRefused, Remark, TooLarge
from resources.errors import PartnerAway, Refused, TryLater
from resources.store import days, operators
from resources.store.lanes import NUMBERS
from resources.store.values import Arrival
from tests.conftest import Database
from tests.drain.far_batches import (
    LANE,
    FarEnd,
    Sent,
    drain,
    fill,
    in_turn,
    lane,
    names,
    nothing_is_leased,
    raises,
    refuses,
    states,
    taken,
)


def test_events_go_in_batches_of_the_most_and_everything_is_accepted(database: Database) -> None:
    fill(database, *names(25))
    far = FarEnd()
    figures, how = drain(database, lane(far, most_items=10))
    assert sorted(far.sizes) == [5, 10, 10]
    assert sorted(far.keys) == names(25)
    assert states(database) == {"accepted": 25}
    assert (figures.sent, figures.batches, how) == (25, 3, "quiet")
    assert nothing_is_leased(database)


def test_a_batch_is_written_down_before_its_first_byte_leaves(database: Database) -> None:
    fill(database, *names(3))
    seen: list[object] = []

    def look(sent: Sent) -> BatchReceipt:
        [(identifier, body, members)] = database.rows(
            "SELECT id, body, members FROM batch WHERE payload = %s AND state = 0", sent.payload
        )
        packed = database.sealer.open(bytes(body), b"batch", identifier)
        seen.append((packed.endswith(sent.body), len(members)))
        return taken(sent)

    drain(database, lane(FarEnd(send_=look)))
    assert seen == [(True, 3)]


def test_a_batch_waits_for_its_window_and_goes_at_once_when_it_is_full(database: Database) -> None:
    fill(database, *names(3))
    far = FarEnd()
    drain(database, lane(far, window=60.0))
    assert far.sent == []
    drain(database, lane(far, window=60.0, most_items=3))
    assert far.sizes == [3]


def test_a_batch_goes_when_its_window_ends_while_the_run_lingers(database: Database) -> None:
    fill(database, *names(3))
    far = FarEnd()
    drain(database, lane(far, window=0.4, linger=0.8))
    assert far.sizes == [3]
    waited = database.one(
        "SELECT extract(epoch FROM at) * 1000 - (SELECT min(id) >> 20 FROM inbox) FROM attempt"
    )
    assert 400 <= float(str(waited)) < 700


def test_a_correction_goes_only_after_its_original_is_accepted(database: Database) -> None:
    fill(database, "original")
    fill(database, "correction", prior="original")
    far = FarEnd()
    drain(database, lane(far))
    assert [sent.keys for sent in far.sent] == [("original",), ("correction",)]
    assert states(database) == {"accepted": 2}


def test_a_correction_whose_original_is_refused_goes_all_the_same(database: Database) -> None:
    fill(database, "original")
    fill(database, "correction", prior="original")
    drain(database, lane(FarEnd(send_=refuses("original"))))
    assert states(database) == {"failed": 1, "accepted": 1}


def test_more_bytes_than_one_request_takes_go_in_several(database: Database) -> None:
    fill(database, *names(6), filling="x" * 2_000)
    far = FarEnd()
    drain(database, lane(far, most_bytes=15_000))
    assert sorted(far.sizes) == [2, 2, 2]
    assert sorted(far.keys) == names(6)
    assert states(database) == {"accepted": 6}


def test_what_cannot_be_mapped_is_set_aside_alone(database: Database) -> None:
    fill(database, "good", "fine")
    fill(database, "poor", bad=True)
    far = FarEnd()
    drain(database, lane(far))
    assert sorted(far.keys) == ["fine", "good"]
    assert database.rows("SELECT reason FROM ended WHERE state = 7") == [("bad: must not be true",)]
    assert nothing_is_leased(database)


def test_too_many_faults_of_the_mapping_in_a_row_hold_the_lane(database: Database) -> None:
    fill(database, *names(200))

    def broken(arrival: Arrival) -> Item:
        raise KeyError("Quetzalcoatl")

    drain(database, lane(FarEnd(), item=broken, most_items=30))
    assert "in a row" in str(database.one("SELECT hold FROM lane WHERE name = %s", LANE))
    assert states(database)["waiting"] > 0
    reasons = {str(row[0]) for row in database.rows("SELECT reason FROM ended")}
    assert reasons == {"the mapping failed (KeyError); this is a fault of ours"}


def test_named_items_fail_alone_and_the_rest_goes_again_with_one_request(database: Database) -> None:
    fill(database, *names(300))
    far = FarEnd(send_=refuses("e0007", "e0100", "e0299"))
    drain(database, lane(far))
    assert far.sizes == [300, 297]
    assert states(database) == {"failed": 3, "accepted": 297}
    failed = database.rows(
        "SELECT i.body, i.id FROM ended e JOIN inbox i ON i.id = e.arrival WHERE e.state = 3"
    )
    opened = [json.loads(database.sealer.open(bytes(body), b"inbox", at))["n"] for body, at in failed]
    assert sorted(opened) == ["e0007", "e0100", "e0299"]


def test_what_the_partner_said_is_kept_sealed_with_the_attempt_and_the_items(database: Database) -> None:
    fill(database, "one", "two")
    drain(database, lane(FarEnd(send_=refuses("two"))))
    [(message, answer)] = database.rows("SELECT message, answer FROM attempt WHERE outcome = 4")
    assert database.sealer.open(bytes(answer), b"attempt", message) == b"said so"
    [(item_of, severity, body)] = database.rows("SELECT message, severity, body FROM remark")
    assert (severity, database.sealer.open(bytes(body), b"remark", item_of)) == ("error", b"no good")
    assert database.one("SELECT arrival FROM ended WHERE state = 3") == item_of


def test_one_bad_item_in_three_hundred_is_found_with_nineteen_requests(database: Database) -> None:
    fill(database, *names(300))
    far = FarEnd(send_=refuses("e0123", named=False))
    drain(database, lane(far))
    assert len(far.sent) <= 19
    assert states(database) == {"failed": 1, "accepted": 299}
    accepted = [key for sent in far.sent if "e0123" not in sent.keys for key in sent.keys]
    assert sorted(accepted) == sorted(set(names(300)) - {"e0123"})
    assert nothing_is_leased(database)


def test_a_batch_too_large_for_the_partner_is_parted(database: Database) -> None:
    fill(database, *names(20))

    def answer(sent: Sent) -> BatchReceipt:
        if len(sent.keys) > 6:
            raise TooLarge("POST far: 413", status=413)
        return taken(sent)

    far = FarEnd(send_=answer)
    drain(database, lane(far))
    assert [size for size in far.sizes if size <= 6] == [5, 5, 5, 5]
    assert states(database) == {"accepted": 20}


def test_a_single_item_that_is_too_large_fails(database: Database) -> None:
    fill(database, "one")
    far = FarEnd(send_=raises(TooLarge("POST far: 413", status=413)))
    drain(database, lane(far))
    assert far.sizes == [1]
    assert states(database) == {"failed": 1}


def test_a_refusal_that_is_about_no_item_fails_the_batch_and_is_not_halved(database: Database) -> None:
    fill(database, *names(4))
    far = FarEnd(send_=raises(Refused("POST far: 418", status=418)))
    drain(database, lane(far))
    assert far.sizes == [4]
    assert states(database) == {"failed": 4}


def test_a_batch_that_may_go_later_goes_again_with_the_same_bytes_and_name(database: Database) -> None:
    fill(database, *names(5))
    far = FarEnd(send_=in_turn(raises(TryLater("POST far: 503", status=503))))
    drain(database, lane(far, linger=0.3))
    first, second = far.sent
    assert first == second
    assert states(database) == {"accepted": 5}
    assert database.rows("SELECT outcome, status FROM attempt ORDER BY at") == [(2, 503), (1, 0)] or (
        database.rows("SELECT outcome, status FROM attempt ORDER BY at") == [(2, 503), (1, 201)]
    )


def test_what_comes_while_a_batch_waits_for_its_next_try_goes_without_it(database: Database) -> None:
    fill(database, "first")
    far = FarEnd(send_=raises(TryLater("POST far: 503", status=503, after_seconds=60)))
    drain(database, lane(far))
    fill(database, "second")
    after = FarEnd()
    drain(database, lane(after))
    assert [sent.keys for sent in after.sent] == [("second",)]
    assert database.one("SELECT ready_at > now() + interval '50 s' FROM queue WHERE lane >= 100") is True


def test_after_the_last_try_its_members_fail_and_a_person_can_send_them_again(database: Database) -> None:
    fill(database, *names(3))
    drain(database, lane(FarEnd(send_=raises(TryLater("POST far: 503", status=503))), linger=0.4))
    assert states(database) == {"failed": 3}
    assert "3 tries" in str(database.one("SELECT DISTINCT reason FROM ended"))
    failed = [int(str(row[0])) for row in database.rows("SELECT arrival FROM ended")]
    with database.connect() as db:
        assert operators.reopen(db, failed, operators.Who("Op", "mended")) == operators.Reopened(3, 0)
    far = FarEnd()
    drain(database, lane(far))
    assert sorted(far.keys) == names(3)
    assert states(database) == {"accepted": 3}


def test_a_message_sent_again_while_a_later_one_of_its_queue_is_on_its_way_is_not_forgotten(
    database: Database,
) -> None:
    fill(database, "original")
    drain(database, lane(FarEnd(send_=refuses("original"))))
    fill(database, "correction", prior="original")
    failed = int(str(database.one("SELECT arrival FROM ended")))

    def reopens(sent: Sent) -> BatchReceipt:
        if sent.keys == ("correction",):
            with database.connect() as db:
                operators.reopen(db, [failed], operators.Who("Op", "mended"))
        return taken(sent)

    far = FarEnd(send_=reopens)
    drain(database, lane(far, linger=0.2))
    assert [sent.keys for sent in far.sent] == [("correction",), ("original",)]
    assert states(database) == {"accepted": 2}


def test_failures_in_a_row_open_the_breaker_and_the_probe_eats_no_attempt(database: Database) -> None:
    fill(database, *names(4))
    away = FarEnd(send_=raises(TryLater("POST far: 503", status=503)))
    drain(database, lane(away, most_items=1, breaker_after=4))
    sent = len(away.sent)
    assert 4 <= sent <= 6
    assert database.one("SELECT away_since IS NOT NULL FROM lane WHERE name = %s", LANE) is True
    let_the_probe_go(database)
    drain(database, lane(away, most_items=1, breaker_after=4))
    assert len(away.sent) == sent + 1
    assert database.one("SELECT count(*) FROM attempt WHERE outcome = 7") == 1
    let_the_probe_go(database)
    drain(database, lane(FarEnd(), most_items=1, breaker_after=4))
    assert states(database) == {"accepted": 4}
    assert database.one("SELECT away_since IS NULL FROM lane WHERE name = %s", LANE) is True


def let_the_probe_go(database: Database) -> None:
    with database.connect() as db:
        db.execute("UPDATE lane SET away_until = now() WHERE name = %s", [LANE])
        db.execute("UPDATE queue SET ready_at = now() WHERE ready_at < 'infinity' AND lane >= 100")


def test_a_probe_with_nothing_to_send_is_not_used_up(database: Database) -> None:
    fill(database, "one")
    with database.connect() as db:
        db.execute("UPDATE lane SET away_since = now(), away_until = now() WHERE name = %s", [LANE])
    drain(database, lane(FarEnd(), window=60.0))
    far = FarEnd()
    drain(database, lane(far))
    assert far.sizes == [1]


def test_a_partner_that_cannot_work_at_all_pauses_the_lane_at_once(database: Database) -> None:
    fill(database, *names(2))
    drain(database, lane(FarEnd(send_=raises(PartnerAway("POST far/token: 401", status=401)))))
    assert database.one("SELECT attempts FROM work WHERE lane >= 100") == 0
    assert database.one("SELECT away_reason FROM lane WHERE name = %s", LANE) == "POST far/token: 401"
    assert states(database) == {"waiting": 2}


@pytest.mark.parametrize("made", [False, True])
def test_a_missing_key_pauses_the_lane_and_fails_nothing(database: Database, made: bool) -> None:
    fill(database, *names(2))
    if made:
        drain(database, lane(FarEnd(send_=raises(TryLater("POST far: 503", status=503, after_seconds=0)))))
    other = database.with_(HANDOFF_KEYS="k9:" + "A" * 43 + "=")
    with database.connect() as db:
        db.execute("UPDATE queue SET ready_at = now() WHERE ready_at < 'infinity'")
    far = FarEnd()
    drain_batches(other, [lane(far, linger=0.5)], run_id="r")
    assert (far.sent, states(database)) == ([], {"waiting": 2})
    assert "k1" in str(database.one("SELECT away_reason FROM lane WHERE name = %s", LANE))
    assert database.one("SELECT count(*) FROM queue WHERE lane >= 100 AND lease IS NOT NULL") == 0


def test_warnings_are_kept_with_their_items_and_stop_nothing(database: Database) -> None:
    fill(database, "one", "two")
    receipt = BatchReceipt(status=201, external_id="r", remarks=[Remark(1, "warning", "odd zip")])
    drain(database, lane(FarEnd(send_=lambda sent: receipt)))
    assert states(database) == {"accepted": 2}
    [(message,)] = database.rows("SELECT message FROM remark")
    assert message == database.one("SELECT max(arrival) FROM ended")


def test_a_held_lane_sends_nothing_and_a_full_ledger_says_so(database: Database) -> None:
    fill(database, *names(2))
    with database.connect() as db:
        operators.hold_lane(db, NUMBERS[LANE], operators.Who("Op", "audit"))
    far = FarEnd()
    drain(database, lane(far))
    assert far.sent == []
    with database.connect() as db:
        operators.release_lane(db, NUMBERS[LANE], operators.Who("Op", "audit over"))
        assert days.now_of(db, NUMBERS[LANE]).waiting == 2
    drain(database, lane(far))
    assert far.sizes == [2]


def test_an_error_about_a_place_outside_the_batch_names_nobody(database: Database) -> None:
    fill(database, "one", "two")
    strange = ItemsRefused("POST far: 400", status=400, answer=b"", remarks=[Remark(7, "error", "?")])
    far = FarEnd(send_=raises(strange))
    drain(database, lane(far))
    assert far.sizes == [2, 1, 1]
    assert states(database) == {"failed": 2}
