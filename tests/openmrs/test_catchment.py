"""Whose records a clinic may have."""

import pytest

from assets.openmrs.catchment import (
    AddressParts,
    Everyone,
    Identifiers,
    Locations,
    Members,
    address_part,
    group_members,
    pattern,
)
from tests.openmrs.people import own_id, patient

PARTS = ("country", "stateProvince", "countyDistrict", "cityVillage", "postalCode")


def living(**address: object) -> dict[str, object]:
    return patient(address=[{"use": "home", **address}])


@pytest.mark.parametrize(
    ("wanted", "inside"),
    [
        ("Uganda%Central%Kampala%Kampala%*", True),
        ("uganda%CENTRAL% Kampala %kampala%256", True),
        ("*%*%*%*%*", True),
        ("Uganda%Central%Wakiso%*%*", False),
        ("Uganda%Central%Kampala%Kampala%null", False),
        ("Uganda%Central", False),
    ],
)
def test_every_part_must_fit_and_a_star_fits_all(wanted: str, inside: bool) -> None:
    grace = living(country="Uganda", state="Central", district="Kampala", city="Kampala", postalCode="256")
    assert AddressParts(PARTS, (pattern(wanted),)).holds(grace) is inside


def test_a_missing_part_fits_only_a_star_or_the_word_null() -> None:
    assert AddressParts(("postalCode",), (("null",),)).holds(living(city="Kampala"))
    assert not AddressParts(("postalCode",), (("256",),)).holds(living(city="Kampala"))


def test_the_preferred_address_counts_and_an_old_one_does_not() -> None:
    moved = patient(address=[{"use": "old", "city": "Kampala"}, {"use": "home", "city": "Wakiso"}])
    assert not AddressParts(("cityVillage",), (("kampala",),)).holds(moved)
    assert AddressParts(("cityVillage",), (("wakiso",),)).holds(moved)


def test_accents_are_compared_as_written_in_either_form() -> None:
    assert AddressParts(("cityVillage",), (pattern("Kisángani"),)).holds(living(city="Kisa\u0301ngani"))


def test_a_part_of_the_extension_is_found() -> None:
    url = "http://fhir.openmrs.org/ext/address"
    address = {
        "extension": [{"url": url, "extension": [{"url": f"{url}#address3", "valueString": "Zone 4"}]}]
    }
    assert address_part(address, "address3") == "Zone 4"
    assert address_part(address, "address4") == ""


def test_members_of_a_group_are_its_active_patients() -> None:
    group = {
        "resourceType": "Group",
        "member": [
            {"entity": {"reference": f"Patient/{own_id('grace')}"}},
            {"entity": {"reference": f"Patient/{own_id('gone')}"}, "inactive": True},
        ],
    }
    assert Members("g", group_members(group)).holds(patient())
    assert not Members("g", group_members(group)).holds(patient("gone"))


def test_locations_and_identifiers_choose_patients() -> None:
    place = {
        "url": "http://fhir.openmrs.org/ext/patient/identifier#location",
        "valueReference": {"reference": f"Location/{own_id('clinic')}"},
    }
    grace = patient(identifier=[{"value": "KLA-0042", "extension": [place]}])
    assert Locations(frozenset({own_id("clinic")})).holds(grace)
    assert not Locations(frozenset({own_id("other")})).holds(grace)
    assert Identifiers(("KLA-*",)).holds(grace)
    assert Identifiers(("KLA-0042",)).holds(grace)
    assert not Identifiers(("KLA-004", "MBR-*")).holds(grace)
    assert Everyone().holds(grace)


def test_a_patient_without_address_is_outside() -> None:
    assert not AddressParts(("cityVillage",), (("kampala",),)).holds({"resourceType": "Patient"})
