"""Kill -9 of every part in turn while events flow, two runs at once, a mapping deployed under a running lane."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.drills_stack import LANE, Stack, check, events, running, wait

PARTS = ("run", "web", "daemon", "code-server", "location", "dagster", "postgres", "everything")

#: Sending must go on this soon after a part has died, without a person.
BACK_SECONDS = 30.0

#: A deployed mapping must be in force this soon.
DEPLOYED_SECONDS = 15.0


class Feed:
    """A sender that never stops: some events, again and again until the door has them."""

    def __init__(self, stack: Stack, made: list[dict[str, Any]], some: int, pause: float) -> None:
        self._stack, self._made, self._some, self._pause = stack, made, some, pause
        self._token = stack.token()
        self._stop = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        #: What the door has answered for, and when.
        self.sent: list[tuple[float, str]] = []

    def _run(self) -> None:
        try:
            for at in range(0, len(self._made), self._some):
                if self._stop.is_set():
                    return
                some = self._made[at : at + self._some]
                self._stack.send(some, self._token, patience=120.0)
                self.sent += [(time.monotonic(), event["event_id"]) for event in some]
                time.sleep(self._pause)
        except BaseException as error:
            self._fault = error

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after what is under way."""
        self._stop.set()
        self._thread.join(150)
        check(not self._thread.is_alive(), "the sender did not come to its end")
        check(self._fault is None, f"the sender failed: {self._fault}")

    def first_after(self, moment: float) -> str | None:
        """The first event the door took after a moment."""
        return next((event for at, event in self.sent if at > moment), None)


@contextmanager
def fed(stack: Stack, count: int, *, some: int = 5, pause: float = 0.1) -> Iterator[Feed]:
    """A feed for as long as the block runs."""
    feed = Feed(stack, events(stack.root, count, stack.root.name), some, pause)
    feed.start()
    try:
        wait(stack.records, 60, "nothing arrives at the partner")
        yield feed
    finally:
        feed.stop()


def one_after_the_other(rounds: int = 2) -> dict[str, Any]:
    """Every part is killed at a random moment, each time under traffic; nothing is lost, nothing goes twice."""
    chance = random.Random()
    back: dict[str, float] = {}
    with running("kills") as stack:
        # Every upload is taken and answered a while later: most kills leave one in doubt.
        stack.faults({"delay_seconds": 0.7, "times": -1, "match": "POST /api/reports"})
        with fed(stack, 200_000) as feed:
            for part in PARTS * rounds:
                time.sleep(2 + 6 * chance.random())
                back[part] = max(back.get(part, 0.0), round(_kill(stack, feed, part), 1))
        done = _once(stack, feed)
        in_doubt = stack.rows("SELECT count(*) FROM attempt WHERE outcome IN (5, 6)")[0][0]
    slow = {part: seconds for part, seconds in back.items() if seconds > BACK_SECONDS}
    check(not slow, f"sending went on only after {slow} seconds")
    return {"back_after_seconds": back, "questions": in_doubt, **done}


def _kill(stack: Stack, feed: Feed, part: str) -> float:
    """Kill it; seconds until an event handed in afterwards is at the partner."""
    if part == "run":
        wait(lambda: stack.pids("run"), 30, "no run drains the lane")
    check(stack.kill(part), f"no process of {part}")
    moment = time.monotonic()
    if part == "everything":
        stack.start()
        moment = time.monotonic()
    wait(lambda: feed.first_after(moment), 90, f"after {part} was killed the door takes nothing")
    first = feed.first_after(moment)
    wait(lambda: first in stack.records(), 90, f"after {part} was killed nothing is sent")
    return time.monotonic() - moment


def _once(stack: Stack, feed: Feed) -> dict[str, Any]:
    """Whatever the door has answered for is at the partner, once."""
    wait(stack.settled, 180, "not everything has come to its end", every=0.5)
    records = stack.records()
    owed = {event for _, event in feed.sent}
    doubles = sum(times > 1 for times in records.values())
    check(not doubles, f"{doubles} results were taken more than once")
    check(not owed - set(records), f"{len(owed - set(records))} events are lost")
    found = stack.states()
    check(set(found) == {"delivered"}, f"not all are delivered: {found}")
    return {"events": len(owed), "doubles": 0, "uploads": len(stack.requests())}


def two_drains(count: int = 6_000) -> dict[str, Any]:
    """Four runs launched at once share the lane; nothing goes twice."""
    most = 0
    with running("two_drains") as stack:
        with fed(stack, count, some=60, pause=0.05) as feed:
            for _ in range(4):
                stack.dagster.launch(LANE)
                most = max(most, stack.drains())
            end = time.monotonic() + 90
            while len(feed.sent) < count and time.monotonic() < end:
                most = max(most, stack.drains())
                time.sleep(0.2)
        check(most >= 2, f"{most} runs drained the lane at once")
        return {"drains": most, **_once(stack, feed)}


MAPPING = """

_row_before = row


def row(*values, **named):  # type: ignore[no-untyped-def]
    cells = list(_row_before(*values, **named))
    cells[COLUMNS.index("Patient_street_2")] = "DEPLOYED"
    return cells
"""


def a_changed_mapping(count: int = 2_000) -> dict[str, Any]:
    """A mapping is changed and loaded while a run lingers; the next events are mapped by it."""
    with running("deploy") as stack:
        with fed(stack, count, some=1, pause=0.3) as feed:
            wait(lambda: stack.drains() == 1, 60, "no run drains the lane")
            time.sleep(8)  # past the first heartbeats, at rest
            with (stack.root / "assets" / "reportstream" / "mapping.py").open("a") as mapping:
                mapping.write(MAPPING)
            started = time.monotonic()
            check(stack.dagster.reload() == "RepositoryLocation", "the location does not load")
            wait(
                lambda: _deployed(stack), 60, "the changed mapping is not in force after a minute", every=0.2
            )
            took = time.monotonic() - started
        done = _once(stack, feed)
    check(took <= DEPLOYED_SECONDS, f"the changed mapping was in force after {took:.1f} s")
    return {"in_force_after_seconds": round(took, 1), **done}


def _deployed(stack: Stack) -> bool:
    uploads = [one for one in stack.requests(bodies=True) if one["method"] == "POST"]
    return any("DEPLOYED" in (one.get("body") or "") for one in uploads[-3:])
