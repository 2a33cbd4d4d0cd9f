"""The lane pridok in Dagster: what finished consultations owe the insurer, and each month in figures."""

from collections.abc import Mapping
from datetime import date

import dagster as dg

from assets import lane_assets
from assets.code_version import code_version
from assets.drain.run import Ended, drain_singles
from assets.pridok import month, plot, sending
from assets.pridok.clinic import Clinic
from assets.pridok.masking import Cell
from assets.pridok.workbook import SPREADS, WITHIN
from resources.settings import Settings

LANE = sending.NAME
REPORT = "insurer_report"

#: Norwegian months, each from the day after its end on: a month that still runs has no report.
MONTHS = dg.MonthlyPartitionsDefinition(start_date="2026-01", timezone="Europe/Oslo", fmt="%Y-%m")


def run(settings: Settings, run_id: str, queue: int | None) -> Ended:
    """Drain the lane once, or one patient's queue."""
    return drain_singles(settings, sending.lane(settings), run_id=run_id, code=code_version(), only=queue)


@dg.asset(
    name=REPORT,
    key_prefix=[LANE],
    group_name=LANE,
    deps=[[LANE, "inbox"]],
    partitions_def=MONTHS,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
    retry_policy=lane_assets.RETRY,
    tags={"lane": LANE},
    kinds={"postgres", "pandas", "excel"},
    description=(
        "R1, the month in figures: an Excel workbook made from times and counters, small cells masked, no result "
        "opened. It is kept sealed and fetched from the page Reports; what is shown here are all organisations "
        "together."
    ),
)
def insurer_report(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """Make and keep the month's workbook; counts and plots are all that Dagster sees of it."""
    clinic = Clinic(settings)
    try:
        made = month.make(clinic, date.fromisoformat(f"{context.partition_key}-01"))
    finally:
        clinic.close()
    context.log.info(f"report {made.id} is kept; it is fetched from the page Reports")
    return dg.MaterializeResult(metadata=report_metadata(made))


def report_metadata(made: month.Made) -> dict[str, dg.MetadataValue | int | float]:
    """The month's figures as numbers, which Dagster plots month by month, and as three pictures."""
    spreads = [f"{name} {point}" for name in SPREADS for point in ("median", "p90")]
    minutes = {name: made.figures[name] for name in spreads}
    volume = {name: cell for name, cell in made.figures.items() if name not in (*spreads, WITHIN)}
    outcomes = {name: cell for name, cell in made.outcomes.items() if name != "sum"}
    pictures: dict[str, Mapping[str, Cell | float]] = {
        "Volume": volume,
        "Minutes": minutes,
        "Outcomes": outcomes,
    }
    numbers = {
        **plot.shown({_member(name): cell for name, cell in made.figures.items()}),
        **plot.shown({f"outcome_{_member(name)}": cell for name, cell in outcomes.items()}),
    }
    return {
        **{
            f"plot_{title.lower()}": dg.MetadataValue.md(plot.markdown(plot.bars(title, cells), title))
            for title, cells in pictures.items()
        },
        **numbers,
        "report_id": dg.MetadataValue.text(str(made.id)),
        "workbook_bytes": made.size,
    }


def _member(name: str) -> str:
    """A column's name as metadata is named: the share without what explains it."""
    return name.partition(" (")[0].replace(" ", "_").replace("-", "_")


ASSETS: list[dg.AssetSpec | dg.AssetsDefinition] = [
    lane_assets.inbox(
        LANE,
        "That a referral came (it is sealed to the clinic), and the insurer's message of each finished consultation.",
        {"json", "postgres"},
    ),
    lane_assets.drain(
        LANE,
        outbox="Each finished consultation's message, sealed to the insurer before it was stored.",
        delivered="Messages the insurer has taken. A consultation that is not finished is not owed yet.",
        kinds={"json", "postgres"},
        run=run,
    ),
    lane_assets.ledger(LANE),
    insurer_report,
]
