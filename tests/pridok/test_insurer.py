"""What the insurer is told of a consultation, and what only when somebody gave a reason."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from assets.pridok import consultation as c
from assets.pridok import icpc, mapping, results
from assets.pridok.actors import Actor, Role
from assets.pridok.disclosure import MESSAGE_MEMBERS, PERSON_LEVEL, PERSON_LEVEL_MEMBERS, Basis, Disclosure
from assets.pridok.mapping import Report

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRETARY, PROVIDER = Actor("sol", Role.SECRETARY), Actor("pia", Role.PROVIDER)
FORM = results.Form(
    icpc2="R74", outcome="helped", policy_number="00123456", job_description="lærer", notes="Rolig forløp."
)


def started() -> c.Consultation:
    one = c.received(1, patient=7, referral=3, organisation="If", now=T0)
    picked = c.pick(c.screen(one, SECRETARY, T0), PROVIDER, T0 + timedelta(minutes=10))
    return c.start(picked, PROVIDER, T0 + timedelta(minutes=30))


def report(consultation: c.Consultation | None = None) -> Report:
    return Report(
        consultation=consultation or c.finish(started(), PROVIDER, T0 + timedelta(minutes=45, seconds=0.9)),
        result=results.read(FORM, author="pia", codes=icpc.shipped()),
        journal_guid="240b54a7-8c2a-4c3c-80a4-0bc63e2c9493",
        deal_id="D-17",
    )


def test_the_message_holds_policy_ids_times_and_outcome_and_nothing_of_health() -> None:
    assert json.loads(mapping.insurer_message(report())) == {
        "message": "consultation_finished",
        "version": 1,
        "consultation_id": "1",
        "journal_guid": "240b54a7-8c2a-4c3c-80a4-0bc63e2c9493",
        "organisation": "If",
        "deal_id": "D-17",
        "policy_number": "00123456",
        "created_at": "2026-03-02T09:00:00Z",
        "assigned_at": "2026-03-02T09:10:00Z",
        "starts_at": "2026-03-02T09:30:00Z",
        "ends_at": "2026-03-02T09:45:00.900000Z",
        "waiting_seconds": 1800,
        "treatment_seconds": 900,
        "outcome": "helped",
    }


def test_code_and_notes_are_told_only_when_switched_on_with_a_reason() -> None:
    switched = Disclosure(fixed=MESSAGE_MEMBERS, extra=frozenset({"icpc2", "notes"}), reason="agreement 4.2")
    told = json.loads(mapping.insurer_message(report(), switched))
    assert (told["icpc2"], told["notes"]) == ("R74", "Rolig forløp.")
    with pytest.raises(ValueError, match="reason"):
        Disclosure(fixed=MESSAGE_MEMBERS, extra=frozenset({"icpc2"}), reason=" ")
    with pytest.raises(ValueError, match="can be switched on"):
        Disclosure(fixed=MESSAGE_MEMBERS, extra=frozenset({"patient_number"}), reason="agreement 4.2")


def test_time_that_ran_backwards_is_not_told() -> None:
    one = c.finish(started(), PROVIDER, T0 + timedelta(minutes=29))
    told = json.loads(mapping.insurer_message(report(one)))
    assert (told["waiting_seconds"], told["treatment_seconds"]) == (1800, None)


def test_only_a_finished_consultation_is_reported() -> None:
    with pytest.raises(ValueError, match="not completed"):
        mapping.insurer_message(report(started()))


def test_the_person_level_file_leaves_out_and_counts_what_has_no_basis() -> None:
    made = mapping.person_level([(report(), Basis(kind="contract", id="C-9")), (report(), None)])
    assert (len(made.rows), made.without_basis) == (1, 1)
    row = dict(zip(made.columns, made.rows[0], strict=True))
    assert (row["job_description"], row["legal_basis"], row["legal_basis_id"]) == ("lærer", "contract", "C-9")
    assert not {"icpc2", "notes", "patient_number"} & row.keys()


def test_the_person_level_file_tells_the_code_when_switched_on() -> None:
    switched = Disclosure(fixed=PERSON_LEVEL_MEMBERS, extra=frozenset({"icpc2"}), reason="agreement 4.2")
    made = mapping.person_level([(report(), Basis(kind="consent", id="S-1"))], switched)
    assert made.columns == (*PERSON_LEVEL.members, "icpc2", "legal_basis", "legal_basis_id")


def test_a_report_shows_nothing_of_its_result() -> None:
    made = mapping.person_level([(report(), Basis(kind="consent", id="S-1"))])
    for value in ("R74", "helped", "00123456", "lærer"):
        assert value not in repr(report())
        assert value not in repr(made)
