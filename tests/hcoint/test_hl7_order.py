"""Orders as HL7 v2: every sample is acknowledged, and what cannot be used is refused with its place."""

from base64 import b64encode
from pathlib import Path

import pytest

from assets.formats.hl7_ack import acknowledgement
from assets.formats.hl7_read import decode, parse
from assets.hcoint.documents import embedded
from assets.hcoint.events import Happened, NotAnOrder, Order, VisitEnded
from assets.hcoint.hl7_order import delivery_id, iso, judge, read, sender
from tests.hcoint.cases import SAMPLES, each_case
from tests.hcoint.notes import NOW

ORM = (SAMPLES / "partners/hl7/composed_orm_o01_new.hl7").read_text("utf-8").replace("\n", "\r")
SENDERS = {"EPIC|MULTICARE"}


def one(text: str) -> Order:
    (order,) = read(parse(text))
    assert isinstance(order, Order)
    return order


def test_an_order_is_read_with_everything_that_goes_back() -> None:
    order = one(ORM)
    assert (order.happened, order.sender, order.facility) == (Happened.PLACED, "EPIC|MULTICARE", "MULTICARE")
    assert (order.order_id, order.authority) == ("157968300", ("EPIC",))
    (identifier,) = order.patient.identifiers
    assert (identifier.id, identifier.kind, identifier.authority) == ("0000000001", "MR", ("MULTICARE",))
    assert (order.patient.last_name, order.patient.middle_name) == ("Bixby", "Paul")
    assert (order.patient.birth_date, order.patient.sex) == ("2008-01-06", "F")
    assert (order.visit.number, order.visit.authority, order.visit.patient_class) == (
        "V-1001",
        ("MULTICARE",),
        "O",
    )
    assert (order.procedure.code, order.procedure.system) == ("CN100", "L")
    assert (order.provider.id, order.provider.npi, order.provider.credentials) == (
        "4356789876",
        "4356789876",
        ("MD",),
    )
    assert (order.priority, order.at, order.test) == ("R", "2026-02-03T18:04:05", True)


def test_an_order_of_redox_and_of_hl7_is_the_same_order_only_at_the_same_sender() -> None:
    assert one(ORM).our_id == one(ORM.replace("ORC|NW", "ORC|CA")).our_id
    assert one(ORM).our_id != one(ORM.replace("MULTICARE|ENGINE", "OTHER|ENGINE")).our_id


@pytest.mark.parametrize(
    ("control", "happened"),
    [("NW", Happened.PLACED), ("XO", Happened.CHANGED), ("RP", Happened.CHANGED), ("CA", Happened.CANCELLED)],
)
def test_the_order_control_says_what_happened(control: str, happened: Happened) -> None:
    assert one(ORM.replace("ORC|NW", f"ORC|{control}")).happened is happened


def test_the_placer_number_is_taken_from_the_request_where_the_order_segment_has_none() -> None:
    order = one(ORM.replace("ORC|NW|157968300^EPIC", "ORC|NW|"))
    assert (order.order_id, order.authority) == ("157968300", ("EPIC",))


def test_every_pair_of_order_segments_is_an_order() -> None:
    second = "ORC|CA|2^EPIC\rORC|NW|3\rOBR|2|3||X^Note\r"
    orders = [order for order in read(parse(ORM + second)) if isinstance(order, Order)]
    assert [(order.order_id, order.procedure.code) for order in orders] == [
        ("157968300", "CN100"),
        ("2", ""),
        ("3", "X"),
    ]


def test_production_is_what_says_so() -> None:
    assert not one(ORM.replace("|T|2.5.1", "|P|2.5.1")).test
    assert one(ORM.replace("|T|2.5.1", "||2.5.1")).test


def test_an_explicit_null_is_nothing() -> None:
    order = one(ORM.replace("|20080106|F", '|""|""').replace("Bixby^Timothy^Paul", 'Bixby^""'))
    assert order.patient.birth_date == order.patient.sex == order.patient.first_name == ""


def test_a_discharge_ends_a_visit() -> None:
    text = ORM.replace("ORM^O01^ORM_O01", "ADT^A03^ADT_A03").replace("|V-1001^", "|V-1001^")
    (ended,) = read(parse(text))
    assert isinstance(ended, VisitEnded)
    assert (ended.visit_number, ended.sender) == ("V-1001", "EPIC|MULTICARE")


def test_a_month_of_birth_is_no_day_and_is_left_out() -> None:
    assert one(ORM.replace("|20080106|", "|200801|")).patient.birth_date == ""


@pytest.mark.parametrize(
    ("good", "bad", "code", "place", "error"),
    [
        ("ORC|NW", "ORC|ZZ", "AE", "ORC-1", "101"),
        ("157968300^EPIC", "", "AE", "ORC-2", "101"),
        ("0000000001^^^MULTICARE^MR", "", "AE", "PID-3", "101"),
        ("|20080106|", "|PERSIMMON|", "AE", "PID-7", "101"),
        ("|20080106|", "|20080231|", "AE", "PID-7", "101"),
        ("|ORM0001|", "||", "AE", "MSH-10", "101"),
        ("ORM^O01^ORM_O01", "ORU^R01^ORU_R01", "AR", "MSH-9", "200"),
        ("EPIC|MULTICARE", "PERSIMMON|MULTICARE", "AR", "MSH-3", "207"),
        ("MSH|", "PID|", "AR", "MSH", "102"),
    ],
)
def test_a_refusal_names_the_place_and_not_the_value(
    good: str, bad: str, code: str, place: str, error: str
) -> None:
    message, verdict = judge(ORM.replace(good, bad).encode(), SENDERS)
    assert (verdict.code, verdict.place, verdict.error) == (code, place, error)
    ack = parse(acknowledgement(message, verdict, control_id="A1", now=NOW))
    assert ack.first("MSA").text(1) == code
    assert ack.first("ERR").text(8) == verdict.text
    assert "PERSIMMON" not in verdict.text


def test_orders_without_an_order_are_refused() -> None:
    with pytest.raises(NotAnOrder, match="at least one order"):
        read(parse(ORM.split("ORC|")[0]))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("20260203", "2026-02-03"),
        ("2026020318", "2026-02-03T18"),
        ("20260203180405.123+0100", "2026-02-03T18:04:05+01:00"),
        ("2026", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_moments_are_brought_to_iso_as_precise_as_they_came(moment: str, expected: str) -> None:
    assert iso(moment) == expected


@pytest.mark.parametrize(
    "before",
    ["src^application^pdf^Base64", "^^PDF^Base64", "^AP^PDF^Base64", "^TEXT^PDF^Base64", "^^^^base64"],
)
def test_every_order_of_the_components_of_a_document_is_read(before: str) -> None:
    text = f"MSH|^~\\&|A\rOBX|1|ED|C||{before}^{b64encode(b'%PDF-').decode()}||||||F\r"
    assert embedded(parse(text).first("OBX")) == b"%PDF-"


@pytest.mark.parametrize("value", ["", "^^PDF^Hex^00", "^^PDF^Base64^", "^^PDF^Base64", "^^PDF^Base64^P*?"])
def test_a_value_without_a_document_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="OBX-5"):
        embedded(parse(f"MSH|^~\\&|A\rOBX|1|ED|C||{value}||||||F\r").first("OBX"))


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/hl7/*_orm_*.hl7"))
def test_every_order_sample_is_acknowledged(path: Path) -> None:
    octets = path.read_bytes()
    senders = {sender(parse(decode(octets)))}
    message, verdict = judge(octets, senders)
    assert verdict.code == "AA"
    assert message is not None
    assert read(message)
    assert delivery_id(message).endswith(message.first("MSH").text(10))
    assert "MSA|AA|" in acknowledgement(message, verdict, control_id="A1", now=NOW)


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/hl7/*_pdf.hl7"))
def test_every_document_sample_is_read(path: Path) -> None:
    message = parse(decode(path.read_bytes()))
    assert embedded(message.first("OBX")).startswith(b"%PDF-")
