"""The manners of the public health hub."""

from __future__ import annotations

import csv
import io
import json
import os
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sandbox.reportstream import ReportStream
from sandbox.reportstream.columns import HEADERS

from .conftest import Serve
from .test_desk import wait_until

CASES = Path(os.environ.get("HANDOFF_CASES", Path(__file__).parents[3] / "shared" / "data")) / "reportstream"

KEY = {"client": "simple_report", "x-functions-key": "any", "content-type": "text/csv"}
ROW = dict.fromkeys(HEADERS, "") | {
    "Patient_last_name": "Rivera",
    "Patient_first_name": "Ana",
    "Patient_race": "2106-3",
    "Patient_DOB": "19610704",
    "Patient_gender": "F",
    "Patient_ethnicity": "H",
    "Patient_street": "12 Elm St",
    "Patient_county": "Bronx",
    "Patient_state": "NY",
    "Patient_zip_code": "10451",
    "Patient_phone_number": "(718) 555-0142",
    "Test_result_status": "F",
    "Test_result_code": "260373001",
    "Specimen_collection_date_time": "20260302144905",
    "Testing_lab_CLIA": "33D0000001",
    "Processing_mode_code": "P",
    "Ordering_facility_state": "NY",
    "Ordered_test_code": "94558-4",
    "Specimen_type_code": "445297001",
    "Device_ID": "BinaxNOW COVID-19 Ag Card",
    "Test_date": "20260302150405",
    "Order_test_date": "20260302150405",
}


def row(**changes: str) -> dict[str, str]:
    return ROW | {"Result_ID": str(uuid.uuid4())} | changes


def table(rows: Iterable[dict[str, str]], headers: Iterable[str] = HEADERS) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(headers), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.fixture
def hub(serve: Serve) -> httpx.Client:
    client = serve(ReportStream())
    settings(client, delivers_after_seconds=0.4)
    return client


def settings(hub: httpx.Client, **changes: Any) -> None:
    assert hub.post("/_sandbox/reportstream/settings", json=changes).status_code == 200


def submit(hub: httpx.Client, body: bytes, query: str = "", **headers: str) -> httpx.Response:
    return hub.post(f"/reportstream/api/reports{query}", content=body, headers=KEY | headers)


def history(hub: httpx.Client, name: object) -> dict[str, Any]:
    answer = hub.get(f"/reportstream/api/waters/report/{name}/history", headers=KEY)
    assert answer.status_code == 200
    found = answer.json()
    assert isinstance(found, dict)
    return found


def records(hub: httpx.Client) -> Any:
    return hub.get("/_sandbox/reportstream/records").json()


def test_a_submission_is_received_and_says_where_its_history_is(hub: httpx.Client) -> None:
    answer = submit(hub, table([row(), row()]), "?payloadName=batch-7")
    reply = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/waters/report/{reply['id']}/history"
    assert reply["overallStatus"] == "Received"
    assert (reply["reportItemCount"], reply["errorCount"], reply["httpStatus"]) == (2, 0, 201)
    assert (reply["sender"], reply["topic"], reply["externalName"]) == (
        "simple_report.default",
        "covid-19",
        "batch-7",
    )
    assert reply["destinations"] == []


def test_a_report_moves_from_received_over_waiting_to_delivered(hub: httpx.Client) -> None:
    settings(hub, delivers_after_seconds=0.8)
    reply = submit(hub, table([row()])).json()
    seen: list[str] = []

    def delivered() -> bool:
        status = history(hub, reply["id"])["overallStatus"]
        if status not in seen:
            seen.append(status)
        return bool(status == "Delivered")

    wait_until(delivered)
    assert seen == ["Received", "Waiting to Deliver", "Delivered"]
    told = history(hub, reply["id"])
    assert told["destinationCount"] == 1
    assert told["destinations"][0]["itemCount"] == 1
    assert told["destinations"][0]["sentReports"][0]["itemCount"] == 1


def test_several_health_departments_are_served_one_after_another(hub: httpx.Client) -> None:
    reply = submit(hub, table([row(), row(Patient_state="NJ")])).json()
    seen: set[str] = set()

    def delivered() -> bool:
        seen.add(history(hub, reply["submissionId"])["overallStatus"])
        return "Delivered" in seen

    wait_until(delivered)
    assert "Partially Delivered" in seen
    states = [one["organization_id"] for one in history(hub, reply["id"])["destinations"]]
    assert sorted(states) == ["nj-phd", "ny-phd"]


def test_a_synchronous_submission_is_routed_at_once(hub: httpx.Client) -> None:
    reply = submit(hub, table([row()]), "?processing=sync").json()
    assert reply["overallStatus"] == "Waiting to Deliver"
    assert reply["destinations"][0]["organization_id"] == "ny-phd"


def test_what_was_taken_is_counted_by_result_id(hub: httpx.Client) -> None:
    once, twice = row(), row()
    submit(hub, table([once, twice]))
    submit(hub, table([twice]))
    assert records(hub) == {once["Result_ID"]: 1, twice["Result_ID"]: 2}
    hub.delete("/_sandbox/reportstream")
    assert records(hub) == {}


def test_counting_rows_only_leaves_the_ids_for_later(hub: httpx.Client) -> None:
    settings(hub, checks="rows")
    rows = [row(Patient_street='12 "Elm"\nStreet, 3'), row()]
    reply = submit(hub, table(rows)).json()
    assert reply["reportItemCount"] == 2
    assert records(hub) == {one["Result_ID"]: 1 for one in rows}
    wait_until(lambda: history(hub, reply["id"])["overallStatus"] == "Delivered")


def test_without_a_key_or_token_nobody_gets_in(hub: httpx.Client) -> None:
    for path in ("/api/reports", "/api/waters"):
        answer = hub.post(
            f"/reportstream{path}", content=table([row()]), headers={"content-type": "text/csv"}
        )
        assert answer.status_code == 401
    assert hub.get("/reportstream/api/waters/report/1/history").status_code == 401
    assert hub.get("/reportstream/api/waters/org/simple_report/submissions").status_code == 401
    assert records(hub) == {}


def test_the_function_key_opens_reports_and_not_waters(hub: httpx.Client) -> None:
    assert hub.post("/reportstream/api/waters", content=b"{}", headers=KEY).status_code == 401


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"client": ""}, "client"),
        ({"client": "nobody"}, "unknown sender"),
        ({"content-type": ""}, "Content-Type"),
        ({"content-type": "application/json"}, "Resubmit as 'text/csv'"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_scope(
    hub: httpx.Client, headers: dict[str, str], words: str
) -> None:
    answer = submit(hub, table([row()]), **headers)
    reply = answer.json()
    assert answer.status_code == 400
    assert "id" not in reply
    assert reply["overallStatus"] == "Error"
    assert reply["errors"][0]["scope"] == "parameter"
    assert words in reply["errors"][0]["message"]


def test_a_body_without_its_length_is_a_411(hub: httpx.Client) -> None:
    answer = hub.post("/reportstream/api/reports", content=iter([table([row()])]), headers=KEY)
    assert answer.status_code == 411


def test_more_than_50_million_bytes_is_a_413(hub: httpx.Client) -> None:
    assert submit(hub, b"x" * 50_000_001).status_code == 413


def test_a_blank_required_value_refuses_the_whole_and_names_the_item(hub: httpx.Client) -> None:
    good, bad = row(), row(Testing_lab_CLIA="")
    answer = submit(hub, table([good, bad]))
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["scope"], error["indices"], error["trackingIds"]) == ("item", [2], [bad["Result_ID"]])
    assert error["field"] == "Testing_lab_CLIA (testing_lab_clia)"
    assert records(hub) == {}


def test_equal_words_about_several_items_are_one_warning(hub: httpx.Client) -> None:
    rows = [row(Patient_race="martian"), row(), row(Patient_race="martian")]
    answer = submit(hub, table(rows))
    assert answer.status_code == 201
    (warning,) = answer.json()["warnings"]
    assert (warning["indices"], warning["trackingIds"]) == (
        [1, 3],
        [rows[0]["Result_ID"], rows[2]["Result_ID"]],
    )


def test_a_missing_required_header_is_an_error_and_a_missing_optional_one_a_warning(
    hub: httpx.Client,
) -> None:
    without = [name for name in HEADERS if name not in ("Patient_state", "Patient_suffix")]
    reply = submit(hub, table([row()], without)).json()
    assert [error["message"] for error in reply["errors"]] == [
        "Your file is missing Patient_state (patient_state) header."
    ]
    assert "Missing Patient_suffix (patient_suffix) header" in [one["message"] for one in reply["warnings"]]


def test_a_row_of_another_width_is_named_by_its_number(hub: httpx.Client) -> None:
    reply = submit(hub, table([row(), row()]) + b"a,b,c\r\n").json()
    assert reply["errors"][0]["message"] == "CSV file has an inconsistent number of columns on row: 3"


def test_a_line_separator_inside_a_street_breaks_the_file(hub: httpx.Client) -> None:
    answer = submit(hub, table([row(Patient_street="12\u2028Elm")]))
    assert answer.status_code == 400
    assert all(error["scope"] == "report" for error in answer.json()["errors"])


def test_more_than_ten_thousand_rows_are_refused(hub: httpx.Client) -> None:
    line = table([row()]).split(b"\r\n")
    body = b"\r\n".join([line[0], *[line[1]] * 10_001, b""])
    assert "row limit" in submit(hub, body).json()["errors"][0]["message"]


def test_a_file_without_rows_is_taken_with_a_warning_and_delivered_to_nobody(hub: httpx.Client) -> None:
    reply = submit(hub, table([])).json()
    assert reply["warnings"][-1]["message"] == "No reports were found in CSV content"
    wait_until(lambda: history(hub, reply["id"])["overallStatus"] == "Not Delivering")


@pytest.mark.parametrize(
    ("changes", "filter_name"),
    [
        ({"Patient_DOB": ""}, "hasValidDataFor"),
        ({"Patient_DOB": "tomorrow"}, "hasValidDataFor"),
        ({"Testing_lab_CLIA": "BadCLIA"}, "isValidCLIA"),
        ({"Processing_mode_code": "T"}, "doesNotMatch"),
        ({"Patient_street": "", "Patient_zip_code": "", "Patient_phone_number": ""}, "hasAtLeastOneOf"),
        ({"Test_date": "", "Order_test_date": "", "Specimen_collection_date_time": ""}, "hasAtLeastOneOf"),
    ],
)
def test_the_quality_filter_drops_an_item_after_the_201(
    hub: httpx.Client, changes: dict[str, str], filter_name: str
) -> None:
    good, bad = row(), row(**changes)
    answer = submit(hub, table([good, bad]))
    assert answer.status_code == 201
    wait_until(lambda: history(hub, answer.json()["id"])["overallStatus"] == "Delivered")
    (destination,) = history(hub, answer.json()["id"])["destinations"]
    assert (destination["itemCount"], destination["itemCountBeforeQualityFiltering"]) == (1, 2)
    (item,) = destination["filteredReportItems"]
    assert (item["filterName"], item["filteredTrackingElement"]) == (filter_name, bad["Result_ID"])
    assert destination["filteredReportRows"] == [item["message"]]


def test_a_report_of_filtered_items_only_is_not_delivered(hub: httpx.Client) -> None:
    reply = submit(hub, table([row(Processing_mode_code="D")])).json()
    wait_until(lambda: history(hub, reply["id"])["overallStatus"] == "Not Delivering")
    assert history(hub, reply["id"])["destinationCount"] == 0


def test_duplicates_are_looked_for_only_when_asked(hub: httpx.Client) -> None:
    body = table([row(), row()])
    assert submit(hub, body).status_code == 201
    assert submit(hub, body).status_code == 201
    assert submit(hub, body, "?allowDuplicate=false").status_code == 201
    refused = submit(hub, body, "?allowDuplicate=false")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["message"] == "All items in this submission are duplicates."
    twice = row()
    (error,) = submit(hub, table([row(), twice, twice]), "?allowDuplicate=false").json()["errors"]
    assert (error["message"], error["indices"]) == ("Item is a duplicate.", [2, 3])


def test_validation_keeps_nothing(hub: httpx.Client) -> None:
    answer = submit(hub, table([row()]), "?option=ValidatePayload")
    assert (answer.status_code, answer.json()["overallStatus"]) == (200, "Valid")
    assert records(hub) == {}


def test_a_refused_submission_is_found_by_its_number_only(hub: httpx.Client) -> None:
    reply = submit(hub, b"not,a,report\r\n").json()
    assert history(hub, reply["submissionId"])["overallStatus"] == "Error"
    unknown = hub.get(f"/reportstream/api/waters/report/{uuid.uuid4()}/history", headers=KEY)
    assert unknown.status_code == 404


def test_submissions_are_listed_newest_first_with_their_payload_names(hub: httpx.Client) -> None:
    for number in range(3):
        submit(hub, table([row()]), f"?payloadName=batch-{number}")
    submit(hub, b"refused")

    def listed(org: str, **query: str) -> list[str | None]:
        path = f"/reportstream/api/waters/org/{org}/submissions"
        return [one["externalName"] for one in hub.get(path, headers=KEY, params=query).json()]

    assert listed("simple_report") == ["batch-2", "batch-1", "batch-0"]
    assert listed("simple_report.default", pagesize="1") == ["batch-2"]
    assert listed("simple_report.fullelr") == []
    assert listed("simple_report", showFailed="true")[0] is None
    newest = hub.get("/reportstream/api/waters/org/simple_report/submissions", headers=KEY).json()[0]
    assert listed("simple_report", cursor=newest["timestamp"]) == ["batch-1", "batch-0"]
    assert newest.keys() >= {"submissionId", "timestamp", "sender", "httpStatus", "id", "topic"}


def test_a_fault_may_name_the_first_items_of_the_request(hub: httpx.Client) -> None:
    rows = [row() for _ in range(5)]
    fault = {"status": 400, "items": 2, "match": "POST /api/reports"}
    hub.post("/_sandbox/reportstream/faults", json=fault)
    answer = submit(hub, table(rows))
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["indices"], error["trackingIds"]) == ([1, 2], [one["Result_ID"] for one in rows[:2]])
    assert submit(hub, table(rows[2:])).status_code == 201
    assert set(records(hub)) == {one["Result_ID"] for one in rows[2:]}


def test_a_fault_may_refuse_without_naming_an_item(hub: httpx.Client) -> None:
    hub.post("/_sandbox/reportstream/faults", json={"status": 400, "items": 0})
    (error,) = submit(hub, table([row()])).json()["errors"]
    assert error["scope"] == "report"
    assert "trackingIds" not in error


@pytest.mark.parametrize("named", [True, False])
def test_poison_is_refused_every_time_and_named_if_so_set(hub: httpx.Client, named: bool) -> None:
    settings(hub, poison=["Poison Lane"], names_poison=named)
    good, bad = row(), row(Patient_street="1 Poison Lane")
    for _ in range(2):
        answer = submit(hub, table([good, bad]))
        assert answer.status_code == 400
        assert answer.json()["errors"][0].get("trackingIds") == ([bad["Result_ID"]] if named else None)
    assert submit(hub, table([good])).status_code == 201


def test_a_taken_submission_behind_a_gateway_timeout_is_found_by_its_payload_name(hub: httpx.Client) -> None:
    fault = {"status": 504, "take": True, "effect_after_seconds": 0.3, "match": "POST"}
    hub.post("/_sandbox/reportstream/faults", json=fault)
    assert submit(hub, table([row()]), "?payloadName=late").status_code == 504

    def names() -> list[str]:
        path = "/reportstream/api/waters/org/simple_report/submissions"
        return [one["externalName"] for one in hub.get(path, headers=KEY).json()]

    assert names() == []
    wait_until(lambda: names() == ["late"])


def test_unknown_settings_are_refused(hub: httpx.Client) -> None:
    assert hub.post("/_sandbox/reportstream/settings", json={"speed": 1}).status_code == 400


# Signing in


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def assertion(key: Any = RSA_KEY, algorithm: str = "RS256", kid: str = "k1", **changes: Any) -> str:
    claims = {
        "iss": "client-1",
        "sub": "client-1",
        "aud": "https://hub.example",
        "jti": str(uuid.uuid4()),
        "exp": int(time.time()) + 300,
    } | changes
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


def sign_in(hub: httpx.Client, client_assertion: str, **changes: str) -> httpx.Response:
    form = {
        "scope": "simple_report.*.report",
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": client_assertion,
    } | changes
    return hub.post("/reportstream/api/token", data=form)


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA_KEY, "RS256"), (ec.generate_private_key(ec.SECP384R1()), "ES384")]
)
def test_a_signed_assertion_gets_a_token_that_opens_both_ways_in(
    hub: httpx.Client, key: Any, algorithm: str
) -> None:
    reply = sign_in(hub, assertion(key, algorithm)).json()
    assert (reply["token_type"], reply["expires_in"], reply["sub"]) == ("bearer", 300, "client-1")
    bearer = {"authorization": f"bearer {reply['access_token']}"}
    bundle = {"resourceType": "Bundle", "identifier": {"value": "event-1"}, "entry": []}
    fhir = {"client": "simple_report.fullelr", "content-type": "application/fhir+ndjson"} | bearer
    taken = hub.post("/reportstream/api/waters", content=json.dumps(bundle), headers=fhir)
    assert (taken.status_code, taken.json()["topic"]) == (201, "full-elr")
    bulk = {"client": "simple_report.csvuploader", "content-type": "text/csv"} | bearer
    assert hub.post("/reportstream/api/reports", content=table([row()]), headers=bulk).status_code == 201
    assert records(hub)["event-1"] == 1


def test_an_assertion_is_good_once(hub: httpx.Client) -> None:
    used = assertion()
    assert sign_in(hub, used).status_code == 200
    again = sign_in(hub, used)
    assert again.status_code == 401
    assert "jti" in again.json()["error_description"]


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": int(time.time()) + 3600},
        {"sub": "somebody else"},
        {"aud": ""},
        {"jti": ""},
        {"exp": None},
    ],
)
def test_an_assertion_must_be_well_formed(hub: httpx.Client, changes: dict[str, Any]) -> None:
    assert sign_in(hub, assertion(**changes)).status_code == 401


def test_what_is_no_assertion_is_refused(hub: httpx.Client) -> None:
    assert sign_in(hub, "not.a.jwt").status_code == 401
    assert sign_in(hub, assertion("x" * 32, "HS256")).status_code == 401
    assert sign_in(hub, assertion(), scope="everything").status_code == 401
    assert sign_in(hub, assertion(), grant_type="password").status_code == 401


def test_a_registered_key_is_checked_against_the_signature(hub: httpx.Client) -> None:
    pem = RSA_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    settings(hub, public_keys={"k1": pem.decode()})
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert sign_in(hub, assertion()).status_code == 200
    assert sign_in(hub, assertion(stranger)).status_code == 401
    assert sign_in(hub, assertion(kid="k2")).status_code == 401


# FHIR and HL7


def bearer(hub: httpx.Client, content_type: str) -> dict[str, str]:
    token = sign_in(hub, assertion()).json()["access_token"]
    return {
        "client": "simple_report.fullelr",
        "content-type": content_type,
        "authorization": f"Bearer {token}",
    }


def test_bundles_are_counted_by_line_and_known_by_their_identifier(hub: httpx.Client) -> None:
    patient = {"resourceType": "Patient", "address": [{"state": "NY"}]}
    bundles = [
        {"resourceType": "Bundle", "identifier": {"value": f"event-{n}"}, "entry": [{"resource": patient}]}
        for n in range(3)
    ]
    body = "\n".join(json.dumps(bundle) for bundle in bundles)
    headers = bearer(hub, "application/fhir+ndjson")
    reply = hub.post("/reportstream/api/waters?payloadName=b", content=body, headers=headers).json()
    assert (reply["reportItemCount"], reply["overallStatus"]) == (3, "Received")
    assert records(hub) == {"event-0": 1, "event-1": 1, "event-2": 1}
    wait_until(lambda: history(hub, reply["id"])["overallStatus"] == "Delivered")
    assert history(hub, reply["id"])["destinations"][0]["organization_id"] == "ny-phd"


def test_a_line_that_is_no_bundle_refuses_the_whole(hub: httpx.Client) -> None:
    headers = bearer(hub, "application/fhir+ndjson")
    answer = hub.post("/reportstream/api/waters", content='{"resourceType":"Bundle"}\n{"a"', headers=headers)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["indices"] == [2]
    assert records(hub) == {}


def test_hl7_batches_are_known_by_control_id(hub: httpx.Client) -> None:
    message = (
        "MSH|^~\\&|A|B|C|D|20260302||ORU^R01|{}|P|2.5.1\rPID|1||x||Rivera^Ana||||||12 Elm^^Bronx^NY^10451\r"
    )
    body = "FHS|^~\\&\rBHS|^~\\&\r" + message.format("c1") + message.format("c2") + "BTS|2\rFTS|1\r"
    headers = bearer(hub, "application/hl7-v2")
    answer = hub.post("/reportstream/api/waters", content=body, headers=headers)
    assert (answer.status_code, answer.json()["reportItemCount"]) == (201, 2)
    assert records(hub) == {"c1": 1, "c2": 1}


@pytest.mark.cases
def test_the_published_csv_samples_are_taken_and_filtered(hub: httpx.Client) -> None:
    files = sorted((CASES / "rs-pdi-csv").glob("simple_report_example*.csv"))
    if not files:
        pytest.skip(f"no published samples under {CASES / 'rs-pdi-csv'}")
    for file in files:
        rows = list(csv.DictReader(io.StringIO(file.read_text())))
        reply = submit(hub, file.read_bytes(), "?processing=sync").json()
        assert reply["httpStatus"] == 201, (file, reply["errors"])
        assert reply["reportItemCount"] == len(rows)
        filtered = {
            item["filteredTrackingElement"]
            for one in reply["destinations"]
            for item in one["filteredReportItems"]
            if item["filterName"] == "isValidCLIA"
        }
        assert filtered == {one["Result_ID"] for one in rows if len(one["Testing_lab_CLIA"]) != 10}
