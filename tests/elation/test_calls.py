"""What an event owes, what may stand in for what, and when nothing needs to go."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.elation.calls import FULL_STATE, digest, on_failure, owed, superseded
from assets.elation.events import decode
from assets.elation.mapping import Practice, Unmappable
from resources.elation_api import POLICY_NAMES
from resources.store.values import OnFailure, Owed
from tests.elation.charts import event_bytes

PRACTICE = Practice(primary_physician=131074, caregiver_practice=65540)
KINDS = ["patient_create", "patient_update", "patient_change", "policies"]


def calls(event_type: str, **changes: object) -> tuple[Owed, ...]:
    return owed(decode(event_bytes(event_type, **changes)), PRACTICE, POLICY_NAMES)


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("chart_created", "patient_create"),
        ("profile_changed", "patient_update"),
        ("contact_changed", "patient_update"),
        ("insurance_changed", "patient_update"),
    ],
)
def test_every_event_owes_the_patient_and_then_the_policies(event_type: str, kind: str) -> None:
    assert [call.kind for call in calls(event_type)] == [kind, "policies"]


def test_the_patients_body_carries_the_chart_id_for_elation_to_keep() -> None:
    body = json.loads(calls("chart_created", id='chart "7"')[0].body)
    assert body["metadata"] == {"object_id": 'chart "7"'}
    assert body["last_name"] == "Rivera"


def test_the_policies_body_is_ranked_by_number() -> None:
    assert json.loads(calls("insurance_changed", medicaid_id="AB12345C")[1].body) == [
        {"rank": 1, "carrier": "Healthfirst", "member_id": "HF123456"},
        {"rank": 2, "carrier": "Medicaid", "member_id": "AB12345C", "payment_program": "Medicaid"},
    ]


def test_the_address_holds_what_tells_the_patient_from_a_namesake() -> None:
    for call in calls("profile_changed"):
        assert call.address == {
            "chart": "chart-1",
            "last_name": "Rivera",
            "first_name": "Ana",
            "dob": "1961-07-04",
            "member_id": "HF123456",
        }


def test_a_chart_that_is_not_its_queues_is_set_aside() -> None:
    event = json.loads(event_bytes()) | {"resource_id": "chart-2"}
    with pytest.raises(Unmappable, match="send both alike"):
        owed(decode(json.dumps(event).encode()), PRACTICE, POLICY_NAMES)


def test_only_a_failed_creation_holds_its_queue() -> None:
    assert {kind: on_failure(kind) for kind in KINDS} == {
        "patient_create": OnFailure.HOLD,
        "patient_update": OnFailure.CONTINUE,
        "patient_change": OnFailure.CONTINUE,
        "policies": OnFailure.CONTINUE,
    }


def test_an_update_that_repeats_what_the_creation_said_has_its_digest() -> None:
    (created, insured), (updated, _) = calls("chart_created"), calls("profile_changed")
    (changed, still_insured) = calls("profile_changed", sex="m")
    assert digest(created.kind, created.body) == digest(updated.kind, updated.body)
    assert digest(changed.kind, changed.body) != digest(updated.kind, updated.body)
    assert digest(insured.kind, insured.body) == digest(still_insured.kind, still_insured.body)
    assert digest("patient_update", b"[]") != digest("policies", b"[]")


def test_a_part_of_a_patient_is_always_sent() -> None:
    assert digest("patient_change", b"{}") is None


def test_the_newest_of_several_updates_carries_them_all() -> None:
    assert superseded(["patient_update", "policies"] * 3) == {0: 4, 1: 5, 2: 4, 3: 5}


def test_a_creation_is_never_merged_away_and_nothing_is_merged_across_it() -> None:
    kinds = [
        "patient_update",
        "patient_create",
        "policies",
        "patient_update",
        "patient_create",
        "patient_update",
    ]
    assert superseded(kinds) == {}


def test_nothing_is_merged_across_a_part() -> None:
    assert superseded(["patient_update", "patient_change", "patient_update"]) == {}


@settings(deadline=None)
@given(st.lists(st.sampled_from(KINDS)))
def test_what_is_needless_is_always_carried_by_a_later_call_of_its_kind_that_goes(kinds: list[str]) -> None:
    needless = superseded(kinds)
    for index, carrier in needless.items():
        assert index < carrier
        assert kinds[index] == kinds[carrier]
        assert carrier not in needless
        assert all(kind in FULL_STATE for kind in kinds[index : carrier + 1])
    left = [kind for index, kind in enumerate(kinds) if index not in needless]
    assert superseded(left) == {}
