"""``drain_batch``, ``latency_*``, ``run_per_message``: the lane reportstream as it runs, in real Dagster runs.

The sandbox counts the rows of an upload and looks no closer: it shares the two cores. Batches have no window here.
"""

import asyncio
import csv
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from benchmarks.events import Events
from benchmarks.house import Heaviest, House, up, wait_for
from benchmarks.lines import Line, tell
from benchmarks.place import Place
from resources.store.lanes import NUMBERS

LANE, NUMBER = "reportstream", NUMBERS["reportstream"]
DOOR = "/intake/reportstream/test-events"
NAIVE = {"python_module": {"module_name": "benchmarks.naive", "location_name": "naive"}}

#: A lane that has asked for a run asks for no other one within this time.
ASKED_SECONDS = 21.0
#: What goes before the events that count: connections are made, statements prepared.
WARM_UP = 50
PARTS = {"p50": 0.5, "p99": 0.99}

#: Both by their small partial indexes: a question asked while something is measured.
_WAITS = """
SELECT EXISTS (SELECT 1 FROM queue WHERE lane = 1 AND lease IS NULL AND ready_at < 'infinity')
    OR EXISTS (SELECT 1 FROM queue WHERE lease IS NOT NULL)
"""
_SENT = """
SELECT extract(epoch FROM max(at) - (SELECT min(started_at) FROM drain WHERE lane = %s))::float8, count(*)
  FROM ended WHERE lane = %s AND state IN (1, 2)
"""


def measure(place: Place) -> Iterator[Line]:
    """All of them in one house, which takes as long to come up as all of them take."""
    if place.full:
        return house(place, waiting=1_000_000, warm=3_000, cold=10, runs=20)
    return house(place, waiting=60_000, warm=500, cold=3, runs=20)


def house(place: Place, *, waiting: int, warm: int, cold: int, runs: int) -> Iterator[Line]:
    """With so many events waiting, so many sent at their pace, cold starts and runs of one message."""
    full_store = place.wants("drain_batch")
    if full_store:
        tell(f"  storing {waiting} events")
        place.receive(Events(), waiting)
        place.tidy()
        with place.connect() as db:
            db.execute("UPDATE lane SET hold = 'until all is up' WHERE number = %s", [NUMBER])
    with up(place, locations=[NAIVE]) as one:
        settings = one.url("HANDOFF_SANDBOX_PORT", f"/_sandbox/{LANE}/settings")
        one.http.post(settings, json={"checks": "rows"}).raise_for_status()
        if full_store:
            yield drained(one, waiting)
        one.forget(LANE)
        if warm and any(place.wants(f"latency_warm_{name}") for name in PARTS):
            yield from warm_latency(one, warm)
        if cold and place.wants("latency_cold_p50"):
            yield cold_latency(one, cold)
        if runs and place.wants("run_per_message"):
            yield run_per_message(one, runs)


def drained(one: House, waiting: int) -> Line:
    """From the moment the run has registered until the last event is recorded as accepted."""
    with Heaviest(one.supervisor.pid("code-server")) as heaviest, one.place.connect() as db:
        # As if the sensor had just asked: it would launch a second run beside this one.
        db.execute("UPDATE lane SET hold = NULL, asked_at = now() WHERE number = %s", [NUMBER])
        one.launch(LANE)
        wait_for(lambda: not db.execute(_WAITS).fetchall()[0][0], 60 + waiting / 2_000, every=0.5)
        wait_for(lambda: not one.live(NUMBER), 60)
        seconds, ended = db.execute(_SENT, [NUMBER, NUMBER]).fetchall()[0]
    if ended < waiting:
        raise RuntimeError(f"{ended} of {waiting} events were sent")
    also = {"waiting": waiting, "memory_mb": round(heaviest.megabytes)}
    return Line(bench="drain_batch", value=waiting / seconds, unit="events/s", also=also)


def warm_latency(one: House, number: int) -> Iterator[Line]:
    """Fifty events a second, from the first byte to the door until the partner has read the upload."""
    _until_received(one, set(asyncio.run(_at_a_pace(one, 1, 1.0))))  # from here on a run is there
    sent = asyncio.run(_at_a_pace(one, number + WARM_UP, 50.0))
    taken = _until_received(one, set(sent))
    counted = sorted(taken[key] - at for key, at in list(sent.items())[WARM_UP:])
    for name, part in PARTS.items():
        value = counted[int(part * len(counted))] * 1000
        yield Line(bench=f"latency_warm_{name}", value=value, unit="ms", also={"events": number})


async def _at_a_pace(one: House, number: int, rate: float) -> dict[str, float]:
    """Send so many events over eight connections; when each began, by its id."""
    port, token = one.place.port("HANDOFF_WEB_PORT"), one.place.settings.text("HANDOFF_TOKENS_REPORTSTREAM")
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(8):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    events, began = Events(), time.monotonic()
    sent: dict[str, float] = {}

    async def post(event_id: str, raw: bytes) -> None:
        reader, writer = await free.get()
        sent[event_id] = time.time()
        writer.write(_request(token, raw))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 202"):
            raise RuntimeError("the door did not take an event")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
        free.put_nowait((reader, writer))

    async with asyncio.TaskGroup() as posts:
        for nth in range(number):
            raw = events.one()
            await asyncio.sleep(max(0.0, began + nth / rate - time.monotonic()))
            posts.create_task(post(_id_of(raw), raw))
    while not free.empty():
        _, writer = free.get_nowait()
        writer.close()
        await writer.wait_closed()
    return sent


def _request(token: str, raw: bytes) -> bytes:
    head = (
        f"POST {DOOR} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw


def _id_of(raw: bytes) -> str:
    return raw.partition(b'"event_id": "')[2].partition(b'"')[0].decode()


def _until_received(one: House, wanted: set[str], seconds: float = 60.0) -> dict[str, float]:
    """When the partner had each of these events."""
    found: dict[str, float] = {}

    def all_there() -> bool:
        for upload in one.received(LANE, bodies=True):
            if upload["method"] == "POST" and "/api/reports" in upload["path"]:
                at = datetime.fromisoformat(upload["at"]).timestamp()
                rows = csv.DictReader(upload["body"].splitlines())
                found.update({row["Result_ID"]: at for row in rows if row["Result_ID"] not in found})
        return wanted <= found.keys()

    wait_for(all_there, seconds, every=1.0)
    return found


def cold_latency(one: House, times: int) -> Line:
    """One event into a lane where no run is alive and none was asked for lately."""
    taken = []
    for _ in range(times):
        wait_for(lambda: not one.live(NUMBER), 60)
        time.sleep(ASKED_SECONDS)
        one.forget(LANE)
        sent = asyncio.run(_at_a_pace(one, 1, 1.0))
        found = _until_received(one, set(sent))
        taken += [found[key] - at for key, at in sent.items()]
    value = statistics.median(taken) * 1000
    return Line(bench="latency_cold_p50", value=value, unit="ms", also={"events": times})


def run_per_message(one: House, number: int) -> Line:
    """So many runs of one message each, asked for at once."""
    one.forget(LANE)
    events = Events().some(number)
    began = time.time()
    with ThreadPoolExecutor(number) as threads:
        launched = [
            threads.submit(
                one.launch, "one_message", {"ops": {"send_one": {"config": {"event": raw.decode()}}}}, "naive"
            )
            for raw in events
        ]
        for launch in launched:
            launch.result()
    found = _until_received(one, {_id_of(raw) for raw in events}, 120.0)
    seconds = max(found.values()) - began
    return Line(bench="run_per_message", value=number / seconds, unit="events/s", also={"messages": number})
