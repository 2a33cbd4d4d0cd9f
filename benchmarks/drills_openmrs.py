"""Days and months without a network, caught up by runs that are killed: nothing is lost, doubled or silent."""

import random
import time
from collections import Counter, defaultdict
from typing import Any

from assets.openmrs import hints, remembering
from assets.openmrs.canonical import canonical
from assets.openmrs.events import Key, Side
from assets.openmrs.merge import changes
from assets.openmrs.reconcile import Conflict
from assets.openmrs.records import patient_of, references
from assets.openmrs.states import RecordState
from benchmarks.drills_stack import check
from benchmarks.openmrs_days import CHILDREN, PARENT, TOWNS, Hospitals, People, Record, hospitals
from resources.store.sync_feeds import feeds_now
from resources.store.sync_records import TABLE

#: Outcomes after which a record is not expected to be alike: a person is asked, or it waits for one that is.
HELD = ("conflict", "parked", "refused")


def three_days(hours: int = 72, changes_an_hour: int = 15, kills: int = 20, seed: int = 11) -> dict[str, Any]:
    """Two clinics and their parent work for three days without a network and come back one after the other."""
    chance = random.Random(seed)
    with hospitals() as at:
        for town in ("Kananga", "Tshikapa", "Kampala"):
            at.lever(PARENT, "sample", patients=40, city=town)
        at.settle()
        _judge(at)
        for child in CHILDREN.values():
            at.lever(child, "settings", offline=True)
        people = People(at, seed)
        for hour in range(hours):
            people.hour(hour, hours, changes_an_hour)
        began = time.monotonic()
        killed = 0
        for number, child in enumerate(chance.sample(list(CHILDREN.values()), len(CHILDREN)), start=1):
            at.lever(child, "settings", offline=False)
            while killed < number * kills // len(CHILDREN):
                check(time.monotonic() - began < 600, "the runs could not be killed often enough")
                killed += at.run_killed(chance.uniform(0.05, 2.5))
        runs = at.settle()
        took = time.monotonic() - began
        found = _judge(at)
        idle = _idle(at)
        decided: list[int] = []
        while asked := _decide_all(at, chance):
            # A decision about one clinic's change may meet what the other clinic has said meanwhile.
            check(len(decided) < 6, f"conflicts come back whatever is decided: {decided}, {asked}")
            decided.append(asked)
            at.settle()
        left = _judge(at)
        idle += _idle(at)
        return {
            "changes": sum(people.done.values()),
            "kinds": dict(people.done),
            "kills": killed,
            "runs_after": runs,
            "seconds_to_settle": round(took, 1),
            **found,
            "idle_writes": idle,
            "decided": decided,
            "held_after": left["why"],
            "refusals": [
                one for (one,) in at.rows("SELECT reason FROM sync_record WHERE outcome = 'refused'")
            ],
        }


def _idle(at: Hospitals) -> int:
    """Ten more cycles write nothing."""
    at.forget()
    for _ in range(10):
        at.run()
    writes = at.writes()
    check(not writes, f"idle cycles wrote {Counter(writes)}")
    return len(writes)


# -- judging ---------------------------------------------------------------------------------------------------


def _states(at: Hospitals) -> list[tuple[str, str, RecordState, Conflict | None]]:
    """Link, outcome, state and conflict of every record."""
    sealer = at.place.sealer
    rows = at.rows("SELECT link, outcome, id, body FROM sync_record")
    return [
        (link, outcome, *remembering.unpacked(sealer.open(bytes(body), TABLE, number)))
        for link, outcome, number, body in rows
    ]


def _judge(at: Hospitals) -> dict[str, Any]:
    """All sides are alike but for what waits for a person; nothing is there twice; clashes have both versions."""
    above = at.records(PARENT)
    states = _states(at)
    held = 0
    for link, child in CHILDREN.items():
        own = [(outcome, state, conflict) for name, outcome, state, conflict in states if name == link]
        waiting = {
            str(Key(state.type, state.on(side).id))
            for outcome, state, _ in own
            if outcome in HELD
            for side in Side
        }
        held += sum(outcome in HELD for outcome, _, _ in own)
        for outcome, _, conflict in own:
            check(
                outcome != "conflict" or conflict is not None, f"{link}: a conflict without its two versions"
            )
        pairs = {state.parent.id: state.child.id for _, state, _ in own}
        below = at.records(child)
        _alike(link, above, below, waiting, pairs)
        needless = sum(outcome == "parked" and not _lacks(state, above, below) for outcome, state, _ in own)
        check(not needless, f"{link}: {needless} records wait for nothing")
    for server in (PARENT, *CHILDREN.values()):
        _once(server, at.records(server))
    unsettled = at.rows(
        "SELECT outcome, count(*) FROM sync_record WHERE outcome IN ('', 'set_aside') GROUP BY 1"
    )
    check(not unsettled, f"records were left as {unsettled}")
    why = Counter(
        conflict.quarrel.name if conflict else outcome
        for _, outcome, _, conflict in states
        if outcome in HELD
    )
    return {"records": len(above), "held": held, "why": dict(why)}


def _alike(
    link: str, above: dict[str, Record], below: dict[str, Record], waiting: set[str], pairs: dict[str, str]
) -> None:
    """The clinic's catchment is there as the parent has it."""
    gone = _patients(above, below, waiting)
    wrong: Counter[str] = Counter()
    met = set()
    for key, record in above.items():
        kind, _, name = key.partition("/")
        there = f"{kind}/{pairs.get(name, name)}"
        met.add(there)
        patient = patient_of(record)
        home = above.get(str(patient)) if patient else None
        if {key, there, str(patient)} & (waiting | gone) or not home or not _in_town(home, link):
            continue
        if there not in below:
            wrong[f"{kind} only at the parent"] += 1
        elif unlike := changes(canonical(record), below[there]):
            wrong[f"{kind} differs in {', '.join(sorted(unlike))}"] += 1
    for key, record in below.items():
        patient = patient_of(record)
        if key not in met and not {key, str(patient)} & (waiting | gone):
            wrong[f"{key.partition('/')[0]} only at the clinic"] += 1
    check(not wrong, f"{link}: {dict(wrong)}")


def _lacks(state: RecordState, above: dict[str, Record], below: dict[str, Record]) -> bool:
    """Whether a record points to one that is gone on a side."""
    sides = ((above, state.parent.id, below), (below, state.child.id, above))
    for own, number, there in sides:
        record = own.get(f"{state.type}/{number}", {})
        if any(str(key) not in own or str(key) not in there for _, key in references(record)):
            return True
    return False


def _patients(above: dict[str, Record], below: dict[str, Record], waiting: set[str]) -> set[str]:
    """Patients whose records cannot be alike: they themselves wait, or are gone on a side."""
    everyone = {key for key in (*above, *below) if key.startswith("Patient/")}
    mentioned = {str(patient_of(record)) for record in (*above.values(), *below.values())}
    return (everyone & waiting) | {key for key in mentioned if key not in above}


def _in_town(patient: Record, link: str) -> bool:
    homes = patient.get("address") or [{}]
    return homes[0].get("city") in TOWNS[link]


def _once(server: str, records: dict[str, Record]) -> None:
    """No patient and no weight is there twice."""
    numbers = Counter(
        str(each["value"]) for record in records.values() if record["resourceType"] == "Patient"
        for each in record.get("identifier", [])
    )  # fmt: skip
    twice = [number for number, count in numbers.items() if count > 1]
    check(not twice, f"{server}: {len(twice)} patients are there twice")
    taken: dict[str, list[str]] = defaultdict(list)
    for key, record in records.items():
        if record["resourceType"] == "Observation":
            met = record.get("encounter", {}).get("reference", "")
            taken[f"{patient_of(record)} {met} {record.get('effectiveDateTime')}"].append(key)
    doubled = [keys for keys in taken.values() if len(keys) > 1]
    check(not doubled, f"{server}: {len(doubled)} observations are there twice")


# -- people decide ---------------------------------------------------------------------------------------------


def _decide_all(at: Hospitals, chance: random.Random) -> int:
    """A person looks at every conflict and takes one side or the other; how many there were."""
    from asyncio import run

    from assets.openmrs.reconcile import Decision
    from resources.store import sync_hints
    from resources.store.connect import connect_async, process_number
    from resources.store.ids import Ids

    sealer = at.place.sealer
    rows = at.rows("SELECT id, link, body FROM sync_record WHERE outcome = 'conflict'")
    wanted = []
    with at.place.connect() as db:
        for number, link, body in rows:
            state, conflict = remembering.unpacked(sealer.open(bytes(body), TABLE, number))
            if conflict is None:
                continue
            side = chance.choice(list(Side))
            chosen = {one.element: side for one in conflict.clashes}
            said = Decision(elements=chosen, survivor=None if chosen else side)
            decision = sealer.seal(remembering.decided(said), TABLE, number)
            db.execute("UPDATE sync_record SET decision = %b WHERE id = %s", [decision, number])
            known = Side.PARENT if state.parent.met else Side.CHILD
            wanted.append(hints.hint(sealer, link, known, Key(state.type, state.on(known).id)))

    async def add() -> None:
        async with await connect_async(at.place.settings.database_url) as db, db.transaction():
            await sync_hints.add(db, sealer, Ids(await process_number(db)), wanted)

    run(add())
    return len(wanted)


# -- months ----------------------------------------------------------------------------------------------------

BACKLOG = """
[link.backlog]
parent = "{url}/openmrs-parent/openmrs"
child = "{url}/openmrs-child/openmrs"
feeds = ["patient"]
filter = { kind = "all" }
rate = 100000
every_seconds = 3600
"""
MOST_MEMORY = 300.0


def months(pages: int = 20_000, patients: int = 10_000, kills: int = 6, seed: int = 5) -> dict[str, Any]:
    """A clinic that was away for months: each page and each record is read once, by runs that are killed."""
    from benchmarks.house import _peak

    chance = random.Random(seed)
    with hospitals(BACKLOG, ("backlog",)) as at:
        at.lever(PARENT, "backlog", pages=pages, patients=patients)
        began, memory, killed, seen = time.monotonic(), 0.0, 0, []
        while True:
            at.due(at_once=False)
            run = at.begun()
            until = time.monotonic() + chance.uniform(3.0, 12.0) if killed < kills else float("inf")
            while run.poll() is None and time.monotonic() < until:
                time.sleep(0.25)
                memory = max(memory, _peak(run.pid))
                with at.place.connect() as db:
                    seen += [(time.monotonic(), f) for f in feeds_now(db, "backlog") if f.side == "parent"]
            if run.poll() is None:
                run.kill()
                killed += 1
            run.wait(30)
            if killed >= kills and not at.rows("SELECT 1 FROM work LIMIT 1") and run.returncode == 0:
                break
            check(time.monotonic() - began < 1800, "the backlog does not come to an end")
        took = time.monotonic() - began
        asked = at.received(PARENT)
        reads = Counter(one["path"] for one in asked if "/R4/" in one["path"])
        asked_pages = Counter(one["path"] for one in asked if "/atomfeed/" in one["path"])
        there = len(at.records("openmrs-child"))
        said = {
            "pages": pages,
            "records": there,
            "kills": killed,
            "seconds": round(took, 1),
            "reads_a_record": round(sum(reads.values()) / patients, 3),
            "requests_a_page": round(sum(asked_pages.values()) / pages, 3),
            "memory_mb": round(memory),
            "looks_at_progress": len({one.page for _, one in seen}),
        }
        check(there == patients, f"{there} of {patients} records are at the clinic")
        # A run that is killed had some in hand, of which nobody knows any more how far they were.
        check(sum(reads.values()) <= patients + 8 * killed, f"records were read again: {said}")
        check(sum(asked_pages.values()) <= pages + 4 * (killed + 1), f"pages were read again: {said}")
        check(memory < MOST_MEMORY, f"a run wanted {memory:.0f} MB")
        check(said["looks_at_progress"] > 10, "progress was not to be seen")
        return said
