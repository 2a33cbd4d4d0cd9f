"""Which looks somebody should ask about."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assets.pridok.followup import Known, Look, findings, spells
from resources.store.readings import Reading

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LINE = Known(treated_by={"provider"}, first_name="Line", last_name="Danser")


def look(
    who: str = "provider", role: str = "provider", patient: int = 1, minutes: int = 0, **more: Any
) -> Look:
    return Look(
        at=NOON + timedelta(minutes=minutes),
        who=who,
        role=role,
        what="a consultation",
        patient=patient,
        **more,
    )


@pytest.mark.parametrize(
    ("one", "signs"),
    [
        (look(), []),
        (look(who="other"), ["no_booking"]),
        (look(who="kari", role="secretary"), []),
        (look(who="kari.danser", role="secretary"), ["same_surname"]),
        (look(who="line.danser", role="secretary"), ["own_name"]),
        (look(who="danser.line@clinic", role="secretary"), ["own_name"]),
        (look(who="linedanser", role="secretary"), []),
        (look(who="k42", role="secretary", called="Kari Danser Moe"), ["same_surname"]),
        (look(who="k42", role="secretary", called="Line Marie Danser"), ["own_name"]),
        (look(who="k42", role="secretary", called="Line Moe"), []),
        (look(who="other", emergency=True), ["emergency"]),
        (look(who="other", emergency=True, called="Kari Danser"), ["emergency", "same_surname"]),
        (look(who="kari.danser", role="secretary", given=False), ["refused"]),
    ],
)
def test_a_look_has_the_signs_it_has(one: Look, signs: list[str]) -> None:
    assert [finding.sign for finding in findings([one], {1: LINE})] == signs


def test_looks_of_one_person_at_one_patient_are_one_question() -> None:
    (one,) = findings([look(who="other", minutes=minute) for minute in (0, 7, 90)], {1: LINE})
    assert (one.looks, one.first, one.last) == (3, NOON, NOON + timedelta(minutes=90))


def test_very_many_persons_within_an_hour_are_a_question_and_many_looks_at_a_few_are_none() -> None:
    known = {patient: Known(treated_by={"provider"}) for patient in range(100)}
    few = [look(patient=number % 3, minutes=number) for number in range(59)]
    assert findings(few, known, many=5) == []
    many = [look(patient=number, minutes=number) for number in range(6)]
    (one,) = findings(many, known, many=5)
    assert (one.sign, one.looks, one.patient) == ("many", 6, None)
    spread = [look(patient=number, minutes=number * 30) for number in range(6)]
    assert findings(spread, known, many=5) == []


def test_a_patient_without_a_surname_is_nobodys_namesake() -> None:
    assert findings([look(who="kari", role="secretary")], {1: Known()}) == []


def reading(
    minutes: int, who: str = "provider", what: str = "a consultation", *, given: bool = True
) -> Reading:
    return Reading(
        at=NOON + timedelta(minutes=minutes),
        who=who,
        role="provider",
        what=what,
        subject=1,
        reason="their own work",
        given=given,
    )


def test_a_page_left_open_is_one_line_and_nothing_is_left_out() -> None:
    looks = [
        *(reading(minute) for minute in range(30)),
        reading(30, what="a result"),
        reading(31, given=False),
        reading(32),
        reading(60),
    ]
    lines = spells(looks)
    assert sum(one.looks for one in lines) == len(looks)
    assert [(one.what, one.given, one.looks) for one in lines] == [
        ("a consultation", True, 1),
        ("a consultation", True, 31),
        ("a consultation", False, 1),
        ("a result", True, 1),
    ]
    assert (lines[1].first, lines[1].last) == (NOON, NOON + timedelta(minutes=32))


def test_two_who_look_at_the_same_time_are_two_lines() -> None:
    lines = spells([reading(minute, who="other" if minute % 2 else "provider") for minute in range(10)])
    assert [(one.who, one.looks) for one in lines] == [("other", 5), ("provider", 5)]
