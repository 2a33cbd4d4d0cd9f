"""The manners of the health record."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.elation import Elation

from .conftest import Serve
from .test_desk import wait_until

PATIENT = {
    "first_name": "Ana",
    "middle_name": "",
    "last_name": "Rivera",
    "dob": "1961-07-04",
    "sex": "Female",
    "primary_physician": 131074,
    "caregiver_practice": 65540,
    "preferred_language": "Spanish",
    "address": {
        "address_line1": "12 Elm St",
        "address_line2": "",
        "city": "Bronx",
        "state": "NY",
        "zip": "10451",
    },
    "phones": [{"phone": "7185550142", "phone_type": "Mobile"}],
    "metadata": {"object_id": "chart-1"},
}


def token(client: httpx.Client, **changes: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_id": "us", "client_secret": "secret"} | changes
    return client.post("/elation/api/2.0/oauth2/token/", data=form)


@pytest.fixture
def record(serve: Serve) -> httpx.Client:
    client = serve(Elation())
    client.headers["authorization"] = f"Bearer {token(client).json()['access_token']}"
    return client


def create(record: httpx.Client, **changes: Any) -> httpx.Response:
    return record.post("/elation/api/2.0/patients/", json=PATIENT | changes)


def url(patient: int, *rest: object) -> str:
    return "/".join(["/elation/api/2.0/patients", str(patient), *map(str, rest), ""])


def settings(record: httpx.Client, **changes: Any) -> None:
    assert record.post("/_sandbox/elation/settings", json=changes).status_code == 204


def test_a_token_has_a_type_and_an_end(record: httpx.Client) -> None:
    answer = token(record)
    assert answer.status_code == 200
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 36_000)


def test_only_client_credentials_are_granted(record: httpx.Client) -> None:
    assert token(record, grant_type="password").status_code == 400
    assert token(record, client_secret="").status_code == 401
    settings(record, clients={"us": "another secret"})
    assert token(record).status_code == 401
    assert token(record, client_id="them").status_code == 401
    assert token(record, client_secret="another secret").status_code == 200


def test_without_a_live_token_everything_is_a_401(record: httpx.Client) -> None:
    settings(record, token_seconds=0)
    ended = token(record).json()["access_token"]
    for proof in ("", "Bearer nobody", f"Bearer {ended}"):
        answer = record.get("/elation/api/2.0/patients/", headers={"authorization": proof})
        assert answer.status_code == 401
    record.post("/_sandbox/elation/sign-out")
    assert create(record).status_code == 401


def test_a_created_patient_has_an_id_beyond_32_bits_and_everything_that_was_given(
    record: httpx.Client,
) -> None:
    answer = create(record)
    assert answer.status_code == 201
    made = answer.json()
    assert made["id"] > 2**32
    assert {name: made[name] for name in PATIENT} == PATIENT
    assert (made["merged_into_chart"], made["insurances"]) == (None, [])
    assert record.get(url(made["id"])).json() == made


@pytest.mark.parametrize("missing", ["first_name", "last_name", "dob", "sex", "primary_physician"])
def test_a_required_member_that_is_missing_is_named(record: httpx.Client, missing: str) -> None:
    answer = record.post(
        "/elation/api/2.0/patients/", json={k: v for k, v in PATIENT.items() if k != missing}
    )
    assert (answer.status_code, answer.json()) == (400, {missing: ["This field is required."]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("first_name", "A" * 71),
        ("last_name", ""),
        ("dob", "04/07/1961"),
        ("sex", "F"),
        ("primary_physician", 7),
        ("caregiver_practice", 7),
        ("preferred_language", "es"),
        ("address", PATIENT["address"] | {"state": "New York"}),  # type: ignore[operator]
        ("phones", [{"phone": "1", "phone_type": "Mobile"}] * 3),
        ("phones", [{"phone": "7185550142", "phone_type": "Cell"}]),
        ("phones", [{"phone": "7185550142"}, "x"]),
        ("fist_name", "Ana"),
        ("metadata", {"objectid": "chart-1"}),
    ],
)
def test_a_wrong_or_unknown_member_is_refused_by_name(record: httpx.Client, name: str, value: object) -> None:
    answer = create(record, **{name: value})
    assert answer.status_code == 400
    assert list(answer.json()) == [name]
    assert record.get("/_sandbox/elation/records").json() == {}


def test_insurances_in_a_patient_are_ignored_without_a_word(record: httpx.Client) -> None:
    answer = create(record, insurances=[{"rank": "primary", "carrier": "Healthfirst"}])
    assert (answer.status_code, answer.json()["insurances"]) == (201, [])


def test_a_patient_of_the_same_name_and_birth_is_a_409_in_one_of_two_forms(record: httpx.Client) -> None:
    made = create(record).json()["id"]
    same = {"first_name": " ANA", "last_name": "rivera", "metadata": {"object_id": "chart-2"}}
    redirects = [create(record, **same) for _ in range(2)]
    assert [one.status_code for one in redirects] == [409, 409]
    assert redirects[0].json() == {"detail": "Duplicated object", "redirect": made}
    assert redirects[1].json() == {"detail": "Duplicated object", "redirect": f"/api/2.0/patients/{made}"}
    settings(record, duplicate_names="id")
    assert {create(record).json()["redirect"] for _ in range(3)} == {made}
    assert create(record, dob="1961-07-05").status_code == 201


def test_a_patch_changes_what_it_gets_and_lists_are_replaced_whole(record: httpx.Client) -> None:
    made = create(record).json()
    change = {"middle_name": "Luz", "phones": [{"phone": "7185550143", "phone_type": "Home"}]}
    answer = record.patch(url(made["id"]), json=change)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in PATIENT} == PATIENT | change


def test_a_put_replaces_and_needs_all_required_members(record: httpx.Client) -> None:
    made = create(record).json()["id"]
    assert record.put(url(made), json={"middle_name": "Luz"}).status_code == 400
    bare = {name: PATIENT[name] for name in ("first_name", "last_name", "dob", "sex")}
    bare |= {"primary_physician": 131074, "caregiver_practice": 65540}
    assert record.put(url(made), json=bare).json()["phones"] == []


def test_a_renamed_patient_is_found_by_the_new_name_only(record: httpx.Client) -> None:
    made = create(record).json()["id"]
    record.patch(url(made), json={"last_name": "Okafor"})
    assert ids(record, last_name="Rivera") == []
    assert ids(record, last_name="okafor") == [made]
    assert create(record).status_code == 201


def test_an_unknown_patient_is_a_404_and_a_deleted_one_a_410(record: httpx.Client) -> None:
    made = create(record).json()["id"]
    assert record.patch(url(made + 1), json={}).status_code == 404
    assert record.delete(url(made)).status_code == 204
    assert record.patch(url(made), json={}).status_code == 410
    assert create(record).status_code == 201


def test_a_merged_patient_points_to_the_chart_that_is_left(record: httpx.Client) -> None:
    old, left = create(record).json()["id"], create(record, first_name="Anna").json()["id"]
    record.post("/_sandbox/elation/merge", json={"from": old, "into": left})
    assert record.get(url(old)).json()["merged_into_chart"] == left
    assert record.patch(url(old), json={"middle_name": "Luz"}).status_code == 404


def test_what_is_not_json_is_refused(record: httpx.Client) -> None:
    path = "/elation/api/2.0/patients/"
    assert record.post(path, content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert record.post(path, content=b"[]", headers={"content-type": "application/json"}).status_code == 400
    assert record.post(path, content=b"a=b", headers={"content-type": "text/plain"}).status_code == 415


def ids(record: httpx.Client, **query: str) -> list[int]:
    return [one["id"] for one in record.get("/elation/api/2.0/patients/", params=query).json()["results"]]


def test_patients_are_found_by_name_birth_sex_phone_and_member_id(record: httpx.Client) -> None:
    ana = create(record).json()["id"]
    record.post(url(ana, "policies"), json={"rank": 1, "carrier": "Healthfirst", "member_id": "HF1"})
    other = create(record, first_name="Bo", sex="Male", dob="1970-01-01", phones=[]).json()["id"]
    assert ids(record, last_name="RIVERA") == [ana, other]
    assert ids(record, last_name="Rivera", first_name="ana", dob="1961-07-04") == [ana]
    assert ids(record, sex="Male") == [other]
    assert ids(record, phone_number="7185550142") == [ana]
    assert ids(record, member_id="HF1") == [ana]


def test_there_is_no_search_by_object_id_so_the_filter_is_ignored_but_the_answer_tells_it(
    record: httpx.Client,
) -> None:
    create(record)
    create(record, first_name="Bo", metadata={"object_id": "chart-2"})
    found = record.get("/elation/api/2.0/patients/", params={"metadata__object_id": "chart-2"}).json()[
        "results"
    ]
    assert [one["metadata"]["object_id"] for one in found] == ["chart-1", "chart-2"]


def test_pages_follow_cursors_and_have_no_count(record: httpx.Client) -> None:
    made = [create(record, first_name=f"Ana{number}").json()["id"] for number in range(7)]
    seen, link = [], "/elation/api/2.0/patients/?last_name=Rivera&limit=3"
    pages = 0
    while link:
        page = record.get(link).json()
        assert "count" not in page
        seen += [one["id"] for one in page["results"]]
        link, pages = page["next"], pages + 1
    assert (seen, pages) == (made, 3)


def test_an_offset_brings_the_old_form_with_a_count(record: httpx.Client) -> None:
    made = [create(record, first_name=f"Ana{number}").json()["id"] for number in range(3)]
    page = record.get("/elation/api/2.0/patients/", params={"offset": "1", "limit": "1"}).json()
    assert (page["count"], [one["id"] for one in page["results"]]) == (3, made[1:2])
    assert "offset=2" in page["next"]


def test_exactly_one_active_physician_is_called_katie(record: httpx.Client) -> None:
    hits = record.get("/elation/api/2.0/physicians/", params={"first_name": "Katie"}).json()["results"]
    assert [one["id"] for one in hits if one["is_active"]] == [131074]
    assert len(hits) == 2


def test_languages_have_names_and_no_codes(record: httpx.Client) -> None:
    names = [one["name"] for one in record.get("/elation/api/2.0/languages/").json()["results"]]
    assert "Spanish" in names
    assert "es" not in names


def policies(record: httpx.Client, patient: int) -> list[dict[str, Any]]:
    found = record.get(url(patient, "policies")).json()["results"]
    assert isinstance(found, list)
    return found


def test_a_new_policy_on_a_taken_rank_pushes_out_the_old_one_without_a_word(record: httpx.Client) -> None:
    patient = create(record).json()["id"]
    for carrier in ("Healthfirst", "Harbor Mutual"):
        answer = record.post(url(patient, "policies"), json={"rank": 1, "carrier": carrier})
        assert answer.status_code == 201
    assert [(one["carrier"], one["rank"]) for one in policies(record, patient)] == [
        ("Healthfirst", None),
        ("Harbor Mutual", 1),
    ]


def test_a_policy_is_changed_in_place_and_deleted(record: httpx.Client) -> None:
    patient = create(record).json()["id"]
    made = record.post(url(patient, "policies"), json={"rank": 1, "carrier": "Healthfirst"}).json()
    changed = record.put(url(patient, "policies", made["id"]), json={"rank": 2, "carrier": "Healthfirst"})
    assert (changed.json()["rank"], changed.json()["version"]) == (2, 2)
    assert record.delete(url(patient, "policies", made["id"])).status_code == 204
    assert policies(record, patient) == []
    assert record.delete(url(patient, "policies", made["id"])).status_code == 404


@pytest.mark.parametrize(
    "policy", [{"rank": "primary", "carrier": "x"}, {"rank": 1}, {"rank": 1, "carrier": "x", "payer": "y"}]
)
def test_a_policy_with_another_shape_is_refused(record: httpx.Client, policy: dict[str, Any]) -> None:
    patient = create(record).json()["id"]
    assert record.post(url(patient, "policies"), json=policy).status_code == 400


def test_the_patients_insurances_follow_the_policies_after_a_while(record: httpx.Client) -> None:
    patient = create(record).json()["id"]
    record.post(
        url(patient, "policies"), json={"rank": 2, "carrier": "Medicaid", "payment_program": "Medicaid"}
    )
    assert record.get(url(patient)).json()["insurances"] == []
    wait_until(
        lambda: [one["rank"] for one in record.get(url(patient)).json()["insurances"]] == ["secondary"]
    )


def test_the_clinic_may_change_a_rank_itself(record: httpx.Client) -> None:
    patient = create(record).json()["id"]
    record.post(url(patient, "policies"), json={"rank": 1, "carrier": "Healthfirst"})
    change = {"patient": patient, "rank": 1, "carrier": "Granite State Health"}
    assert record.post("/_sandbox/elation/policy", json=change).status_code == 204
    assert [one["carrier"] for one in policies(record, patient) if one["rank"] == 1] == [
        "Granite State Health"
    ]


def test_a_fault_on_creation_that_was_taken_leaves_one_chart(record: httpx.Client) -> None:
    record.post("/_sandbox/elation/faults", json={"status": 504, "take": True, "match": "POST .*/patients/$"})
    assert create(record).status_code == 504
    assert [
        one["metadata"]["object_id"] for one in record.get("/_sandbox/elation/records").json().values()
    ] == ["chart-1"]
    assert create(record).status_code == 409


def test_records_hold_the_policies_of_each_patient(record: httpx.Client) -> None:
    patient = create(record).json()["id"]
    record.post(url(patient, "policies"), json={"rank": 1, "carrier": "Healthfirst"})
    held = record.get("/_sandbox/elation/records").json()
    assert held[str(patient)]["policies"][0]["carrier"] == "Healthfirst"
