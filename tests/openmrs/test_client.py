"""How a server is spoken to: signed in, at its pace, on its own origin, and read with care."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from assets.openmrs.events import Side
from assets.openmrs.feed import BadPage, NoSuchPage, Page, answered
from resources.errors import PartnerAway, Refused, TryLater, Unsure
from resources.fhir_server import Call, FhirServer, Found, Read, basic, entry_request
from resources.openmrs import LARGEST_PAGE, OpenMrs
from tests.openmrs.clinic import Clinic
from tests.openmrs.people import encounter, observation, own_id, patient, visit

CHILD, PARENT = Side.CHILD, Side.PARENT
GRACE = own_id("grace")
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "x", "diagnostics": "Grace"}],
}

Far = Callable[[httpx.Request], httpx.Response]


def spoken(far: Far, base: str = "https://child.test/openmrs") -> OpenMrs:
    return OpenMrs(httpx.MockTransport(far), base, user="sync", password="secret", rate=100_000)


def answers(status: int, body: Any = None, **headers: str) -> Far:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda request: httpx.Response(status, content=content, headers=headers)


def read(far: Far) -> Read:
    return asyncio.run(spoken(far).read("Patient", GRACE))


def test_basic_is_sent_without_being_asked_for() -> None:
    seen: list[httpx.Request] = []

    def far(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=patient())

    read(far)
    assert seen[0].headers["authorization"] == basic("sync", "secret")
    assert seen[0].headers["accept"] == "application/fhir+json"
    assert "cookie" not in seen[0].headers


def test_an_account_with_a_colon_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="colon") as wrong:
        OpenMrs(httpx.MockTransport(answers(200)), "https://x.test", user="sync", password="se:cret")
    assert "se:cret" not in str(wrong.value)


@pytest.mark.parametrize(("status", "found"), [(404, Found.MISSING), (410, Found.GONE)])
def test_absence_is_believed_in_fhirs_words(status: int, found: Found) -> None:
    assert read(answers(status, OUTCOME)).found is found


@pytest.mark.parametrize("body", [b"<html>404 Not Found</html>", b"", b"[]", b'{"detail":"x"}'])
def test_a_404_of_a_web_server_is_no_purge(body: bytes) -> None:
    with pytest.raises(PartnerAway):
        read(answers(404, body))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_sign_in_is_about_the_server_and_says_what_to_do(status: int) -> None:
    with pytest.raises(PartnerAway, match="check its user") as away:
        read(answers(status, b"<html>Unauthorized</html>"))
    assert GRACE not in str(away.value)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_later(status: int) -> None:
    with pytest.raises(TryLater):
        read(answers(status, b"<html>"))


def test_another_record_than_the_one_asked_for_is_not_believed() -> None:
    with pytest.raises(TryLater):
        read(answers(200, patient("other")))


def test_texts_of_errors_name_no_record_and_no_answer() -> None:
    with pytest.raises(Refused) as refused:
        asyncio.run(
            spoken(answers(422, OUTCOME)).call(
                Call("POST", "/ws/rest/v1/{resource}", {"resource": "patient"})
            )
        )
    assert "Grace" not in str(refused.value)
    assert b"Grace" in refused.value.answer


def test_a_post_whose_answer_is_an_error_of_the_server_is_unsure() -> None:
    with pytest.raises(Unsure):
        asyncio.run(spoken(answers(500, OUTCOME)).call(Call("POST", "/ws/rest/v1/patient")))


def test_a_redirect_to_another_origin_is_not_followed_and_gets_no_credentials() -> None:
    hosts: list[str] = []

    def far(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(302, headers={"location": "https://evil.test/openmrs"})

    with pytest.raises(Refused):
        read(far)
    assert hosts == ["child.test"]


def test_a_next_link_to_another_host_is_put_on_the_configured_one() -> None:
    asked: list[httpx.URL] = []

    def far(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        more = {
            "link": [
                {
                    "relation": "next",
                    "url": "http://openmrs:8080/openmrs/ws/fhir2/R4?_getpages=s1&_getpagesoffset=100",
                }
            ]
        }
        body = {"resourceType": "Bundle", "entry": [{"resource": patient()}]}
        return httpx.Response(200, json=body | (more if len(asked) == 1 else {}))

    found = asyncio.run(spoken(far).search("Patient", {"name": "x"}))
    assert len(found) == 2
    assert {url.host for url in asked} == {"child.test"}
    assert asked[1].params["_getpages"] == "s1"


def test_a_search_whose_pages_were_forgotten_is_started_again() -> None:
    asked: list[str] = []

    def far(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if "_getpages" in str(request.url) and len(asked) == 2:
            return httpx.Response(410, json=OUTCOME)
        link = [{"relation": "next", "url": "?_getpages=s"}] if "_getpages" not in str(request.url) else []
        return httpx.Response(
            200, json={"resourceType": "Bundle", "link": link, "entry": [{"resource": patient()}]}
        )

    assert len(asyncio.run(spoken(far).search("Patient", {}))) == 2
    assert len(asked) == 4


def test_a_search_that_never_ends_is_given_up() -> None:
    body = {"resourceType": "Bundle", "link": [{"relation": "next", "url": "?_getpages=s"}]}
    with pytest.raises(TryLater, match="never ends"):
        asyncio.run(spoken(answers(200, body)).search("Patient", {}))


def test_deleting_what_is_gone_is_done() -> None:
    call = Call("DELETE", "/ws/fhir2/R4/{type}/{id}", {"type": "Patient", "id": GRACE})
    assert asyncio.run(spoken(answers(404, OUTCOME)).call(call)).id == GRACE


def test_the_id_is_the_servers_own_and_only_the_path_of_a_location_is_read() -> None:
    call = Call("POST", "/ws/fhir2/R4/Patient")
    located = answers(201, b"", location="http://evil.test/openmrs/ws/fhir2/R4/Patient/new-id/_history/1")
    assert asyncio.run(spoken(located).call(call)).id == "new-id"
    assert asyncio.run(spoken(answers(201, {**patient(), "id": "in-body"})).call(call)).id == "in-body"
    assert asyncio.run(spoken(answers(201, {"uuid": "rest"})).call(call)).id == "rest"


@pytest.mark.parametrize("base", ["https://child.test/openmrs", "https://child.test/openmrs/"])
def test_the_context_path_stands_once(base: str) -> None:
    paths: list[str] = []

    def far(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json=patient())

    asyncio.run(spoken(far, base).read("Patient", GRACE))
    assert paths == [f"/openmrs/ws/fhir2/R4/Patient/{GRACE}"]


def test_a_page_of_fifty_megabytes_is_a_bad_page_and_is_not_read_to_its_end() -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        for _ in range(50):
            sent += 1_000_000
            yield b"x" * 1_000_000

    async def asked() -> Any:
        over = httpx.MockTransport(lambda request: httpx.Response(200, content=endless()))
        return await OpenMrs(over, "https://x.test", user="u", password="p", rate=1000).page("patient", 3)

    answer = asyncio.run(asked())
    assert isinstance(answered(answer.status, answer.body, "patient"), BadPage)
    assert sent <= LARGEST_PAGE + 2_000_000


def test_pages_are_told_apart_by_the_servers_own_words(clinic: Clinic) -> None:
    clinic.edit(PARENT, patient())

    def page(number: int) -> object:
        answer = clinic.runner.run(clinic.ends[PARENT].page("patient", number))
        return answered(answer.status, answer.body, "patient")

    assert isinstance(page(0), Page)
    assert isinstance(page(1), Page)
    assert isinstance(page(2), NoSuchPage)
    clinic.lever(PARENT, "poison", category="patient", page=1)
    assert isinstance(page(1), BadPage)


def test_a_feed_that_is_not_there_is_about_the_address(clinic: Clinic) -> None:
    clinic.fault(PARENT, status=404, body="<html>", content_type="text/html")
    with pytest.raises(PartnerAway):
        clinic.runner.run(clinic.ends[PARENT].page("patient", 0))


def test_the_history_of_a_patient_has_visits_encounters_and_observations(clinic: Clinic) -> None:
    for record in (patient(), visit(), encounter(), *(observation(f"o{n}") for n in range(12))):
        clinic.edit(PARENT, record)
    found = clinic.runner.run(clinic.ends[PARENT].history_of(GRACE))
    assert len(found) == 14


def test_a_generic_server_gets_conditions_and_a_lost_race_is_tried_later() -> None:
    seen: list[httpx.Request] = []

    def far(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(
            412 if request.method == "PUT" else 201, json=OUTCOME if request.method == "PUT" else patient()
        )

    server = FhirServer(httpx.MockTransport(far), "https://r4.test/fhir", rate=1000)
    asyncio.run(server.call(Call("POST", "/{type}", {"type": "Patient"}, condition="identifier=a|b")))
    with pytest.raises(TryLater):
        asyncio.run(
            server.call(Call("PUT", "/{type}/{id}", {"type": "Patient", "id": "1"}, condition='W/"1"'))
        )
    assert seen[0].headers["if-none-exist"] == "identifier=a|b"
    assert seen[1].headers["if-match"] == 'W/"1"'
    assert "authorization" not in seen[0].headers
    assert seen[0].url.path == "/fhir/Patient"


def test_openmrs_gets_no_condition_it_would_ignore() -> None:
    seen: list[httpx.Request] = []

    def far(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json=patient())

    asyncio.run(spoken(far).call(Call("POST", "/ws/fhir2/R4/Patient", condition="identifier=a|b")))
    assert "if-none-exist" not in seen[0].headers


def test_a_transaction_is_one_bundle_and_answers_in_order() -> None:
    seen: list[Any] = []

    def far(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        entry = [{"response": {"status": "201", "location": "Patient/1"}}, {"response": {"status": "200"}}]
        return httpx.Response(200, json={"resourceType": "Bundle", "entry": entry})

    server = FhirServer(httpx.MockTransport(far), "https://r4.test/fhir", rate=1000)
    entries = [
        entry_request(
            "POST",
            "Patient",
            json.dumps(patient()).encode(),
            full_url="urn:uuid:1",
            if_none_exist="identifier=a",
        ),
        entry_request("DELETE", "Patient/2", b""),
    ]
    answered_with = asyncio.run(server.transaction(entries))
    assert [each["status"] for each in answered_with] == ["201", "200"]
    assert seen[0]["type"] == "transaction"
    assert seen[0]["entry"][0]["request"] == {
        "method": "POST",
        "url": "Patient",
        "ifNoneExist": "identifier=a",
    }
    assert seen[0]["entry"][0]["resource"]["resourceType"] == "Patient"


def test_the_clock_of_a_server_is_measured_by_its_date() -> None:
    server = OpenMrs(
        httpx.MockTransport(answers(200, patient(), date="Mon, 02 Mar 2026 10:00:00 GMT")),
        "https://x.test",
        user="u",
        password="p",
        wall=lambda: 1772438400.0,
    )
    assert server.clock_ahead is None
    asyncio.run(server.read("Patient", GRACE))
    assert server.clock_ahead == 7200


@pytest.mark.parametrize("record_id", ["..", ".", ""])
def test_an_id_that_would_climb_in_the_address_is_never_asked_for(record_id: str) -> None:
    asked: list[str] = []

    def far(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(200, json=patient())

    with pytest.raises(Refused, match="address"):
        asyncio.run(spoken(far).read("Patient", record_id))
    with pytest.raises(TryLater):
        asyncio.run(spoken(far).read("Patient", "../../admin"))
    assert asked == ["/openmrs/ws/fhir2/R4/Patient/..%2F..%2Fadmin"]


def test_requests_wait_for_their_turn() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def five() -> None:
        over = httpx.MockTransport(answers(200, patient()))
        server = OpenMrs(over, "https://x.test", user="u", password="p", rate=1, sleep=sleep)
        for _ in range(5):
            await server.read("Patient", GRACE)

    asyncio.run(five())
    assert waited[-1] > 3


def test_a_search_that_is_forgotten_again_and_again_is_left_for_later() -> None:
    with pytest.raises(TryLater, match="forgotten"):
        asyncio.run(spoken(answers(410, OUTCOME)).search("Patient", {}))
