"""Every FHIR document that leaves the lane, as the servers received it, before judges who did not make it."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from assets.formats.fhir_oracle import fhir_resources_says, schema_says
from assets.openmrs.events import Side
from tests.conftest import Database, case_folders
from tests.openmrs.linked import FEEDS, Linked, linked
from tests.openmrs.people import encounter, in_home, observation, own_id, patient, visit
from tests.openmrs.test_cases import SCENARIOS, each
from tests.openmrs.test_lane_cases import served

PARENT, CHILD = Side.PARENT, Side.CHILD


@pytest.fixture(scope="module")
def schema() -> Mapping[str, Any]:
    """HL7's own JSON schema of R4."""
    for place in case_folders():
        file = place / "fhir" / "fhir.schema.json.gz"
        if file.exists():
            return dict(json.loads(gzip.decompress(file.read_bytes())))
    pytest.skip("no fhir/fhir.schema.json.gz among the case files; set HANDOFF_CASES")


def sent(clinic: Linked) -> list[dict[str, Any]]:
    """The FHIR documents both servers were given."""
    return [
        json.loads(one["body"])
        for side in Side
        for one in clinic.received(side)
        if one["method"] in ("POST", "PUT") and "/ws/fhir2/" in one["path"] and one["body"]
    ]


def judged(documents: list[dict[str, Any]], schema: Mapping[str, Any]) -> list[str]:
    return [fault for one in documents for fault in [*fhir_resources_says(one), *schema_says(one, schema)]]


def a_day(clinic: Linked, side: Side) -> None:
    """Everything the lane carries is made on a side, and edited on the other a day later."""
    place = {"resourceType": "Location", "id": own_id("ward"), "status": "active", "name": "Ward"}
    nurse = {
        "resourceType": "Practitioner",
        "id": own_id("nurse"),
        "active": True,
        "name": [{"text": "Nurse"}],
    }
    seen = encounter(
        location=[{"location": {"reference": f"Location/{own_id('ward')}", "type": "Location"}}],
        participant=[{"individual": {"reference": f"Practitioner/{own_id('nurse')}"}}],
    )
    said = observation("said", valueString="well")
    del said["valueQuantity"]
    for record in (place, nurse, patient(), visit(), seen, observation(), said):
        clinic.edit(side, record)
    clinic.drain()
    clinic.drain()
    there = clinic.records(side.other)
    for record in list(there.values()):
        match record["resourceType"]:
            case "Patient":
                clinic.edit(
                    side.other,
                    record,
                    gender="other",
                    address=in_home(record, city="Kampala", postalCode="1"),
                )
            case "Encounter":
                clinic.edit(side.other, record, period={"start": "2026-03-02T07:00:00+00:00"})
            case "Observation" if "valueQuantity" in record:
                clinic.edit(side.other, record, valueQuantity={"value": 172, "unit": "cm"})
    clinic.drain()
    clinic.drain()


@pytest.mark.cases
@pytest.mark.parametrize("create", ["rest-uuid", "fhir-map"])
@pytest.mark.parametrize("side", list(Side))
def test_every_document_the_lane_sends_is_fhir_r4(
    database: Database, tmp_path: Path, schema: Mapping[str, Any], create: str, side: Side
) -> None:
    feeds = [*FEEDS, "practitioner"]
    with linked(database, tmp_path, create=create, feeds=feeds) as clinic:
        a_day(clinic, side)
        documents = sent(clinic)
        kinds = {one["resourceType"] for one in documents}
        assert {"Encounter", "Observation"} <= kinds
        assert create == "rest-uuid" or "Patient" in kinds
        assert judged(documents, schema) == []
        assert set(clinic.states()) == {"delivered"}


@pytest.mark.cases
@pytest.mark.parametrize("folder", each(SCENARIOS))
def test_every_document_of_a_scenario_is_fhir_r4(
    database: Database, tmp_path: Path, schema: Mapping[str, Any], folder: Path
) -> None:
    with served(database, tmp_path, folder, create="fhir-map") as clinic:
        clinic.drain()
        clinic.drain()
        documents = sent(clinic)
        assert documents
        assert judged(documents, schema) == []


@pytest.mark.cases
def test_the_judges_see_what_is_wrong(schema: Mapping[str, Any]) -> None:
    assert judged([{**patient(), "gender": "F"}], schema)
    assert judged([{**patient(), "birthDate": "1990-02-31"}], schema)
    assert judged([patient()], schema) == []
