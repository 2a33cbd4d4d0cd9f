"""The pages of orders, as a person without scripts uses them: find, attach, confirm, send; what is refused, and how."""

import hashlib
import html
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from assets.hcoint.documents import LARGEST
from handoff.ports import free_port
from tests.conftest import Database
from tests.hcoint.desk import order
from tests.hcoint.notes import pdf
from tests.web.browser import Browser, accounts, as_
from tests.web.conftest import Deployed

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
EVIL = "<script>document.title='taken'</script>'\"><img src=x onerror=alert(1)>{{ 7*7 }}"


@pytest.fixture
def client(deployed: Deployed, database: Database) -> httpx.Client:
    accounts(database)
    return deployed(REDOX_VERIFICATION_TOKENS="s3cret")


@pytest.fixture
def cora(client: httpx.Client) -> Browser:
    return as_(client, "clinician")


def placed(client: httpx.Client, database: Database, number: str = "7001", **changed: object) -> str:
    """An order has come; the path of its page."""
    answer = client.post(
        "/intake/redox", content=order(number, **changed), headers={"verification-token": "s3cret"}
    )
    assert answer.status_code == 200
    found = database.rows("SELECT id FROM hcoint_order ORDER BY id DESC LIMIT 1")
    return f"/orders/{found[0][0]}"


def attach(
    who: Browser, path: str, data: bytes, *, name: str = "note.pdf", token: str | None = None
) -> httpx.Response:
    """Send the form with the file as a browser does: the token first."""
    request = who.http.build_request(
        "POST",
        f"{path}/note",
        data={"csrf": who.token(path) if token is None else token},
        files={"note": (name, data, "application/octet-stream")},
    )
    request.headers["accept"] = "text/html"
    who.cookies.set_cookie_header(request)
    return who.http.send(request, follow_redirects=False)


def hidden(page: str) -> dict[str, str]:
    """What the form of the page that sends would hold."""
    form = page[page.index('class="confirm"') :].partition("</form>")[0]
    found = re.findall(r'<input type="(?:hidden|checkbox)" name="([^"]+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in found}


def send(who: Browser, path: str, **changed: str) -> httpx.Response:
    """Confirm and send, as the page stands."""
    return who.post(f"{path}/send", **{**hidden(who.get(path).text), **changed})


def said(answer: httpx.Response) -> str:
    """The sentence a person reads."""
    found = re.search(r'role="alert">([^<]+)<', answer.text) or re.search(r"<h1>([^<]+)</h1>", answer.text)
    assert found
    return html.unescape(found[1])


def test_an_order_is_found_read_answered_and_sent(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    path = placed(client, database)
    assert path in cora.get("/orders").text
    page = cora.get(path).text
    assert "Bixby, Timothy" in page
    assert "6 January 2008" in page
    data = pdf(pages=2)
    assert attach(cora, path, data).headers["location"] == path
    page = cora.get(path).text
    assert hashlib.sha256(data).hexdigest() in page
    assert "2 pages" in page
    assert send(cora, path).headers["location"] == path
    page = cora.get(path).text
    assert "On its way" in page
    assert "clinician sent the note" in page
    assert database.one("SELECT count(*) FROM work") == 1


def test_an_order_is_found_by_its_number_and_by_any_number_of_its_patient(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    path = placed(client, database, mrn="MRN-77")
    before = int(str(database.one("SELECT coalesce(max(id), 0) FROM access_log")))
    for words in ("7001", "MRN-77"):
        assert path in cora.post("/orders", page="/orders", words=words).text
    assert path not in cora.post("/orders", page="/orders", words="7002").text
    assert "No order was found" in cora.post("/orders", page="/orders", words="7002").text
    looks = database.rows("SELECT who FROM access_log WHERE what = 'looked for orders' AND id > %s", before)
    assert len(looks) == 4


def test_a_look_at_an_order_and_at_its_file_is_written_down_before_it_is_shown(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    path = placed(client, database)
    attach(cora, path, pdf())
    before = int(str(database.one("SELECT coalesce(max(id), 0) FROM access_log")))
    cora.get(path)
    file = cora.get(f"{path}/file")
    assert file.headers["content-type"] == "application/pdf"
    assert file.headers["x-content-type-options"] == "nosniff"
    rows = database.rows("SELECT who, what, subject FROM access_log WHERE id > %s ORDER BY id", before)
    number = int(path.rpartition("/")[2])
    assert rows == [("clinician", "an order", number), ("clinician", "the note of an order", number)]


REFUSED: list[tuple[str, bytes, str, int, str]] = [
    ("a web page named .pdf", b"<html><body>note</body></html>", "note.pdf", 422, "is a web page"),
    ("an empty file", b"", "note.pdf", 422, "empty"),
    ("a locked PDF", pdf(password="x"), "note.pdf", 422, "protected by a password"),
    ("the virus test file", EICAR, "note.txt", 422, "virus check"),
    ("the virus test file inside", b"note\n" + EICAR, "note.txt", 422, "virus check"),
    ("something unknown", b"\x00\x01\x02", "note.pdf", 422, "cannot tell what this file is"),
    ("a damaged PDF", b"%PDF-1.7\nnothing", "note.pdf", 422, "damaged"),
]


@pytest.mark.parametrize(
    ("data", "name", "status", "sentence"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_a_file_that_cannot_be_sent_is_refused_with_a_sentence(
    cora: Browser,
    client: httpx.Client,
    database: Database,
    data: bytes,
    name: str,
    status: int,
    sentence: str,
) -> None:
    path = placed(client, database)
    answer = attach(cora, path, data, name=name)
    assert (answer.status_code, sentence in said(answer)) == (status, True), said(answer)
    assert database.one("SELECT count(*) FROM hcoint_upload") == 0


def test_a_picture_named_pdf_is_sent_as_what_it_is_with_a_remark(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    path = placed(client, database)
    assert attach(cora, path, PNG, name="note.pdf").status_code == 303
    assert "The name says a PDF, but this is a PNG image" in cora.get(path).text
    assert cora.get(f"{path}/file").headers["content-type"] == "image/png"


def test_thirty_million_bytes_are_taken_and_one_more_is_not(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    path = placed(client, database)
    answer = attach(cora, path, b"a" * (LARGEST + 1), name="note.txt")
    assert answer.status_code == 413
    assert "30,000,000 bytes" in answer.text
    assert attach(cora, path, b"a" * LARGEST, name="note.txt").status_code == 303
    assert database.rows("SELECT bytes FROM hcoint_upload") == [(LARGEST,)]
    assert send(cora, path).status_code == 303
    assert database.one("SELECT count(*) FROM hcoint_upload") == 0


def test_nothing_goes_before_name_and_birth_date_are_confirmed(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    path = placed(client, database)
    attach(cora, path, pdf())
    for left_out in ("right_name", "right_birth_date"):
        answer = send(cora, path, **{left_out: ""})
        assert (answer.status_code, "confirm the name" in said(answer)) == (400, True)
    answer = send(cora, path, name="Bixby, Tina")
    assert "are not those of this order" in said(answer)
    assert database.one("SELECT count(*) FROM work") == 0


def test_an_order_changed_after_the_page_was_opened_is_looked_at_again(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    path = placed(client, database)
    attach(cora, path, pdf())
    form = hidden(cora.get(path).text)
    placed(client, database, event="Update", at="2026-02-03T19:00:00.000Z", last="Bixbee")
    answer = cora.post(f"{path}/send", **form)
    assert (answer.status_code, "has changed since" in said(answer)) == (409, True)
    assert "changed this order after the note was attached" in answer.text


def test_a_cancelled_order_takes_no_note(cora: Browser, client: httpx.Client, database: Database) -> None:
    path = placed(client, database)
    attach(cora, path, pdf())
    form = hidden(cora.get(path).text)
    placed(client, database, event="Cancel", at="2026-02-03T19:00:00.000Z")
    assert "has cancelled this order" in said(cora.post(f"{path}/send", **form))
    assert "has cancelled this order" in said(attach(cora, path, pdf()))


def test_the_second_of_two_who_send_reads_that_it_was_sent(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    path = placed(client, database)
    attach(cora, path, pdf())
    form = hidden(cora.get(path).text)
    assert as_(client, "clinician").post(f"{path}/send", **form | {"csrf": ""}).status_code == 403
    assert cora.post(f"{path}/send", **form).status_code == 303
    answer = cora.post(f"{path}/send", **form)
    assert (answer.status_code, "sent already" in said(answer)) == (409, True)
    assert database.one("SELECT count(*) FROM work") == 1


def test_a_file_sent_for_another_patient_is_stopped(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    data = pdf(pages=3)
    first, second = (placed(client, database, number, mrn=mrn) for number, mrn in (("1", "A"), ("2", "B")))
    for path in (first, second):
        attach(cora, path, data)
    assert send(cora, first).status_code == 303
    assert "another patient" in said(send(cora, second))


def test_a_test_order_stands_apart_and_is_not_answered_in_production(
    deployed: Deployed, database: Database
) -> None:
    accounts(database)
    client = deployed(
        REDOX_VERIFICATION_TOKENS="s3cret", HANDOFF_ENVIRONMENT="production", HANDOFF_WEB_HTTPS="off"
    )
    cora = as_(client, "clinician")
    path = placed(client, database, test=True)
    assert path not in cora.get("/orders").text
    assert path in cora.get("/orders?test=1").text
    attach(cora, path, pdf())
    assert "test order" in said(send(cora, path))


def test_an_order_can_be_held_and_released(cora: Browser, client: httpx.Client, database: Database) -> None:
    path = placed(client, database)
    cora.post(f"{path}/act", page=path, act="hold")
    assert "On hold" in cora.get(path).text
    assert "on hold" in said(attach(cora, path, pdf()))
    cora.post(f"{path}/act", page=path, act="release")
    assert attach(cora, path, pdf()).status_code == 303


def test_text_of_the_hospital_is_shown_and_never_run(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    raw = order("7001", mrn="M", last=EVIL).replace(b'"7001"', b'"<b>7001</b>"')
    client.post("/intake/redox", content=raw, headers={"verification-token": "s3cret"})
    path = f"/orders/{database.one('SELECT id FROM hcoint_order')}"
    attach(
        cora, path, b"<note> " + EVIL.replace("<script", "<b").encode(), name="../../etc/passwd\u202etxt.fdp"
    )
    for page in (cora.get(path).text, cora.get("/orders").text):
        assert "<script>document" not in page
        assert "<img src=x" not in page
        assert "49" not in page.partition("onerror")[2][:40]
        assert "passwd" not in page


def test_operators_and_administrators_see_numbers_and_nobodys_name(
    client: httpx.Client, database: Database
) -> None:
    path = placed(client, database, last="Quetzalcoatl")
    for role in ("operator", "administrator"):
        person = as_(client, role)
        page = person.get("/orders").text
        assert "multicare" in page
        assert "Quetzalcoatl" not in page
        assert person.get(path).status_code == 403
        assert person.get(f"{path}/file").status_code == 403
        assert "2026" in person.get("/orders/usage").text
    for role in ("secretary", "provider"):
        assert as_(client, role).get("/orders").status_code == 403


def test_what_waits_stands_on_the_start_page(cora: Browser, client: httpx.Client, database: Database) -> None:
    assert "orders wait for a note" not in cora.get("/").text
    placed(client, database)
    assert "orders wait for a note" in cora.get("/").text


def test_messages_of_orders_are_a_clinicians_own(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    path = placed(client, database)
    attach(cora, path, pdf())
    send(cora, path)
    message = database.one("SELECT message FROM hcoint_order")
    assert str(message) in cora.get("/messages").text
    assert cora.get(f"/messages/{message}").status_code == 200


@contextmanager
def scanner(verdict: bytes) -> Iterator[int]:
    """A clamd that always says the same."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return
            with line, line.makefile("rb") as words:
                assert words.read(10) == b"zINSTREAM\0"
                while size := struct.unpack("!I", words.read(4))[0]:
                    words.read(size)
                line.sendall(verdict)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


Scanned = Callable[[int], httpx.Response]


@pytest.fixture
def scanned(deployed: Deployed, database: Database) -> Scanned:
    """Attach a good file where this port is the scanner's."""
    accounts(database)

    def attached(port: int) -> httpx.Response:
        client = deployed(REDOX_VERIFICATION_TOKENS="s3cret", HANDOFF_CLAMD=f"127.0.0.1:{port}")
        return attach(as_(client, "clinician"), placed(client, database), pdf())

    return attached


def test_the_scanner_is_asked_where_there_is_one(scanned: Scanned) -> None:
    with scanner(b"stream: OK\0") as port:
        assert scanned(port).status_code == 303
    with scanner(b"stream: Some.Virus FOUND\0") as port:
        answer = scanned(port)
    assert (answer.status_code, "tell your IT support" in said(answer)) == (422, True)


def test_where_the_scanner_gives_no_verdict_the_file_has_to_wait(
    scanned: Scanned, database: Database
) -> None:
    with scanner(b"INSTREAM size limit exceeded. ERROR\0") as port:
        answer = scanned(port)
    assert (answer.status_code, "has to wait" in said(answer)) == (503, True)
    assert scanned(free_port()).status_code == 503
    assert database.one("SELECT count(*) FROM hcoint_upload") == 0


def test_every_page_of_a_test_system_says_that_it_is_one(
    cora: Browser, client: httpx.Client, database: Database
) -> None:
    placed(client, database)
    for path in ("/", "/orders", "/orders?test=1"):
        assert '<span class="chip">test</span>' in cora.get(path).text.partition("<main")[0]
