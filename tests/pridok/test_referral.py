"""What a referral is read as, and how it is judged, beyond the case files."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.pridok import events, referral
from assets.pridok.mapping import normalised
from assets.pridok.referral import Contact, Flag, Known, Seen, Verdict

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GUID = "22222222-2222-4222-8222-000000000001"
BODY: dict[str, Any] = {
    "JournalGuid": GUID,
    "PID": "12829499914",
    "FormatId": events.REFERRAL_2_0,
    "MessageTimestamp": "2026-03-02T08:15:00.1234567+01:00",
    "Firstname": "Kari",
    "Lastname": "Prøve",
    "Email": "kari@example.com",
    "PhoneNumber": "91234567",
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def read(**changes: object) -> events.Referral:
    return events.read(json.dumps(BODY | changes).encode())


def judge(known: Known | None = None, **changes: object) -> referral.Judgement:
    return referral.judge(read(**changes), known or Known(), environment="test", now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{} {}",
        b"{",
        b'"text"',
        b'{"JournalGuid": "\xff"}',
        b"[" * 100_000,
        b"\xef\xbb\xbf",
    ],
)
def test_a_body_that_is_not_one_object_is_refused(body: bytes) -> None:
    with pytest.raises(events.NotAReferral, match="body: "):
        events.read(body)


@pytest.mark.parametrize("guid", [None, "", " ", 7, True, ["a"], "no-uuid", GUID + "0", "２" + GUID[1:]])
def test_a_referral_without_a_usable_id_is_refused_and_the_id_not_repeated(guid: object) -> None:
    with pytest.raises(events.NotAReferral, match="JournalGuid: ") as refused:
        read(JournalGuid=guid)
    assert "no-uuid" not in str(refused.value)


@pytest.mark.parametrize("written", [GUID.upper(), f"{{{GUID}}}", GUID.replace("-", ""), f" {GUID} "])
def test_an_id_is_the_same_however_it_is_written(written: str) -> None:
    assert read(JournalGuid=written).guid == GUID
    assert read(JournalGuid=written).content == read().content


@given(st.permutations(list(BODY)), st.sampled_from([None, 2]))
def test_order_and_space_of_members_make_no_other_content(order: list[str], indent: int | None) -> None:
    body = json.dumps({name: BODY[name] for name in order}, indent=indent)
    assert events.read(body.encode()).content == read().content


def test_a_byte_order_mark_is_no_fault() -> None:
    assert events.read(b"\xef\xbb\xbf" + json.dumps(BODY).encode()).guid == GUID


@given(st.dictionaries(st.sampled_from([*BODY, "Extra"]), json_values))
def test_every_object_with_an_id_gets_a_verdict(changes: dict[str, Any]) -> None:
    changes.pop("JournalGuid", None)
    judgement = judge(**changes)
    assert judgement.verdict in Verdict
    assert judgement.verdict.accepted == (not judgement.problems)
    assert json.dumps(normalised(judgement))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    place = "read"
    try:
        events.read(body)
    except events.NotAReferral as refused:
        place = str(refused).split(":")[0]
    assert place in ("read", "body", "JournalGuid")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_body_nested_too_deep_is_refused_and_no_crash(opening: str, closing: str) -> None:
    def nested(depth: int) -> bytes:
        inner = opening * depth + '""' + closing * depth
        return f'{json.dumps(BODY)[:-1]}, "Extra": {inner}}}'.encode()

    assert events.read(nested(100)).has_unknown_members
    with pytest.raises(events.NotAReferral, match="body: "):
        events.read(nested(100_000))


def test_every_fault_is_named_and_no_value_repeated() -> None:
    judgement = judge(
        PID="12829499915", FormatId="x", MessageTimestamp="yesterday", Firstname="", Lastname=None
    )
    assert [problem.split(":")[0] for problem in judgement.problems] == [
        "PID",
        "FormatId",
        "MessageTimestamp",
        "Firstname, Lastname",
    ]
    assert "12829499915" not in repr(judgement)


def test_nothing_that_names_the_patient_shows_in_a_repr() -> None:
    shown = repr(judge())
    for value in ("12829499914", "Kari", "Prøve", "kari@example.com", "91234567"):
        assert value not in shown


def test_a_number_sent_as_a_number_gets_its_leading_zero_back() -> None:
    assert [read(PID=pid).pid for pid in (1814190184, 1814190184.0, 1.5, True)] == [
        "01814190184",
        "01814190184",
        None,
        None,
    ]
    assert Flag.PID_COERCED in judge(PID=1814190184.0).flags


def test_an_sms_goes_to_mobile_numbers_only() -> None:
    phones = [judge(PhoneNumber=number).phone for number in ("91234567", "22123456", "+4712345678", "abc")]
    assert [phone is not None and phone.takes_sms for phone in phones] == [True, False, False, False]


def test_a_clock_is_told_about_only_when_more_than_five_minutes_ahead() -> None:
    at_limit, beyond = NOW + timedelta(minutes=5), NOW + timedelta(minutes=5, seconds=1)
    assert Flag.CLOCK_SKEW not in judge(MessageTimestamp=at_limit.isoformat()).flags
    assert Flag.CLOCK_SKEW in judge(MessageTimestamp=beyond.isoformat()).flags
    assert Flag.CLOCK_SKEW not in judge(MessageTimestamp="2001-01-01T00:00:00Z").flags


def test_seven_decimals_are_cut_to_microseconds() -> None:
    assert read().sent_at == datetime(2026, 3, 2, 7, 15, 0, 123456, tzinfo=UTC)


def test_an_id_with_other_content_is_a_conflict_whatever_the_content() -> None:
    assert judge(Known(seen=Seen.OTHER), PID="x").verdict is Verdict.CONFLICT
    assert judge(Known(seen=Seen.SAME)).verdict is Verdict.DUPLICATE


def test_a_synthetic_number_is_quarantined_in_production() -> None:
    judgement = referral.judge(read(), Known(), environment="production", now=NOW)
    assert judgement.verdict is Verdict.INVALID_PID


def test_the_new_number_rule_begins_at_norwegian_midnight() -> None:
    def verdict(now: datetime) -> Verdict:
        one = read(PID="01019950073")
        return referral.judge(one, Known(), environment="production", now=now).verdict

    assert verdict(datetime(2031, 12, 31, 22, 59, tzinfo=UTC)) is Verdict.INVALID_PID
    assert verdict(datetime(2031, 12, 31, 23, 0, tzinfo=UTC)) is Verdict.ACCEPTED


def test_an_ordinary_number_in_test_is_taken_with_an_alarm() -> None:
    judgement = judge(PID="01019950065")
    assert judgement.verdict is Verdict.ACCEPTED
    assert Flag.ORDINARY_NUMBER_IN_TEST in judgement.flags
    assert Flag.ORDINARY_NUMBER_IN_TEST not in judge(PID="13116900216").flags


def test_a_known_patient_who_leaves_out_the_address_keeps_it() -> None:
    before = Contact(first_name="Kari", last_name="Prøve", email="kari@example.com", phone="+4791234567")
    flags = judge(Known(patient=before), Email=None, PhoneNumber=None).flags
    assert Flag.EXISTING_USER in flags
    assert Flag.CONTACT_CHANGED not in flags
    again = judge(Known(patient=before), Lastname="Annen").contact
    assert again is not None
    assert before.updated_by(again) == Contact(
        first_name="Kari", last_name="Annen", email="kari@example.com", phone="+4791234567"
    )


@pytest.mark.parametrize(
    "address", ["kari", "kari@", "a@b@c.no", "kari@example", "k@e.no, l@e.no", "x" * 250 + "@e.no"]
)
def test_an_address_no_single_mail_can_reach_is_flagged_and_not_used(address: str) -> None:
    judgement = judge(Email=address)
    assert Flag.EMAIL_NOT_USABLE in judgement.flags
    assert judgement.contact is not None
    assert judgement.contact.email is None
