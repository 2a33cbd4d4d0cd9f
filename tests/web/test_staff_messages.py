"""Finding messages, their life, acts and looks: by role, and in agreement with the command."""

import re

import httpx
import pytest

from resources.store.ids import arrival_and_part
from tests.command.shell import Partner, drain_reportstream, handoff, result
from tests.conftest import Database
from tests.drain.far_end import FarEnd, drain, lane
from tests.web.browser import Browser, account, accounts, as_
from tests.web.night import chart, ids, night
from tests.web.serving import serving
from web.staff import House, Person, Role, Site
from web.staff.messages import ROWS

IDS = re.compile(r'href="/messages/(\d+)"')


@pytest.fixture
def operator(database: Database, client: httpx.Client) -> Browser:
    accounts(database)
    night(database)
    return as_(client, "operator")


def listed(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200
    return [int(one) for one in IDS.findall(answer.text)]


def test_the_newest_messages_stand_first_and_narrow_by_lane_state_queue_and_time(
    database: Database, operator: Browser
) -> None:
    everything = ids(database) + ids(database, "reportstream")
    assert sorted(listed(operator.get("/messages"))) == sorted(everything)
    assert listed(operator.get("/messages")) == sorted(everything, reverse=True)
    assert listed(operator.get("/messages?lane=elation")) == sorted(ids(database), reverse=True)
    assert len(listed(operator.get("/messages?state=delivered"))) == 3
    assert len(listed(operator.get("/messages?state=waiting"))) == 2
    assert listed(operator.get("/messages?since=2100-01-01T00:00")) == []
    assert len(listed(operator.get("/messages?until=2100-01-01T00:00"))) == len(everything)
    queue = re.search(r"queue=([0-9a-f]{12})", operator.get("/messages?state=failed").text)
    assert queue
    assert len(listed(operator.get(f"/messages?queue={queue[1]}"))) == 2


@pytest.mark.parametrize(
    "query",
    ["lane=nowhere", "state=odd", "queue=xyz", "since=yesterday", "before=-1", "before=99999999999999999999"],
)
def test_a_list_that_makes_no_sense_is_refused_in_a_sentence(operator: Browser, query: str) -> None:
    answer = operator.get(f"/messages?{query}")
    assert answer.status_code == 400
    assert "cannot be" in answer.text


def test_pages_of_the_list_leave_nothing_out_and_show_nothing_twice(
    database: Database, operator: Browser
) -> None:
    database.receive([chart(database, f"many-{n}", body=b'{"parts":2}') for n in range(ROWS)])
    drain(database, lane(FarEnd()))
    seen, page = [], "/messages?lane=elation"
    while page:
        text = operator.get(page).text
        seen += [int(one) for one in IDS.findall(text)]
        older = re.search(r'href="(/messages\?[^"]*before=[^"]*)"', text)
        page = older[1].replace("&amp;", "&") if older else ""
    assert len(seen) == len(set(seen)) == len(ids(database))
    arrivals = [arrival_and_part(one)[0] for one in seen]
    assert arrivals == sorted(arrivals, reverse=True)


@pytest.mark.parametrize("key", ["patient-7", "good-0", "event-1"])
def test_a_message_is_found_by_whatever_id_a_person_has(
    database: Database, operator: Browser, key: str
) -> None:
    answer = operator.post("/messages", page="/messages", key=key)
    found = handoff(database, "messages", "list", "--key", key, "--json").lines
    assert [str(one) for one in listed(answer)] == [one["id"] for one in found]
    assert found
    assert database.rows("SELECT who, role, what FROM access_log ORDER BY id DESC LIMIT 1") == [
        ("operator", "operator", "looked for messages")
    ]


def test_a_message_is_found_by_its_own_id_and_by_its_queue(database: Database, operator: Browser) -> None:
    failed = ids(database)[3]
    assert failed in listed(operator.post("/messages", page="/messages", key=str(failed)))
    queue = handoff(database, "messages", "show", failed, "--json").line["queue"]
    assert failed in listed(operator.post("/messages", page="/messages", key=queue))
    assert "Nothing was found." in operator.post("/messages", page="/messages", key="no such thing").text


def test_no_look_up_by_a_person_stands_in_an_address(operator: Browser) -> None:
    page = operator.get("/messages").text
    assert re.search(r'<form[^>]*method="post"[^>]*>(?:(?!</form>).)*name="key"', page, re.S)
    assert listed(operator.get("/messages?key=patient-7")) == listed(operator.get("/messages"))


def test_pages_and_the_command_say_the_same_of_every_message(database: Database, operator: Browser) -> None:
    for message in ids(database) + ids(database, "reportstream"):
        told = handoff(database, "messages", "show", message, "--json").line
        page = operator.get(f"/messages/{message}").text
        words = [
            told["queue"],
            told["kind"].replace("_", " "),
            told["reason"] or "",
            told["external_id"] or "",
        ]
        for word in words:
            assert word in page.replace("&#39;", "'").replace("Changed", "changed").replace("Test", "test"), (
                word
            )
        assert page.count('title="test-run"') == len(told["attempts"])
        for attempt in told["attempts"]:
            assert attempt["outcome"].replace("_", " ") in page
            assert f"status {attempt['status']}" in page


def test_retry_skip_hold_and_release_do_what_the_command_does_and_stand_in_the_audit(
    database: Database, operator: Browser
) -> None:
    failed, behind = ids(database)[3], ids(database)[4]
    path = f"/messages/{failed}"

    def act(message: int, what: str, reason: str = "seen in the test") -> httpx.Response:
        return operator.post(f"/messages/{message}/act", page=path, act=what, reason=reason)

    def state(message: int) -> str:
        return str(handoff(database, "messages", "show", message, "--json").line["state"])

    assert act(failed, "retry", reason="").status_code == 400
    assert act(failed, "explode").status_code == 400
    assert act(failed, "retry").headers["location"] == path
    assert "The message goes again." in operator.get(path).text
    assert "The message goes again." not in operator.get(path).text
    assert state(failed) == "waiting"
    assert act(failed, "hold").status_code == 303
    assert "queue held: operator: seen in the test" in operator.get(path).text
    assert act(failed, "release").status_code == 303
    assert act(failed, "skip").status_code == 303
    assert (state(failed), state(behind)) == ("skipped", "waiting")
    refused = act(failed, "retry")
    assert refused.status_code == 409
    assert "neither waits nor has failed" in refused.text
    acts = [
        row[0]
        for row in database.rows(
            "SELECT what FROM audit WHERE who = 'operator' AND what <> 'signed in' ORDER BY id"
        )
    ]
    assert acts == ["retry", "hold queue", "release queue", "skip"]
    assert "operator</strong>: skip" in operator.get(path).text


def test_a_lane_is_held_and_released_and_its_failures_sent_again(
    database: Database, operator: Browser
) -> None:
    page = "/lanes/elation"
    assert "Running well" in operator.get("/lanes").text
    assert (
        operator.post(f"{page}/act", page=page, act="hold", reason="Elation moves house").status_code == 303
    )
    assert "operator: Elation moves house" in operator.get("/lanes").text
    assert "Release the lane" in operator.get(page).text
    assert operator.post(f"{page}/act", page=page, act="release", reason="done").status_code == 303
    assert database.one("SELECT hold FROM lane WHERE name = 'elation'") is None
    operator.post(f"{page}/act", page=page, act="retry", reason="mended")
    assert "Messages that go again: 2." in operator.get(page).text
    assert operator.get("/lanes/nowhere").status_code == 404


def test_a_queue_is_held_and_released_from_its_list(database: Database, operator: Browser) -> None:
    queue = handoff(database, "messages", "show", ids(database)[0], "--json").line["queue"]
    page = f"/messages?queue={queue}"
    operator.post(f"/queues/{queue}/act", page=page, act="hold", reason="two charts")
    assert "operator: two charts" in operator.get(page).text
    assert queue in operator.get("/lanes/elation").text
    operator.post(f"/queues/{queue}/act", page=page, act="release", reason="one chart")
    assert "Not held." in operator.get(page).text
    assert operator.post("/queues/ffffffffffff/act", page=page, act="hold", reason="x").status_code == 409


def test_an_operator_never_reads_what_a_message_holds(database: Database, operator: Browser) -> None:
    message = ids(database)[0]
    assert operator.get(f"/messages/{message}/content").status_code == 403
    forced = operator.post(f"/messages/{message}/content", page=f"/messages/{message}", reason="please")
    assert forced.status_code == 403
    assert "See what it holds" not in operator.get(f"/messages/{message}").text


def test_a_look_needs_a_reason_and_is_logged_before_anything_is_shown(
    database: Database, operator: Browser
) -> None:
    administrator = as_(operator.http, "administrator")
    message = ids(database)[3]
    path = f"/messages/{message}/content"
    assert "chart" not in administrator.get(path).text.replace("chart_", "")
    assert administrator.post(path, page=path, reason=" ").status_code == 400
    counted = "SELECT count(*) FROM access_log WHERE subject = %s"
    assert database.one(counted, message) == 0
    shown = administrator.post(path, page=path, reason="the clinic asks")
    assert "&#34;chart&#34;: &#34;1&#34;" in shown.text
    assert "What the partner answered" in shown.text
    assert database.rows("SELECT who, role, what, reason FROM access_log WHERE subject = %s", message) == [
        ("administrator", "administrator", "content of a message", "the clinic asks")
    ]
    log = administrator.get("/access").text
    assert "the clinic asks" in log
    assert "as they were written" in log or "as it was written" in log


def test_a_look_that_cannot_be_logged_shows_nothing(database: Database, operator: Browser) -> None:
    import psycopg

    administrator = as_(operator.http, "administrator")
    path = f"/messages/{ids(database)[0]}/content"
    token = administrator.token(path)
    with psycopg.connect(
        database.cluster.owner_url, autocommit=True, options="-c search_path=handoff"
    ) as owner:
        owner.execute("REVOKE EXECUTE ON FUNCTION log_access FROM handoff_app")
        try:
            answer = administrator.post(path, csrf=token, reason="the clinic asks")
        finally:
            owner.execute("GRANT EXECUTE ON FUNCTION log_access TO handoff_app")
    assert answer.status_code == 500
    assert "chart" not in answer.text


def test_of_a_batch_only_the_messages_own_item_is_shown(database: Database, operator: Browser) -> None:
    administrator = as_(operator.http, "administrator")
    database.receive(
        [
            result(database, "own", patient__last_name="Ownname"),
            result(database, "other", patient__last_name="Neighbour"),
        ]
    )
    drain_reportstream(database, Partner())
    found = handoff(database, "messages", "list", "--key", "own", "--json").line["id"]
    path = f"/messages/{found}/content"
    shown = administrator.post(path, page=path, reason="a test").text
    assert "Ownname" in shown
    assert "Neighbour" not in shown


def test_the_page_shows_the_same_content_as_the_command(database: Database, operator: Browser) -> None:
    import html

    administrator = as_(operator.http, "administrator")
    for message in (ids(database)[3], ids(database, "reportstream")[0]):
        told = handoff(
            database, "messages", "show", message, "--content", "--by", "t", "--reason", "t", "--json"
        ).line
        path = f"/messages/{message}/content"
        page = html.unescape(administrator.post(path, page=path, reason="a test").text)
        for sent in told["sent"]:
            assert sent["body"].strip() in page or '"chart"' in page
        assert len(told["sent"]) == page.count("What was made of it and sent")


def test_a_broken_access_log_is_seen(database: Database, operator: Browser) -> None:
    import psycopg

    administrator = as_(operator.http, "administrator")
    for key in ("one", "two", "three"):
        administrator.post("/messages", page="/messages", key=key)
    assert "does not follow" not in administrator.get("/access").text
    with psycopg.connect(database.cluster.owner_url, options="-c search_path=handoff") as owner:
        owner.execute("UPDATE access_log SET who = 'nobody' WHERE id = (SELECT max(id) - 1 FROM access_log)")
        changed = owner.execute("SELECT max(id) - 1 FROM access_log").fetchone()
        owner.commit()
        assert changed
        assert f"Line {changed[0]} does not follow" in administrator.get("/access").text
        owner.execute("UPDATE access_log SET who = 'administrator' WHERE id = %s", [changed[0]])
        owner.commit()
    assert "does not follow" not in administrator.get("/access").text


def test_a_clinician_sees_reads_and_sends_again_only_what_is_their_own(
    database: Database, settings: object
) -> None:
    from resources.store.connect import Borrowed
    from resources.store.lookup import Filter
    from resources.store.lookup import find as find_all

    accounts(database)
    account(database, "other", Role.CLINICIAN)
    database.receive([chart(database, "note-1"), chart(database, "note-2")])
    mine, not_mine = ids(database)

    def owns(db: object, person: Person, messages: list[int]) -> set[int]:
        return {mine} if person.name == "clinician" else set()

    with database.connect() as db:
        assert len(find_all(db, Filter())) == 2
    store = Borrowed(database.settings.database_url, "test")
    site = Site(House(database.settings, store), owns=[owns])  # type: ignore[list-item]
    with serving(site.app()) as address, httpx.Client(base_url=address, trust_env=False) as http:
        clinician, other = as_(http, "clinician"), as_(http, "other")
        assert listed(clinician.post("/messages", page="/messages", key="note-1")) == [mine]
        assert listed(clinician.post("/messages", page="/messages", key="note-2")) == []
        assert listed(other.post("/messages", page="/messages", key="note-1")) == []
        assert clinician.get(f"/messages/{mine}").status_code == 200
        for path in (f"/messages/{not_mine}", f"/messages/{not_mine}/content"):
            assert clinician.get(path).status_code == 404
        for path in (f"/messages/{not_mine}/content", f"/messages/{not_mine}/act"):
            assert clinician.post(path, page="/messages", reason="x", act="retry").status_code == 404
        assert other.get(f"/messages/{mine}").status_code == 404
        content = f"/messages/{mine}/content"
        assert "What came" in clinician.post(content, page=content, reason="mine").text
        for what, status in (("hold", 403), ("skip", 403), ("release", 403), ("retry", 303)):
            path = f"/messages/{mine}/act"
            assert clinician.post(path, page="/messages", reason="x", act=what).status_code == status, what
    store.close()


def test_a_message_that_is_not_there_is_said_to_be_so(operator: Browser) -> None:
    for number in ("5", str(2**63), "9" * 40):
        assert operator.get(f"/messages/{number}").status_code == 404


def test_the_first_page_says_what_stands_still(database: Database, operator: Browser) -> None:
    start = operator.get("/").text
    assert "1 failed · 1 set aside · 1 queue held" in start
    assert "Running well: reportstream, hcoint, pridok, openmrs." in start
    assert "Nothing waits for you." in as_(operator.http, "secretary").get("/").text


def test_parts_of_one_arrival_are_found_together(database: Database, operator: Browser) -> None:
    database.receive([chart(database, "three", body=b'{"parts":3}')])
    drain(database, lane(FarEnd()))
    found = listed(operator.post("/messages", page="/messages", key="three"))
    assert len(found) == 3
    assert len({arrival_and_part(one)[0] for one in found}) == 1


def test_a_message_that_needed_no_call_leads_to_the_one_that_went_instead(
    database: Database, operator: Browser
) -> None:
    database.receive([chart(database, name, queue="q-instead") for name in ("older", "newer")])
    drain(database, lane(FarEnd(), full_state=("changed",)))
    newer, older = listed(operator.get("/messages?lane=elation"))[:2]
    assert f'href="/messages/{newer}"' in operator.get(f"/messages/{older}").text
    assert "Carried by" not in operator.get(f"/messages/{newer}").text
