"""What every lane's assets share, so that who has learnt one lane has learnt all.

``<lane>/inbox`` is filled by the doors, ``<lane>/outbox`` and ``<lane>/delivered`` are one step (mapping and
sending alternate inside one loop), ``<lane>/ledger`` says day by day whether everything owed has reached its
end. Lanes call these functions; nothing here knows a partner.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from assets.drain.figures import Figures
from assets.drain.run import Ended
from assets.drain.writing import TakenOver
from resources.notices import Notices
from resources.settings import Settings
from resources.store import days, incidents, operators
from resources.store.connect import Connection, connect
from resources.store.days import Day
from resources.store.lanes import NUMBERS
from resources.store.values import State

Result = dg.MaterializeResult[None] | dg.AssetCheckResult

#: Days of the ledger, by arrival, in UTC; today is among them, so that an outage can be mended the same day.
DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="UTC", end_offset=1)

#: The database or the sign-in service away at the start of a run: seconds, and the drain goes on where it was.
RETRY = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL)

#: How a queue is shown, or its beginning.
_QUEUE = re.compile(r"[0-9a-f]{1,16}")

#: Ledger runs at a time: a backfill must never starve a lane.
LEDGERS_AT_ONCE = 2


def inbox(lane: str, description: str, kinds: set[str]) -> dg.AssetSpec:
    """What comes in; the doors fill it, not Dagster."""
    return dg.AssetSpec([lane, "inbox"], group_name=lane, description=description, kinds=kinds)


def drain(
    lane: str,
    *,
    outbox: str,
    delivered: str,
    kinds: set[str],
    run: Callable[[Settings, str, int | None], Ended],
) -> dg.AssetsDefinition:
    """The step that drains the lane. ``run`` does it: settings, run id, and the one queue to work or None."""
    tags = {"lane": lane}

    @dg.multi_asset(
        name=f"{lane}__drain",
        specs=[
            dg.AssetSpec(
                [lane, "outbox"],
                group_name=lane,
                deps=[[lane, "inbox"]],
                description=outbox,
                kinds=kinds,
                tags=tags,
            ),
            dg.AssetSpec(
                [lane, "delivered"],
                group_name=lane,
                deps=[[lane, "outbox"]],
                description=delivered,
                kinds=kinds,
                tags=tags,
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "oldest_waiting", asset=[lane, "delivered"], description="Nothing waits too long."
            ),
            dg.AssetCheckSpec(
                "nothing_held", asset=[lane, "delivered"], description="No queue and no lane is held."
            ),
            dg.AssetCheckSpec(
                "nothing_failed_today", asset=[lane, "delivered"], description="Of today's arrivals."
            ),
        ],
        can_subset=False,
        retry_policy=RETRY,
        config_schema={
            "queue": dg.Field(
                str,
                default_value="",
                description="Work this one queue only: its 12 hex digits, as lists show it.",
            )
        },
    )
    def drain_step(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]):  # type: ignore[no-untyped-def]
        only = context.op_execution_context.op_config["queue"]
        with connect(settings.database_url, "handoff run") as db:
            queue = queue_of(db, only) if only else None
        try:
            figures, how = run(settings, context.run.run_id, queue)
        except TakenOver as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        context.log.info(f"{figures.sent} sent, {sum(figures.outcomes.values())} requests, ended: {how}")
        with connect(settings.database_url, "handoff run") as db:
            yield from _results(db, lane, figures_metadata(figures, how))
            _, recovered = incidents.current(db, [], f"run:{lane}")
        Notices(settings.several("HANDOFF_NOTICE_URLS")).say([], recovered)
        if how == "asked to stop":
            raise dg.Failure("stopped on request; nothing is lost, the next run goes on", allow_retries=False)

    return drain_step


def queue_of(db: Connection, digits: str) -> int:
    """The queue shown with these hex digits; a clear failure when there is none or more than one.

    What was written is not repeated: it may be a chart's id.
    """
    shown = digits.strip().lower()
    found = operators.queues_shown(db, shown) if _QUEUE.fullmatch(shown) else []
    if len(found) != 1:
        how_many = "several queues are" if found else "no queue is"
        text = f"{how_many} shown so: `queue` takes the 12 hex digits of `handoff messages list`"
        raise dg.Failure(text, allow_retries=False)
    return found[0]


def figures_metadata(figures: Figures, how: str) -> dict[str, int | float | str]:
    """What a run counted, as metadata: numbers only."""
    requests = {f"requests_{outcome.name.lower()}": n for outcome, n in sorted(figures.outcomes.items())}
    messages = {f"messages_{state}": n for state, n in sorted(figures.messages.items())}
    return {
        "sent": figures.sent,
        "batches": figures.batches,
        "messages_per_second": round(figures.rate(), 1),
        "door_to_partner_p50_ms": round(figures.quantile(0.5) * 1000, 1),
        "door_to_partner_p99_ms": round(figures.quantile(0.99) * 1000, 1),
        "ended": how,
        **requests,
        **messages,
    }


def _results(db: Connection, lane: str, metadata: dict[str, int | float | str]) -> Iterator[Result]:
    number = NUMBERS[lane]
    now = days.now_of(db, number)
    table = last_day(db, number)
    yield dg.MaterializeResult(
        asset_key=[lane, "outbox"],
        metadata={"waiting": now.waiting, "set_aside": metadata.get("messages_set_aside", 0)},
    )
    yield dg.MaterializeResult(asset_key=[lane, "delivered"], metadata={**metadata, "last_day": table})
    warn = dg.AssetCheckSeverity.WARN
    yield dg.AssetCheckResult(
        asset_key=[lane, "delivered"],
        check_name="oldest_waiting",
        passed=now.oldest_seconds < 3600,
        severity=warn,
        metadata={"oldest_seconds": round(now.oldest_seconds), "waiting": now.waiting},
    )
    yield dg.AssetCheckResult(
        asset_key=[lane, "delivered"],
        check_name="nothing_held",
        passed=now.held == 0 and now.hold is None,
        severity=warn,
        metadata={"held_queues": now.held, "lane_held": now.hold or "no", "partner_away": now.away or "no"},
    )
    yield dg.AssetCheckResult(
        asset_key=[lane, "delivered"],
        check_name="nothing_failed_today",
        passed=now.failed_today == 0,
        severity=warn,
        metadata={"failed_or_set_aside_today": now.failed_today},
    )


def last_day(db: Connection, lane: int) -> dg.MetadataValue:
    """The last 24 hours as a table with small bars."""
    rows = days.by_hour(db, lane)
    most = max((arrived for _, arrived, _, _ in rows), default=0)
    lines = ["| hour (UTC) | arrived | sent | failed | |", "|---|--:|--:|--:|:--|"]
    for hour, arrived, sent, failed in rows:
        bar = "█" * max(1, round(24 * arrived / most)) if arrived else ""
        lines.append(f"| {hour:%d %b %H:00} | {arrived:,} | {sent:,} | {failed:,} | {bar} |")
    return dg.MetadataValue.md("\n".join(lines) if rows else "Nothing arrived in the last 24 hours.")


# -- the ledger --------------------------------------------------------------------------------------------------


class LedgerConfig(dg.Config):
    """What a ledger run may send again before it judges. ``all`` needs a name and a reason."""

    resend: str = "failed"
    by: str = ""
    reason: str = ""


def ledger(lane: str, *, full_state: Sequence[str] = (), wait_seconds: float = 600.0) -> dg.AssetsDefinition:
    """The day's account: green when everything owed for what arrived that day has reached a good end."""

    @dg.asset(
        name="ledger",
        key_prefix=[lane],
        group_name=lane,
        op_tags={"lane": lane},
        deps=[[lane, "delivered"]],
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        kinds={"postgres"},
        description=(
            "Everything owed for what arrived that day has reached its end. A red day has open or failed messages: "
            "backfill it to send the failed ones again."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                "settled", asset=[lane, "ledger"], description="The newest closed day is settled."
            )
        ],
    )
    def ledger_step(  # type: ignore[no-untyped-def]
        context: dg.AssetExecutionContext, config: LedgerConfig, settings: dg.ResourceParam[Settings]
    ):
        day = datetime.strptime(context.partition_key, "%Y-%m-%d").replace(tzinfo=UTC).date()
        who = _who(config, context.run.run_id)
        number = NUMBERS[lane]
        with connect(settings.database_url, "handoff ledger") as db, _turn(db):
            if config.resend != "none":
                done = resend(db, number, day, config.resend, who, full_state)
                context.log.info(f"{done.waiting} sent again, {done.superseded} superseded")
            counted = _wait(db, number, day, wait_seconds if config.resend != "none" else 0.0)
            newest = datetime.now(UTC).date() - timedelta(days=1)
            settled = counted if day == newest else days.day_of(db, number, newest)
        numbers = counted.counts()
        yield dg.AssetCheckResult(
            check_name="settled",
            asset_key=[lane, "ledger"],
            passed=settled.settled,
            metadata={"day": newest.isoformat(), **settled.counts()},
        )
        if not counted.settled:
            context.log_event(
                dg.AssetObservation([lane, "ledger"], metadata=numbers, partition=context.partition_key)
            )
            raise dg.Failure(
                f"{counted.open} open, {counted.failed} failed, {counted.set_aside} set aside",
                metadata=numbers,
                allow_retries=False,
            )
        yield dg.MaterializeResult(asset_key=[lane, "ledger"], metadata=numbers)

    return ledger_step


def _who(config: LedgerConfig, run_id: str) -> operators.Who:
    if config.resend not in ("failed", "all", "none"):
        raise dg.Failure("resend is failed, all or none", allow_retries=False)
    if config.resend == "all" and not (config.by.strip() and config.reason.strip()):
        raise dg.Failure("resend: all needs by and reason; both go into the audit", allow_retries=False)
    return operators.Who(
        config.by or f"Dagster run {run_id}", config.reason or "backfill of the day's ledger"
    )


def resend(
    db: Connection, lane: int, day: date, which: str, who: operators.Who, full_state: Sequence[str]
) -> operators.Reopened:
    """Let the day's failed messages (or all of them) wait again."""
    states = [State.FAILED, State.SET_ASIDE]
    if which == "all":
        states += [State.ACCEPTED, State.DELIVERED]
    messages = operators.messages_of_day(db, lane, *days.ids_of(day), states)
    waiting = superseded = 0
    for start in range(0, len(messages), 5000):
        some = messages[start : start + 5000]
        done = operators.reopen(db, some, who, states=states, full_state=full_state)
        waiting, superseded = waiting + done.waiting, superseded + done.superseded
    return operators.Reopened(waiting, superseded)


def _wait(db: Connection, lane: int, day: date, seconds: float) -> Day:
    """Count the day, waiting for what is on its way, but not for ever."""
    end = time.monotonic() + seconds
    while True:
        counted = days.day_of(db, lane, day)
        if not counted.open or time.monotonic() >= end:
            return counted
        time.sleep(1)


class _turn:
    """One of the ledger's turns, by an advisory lock: the others wait."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        while True:
            for number in range(LEDGERS_AT_ONCE):
                row = self._db.execute("SELECT pg_try_advisory_lock(80, %s)", [number]).fetchone()
                if row and row[0]:
                    self._number = number
                    return
            time.sleep(0.5)

    def __exit__(self, *_: object) -> None:
        self._db.execute("SELECT pg_advisory_unlock(80, %s)", [self._number])
