"""The lane elation in bad weather: faults of every kind, killed runs, a partner away, two runs at once.

How a whole Handoff is started and broken stands in ``drills_stack``, the traffic and what must hold in
``elation_traffic``.
"""

import random
import subprocess
import sys
import threading
import time
from typing import Any

from benchmarks import drain_single, sink
from benchmarks import elation_traffic as traffic
from benchmarks.drills_stack import Stack, check, running, wait
from benchmarks.elation_traffic import Ends, Storm, Traffic
from benchmarks.place import Place, made
from handoff.environment import ROOT, state_of
from handoff.ports import free_port
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer

LANE = "elation"
NUMBER = NUMBERS[LANE]

#: Short waits, and more of them than the default plan has: a storm is dense.
QUICK = {
    "HANDOFF_RETRY_PLAN": "0.5,1,1,2,2,2,2,2,2,2,2,2",
    "ELATION_SETTLE_SECONDS": "3",
    "ELATION_TIMEOUT_SECONDS": "3",
    "HANDOFF_LINGER_SECONDS": "5",
}
#: An hour as a minute: the default plan, a sixtieth of it.
MINUTES = {
    "HANDOFF_RETRY_PLAN": "0.1,1,12,60,240",
    "ELATION_SETTLE_SECONDS": "1",
    "ELATION_TIMEOUT_SECONDS": "3",
}


def settings(**changed: str) -> dict[str, str]:
    """What leads the lane to a sandbox on a port that is chosen here."""
    port = str(free_port())
    there = {"HANDOFF_SANDBOX_PORT": port, "ELATION_URL": f"http://127.0.0.1:{port}{traffic.API}"}
    return {**traffic.SETTINGS, **there, **changed}


def ends_of(stack: Stack) -> Ends:
    """Where the traffic goes in and comes out."""
    return Ends(
        web=f"http://127.0.0.1:{stack.port('HANDOFF_WEB_PORT')}",
        token=stack.secrets()["HANDOFF_TOKENS_ELATION"].split(",")[0],
        sender_url=stack.cluster.sender_url,
        sandbox=f"http://127.0.0.1:{stack.port('HANDOFF_SANDBOX_PORT')}",
    )


def states(stack: Stack) -> dict[int, int]:
    """Ended messages by state; 0 is what waits, in the door too."""
    ended = dict(stack.rows("SELECT state, count(*) FROM ended WHERE lane = %s GROUP BY state", NUMBER))
    waiting = stack.rows(
        "SELECT (SELECT count(*) FROM work WHERE lane = %s) + (SELECT count(*) FROM door)", NUMBER
    )
    return {0: waiting[0][0], **ended}


def settled(stack: Stack, sent: Traffic) -> bool:
    """Everything owed has come to its end: two calls an event."""
    found = states(stack)
    return found[0] == 0 and sum(found.values()) == 2 * sent.events


def failed(stack: Stack, sent: Traffic) -> list[tuple[str, int]]:
    """What has failed, by the sender's id and part."""
    values = stack.secrets()
    from resources.settings import Settings

    sealer = Sealer(Settings(values).keys)
    names = {sealer.name(LANE, event): event for event in sent.by_id()}
    rows = stack.rows(
        "SELECT s.name, e.part FROM ended AS e JOIN seen AS s USING (arrival) WHERE e.state = 3"
    )
    return traffic.event_ids([(bytes(name), part) for name, part in rows], names)


def in_order_once_and_whole(charts: int = 500, events: int = 5_000, kills: int = 10) -> dict[str, Any]:
    """Both doors, every fault that may be tried again, 1 % refusals, and the run killed ten times."""
    sent = traffic.made("storm", charts, events)
    with running("elation_storm", **settings(**QUICK)) as stack:
        ends = ends_of(stack)
        sender = threading.Thread(target=traffic.send, args=(ends, sent), kwargs={"pause": 0.4})
        began = time.monotonic()
        with Storm(ends, every=0.1, refusals=events // 100) as storm:
            sender.start()
            killed = _kill(stack, kills)
            sender.join(300)
            wait(lambda: not storm.refusals, 60, "not all refusals were dealt out")
        check(not sender.is_alive(), "the doors did not take all events within five minutes")
        wait(lambda: settled(stack, sent), 300, "not everything has come to its end", every=0.5)
        took = time.monotonic() - began
        gone = failed(stack, sent)
        told = traffic.judge(ends, sent, gone)
        health = traffic.Health(ends.sandbox)
        repeats = traffic.doubled(health.received())
        health.close()
        check(not repeats, f"{repeats} charts were created twice")
        exhausted = stack.rows("SELECT count(*) FROM ended WHERE state = 3 AND reason LIKE 'given up%%'")[0][
            0
        ]
        check(not exhausted, f"{exhausted} messages were given up")
        return {**told, "kills": killed, "faults": storm.played, "seconds_to_settle": round(took, 1)}


def _kill(stack: Stack, kills: int) -> int:
    chance = random.Random(3)
    killed = 0
    end = time.monotonic() + 30 * kills
    while killed < kills and time.monotonic() < end:
        time.sleep(chance.uniform(0.5, 4.0))
        killed += bool(_at_work(stack) and stack.kill("run"))
    check(killed == kills, f"only {killed} of {kills} runs could be killed")
    return killed


def _at_work(stack: Stack) -> bool:
    """A run lives and something waits."""
    lives = (
        "SELECT EXISTS (SELECT 1 FROM drain WHERE lane = %s AND ended_at IS NULL AND beat_at > now() - interval '5 s')"
        " AND EXISTS (SELECT 1 FROM work WHERE lane = %s)"
    )
    return bool(stack.rows(lives, NUMBER, NUMBER)[0][0])


def an_hour_away(charts: int = 1_000, seconds: float = 60.0) -> dict[str, Any]:
    """Elation answers 503 for an hour, which is a minute here; nothing fails and everything arrives."""
    sent = traffic.made("away", charts, charts)
    with running("elation_away", **settings(**MINUTES)) as stack:
        ends = ends_of(stack)
        desk = f"{ends.sandbox}/_sandbox/elation"
        stack.http.post(f"{desk}/faults", json={"status": 503, "times": -1}).raise_for_status()
        began = time.monotonic()
        traffic.send(ends, sent)
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        found = states(stack)
        check(set(found) == {0}, "something has come to its end while the partner was away")
        most = stack.rows("SELECT max(attempts) FROM work")[0][0]
        stack.http.delete(desk).raise_for_status()
        back = wait(lambda: settled(stack, sent), 240, "not everything arrived afterwards", every=0.5)
        check(states(stack).get(2) == 2 * sent.events, "not everything was delivered")
        return {**traffic.judge(ends, sent, []), "most_attempts": most, "seconds_to_settle": round(back, 1)}


def two_runs(messages: int = 10_000) -> dict[str, Any]:
    """Two runs in two processes share the lane: order kept, nothing doubled, at least half again as fast."""
    with made(state_of(ROOT) / "drills") as place, sink.serving(50) as url:
        one = _together(place, url, 1, messages)
        two = _together(place, url, 2, messages)
    check(two >= 1.5 * one, f"two runs send {two:.0f} a second, one sends {one:.0f}")
    return {"one": round(one), "two": round(two), "ratio": round(two / one, 2)}


def _together(place: Place, url: str, runs: int, messages: int) -> float:
    """Messages a second of so many processes, 64 requests each, by the store's own account."""
    place.empty()
    drain_single.fill_with(place.settings, messages)
    words = [sys.executable, "-m", "benchmarks.drain_single", url, "64"]
    environment = {**place.values}
    started = [subprocess.Popen(words, env=environment, cwd=ROOT) for _ in range(runs)]
    for process in started:
        check(process.wait(300) == 0, "a run has failed")
    with place.connect() as db:
        row: Any = db.execute(
            """
            WITH a AS (SELECT e.queue, e.seq, a.at, a.lease FROM attempt AS a JOIN ended AS e ON e.arrival = a.message),
            o AS (SELECT lag(at) OVER (PARTITION BY queue ORDER BY seq) >= at AS behind FROM a)
            SELECT count(*), (SELECT count(*) FILTER (WHERE behind) FROM o), count(DISTINCT lease),
                   extract(epoch FROM max(at) - min(at))::float8 FROM a
            """
        ).fetchone()
    attempts, behind, leases, seconds = row
    check(attempts == messages, f"{attempts} attempts for {messages} messages")
    check(not behind, f"{behind} messages went out of order")
    check(leases == runs, f"{leases} of {runs} runs took part")
    return messages / float(seconds)
