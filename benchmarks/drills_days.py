"""An outage longer than the retry plan: the day turns red, a backfill sends what failed, and only people send again."""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg

from benchmarks.drills_stack import LANE, Stack, check, events, running, wait
from resources.store.ids import first_id, moment
from resources.store.lanes import NUMBERS

LEDGER = [LANE, "ledger"]
OTHERS = 7


def an_outage_longer_than_the_plan(count: int = 300) -> dict[str, Any]:
    """Red, mended by "failed and missing", green; another red day stays red, and no clock sends anything again."""
    given = {
        "HANDOFF_RETRY_PLAN": "0.5,0.5",
        "HANDOFF_BREAKER_AFTER": "0",
        "REPORTSTREAM_SETTLE_SECONDS": "1",
    }
    with running("days", **given) as stack:
        made = events(stack.root, count, "days", changes=0)
        # Questions are answered: what is in doubt and cannot be asked about never fails, it waits.
        stack.faults({"status": 503, "times": -1, "match": "POST /api/reports"})
        stack.send(made, stack.token())
        wait(lambda: stack.states().get("failed") == count, 120, "the messages have not failed")
        today = moment(int(stack.rows("SELECT min(id) FROM inbox")[0][0])).date()
        before = today - timedelta(days=1)
        _fail_something(stack, before)
        for day in (before, today):
            check(_judged(stack, day, resend="none") == "FAILURE", "a day with failed messages is not red")
        colours = stack.dagster.partitions(LEDGER)
        check(set(colours.values()) == {"FAILED"} and len(colours) == 2, f"not red: {colours}")
        stack.mend()
        took = _backfilled(stack, today)
        _once(stack, made, 1)
        _the_schedule_sends_nothing(stack, made, today)
        _all_needs_a_name_and_a_reason(stack, made, today)
        return {"events": count, "green_after_seconds": round(took, 1), "doubles": 0}


def _fail_something(stack: Stack, day: date) -> None:
    """Messages of another day that have failed too."""
    first = first_id(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    options = "-c search_path=handoff"
    with closing(psycopg.connect(stack.cluster.owner_url, autocommit=True, options=options)) as db:
        for number in range(OTHERS):
            arrival = first + 8 * number
            db.execute(
                "INSERT INTO inbox (id, lane, kind, body) VALUES (%s, %s, 'test_event', '')",
                [arrival, NUMBERS[LANE]],
            )
            db.execute(
                "INSERT INTO ended (arrival, part, lane, state, queue, seq, attempts) VALUES (%s, 0, %s, 3, %s, 1, 6)",
                [arrival, NUMBERS[LANE], number],
            )


def _judged(stack: Stack, day: date, **config: str) -> str:
    return stack.dagster.finish(stack.dagster.judge(LANE, day.isoformat(), **config))


def _backfilled(stack: Stack, day: date) -> float:
    """What the operator does: the day's partition, "failed and missing only"."""
    backfill = stack.dagster.backfill(LEDGER, [day.isoformat()])
    took = wait(
        lambda: stack.dagster.partitions(LEDGER).get(day.isoformat()) == "MATERIALIZED",
        180,
        "the backfilled day is not green",
        every=0.5,
    )
    state = stack.dagster.backfill_state(backfill)
    check("FAIL" not in state, f"the backfill has ended {state}")
    other = stack.dagster.partitions(LEDGER)[(day - timedelta(days=1)).isoformat()]
    check(other == "FAILED", f"the other red day is {other}")
    return took


def _once(stack: Stack, made: list[dict[str, Any]], times: int) -> None:
    records = stack.records()
    check(
        set(records) == {event["event_id"] for event in made}, "the partner has other events than were sent"
    )
    check(set(records.values()) == {times}, f"not every event was taken {times} times")


def _the_schedule_sends_nothing(stack: Stack, made: list[dict[str, Any]], today: date) -> None:
    """Tomorrow's tick judges the red day again, and today; neither sends."""
    at = datetime(today.year, today.month, today.day, 0, 15, tzinfo=UTC) + timedelta(days=1)
    asked = stack.dagster.schedule(f"{LANE}_ledger_daily", at.timestamp())
    check(asked, "the daily schedule asks for nothing")
    check(all("resend: none" in one["runConfigYaml"] for one in asked), "the daily schedule would send again")
    days = {tag["value"] for one in asked for tag in one["tags"] if tag["key"] == "dagster/partition"}
    before = today - timedelta(days=1)
    check(days >= {today.isoformat(), before.isoformat()}, f"the daily schedule judges {sorted(days)}")
    check(_judged(stack, before, resend="none") == "FAILURE", "the red day has become green by being judged")
    failed = stack.rows("SELECT count(*) FROM ended WHERE state = 3")[0][0]
    check(failed == OTHERS, f"{failed} failed messages are left, not {OTHERS}")
    _once(stack, made, 1)


def _all_needs_a_name_and_a_reason(stack: Stack, made: list[dict[str, Any]], today: date) -> None:
    for config in ({}, {"by": "Ada"}, {"reason": "asked to"}):
        ended = _judged(stack, today, resend="all", **config)
        check(ended == "FAILURE", f"resend all without name or reason ended {ended}")
    _once(stack, made, 1)
    ended = _judged(stack, today, resend="all", by="Ada", reason="the department asked for the day again")
    check(ended == "SUCCESS", f"resend all by somebody for a reason ended {ended}")
    _once(stack, made, 2)
    told = stack.rows("SELECT count(*) FROM audit WHERE who = 'Ada' AND reason LIKE 'the department%%'")[0][0]
    check(told, "the audit does not say who sent everything again")
