"""What is sent back: every wire carries the file, the ids and the names unharmed, and other parsers agree."""

import hashlib
import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.formats.hl7_checks import problems
from assets.formats.hl7_oracle import objections
from assets.formats.hl7_read import parse
from assets.hcoint.documents import KINDS, embedded
from assets.hcoint.events import Identifier, Order, Patient, Provider, Visit
from assets.hcoint.hl7_note import mdm, oru
from assets.hcoint.mapping import outgoing
from assets.hcoint.note import Note, our_note_id
from assets.hcoint.partners import Partner
from assets.hcoint.redox_order import read
from assets.hcoint.redox_results import results_new
from tests.hcoint.cases import CASES, each_case
from tests.hcoint.notes import HL7, NOW, REDOX, document, partner, pdf

NORTH = partner(results="oru", mllp_sender="EPIC|MULTICARE", mllp_url="mllp://127.0.0.1:1")
ODD = "O'|^~\\&\r\nBrien 😀 \x0b\x1c"
MAKERS = pytest.mark.parametrize("make", [oru, mdm], ids=["oru", "mdm"])


def of_redox(octets: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(octets)
    return found


def test_the_note_is_the_final_result_of_the_order() -> None:
    sent = of_redox(results_new(REDOX, Note(document()), partner(), value=b"abc", now=NOW))
    (order,) = sent["Orders"]
    (result,) = order["Results"]
    assert (order["ID"], order["ApplicationOrderID"]) == ("157968300", REDOX.our_id)
    assert (order["Status"], order["ResultsStatus"], result["Status"]) == ("Resulted", "Final", "Final")
    assert (result["ValueType"], result["FileType"], result["Codeset"]) == (
        "Encapsulated Data",
        "PDF",
        "LOINC",
    )
    assert b64decode(result["Value"]) == b"abc"
    assert sent["Meta"]["Destinations"] == [{"ID": "af394f14-b34a-464f-8d24-895f370af4c9"}]
    assert "Source" not in sent["Meta"]


def test_a_corrected_note_says_so_on_every_wire() -> None:
    corrected = Note(document(), number=3, replaces=2)
    (order,) = of_redox(results_new(REDOX, corrected, partner(), value="", now=NOW))["Orders"]
    assert (order["ResultsStatus"], order["Results"][0]["Status"]) == ("Corrected", "Corrected")
    result = parse(oru(HL7, corrected, NORTH, now=NOW).decode())
    assert (result.first("OBR").text(25), result.first("OBX").text(11)) == ("C", "C")
    replaced = parse(mdm(HL7, corrected, NORTH, now=NOW).decode())
    assert (replaced.first("MSH").text(9, 2), replaced.first("EVN").text(1)) == ("T10", "T10")
    assert replaced.first("TXA").text(12) == our_note_id(HL7, 3)
    assert replaced.first("TXA").text(13) == our_note_id(HL7, 2)


def test_a_test_order_is_answered_as_a_test() -> None:
    test = replace(REDOX, test=True)
    assert of_redox(results_new(test, Note(document()), partner(), value="", now=NOW))["Meta"]["Test"] is True
    assert parse(oru(test, Note(document()), NORTH, now=NOW).decode()).first("MSH").text(11) == "T"
    assert (
        parse(oru(replace(HL7, test=False), Note(document()), NORTH, now=NOW).decode()).first("MSH").text(11)
        == "P"
    )


def test_an_account_with_several_keys_names_its_source() -> None:
    sent = of_redox(results_new(REDOX, Note(document()), partner(source_id="ours"), value="", now=NOW))
    assert sent["Meta"]["Source"] == {"ID": "ours"}


def test_a_file_above_the_setting_is_to_be_uploaded_and_one_below_is_in_the_document() -> None:
    data = pdf()
    below = outgoing(REDOX, Note(document(data)), partner(upload_above_bytes=len(data)), now=NOW)
    assert "upload" not in below.address
    assert b64decode(of_redox(below.body)["Orders"][0]["Results"][0]["Value"]) == data
    above = outgoing(REDOX, Note(document(data)), partner(upload_above_bytes=len(data) - 1), now=NOW)
    line, _, file = above.body.partition(b"\n")
    assert (file, above.address["upload"]) == (data, "application/pdf")
    assert above.address["file"] == f"{REDOX.our_id}-1.pdf"
    assert of_redox(line)["Orders"][0]["Results"][0]["Value"] == ""


def test_each_partner_gets_the_message_of_its_wire() -> None:
    note = Note(document())
    wires: list[str] = ["redox", "oru", "mdm"]
    assert [outgoing(REDOX, note, partner(results=wire), now=NOW).kind for wire in wires] == wires


def test_the_same_note_sent_again_carries_the_same_ids() -> None:
    first, again = (parse(oru(HL7, Note(document()), NORTH, now=NOW).decode()) for _ in range(2))
    assert first == again
    assert first.first("MSH").text(10) == f"{HL7.our_id}-1"
    assert len(our_note_id(HL7, 999999)) == 20


@MAKERS
def test_ids_of_the_hospital_go_back_as_they_came(make: Any) -> None:
    sent = parse(make(HL7, Note(document()), NORTH, now=NOW).decode())
    assert sent.first("PID").raw(3) == "0000000001^^^MULTICARE^MR"
    assert sent.first("PV1").raw(19) == "V-1001^^^MULTICARE^VN"
    assert "157968300^EPIC" in (sent.first("ORC").raw(2), sent.first("TXA").raw(14))
    assert (sent.first("MSH").text(5), sent.first("MSH").text(6)) == ("EPIC", "MULTICARE")
    assert HL7.our_id in (sent.first("ORC").text(3), sent.first("TXA").text(15))


@MAKERS
@pytest.mark.parametrize("order", [REDOX, HL7], ids=["from redox", "from hl7"])
@pytest.mark.parametrize("form", ["mime", "ap", "text", "bare"])
def test_no_reader_objects_and_the_file_comes_back(make: Any, order: Order, form: str) -> None:
    note = Note(document())
    text = make(order, note, partner(results="oru", mllp_url="mllp://x:1", ed_form=form), now=NOW).decode()
    assert problems(parse(text)) == []
    assert objections(text) == []
    assert embedded(parse(text).first("OBX")) == note.document.data
    independent = hl7.parse(text)
    assert [str(one[0]) for one in independent] == [one.name for one in parse(text).segments]
    assert str(independent.segment("PID")[3]) == parse(text).first("PID").raw(3)


@MAKERS
def test_without_a_document_and_with_short_names_even_the_strict_reader_agrees(make: Any) -> None:
    text = make(HL7, Note(document(b"x")), partner(results="oru", mllp_url="mllp://x:1"), now=NOW).decode()
    assert objections(text, strict=True) == []


@MAKERS
@pytest.mark.parametrize("size", [1, 200_000, 20_000_000])
def test_a_file_of_any_size_comes_back_with_its_digest(make: Any, size: int) -> None:
    data = b"x" if size == 1 else pdf().ljust(size)
    note = Note(document(data))
    sent = make(replace(HL7, patient=named_oddly()), note, NORTH, now=NOW)
    back = embedded(parse(sent.decode()).first("OBX"))
    assert hashlib.sha256(back).hexdigest() == note.document.sha256


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_document_has_its_name_on_every_wire(kind: str) -> None:
    note = Note(replace(document(), kind=kind))
    (order,) = of_redox(results_new(REDOX, note, partner(), value="", now=NOW))["Orders"]
    assert order["Results"][0]["FileType"] == kind.upper()
    assert problems(parse(oru(HL7, note, NORTH, now=NOW).decode())) == []
    assert problems(parse(mdm(HL7, note, NORTH, now=NOW).decode())) == []


def named_oddly(text: str = ODD) -> Patient:
    return Patient(
        identifiers=(
            Identifier(id=text or "1", kind="MR"),
            Identifier(id="2", authority=("Lab", "1.2", "ISO")),
        ),
        last_name=text,
        first_name=text,
    )


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@MAKERS
@settings(max_examples=50)
@given(text=TEXT)
def test_text_of_any_kind_survives_the_way_to_another_reader(make: Any, text: str) -> None:
    order = replace(
        HL7, patient=named_oddly(text), provider=Provider(id="1", last_name=text), visit=Visit(number=text)
    )
    sent = make(order, Note(document(b"x")), NORTH, now=NOW).decode()
    back = parse(sent)
    assert back.first("PID").text(3) == (text or "1")
    assert back.first("PID").text(5) == back.first("PID").text(5, 2) == text
    assert back.first("PV1").text(19) == text
    assert problems(back) == []
    independent = hl7.parse(sent)
    family = str(independent.segment("PID")[5][0][0]) if text else ""
    assert independent.unescape(family) == text


def test_redox_gets_the_names_of_an_hl7_order_in_its_own_words() -> None:
    sent = of_redox(results_new(HL7, Note(document()), partner(), value="", now=NOW))
    assert sent["Patient"]["Demographics"]["Sex"] == "Female"
    assert sent["Patient"]["Demographics"]["DOB"] == "2008-01-06"


@pytest.mark.parametrize(
    ("sex", "code"), [("Female", "F"), ("F", "F"), ("Nonbinary", "O"), ("?", "U"), ("", "")]
)
def test_a_sex_is_a_code_of_table_0001(sex: str, code: str) -> None:
    order = replace(REDOX, patient=replace(REDOX.patient, sex=sex))
    assert parse(oru(order, Note(document()), NORTH, now=NOW).decode()).first("PID").text(8) == code


def test_an_order_that_says_little_is_answered_all_the_same() -> None:
    bare = replace(REDOX, provider=Provider(), visit=Visit(), procedure=replace(REDOX.procedure, code=""))
    bare = replace(
        bare, ordered_at="some day", patient=Patient(identifiers=(Identifier(id="1"),), last_name="B")
    )
    for make in (oru, mdm):
        text = make(bare, Note(document()), NORTH, now=NOW).decode()
        assert problems(parse(text)) == []
        assert objections(text) == []
    assert "Visit" not in of_redox(results_new(bare, Note(document()), partner(), value="", now=NOW))


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/*_results_new_pdf_*.json"))
def test_our_results_are_those_of_the_samples(path: Path) -> None:
    """Everything the sample says but our own number and the hospital's names for itself and for the result."""
    source = CASES / "partners/redox/real_order_new_bixby.json"
    if not source.exists():
        pytest.skip("no published order to answer: set HANDOFF_CASES")
    (order,) = read(source.read_bytes())
    assert isinstance(order, Order)
    expected = of_redox(path.read_bytes())
    value = expected["Orders"][0]["Results"][0]["Value"]
    given: bytes | str = value if value.startswith("https:") else b64decode(value)
    sent = of_redox(results_new(order, Note(document()), samples_partner(), value=given, now=NOW))
    assert sent["Meta"].pop("EventDateTime") == "2026-02-03T19:00:00.000Z"
    expected["Meta"]["Destinations"][0].pop("Name")
    expected["Orders"][0]["ApplicationOrderID"] = order.our_id
    assert sent == expected


def samples_partner() -> Partner:
    return partner(result_code="11488-4", result_description="Consult note")
