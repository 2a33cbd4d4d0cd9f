"""Bundles for ReportStream: one a report, whole, the same every time, and valid R4."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from assets.formats import fhir as fhir_format
from assets.formats import fhir_checks, fhir_oracle
from assets.formats.decode import ShapeError
from assets.reportstream import oru
from assets.reportstream.bulk_report import report_of_row
from assets.reportstream.devices import known_devices
from assets.reportstream.fhir import bundle
from assets.reportstream.profile import Profile
from tests.reportstream.bulk_files import one
from tests.reportstream.conftest import Change
from tests.reportstream.lab_reports import (
    SENDING,
    document,
    of_event,
    resources,
    sample_events,
    sample_rows,
)

ORDER = [
    "MessageHeader",
    "Provenance",
    "DiagnosticReport",
    "Patient",
    "Organization",
    "Practitioner",
    "Specimen",
    "ServiceRequest",
    "Device",
    "PractitionerRole",
    "Organization",
]

FLU = {"disease": "Flu A", "test_performed_code": "92142-9", "test_ordered_code": "95422-2"}
COVID = {"disease": "COVID-19", "test_performed_code": "94533-7", "test_ordered_code": "95422-2"}


def observed(parsed: dict[str, Any], code: str) -> dict[str, Any]:
    """The observation of a code."""
    return next(one for one in resources(parsed, "Observation") if one["code"]["coding"][0]["code"] == code)


@pytest.mark.parametrize("name", sample_events())
def test_every_sample_event_makes_a_valid_bundle(name: str) -> None:
    parsed = document(of_event(sample_events()[name]))
    assert fhir_checks.problems(parsed) == []
    assert fhir_oracle.fhir_resources_says(parsed) == []


def test_free_text_in_the_place_of_a_code_makes_a_valid_bundle(event: Change) -> None:
    changes = {
        "patient.preferred_language": "Tlingit  of the coast",
        "patient.tribal_affiliation": [" ", "Two  Rivers"],
        "device.tests.0.test_kit_name_id": "a  kit",
    }
    parsed = document(of_event(event(changes)))
    assert fhir_checks.problems(parsed) == []
    assert fhir_oracle.fhir_resources_says(parsed) == []
    [language] = resources(parsed, "Patient")[0]["communication"]
    assert language["language"] == {
        "coding": [{"system": "urn:iso:std:iso:639:-2", "code": "Tlingit of the coast"}],
        "text": "Tlingit  of the coast",
    }


def test_every_sample_row_makes_a_valid_bundle() -> None:
    reports = sample_rows()
    assert len(reports) == 12
    for report in reports:
        parsed = document(report)
        assert fhir_checks.problems(parsed) == []
        assert fhir_oracle.fhir_resources_says(parsed) == []


def test_the_same_report_makes_the_same_bytes(event: Change) -> None:
    made = {fhir_format.encode(bundle(of_event(event()), SENDING)) for _ in range(3)}
    assert len(made) == 1


def test_the_entries_stand_in_the_order_of_the_published_bundles(event: Change) -> None:
    kinds = [entry["resource"]["resourceType"] for entry in document(of_event(event()))["entry"]]
    assert kinds[: len(ORDER)] == ORDER
    assert set(kinds[len(ORDER) :]) == {"Observation"}


def test_every_disease_of_a_multiplex_is_an_observation(event: Change) -> None:
    changes = {
        "results": [
            {"disease": "COVID-19", "result": "NEGATIVE"},
            {"disease": "Flu A", "result": "POSITIVE"},
        ],
        "device.tests": [COVID, FLU],
    }
    parsed = document(of_event(event(changes)))
    diagnostic = resources(parsed, "DiagnosticReport")[0]
    covid, flu = observed(parsed, "94533-7"), observed(parsed, "92142-9")
    assert [one["reference"] for one in diagnostic["result"]] == [
        f"Observation/{one['id']}" for one in (covid, flu)
    ]
    assert (covid["code"]["text"], flu["code"]["text"]) == ("COVID-19", "Flu A")
    assert flu["valueCodeableConcept"]["coding"][0]["code"] == "260373001"
    assert [one["interpretation"][0]["coding"][0]["code"] for one in (covid, flu)] == ["N", "A"]
    assert diagnostic["code"]["coding"][0]["code"] == "95422-2"


def test_a_disease_the_device_has_no_test_for_keeps_the_event_from_going(event: Change) -> None:
    with pytest.raises(ShapeError) as refused:
        of_event(event({"results": [{"disease": "RSV", "result": "POSITIVE"}]}))
    assert refused.value.place == "device.tests"


def test_a_test_the_event_does_not_name_is_that_of_cdcs_table(event: Change) -> None:
    changes = {"results": [{"disease": "RSV", "result": "POSITIVE"}], "device.model": "Alinity M"}
    result = of_event(event(changes)).results[0]
    assert (result.performed.code, result.ordered.code) == ("85479-4", "95941-1")


def test_an_original_a_correction_and_a_removal_are_one_report_in_three_messages(event: Change) -> None:
    first = event()
    changes = {"prior_event_id": first.event_id, "correction_reason": "Wrong patient"}
    events = [
        first,
        event({**changes, "event_id": "c", "correction_status": "CORRECTED"}),
        event({**changes, "event_id": "r", "correction_status": "REMOVED"}),
    ]
    parsed = [document(of_event(one)) for one in events]
    reports = [resources(one, "DiagnosticReport")[0] for one in parsed]
    assert {one["id"] for one in reports} == {first.event_id}
    assert [one["identifier"]["value"] for one in parsed] == [one.event_id for one in events]
    assert [one["status"] for one in reports] == ["final", "corrected", "entered-in-error"]
    results = [observed(one, "97097-0") for one in parsed]
    assert [one["status"] for one in results] == ["final", "corrected", "entered-in-error"]
    assert len({one["id"] for one in results}) == 1
    assert "note" not in results[0]
    assert results[1]["note"] == [{"text": "Corrected Result: Wrong patient"}]


def test_a_correction_of_a_correction_stays_with_the_original_where_that_is_known(event: Change) -> None:
    again = event({"event_id": "third", "prior_event_id": "second", "correction_status": "CORRECTED"})
    parsed = document(of_event(again, original_id="first"))
    assert resources(parsed, "DiagnosticReport")[0]["id"] == "first"


def test_as_published_a_correction_has_the_identifier_of_its_original(event: Change) -> None:
    changed = event({"event_id": "c", "prior_event_id": "o", "correction_status": "CORRECTED"})
    parsed = document(of_event(changed, Profile.AS_PUBLISHED), Profile.AS_PUBLISHED)
    assert parsed["identifier"]["value"] == "o"
    assert "target" not in resources(parsed, "Provenance")[0]


def test_provenance_names_the_report(event: Change) -> None:
    parsed = document(of_event(event()))
    diagnostic = resources(parsed, "DiagnosticReport")[0]["id"]
    assert resources(parsed, "Provenance")[0]["target"] == [{"reference": f"DiagnosticReport/{diagnostic}"}]


def test_an_undetermined_result_has_one_code_in_every_format(event: Change) -> None:
    undetermined = event({"results": [{"disease": "COVID-19", "result": "UNDETERMINED"}]})
    ours = observed(document(of_event(undetermined)), "97097-0")
    theirs = observed(document(of_event(undetermined, Profile.AS_PUBLISHED), Profile.AS_PUBLISHED), "97097-0")
    assert ours["valueCodeableConcept"]["coding"][0]["code"] == "419984006"
    assert "interpretation" not in ours
    assert theirs["valueCodeableConcept"]["coding"][0]["code"] == "455371000124106"
    assert theirs["interpretation"][0]["coding"][0]["code"] == "N"


def test_answers_are_observations_the_order_points_to(event: Change) -> None:
    changes = {
        "survey": {"no_symptoms": False, "symptom_onset_date": "2026-02-27"},
        "patient_has_prior_tests": False,
        "patient.employed_in_healthcare": True,
        "patient.resident_congregate_setting": False,
    }
    parsed = document(of_event(event(changes)))
    told = {}
    for pointer in resources(parsed, "ServiceRequest")[0]["supportingInfo"]:
        one = next(
            one for one in resources(parsed, "Observation") if pointer["reference"].endswith(one["id"])
        )
        coded = one.get("valueCodeableConcept", {}).get("coding", [{}])[0].get("code")
        told[one["code"]["coding"][0]["code"]] = coded or one["valueDateTime"]
    assert told == {"95419-8": "Y", "65222-2": "2026-02-27", "95417-2": "Y", "95418-0": "Y", "95421-4": "N"}


def test_nobody_knowing_about_symptoms_is_an_answer(event: Change) -> None:
    parsed = document(of_event(event({"survey": None})))
    assert observed(parsed, "95419-8")["valueCodeableConcept"]["coding"][0]["code"] == "UNK"


def test_an_unknown_address_is_reported_at_the_facilitys_place(event: Change) -> None:
    changes = {
        "patient.street": "** Unknown / Not Given **",
        "patient.city": "Else",
        "patient.phone_number": None,
    }
    parsed = document(of_event(event(changes)))
    patient, lab = resources(parsed, "Patient")[0], resources(parsed, "Organization")[0]
    for part in ("city", "district", "state", "postalCode"):
        assert patient["address"][0][part] == lab["address"][0][part]
    assert patient["telecom"][0]["value"] == lab["telecom"][0]["value"]


def test_a_number_that_is_no_npi_is_a_provider_number_by_ours_and_lost_as_published(event: Change) -> None:
    changed = event({"ordering_provider.npi": "12345"})
    ours = resources(document(of_event(changed)), "Practitioner")[0]
    theirs = resources(
        document(of_event(changed, Profile.AS_PUBLISHED), Profile.AS_PUBLISHED), "Practitioner"
    )[0]
    assert ours["identifier"][0]["value"] == "12345"
    assert "system" not in ours["identifier"][0]
    assert "identifier" not in theirs


def test_times_are_in_order_and_have_an_offset(event: Change) -> None:
    parsed = document(of_event(event({"date_tested": "2026-03-02T09:04:05-06:00"})))
    diagnostic, result = resources(parsed, "DiagnosticReport")[0], observed(parsed, "97097-0")
    told = [diagnostic["effectiveDateTime"], result["issued"], diagnostic["issued"], parsed["timestamp"]]
    assert told[0] == "2026-03-02T08:44:05-06:00"
    moments = [datetime.fromisoformat(one) for one in told]
    # An instant is cut to seconds in DiagnosticReport.issued: it may not be after the message.
    assert moments == sorted(moments)
    assert all(moment.tzinfo for moment in moments)


def test_characters_that_break_a_line_never_leave(event: Change) -> None:
    changed = event({"patient.street": "12\u2028Elm\nSt\x00", "patient.last_name": " O'Nei\u0085l "})
    raw = fhir_format.encode(bundle(of_event(changed), SENDING))
    assert b"\n" not in raw
    assert resources(msgspec.json.decode(raw), "Patient")[0]["address"][0]["line"][0] == "12 Elm St"
    assert resources(msgspec.json.decode(raw), "Patient")[0]["name"][0]["family"] == "O'Nei l"
    assert not any(mark in raw.decode() for mark in ("\u2028", "\u0085", "\\u0000", "\\n"))


def test_an_id_fhir_does_not_take_is_replaced_and_kept_as_an_identifier(event: Change) -> None:
    patient = resources(document(of_event(event({"patient.internal_id": "Ward 7/12"}))), "Patient")[0]
    assert patient["id"] != "Ward 7/12"
    assert patient["identifier"] == [{"value": "Ward 7/12"}]


def test_a_test_message_says_so(event: Change) -> None:
    sending = dataclasses.replace(SENDING, processing_mode="T")
    header = resources(document(of_event(event()), sending=sending), "MessageHeader")[0]
    assert header["meta"]["tag"][0] == {
        "system": "http://terminology.hl7.org/CodeSystem/v2-0103",
        "code": "T",
        "display": "Training",
    }


def test_a_row_that_is_a_test_is_never_told_as_a_real_result() -> None:
    for lane, row, told in (("P", "", "P"), ("P", "d", "D"), ("T", "P", "T"), ("T", "D", "T")):
        report = report_of_row(one({"processing_mode_code": row}), devices=known_devices())
        sending = dataclasses.replace(SENDING, processing_mode=lane)
        header = resources(document(report, sending=sending), "MessageHeader")[0]
        assert header["meta"]["tag"][0]["code"] == told
        assert oru.message(report, sending).split("|")[10] == told


def test_all_tribes_a_language_and_another_gender_are_sent(event: Change) -> None:
    changes = {
        "patient.tribal_affiliation": ["338", "Cherokee Nation"],
        "patient.preferred_language": "Spanish",
        "patient.gender": "other",
    }
    patient = resources(document(of_event(event(changes))), "Patient")[0]
    tribes = [
        one["extension"][0] for one in patient["extension"] if one["url"].endswith("tribal-affiliation")
    ]
    assert [one["valueCodeableConcept"]["coding"][0]["code"] for one in tribes] == ["338", "Cherokee Nation"]
    assert patient["communication"][0]["language"]["coding"][0]["code"] == "spa"
    assert patient["gender"] == "other"


def test_the_order_code_of_a_single_result_is_the_one_least_used_on_the_device(event: Change) -> None:
    panel = {"test_performed_code": "94533-7", "test_ordered_code": "95422-2"}
    single = {"test_performed_code": "94533-7", "test_ordered_code": "94533-7"}
    tests = [{"disease": "COVID-19", **panel}, {"disease": "COVID-19", **single}, FLU]
    both = [{"disease": "COVID-19", "result": "NEGATIVE"}, {"disease": "Flu A", "result": "NEGATIVE"}]
    alone = of_event(event({"device.tests": tests}))
    multiplex = of_event(event({"device.tests": tests, "results": both}))
    assert (alone.ordered.code, multiplex.ordered.code) == ("94533-7", "95422-2")


def test_a_moment_without_an_offset_is_a_mistake_of_the_caller(event: Change) -> None:
    sending = dataclasses.replace(SENDING, made_at=datetime(2026, 3, 2, tzinfo=UTC).replace(tzinfo=None))
    with pytest.raises(ValueError, match="time zone"):
        bundle(of_event(event()), sending)
