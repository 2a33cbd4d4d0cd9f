"""The report form: one code, a listed outcome, and problems named all at once without their values."""

from datetime import date

import pytest

from assets.pridok import icpc, results
from assets.pridok.icpc import CodeList
from assets.pridok.results import Form, FormRefused

CODES = icpc.shipped()
FORM = Form(
    icpc2=" r74 ",
    outcome="helped",
    policy_number="00123456",
    patient_number="128294 99914",
    job_description="lærer",
    notes="Rolig forløp.",
)


def read(form: Form = FORM) -> results.ConsultationResult:
    return results.read(form, author="pia", codes=CODES)


def test_a_form_becomes_typed_values() -> None:
    result = read()
    assert (result.icpc2.code, result.icpc2.system, result.icpc2.year) == ("R74", "ICPC-2", 2026)
    assert (result.policy_number, result.patient_number) == ("00123456", "12829499914")


def test_only_code_and_outcome_are_required() -> None:
    result = read(Form(icpc2="A03", outcome="no_show"))
    empty = (result.policy_number, result.patient_number, result.job_description, result.notes)
    assert empty == (None, None, None, None)


def test_every_problem_of_a_form_is_named_at_once_and_no_value_repeated() -> None:
    form = Form(
        icpc2="R74, A03",
        outcome="cured",
        policy_number="no; number",
        patient_number="12829499915",
        job_description="x" * 201,
        notes="y" * 20_001,
    )
    with pytest.raises(FormRefused) as refused:
        read(form)
    places = [problem.split(":")[0] for problem in refused.value.problems]
    assert places == ["icpc2", "outcome", "policy_number", "job_description", "notes", "patient_number"]
    for value in ("R74", "cured", "12829499915", "no; number"):
        assert value not in str(refused.value)


def test_a_result_shows_nothing_but_its_author() -> None:
    shown = repr(read()) + repr(FORM)
    for value in ("R74", "r74", "helped", "00123456", "12829499914", "lærer", "Rolig"):
        assert value not in shown


@pytest.mark.parametrize("form", [FORM, Form(icpc2="A01.0001", outcome="helped")])
def test_members_go_and_come_back_whole(form: Form) -> None:
    assert results.from_members(results.members(read(form))) == read(form)


def test_empty_members_are_members_too() -> None:
    full, empty = results.members(read()), results.members(read(Form(icpc2="A03", outcome="helped")))
    assert full.keys() == empty.keys()
    assert empty["notes"] == b""


def test_an_installation_may_have_outcomes_of_its_own() -> None:
    form = Form(icpc2="A03", outcome="sent_home")
    assert results.read(form, author="pia", codes=CODES, outcomes=["sent_home"]).outcome == "sent_home"


def test_codes_are_searched_by_their_beginning() -> None:
    assert icpc.search("w78", CODES) == ["W78", "W781"]
    assert len(icpc.search("R", CODES)) == 20
    assert icpc.search(" ", CODES) == []
    assert icpc.search("hoste", CODES) == []


def test_the_list_in_force_is_the_newest_of_its_time() -> None:
    lists = [CodeList(year, frozenset({"A03"})) for year in (2027, 2025, 2026)]
    assert icpc.in_force(lists, date(2026, 12, 31)).year == 2026
    assert icpc.in_force(lists, date(2030, 1, 1)).year == 2027
    assert icpc.in_force(lists, date(2020, 1, 1)).year == 2025


def test_an_official_file_is_read_by_its_first_column() -> None:
    text = 'Kode;Tittel\n"A03";"x, R74"\nR991;y\nA01.0001;z\n\n'
    assert icpc.code_list(text, 2027) == CodeList(2027, frozenset({"A03", "R991"}))
    with pytest.raises(ValueError, match="holds no code"):
        icpc.code_list("Kode;Tittel\n", 2027)
