"""Nothing of a patient outside the store's sealed bodies: marked names, numbers and dates, then a search for them.

The journey goes through everything that may speak: good and bad events, a mapping that fails on a name, a partner
that quotes the patient, doubt, a killed run and a killed database. What is searched: Dagster's database, its home,
every log, every table of the store, and the database's own files.
"""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.drills_stack import LANE, Stack, check, events, running, wait

#: Unlikely enough not to appear by chance, and of the shape that fits their place.
PERSON = {
    "first_name": "Zyxelwynn",
    "middle_name": "Ombrath",
    "last_name": "Quorvathson",
    "birth_date": "1913-11-17",
    "street": "7719 Wexthornbury Ln",
    "phone_number": "(718) 555-0187",
    "email": "zq.wexthorn@example.org",
    "internal_id": "kanary-4711-0815-x",
}
MARKS = (
    *(value for name, value in PERSON.items() if name != "phone_number"),
    "19131117",
    "11/17/1913",
    "555-0187",
    "5550187",
    "Wexthornbury",
)

BROKEN = """

_row_before = row


def row(event, *values, **named):  # type: ignore[no-untyped-def]
    if event.patient.street_2 == "broken":
        raise KeyError(f"{event.patient.first_name} {event.patient.last_name} {event.patient.birth_date}")
    return _row_before(event, *values, **named)
"""

UPLOAD = "POST /api/reports"


def nothing_of_a_patient(count: int = 60) -> dict[str, Any]:
    """The journey of marked people, then the search."""
    with running("canary") as stack:
        with (stack.root / "assets" / "reportstream" / "mapping.py").open("a") as mapping:
            mapping.write(BROKEN)
        stack.dagster.reload()
        made = [marked(event) for event in events(stack.root, count, "canary", changes=0)]
        _journey(stack, made)
        return {"events": count, "states": stack.states(), **search(stack)}


def marked(event: dict[str, Any]) -> dict[str, Any]:
    """The same test of a marked person."""
    return event | {"patient": event["patient"] | PERSON}


def _journey(stack: Stack, made: list[dict[str, Any]]) -> None:
    token = stack.token()
    quoting = " ".join(PERSON.values())
    quoted = {
        "errors": [
            {"scope": "item", "message": f"{quoting} is not valid", "trackingIds": [made[0]["event_id"]]}
        ]
    }
    stack.faults(
        {"status": 400, "body": quoted, "match": UPLOAD},
        {"status": 504, "take": True, "body": quoting, "effect_after_seconds": 2, "match": UPLOAD},
        {"status": 201, "take": True, "body": quoting, "match": UPLOAD},
    )
    _bad_requests(stack, made[-1], token)
    broken = [one | {"patient": one["patient"] | {"street_2": "broken"}} for one in made[:5]]
    wrong = [
        one | {"facility": one["facility"] | {"clia_number": PERSON["last_name"][:10]}} for one in made[5:10]
    ]
    for some in (made[10:30], broken, wrong):
        stack.send(some, token)
        time.sleep(1)
    conflicting = made[10] | {"patient": made[10]["patient"] | {"city": PERSON["last_name"]}}
    stack.send([conflicting], token)
    wait(lambda: stack.pids("run"), 60, "no run drains the lane")
    stack.send(made[30:40], token)
    stack.kill("run")
    stack.send(made[40:50], token)
    wait(lambda: stack.pids("run"), 60, "no run drains the lane after one was killed")
    stack.send(made[50:], token)
    stack.kill("postgres")
    wait(stack.settled, 180, "not everything has come to its end", every=0.5)
    day = str(stack.rows("SELECT to_timestamp((min(id) >> 20) / 1000)::date FROM inbox")[0][0])
    stack.dagster.finish(stack.dagster.judge(LANE, day, resend="none"))
    found = stack.states()
    check(found.get("delivered", 0) >= 40, f"the journey did not get far: {found}")
    check(found.get("set_aside", 0) == 10, f"ten events should have been set aside: {found}")


def _bad_requests(stack: Stack, event: dict[str, Any], token: str) -> None:
    """What the door refuses, with marks in every place."""
    name = PERSON["last_name"]
    patient = event["patient"]
    bodies = [
        json.dumps(event)[:-20].encode(),
        json.dumps(event | {"results": name}).encode(),
        json.dumps(event | {f"{name} {PERSON['birth_date']}": 1}).encode(),
        json.dumps(event | {"patient": patient | {"birth_date": [PERSON["birth_date"]]}}).encode(),
        json.dumps(event | {"patient": patient | {"race": name}}).encode(),
        json.dumps(event).encode() + b"\xff" + name.encode(),
    ]
    for body in bodies:
        answer = stack.http.post(stack.door, content=body, headers={"authorization": f"Bearer {token}"})
        check(answer.status_code in (400, 415, 422), f"the door answers {answer.status_code} to what is bad")
    stack.http.post(
        f"{stack.door}?patient={name}", content=bodies[0], headers={"authorization": f"Bearer {name}"}
    )


def search(stack: Stack) -> dict[str, Any]:
    """Look for the marks everywhere but in the store's opened bodies; none may be found."""
    forms = {form: mark for mark in MARKS for form in (mark.encode(), mark.encode().hex().encode())}
    searched = 0
    found = []
    for place, content in _everything(stack):
        searched += len(content)
        found += [f"{mark!r} in {place}" for form, mark in forms.items() if form in content]
    check(not found, f"{len(found)} marks found: {'; '.join(found[:5])}")
    check(searched > 1_000_000, f"only {searched} bytes were searched")
    return {"marks": len(MARKS), "searched_bytes": searched, "found": 0}


def _everything(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Every place and what it holds: both databases as text, then every file of the clone's state."""
    yield from _tables(stack.cluster.url("postgres", "dagster"), "public")
    yield from _tables(stack.cluster.url("postgres", "handoff"), "handoff")
    for path in [*stack.state.rglob("*"), *stack.root.glob("handoff*.log")]:
        if path.is_file() and path.name != "secrets.env":
            yield str(path.relative_to(stack.root)), _read(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # the server removes files while we look
        return b""


def _tables(url: str, schema: str) -> Iterator[tuple[str, bytes]]:
    with closing(psycopg.connect(url, autocommit=True)) as db:
        db.execute("CHECKPOINT")  # so that the files hold what the tables hold
        names = db.execute(
            "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relkind = 'r'",
            [schema],
        ).fetchall()
        check(names, f"no tables in {schema}")
        for (name,) in names:
            with db.cursor().copy(f'COPY {schema}."{name}" TO STDOUT') as copy:
                yield f"{schema}.{name}", b"".join(bytes(part) for part in copy)
