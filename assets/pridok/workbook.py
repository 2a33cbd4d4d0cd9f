"""The month as an Excel workbook: R1 with its charts, and the person-level file R2.

Text goes into text cells, never into formulas; a text that begins like a formula is escaped, since files are
copied into other programs. pandas is imported where it is used: it costs a quarter of a second, and the code
location that imports this module only seldom makes a report.
"""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from assets.pridok.kpi import Figures, Spread
from assets.pridok.mapping import PersonLevel
from assets.pridok.masking import HIDDEN, SMALL, SMALLEST_SHOWN, Cell, is_masked, masked
from assets.pridok.results import OUTCOMES

if TYPE_CHECKING:
    import pandas as pd

#: Columns that belong together: the last is the sum of those before it.
SUMS: Final = (
    ("by referral", "direct", "received"),
    ("no-shows", "otherwise", "cancelled"),
    ("overdue at end", "in time at end", "open at end"),
    ("started",),
    ("completed",),
    ("time errors",),
)
SPREADS: Final = ("pick-up", "waiting", "treatment")
WITHIN: Final = "within guarantee (share of started)"

READING: Final = (
    ("received", "referrals and direct bookings received in the month (Norwegian time)"),
    ("started", "first contact in the month, no-shows left out"),
    ("completed, cancelled", "ended in the month"),
    ("open at end", "waiting for a first contact when the month ended"),
    ("overdue at end", "of these, waiting longer than the guarantee"),
    ("pick-up", "from receipt until a provider has taken it, minutes"),
    ("waiting", "from receipt to the first contact, minutes"),
    ("treatment", "from the first contact to its end, minutes"),
    (
        "within guarantee",
        "first contact within the guarantee, in Norwegian working days after the day of receipt",
    ),
    ("median, p90", "half, and nine of ten, took at most this long; between two values it is interpolated"),
    ("time errors", "times that run backwards; left out of waiting and treatment"),
    (SMALL, f"fewer than {SMALLEST_SHOWN}; also hidden (*) is what would give such a number away"),
)

#: How direct bookings that belong to nobody's deal are called.
NO_ORGANISATION: Final = "(no organisation)"

_Cells = dict[str, Cell]
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_OPTIONS = {"options": {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}}


def monthly(
    figures: Sequence[Figures], *, title: str, made_at: datetime, outcomes: Sequence[str] = OUTCOMES
) -> bytes:
    """R1. ``figures`` are a month's, the last one for all organisations together.

    Every outcome of the list has its column: among many small cells a large one need not be hidden with them.
    """
    import pandas as pd

    names = [safe(one.organisation or NO_ORGANISATION) for one in figures]
    split = _outcome_rows(figures, outcomes)
    month = pd.DataFrame(_month_rows(figures, split), index=names)
    shares = pd.DataFrame(split, index=names)
    target = io.BytesIO()
    with pd.ExcelWriter(target, engine="xlsxwriter", engine_kwargs=_OPTIONS) as writer:
        _properties(writer, title, made_at)
        month.to_excel(writer, sheet_name="Month", index_label="organisation")
        shares.to_excel(writer, sheet_name="Outcomes", index_label="organisation")
        reading = pd.DataFrame(list(READING), columns=["figure", "meaning"])
        reading.to_excel(writer, sheet_name="Reading", index=False)
        _chart(writer, "Month", month, ["waiting median", "waiting p90"], "Waiting, minutes", column=0)
        _chart(writer, "Month", month, ["received", "started", "completed"], "Volume", column=8)
        _chart(writer, "Outcomes", shares, list(shares.columns[:-1]), "Outcomes", column=0, stacked=True)
        for name, width in (("Month", 14), ("Outcomes", 14), ("Reading", 100)):
            writer.sheets[name].set_column(0, 0, 24)
            writer.sheets[name].set_column(1, len(month.columns), width)
            writer.sheets[name].freeze_panes(1, 1)
    return target.getvalue()


def totals(
    figures: Sequence[Figures], outcomes: Sequence[str] = OUTCOMES
) -> tuple[dict[str, Cell | float], _Cells]:
    """The cells of all organisations together as the workbook shows them: the month, and its outcomes."""
    split = _outcome_rows(figures, outcomes)
    return _month_rows(figures, split)[-1], split[-1]


def person_level(report: PersonLevel, *, title: str, made_at: datetime) -> bytes:
    """R2, every text in a text cell. The caller seals it to the insurer before it is written anywhere."""
    import pandas as pd

    rows = [[safe(value) if isinstance(value, str) else value for value in row] for row in report.rows]
    target = io.BytesIO()
    with pd.ExcelWriter(target, engine="xlsxwriter", engine_kwargs=_OPTIONS) as writer:
        _properties(writer, title, made_at)
        frame = pd.DataFrame(rows, columns=list(report.columns), dtype=object)
        frame.to_excel(writer, sheet_name="Consultations", index=False)
    return target.getvalue()


def safe(text: str) -> str:
    """``text`` as a spreadsheet may hold it: what would begin a formula gets an apostrophe before it.

    >>> safe("=1+1")
    "'=1+1"
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _month_rows(figures: Sequence[Figures], split: Sequence[_Cells]) -> list[dict[str, Cell | float]]:
    counts = _count_rows(figures, split)
    return [_month_row(one, cells) for one, cells in zip(figures, counts, strict=True)]


def _month_row(one: Figures, counts: _Cells) -> dict[str, Cell | float]:
    # Lateness says nothing about health: the share is shown wherever its base is.
    hidden = is_masked(counts["started"]) or one.waiting.count < SMALLEST_SHOWN
    within = SMALL if hidden else round(one.within_guarantee / one.waiting.count, 3)
    row: dict[str, Cell | float] = {**counts, WITHIN: within}
    for name, spread in zip(SPREADS, (one.pick_up, one.waiting, one.treatment), strict=True):
        row |= _spread_cells(name, spread)
    return row


def _count_rows(figures: Sequence[Figures], split: Sequence[_Cells]) -> list[_Cells]:
    """The counts of each organisation, masked group by group so that no difference gives a cell away."""
    counts = [_counts(one) for one in figures]
    rows: list[_Cells] = [{} for _ in figures]
    for names in SUMS:
        cells = masked([[count[name] for name in names] for count in counts], row_sums=True)
        for row, line in zip(rows, cells, strict=True):
            row |= dict(zip(names, line, strict=True))
    for row, outcomes in zip(rows, split, strict=True):
        # The outcomes of a month sum up to the completed: what is hidden there stays hidden here.
        if is_masked(outcomes["sum"]) and not is_masked(row["completed"]):
            row["completed"] = HIDDEN
    return rows


def _counts(one: Figures) -> dict[str, int]:
    return {
        "by referral": one.by_referral,
        "direct": one.received - one.by_referral,
        "received": one.received,
        "no-shows": one.no_shows,
        "otherwise": one.cancelled - one.no_shows,
        "cancelled": one.cancelled,
        "overdue at end": one.overdue_at_end,
        "in time at end": one.open_at_end - one.overdue_at_end,
        "open at end": one.open_at_end,
        "started": one.started,
        "completed": one.completed,
        "time errors": one.time_errors,
    }


def _spread_cells(name: str, spread: Spread) -> dict[str, Cell | float]:
    if spread.count < SMALLEST_SHOWN or spread.median is None or spread.p90 is None:
        return {f"{name} median": SMALL, f"{name} p90": SMALL}
    return {f"{name} median": round(spread.median / 60, 1), f"{name} p90": round(spread.p90 / 60, 1)}


def _outcome_rows(figures: Sequence[Figures], outcomes: Sequence[str]) -> list[_Cells]:
    """Outcomes by organisation with their sums in the last column; every organisation has every column."""
    found = sorted({outcome for one in figures for outcome in one.outcomes}.difference(outcomes))
    names = [*outcomes, *found]
    table = [[one.outcomes.get(name, 0) for name in names] for one in figures]
    cells = masked([[*line, sum(line)] for line in table], row_sums=True)
    return [dict(zip([*names, "sum"], line, strict=True)) for line in cells]


def _properties(writer: "pd.ExcelWriter[Any]", title: str, made_at: datetime) -> None:
    # Fixed properties: the same figures make the same bytes.
    writer.book.set_properties({"title": title, "created": made_at.replace(tzinfo=None)})


def _chart(
    writer: "pd.ExcelWriter[Any]",
    sheet: str,
    frame: "pd.DataFrame",
    columns: Sequence[str],
    title: str,
    *,
    column: int,
    stacked: bool = False,
) -> None:
    """Bars for ``columns`` of the sheet's table, below it; a hidden cell has no bar."""
    chart = writer.book.add_chart({"type": "column", **({"subtype": "stacked"} if stacked else {})})
    last = len(frame)
    for name in columns:
        at = list(frame.columns).index(name) + 1
        chart.add_series(
            {
                "name": [sheet, 0, at],
                "categories": [sheet, 1, 0, last, 0],
                "values": [sheet, 1, at, last, at],
            }
        )
    chart.set_title({"name": title})
    writer.sheets[sheet].insert_chart(last + 3, column, chart)
