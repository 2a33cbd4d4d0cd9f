"""The hospitals of the demo: links led to the sandbox, and what is judged at its end."""

from pathlib import Path

from assets.openmrs import links
from assets.openmrs.events import Side
from handoff import demo_sync


def test_links_of_the_demo_lead_to_its_sandbox_and_have_accounts() -> None:
    made = demo_sync.settings({}, "http://127.0.0.1:1234")
    known = links.read(Path(made["OPENMRS_LINKS"]).read_text(encoding="utf-8"))
    assert {link.name for link in known} == set(demo_sync.CLINICS)
    for link in known:
        assert link.parent.url == "http://127.0.0.1:1234/openmrs-parent/openmrs"
        assert link.every_seconds < 10
        assert all(links.account(link.name, side, made).user for side in Side)
    assert demo_sync.ours(made)


def test_who_has_links_of_their_own_keeps_them_and_what_is_known_of_them() -> None:
    theirs = {"OPENMRS_LINKS": "mine.toml"}
    assert demo_sync.settings(theirs, "http://127.0.0.1:1234") == {}
    assert not demo_sync.ours(theirs)
    demo_sync.forget(theirs)  # would fail without a database
