"""The manners of FHIR2 and REST, as the simulated server has them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.core import System
from sandbox.openmrs import servers
from tests.openmrs.people import encounter, key_of, observation, own_id, patient, visit
from tests.sandbox.conftest import Serve

FHIR = "/openmrs-child/openmrs/ws/fhir2/R4"
REST = "/openmrs-child/openmrs/ws/rest/v1"
LEVERS = "/_sandbox/openmrs-child"


@pytest.fixture
def child(serve: Serve) -> httpx.Client:
    systems: tuple[System, ...] = servers()
    client = serve(*systems)
    client.auth = ("sync", "secret")
    client.post(f"{LEVERS}/settings", json={"publish_delay_seconds": 0}).raise_for_status()
    return client


def put(client: httpx.Client, record: dict[str, Any]) -> None:
    client.put(f"{LEVERS}/records/{key_of(record)}", json=record).raise_for_status()


def actions(client: httpx.Client, category: str) -> list[str]:
    page = client.get(f"/openmrs-child/openmrs/ws/atomfeed/{category}/recent").text
    words = ("CREATED", "UPDATED", "VOIDED", "UNVOIDED", "DELETED")
    return [word for entry in page.split("<entry>")[1:] for word in words if f'"{word}"' in entry]


def test_a_post_gets_an_id_of_the_servers_own(child: httpx.Client) -> None:
    answer = child.post(f"{FHIR}/Patient", json=patient())
    assert answer.status_code == 201
    assert answer.json()["id"] != own_id("grace")
    assert answer.headers["location"].endswith(answer.json()["id"])


def test_if_none_exist_is_ignored_and_an_identifier_taken_is_not(child: httpx.Client) -> None:
    other: Any = {**patient(), "identifier": [{"type": {"text": "X"}, "value": "2"}]}
    header = {"If-None-Exist": "identifier=ID-grace"}
    assert [
        child.post(f"{FHIR}/Patient", json=each, headers=header).status_code for each in (patient(), other)
    ] == [201, 201]
    assert child.post(f"{FHIR}/Patient", json=patient()).status_code == 422


def test_a_put_of_an_unknown_id_is_404_unless_upsert_is_on_for_the_type(child: httpx.Client) -> None:
    place = {"resourceType": "Location", "id": own_id("place"), "name": "Luiza"}
    assert child.put(f"{FHIR}/Location/{own_id('place')}", json=place).status_code == 404
    child.post(f"{LEVERS}/settings", json={"upsert": True})
    assert child.put(f"{FHIR}/Location/{own_id('place')}", json=place).status_code == 201
    assert child.put(f"{FHIR}/Patient/{own_id('grace')}", json=patient()).status_code == 404


@pytest.mark.parametrize(
    "body", [{**patient(), "id": "x"}, {k: v for k, v in patient().items() if k != "id"}]
)
def test_a_put_with_another_id_or_none_is_400(child: httpx.Client, body: dict[str, Any]) -> None:
    put(child, patient())
    assert child.put(f"{FHIR}/Patient/{own_id('grace')}", json=body).status_code == 400


def test_a_put_of_a_patient_only_adds_addresses(child: httpx.Client) -> None:
    put(child, patient())
    for _ in range(2):
        answer = child.put(
            f"{FHIR}/Patient/{own_id('grace')}", json=patient(gender="other"), headers={"If-Match": 'W/"0"'}
        )
    assert answer.json()["gender"] == "other"
    assert len(answer.json()["address"]) == 3
    assert len(answer.json()["identifier"]) == 1
    assert len(answer.json()["name"]) == 1


def test_a_put_of_an_encounter_replaces_and_computes(child: httpx.Client) -> None:
    for record in (patient(), visit(), encounter()):
        put(child, record)
    bare = encounter(
        during="",
        status="finished",
        period={"start": "2026-03-03T08:00:00+00:00", "end": "2026-03-03T09:00:00+00:00"},
    )
    answer = child.put(f"{FHIR}/{key_of(bare)}", json=bare).json()
    assert "partOf" not in answer
    assert (answer["status"], answer["period"]) == ("unknown", {"start": "2026-03-03T08:00:00+00:00"})


def test_an_encounter_without_its_tag_is_an_invalid_type_of_request(child: httpx.Client) -> None:
    put(child, patient())
    answer = child.post(f"{FHIR}/Encounter", json={k: v for k, v in encounter().items() if k != "meta"})
    assert (answer.status_code, answer.json()["issue"][0]["diagnostics"]) == (400, "Invalid type of request")


def test_unknown_references_are_lost_without_a_word_and_an_unknown_patient_fails(child: httpx.Client) -> None:
    assert child.post(f"{FHIR}/Encounter", json=encounter()).status_code == 422
    put(child, patient())
    there: Any = [{"location": {"reference": f"Location/{own_id('nowhere')}"}}]
    answer = child.post(f"{FHIR}/Encounter", json=encounter(location=there))
    assert answer.status_code == 201
    assert {"partOf", "location"} & answer.json().keys() == set()


def test_an_edited_observation_gets_another_id_and_the_old_one_is_gone(child: httpx.Client) -> None:
    for record in (patient(), observation()):
        put(child, record)
    answer = child.put(f"{FHIR}/{key_of(observation())}", json=observation(valueQuantity={"value": 2}))
    assert answer.status_code == 200
    assert answer.json()["id"] != own_id("height")
    assert child.get(f"{FHIR}/{key_of(observation())}").status_code == 410


def test_voided_is_410_in_fhir_and_200_in_rest_and_unknown_is_404(child: httpx.Client) -> None:
    put(child, patient())
    assert child.delete(f"{FHIR}/Patient/{own_id('grace')}").status_code == 200
    assert child.get(f"{FHIR}/Patient/{own_id('grace')}").status_code == 410
    assert child.get(f"{REST}/patient/{own_id('grace')}").json()["voided"] is True
    assert child.get(f"{FHIR}/Patient/{own_id('nobody')}").status_code == 404
    assert child.post(f"{REST}/patient/{own_id('grace')}", json={"deleted": "false"}).status_code == 200
    assert child.get(f"{FHIR}/Patient/{own_id('grace')}").status_code == 200


def test_every_write_makes_events_and_a_void_makes_two(child: httpx.Client) -> None:
    child.post(f"{FHIR}/Patient", json=patient())
    (record_id,) = [key.partition("/")[2] for key in child.get(f"{LEVERS}/records").json()]
    child.delete(f"{FHIR}/Patient/{record_id}")
    child.delete(f"{FHIR}/Patient/{record_id}")
    assert actions(child, "patient") == ["CREATED", "UPDATED", "VOIDED"]


def test_rest_keeps_the_uuid_it_is_given_and_refuses_it_twice(child: httpx.Client) -> None:
    body = {
        "uuid": own_id("grace"),
        "person": {
            "names": [{"givenName": "Grace", "familyName": "Akello"}],
            "gender": "F",
            "birthdate": "1990-01-01",
        },
        "identifiers": [{"identifier": "1", "identifierType": own_id("type")}],
    }
    assert child.post(f"{REST}/patient", json=body).status_code == 201
    assert child.get(f"{FHIR}/Patient/{own_id('grace')}").json()["gender"] == "female"
    assert child.post(f"{REST}/patient", json=body).status_code == 500


def test_rest_corrects_an_address_where_fhir_would_add_one(child: httpx.Client) -> None:
    put(child, patient())
    path = f"{REST}/person/{own_id('grace')}/address/{own_id('grace-address')}"
    assert child.post(path, json={"cityVillage": "Gulu"}).status_code == 200
    (address,) = child.get(f"{FHIR}/Patient/{own_id('grace')}").json()["address"]
    assert (address["city"], address["country"]) == ("Gulu", "Uganda")
    assert child.post(path, json={"country": None}).status_code == 200
    (address,) = child.get(f"{FHIR}/Patient/{own_id('grace')}").json()["address"]
    assert (address["city"], address.get("country")) == ("Gulu", None)


def test_two_edits_within_a_second_have_one_etag(child: httpx.Client) -> None:
    put(child, patient())
    first = child.get(f"{FHIR}/Patient/{own_id('grace')}").headers["etag"]
    assert first.endswith('000"')
    assert child.get(f"{FHIR}/Patient/{own_id('grace')}", headers={"If-None-Match": first}).status_code == 304


def test_a_search_mixes_visits_with_encounters_unless_the_tag_is_asked_for(child: httpx.Client) -> None:
    for record in (patient(), visit(), encounter()):
        put(child, record)
    query = {"patient": own_id("grace")}
    assert child.get(f"{FHIR}/Encounter", params=query).json()["total"] == 2
    tag = {"_tag": "http://fhir.openmrs.org/ext/encounter-tag|visit"}
    assert child.get(f"{FHIR}/Encounter", params=query | tag).json()["total"] == 1


def test_a_search_gives_ten_a_page_and_forgets_its_pages(child: httpx.Client) -> None:
    put(child, patient())
    for number in range(12):
        put(child, observation(f"o{number}"))
    first = child.get(f"{FHIR}/Observation", params={"patient": own_id("grace")}).json()
    assert len(first["entry"]) == 10
    following = f"{FHIR}?{first['link'][0]['url'].partition('?')[2]}"
    assert len(child.get(following).json()["entry"]) == 2
    for _ in range(100):
        child.get(f"{FHIR}/Observation", params={"patient": own_id("grace")})
    assert child.get(following).status_code == 410


def test_voided_records_never_appear_in_a_search_by_time(child: httpx.Client) -> None:
    put(child, patient())
    put(child, patient("mary"))
    child.delete(f"{FHIR}/Patient/{own_id('mary')}")
    found = child.get(f"{FHIR}/Patient", params={"_lastUpdated": "ge2020-01-01T00:00:00Z"}).json()
    assert [each["resource"]["id"] for each in found["entry"]] == [own_id("grace")]


def test_the_password_ends_at_its_first_colon(child: httpx.Client) -> None:
    child.post(f"{LEVERS}/settings", json={"user": "sync", "password": "se:cret"})
    assert child.get(f"{FHIR}/Patient/x", auth=("sync", "se:cret")).status_code == 401


def test_there_are_no_bundles_and_no_conditional_updates(child: httpx.Client) -> None:
    assert child.post(FHIR, json={"resourceType": "Bundle", "type": "transaction"}).status_code in (400, 404)
    assert child.put(f"{FHIR}/Patient?identifier=1", json=patient()).status_code == 400
