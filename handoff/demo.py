"""``make demo``: everything on this machine, with sample traffic, people played through the web, and a summary.

With ``CHECK=1`` it waits until every lane is settled, prints one line a lane and stops; with ``SAMPLES=0`` it
sends nothing. What the partners are is the sandbox's matter; it is reached by URL only.
"""

import argparse
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from handoff import (
    demo_consultations,
    demo_keys,
    demo_notes,
    demo_results,
    demo_sync,
    environment,
    services,
    staff,
)
from handoff.command import Fault
from handoff.demo_keys import Readers
from handoff.demo_traffic import Stage, orders, samples
from handoff.supervisor import SupervisorError, tell
from resources.settings import Settings
from resources.store.connect import Connection, connect
from resources.store.ids import first_id
from resources.store.lanes import NUMBERS
from resources.store.values import State

#: How long a check may take once everything runs; it is far less where nothing is wrong.
CHECK_SECONDS = 150.0


@dataclass(frozen=True)
class Play:
    """One lane's part: ``send`` its sample traffic, then what people do (through the web, as people do it)."""

    lane: str
    send: Callable[[Stage], None]
    people: Callable[[Stage], None] = lambda stage: None
    #: What is wrong at the far end with what came since then, asked once all has settled.
    wrong: Callable[[Stage, Connection, datetime], Iterable[str]] = lambda stage, db, since: ()


@dataclass(frozen=True)
class Account:
    """What a lane owed in this demo and what became of it."""

    lane: str
    received: int
    delivered: int
    waiting: int
    failed: int

    @property
    def good(self) -> bool:
        """Everything owed was delivered."""
        return self.received > 0 and self.delivered == self.received

    def __str__(self) -> str:
        return f"{self.lane} {self.received} {self.delivered} {self.waiting} {self.failed}"


def partners(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings that lead every lane to the sandbox, and make it quick; what is set already stays."""
    number = environment.port(settings, "HANDOFF_SANDBOX_PORT")
    sandbox = f"http://127.0.0.1:{number}"
    laboratory = f"mllp://127.0.0.1:{environment.port(settings, 'HANDOFF_SANDBOX_MLLP_PORT')}"
    demo = {
        "HANDOFF_NOTICE_URLS": f"json://127.0.0.1:{number}/notices/",
        "ELATION_URL": f"{sandbox}/elation/api/2.0",
        "ELATION_CLIENT_ID": "demo",
        "ELATION_CLIENT_SECRET": "demo",
        "ELATION_CAREGIVER_PRACTICE": "65540",
        "ELATION_SETTLE_SECONDS": "5",
        "REPORTSTREAM_URL": f"{sandbox}/reportstream",
        "REPORTSTREAM_FUNCTION_KEY": "demo",
        "REPORTSTREAM_BATCH_WINDOW_SECONDS": "2",
        "REPORTSTREAM_POLL_PLAN": "1,2,3,5",
        "REDOX_URL": f"{sandbox}/redox",
        "REDOX_API_KEY": "demo",
        "REDOX_SECRET": "demo",
        "HCOINT_NORTHLAB_MLLP_URL": laboratory,
        "HCOINT_MULTICARE_HL7_MLLP_URL": laboratory,
        "HCOINT_SETTLE_SECONDS": "5",
        "PRIDOK_INSURER_URL": f"{sandbox}/insurer/messages",
        "PRIDOK_SETTLE_SECONDS": "5",
        "VIDEO_URL": f"{sandbox}/video",
        "HANDOFF_SMTP_HOST": "127.0.0.1",
        "HANDOFF_SMTP_PORT": str(environment.port(settings, "HANDOFF_SANDBOX_SMTP_PORT")),
        "HANDOFF_SMTP_TLS": "off",
    }
    return {**demo, **demo_results.settings(sandbox), **demo_sync.settings(settings, sandbox), **settings}


def people(settings: Mapping[str, str]) -> None:
    """The staff accounts of the demo; the secretary's is of the clinic that reports results of its own."""
    found = Settings(settings)
    with connect(found.owner_url, "handoff demo") as owner:
        staff.demo(found, owner)
        demo_results.employ(owner)


def notes(stage: Stage) -> None:
    """The clinician answers them."""
    answered = demo_notes.play(stage.web, stage.settings)
    tell(f"hcoint: the clinician has answered {answered} orders")


def consultations(stage: Stage) -> None:
    """Secretary and provider work on what was referred."""
    finished = demo_consultations.play(stage.web, stage.settings)
    tell(f"pridok: the provider has finished {finished} consultations")


def at_the_insurers(stage: Stage, db: Connection, since: datetime) -> Iterator[str]:
    """Every consultation that was finished is one message, and the insurer has it once."""
    finished = db.execute(
        "SELECT count(*) FROM pridok_consultation WHERE reported_at >= %s", [since]
    ).fetchone()
    delivered = db.execute(
        "SELECT arrival FROM ended WHERE lane = %s AND state = %s AND arrival >= %s",
        [NUMBERS["pridok"], State.DELIVERED, first_id(since)],
    ).fetchall()
    if finished and finished[0] != len(delivered):
        yield f"pridok: {finished[0]} consultations were finished, {len(delivered)} messages delivered"
    yield from demo_consultations.wrong(stage.sandbox, [row[0] for row in delivered])


PLAYS: Sequence[Play] = (
    Play(
        "reportstream",
        demo_results.send,
        demo_results.upload,
        lambda stage, db, since: demo_results.wrong(stage),
    ),
    Play("elation", samples("elation", "elation", 200, setting="HANDOFF_TOKENS_ELATION", batch=20)),
    Play("hcoint", orders, notes),
    Play(
        "pridok",
        samples("pridok", "pridok", 10, setting="HANDOFF_TOKENS_PRIDOK"),
        consultations,
        at_the_insurers,
    ),
    Play(
        "openmrs",
        lambda stage: demo_sync.admit(stage.sandbox),
        lambda stage: demo_sync.correct(stage.sandbox),
        lambda stage, db, since: demo_sync.wrong(stage.sandbox),
    ),
)


def accounts(db: Connection, since: datetime) -> list[Account]:
    """What each lane owes for what arrived since then."""
    low = first_id(since)
    found = []
    for play in PLAYS:
        number = NUMBERS[play.lane]
        waiting = db.execute(
            "SELECT count(*) FROM work WHERE lane < 100 AND lane %% 10 = %s AND arrival >= %s", [number, low]
        ).fetchone()
        ended: dict[int, int] = dict(
            db.execute(
                "SELECT state, count(*) FROM ended WHERE lane = %s AND arrival >= %s GROUP BY state",
                [number, low],
            ).fetchall()
        )
        still = (waiting[0] if waiting else 0) + ended.get(State.ACCEPTED, 0)
        failed = ended.get(State.FAILED, 0) + ended.get(State.SET_ASIDE, 0)
        # A newer state that went in its stead is a delivery too: nothing is owed any more.
        delivered = ended.get(State.DELIVERED, 0) + ended.get(State.SUPERSEDED, 0)
        found.append(
            Account(
                play.lane,
                still + sum(ended.values()) - ended.get(State.ACCEPTED, 0),
                delivered,
                still,
                failed,
            )
        )
    return found


def settle(stage: Stage, since: datetime, seconds: float) -> list[Account]:
    """Wait until nothing waits any more, or the time is over."""
    end = time.monotonic() + seconds
    with connect(stage.settings["HANDOFF_DATABASE_URL"], "handoff demo") as db:
        while True:
            found = accounts(db, since)
            if all(one.received and not one.waiting for one in found) or time.monotonic() > end:
                return found
            time.sleep(0.5)


def play(stage: Stage) -> None:
    """Send the sample traffic of every lane and play its people."""
    for one in PLAYS:
        tell(f"{one.lane}: sample traffic")
        one.send(stage)
    for one in PLAYS:
        one.people(stage)


def faults(stage: Stage, since: datetime) -> list[str]:
    """What the partners hold otherwise than they should."""
    with connect(stage.settings["HANDOFF_DATABASE_URL"], "handoff demo") as db:
        return [fault for one in PLAYS for fault in one.wrong(stage, db, since)]


def look_at(stage: Stage, settings: Mapping[str, str], readers: Readers | None) -> str:
    """Where to look, and what for."""
    dagster = environment.port(settings, "HANDOFF_DAGSTER_PORT")
    results = readers and (
        f"  Results       key files in {readers.folder}, passphrase {readers.passphrase} (shown this once)"
    )
    secrets = environment.state_of(environment.ROOT) / "secrets.env"
    return "\n".join(
        (
            "",
            f"  Dagster       http://127.0.0.1:{dagster}/asset-groups   lanes, runs, checks, the ledger's calendar",
            f"  Pages         {stage.web}/   sign in as operator, secretary, provider, clinician, administrator",
            f"  Exceptions    {stage.web}/exceptions   as secretary: what ReportStream said of her results",
            f"  Partners      {stage.sandbox}/_sandbox   what each of them has received",
            f"  Secrets       {secrets}   senders' tokens, and HANDOFF_DEMO_PASSWORD",
            *([results] if results else []),
            "",
            "  .venv/bin/handoff messages list          what waits, what went, what failed",
            "  .venv/bin/handoff messages show ID       the life of one message",
            "",
            "Ctrl-C stops all of it.",
        )
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run the demo until Ctrl-C, or with CHECK=1 until every lane is settled."""
    argparse.ArgumentParser(prog="make demo", description=main.__doc__).parse_args(words)
    check, wanted = os.environ.get("CHECK") == "1", os.environ.get("SAMPLES") != "0"
    try:
        found = environment.load(make_secrets=True)
        readers = demo_keys.renew(found)
        settings = partners({**found, **readers.settings} if readers else found)
        stage = Stage(
            settings,
            web=f"http://127.0.0.1:{environment.port(settings, 'HANDOFF_WEB_PORT')}",
            sandbox=f"http://127.0.0.1:{environment.port(settings, 'HANDOFF_SANDBOX_PORT')}",
        )
        prepare = functools.partial(_prepare, settings)
        wanted_services = services.for_demo(settings, passphrase=readers.passphrase if readers else "")
        with services.running(wanted_services, settings, prepare=prepare):
            since = datetime.now(UTC)
            people(settings)
            if wanted:
                play(stage)
            if check:
                return _report(settle(stage, since, CHECK_SECONDS), faults(stage, since))
            print(look_at(stage, settings, readers), flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        tell("Stopped.")
    except (SupervisorError, Fault, *environment.FAULTS) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    return 0


def _prepare(settings: Mapping[str, str]) -> None:
    """The store as this demo wants it, before anything uses it."""
    services.migrate(settings)
    demo_sync.forget(settings)


def _report(found: Sequence[Account], wrong: Sequence[str]) -> int:
    print("lane received delivered waiting failed")
    for one in found:
        print(one)
    for fault in wrong:
        print(fault, file=sys.stderr)
    return 0 if all(one.good for one in found) and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
