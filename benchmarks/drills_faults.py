"""The partner at its worst: everything that may go wrong with a request, played together, and nothing doubled."""

import random
import threading
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks.drills_stack import LANE, Stack, check, events, running, wait

EVENTS = 20_000
DUPLICATES = 0.1
AWAY_SECONDS = 60.0

#: Submissions only; questions have faults of their own.
UPLOAD = "POST /api/reports"

FAULTS = [
    {"status": 504, "take": True, "times": 5, "effect_after_seconds": 5, "match": UPLOAD},
    {"status": 0, "take": True, "times": 2, "match": UPLOAD},
    {"status": 0, "take": False, "times": 3, "match": UPLOAD},
    {"status": 400, "items": 3, "match": UPLOAD},
    {"status": 400, "items": 0, "match": UPLOAD},
    {"status": 429, "retry_after": 3, "match": UPLOAD},
    {"status": 500, "take": True, "times": 2, "match": UPLOAD},
    {"status": 201, "take": True, "body": "not JSON", "times": 2, "match": UPLOAD},
    {"status": 503, "times": 3, "match": "GET .*submissions"},
    {"status": 504, "times": 3, "match": "GET .*history"},
]


def everything_at_once(count: int = EVENTS, away: float = AWAY_SECONDS) -> dict[str, Any]:
    """20,000 events with repeats while the partner plays every fault: each valid one is taken exactly once."""
    with running("faults") as stack:
        made = events(stack.root, count, "faults")
        stack.faults({"status": 503, "times": -1})
        sender = threading.Thread(target=_send, args=(stack, made))
        started = time.monotonic()
        sender.start()
        time.sleep(away)
        check(not stack.records(), "the partner took something while it was away")
        stack.mend()
        stack.faults(*FAULTS)
        sender.join(300)
        check(not sender.is_alive(), "the door did not take all events within five minutes")
        wait(lambda: sum(stack.states().values()) == count, 30, "events are missing in the store")
        wait(stack.settled, 300, "not everything has come to its end", every=0.5)
        took = time.monotonic() - started
        return {"seconds_to_settle": round(took, 1), **_judge(stack, made)}


def _send(stack: Stack, made: list[dict[str, Any]]) -> None:
    """Everything in its order, in requests of many sizes, a tenth of it twice."""
    chance = random.Random(7)
    token = stack.token()
    at = 0
    while at < len(made):
        some = made[at : at + chance.choice((1, 20, 100, 400))]
        stack.send(some, token)
        if chance.random() < DUPLICATES:
            stack.send(some, token)
        at += len(some)
        time.sleep(0.05)


def _judge(stack: Stack, made: list[dict[str, Any]]) -> dict[str, Any]:
    records = stack.records()
    failed, aside = stack.ids_of(3), stack.ids_of(7)
    named = {
        message
        for (message,) in stack.rows("SELECT arrival FROM ended WHERE state = 3 AND reason LIKE 'refused:%%'")
    }
    doubles = [event for event, times in records.items() if times > 1]
    owed = {event["event_id"] for event in made} - aside
    untaken = owed - set(records)
    check(not doubles, f"{len(doubles)} results were taken more than once")
    check(not aside, f"{len(aside)} events were set aside")
    check(untaken <= failed, f"{len(untaken - failed)} events are lost")
    check(
        len(untaken) == len(named) == 3, f"{len(untaken)} not taken, {len(named)} refused by name: 3 of each"
    )
    for message in named:
        check(
            any(b"not valid" in answer for answer in stack.answers_about(message)),
            "the partner's words about a refused event are not in the store",
        )
    day = datetime.now(UTC).date().isoformat()
    ended = stack.dagster.finish(stack.dagster.judge(LANE, day, resend="none"))
    check(ended == "FAILURE", f"the ledger of a day with failed events ended {ended}")
    requests = stack.requests()
    uploads = [one for one in requests if one["method"] == "POST"]
    return {
        "events": len(made),
        "doubles": 0,
        "failed": len(failed),
        "states": stack.states(),
        "uploads": len(uploads),
        "questions": len(requests) - len(uploads),
    }
