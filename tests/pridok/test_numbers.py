"""National numbers beyond the case files: every single error is caught, and each environment takes its own."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.pridok import numbers
from assets.pridok.numbers import Kind, Standing

TENOR = "12829499914"
NEW_RULE_TENOR = "13813360076"
# Read by the old table both were born in 1899; the second fits the new rule only.
ORDINARY_1899 = "01019950065"
ORDINARY_NEW_RULE = "01019950073"
BEFORE, FROM_THEN = date(2031, 12, 31), date(2032, 1, 1)


def complete(nine: str, remainder: int) -> str | None:
    """Nine digits with check digits after them, reckoned anew here; ``None`` where there are none."""
    first = (remainder - sum(int(d) * w for d, w in zip(nine, (3, 7, 6, 1, 8, 9, 4, 5, 2), strict=True))) % 11
    ten = f"{nine}{first}"
    if first == 10:
        return None
    second = -sum(int(d) * w for d, w in zip(ten, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
    return None if second == 10 else f"{ten}{second}"


whole_numbers = (
    st.builds(complete, st.from_regex(r"\A[0-9]{9}\Z"), st.integers(0, 3))
    .filter(lambda number: number is not None)
    .map(str)
)


@given(whole_numbers, st.integers(0, 10), st.integers(1, 9))
def test_one_wrong_digit_is_caught_by_both_rules(number: str, place: int, by: int) -> None:
    wrong = str((int(number[place]) + by) % 10)
    assert numbers.check_digits(number)[1]
    assert numbers.check_digits(number[:place] + wrong + number[place + 1 :]) == (False, False)


@given(whole_numbers, st.integers(0, 9))
def test_two_swapped_neighbours_are_caught_by_both_rules(number: str, place: int) -> None:
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    if swapped != number:
        assert numbers.check_digits(swapped) == (False, False)


@given(st.text(max_size=20))
def test_any_text_can_be_read_and_only_ascii_digits_are_a_number(text: str) -> None:
    number = numbers.read(text)
    is_number = number.digits.isascii() and number.digits.isdigit() and len(number.digits) == 11
    assert (number.kind is Kind.MALFORMED) == (not is_number)


def test_a_synthetic_number_is_taken_in_test_and_refused_in_production() -> None:
    number = numbers.read(TENOR)
    assert numbers.standing(number, "test", BEFORE) is Standing.TEST_ONLY
    assert numbers.standing(number, "production", BEFORE) is Standing.REFUSED


def test_a_synthetic_number_of_the_new_rule_can_be_tested_with_before_the_rule_is_in_force() -> None:
    assert numbers.standing(numbers.read(NEW_RULE_TENOR), "test", BEFORE) is Standing.TEST_ONLY


@pytest.mark.parametrize("environment", ["test", "production"])
def test_an_ordinary_number_of_the_new_rule_is_taken_from_2032_on(environment: numbers.Environment) -> None:
    number = numbers.read(ORDINARY_NEW_RULE)
    assert numbers.standing(number, environment, BEFORE) is Standing.REFUSED
    assert numbers.standing(number, environment, FROM_THEN) is Standing.ACCEPTED
    assert "2032" in numbers.why_refused(number)


def test_an_ordinary_number_stays_valid_after_2032() -> None:
    number = numbers.read(ORDINARY_1899)
    assert numbers.standing(number, "production", BEFORE) is Standing.ACCEPTED
    assert numbers.standing(number, "production", FROM_THEN) is Standing.ACCEPTED


@pytest.mark.parametrize("text", ["", "1234", "81239010180", "31919010072", "13116900217", TENOR])
def test_a_refusal_says_why_and_repeats_no_digit_of_the_number(text: str) -> None:
    number = numbers.read(text)
    reason = numbers.why_refused(number)
    assert reason
    assert not text or text not in reason
    assert not text or text not in repr(number)


def test_an_ordinary_number_in_a_test_system_is_an_alarm_unless_it_is_a_published_one() -> None:
    number = numbers.read(ORDINARY_1899)
    assert numbers.wrong_environment(number, "test", ())
    assert not numbers.wrong_environment(number, "test", {ORDINARY_1899})
    assert not numbers.wrong_environment(number, "production", ())
    assert not numbers.wrong_environment(numbers.read(TENOR), "test", ())
