"""Feed pages read as they are published, and hostile ones refused."""

import pytest

from assets.openmrs.events import Action, Key, key_of_path
from assets.openmrs.feed import MAX_BYTES, BadPage, NoSuchPage, Page, UnreadablePage, answered, read_page
from assets.openmrs.records import coalesce, set_aside

UUID = "8a9633e5-d23f-492e-9178-bb76f170f118"
ENTRY_ID = "tag:atomfeed.ict4h.org:72deaf8e-039d-49ec-b041-4da9a35c95a2"


def entry(content: str, *terms: str, entry_id: str = ENTRY_ID) -> str:
    tags = "".join(f'<category term="{term}"/>' for term in terms)
    return f"<entry><title>x</title>{tags}<id>{entry_id}</id><content>{content}</content></entry>"


def feed(
    *entries: str, via: str = "http://elsewhere.test/openmrs/ws/atomfeed/patient/3", more: str = ""
) -> bytes:
    return (
        f'<?xml version="1.0"?>{more}<feed xmlns="http://www.w3.org/2005/Atom">'
        f'<link rel="via" href="{via}"/>{"".join(entries)}</feed>'
    ).encode()


def only(content: str, *terms: str) -> tuple[Key | None, Action]:
    (found,) = read_page(feed(entry(content, *terms)), "patient").entries
    return found.key, found.action


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (f"/openmrs/ws/rest/v1/patient/{UUID}?v=full", Key("Patient", UUID)),
        (f"/ws/rest/v1/patient/{UUID}", Key("Patient", UUID)),
        (f"http://internal:8080/openmrs/openmrs/ws/fhir2/R4/Patient/{UUID}", Key("Patient", UUID)),
        (f"/openmrs/ws/rest/v1/bahmnicore/bahmniencounter/{UUID}?includeAll=true", Key("Encounter", UUID)),
        (f"/ws/rest/v1/person/{UUID}/name/11111111-2222-3333-4444-555555555555", Key("Patient", UUID)),
        (f"/ws/rest/v1/obs/{'5090' + 'A' * 32}?v=full", Key("Observation", "5090" + "A" * 32)),
        (f"/openmrs/ws/rest/v1/bedPatientAssignment/{UUID}?v=custom:(uuid,(x))", None),
        ("/ws/rest/v1/patient/../../../admin", None),
        (f"/ws/rest/v1/patient/..%2f..%2f{UUID}", None),
        (f"/ws/fhir2/R4/Patient/{UUID}/../../Group/{UUID}", None),
        ("/ws/fhir2/R4/Patient/1", None),
        ("file:///etc/passwd", None),
        ("", None),
    ],
)
def test_a_path_names_a_record_or_nothing(path: str, key: Key | None) -> None:
    assert key_of_path(path) == key


def test_content_is_a_path_or_two_paths_in_json() -> None:
    both = f'{{"rest":"/ws/rest/v1/visit/{UUID}?v=full","fhir":"/ws/fhir2/R4/Encounter/{UUID}"}}'
    assert only(f"<![CDATA[{both}]]>")[0] == Key("Encounter", UUID)
    assert only(f"\n <![CDATA[/ws/rest/v1/patient/{UUID}]]> ")[0] == Key("Patient", UUID)


@pytest.mark.parametrize(
    "content", ["", "{not json", '{"requisitionId": 28}', "[1]", '{"fhir": 7}', "x" * 70_000]
)
def test_content_without_a_record_is_set_aside_with_a_reason_and_kept(content: str) -> None:
    (found,) = read_page(feed(entry(content)), "patient").entries
    assert found.key is None
    assert set_aside(found)
    assert content not in set_aside(found) or not content
    assert coalesce([found]) == []


def test_an_entry_about_a_type_we_do_not_carry_is_set_aside() -> None:
    (found,) = read_page(feed(entry(f"/ws/fhir2/R4/MedicationRequest/{UUID}")), "drug_order").entries
    assert set_aside(found) == "the entry is about a type of record this lane does not carry"


@pytest.mark.parametrize(
    "terms", [("patient", "VOIDED"), ("VOIDED", "patient"), ("x", "&lt;feedFil", "VOIDED")]
)
def test_tags_come_in_any_order_and_cut_ones_harm_nothing(terms: tuple[str, ...]) -> None:
    assert only(f"/ws/rest/v1/patient/{UUID}", *terms) == (Key("Patient", UUID), Action.VOIDED)


def test_a_hostile_tag_is_text_and_is_never_parsed() -> None:
    bomb = "&lt;!DOCTYPE x [&lt;!ENTITY a SYSTEM 'file:///etc/passwd'&gt;]&gt;&lt;feedFilter&gt;&amp;a;"
    assert only(f"/ws/rest/v1/patient/{UUID}", bomb)[0] == Key("Patient", UUID)


def test_an_entry_without_a_usable_id_is_not_about_anything() -> None:
    bad = entry(f"/ws/rest/v1/patient/{UUID}", entry_id="line\nbreak")
    assert read_page(feed(bad), "patient").entries[0].problem == "the entry has no usable id"


def test_the_page_number_is_taken_from_the_link_and_its_host_is_not() -> None:
    page = read_page(feed(via="http://169.254.169.254/latest/patient/12"), "patient")
    assert (page.number, page.has_next, page.entries) == (12, False, ())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html><body>maintenance</body></html>",
        b"not xml",
        feed(via="http://x/patient/recent"),
        feed(via=""),
        feed(more='<!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
        feed(more='<!DOCTYPE feed [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'),
        feed(more='<!DOCTYPE feed SYSTEM "http://169.254.169.254/x.dtd">'),
        feed("<entry>" * 50 + "</entry>" * 50),
        b"<a>" * 400_000,
        b"x" * (MAX_BYTES + 1),
    ],
    ids=["empty", "html", "text", "no number", "no link", "entity", "bomb", "dtd", "deep", "deeper", "large"],
)
def test_what_is_no_page_is_refused_in_words_without_its_content(raw: bytes) -> None:
    with pytest.raises(UnreadablePage) as refused:
        read_page(raw, "patient")
    assert "passwd" not in str(refused.value)
    assert isinstance(answered(200, raw, "patient"), BadPage)


def test_a_500_says_in_its_text_whether_the_page_is_missing_or_broken() -> None:
    assert isinstance(answered(500, b"...: feed does not exist", "patient"), NoSuchPage)
    assert isinstance(
        answered(500, b"feedId must not be null and must be greater than 0", "patient"), NoSuchPage
    )
    assert isinstance(answered(500, b"Error serializing feed.", "patient"), BadPage)
    assert isinstance(answered(500, b"", "patient"), BadPage)
    assert isinstance(answered(413, b"", "patient"), BadPage)


def test_many_entries_are_one_record_in_dependency_order() -> None:
    told = [
        f"/ws/rest/v1/obs/{UUID}",
        f"/ws/rest/v1/encounter/{UUID}",
        f"/ws/rest/v1/patient/{UUID}",
        f"/ws/rest/v1/patient/{UUID}",
        f"/ws/rest/v1/location/{UUID}",
    ]
    page = read_page(feed(*(entry(each, entry_id=f"e{n}") for n, each in enumerate(told))), "patient")
    assert isinstance(answered(200, feed(), "patient"), Page)
    hinted = coalesce(page.entries)
    assert [each.key.type for each in hinted] == ["Location", "Patient", "Encounter", "Observation"]
    assert hinted[1].entries == ("e2", "e3")
