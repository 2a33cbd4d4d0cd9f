"""The calls a write becomes on each kind of far end, and what its records must look like."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from assets.formats.decode import ShapeError
from assets.formats.fhir_oracle import schema_says
from assets.openmrs import mapping, rest
from assets.openmrs.canonical import canonical
from assets.openmrs.checks import before_sending, problems
from assets.openmrs.events import Side, handed_in
from assets.openmrs.mapping import Call, FarKind, Target, calls, message_kind, outgoing, prepared
from assets.openmrs.merge import changes
from assets.openmrs.reconcile import Create, Edit, Revive, Void, Write
from assets.openmrs.records import redirected, references
from assets.openmrs.tree import Tree
from resources.fhir_server import read_calls
from tests.openmrs.people import encounter, in_home, observation, own_id, patient, visit

ORIGIN = "https://parent.test/openmrs"
SCHEMA = Path(__file__).parents[3] / "shared" / "data" / "fhir" / "fhir.schema.json.gz"


def made(write: Write, kind: FarKind = FarKind.OPENMRS_REST, record: Tree | None = None) -> tuple[Call, ...]:
    known = record or patient()
    target = Target(
        kind=kind, id=str(known["id"]), record=known, origin=ORIGIN, version='W/"1"', telephone=rest.TELEPHONE
    )
    return calls(write, target).calls


def edit(before: Tree, after: Tree) -> Edit:
    return Edit(Side.CHILD, before, after, tuple(changes(canonical(before), after).values()))


def shown(call: Call) -> str:
    return f"{call.method} {call.template.format_map(call.path)}"


@pytest.mark.parametrize(
    ("record", "where"),
    [(patient(), "patient"), (visit(), "visit"), (encounter(), "encounter"), (observation(), "obs")],
)
def test_rest_creates_a_record_under_its_own_uuid(record: Tree, where: str) -> None:
    (call,) = made(Create(Side.CHILD, record))
    assert shown(call) == f"POST /ws/rest/v1/{where}"
    assert call.body is not None
    assert call.body["uuid"] == record["id"]


def test_a_patient_in_rests_words() -> None:
    record = patient(birthDate="1990", telecom=[{"id": "t", "value": "+256700000001"}])
    person: Any = rest.created(record, rest.TELEPHONE)["person"]
    assert (person["gender"], person["birthdate"], person["birthdateEstimated"]) == ("F", "1990-01-01", True)
    assert person["names"] == [{"uuid": own_id("grace-name"), "givenName": "Grace", "familyName": "Akello"}]
    assert person["attributes"] == [{"uuid": "t", "attributeType": rest.TELEPHONE, "value": "+256700000001"}]


def test_an_address_keeps_the_parts_fhir_has_no_member_for() -> None:
    url = "http://fhir.openmrs.org/ext/address"
    inner = [{"url": f"{url}#address4", "valueString": "Parish"}]
    address: Any = {"id": "a", "city": "Gulu", "extension": [{"url": url, "extension": inner}]}
    found = rest.part("address[a]", address, rest.TELEPHONE)
    assert found == ("address", {"uuid": "a", "preferred": True, "cityVillage": "Gulu", "address4": "Parish"})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"valueQuantity": {"value": 0}}, 0),
        ({"valueString": "fine"}, "fine"),
        ({"valueBoolean": False}, False),
        (
            {
                "valueCodeableConcept": {
                    "coding": [{"system": "http://loinc.org", "code": "1"}, {"code": "c"}]
                }
            },
            {"uuid": "c"},
        ),
    ],
)
def test_an_observations_value_is_told_in_any_shape(value: Tree, told: object) -> None:
    record = {name: each for name, each in observation().items() if name != "valueQuantity"}
    assert rest.created({**record, **value}, "")["value"] == told


def test_a_patients_changes_go_part_by_part_and_never_by_put() -> None:
    before = patient()
    after = patient(gender="other", address=in_home(before, city="Gulu"))
    assert [shown(call) for call in made(edit(before, after))] == [
        f"POST /ws/rest/v1/person/{own_id('grace')}",
        f"POST /ws/rest/v1/person/{own_id('grace')}/address/{own_id('grace-address')}",
    ]
    assert made(edit(before, after))[0].body == {"gender": "O"}


def test_a_removed_part_is_deleted_and_a_new_one_is_posted() -> None:
    before = patient()
    after = patient(
        address=[],
        identifier=[*_list(before["identifier"]), {"id": "i2", "value": "2", "type": {"text": "X"}}],
    )
    assert [shown(call) for call in made(edit(before, after))] == [
        f"DELETE /ws/rest/v1/person/{own_id('grace')}/address/{own_id('grace-address')}",
        f"POST /ws/rest/v1/patient/{own_id('grace')}/identifier",
    ]


def test_what_a_part_is_to_lose_is_emptied_by_name() -> None:
    """REST leaves alone what a body does not name."""
    before = patient(address=in_home(patient(), postalCode="100", district="Central"))
    after = patient(address=in_home(patient(), district="Makindye"))
    (call,) = made(edit(before, after))
    assert call.body == {
        "preferred": True,
        "cityVillage": "Kampala",
        "country": "Uganda",
        "countyDistrict": "Makindye",
        "postalCode": None,
    }


def _list(value: Any) -> list[Any]:
    return list(value)


def test_what_openmrs_has_no_place_for_is_listed() -> None:
    target = Target(kind=FarKind.OPENMRS_REST, id="x", record=patient(), origin=ORIGIN)
    found = calls(edit(patient(), patient(maritalStatus={"text": "M"})), target)
    assert (found.calls, found.left) == ((), ("maritalStatus",))


def test_an_encounter_is_put_whole_for_what_is_left_out_is_detached() -> None:
    (call,) = made(edit(encounter(), encounter(period={"start": "2026-03-03"})), record=encounter())
    assert shown(call) == f"PUT /ws/fhir2/R4/Encounter/{own_id('encounter')}"
    assert call.body is not None
    assert {"partOf", "subject", "type", "meta"} <= call.body.keys()


def test_a_void_is_a_delete_and_a_revival_is_rests() -> None:
    assert [shown(call) for call in made(Void(Side.CHILD))] == [
        f"DELETE /ws/fhir2/R4/Patient/{own_id('grace')}"
    ]
    (call,) = made(Revive(Side.CHILD))
    assert (shown(call), call.body) == (f"POST /ws/rest/v1/patient/{own_id('grace')}", {"deleted": "false"})


def test_fhir2_gets_a_patient_with_its_origin_and_no_condition() -> None:
    (call,) = made(Create(Side.CHILD, patient()), FarKind.OPENMRS_FHIR)
    body: Any = call.body
    assert (shown(call), call.condition) == ("POST /ws/fhir2/R4/Patient", "")
    assert "id" not in body
    assert body["identifier"][-1]["value"] == own_id("grace")
    assert body["identifier"][-1]["system"] == ORIGIN


def test_a_fhir_server_gets_conditions() -> None:
    (create,) = made(Create(Side.CHILD, observation()), FarKind.R4, observation())
    assert (shown(create), create.condition) == (
        "POST /Observation",
        f"identifier={ORIGIN}|{own_id('height')}",
    )
    (put,) = made(edit(patient(), patient(gender="other")), FarKind.R4)
    assert (shown(put), put.condition) == (f"PUT /Patient/{own_id('grace')}", 'W/"1"')


def test_the_outbox_keeps_exactly_what_is_sent() -> None:
    write = edit(patient(), patient(gender="other"))
    kept = outgoing(made(write))
    read = read_calls(kept).calls
    assert [(each.method, each.path, json.loads(bytes(each.body))) for each in read] == [
        ("POST", {"id": own_id("grace")}, {"gender": "O"})
    ]
    assert message_kind(write) == "record_update"


@pytest.mark.parametrize("record", [patient(), visit(), encounter(), observation()])
@pytest.mark.parametrize("kind", [FarKind.OPENMRS_FHIR, FarKind.R4])
def test_every_fhir_document_sent_is_valid(record: Tree, kind: FarKind) -> None:
    sent = made(Create(Side.CHILD, record), kind, record)
    assert before_sending(sent) == []
    if SCHEMA.is_file():
        schema = json.loads(gzip.decompress(SCHEMA.read_bytes()))
        assert [each for call in sent if call.body for each in schema_says(call.body, schema)] == []


@pytest.mark.parametrize(
    "wrong",
    [{"gender": "M"}, {"birthDate": "1990-02-30"}, {"identifier": [{"value": 7}]}, {"nickname": "x"}],
)
def test_an_invalid_record_is_named_by_place_and_without_values(wrong: dict[str, Any]) -> None:
    found = problems(prepared(patient(**wrong)))
    assert found
    assert not any(str(value) in each for each in found for value in ("1990-02-30", "'M'"))


def test_empty_members_of_a_lenient_server_are_left_out_and_one_identifier_becomes_an_array() -> None:
    loose: Any = patient(identifier={"value": "1"}, maritalStatus={}, contact=[None])
    sent = prepared(loose)
    assert sent["identifier"] == [{"value": "1"}]
    assert {"maritalStatus", "contact"} & sent.keys() == set()


def test_references_are_found_wherever_they_stand_and_put_on_the_other_ids() -> None:
    record = encounter()
    assert {str(key) for _, key in references(record)} == {
        f"Patient/{own_id('grace')}",
        f"Encounter/{own_id('visit')}",
    }
    keys = dict(zip((key for _, key in references(record)), ("p2", "v2"), strict=True))
    moved = redirected(record, keys)
    assert sorted(key.id for _, key in references(moved)) == ["p2", "v2"]


def test_a_fhir_server_takes_a_voided_record_again_by_put() -> None:
    (call,) = made(Revive(Side.CHILD), FarKind.R4)
    assert (shown(call), call.body and call.body["id"]) == (
        f"PUT /Patient/{own_id('grace')}",
        own_id("grace"),
    )


def test_a_call_is_shown_to_people_with_its_path_filled_in() -> None:
    (call,) = made(Create(Side.CHILD, observation()), FarKind.R4, observation())
    assert mapping.shown(call)["path"] == "/Observation"
    assert mapping.shown(call)["condition"] == f"identifier={ORIGIN}|{own_id('height')}"
    (gone,) = made(Void(Side.CHILD))
    assert mapping.shown(gone) == {"method": "DELETE", "path": f"/ws/fhir2/R4/Patient/{own_id('grace')}"}


def test_a_changed_number_and_attribute_go_to_the_persons_attributes() -> None:
    url = "http://fhir.openmrs.org/ext/person-attribute"
    parts = [{"url": f"{url}-type", "valueString": "Race"}, {"url": f"{url}-value", "valueString": "b"}]
    before = patient(telecom=[{"id": "t", "value": "1"}])
    after = patient(
        telecom=[{"id": "t", "value": "2"}], extension=[{"id": "r", "url": url, "extension": parts}]
    )
    found = made(edit(before, after))
    assert [(shown(call), call.body) for call in found] == [
        (
            f"POST /ws/rest/v1/person/{own_id('grace')}/attribute",
            {"uuid": "r", "attributeType": "Race", "value": "b"},
        ),
        (
            f"POST /ws/rest/v1/person/{own_id('grace')}/attribute/t",
            {"attributeType": rest.TELEPHONE, "value": "2"},
        ),
    ]


def test_a_patient_is_created_with_attributes_and_a_location_with_its_address() -> None:
    url = "http://fhir.openmrs.org/ext/person-attribute"
    parts = [{"url": f"{url}-type", "valueString": "Race"}, {"url": f"{url}-value", "valueString": "b"}]
    person: Any = rest.created(patient(extension=[{"id": "r", "url": url, "extension": parts}]), "")["person"]
    assert person["attributes"] == [{"uuid": "r", "attributeType": "Race", "value": "b"}]
    place: Tree = {
        "resourceType": "Location",
        "id": "x",
        "name": "Luiza",
        "address": {"line": ["1 Road"], "city": "L"},
    }
    assert rest.created(place, "") == {"uuid": "x", "name": "Luiza", "address1": "1 Road", "cityVillage": "L"}


def test_what_a_clinic_hands_in_names_its_record() -> None:
    key, record = handed_in(json.dumps(patient()).encode())
    assert (str(key), record["gender"]) == (f"Patient/{own_id('grace')}", "female")


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b"{", ""),
        (b"[]", ""),
        (b"\xff", ""),
        (b'{"resourceType":"Patient","x":' + b"[" * 60 + b"]" * 60 + b"}", ""),
        (b'{"x":"' + b"y" * 4_000_000 + b'"}', ""),
        (b'{"resourceType":"Form","id":"x"}', "resourceType"),
        (b'{"resourceType":"Patient","id":"../x"}', "id"),
        (b'{"resourceType":"Patient"}', "id"),
    ],
)
def test_what_cannot_be_a_record_is_refused_by_place(raw: bytes, place: str) -> None:
    with pytest.raises(ShapeError) as refused:
        handed_in(raw)
    assert refused.value.place == place
    assert "Form" not in str(refused.value)


def test_an_attribute_without_uuid_is_not_corrected_by_a_second_one() -> None:
    url = "http://fhir.openmrs.org/ext/person-attribute"

    def attribute(value: str) -> Tree:
        parts: Any = [
            {"url": f"{url}-type", "valueString": "Race"},
            {"url": f"{url}-value", "valueString": value},
        ]
        return patient(extension=[{"url": url, "extension": parts}])

    target = Target(kind=FarKind.OPENMRS_REST, id="x", record=patient(), origin=ORIGIN)
    found = calls(edit(attribute("a"), attribute("b")), target)
    assert (found.calls, found.left) == ((), (f"extension[{url}|Race]",))
