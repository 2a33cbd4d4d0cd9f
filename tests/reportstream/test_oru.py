"""HL7 v2.5.1 ORU^R01: sent direct, and made of a bundle; whole, the same every time, and valid."""

import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.formats import fhir, fhir_checks, hl7_checks, hl7_oracle
from assets.formats.decode import ShapeError
from assets.formats.hl7_read import ParsedMessage, parse
from assets.reportstream import oru, oru_batch, oru_from_bundle
from assets.reportstream.devices import known_devices
from assets.reportstream.events import decode
from assets.reportstream.fhir import bundle
from assets.reportstream.profile import Profile
from assets.reportstream.report import Report, plain
from tests.reportstream.conftest import Change, changed
from tests.reportstream.lab_reports import RECEIVED, SENDING, document, of_event, sample_events, sample_rows


def direct(report: Report, profile: Profile = Profile.DEFAULT) -> ParsedMessage:
    """The message sent direct, read back."""
    return parse(oru.message(report, SENDING, profile=profile))


def converted(report: Report, profile: Profile = Profile.DEFAULT) -> ParsedMessage:
    """The message made of the report's bundle, read back."""
    made = bundle(report, SENDING, profile=profile)
    return parse(oru_from_bundle.message(made, devices=known_devices(), profile=profile))


def faults(message: str) -> list[str]:
    """What our checks and the oracle have against a message."""
    return [*map(str, hl7_checks.problems(parse(message))), *hl7_oracle.objections(message)]


@pytest.mark.parametrize("name", sample_events())
def test_every_sample_event_makes_valid_messages(name: str) -> None:
    report = of_event(sample_events()[name])
    assert faults(oru.message(report, SENDING)) == []
    assert faults(oru_from_bundle.message(bundle(report, SENDING), devices=known_devices())) == []


def test_every_sample_row_makes_valid_messages() -> None:
    for report in sample_rows():
        assert faults(oru.message(report, SENDING)) == []
        assert faults(oru_from_bundle.message(bundle(report, SENDING), devices=known_devices())) == []


def test_the_same_report_makes_the_same_bytes(event: Change) -> None:
    assert len({oru.message(of_event(event()), SENDING) for _ in range(3)}) == 1


def test_who_it_is_from_and_for(event: Change) -> None:
    msh = direct(of_event(event())).first("MSH")
    assert [msh.raw(field) for field in (3, 4, 5, 6, 9, 11, 12, 17, 21)] == [
        "SIMPLEREPORT.PROD^2.16.840.1.113883.3.8589.4.2.134.1^ISO",
        "CDC.SimpleReport^00Z0000064^CLIA",
        "APHL^2.16.840.1.113883.3.8589^ISO",
        "APHL^2.16.840.1.113883.3.8589^ISO",
        "ORU^R01^ORU_R01",
        "P",
        "2.5.1",
        "USA",
        "PHLabReport-NoAck^phLabResultsELRv251^2.16.840.1.113883.9.11^ISO",
    ]


def test_a_test_message_is_from_the_staging_system(event: Change) -> None:
    sending = dataclasses.replace(SENDING, processing_mode="T")
    msh = parse(oru.message(of_event(event()), sending)).first("MSH")
    assert (msh.text(3), msh.text(11)) == ("SIMPLEREPORT.STAG", "T")
    with pytest.raises(ValueError, match="P, T or D"):
        oru.message(of_event(event()), dataclasses.replace(SENDING, processing_mode="X"))


def test_the_patient_is_told_with_three_components_of_a_race(event: Change) -> None:
    pid = direct(
        of_event(event({"patient.race": "asian", "patient.county": "Lucas", "patient.state": "OH"}))
    ).first("PID")
    assert pid.raw(10) == "2028-9^Asian^HL70005"
    assert (pid.text(11, 8), pid.text(11, 9)) == ("Lucas", "39095")
    assert pid.text(3, 5) == "PI"


def test_a_race_nobody_knows_is_left_out(event: Change) -> None:
    for race in ("unknown", "refused"):
        assert direct(of_event(event({"patient.race": race}))).first("PID").raw(10) == ""


@pytest.mark.parametrize(
    ("country", "sent"), [(None, "USA"), ("us", "USA"), ("Canada", "CAN"), ("NOR", "NOR"), ("Norway", "")]
)
def test_a_country_is_told_by_three_letters(country: str | None, sent: str, event: Change) -> None:
    assert direct(of_event(event({"patient.country": country}))).first("PID").text(11, 6) == sent


def test_a_test_without_a_name_is_told_by_its_disease(event: Change) -> None:
    tests = [{"disease": "HIV", "test_performed_code": "80387-4"}]
    changes = {"results": [{"disease": "HIV", "result": "NEGATIVE"}], "device.tests": tests}
    assert direct(of_event(event(changes))).first("OBX").raw(3) == "80387-4^HIV^LN"


def test_a_phone_of_another_form_goes_as_it_is(event: Change) -> None:
    pid = direct(
        of_event(event({"patient.phone_number": "+47 12 34 56 78", "patient.email": "a@example.org"}))
    ).first("PID")
    assert pid.repetitions(13)[0][11] == ["+47 12 34 56 78"]
    assert pid.text(13, 4, repetition=2) == "a@example.org"


def test_the_phone_of_the_facility_may_be_the_labs_or_the_providers(event: Change) -> None:
    report = of_event(event())
    silent = dataclasses.replace(report.lab, phone="")
    without = dataclasses.replace(report, lab=silent, ordering_facility=silent)
    assert direct(without).first("ORC").raw(23).startswith(direct(report).first("ORC").raw(14))


def test_versions_have_their_own_control_id_and_one_order_id(event: Change) -> None:
    first = event()
    changes = {"prior_event_id": first.event_id, "correction_reason": "Typo"}
    corrected = event({**changes, "event_id": "c", "correction_status": "CORRECTED"})
    removed = event({**changes, "event_id": "r", "correction_status": "REMOVED"})
    for make in (direct, converted):
        messages = [make(of_event(one)) for one in (first, corrected, removed)]
        assert [one.first("MSH").text(10) for one in messages] == [first.event_id, "c", "r"]
        assert {one.first("OBR").text(3) for one in messages} == {first.event_id}
        assert [one.first("OBR").text(25) for one in messages] == ["F", "C", "C"]
        withdrawn = "D" if make is direct else "W"
        assert [one.first("OBX").text(11) for one in messages] == ["F", "C", withdrawn]
        assert [one.first("NTE").text(3) for one in messages][1:] == ["Corrected Result: Typo"] * 2
        assert not messages[0].all("NTE")


MULTIPLEX: dict[str, Any] = {
    "results": [
        {"disease": "COVID-19", "result": "NEGATIVE"},
        {"disease": "Flu A", "result": "POSITIVE"},
        {"disease": "RSV", "result": "UNDETERMINED"},
    ],
    "device.tests": [
        {"disease": "COVID-19", "test_performed_code": "94533-7", "test_ordered_code": "95422-2"},
        {"disease": "Flu A", "test_performed_code": "92142-9", "test_ordered_code": "95422-2"},
        {"disease": "RSV", "test_performed_code": "92131-2", "test_ordered_code": "92131-2"},
    ],
}


def test_results_stand_in_groups_by_the_code_that_was_ordered(event: Change) -> None:
    message = direct(of_event(event(MULTIPLEX)))
    names = " ".join(segment.name for segment in message.segments)
    assert re.fullmatch("MSH SFT PID ORC OBR (OBX ){3,}SPM OBR OBX SPM", names)
    assert [(one.text(1), one.text(4)) for one in message.all("OBR")] == [("1", "95422-2"), ("2", "92131-2")]
    assert len(message.all("ORC")) == 1
    assert len(message.all("SPM")) == 2
    results = [one for one in message.all("OBX") if one.text(3) in ("94533-7", "92142-9", "92131-2")]
    assert [(one.text(1), one.text(5), one.text(8)) for one in results] == [
        ("1", "260415000", "N"),
        ("2", "260373001", "A"),
        ("1", "419984006", ""),
    ]


def test_what_the_published_message_drops_is_kept(event: Change) -> None:
    report = of_event(event({"survey": {"no_symptoms": False, "symptom_onset_date": "2026-02-27"}}))
    report = dataclasses.replace(report, comment="Repeat in 48 h | see note")
    ours, theirs = direct(report), direct(report, Profile.AS_PUBLISHED)
    told = {one.text(3): (one.text(2), one.text(5)) for one in ours.all("OBX")}
    assert told["95419-8"] == ("CWE", "Y")
    assert told["65222-2"] == ("DT", "20260227")
    assert ours.first("NTE").text(3) == "Repeat in 48 h | see note"
    assert (ours.first("OBX").text(17), ours.first("OBX").text(18)) == ("KIT-1", "UID-1")
    assert [segment.name for segment in theirs.segments] == ["MSH", "SFT", "PID", "ORC", "OBR", "OBX", "SPM"]
    assert theirs.first("OBX").raw(17) == theirs.first("OBX").raw(18) == ""


def test_a_result_is_coded_in_hl7s_own_way_by_ours_and_bare_as_published(event: Change) -> None:
    report = of_event(event({"results": [{"disease": "COVID-19", "result": "POSITIVE"}]}))
    ours, theirs = direct(report).first("OBX"), direct(report, Profile.AS_PUBLISHED).first("OBX")
    assert (ours.raw(2), ours.raw(5)) == ("CWE", "260373001^Detected^SCT")
    assert (theirs.raw(2), theirs.raw(5)) == ("CE", "260373001^^SNM")


def test_times_are_in_order_and_in_utc(event: Change) -> None:
    tested = (RECEIVED - timedelta(minutes=9)).astimezone(UTC)
    for make in (direct, converted):
        message = make(of_event(event({"date_tested": tested.isoformat()})))
        obr, obx, msh = message.first("OBR"), message.first("OBX"), message.first("MSH")
        told = [obr.text(7), obx.text(14), obx.text(19), obr.text(22), msh.text(7)]
        assert told == sorted(told)
        assert all(moment.endswith("+0000") for moment in told)


def test_delimiters_in_names_come_back_as_they_were(event: Change) -> None:
    name = "O|N^e&i~l\\"
    for make in (direct, converted):
        assert make(of_event(event({"patient.last_name": name}))).first("PID").text(5) == name


@given(
    name=st.text(min_size=1, max_size=40).filter(plain),
    street=st.text(min_size=1, max_size=60).filter(plain),
    comment=st.text(max_size=80),
)
@settings(max_examples=60, deadline=None)
def test_any_text_arrives_as_it_was_but_for_what_breaks_a_line(name: str, street: str, comment: str) -> None:
    changes = {"patient.last_name": name, "patient.street": street}
    try:
        first = decode(msgspec.json.encode(changed(changes)))
    except UnicodeEncodeError:  # half a character is no JSON: no sender can send it
        return
    report = dataclasses.replace(of_event(first), comment=plain(comment))
    for make in (direct, converted):
        pid = make(report).first("PID")
        assert (pid.text(5), pid.text(11)) == (plain(name), plain(street))
    assert hl7_checks.problems(direct(report)) == []
    assert fhir_checks.problems(document(report)) == []


def test_the_converter_says_what_a_bundle_lacks(event: Change) -> None:
    whole = bundle(of_event(event()), SENDING)
    entries = tuple(one for one in whole.entry if not isinstance(one.resource, fhir.Specimen))
    lacking = fhir.Bundle(
        type="message", identifier=whole.identifier, timestamp=whole.timestamp, entry=entries
    )
    with pytest.raises(ShapeError) as refused:
        oru_from_bundle.message(lacking, devices=known_devices())
    assert refused.value.place == "DiagnosticReport.specimen"
    nameless = fhir.Bundle(type="message", timestamp=whole.timestamp, entry=whole.entry)
    for bare, place in ((fhir.Bundle(type="message"), "entry"), (nameless, "Bundle")):
        with pytest.raises(ShapeError) as refused:
            oru_from_bundle.message(bare, devices=known_devices())
        assert refused.value.place == place


def test_what_a_bundle_may_lack_is_an_empty_field(event: Change) -> None:
    parsed = json.loads(fhir.encode(bundle(of_event(event()), SENDING)))
    patient, practitioner = (parsed["entry"][place]["resource"] for place in (3, 5))
    for member in ("extension", "telecom", "address"):
        patient.pop(member)
    practitioner.pop("address")
    made = oru_from_bundle.message(fhir.decode_bundle(json.dumps(parsed).encode()), devices=known_devices())
    assert faults(made) == []
    pid = parse(made).first("PID")
    assert [pid.raw(field) for field in (10, 11, 13, 22)] == [""] * 4


def test_the_converter_reads_what_was_sent_and_not_what_we_remember(event: Change) -> None:
    raw = fhir.encode(bundle(of_event(event()), SENDING))
    parsed = json.loads(raw)
    parsed["entry"][3]["resource"]["name"][0]["family"] = "Changed"
    message = oru_from_bundle.message(
        fhir.decode_bundle(json.dumps(parsed).encode()), devices=known_devices()
    )
    assert parse(message).first("PID").text(5) == "Changed"


def test_a_file_holds_its_messages_and_their_number(event: Change) -> None:
    messages = [oru.message(of_event(event({"event_id": name})), SENDING) for name in ("a", "b", "c")]
    file = oru_batch.file(messages, batch_id="batch-1", made_at=RECEIVED)
    lines = [line for line in file.replace("\n", "\r").split("\r") if line]
    assert [line[:3] for line in lines if line[0] in "FB"] == ["FHS", "BHS", "BTS", "FTS"]
    assert (lines[-2], lines[-1]) == ("BTS|3", "FTS|1")
    assert lines[0].split("|")[10] == "batch-1"
    assert [line.split("|")[9] for line in lines if line.startswith("MSH")] == ["a", "b", "c"]


def test_an_object_sent_again_has_the_name_it_had() -> None:
    key = oru_batch.object_key("user", "4e9c", RECEIVED)
    assert key == (
        "user/SendTo/InterPartner~ExpandedELR~Simple-Report~AIMSPlatform~Prod~Prod~20260302151000250~STOP~4e9c.hl7"
    )
    assert "~Test~Test~" in oru_batch.object_name("4e9c", RECEIVED, "T")
    zone = datetime.fromisoformat("2026-03-02T09:10:00.250-06:00")
    assert oru_batch.object_key("user", "4e9c", zone) == key


def test_an_object_says_where_it_comes_from() -> None:
    told = oru_batch.object_metadata("4e9c", RECEIVED)
    assert told["AIMSPlatformFilename"] == oru_batch.object_name("4e9c", RECEIVED)
    assert told["AIMSPlatformSenderMessageId"] == "4e9c"
    assert len(told) == 8
