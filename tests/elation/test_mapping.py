"""Chart in, Elation patient and policies out."""

import json
from typing import Any

import msgspec
import pytest

from assets.elation.events import decode
from assets.elation.mapping import Practice, Unmappable, language_names, patient, policies, snapshot
from assets.elation.tables import languages
from tests.elation import case_files
from tests.elation.charts import event_bytes

PRACTICE = Practice(primary_physician=131074, caregiver_practice=65540)

#: A case may name a member as Elation does.
OURS = {"carrier": "payer_name"}


def mapped(**changes: object) -> dict[str, Any]:
    return json.loads(msgspec.json.encode(patient(decode(event_bytes(**changes)), PRACTICE)))


def insured(**changes: object) -> list[dict[str, Any]]:
    return json.loads(msgspec.json.encode(policies(decode(event_bytes(**changes)))))


def places(**changes: object) -> list[str]:
    with pytest.raises(Unmappable) as caught:
        snapshot(decode(event_bytes(**changes)), PRACTICE)
    return [problem.place for problem in caught.value.problems]


def phone(number: str | None, **more: object) -> dict[str, object]:
    return {"number": number, "type": "cell", **more}


@pytest.mark.cases
def test_every_case_file_is_mapped_as_it_says() -> None:
    cases = case_files.lines()
    if not cases:
        pytest.skip("no case files: set HANDOFF_CASES to a folder that has partners/elation")
    for place, case in cases:
        event = decode(json.dumps(case_files.event(case["arc"])).encode())
        if "expect_error" in case:
            with pytest.raises(Unmappable) as caught:
                snapshot(event, PRACTICE)
            named = case["expect_error"].split()[0]
            parts = {p.place.rpartition(".")[2] for p in caught.value.problems}
            assert OURS.get(named, named).removeprefix("address_") in parts, place
        else:
            expected = {"patient": case["expect_patient"], "policies": case["expect_insurance"]}
            assert json.loads(msgspec.json.encode(snapshot(event, PRACTICE))) == expected, place


def test_primary_numbers_come_first_then_the_patients_own_then_the_rest() -> None:
    numbers = [
        phone("7185550101"),
        phone("7185550102", owned=True),
        phone("7185550103", primary=True),
        phone("7185550104", primary=True, owned=True),
    ]
    assert [p["phone"] for p in mapped(phones=numbers)["phones"]] == ["7185550104", "7185550103"]


def test_equal_numbers_are_sent_once_with_the_type_of_the_better_one() -> None:
    twice = [phone("718-555-0107"), {"number": "+1 718 555 0107", "type": "home", "primary": True}]
    assert mapped(phones=twice)["phones"] == [{"phone": "7185550107", "phone_type": "Home"}]


@pytest.mark.parametrize(
    "number", [None, "", "555-0142", "718-555-0142 x12", "+47 22 33 44 55", "+44 20 7946 0958", "٧١٨٥٥٥٠١٤٢"]
)
def test_what_is_no_us_number_is_left_out_and_frees_its_place(number: str | None) -> None:
    numbers = [phone(number, primary=True), phone("7185550101"), phone("7185550102")]
    assert [p["phone"] for p in mapped(phones=numbers)["phones"]] == ["7185550101", "7185550102"]


@pytest.mark.parametrize(
    ("arc", "elation"),
    [
        ("cell", "Mobile"),
        ("HOME", "Home"),
        ("work", "Work"),
        ("fax", "Fax"),
        ("pager", "Other"),
        (None, "Other"),
    ],
)
def test_a_number_gets_one_of_elations_types(arc: str | None, elation: str) -> None:
    assert mapped(phones=[phone("7185550101") | {"type": arc}])["phones"][0]["phone_type"] == elation


@pytest.mark.parametrize("phones", [None, []])
def test_a_chart_without_numbers_says_so(phones: list[object] | None) -> None:
    assert mapped(phones=phones)["phones"] == []


@pytest.mark.parametrize(
    ("arc", "elation"),
    [
        ("F", "Female"),
        (" Male ", "Male"),
        ("m", "Male"),
        ("x", "Unknown"),
        ("", "Unknown"),
        ("other", "Unknown"),
        (None, "Unknown"),
    ],
)
def test_sex_is_female_male_or_unknown(arc: str | None, elation: str) -> None:
    assert mapped(sex=arc)["sex"] == elation


@pytest.mark.parametrize(
    ("code", "name"), [("es", "Spanish"), ("ES", "Spanish"), ("es-MX", "Spanish"), ("zh_Hans", "Chinese")]
)
def test_a_language_goes_by_its_name(code: str, name: str) -> None:
    assert mapped(language=code)["preferred_language"] == name


@pytest.mark.parametrize("code", [None, "", "xx", "yue", "Klingon"])
def test_an_unknown_language_is_left_out(code: str | None) -> None:
    assert "preferred_language" not in mapped(language=code)


def test_the_list_of_the_live_system_replaces_the_built_in_one() -> None:
    names = language_names(["English", "Haitian", "Cantonese", "Esperanto II"])
    assert names == {"en": "English", "ht": "Haitian", "yue": "Cantonese"}


def test_the_built_in_table_has_every_two_letter_code_once() -> None:
    codes = [line.split(" ", 1)[0] for line in languages.NAMES.splitlines()]
    assert len(codes) == len(set(codes))
    assert len([code for code in codes if len(code) == 2]) == len(language_names()) == 183


@pytest.mark.parametrize("address", [None, {}, {"line1": " ", "state": ""}])
def test_no_address_means_no_member_address(address: dict[str, str] | None) -> None:
    assert "address" not in mapped(address=address)


def test_an_address_in_part_is_sent_in_part() -> None:
    blank = {"address_line1": "", "address_line2": "", "city": "", "state": "NY", "zip": ""}
    assert mapped(address={"state": "NY"})["address"] == blank


def test_names_keep_their_letters() -> None:
    assert mapped(first_name="Zoë", last_name="Ó Dálaigh-Ng'ang'a")["last_name"] == "Ó Dálaigh-Ng'ang'a"


@pytest.mark.parametrize(
    ("member", "most"),
    [
        ("first_name", 70),
        ("middle_name", 50),
        ("last_name", 70),
        ("payer_name", 200),
        ("member_id", 50),
        ("medicaid_id", 50),
    ],
)
def test_a_value_may_be_as_long_as_elation_holds_and_no_longer(member: str, most: int) -> None:
    snapshot(decode(event_bytes(**{member: "é" * most})), PRACTICE)
    assert places(**{member: "é" * (most + 1)}) == [f"data.chart.{member}"]


@pytest.mark.parametrize(("part", "most"), [("line1", 200), ("line2", 35), ("city", 50), ("zip", 10)])
def test_a_part_of_an_address_may_be_as_long_as_elation_holds_and_no_longer(part: str, most: int) -> None:
    assert mapped(address={part: "x" * most})
    assert places(address={part: "x" * (most + 1)}) == [f"data.chart.address.{part}"]


@pytest.mark.parametrize("state", ["New York", "N", "N1", "NYC", "ñy"])
def test_a_state_is_two_letters(state: str) -> None:
    assert places(address={"line1": "1", "state": state}) == ["data.chart.address.state"]


@pytest.mark.parametrize(
    "dob", ["", "19610704", "1961-7-4", "07/04/1961", "1961-02-30", "1961-07-04T00:00:00Z", "1961-W27-2"]
)
def test_a_birth_date_is_a_date(dob: str) -> None:
    assert places(dob=dob) == ["data.chart.dob"]


@pytest.mark.parametrize("member", ["first_name", "last_name", "dob"])
@pytest.mark.parametrize("value", [None, "", " "])
def test_what_elation_requires_must_be_there(member: str, value: str | None) -> None:
    assert places(**{member: value}) == [f"data.chart.{member}"]


def test_every_problem_is_told_at_once_and_no_value_is_repeated() -> None:
    with pytest.raises(Unmappable) as caught:
        snapshot(decode(event_bytes(dob="yesterday", last_name="", member_id="SECRET" * 10)), PRACTICE)
    assert [p.place for p in caught.value.problems] == [
        "data.chart.last_name",
        "data.chart.dob",
        "data.chart.member_id",
    ]
    assert "yesterday" not in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_medicaid_takes_the_next_free_rank() -> None:
    assert [row["rank"] for row in insured(medicaid_id="AB12345C")] == ["primary", "secondary"]
    assert insured(payer_name=None, member_id=None, medicaid_id="AB12345C") == [
        {"rank": "primary", "carrier": "Medicaid", "member_id": "AB12345C", "payment_program": "Medicaid"}
    ]


def test_a_payer_whose_member_id_is_not_known_yet_is_told_all_the_same() -> None:
    assert insured(member_id=None) == [{"rank": "primary", "carrier": "Healthfirst", "member_id": ""}]


@pytest.mark.parametrize("member_id", [None, "HF123456"])
def test_without_a_payer_there_is_no_policy(member_id: str | None) -> None:
    assert insured(payer_name=" ", member_id=member_id) == []


def test_patient_and_policies_are_judged_apart() -> None:
    event = decode(event_bytes(dob=None))
    assert len(policies(event)) == 1
    with pytest.raises(Unmappable, match=r"data\.chart\.dob"):
        patient(event, PRACTICE)
    event = decode(event_bytes(member_id="x" * 51))
    assert patient(event, PRACTICE).last_name == "Rivera"
    with pytest.raises(Unmappable, match=r"data\.chart\.member_id"):
        policies(event)
