"""What a feed must not be able to do: each is refused and written down, and everything else goes on."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.openmrs.events import Side
from tests.conftest import Database
from tests.openmrs.linked import SYSTEMS, Linked, linked
from tests.openmrs.people import key_of, own_id, patient, visit

PARENT, CHILD = Side.PARENT, Side.CHILD
ELSEWHERE = "openmrs-child-2"
ENTITY = '<!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
BOMB = (
    '<!DOCTYPE feed [<!ENTITY a "ha">'
    + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    + "]>"
)


@pytest.fixture
def clinic(database: Database, tmp_path: Path) -> Iterator[Linked]:
    """Thirteen patients on three pages of the parent's feed, a visit on another feed."""
    with linked(database, tmp_path) as made:
        for number in range(13):
            made.edit(PARENT, patient(f"p{number}"))
        made.edit(PARENT, visit(of="p0"))
        yield made


def page(clinic: Linked, number: int) -> str:
    return clinic.http.get(f"/{SYSTEMS[PARENT]}/openmrs/ws/atomfeed/patient/{number}").text


def serve(clinic: Linked, number: int, body: str) -> None:
    """The parent answers this page with something else from now on."""
    clinic.fault(
        PARENT, status=200, times=-1, match=f"/atomfeed/patient/{number}$", body=body, content_type="text/xml"
    )


def found(clinic: Linked) -> set[tuple[str, str]]:
    """What was written down about feeds of the parent."""
    return set(clinic.database.rows("SELECT feed, finding FROM sync_finding WHERE side = 'parent'"))


@pytest.mark.parametrize("kind", ["bomb", "entity", "fifty megabytes"])
def test_a_page_that_is_a_weapon_is_a_gap_and_the_rest_is_read(clinic: Linked, kind: str) -> None:
    whole = page(clinic, 2)
    head, _, rest = whole.partition("<feed")
    hostile = {
        "bomb": f"{head}{BOMB}<feed{rest.replace('</title>', '&h;</title>', 1)}",
        "entity": f"{head}{ENTITY}<feed{rest.replace('</title>', '&x;</title>', 1)}",
        "fifty megabytes": whole.replace("</feed>", f"<!--{'x' * 50_000_000}--></feed>"),
    }
    serve(clinic, 2, hostile[kind])
    clinic.drain()
    assert ("patient", "a page that cannot be read was passed over") in found(clinic)
    assert clinic.database.one("SELECT count(*) FROM sync_gap WHERE page = 2") == 1
    assert set(clinic.records(CHILD)) == set(clinic.records(PARENT))


def test_links_to_another_server_are_not_followed_and_the_feed_is_read(clinic: Linked) -> None:
    """They name a server that would answer; the host in an entry's content is not asked either."""
    for number in (1, 2, 3):
        there = page(clinic, number).replace(f"/{SYSTEMS[PARENT]}/", f"/{ELSEWHERE}/")
        assert '"/ws/' in there
        serve(clinic, number, there.replace('"/ws/', f'"{clinic.http.base_url}{ELSEWHERE}/openmrs/ws/'))
    clinic.http.delete(f"/_sandbox/{ELSEWHERE}").raise_for_status()
    clinic.drain()
    assert set(clinic.records(CHILD)) == set(clinic.records(PARENT))
    assert clinic.http.get(f"/_sandbox/{ELSEWHERE}/received").json() == []


def test_an_id_that_would_climb_is_set_aside_and_the_other_entries_of_its_page_are_not(
    clinic: Linked,
) -> None:
    climbing = page(clinic, 2).replace(own_id("p6"), "../../../../openmrs/admin")
    assert climbing.count("/../") >= 1
    serve(clinic, 2, climbing)
    clinic.drain()
    asked = [each["path"] for each in clinic.received(PARENT)]
    assert not [path for path in asked if ".." in path or "admin" in path]
    missing = set(clinic.records(PARENT)) - set(clinic.records(CHILD))
    assert missing == {key_of(patient("p6"))}
    problems = clinic.database.rows(
        "SELECT problem FROM sync_entry WHERE side = 'parent' AND feed = 'patient' AND problem <> ''"
    )
    assert problems == [("the entry's content names no record of a known path",)]


def test_a_feed_that_loops_is_stopped_and_the_others_are_read(clinic: Linked) -> None:
    first = page(clinic, 1)
    assert "next-archive" in first
    for number in (2, 3):
        serve(clinic, number, re.sub(r"(rel=\"via\"[^>]*/patient/)1\"", rf'\g<1>{number}"', first))
    clinic.drain()
    assert ("patient", "the feed repeats a page under another number; reading stopped") in found(clinic)
    assert len([each for each in clinic.received(PARENT) if "/atomfeed/patient/" in each["path"]]) < 10
    assert key_of(visit()) in clinic.records(CHILD)
    stopped = clinic.database.rows("SELECT feed FROM sync_feed WHERE stopped IS NOT NULL AND side = 'parent'")
    assert stopped == [("patient",)]
