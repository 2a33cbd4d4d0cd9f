"""The lane's rules, judged by case files: those of the clone and those beside it (``HANDOFF_CASES``)."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from assets.pridok import events, icpc, kpi, numbers, phones, referral
from assets.pridok.numbers import Standing
from assets.pridok.referral import Known, Seen
from tests.pridok import cases

pytestmark = pytest.mark.cases


def test_every_case_file_is_understood() -> None:
    strange = [
        path
        for path in cases.files("*.jsonl", "*_cases.csv", "scenario_*")
        if path.is_dir() or cases.sort_of(path) is None
    ]
    assert strange == []


@pytest.mark.parametrize("path", cases.of("referral"))
def test_referrals_get_their_verdicts_and_flags_in_order(path: Path) -> None:
    contents: dict[str, bytes] = {}
    patients: dict[str, referral.Contact] = {}
    for case in cases.read(path):
        verdict, flags = judged(case, contents, patients)
        assert verdict == case["expect"], case["name"]
        assert set(case["flags"]) <= flags, case["name"]


def judged(
    case: dict[str, Any], contents: dict[str, bytes], patients: dict[str, referral.Contact]
) -> tuple[str, set[str]]:
    body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
    try:
        one = events.read(body.encode())
    except events.NotAReferral:
        return "rejected_400", set()
    number = referral.number_of(one)
    first = contents.setdefault(one.guid, one.content)
    known = Known(
        seen=Seen.NEVER if first is one.content else Seen.SAME if first == one.content else Seen.OTHER,
        patient=None if number is None else patients.get(number.digits),
    )
    now = datetime.now(UTC)
    judgement = referral.judge(one, known, environment="test", now=now)
    if judgement.verdict == "accepted_test_only":
        in_production = referral.judge(one, known, environment="production", now=now)
        assert in_production.verdict == "quarantined_invalid_pid", case["name"]
    if judgement.verdict.accepted and number is not None and judgement.contact is not None:
        patients[number.digits] = judgement.contact
    return judgement.verdict.value, {flag.value for flag in judgement.flags}


@pytest.mark.parametrize("path", cases.of("number"))
def test_national_numbers_are_told_apart(path: Path) -> None:
    for case in cases.read(path):
        number = numbers.read(case["number"])
        standing = numbers.standing(number, "production", date(2026, 1, 1))
        malformed = number.kind is numbers.Kind.MALFORMED
        assert case == case | {
            "kind": number.kind.value,
            "checksum_pre2032": "" if malformed else str(number.old_rule),
            "checksum_2032": "" if malformed else str(number.new_rule),
            "birth_date": birth_date(number),
            "sex_by_pre2032_rule": number.sex or "" if birth_date(number) else "",
            "accept_in_production": "yes" if standing is Standing.ACCEPTED else "no",
        }, case["note"]


def birth_date(number: numbers.NationalNumber) -> str:
    if number.kind in (
        numbers.Kind.MALFORMED,
        numbers.Kind.BAD_CHECKSUM,
        numbers.Kind.NO_SUCH_DATE,
        numbers.Kind.FH,
    ):
        return ""
    return "century unknown" if number.born is None else number.born.isoformat()


@pytest.mark.parametrize("path", cases.of("phone"))
def test_phones_are_checked_softly(path: Path) -> None:
    for case in cases.read(path):
        phone = phones.read(case["input"])
        found = {
            "parse": "parsed" if phone.parsed else "error: NumberParseException",
            "possible": str(phone.possible) if phone.parsed else "",
            "valid": str(phone.valid) if phone.parsed else "",
            "type": phone.kind,
            "e164": phone.e164 or "",
        }
        assert found == {name: case[name] for name in found}


@pytest.mark.parametrize("path", cases.of("icpc"))
def test_icpc_codes_are_taken_or_refused(path: Path) -> None:
    codes = icpc.shipped()
    for case in cases.read(path):
        wanted = case["accept"]
        assert wanted.startswith(("yes", "no", "only where a process code is asked")), "not understood"
        assert is_taken(case["code"], codes, process=False) == wanted.startswith("yes"), case
        assert is_taken(case["code"], codes, process=True) == (wanted != "no"), case


def is_taken(text: str, codes: icpc.CodeList, *, process: bool) -> bool:
    try:
        icpc.read(text, codes, process=process)
    except icpc.CodeRefused:
        return False
    return True


@pytest.mark.parametrize("path", cases.of("kpi"))
def test_durations_are_exact(path: Path) -> None:
    for case in cases.read(path):
        times = {
            name: None if case.get(name) is None else datetime.fromisoformat(case[name])
            for name in ("assigned_at", "starts_at", "ends_at")
        }
        row = kpi.Row(created_at=datetime.fromisoformat(case["created_at"]), **times)
        found = kpi.durations(row)
        assert case["expect"] == {
            "waiting_seconds": found.waiting_seconds,
            "treatment_seconds": found.treatment_seconds,
            "error": found.error,
        }


def shared_file(pattern: str) -> Path:
    found = sorted(cases.SHARED.glob(pattern))
    if not found:
        pytest.skip(f"no case files beside the clone: {cases.SHARED / pattern} is absent (HANDOFF_CASES)")
    return found[0]


def test_the_shipped_codes_are_those_of_the_published_list() -> None:
    published = shared_file("real_icpc2_codes.txt").read_text().split()
    assert sorted(published) == sorted(icpc.shipped().codes)


def test_the_example_as_first_written_is_no_json_and_is_refused() -> None:
    raw = shared_file("real_*_referral_raw.txt").read_bytes()
    with pytest.raises(events.NotAReferral, match="one JSON object"):
        events.read(raw)
