"""``openmrs.toml`` as typed links, with errors that name the place."""

from pathlib import Path

import pytest

from assets.openmrs.catchment import AddressParts, Everyone, Leaving
from assets.openmrs.events import Side
from assets.openmrs.links import LinksError, account, read
from assets.openmrs.mapping import FarKind
from assets.openmrs.merge import Policy
from tests.openmrs.people import patient

ROOT = Path(__file__).parents[2]
LINK = """
[link.clinic-a]
parent = "https://parent.test/openmrs/"
child = "https://child.test/openmrs"
filter = { kind = "all" }
"""


def test_the_file_of_the_repository_is_read() -> None:
    first, second = read((ROOT / "openmrs.toml").read_text())
    assert (first.name, first.push, second.name) == ("clinic-a", "A", "clinic-b")
    assert first.policy("Encounter") is Policy.MANUAL
    assert first.policy("Observation") is Policy.MERGE
    assert first.child.kind is FarKind.OPENMRS_REST


def test_defaults_are_those_of_the_contract() -> None:
    (link,) = read(LINK)
    assert link.feeds == ("location", "practitioner", "patient", "visit", "encounter", "observation")
    assert (link.page_size, link.rate, link.every_seconds, link.leaving) == (5, 20, 60, Leaving.FREEZE)
    assert (link.parent.url, link.catchment) == ("https://parent.test/openmrs", Everyone())


def test_feeds_are_read_in_dependency_order_whatever_the_file_says() -> None:
    (link,) = read(LINK + 'feeds = ["observation", "bed", "patient"]')
    assert link.feeds == ("patient", "observation", "bed")


@pytest.mark.parametrize(
    ("told", "patterns"),
    [
        ('parts = ["cityVillage"], values = ["Kananga", "Luiza"]', (("kananga",), ("luiza",))),
        ('parts = ["country", "cityVillage"], values = ["DR Congo", "Luiza"]', (("dr congo", "luiza"),)),
        (
            'parts = ["country", "cityVillage"], values = ["*%Luiza", "*%Demba"]',
            (("*", "luiza"), ("*", "demba")),
        ),
    ],
)
def test_address_values_are_alternatives_or_one_a_part(told: str, patterns: object) -> None:
    (link,) = read(LINK.replace('kind = "all"', f'kind = "address", {told}'))
    assert isinstance(link.catchment, AddressParts)
    assert link.catchment.patterns == patterns


@pytest.mark.parametrize(
    "told",
    [
        'kind = "group", group = "5090AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"',
        'kind = "locations", locations = ["5090AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]',
        'kind = "identifiers", identifiers = ["KLA-*"]',
    ],
)
def test_every_kind_of_catchment_is_read(told: str) -> None:
    (link,) = read(LINK.replace('kind = "all"', told))
    assert not link.catchment.holds(patient())


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('kind = "all"', 'kind = "county"', "link.clinic-a.filter"),
        ('kind = "all"', 'kind = "address", parts = [], values = []', "link.clinic-a.filter"),
        (
            'kind = "all"',
            'kind = "address", parts = ["a", "b"], values = ["x%y%z"]',
            "link.clinic-a.filter.values",
        ),
        ('kind = "all"', 'kind = "group", group = "../x"', "link.clinic-a.filter.group"),
        ("filter", "page_size = 0\nfilter", "link.clinic-a.page_size"),
        ("filter", 'create = "uuid"\nfilter', "link.clinic-a.create"),
        ("filter", 'push = "C"\nfilter', "link.clinic-a.outbox_url"),
        ("filter", 'conflict.Patient = "coin"\nfilter', "link.clinic-a.conflict"),
        ("filter", 'conflict.Form = "merge"\nfilter', "link.clinic-a.conflict"),
        ("filter", 'feeds = ["../admin"]\nfilter', "link.clinic-a.feeds"),
        ("filter", "feed = []\nfilter", "link.clinic-a"),
        ('child = "https://child.test/openmrs"', "", "link.clinic-a.child"),
        ("https://child.test", "ftp://child.test", "link.clinic-a.child"),
        ("https://child.test", "https://admin:secret@child.test", "link.clinic-a.child"),
        ("clinic-a", '"Clinic A"', "link.Clinic A"),
        ("[link", "[[link", "the file is not TOML"),
    ],
)
def test_an_error_names_its_place_and_keeps_secrets(old: str, new: str, place: str) -> None:
    with pytest.raises(LinksError) as wrong:
        read(LINK.replace(old, new))
    assert str(wrong.value).startswith(place)
    assert "secret" not in str(wrong.value)


def test_an_account_comes_from_the_environment() -> None:
    given = {"OPENMRS_CLINIC_A_CHILD_USER": "sync", "OPENMRS_CLINIC_A_CHILD_PASSWORD": "hidden"}
    found = account("clinic-a", Side.CHILD, given)
    assert (found.user, found.password) == ("sync", "hidden")
    assert "hidden" not in repr(found)
    with pytest.raises(LinksError, match="OPENMRS_CLINIC_A_PARENT_USER"):
        account("clinic-a", Side.PARENT, given)


def test_a_password_with_a_colon_is_reported_as_such() -> None:
    given = {"OPENMRS_CLINIC_A_CHILD_USER": "sync", "OPENMRS_CLINIC_A_CHILD_PASSWORD": "hid:den"}
    with pytest.raises(LinksError, match="colon") as wrong:
        account("clinic-a", Side.CHILD, given)
    assert "hid:den" not in str(wrong.value)
