"""What people with bad intentions try: text that wants to run, forms that are too large, files with evil names."""

import httpx
import pytest

from resources.store.connect import Borrowed
from resources.store.operators import Who, hold_lane, hold_queue
from resources.store.staff import Role
from tests.conftest import Database
from tests.web.browser import Browser, account, accounts, as_
from tests.web.night import EVIL, ids, night
from tests.web.serving import serving
from web.staff import ADMINISTRATOR, House, PageRequest, Response, Site, Todo, download, flash, page, redirect
from web.staff.answers import Problem

PARTS = ("<script>document", "<img src=x", 'onerror="')


def harmless(answer: httpx.Response) -> None:
    """The text is shown as text."""
    page = answer.text
    assert "&lt;script&gt;document" in page
    for part in PARTS:
        assert part not in page
    assert "{{ 7*7 }}" in page


@pytest.fixture
def evil(database: Database, client: httpx.Client) -> Browser:
    """Every text that people or partners can put into the store holds a script."""
    accounts(database)
    night(database)
    failed = ids(database)[3]
    with database.connect() as db:
        who = Who("operator", EVIL)
        queue = db.execute("SELECT queue FROM ended WHERE arrival = %s", [failed]).fetchone()
        assert queue
        hold_queue(db, queue[0], who)
        hold_lane(db, 2, who)
        db.execute("UPDATE lane SET away_since = now(), away_reason = %s WHERE number = 2", [EVIL])
        db.execute("UPDATE ended SET reason = %s", [EVIL])
        db.execute("UPDATE work SET flag = %s", [EVIL])
        db.execute("UPDATE outbox SET kind = %s", [EVIL])
        db.execute("UPDATE batch SET external_id = %s", [EVIL])
        db.execute("UPDATE drain SET run_id = %s", [EVIL])
        db.execute("INSERT INTO incident (key, lane, text) VALUES ('x', %s, %s)", [EVIL, EVIL])
        db.execute(
            "INSERT INTO audit (who, what, lane, target, reason) VALUES (%s, %s, %s, %s, %s)", [EVIL] * 5
        )
        db.execute(
            "INSERT INTO audit (who, what, target, reason) VALUES (%s, %s, %s, %s)",
            [EVIL, EVIL, str(failed), EVIL],
        )
        db.execute(
            "INSERT INTO remark (message, batch, severity, body) VALUES (%s, 1, %s, %s)",
            [failed, EVIL, database.sealer.seal(EVIL.encode(), b"remark", failed)],
        )
        db.execute("SELECT log_access(%s, %s, %s, NULL, %s)", [EVIL] * 4)
    return as_(client, "administrator")


def test_no_stored_text_runs_on_any_page(database: Database, evil: Browser) -> None:
    failed = ids(database)[3]
    for path in (
        "/",
        "/messages",
        "/messages?state=failed",
        f"/messages/{failed}",
        f"/messages/{ids(database, 'reportstream')[0]}",
        "/lanes",
        "/lanes/elation",
        "/access",
        "/audit",
    ):
        harmless(evil.get(path))
    content = f"/messages/{failed}/content"
    harmless(evil.post(content, page=content, reason=EVIL))


def test_no_typed_text_runs_either(database: Database, evil: Browser) -> None:
    harmless(evil.post("/messages", page="/messages", key=EVIL))
    refused = Browser(evil.http).sign_in(EVIL[:60])
    assert "&lt;script&gt;document" in refused.text
    assert "<script>document" not in refused.text
    for path in (
        "/access?who=%3Cscript%3Ealert(1)",
        "/sign-in?next=%22%3E%3Cscript%3Ealert(1)",
        "/%3Cscript%3Ealert(1)",
    ):
        assert "<script>alert" not in evil.get(path).text
    assert "<script>alert" not in Browser(evil.http).get("/sign-in?next=/%22%3E%3Cscript%3Ealert(1)").text


def test_a_name_of_an_account_cannot_hold_markup(database: Database) -> None:
    from resources.store.operators import NotPossible

    for name in ("<b>x</b>", "Kari", "a b", "", "-x", "x" * 65, "../x"):
        with pytest.raises(NotPossible):
            account(database, name, Role.OPERATOR)


@pytest.fixture
def desk(database: Database) -> object:
    """A site with one page that takes a file and one that gives one out."""

    @page("/file", roles={ADMINISTRATOR}, method="POST", upload=3_000_000)
    def put(request: PageRequest) -> Response:
        upload = request.uploads.get("note")
        if upload is None:
            raise Problem(400, "Please choose a file.")
        flash(request, f"{len(upload.data)} bytes, reason {request.fields['reason']}")
        return redirect(request, "/")

    @page("/file", roles={ADMINISTRATOR})
    def get(request: PageRequest) -> Response:
        return download(
            request, b"<script>alert(1)</script>", name=request.query_params["name"], kind="text/html"
        )

    accounts(database)
    store = Borrowed(database.settings.database_url, "test")
    todos = [lambda db, person: [Todo(2, EVIL, "/file"), Todo(0, "nothing", "/file")]]
    site = Site(House(database.settings, store), [put, get], todos=todos)
    with serving(site.app()) as address, httpx.Client(base_url=address, trust_env=False, timeout=20) as http:
        yield http
    store.close()


def send(
    browser: Browser, body: bytes, *, length: int | None = None, kind: str = "multipart/form-data; boundary=b"
) -> httpx.Response:
    headers = {"content-type": kind, "accept": "text/html"} | (
        {"content-length": str(length)} if length else {}
    )
    request = browser.http.build_request("POST", "/file", content=body, headers=headers)
    request.headers.pop("cookie", None)
    browser.cookies.set_cookie_header(request)
    answer = browser.http.send(request)
    browser.http.cookies.clear()
    return answer


def form(token: str, data: bytes, *, first: bool = True, name: str = "note.pdf") -> bytes:
    proof = f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n'.encode()
    rest = b'--b\r\nContent-Disposition: form-data; name="reason"\r\n\r\nwhy \xc3\xa9\r\n'
    file = f'--b\r\nContent-Disposition: form-data; name="note"; filename="{name}"\r\n'
    file_part = file.encode() + b"Content-Type: application/pdf\r\n\r\n" + data + b"\r\n"
    return (proof + rest + file_part if first else file_part + rest + proof) + b"--b--\r\n"


def test_a_file_comes_whole_and_its_fields_with_it(desk: httpx.Client) -> None:
    browser = as_(desk, "administrator")
    token = browser.token("/")
    data = bytes(range(256)) * 9_000 + b"\r\n--a-- almost\r\n-"
    assert send(browser, form(token, data)).headers["location"] == "/"
    assert f"{len(data)} bytes, reason why é" in browser.get("/").text


def test_a_file_before_its_forms_token_is_not_read(desk: httpx.Client) -> None:
    browser = as_(desk, "administrator")
    token = browser.token("/")
    assert send(browser, form(token, b"x" * 100, first=False)).status_code == 403
    assert send(browser, form("wrong", b"x" * 100)).status_code == 403


def test_a_file_that_is_cut_off_is_not_taken_for_a_whole_one(desk: httpx.Client) -> None:
    browser = as_(desk, "administrator")
    whole = form(browser.token("/"), b"x" * 1000)
    assert {send(browser, whole[:-cut]).status_code for cut in (4, 8, 30, 500)} == {400}
    assert send(browser, whole).status_code == 303


def test_a_file_that_is_too_large_is_refused_kindly(desk: httpx.Client) -> None:
    browser = as_(desk, "administrator")
    token = browser.token("/")
    assert send(browser, form(token, b"x" * 3_000_000)).status_code == 303
    refused = send(browser, form(token, b"x" * 3_000_001))
    assert refused.status_code == 413
    assert "3,000,000 bytes" in refused.text


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x", "text/plain", 415),
        (b"x", "multipart/form-data", 415),
        (b"--b\r\nno header\r\n\r\n", "multipart/form-data; boundary=b", 400),
        (b"--c\r\n", "multipart/form-data; boundary=b", 400),
        (form("x", b"cut off")[:-10], "multipart/form-data; boundary=b", 403),
        (b"", "multipart/form-data; boundary=b", 403),
        (
            b'--b\r\nContent-Disposition: form-data; name="' + b"x" * 9_000 + b'"\r\n\r\n',
            "multipart/form-data; boundary=b",
            400,
        ),
        (b"--b\r\nX: y\r\n\r\nv\r\n" * 300 + b"--b--", "multipart/form-data; boundary=b", 413),
    ],
)
def test_a_form_that_is_none_is_refused_without_a_fault(
    desk: httpx.Client, body: bytes, kind: str, status: int
) -> None:
    assert send(as_(desk, "administrator"), body, kind=kind).status_code == status


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "x\r\nset-cookie: a=b", 'a"; filename="b.exe', "ærlig.pdf", "", "..", EVIL]
)
def test_a_file_is_given_out_under_a_harmless_name_and_runs_nothing(desk: httpx.Client, name: str) -> None:
    answer = as_(desk, "administrator").get("/file?" + str(httpx.QueryParams({"name": name})))
    said = answer.headers["content-disposition"]
    assert said.startswith('attachment; filename="')
    plain = said.split('"')[1]
    assert "/" not in plain
    assert not plain.startswith(".")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; sandbox")
    assert "a=b" not in answer.headers.get("set-cookie", "")


def test_what_is_yours_to_do_is_shown_as_text_and_nothing_is_left_out_or_shown_empty(
    desk: httpx.Client,
) -> None:
    start = as_(desk, "secretary").get("/")
    harmless(start)
    assert start.text.count('class="card todo"') == 1


def test_a_form_too_large_or_with_too_many_fields_is_refused(
    database: Database, client: httpx.Client
) -> None:
    accounts(database)
    browser = as_(client, "operator")
    assert browser.post("/messages", key="x" * 300_000).status_code == 413
    many = {f"f{n}": "x" for n in range(500)}
    assert browser.post("/messages", **many).status_code == 400
    assert browser.post("/messages", page="/messages", key="\x00x").status_code == 200
