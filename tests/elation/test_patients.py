"""A patient is found before it is created, linked when it is certain, and never made twice."""

from typing import Any

import httpx
import pytest

from resources.elation_api import Api
from resources.elation_links import Links
from resources.errors import Refused
from tests.elation.far_end import SETTINGS, FarEnd, Remembered, client, message
from tests.elation.talk import ADDRESS, ANA, failure, patient_call, run, send


def test_a_new_chart_is_searched_for_and_then_created_with_its_id() -> None:
    far_end, known = FarEnd(), Remembered()
    receipt = send(far_end, patient_call(), known)
    assert far_end.asked == ["GET /patients/", "POST /patients/"]
    created = far_end.patients[receipt.external_id]
    assert created["metadata"] == {"object_id": "chart-1"}
    assert known == {"chart-1": receipt.external_id}
    assert receipt.status == 201


def test_what_is_sent_is_the_body_of_the_message() -> None:
    bodies: list[bytes] = []
    far_end, created, updated = FarEnd(), patient_call(), patient_call("profile_changed", sex="m")

    def watched(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/api/2.0/patients/") and request.method != "GET":
            bodies.append(request.content)
        return far_end(request)

    elation = client(watched)

    async def both() -> None:
        await elation.send(created)
        await elation.send(updated)

    run(both())
    assert bodies == [created.body, updated.body]


def test_a_known_chart_is_updated_in_one_request() -> None:
    far_end, known = FarEnd(), Remembered()
    patient = send(far_end, patient_call(), known).external_id
    far_end.asked.clear()
    assert send(far_end, patient_call("profile_changed", sex="m"), known).external_id == patient
    assert far_end.asked == [f"PATCH /patients/{patient}/"]
    assert far_end.patients[patient]["sex"] == "Male"


def test_a_chart_that_only_elation_remembers_is_found_by_its_id_on_any_page() -> None:
    far_end = FarEnd()
    far_end.page = 2
    for number in range(5):
        far_end.add(**ANA, metadata={"object_id": f"other-{number}"})
    patient = far_end.add(**ANA, metadata={"object_id": "chart-1"})
    assert send(far_end, patient_call()).external_id == patient
    assert far_end.asked == ["GET /patients/"] * 3 + [f"PATCH /patients/{patient}/"]


@pytest.mark.parametrize("changed", [{"last_name": "Rivera Cruz"}, {"dob": "1961-04-07"}])
def test_a_forgotten_chart_is_found_although_its_name_or_birth_date_has_changed(
    changed: dict[str, str],
) -> None:
    far_end = FarEnd()
    patient = far_end.add(**ANA, metadata={"object_id": "chart-1"})
    assert send(far_end, patient_call("profile_changed", **changed)).external_id == patient
    assert len(far_end.patients) == 1


def test_an_update_of_a_chart_that_elation_does_not_have_creates_it() -> None:
    far_end = FarEnd()
    receipt = send(far_end, patient_call("contact_changed"))
    assert far_end.patients[receipt.external_id]["last_name"] == "Rivera"


def test_a_part_of_a_patient_creates_nobody() -> None:
    far_end = FarEnd()
    part = message("patient_change", b'{"vip": true}', {"chart": "chart-1"} | ANA)
    assert "send its creation first" in str(failure(far_end, part))
    patient = send(far_end, patient_call()).external_id
    send(far_end, part)
    assert far_end.patients[patient]["vip"] is True
    assert far_end.patients[patient]["last_name"] == "Rivera"


@pytest.mark.parametrize("as_url", [True, False])
@pytest.mark.parametrize(
    "fact",
    [
        {"phones": [{"phone": "(718) 555-0142", "phone_type": "Home"}]},
        {"address": {"address_line1": "12 ELM  ST", "zip": "10451-1234"}},
        {"insurances": [{"rank": "primary", "member_id": "HF123456"}]},
    ],
)
def test_a_namesake_with_one_more_fact_in_common_is_linked_and_updated(
    as_url: bool, fact: dict[str, Any]
) -> None:
    far_end, known = FarEnd(), Remembered()
    far_end.redirect_as_url = as_url
    patient = far_end.add(**ANA | fact)
    assert send(far_end, patient_call(), known).external_id == patient
    assert far_end.patients[patient]["metadata"] == {"object_id": "chart-1"}
    assert known == {"chart-1": patient}
    assert len(far_end.patients) == 1


@pytest.mark.parametrize(
    "facts",
    [
        {"phones": [{"phone": "9175550142", "phone_type": "Home"}]},
        {"address": ADDRESS | {"zip": "10452"}},
        {"address": ADDRESS, "metadata": {"object_id": "chart-2"}},
        {"address": ADDRESS, "deleted_date": "2026-01-01T00:00:00Z"},
        {},
    ],
)
def test_a_namesake_without_another_fact_in_common_waits_for_a_person(facts: dict[str, Any]) -> None:
    far_end, known = FarEnd(), Remembered()
    patient = far_end.add(**ANA | facts)
    before = dict(far_end.patients[patient])
    error = failure(far_end, patient_call(), known)
    assert type(error) is Refused
    assert error.status == 409
    assert "decide in Elation" in str(error)
    assert far_end.patients[patient] == before
    assert known == {}


def test_a_409_that_points_to_somebody_else_is_not_believed() -> None:
    far_end = FarEnd()
    other = far_end.add(first_name="Bea", last_name="Rivera", dob="1961-07-04", address=ADDRESS)
    far_end.fail("POST /patients/", httpx.Response(409, json={"redirect": int(other)}))
    assert failure(far_end, patient_call()).status == 409


@pytest.mark.parametrize("redirect", [None, "", "/api/2.0/appointments/7", "https://evil.test/?id=7"])
def test_a_409_that_points_to_no_patient_is_a_refusal(redirect: str | None) -> None:
    far_end = FarEnd()
    far_end.fail(
        "POST /patients/", httpx.Response(409, json={"detail": "Duplicated object", "redirect": redirect})
    )
    assert "points to no patient" in str(failure(far_end, patient_call()))


def test_a_merged_patient_is_followed_to_the_one_that_is_left() -> None:
    far_end = FarEnd()
    left = far_end.add(first_name="Ana", last_name="Rivera-Cruz", dob="1961-07-04")
    far_end.add(**ANA, metadata={"object_id": "chart-1"}, merged_into_chart=int(left))
    assert send(far_end, patient_call("profile_changed")).external_id == left


def test_a_remembered_patient_that_was_merged_since_is_followed_and_the_link_moves() -> None:
    far_end = FarEnd()
    left = far_end.add(**ANA)
    gone = far_end.add(**ANA, merged_into_chart=int(left))
    known = Remembered({"chart-1": gone})
    far_end.fail(f"PATCH /patients/{gone}/", httpx.Response(404))
    assert send(far_end, patient_call("profile_changed", sex="m"), known).external_id == left
    assert known == {"chart-1": left}
    assert far_end.patients[left]["sex"] == "Male"


@pytest.mark.parametrize("remembered", [True, False])
def test_two_charts_never_write_to_one_patient_in_turns(remembered: bool) -> None:
    far_end = FarEnd()
    left = far_end.add(**ANA, metadata={"object_id": "chart-2"})
    gone = far_end.add(**ANA, metadata={"object_id": "chart-1"}, merged_into_chart=int(left))
    far_end.fail(f"PATCH /patients/{gone}/", httpx.Response(404))
    known = Remembered({"chart-1": gone} if remembered else {})
    assert "another chart" in str(failure(far_end, patient_call("profile_changed"), known))
    assert far_end.patients[left]["metadata"] == {"object_id": "chart-2"}


def test_merges_that_go_round_in_a_circle_wait_for_a_person() -> None:
    far_end = FarEnd()
    patient = far_end.add(**ANA, metadata={"object_id": "chart-1"})
    other = far_end.add(**ANA, merged_into_chart=int(patient))
    far_end.patients[patient]["merged_into_chart"] = int(other)
    assert "without end" in str(failure(far_end, patient_call()))


@pytest.mark.parametrize("status", [403, 500])
def test_a_patient_that_cannot_be_read_is_not_taken_for_gone(status: int) -> None:
    far_end = FarEnd()
    far_end.fail("PATCH /patients/7/", httpx.Response(404))
    far_end.fail("GET /patients/7/", httpx.Response(status))
    assert failure(far_end, patient_call("profile_changed"), Remembered({"chart-1": "7"})).status == status


def test_a_question_that_is_refused_is_no_answer() -> None:
    far_end, known = FarEnd(), Remembered({"chart-1": "7"})
    far_end.fail("GET /patients/7/", httpx.Response(403))
    with pytest.raises(Refused):
        run(client(far_end, known).ask(patient_call("profile_changed")))


def test_of_many_charts_a_process_remembers_the_last_ones_and_asks_the_store_for_the_others() -> None:
    asked: list[str] = []

    class Watched(Remembered):
        async def get(self, chart: str) -> str | None:  # type: ignore[override]
            asked.append(chart)
            return await super().get(chart)

    known = Watched({"chart-1": "1", "chart-2": "2", "chart-3": "3"})

    async def talk() -> list[str | None]:
        over = httpx.MockTransport(FarEnd())
        links = Links(Api(over, SETTINGS), known, most=2)
        return [
            await links.find(message("patient_update", b"", {"chart": f"chart-{n}"}))
            for n in (1, 2, 2, 3, 3, 1)
        ]

    assert run(talk()) == ["1", "2", "2", "3", "3", "1"]
    assert asked == ["chart-1", "chart-2", "chart-3", "chart-1"]


def test_two_patients_with_one_chart_id_wait_for_a_person() -> None:
    far_end = FarEnd()
    for _ in range(2):
        far_end.add(**ANA, metadata={"object_id": "chart-1"})
    assert "merge them" in str(failure(far_end, patient_call()))


def test_a_patient_that_the_clinic_deleted_is_not_created_again() -> None:
    far_end = FarEnd()
    far_end.add(**ANA, metadata={"object_id": "chart-1"}, deleted_date="2026-01-01T00:00:00Z")
    assert "was deleted" in str(failure(far_end, patient_call()))
    assert len(far_end.patients) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_a_remembered_patient_that_is_gone_waits_for_a_person(status: int) -> None:
    far_end = FarEnd()
    far_end.fail("PATCH /patients/7/", httpx.Response(status))
    error = failure(far_end, patient_call("profile_changed"), Remembered({"chart-1": "7"}))
    assert type(error) is Refused
    assert "gone from Elation" in str(error)
