"""A person keeps their entry through new numbers and merges, and an insurer's patient gets no marketing."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from assets.pridok import patients
from assets.pridok.referral import Contact

THEN, NOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
KARI = Contact(first_name="Kari", last_name="Prøve", email="kari@example.com")


def test_a_referred_patient_gets_no_marketing_even_if_they_had_agreed_before() -> None:
    own = replace(patients.referred(1, KARI, b"a", THEN), tags=frozenset(), marketing_allowed=True)
    assert patients.may_market(own)
    assert not patients.may_market(patients.referred_again(own, KARI))
    assert not patients.may_market(patients.referred(2, KARI, b"b", NOW))


def test_the_tag_alone_forbids_marketing() -> None:
    careless = replace(patients.referred(1, KARI, b"a", THEN), marketing_allowed=True)
    assert not patients.may_market(careless)


def test_a_new_number_closes_the_old_one_and_keeps_it() -> None:
    patient = patients.renumbered(patients.referred(1, KARI, b"old", THEN), b"new", NOW)
    assert [(number.index, number.until) for number in patient.numbers] == [(b"old", NOW), (b"new", None)]
    assert patients.renumbered(patient, b"new", NOW) == patient


def test_a_merge_keeps_every_number_and_points_the_other_entry_to_the_one_kept() -> None:
    one, other = patients.referred(1, KARI, b"a", THEN), patients.referred(2, KARI, b"b", THEN)
    kept, gone = patients.merged(one, other, NOW)
    assert {number.index: number.until for number in kept.numbers} == {b"b": NOW, b"a": None}
    assert (gone.id, gone.merged_into) == (2, 1)


def test_an_entry_is_merged_once_and_not_with_itself() -> None:
    one, other = patients.referred(1, KARI, b"a", THEN), patients.referred(2, KARI, b"b", THEN)
    kept, gone = patients.merged(one, other, NOW)
    with pytest.raises(ValueError, match="merged already"):
        patients.merged(kept, gone, NOW)
    with pytest.raises(ValueError, match="same patient"):
        patients.merged(kept, kept, NOW)
