"""FHIR documents: written and read as they are, and what is wrong with them is found."""

import gzip
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from assets.formats import fhir, fhir_checks, fhir_oracle
from assets.formats.decode import ShapeError

CASES = Path(os.environ.get("HANDOFF_CASES") or Path(__file__).parents[2] / ".." / "shared" / "data")


def bundle() -> dict[str, Any]:
    """A message of a header and an observation that says who was observed."""
    patient = {
        "resourceType": "Patient",
        "id": "p1",
        "name": [{"family": "Rivera", "given": ["Ana"]}],
        "telecom": [{"system": "phone", "value": "(718) 555 0142", "use": "home"}],
        "gender": "female",
        "birthDate": "1961-07-04",
    }
    observation = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "94558-4"}]},
        "subject": {"reference": "Patient/p1"},
        "issued": "2026-03-02T15:04:05.000Z",
        "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "260373001"}]},
    }
    header = {
        "resourceType": "MessageHeader",
        "id": "h1",
        "eventCoding": {"system": "http://terminology.hl7.org/CodeSystem/v2-0003", "code": "R01"},
        "source": {"endpoint": "https://example.org"},
        "focus": [{"reference": "Observation/o1"}],
    }
    return {
        "resourceType": "Bundle",
        "type": "message",
        "timestamp": "2026-03-02T15:04:05.123Z",
        "entry": [
            {"fullUrl": f"{one['resourceType']}/{one['id']}", "resource": one}
            for one in (header, patient, observation)
        ],
    }


def test_a_good_message_has_no_problems_and_no_objections() -> None:
    assert fhir_checks.problems(bundle()) == []
    assert fhir_oracle.fhir_resources_says(bundle()) == []


def test_what_is_read_is_written_as_it_was() -> None:
    raw = json.dumps(bundle()).encode()
    assert json.loads(fhir.encode(fhir.decode_bundle(raw))) == bundle()


def test_a_document_of_another_shape_is_refused_with_its_place() -> None:
    document = bundle()
    document["entry"][1]["resource"]["name"] = "Rivera"
    with pytest.raises(ShapeError) as refused:
        fhir.decode_bundle(json.dumps(document).encode())
    assert (
        refused.value.place == "entry[...].resource.name" or refused.value.place == "entry[1].resource.name"
    )
    assert "Rivera" not in str(refused.value)


def test_a_resource_is_an_entry_under_the_address_it_is_referred_to_by() -> None:
    patient = fhir.Patient(id="p1")
    assert fhir.entry(patient).full_url == fhir.ref(patient).reference == "Patient/p1"


def test_moments_are_written_with_their_offset_and_never_without_one() -> None:
    moment = datetime(2026, 3, 2, 9, 4, 5, 678901, tzinfo=timezone(timedelta(hours=-6)))
    assert fhir.date_time(moment) == "2026-03-02T09:04:05-06:00"
    assert fhir.instant(moment) == "2026-03-02T15:04:05.678Z"
    assert fhir.instant(datetime(2026, 3, 2, tzinfo=UTC)) == "2026-03-02T00:00:00.000Z"
    for write in (fhir.date_time, fhir.instant):
        with pytest.raises(ValueError, match="time zone"):
            write(datetime(2026, 3, 2))  # noqa: DTZ001


def resource(number: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: document["entry"][number]["resource"]


HEADER, PATIENT, OBSERVATION = resource(0), resource(1), resource(2)


@pytest.mark.parametrize(
    ("part", "change", "place"),
    [
        (PATIENT, {"gender": "F"}, "resource.gender: "),
        (OBSERVATION, {"status": "done"}, "resource.status: "),
        (PATIENT, {"birthDate": "1961-02-30"}, "resource.birthDate: "),
        (OBSERVATION, {"issued": "2026-03-02T15:04:05"}, "resource.issued: "),
        (OBSERVATION, {"issued": "2026-03-02"}, "resource.issued: "),
        (OBSERVATION, {"effectiveDateTime": "2026-13-02"}, "resource.effectiveDateTime: "),
        (OBSERVATION, {"effectiveDateTime": "2026-03-02T24:00:00Z"}, "resource.effectiveDateTime: "),
        (OBSERVATION, {"effectiveDateTime": "2026-02-30T10:00:00Z"}, "resource.effectiveDateTime: "),
        (OBSERVATION, {"valueString": "x"}, "resource: has more than one value[x]"),
        (OBSERVATION, {"subject": {"reference": "Patient/p2"}}, "subject.reference: leads to nothing"),
        (HEADER, {"focus": [{"reference": "urn:uuid:0"}]}, "focus[0].reference: leads to nothing"),
        (PATIENT, {"telecom": [{"system": "mobile"}]}, "telecom[0].system"),
        (PATIENT, {"name": [{"family": ""}]}, "name[0].family: is empty"),
        (PATIENT, {"address": []}, "address: is empty"),
        (PATIENT, {"name": [{"given": ["Ana", ""]}]}, "given[1]: is empty"),
        (PATIENT, {"name": [{"family": " Rivera"}]}, "name[0].family: has blanks"),
    ],
)
def test_what_a_schema_does_not_see_is_found_with_its_place(
    part: Callable[[dict[str, Any]], dict[str, Any]], change: dict[str, Any], place: str
) -> None:
    document = bundle()
    part(document).update(change)
    found = fhir_checks.problems(document)
    assert len(found) == 1
    assert place in found[0]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"type": "letter"}, "Bundle.type"),
        ({"type": "document"}, "bdl-11"),
        ({"type": "message", "entry": bundle()["entry"][1:]}, "bdl-12"),
        ({"timestamp": "yesterday"}, "Bundle.timestamp"),
    ],
)
def test_a_bundle_is_judged_as_a_whole(change: dict[str, Any], place: str) -> None:
    assert any(place in found for found in fhir_checks.problems({**bundle(), **change}))


def test_an_address_that_stands_twice_or_names_another_resource_is_found() -> None:
    twice, other = bundle(), bundle()
    twice["entry"].append(twice["entry"][1])
    other["entry"][1]["fullUrl"] = "Patient/else"
    assert any("bdl-7" in found for found in fhir_checks.problems(twice))
    assert any("does not end with" in found for found in fhir_checks.problems(other))


@pytest.mark.parametrize("identity", ["a b", "x" * 65, "é", ""])
def test_an_id_that_is_none_is_found(identity: str) -> None:
    found = fhir_checks.problems({"resourceType": "Patient", "id": identity})
    assert found[0].startswith("Patient.id: is not an id")


def test_entries_of_a_transaction_say_what_is_to_be_done() -> None:
    found = fhir_checks.problems({**bundle(), "type": "transaction"})
    assert sum("bdl-3" in one for one in found) == 3


def test_a_reference_elsewhere_and_into_a_contained_resource_is_none_of_ours() -> None:
    document = bundle()
    OBSERVATION(document)["performer"] = [
        {"reference": "https://example.org/Organization/1"},
        {"reference": "#o"},
    ]
    OBSERVATION(document)["contained"] = [{"resourceType": "Organization", "id": "o"}]
    assert fhir_checks.problems(document) == []


def test_the_judges_name_places_and_repeat_no_value() -> None:
    document = bundle()
    PATIENT(document)["birthDate"] = "secret"
    del OBSERVATION(document)["code"]
    said = fhir_oracle.fhir_resources_says(document) + fhir_checks.problems(document)
    assert any(one.startswith("Bundle.entry[1].resource.birthDate") for one in said)
    assert any(one.startswith("Bundle.entry[2].resource.code") for one in said)
    assert "secret" not in str(said)


def test_a_resource_that_does_not_exist_is_said() -> None:
    assert fhir_oracle.fhir_resources_says({"resourceType": "Recipe"}) == ["Recipe: is no resource of R4B"]
    assert fhir_checks.problems({}) == ["resourceType: is missing"]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    file = CASES / "fhir" / "fhir.schema.json.gz"
    if not file.exists():
        pytest.skip("no fhir/fhir.schema.json.gz among the case files; set HANDOFF_CASES")
    loaded: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
    return loaded


@pytest.mark.cases
def test_the_official_schema_agrees_and_objects_with_a_place(schema: dict[str, Any]) -> None:
    document = bundle()
    assert fhir_oracle.schema_says(document, schema) == []
    PATIENT(document)["gender"] = "secret"
    said = fhir_oracle.schema_says(document, schema)
    assert said
    assert said[0].startswith("Bundle.entry[1].resource.gender")
    assert fhir_oracle.schema_says({"resourceType": "Recipe"}, schema) == ["Recipe: is no resource of R4"]
    assert "secret" not in str(said)
