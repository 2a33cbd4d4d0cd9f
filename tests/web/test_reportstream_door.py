"""The door for test events: what it takes, what it refuses, and that it says where."""

import json

import httpx
import pytest

from resources.settings import SettingError
from tests.conftest import Database
from tests.web.conftest import NEW, Deployed, encoded, event
from web.app import create_app

PATH = "/intake/reportstream/test-events"


def post(client: httpx.Client, body: bytes, headers: dict[str, str], **more: str) -> httpx.Response:
    return client.post(PATH, content=body, headers={"content-type": "application/json", **headers, **more})


def kept(database: Database) -> int:
    return int(str(database.one("SELECT count(*) FROM inbox")))


def test_an_event_is_kept_before_the_sender_hears_of_it(
    client: httpx.Client, bearer: dict[str, str], database: Database
) -> None:
    answer = post(client, encoded(event()), bearer)
    assert (answer.status_code, answer.json()) == (202, {"received": 1, "duplicates": 0, "conflicts": 0})
    assert answer.headers["content-type"] == "application/json"
    ((identifier, kind, body),) = database.rows("SELECT id, kind, body FROM inbox")
    assert kind == "test_event"
    assert database.sealer.open(bytes(body), b"inbox", identifier) == encoded(event())


def test_a_repeat_is_known_whatever_its_spacing_and_order(
    client: httpx.Client, bearer: dict[str, str], database: Database
) -> None:
    post(client, encoded(event()), bearer)
    shuffled = json.dumps(dict(reversed(event(survey=None).items())), indent=2).encode()
    assert post(client, shuffled, bearer).json() == {"received": 0, "duplicates": 1, "conflicts": 0}
    assert kept(database) == 1


def test_the_same_id_with_other_content_is_a_conflict_and_kept_aside(
    client: httpx.Client, bearer: dict[str, str], database: Database
) -> None:
    post(client, encoded(event()), bearer)
    other = event(date_tested="2026-03-03T15:04:05+00:00")
    answer = post(client, encoded(other), bearer)
    assert (answer.status_code, answer.json()) == (202, {"received": 0, "duplicates": 0, "conflicts": 1})
    assert (kept(database), database.one("SELECT count(*) FROM conflict")) == (1, 1)


def test_an_array_is_counted_and_keeps_its_order(
    client: httpx.Client, bearer: dict[str, str], database: Database
) -> None:
    post(client, encoded(event("a")), bearer)
    correction = event("c", correction_status="CORRECTED", prior_event_id="b")
    many = [event("a"), event("b"), correction, event("b", date_tested="2026-03-03T15:04:05+00:00")]
    answer = post(client, encoded(many), bearer)
    assert (answer.status_code, answer.json()) == (202, {"received": 2, "duplicates": 1, "conflicts": 1})
    lineage = database.sealer.blind("queue", "reportstream", "b")
    assert database.rows("SELECT seq FROM work WHERE queue = %s ORDER BY seq", lineage) == [(0,), (1,)]


def test_an_empty_array_is_nothing_to_keep(client: httpx.Client, bearer: dict[str, str]) -> None:
    answer = post(client, b" [ ] ", bearer)
    assert (answer.status_code, answer.json()) == (202, {"received": 0, "duplicates": 0, "conflicts": 0})


def test_five_thousand_events_pass_and_one_more_does_not(
    client: httpx.Client, bearer: dict[str, str], database: Database
) -> None:
    many = [event(str(number)) for number in range(5_001)]
    answer = post(client, encoded(many), bearer)
    assert answer.status_code == 413
    assert kept(database) == 0
    assert post(client, encoded(many[1:]), bearer).json()["received"] == 5_000
    assert kept(database) == 5_000


def test_an_event_is_found_by_its_patient(
    client: httpx.Client, bearer: dict[str, str], database: Database
) -> None:
    post(client, encoded(event()), bearer)
    patient = database.sealer.blind("patient", "reportstream", "patient-1")
    assert database.one("SELECT count(*) FROM inbox WHERE patient = %s", patient) == 1


DEEP = b'{"event_id":' + b'{"a":' * 400_000

FAULTS = {
    "empty": (b"", 400, ""),
    "not JSON": (b"MSH|^~\\&|", 400, ""),
    "cut short": (encoded(event())[:-1], 400, ""),
    "two documents": (encoded(event()) * 2, 400, ""),
    "bad UTF-8": (encoded(event()).replace(b"Quill", b"Quill\xff"), 400, ""),
    "half a surrogate": (encoded(event()).replace(b"Quill", b"Quill\\ud800"), 400, ""),
    "two megabytes of nesting": (DEEP, 400, ""),
    "two megabytes of arrays": (b"[" * 2_000_000, 400, ""),
    "a number": (b"17", 422, ""),
    "null": (b"null", 422, ""),
    "wrong type": (encoded(event(patient_has_prior_tests="yes")), 422, "patient_has_prior_tests"),
    "listed value": (encoded(event(correction_status="original")), 422, "correction_status"),
    "no results": (encoded(event(results=[])), 422, "results"),
    "missing": (encoded({"event_id": "x"}), 422, "correction_status"),
    "missing inside": (encoded(event(specimen={})), 422, "specimen.type_code"),
    "unknown member": (encoded(event(specimen={"type_code": "1", "colour": "red"})), 422, "specimen"),
    "no prior": (encoded(event(correction_status="REMOVED")), 422, "prior_event_id"),
    "empty id": (encoded(event("")), 422, "event_id"),
    "a member twice": (b'{"event_id":"y",' + encoded(event())[1:], 422, ""),
}


@pytest.mark.parametrize("many", [False, True], ids=["alone", "among others"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_place_and_nothing_is_kept(
    client: httpx.Client, bearer: dict[str, str], database: Database, fault: str, many: bool
) -> None:
    document, status, place = FAULTS[fault]
    body = b"[%b,%b]" % (encoded(event("good")), document) if many else document
    if many and status == 400:
        place = ""
    answer = post(client, body, bearer)
    problem = answer.json()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["place"]) == (status, place)
    assert problem["detail"]
    if status == 422:
        assert problem["index"] == (1 if many else 0)
    assert kept(database) == 0


def test_a_refusal_repeats_nothing_of_the_patient(client: httpx.Client, bearer: dict[str, str]) -> None:
    patient = {**event()["patient"], "gender": "Zebulon", "Zebulon-1970-01-31": 1}  # type: ignore[dict-item]
    for body in (encoded(event(patient=patient)), encoded(event(patient={"Zebulon 17": "Quill"}))):
        answer = post(client, body, bearer)
        assert answer.status_code == 422
        assert not any(word in answer.text for word in ("Zebulon", "Quill", "1970"))


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer wrong", "Basic the-old-secret", "the-old-secret", "Bearer the-old-secret,"],
)
def test_a_wrong_or_missing_secret_is_refused_before_the_body_is_looked_at(
    client: httpx.Client, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = post(client, b"not JSON", headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "secret", ["\xff\xfe".encode("latin-1"), "the-new-secret\u0301".encode(), b"\x80" * 5000]
)
def test_a_secret_that_is_no_ascii_is_compared_like_any_other(client: httpx.Client, secret: bytes) -> None:
    answer = client.post(PATH, content=b"{}", headers=[(b"authorization", b"Bearer " + secret)])
    assert answer.status_code == 401


def test_two_secrets_live_at_a_time(client: httpx.Client) -> None:
    given = [(b"authorization", b"bearer " + NEW.encode()), (b"content-type", b"application/json")]
    assert client.post(PATH, content=encoded(event()), headers=given).status_code == 202


@pytest.mark.parametrize("tokens", ["a,", ",", "a,,b", "a,b,c"])
def test_an_empty_or_third_secret_ends_the_start(database: Database, tokens: str) -> None:
    with pytest.raises(SettingError, match="HANDOFF_TOKENS_REPORTSTREAM"):
        create_app(database.with_(HANDOFF_TOKENS_REPORTSTREAM=tokens))


def test_a_door_without_a_secret_opens_to_nobody(deployed: Deployed) -> None:
    client = deployed(HANDOFF_TOKENS_REPORTSTREAM="")
    assert post(client, encoded(event()), {"authorization": "Bearer"}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json; charset=UTF-8"}, 202),
        ({"content-type": 'Application/JSON; charset="utf-8"'}, 202),
        ({"content-type": "application/json; charset=latin-1"}, 415),
        ({"content-type": "text/csv"}, 415),
        ({"content-type": ""}, 415),
        ({"content-encoding": "gzip"}, 415),
    ],
)
def test_only_plain_json_is_read(
    client: httpx.Client, bearer: dict[str, str], headers: dict[str, str], status: int
) -> None:
    assert post(client, encoded(event()), bearer, **headers).status_code == status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_door_takes_nothing_but_post(client: httpx.Client, bearer: dict[str, str], method: str) -> None:
    answer = client.request(method, PATH, headers=bearer)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_maintenance_is_told_to_senders_who_then_come_again(
    deployed: Deployed, bearer: dict[str, str]
) -> None:
    client = deployed(HANDOFF_MAINTENANCE="on")
    answer = post(client, encoded(event()), bearer)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert client.get("/health").json()["troubles"] == ["closed"]


def test_without_a_store_the_sender_keeps_the_event(deployed: Deployed, bearer: dict[str, str]) -> None:
    client = deployed(HANDOFF_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    answer = post(client, encoded(event()), bearer)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert client.get("/health").status_code == 503
