"""R1: what is counted in which month, by which clock, and which cells stay hidden."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.pridok import kpi, working_days
from assets.pridok.consultation import Reason
from assets.pridok.kpi import Figures, Row
from assets.pridok.masking import HIDDEN, SMALL, SMALLEST_SHOWN, is_masked, masked

OSLO = ZoneInfo("Europe/Oslo")
OCTOBER = kpi.month(date(2026, 10, 15))


def oslo(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=OSLO)


def row(created: str, started: str | None = None, *, minutes: float = 15, organisation: str = "If") -> Row:
    starts_at = None if started is None else oslo(started)
    return Row(
        created_at=oslo(created),
        assigned_at=starts_at,
        starts_at=starts_at,
        ends_at=None if starts_at is None else starts_at + timedelta(minutes=minutes),
        completed=starts_at is not None,
        organisation=organisation,
    )


def figures(*rows: Row, guarantee: int = 2) -> Figures:
    return kpi.monthly(rows, {}, OCTOBER, guarantee_working_days=guarantee)[-1]


def test_a_month_goes_from_midnight_to_midnight_in_norway() -> None:
    assert OCTOBER.start == datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert OCTOBER.end == datetime(2026, 10, 31, 23, tzinfo=UTC)
    december = kpi.month(date(2026, 12, 31))
    assert december.end == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_every_figure_belongs_to_the_month_of_its_moment() -> None:
    found = figures(
        row("2026-09-30T23:59", "2026-10-01T00:10"),
        row("2026-10-01T00:00", "2026-10-01T00:30"),
        row("2026-10-31T23:50", "2026-11-01T00:00"),
        row("2026-11-01T00:00"),
    )
    assert (found.received, found.started, found.completed, found.open_at_end) == (2, 2, 2, 1)


def test_waiting_and_treatment_give_median_and_ninetieth_percentile() -> None:
    rows = [row("2026-10-05T10:00", f"2026-10-05T1{hour}:00", minutes=10 * hour) for hour in range(1, 6)]
    found = figures(*rows)
    assert (found.waiting.count, found.waiting.median, found.waiting.p90) == (5, 3 * 3600, 4.6 * 3600)
    assert (found.treatment.median, found.treatment.p90) == (30 * 60, 46 * 60)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_the_percentile_is_the_one_pandas_reckons(values: list[float]) -> None:
    found, series = kpi.spread(values), pd.Series(values)
    assert found.median == pytest.approx(series.quantile(0.5))
    assert found.p90 == pytest.approx(series.quantile(0.9))


def test_a_night_across_the_clock_change_has_its_real_length() -> None:
    # On 25 October 2026 the hour from two to three comes twice.
    assert figures(row("2026-10-25T01:30", "2026-10-25T03:30")).waiting.median == 3 * 3600


def test_time_that_runs_backwards_is_left_out_and_counted() -> None:
    found = figures(row("2026-10-05T10:00", "2026-10-05T09:59"), row("2026-10-05T10:00", "2026-10-05T11:00"))
    assert (found.time_errors, found.waiting.count, found.started) == (1, 1, 2)


def test_what_has_not_begun_is_open_and_no_wait_of_zero() -> None:
    found = figures(row("2026-10-05T10:00"), row("2026-10-30T10:00"))
    assert (found.waiting.count, found.open_at_end, found.overdue_at_end) == (0, 2, 1)


def test_a_no_show_was_never_in_contact() -> None:
    starts_at = oslo("2026-10-05T10:30")
    missed = Row(
        created_at=oslo("2026-10-05T10:00"),
        starts_at=starts_at,
        cancelled_at=starts_at + timedelta(minutes=10),
        cancelled_for=Reason.NO_SHOW,
    )
    found = figures(missed)
    assert (found.started, found.cancelled, found.no_shows, found.open_at_end) == (0, 1, 1, 0)


def test_organisations_are_counted_apart_and_together() -> None:
    rows = [row("2026-10-05T10:00", organisation=name) for name in ("If", "If", "Tryg")]
    found = kpi.monthly(rows, {("If", "helped"): 3, ("Ny", "helped"): 1}, OCTOBER, guarantee_working_days=2)
    assert [(one.organisation, one.received) for one in found] == [
        ("If", 2),
        ("Ny", 0),
        ("Tryg", 1),
        ("all", 3),
    ]
    assert [one.outcomes for one in found] == [{"helped": 3}, {"helped": 1}, {}, {"helped": 4}]


@pytest.mark.parametrize(
    ("created", "started", "days"),
    [
        ("2026-10-05T08:00", "2026-10-05T20:00", 0),
        ("2026-10-05T23:59", "2026-10-06T00:01", 1),
        ("2026-10-09T16:00", "2026-10-12T08:00", 1),  # Friday to Monday
        ("2026-10-10T12:00", "2026-10-11T12:00", 0),  # Saturday to Sunday
        ("2026-04-01T12:00", "2026-04-07T12:00", 1),  # Easter: Thursday, Friday and Monday are holidays
        ("2026-05-16T12:00", "2026-05-18T12:00", 1),  # 17 May is a Sunday
        ("2027-05-14T12:00", "2027-05-18T12:00", 1),  # 17 May is a Monday and Whit Monday at once
        ("2026-12-24T12:00", "2026-12-28T12:00", 1),
        ("2026-12-31T23:30", "2027-01-01T00:30", 0),
    ],
)
def test_working_days_are_the_norwegian_ones(created: str, started: str, days: int) -> None:
    calendar = working_days.norway(2026, 2027)
    assert calendar.between(oslo(created), oslo(started)) == days


def test_the_day_of_a_moment_is_the_day_in_oslo() -> None:
    late = datetime(2026, 10, 5, 22, 30, tzinfo=UTC)  # Tuesday in Oslo
    assert working_days.norway(2026, 2026).between(late, oslo("2026-10-06T12:00")) == 0
    new_year = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert working_days.norway(2026, 2026).between(new_year, new_year) == 0


def test_the_guarantee_holds_up_to_its_last_working_day() -> None:
    rows = [row("2026-10-09T10:00", f"2026-10-{day}T23:59") for day in (12, 13, 14)]
    assert figures(*rows, guarantee=2).within_guarantee == 2


def test_a_lone_hidden_cell_takes_the_next_smallest_with_it() -> None:
    assert masked([[2, 30], [9, 8], [11, 38]]) == [[SMALL, 30], [HIDDEN, 8], [11, 38]]
    assert masked([[2, 7, 9]], row_sums=True) == [[SMALL, HIDDEN, 9]]
    assert masked([[6], [7]]) == [[6], [7]]


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(0, 12), min_size=width, max_size=width), min_size=1, max_size=4
        )
    )
)
def test_no_small_cell_is_shown_and_none_can_be_worked_out(cells: list[list[int]]) -> None:
    summed = [[*line, sum(line)] for line in cells]
    table = [*summed, [sum(column) for column in zip(*summed, strict=True)]]
    shown = masked(table, row_sums=True)
    for line, wanted in zip(shown, table, strict=True):
        assert all(is_masked(cell) or cell == value for cell, value in zip(line, wanted, strict=True))
        assert all(
            is_masked(cell) for cell, value in zip(line, wanted, strict=True) if value < SMALLEST_SHOWN
        )
    for line in [*shown, *zip(*shown, strict=True)]:
        assert sum(map(is_masked, line)) != 1
