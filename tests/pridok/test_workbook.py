"""The workbook as a reader of Excel files sees it."""

import io
import re
import zipfile
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import openpyxl

from assets.pridok import kpi, workbook
from assets.pridok.kpi import Row
from assets.pridok.mapping import PersonLevel

OCTOBER = kpi.month(date(2026, 10, 1))
MADE_AT = datetime(2026, 11, 1, 2, 0, tzinfo=UTC)


def rows(count: int, organisation: str) -> list[Row]:
    starts = [OCTOBER.start + timedelta(days=6, hours=hour) for hour in range(count)]
    return [
        Row(
            created_at=start - timedelta(minutes=30),
            assigned_at=start,
            starts_at=start,
            ends_at=start + timedelta(minutes=12),
            completed=True,
            organisation=organisation,
        )
        for start in starts
    ]


def made(*parts: Iterable[Row], outcomes: dict[tuple[str, str], int] | None = None) -> bytes:
    everything = [row for part in parts for row in part]
    figures = kpi.monthly(everything, outcomes or {}, OCTOBER, guarantee_working_days=2)
    return workbook.monthly(figures, title="October 2026", made_at=MADE_AT)


def table(content: bytes, sheet: str) -> dict[object, dict[object, object]]:
    """The sheet by the names of its rows and columns."""
    lines = list(openpyxl.load_workbook(io.BytesIO(content))[sheet].iter_rows(values_only=True))
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[1:]}


def test_the_month_is_told_by_organisation() -> None:
    month = table(made(rows(20, "If"), rows(10, "Tryg")), "Month")
    assert (month["If"]["received"], month["Tryg"]["received"], month["all"]["received"]) == (20, 10, 30)
    assert (month["all"]["waiting median"], month["all"]["treatment p90"]) == (30, 12)
    assert month["all"][workbook.WITHIN] == 1


def test_small_cells_are_hidden_in_every_column() -> None:
    month = table(made(rows(20, "If"), rows(10, "Tryg"), rows(4, "Ny")), "Month")
    assert set(month["Ny"].values()) == {"Ny", "<5"}
    assert month["Tryg"]["received"] == "*"
    assert (month["If"]["received"], month["all"]["received"]) == (20, 34)


def test_outcomes_are_split_and_their_sum_gives_nothing_away() -> None:
    counters = {("If", "helped"): 12, ("If", "sick_note"): 2, ("If", "sent_home"): 6}
    content = made(rows(20, "If"), outcomes=counters)
    split = table(content, "Outcomes")["If"]
    assert (split["helped"], split["sick_note"], split["sent_home"], split["sum"]) == (12, "<5", 6, 20)


def test_completed_is_hidden_where_its_outcomes_are() -> None:
    counters = {("If", "helped"): 20, ("Tryg", "helped"): 7, ("Ny", "helped"): 3}
    content = made(rows(20, "If"), rows(7, "Tryg"), rows(8, "Ny"), outcomes=counters)
    assert table(content, "Outcomes")["Tryg"]["sum"] == "*"
    assert table(content, "Month")["Tryg"]["completed"] == "*"


def test_a_month_without_any_consultation_makes_a_workbook_too() -> None:
    assert table(made(), "Month")["all"]["received"] == "<5"


def test_the_charts_are_in_the_file() -> None:
    with zipfile.ZipFile(io.BytesIO(made(rows(20, "If")))) as parts:
        charts = [name for name in parts.namelist() if re.fullmatch(r"xl/charts/chart\d+\.xml", name)]
    assert len(charts) == 3


def test_the_same_figures_make_the_same_bytes() -> None:
    assert made(rows(20, "If")) == made(rows(20, "If"))


def test_no_text_is_a_formula() -> None:
    month = table(made(rows(20, "=HYPERLINK(1)")), "Month")
    assert "'=HYPERLINK(1)" in month
    report = PersonLevel(
        columns=("policy_number", "notes"), rows=(("007", "=1+1"), ("@x", "-2"), (None, 5)), without_basis=0
    )
    content = workbook.person_level(report, title="R2", made_at=MADE_AT)
    sheet = openpyxl.load_workbook(io.BytesIO(content))["Consultations"]
    assert [[cell.value for cell in line] for line in sheet.iter_rows(min_row=2)] == [
        ["007", "'=1+1"],
        ["'@x", "'-2"],
        [None, 5],
    ]
    assert {cell.data_type for line in sheet.iter_rows() for cell in line} <= {"s", "n"}
