"""Orders of Redox: the published and our own samples, repeated deliveries, and messages that cannot be used."""

import json
from pathlib import Path
from typing import Any

import pytest

from assets.hcoint.events import Happened, NotAnOrder, Order, VisitEnded
from assets.hcoint.life import Effect, Flag, Life, State, told
from assets.hcoint.redox_order import delivery_id, read
from assets.hcoint.verification import presented, proven, verification
from tests.hcoint.cases import SAMPLES, each_case

ORDER = (SAMPLES / "partners/redox/composed_order_update.json").read_bytes()


def changed(**meta: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ORDER)
    document["Meta"] |= meta
    return document


def raw(document: object) -> bytes:
    return json.dumps(document).encode()


def one(octets: bytes) -> Order:
    (order,) = read(octets)
    assert isinstance(order, Order)
    return order


def test_an_order_is_read_with_everything_that_goes_back() -> None:
    order = one(ORDER)
    assert order.happened is Happened.CHANGED
    assert order.order_id == "157968300"
    assert order.sender == "7ce6f387-c33c-417d-8682-81e83628cbd9"
    assert [(given.id, given.kind) for given in order.patient.identifiers] == [("0000000001", "MR")]
    assert order.patient.number("MR") == "0000000001"
    assert order.patient.number("EMPI") == ""
    assert (order.patient.last_name, order.patient.birth_date, order.patient.sex) == (
        "Bixby",
        "2008-01-06",
        "Female",
    )
    assert order.visit.number == "V-1001"
    assert (order.procedure.code, order.provider.npi, order.provider.credentials) == (
        "CN100",
        "4356789876",
        ("MD",),
    )
    assert not order.test


def test_our_number_is_the_same_for_every_message_of_an_order_and_for_no_other() -> None:
    order = one(ORDER)
    cancel = one((SAMPLES / "partners/redox/composed_order_cancel.json").read_bytes())
    assert order.our_id == cancel.our_id
    assert len(order.our_id) == 13
    elsewhere = [changed(FacilityCode="1"), changed(Source={"ID": "x"})]
    assert len({order.our_id, *[one(raw(other)).our_id for other in elsewhere]}) == 3


def test_the_same_event_told_under_two_delivery_ids_has_one_business_key() -> None:
    again = changed(Logs=[{"ID": "log-2"}])
    assert one(raw(again)).business_key == one(ORDER).business_key
    assert one(raw(changed(EventType="New"))).business_key != one(ORDER).business_key
    assert one(raw(changed(FacilityCode="1"))).business_key != one(ORDER).business_key


def test_numbers_of_old_samples_are_read_as_text_without_rounding() -> None:
    document = changed(Logs=None, Message={"ID": 96619801}, Transmission={"ID": 9007199254740993})
    document["Order"]["ID"] = 9007199254740993
    assert one(raw(document)).order_id == "9007199254740993"
    assert delivery_id(raw(document)) == "message:96619801:9007199254740993"


def test_a_delivery_is_known_by_its_log_id_then_by_its_numbers_then_by_its_bytes() -> None:
    first = changed(Logs=[{"ID": "log-1", "AttemptID": "a"}])
    again = changed(Logs=[{"ID": "log-1", "AttemptID": "b"}])
    assert delivery_id(raw(first)) == delivery_id(raw(again)) == "log:log-1"
    bare = changed(Logs=[], Message={"ID": 1})
    assert (
        delivery_id(raw(bare))
        == delivery_id(raw(bare))
        != delivery_id(raw(changed(Logs=[], Message={"ID": 2})))
    )
    assert delivery_id(b"not json").startswith("sha256:")
    assert delivery_id(b'{"Meta": 5}').startswith("sha256:")
    assert delivery_id(b'{"Meta": null}').startswith("sha256:")


def test_members_that_redox_adds_and_members_that_are_null_do_no_harm() -> None:
    document = changed(NewMember={"deep": [1]}, Destinations=None, FacilityCode=None)
    document["Patient"]["Demographics"] = None
    document["Visit"] = None
    document["Order"] |= {"Procedure": None, "Provider": None, "Anything": {"else": True}}
    order = one(raw(document))
    assert order.visit.number == order.patient.last_name == order.provider.id == ""


def test_a_group_of_orders_is_one_order_each() -> None:
    document = changed(EventType="GroupedOrders")
    document["Orders"] = [document["Order"] | {"ID": "1", "Status": "New"}, {"ID": "2", "Status": "Cancel"}]
    orders = read(raw(document))
    assert [(order.order_id, order.happened) for order in orders if isinstance(order, Order)] == [
        ("1", Happened.PLACED),
        ("2", Happened.CANCELLED),
    ]


def test_a_discharge_ends_a_visit() -> None:
    document = changed(DataModel="PatientAdmin", EventType="Discharge")
    document["Visit"]["DischargeDateTime"] = "2026-02-04T10:00:00.000Z"
    (ended,) = read(raw(document))
    assert isinstance(ended, VisitEnded)
    assert (ended.visit_number, ended.ended_at) == ("V-1001", "2026-02-04T10:00:00.000Z")


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("Order", "ID"), None, "Order.ID"),
        (("Order", "ID"), "  ", "Order.ID"),
        (("Order",), None, "Order.ID"),
        (("Order", "ID"), {"a": 1}, "Order.ID"),
        (("Meta", "Source"), None, "Meta.Source.ID"),
        (("Meta", "EventType"), "Query", "Meta.EventType"),
        (("Meta", "EventType"), "GroupedOrders", "Orders"),
        (("Meta", "DataModel"), "Scheduling", "Meta.EventType"),
        (("Patient", "Identifiers"), [], "Patient.Identifiers"),
        (("Patient",), None, "Patient.Identifiers"),
        (("Patient", "Demographics", "DOB"), "PERSIMMON", "Patient.Demographics.DOB"),
        (("Patient", "Demographics", "DOB"), "2008-02-31", "Patient.Demographics.DOB"),
        (("Patient", "Demographics", "Sex"), ["PERSIMMON"], "Patient.Demographics.Sex"),
    ],
)
def test_a_message_that_cannot_be_used_is_refused_by_place_without_its_value(
    path: tuple[str, ...], value: object, place: str
) -> None:
    document = json.loads(ORDER)
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(NotAnOrder) as refused:
        read(raw(document))
    assert refused.value.place == place
    assert "PERSIMMON" not in str(refused.value)


@pytest.mark.parametrize("octets", [b"", b"[]", b"{", b"\xff", b'"x"', b"null", b"{}"])
def test_bytes_that_are_no_document_are_refused(octets: bytes) -> None:
    with pytest.raises(NotAnOrder):
        read(octets)


def test_a_birth_date_with_a_time_of_day_is_the_day() -> None:
    document = json.loads(ORDER)
    document["Patient"]["Demographics"]["DOB"] = "2008-01-06T00:00:00.000Z"
    assert one(raw(document)).patient.birth_date == "2008-01-06"


def test_a_verification_is_told_from_a_message() -> None:
    assert verification(ORDER) is None
    assert verification(b'{"verification-token": "t", "challenge": "c"}') is not None


def test_a_token_beyond_ascii_is_compared_and_not_a_fault() -> None:
    assert not proven("tökén\udcff", ["s3cret"])
    assert proven("tökén", ["tökén"])
    assert not proven("", ["", "x"])
    assert not proven("x", [])


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/*_order_*.json"))
def test_every_order_sample_is_read(path: Path) -> None:
    octets = path.read_bytes()
    event = json.loads(octets)["Meta"]["EventType"]
    order = one(octets)
    assert order.happened.value == event.lower()
    assert order.order_id == json.loads(octets)["Order"]["ID"]
    assert [given.id for given in order.patient.identifiers] == [
        given["ID"] for given in json.loads(octets)["Patient"]["Identifiers"]
    ]
    assert delivery_id(octets) == "log:" + json.loads(octets)["Meta"]["Logs"][0]["ID"]


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/real_*_new_*.json"))
def test_every_published_message_has_a_delivery_id_and_only_orders_are_used(path: Path) -> None:
    octets = path.read_bytes()
    assert not delivery_id(octets).startswith("sha256:")
    if json.loads(octets)["Meta"]["DataModel"] != "Order":
        with pytest.raises(NotAnOrder) as refused:
            read(octets)
        assert not refused.value.known


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/real_verification_post_body.json"))
def test_the_published_verification_is_answered_with_its_challenge(path: Path) -> None:
    asked = verification(path.read_bytes())
    answer = json.loads((path.parent / "real_verification_response.json").read_bytes())
    assert asked is not None
    assert asked.challenge == answer["challenge"]


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/*_auth_cases.jsonl"))
def test_every_auth_case_has_its_answer(path: Path) -> None:
    for line in path.read_text().splitlines():
        case = json.loads(line)
        given = proven(presented(case["headers"]), case["configured"])
        assert (200 if given else 401) == case["expect"], line


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/*_delivery_stream.jsonl"))
def test_every_delivery_has_its_effect(path: Path) -> None:
    seen: set[str] = set()
    lives: dict[tuple[str, str, str], Life] = {}
    for line in path.read_text().splitlines():
        case = json.loads(line)
        assert case["expect"]["http"] == 200
        assert delivered(raw(case["body"]), seen, lives) == case["expect"]["effect"], f"seq {case['seq']}"


def delivered(octets: bytes, seen: set[str], lives: dict[tuple[str, str, str], Life]) -> str:
    """What the door and the lane make of one delivery, without a store."""
    if delivery_id(octets) in seen:
        return "duplicate_ignored"
    seen.add(delivery_id(octets))
    try:
        order = one(octets)
    except NotAnOrder:
        return "quarantined_invalid"
    lives[order.key], effect = told(lives.get(order.key), order)
    if effect is Effect.TOLD_TWICE:
        assert Flag.TOLD_TWICE in lives[order.key].flags
    if effect in (Effect.CANCELLED, Effect.PARKED):
        assert lives[order.key].state is State.CANCELLED
    return effect.value
