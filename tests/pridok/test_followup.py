"""Which looks somebody should ask about."""

from datetime import UTC, datetime, timedelta

import pytest

from assets.pridok.followup import Known, Look, findings

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LINE = Known(treated_by={"provider"}, first_name="Line", last_name="Danser")


def look(
    who: str = "provider", role: str = "provider", patient: int = 1, minutes: int = 0, **more: bool
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
