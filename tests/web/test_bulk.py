"""A file of results at the door and on the page: refused with reasons, taken once, sent like any other result."""

import csv
import io
from pathlib import Path

import httpx
import pytest

from assets.drain.run import drain_batches
from assets.reportstream import bulk_rules, sending
from resources.store.connect import connect
from tests.conftest import Database
from tests.reportstream.lane_runs import lane
from tests.web.browser import Browser, accounts, as_
from tests.web.conftest import NEW, Deployed

DOOR = "/intake/reportstream/bulk"
SAMPLES = Path(__file__).parents[1] / "samples" / "reportstream_bulk"
GOOD, BAD = SAMPLES / "three_mistakes_mended.csv", SAMPLES / "three_mistakes.csv"
SEVERAL = SAMPLES / "several_diseases.csv"
#: Its other row corrects a result that was never uploaded: it waits.
ORIGINALS = 3


def put(client: httpx.Client, data: bytes, token: str | None = NEW) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}".encode()} if token else {}
    return client.post(DOOR, files={"file": ("results.csv", data, "text/csv")}, headers=headers)


def changed(path: Path, **values: str) -> bytes:
    """The file with one column of its first row changed."""
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    rows[0].update(values)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


@pytest.fixture
def client(deployed: Deployed) -> httpx.Client:
    return deployed()


@pytest.fixture
def clinician(database: Database, client: httpx.Client) -> Browser:
    accounts(database)
    return as_(client, "clinician")


def test_a_good_file_is_taken_row_by_row(client: httpx.Client, database: Database) -> None:
    answer = put(client, GOOD.read_bytes())
    rows = len(GOOD.read_text().splitlines()) - 1
    assert answer.status_code == 200
    told = answer.json()
    assert (told["rows"], told["duplicates"], told["conflicts"]) == (rows, 0, 0)
    assert database.rows("SELECT kind, count(*) FROM inbox GROUP BY kind") == [("bulk_row", rows)]


def test_a_bad_file_is_refused_with_every_mistake_and_leaves_nothing(
    client: httpx.Client, database: Database
) -> None:
    answer = put(client, BAD.read_bytes())
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert len(errors) >= 3
    assert set(errors[0]) == {
        "scope",
        "message",
        "indices",
        "fieldHeader",
        "fieldRequired",
        "errorType",
        "source",
    }
    assert database.one("SELECT count(*) FROM inbox") == 0
    assert database.one("SELECT count(*) FROM reportstream_upload") == 0


def test_the_same_file_again_is_recognised_and_sends_nothing(
    client: httpx.Client, database: Database
) -> None:
    first = put(client, GOOD.read_bytes()).json()
    again = put(client, GOOD.read_bytes()).json()
    assert again["report_id"] == first["report_id"]
    assert again["duplicates"] == first["rows"]
    assert database.one("SELECT count(*) FROM inbox") == first["rows"]


def test_the_same_results_in_another_file_are_duplicates_and_another_value_is_a_conflict(
    client: httpx.Client, database: Database
) -> None:
    rows = put(client, GOOD.read_bytes()).json()["rows"]
    blank_line = put(client, GOOD.read_bytes() + b"\r\n").json()
    assert (blank_line["duplicates"], blank_line["conflicts"]) == (rows, 0)
    other = put(client, changed(GOOD, comment="another")).json()
    assert (other["duplicates"], other["conflicts"]) == (rows - 1, 1)
    assert database.one("SELECT count(*) FROM inbox") == rows


def test_a_file_that_broke_off_is_taken_up_where_it_stopped(client: httpx.Client, database: Database) -> None:
    first = put(client, GOOD.read_bytes()).json()
    with connect(database.cluster.owner_url, "test") as db:
        db.execute("UPDATE reportstream_upload SET done_at = NULL")
    again = put(client, GOOD.read_bytes()).json()
    assert (again["report_id"], again["duplicates"]) == (first["report_id"], first["rows"])
    assert database.one("SELECT done_at IS NOT NULL FROM reportstream_upload") is True


def test_how_far_the_rows_of_a_file_are_stored_is_shown(
    clinician: Browser, database: Database, client: httpx.Client
) -> None:
    put(client, GOOD.read_bytes())
    with connect(database.cluster.owner_url, "test") as db:
        db.execute("UPDATE reportstream_upload SET done_at = NULL, stored = 1, who = 'clinician'")
    rows = len(GOOD.read_text().splitlines()) - 1
    page = clinician.get("/results").text
    assert f"1 of {rows} stored" in page
    assert f'<progress max="{rows}" value="1"' in page
    put(client, GOOD.read_bytes())
    assert database.one("SELECT stored FROM reportstream_upload") == rows
    assert "<progress" not in clinician.get("/results").text


def test_a_long_file_is_stored_and_sent_in_batches_of_five_hundred(
    client: httpx.Client, database: Database
) -> None:
    header, row, *_ = GOOD.read_bytes().splitlines()
    [cells] = csv.DictReader(io.StringIO(b"\n".join([header, row]).decode()))
    number = cells["accession_number"].encode()
    assert row.count(number) == 1
    rows = [row.replace(number, b"long-%d" % each) for each in range(1_201)]
    assert put(client, b"\n".join([header, *rows])).json()["rows"] == 1_201
    with lane(database) as one:
        one.run()
        sent = [len(list(csv.DictReader(io.StringIO(body)))) for body in one.bodies("reportstream")]
    assert sum(sent) == 1_201
    assert max(sent) == 500


def test_a_script_of_ours_is_told_where_to_go_on(clinician: Browser) -> None:
    files = {"file": ("results.csv", GOOD.read_bytes(), "text/csv")}
    answer = upload(clinician, files, **{"x-handoff-script": "1"})
    assert (answer.status_code, answer.content) == (201, b"")
    assert "Success: File Accepted" in clinician.get(answer.headers["location"]).text


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_file_needs_a_token_or_a_session(client: httpx.Client, token: str | None) -> None:
    assert put(client, GOOD.read_bytes(), token).status_code == 401


def test_what_is_no_file_is_said_plainly(client: httpx.Client) -> None:
    proof = {"authorization": f"Bearer {NEW}".encode()}
    assert client.get(DOOR, headers=proof).status_code == 405
    assert client.post(DOOR, content=b"a,b", headers=proof).status_code == 415
    assert client.post(DOOR, files={"other": ("a.csv", b"a,b")}, headers=proof).status_code == 400
    assert put(client, b"x" * 50_000_001).status_code == 413
    assert put(client, b"").status_code == 422


def test_a_session_needs_its_token_and_a_role_that_uploads(
    client: httpx.Client, database: Database, clinician: Browser
) -> None:
    files = {"file": ("results.csv", GOOD.read_bytes(), "text/csv")}
    operator = as_(client, "operator")
    for who, token, status in (
        (clinician, "", 403),
        (operator, operator.token("/messages"), 403),
        (clinician, clinician.token("/results"), 200),
    ):
        asked = client.build_request("POST", DOOR, files=files, headers={"x-csrf-token": token})
        asked.headers.pop("cookie", None)
        who.cookies.set_cookie_header(asked)
        assert client.send(asked).status_code == status


def test_rows_go_out_in_the_lane_with_the_test_events(client: httpx.Client, database: Database) -> None:
    put(client, SEVERAL.read_bytes())
    with lane(database, REPORTSTREAM_FORMAT="hl7", REPORTSTREAM_TRANSPORT="s3") as one:
        one.take({"event_id": "a"})
        drain_batches(one.settings, sending.lanes(one.settings), run_id="test-run")
        [body] = one.bodies("s3")
        assert body.count("\rPID|") == ORIGINALS + 1


def test_rows_of_covid_go_as_csv_and_the_others_are_set_aside(
    client: httpx.Client, database: Database
) -> None:
    put(client, SEVERAL.read_bytes())
    with lane(database) as one:
        one.run()
        [body] = one.bodies("reportstream")
        sent = list(csv.DictReader(io.StringIO(body)))
        assert 0 < len(sent) < ORIGINALS
        assert {row["Test_result_status"] for row in sent} <= {"F", "C"}
        assert all(row["Testing_lab_CLIA"] and row["Test_date"] for row in sent)
    reasons = database.rows("SELECT reason FROM ended WHERE state = 7")
    assert len(reasons) == ORIGINALS - len(sent)
    assert all("no COVID-19 result" in reason for (reason,) in reasons)


def test_a_correction_of_a_row_follows_its_original(client: httpx.Client, database: Database) -> None:
    first = next(csv.DictReader(io.StringIO(GOOD.read_text())))
    one_row = changed(GOOD).splitlines(keepends=True)[:2]
    put(client, b"".join(one_row))
    corrected = changed(
        GOOD, test_result_status="C", test_result="260415000", comment=first.get("comment", "")
    )
    put(client, b"".join(corrected.splitlines(keepends=True)[:2]))
    assert database.rows("SELECT count(DISTINCT queue), count(*), min(seq), max(seq) FROM work") == [
        (1, 2, 0, 1)
    ]


def test_a_correction_of_a_row_names_what_its_original_was_sent_as(
    client: httpx.Client, database: Database
) -> None:
    def first_row(**values: str) -> bytes:
        return b"".join(changed(GOOD, **values).splitlines(keepends=True)[:2])

    with lane(database) as one:
        for sent in (first_row(), first_row(test_result_status="C", test_result="260415000")):
            put(client, sent)
            one.run()
        original, correction = [
            next(csv.DictReader(io.StringIO(body))) for body in one.bodies("reportstream")
        ]
    assert correction["Corrected_result_ID"] == original["Result_ID"] != correction["Result_ID"]
    assert original["Corrected_result_ID"] == ""


def test_a_person_reads_what_is_wrong_and_takes_the_table_along(clinician: Browser) -> None:
    page = clinician.get("/results")
    assert "Nothing has been uploaded yet" in page.text
    files = {"file": ("results.csv", BAD.read_bytes(), "text/csv")}
    answer = upload(clinician, files)
    assert answer.status_code == 422
    assert "The file was not accepted" in answer.text
    assert 'download="mistakes.csv"' in answer.text
    assert "is not an acceptable value" in answer.text


def test_a_person_sees_the_confirmation_code_and_what_became_of_the_rows(
    clinician: Browser, database: Database
) -> None:
    answer = upload(clinician, {"file": ("results.csv", GOOD.read_bytes(), "text/csv")})
    assert answer.status_code == 303
    page = clinician.get(answer.headers["location"])
    assert "Success: File Accepted" in page.text
    with lane(database, REPORTSTREAM_FORMAT="hl7", REPORTSTREAM_TRANSPORT="s3") as one:
        one.run()
    rows = len(GOOD.read_text().splitlines()) - 1
    assert f'<dd id="delivered">{rows}</dd>' in clinician.get(answer.headers["location"]).text
    again = upload(clinician, {"file": ("results.csv", GOOD.read_bytes(), "text/csv")})
    assert "was uploaded before" in clinician.get(again.headers["location"]).text


def test_a_result_has_arrived_only_when_every_destination_has_it(
    deployed: Deployed, database: Database
) -> None:
    two = {"REPORTSTREAM_FORMAT": "csv,hl7", "REPORTSTREAM_TRANSPORT": "s3,s3"}
    accounts(database)
    clinician = as_(deployed(**two), "clinician")
    where = upload(clinician, {"file": ("results.csv", GOOD.read_bytes(), "text/csv")}).headers["location"]
    later = {"HANDOFF_RETRY_PLAN": "1,1,1", "HANDOFF_LINGER_SECONDS": 0.3}
    with lane(database, **two, **later) as one:
        one.fault("s3", status=503, take=False, times=-1, match="PUT .*hl7$")
        one.run()
        assert database.rows("SELECT part, count(*) FROM ended GROUP BY part") == [(0, 4)]
        assert '<dd id="delivered">0</dd>' in clinician.get(where).text
    with lane(database, **two, **later | {"HANDOFF_LINGER_SECONDS": 2}) as one:
        one.run()
    page = clinician.get(where).text
    assert '<dd id="delivered">4</dd>' in page
    assert "All of them are delivered." in page


def test_what_is_not_sent_of_a_file_that_is_taken_is_said(clinician: Browser) -> None:
    head, *rows = changed(GOOD).decode().splitlines()
    file = "\r\n".join([f"{head},patient_emial", *(f"{row},x" for row in rows)]).encode()
    answer = upload(clinician, {"file": ("results.csv", file, "text/csv")})
    assert answer.status_code == 303
    assert (
        "not part of the template and are not sent: patient_emial."
        in clinician.get(answer.headers["location"]).text
    )


def test_the_template_and_the_guide_name_every_column(clinician: Browser) -> None:
    template = clinician.get("/results/template")
    assert template.headers["content-disposition"].startswith("attachment")
    [header, row] = list(csv.reader(io.StringIO(template.text)))
    assert header == [column.name for column in bulk_rules.COLUMNS]
    assert len(row) == len(header)
    guide = clinician.get("/results/guide").text
    assert all(column.name in guide for column in bulk_rules.COLUMNS)


def test_the_list_of_devices_names_each_with_its_tests(clinician: Browser) -> None:
    page = clinician.get("/results/devices").text
    assert "ID NOW" in page
    assert "94534-5" in page


def upload(browser: Browser, files: dict[str, tuple[str, bytes, str]], **headers: str) -> httpx.Response:
    data = {"csrf": browser.token("/results")}
    return browser._ask("POST", "/results", data=data, files=files, headers=headers)
