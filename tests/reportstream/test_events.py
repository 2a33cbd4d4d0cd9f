"""The shape of a test event: what the door lets in, and what it says of the rest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assets.formats.decode import ShapeError
from assets.reportstream.events import TestEvent, canonical, decode, keys, lineage

Document = Callable[..., dict[str, Any]]
Change = Callable[..., TestEvent]

REQUIRED = """
event_id correction_status date_tested results
patient.internal_id patient.first_name patient.last_name patient.birth_date patient.race patient.ethnicity
patient.gender patient.street patient.state
organization.name organization.type
facility.name facility.clia_number facility.street facility.city facility.state facility.zip_code facility.phone
ordering_provider.first_name ordering_provider.last_name ordering_provider.npi
device.internal_id device.model device.tests
specimen.type_code
patient organization facility ordering_provider device specimen
""".split()  # noqa: SIM905  # a list as the contract writes it

OPTIONAL = """
prior_event_id correction_reason patient_has_prior_tests survey
patient.middle_name patient.suffix patient.street_2 patient.city patient.county patient.zip_code patient.country
patient.phone_number patient.email patient.role patient.tribal_affiliation patient.preferred_language
patient.employed_in_healthcare patient.resident_congregate_setting
survey.no_symptoms survey.symptom_onset_date
facility.street_2 facility.county facility.email
ordering_provider.street ordering_provider.street_2 ordering_provider.city ordering_provider.county
ordering_provider.state ordering_provider.zip_code ordering_provider.phone
device.manufacturer device.test_length_minutes
device.tests.0.test_performed_code device.tests.0.test_ordered_code device.tests.0.test_kit_name_id
device.tests.0.equipment_uid
specimen.source_site_code
""".split()  # noqa: SIM905  # a list as the contract writes it

LISTED = {
    "correction_status": "ORIGINAL CORRECTED REMOVED",
    "results.0.result": "POSITIVE NEGATIVE UNDETERMINED",
    "patient.race": "native asian black pacific white other unknown refused",
    "patient.ethnicity": "hispanic not_hispanic refused unknown",
    "patient.gender": "male female other refused unknown",
    "patient.role": "STAFF RESIDENT STUDENT VISITOR UNKNOWN",
    "organization.type": (
        "k12 university correctional_facility airport shelter fqhc primary_care assisted_living hospital "
        "urgent_care nursing_home treatment_center hospice pharmacy employer government_agency camp lab other"
    ),
}
DISEASES = (
    "COVID-19",
    "Flu A",
    "Flu B",
    "Flu A and B",
    "RSV",
    "HIV",
    "Syphilis",
    "Hepatitis C",
    "Gonorrhea",
    "Chlamydia",
)


def encode(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document)


def refusal(document: dict[str, Any]) -> ShapeError:
    with pytest.raises(ShapeError) as caught:
        decode(encode(document))
    return caught.value


def test_every_sample_is_a_test_event(samples: Path) -> None:
    found = sorted(samples.glob("*.json"))
    assert len(found) >= 7
    for path in found:
        assert isinstance(decode(path.read_bytes()), TestEvent)


@pytest.mark.parametrize("place", REQUIRED)
def test_a_required_member_may_not_be_absent_or_null(place: str, document: Document) -> None:
    absent = refusal(document({place: ...}))
    assert (absent.place, absent.text) == (place, "is required")
    null = refusal(document({place: None}))
    assert null.place == place
    assert "not null" in null.text or "must be one of" in null.text


@pytest.mark.parametrize("place", OPTIONAL)
def test_null_and_absent_are_alike(place: str, document: Document) -> None:
    absent, null = (decode(encode(document({place: value}))) for value in (..., None))
    assert absent == null
    assert canonical(absent) == canonical(null)


def test_the_lists_of_members_are_complete(document: Document) -> None:
    def places(part: Any, way: str) -> set[str]:
        if isinstance(part, dict):
            deeper = (places(value, f"{way}.{name}".strip(".")) for name, value in part.items())
            return {f"{way}.{name}".strip(".") for name in part}.union(*deeper)
        if isinstance(part, list) and part and isinstance(part[0], dict):
            return places(part[0], f"{way}.0")
        return set()

    named = {*REQUIRED, *OPTIONAL, "results.0.disease", "results.0.result", "device.tests.0.disease"}
    assert places(document({}), "") == named


@pytest.mark.parametrize("place", LISTED)
def test_only_listed_values_are_let_in(place: str, document: Document) -> None:
    for value in LISTED[place].split():
        decode(encode(document({place: value, "prior_event_id": "p"})))
    where = refusal(document({place: "Okafor"}))
    assert where.place == place.replace(".0.", "[0].")
    assert where.text == f"must be one of {', '.join(sorted(LISTED[place].split()))}"


def test_only_listed_diseases_are_let_in(document: Document) -> None:
    for disease in DISEASES:
        decode(encode(document({"results.0.disease": disease, "device.tests.0.disease": disease})))
    assert refusal(document({"results.0.disease": "Covid-19"})).place == "results[0].disease"
    assert refusal(document({"device.tests.1.disease": "Flu C"})).place == "device.tests[1].disease"


@pytest.mark.parametrize(
    "place",
    ["", "patient", "survey", "organization", "facility", "ordering_provider", "device", "specimen"],
)
def test_a_misspelt_member_is_refused_where_it_stands(place: str, document: Document) -> None:
    fault = refusal(document({f"{place}.zipp".strip("."): "43604"}))
    assert fault.place == place
    assert fault.text == "has a member zipp that is not part of the contract"


def test_an_event_has_a_result(document: Document) -> None:
    assert refusal(document({"results": []})).place == "results"


@pytest.mark.parametrize("place", ["event_id", "patient.internal_id", "prior_event_id"])
def test_an_id_is_not_empty(place: str, document: Document) -> None:
    assert refusal(document({place: ""})).place == place


@pytest.mark.parametrize("status", ["CORRECTED", "REMOVED"])
def test_a_correction_names_what_it_corrects(status: str, document: Document) -> None:
    fault = refusal(document({"correction_status": status}))
    assert (fault.place, fault.text) == (
        "prior_event_id",
        f"is required when correction_status is {status}",
    )


@pytest.mark.parametrize(
    "place", ["date_tested", "patient.birth_date", "facility.clia_number", "specimen.type_code"]
)
def test_the_meaning_of_a_text_is_not_judged_at_the_door(place: str, document: Document) -> None:
    assert decode(encode(document({place: "what is this?"}))).event_id


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("patient.first_name", 4),
        ("patient_has_prior_tests", "true"),
        ("device.test_length_minutes", "15"),
        ("device.test_length_minutes", 15.5),
        ("patient.tribal_affiliation", "338"),
        ("survey", []),
    ],
)
def test_a_value_of_another_type_is_not_made_to_fit(place: str, value: Any, document: Document) -> None:
    assert refusal(document({place: value})).place == place


@pytest.mark.parametrize(
    "repeated",
    [
        '"suffix": "Jr.", "suffix": "Sr."',
        '"suffix": "Jr.", "suffix": null',
        '"suffix" : "annulled", "suffix": "\\u0022"',
        '"suffix": "\\u0022", "suffix": "\\u0022\\u0022"',
    ],
)
def test_a_member_that_stands_twice_is_refused(repeated: str, document: Document) -> None:
    raw = encode(document({})).decode().replace('"suffix":"Jr."', repeated)
    with pytest.raises(ShapeError, match="the member suffix stands more than once"):
        decode(raw.encode())


@pytest.mark.parametrize("text", ['a "quote"', "null", "annulled", 'x": null', "\\", "é\n\u2028", "\u0000"])
def test_any_text_is_kept_as_it_came(text: str, document: Document) -> None:
    assert decode(encode(document({"patient.last_name": text}))).patient.last_name == text


def test_the_same_event_in_other_words_has_the_same_normal_form(document: Document) -> None:
    plain = document({"patient.last_name": "Nuñez"})
    turned = {name: plain[name] for name in reversed(plain)}
    spaced = msgspec.json.format(encode(turned)).replace("ñ".encode(), rb"\u00f1")
    assert spaced != encode(plain)
    assert canonical(decode(spaced)) == canonical(decode(encode(plain)))


def test_another_content_has_another_normal_form(event: Change) -> None:
    assert canonical(event({"patient.suffix": "Sr."})) != canonical(event())


def test_the_normal_form_is_sorted_and_without_space_or_null(event: Change) -> None:
    form = canonical(event({"survey": None}))
    members = msgspec.json.decode(form)
    assert list(members) == sorted(members)
    assert b"null" not in form
    assert form == msgspec.json.encode(members)


def test_a_correction_belongs_to_its_original(event: Change) -> None:
    correction = event({"event_id": "c", "prior_event_id": "o", "correction_status": "CORRECTED"})
    assert lineage(correction) == ("c", "o")
    assert keys(correction) == ("c", "o", correction.patient.internal_id)


def test_an_original_belongs_to_itself_whatever_it_names(event: Change) -> None:
    original = event({"event_id": "o", "prior_event_id": "x"})
    assert lineage(original) == ("o",)
    assert original.prior is None
