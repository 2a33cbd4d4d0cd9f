"""Three hospitals for the drills of the lane openmrs: what people do there, the runs that join them, what they have.

Driven and looked at from outside: the servers by HTTP, the store by SQL, the runs by signals. How a drill judges
what it sees stands in ``drills_openmrs``.
"""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from benchmarks.drills_stack import check
from benchmarks.place import Place, made
from benchmarks.sync_pull import sandbox
from handoff.environment import ROOT, state_of

PARENT = "openmrs-parent"
CHILDREN = {"clinic-a": "openmrs-child", "clinic-b": "openmrs-child-2"}
SERVERS = (PARENT, *CHILDREN.values())
#: Whose patients each clinic has; those of Kampala are everybody's.
TOWNS = {"clinic-a": ("Kananga", "Kampala"), "clinic-b": ("Tshikapa", "Kampala")}

LINK = """
[link.{name}]
parent = "{url}/openmrs-parent/openmrs"
child = "{url}/{child}/openmrs"
filter = {{ kind = "address", parts = ["cityVillage"], values = {towns} }}
rate = 100000
every_seconds = 3600
"""
RUN = (
    "from assets.openmrs import lane; from resources.settings import Settings;"
    " lane.run(Settings.read(), 'drill', None)"
)
QUICK = {
    "HANDOFF_RETRY_PLAN": "0.2,0.5,1,2,2,2,2,2",
    "HANDOFF_LINGER_SECONDS": "0.4",
    "OPENMRS_SETTLE_SECONDS": "0.5",
}

Record = dict[str, Any]


class Hospitals:
    """A parent, its clinics, and the store that knows of both."""

    def __init__(self, place: Place, url: str, links: str, names: list[str]) -> None:
        self.place = place
        self.http = httpx.Client(base_url=url, timeout=300, trust_env=False)
        path = place.root / "openmrs.toml"
        path.write_text(links, encoding="utf-8")
        accounts = {
            f"OPENMRS_{name.upper().replace('-', '_')}_{side}_{what}": "sync"
            for name in names
            for side in ("PARENT", "CHILD")
            for what in ("USER", "PASSWORD")
        }
        self.environment = {**os.environ, **place.values, **QUICK, **accounts, "OPENMRS_LINKS": str(path)}

    # -- people ------------------------------------------------------------------------------------------------

    def lever(self, server: str, name: str, **given: Any) -> None:
        """Pull one of a server's levers."""
        self.http.post(f"/_sandbox/{server}/{name}", json=given).raise_for_status()

    def records(self, server: str) -> dict[str, Record]:
        """What a server has."""
        return dict(self.http.get(f"/_sandbox/{server}/records").raise_for_status().json())

    def save(self, server: str, record: Record, **changed: Any) -> None:
        """A person saves a record."""
        saved = {**record, **changed}
        path = f"/_sandbox/{server}/records/{saved['resourceType']}/{saved['id']}"
        self.http.put(path, json=saved).raise_for_status()

    def remove(self, server: str, key: str, **how: str) -> None:
        """A person voids a record, or takes that back."""
        self.http.delete(f"/_sandbox/{server}/records/{key}", params=how)

    def writes(self) -> list[str]:
        """What we told the servers to change since they last forgot."""
        return [
            f"{one['method']} {server}"
            for server in SERVERS
            for one in self.received(server)
            if one["method"] != "GET"
        ]

    def received(self, server: str) -> list[Record]:
        """What a server was asked."""
        return list(self.http.get(f"/_sandbox/{server}/received", params={"bodies": 0}).json())

    def forget(self) -> None:
        """The servers forget what they were asked."""
        for server in SERVERS:
            self.http.delete(f"/_sandbox/{server}").raise_for_status()

    # -- runs --------------------------------------------------------------------------------------------------

    def rows(self, query: str, *values: object) -> list[Any]:
        """The rows of a query."""
        with self.place.connect() as db:
            return db.execute(query, values).fetchall()

    def due(self, *, at_once: bool = True) -> None:
        """Every link's feeds are to be read; ``at_once``: nothing waits for a later try."""
        with self.place.connect() as db:
            db.execute("UPDATE sync_link SET due_at = '-infinity'")
            if not at_once:
                return
            db.execute(
                "UPDATE queue SET ready_at = now() WHERE lease IS NULL AND ready_at < 'infinity' AND ready_at > now()"
            )

    def begun(self) -> "subprocess.Popen[bytes]":
        """A run that has just begun to work."""
        before = self.rows("SELECT count(*) FROM drain")
        with (self.place.root / "runs.log").open("ab") as log:
            run = subprocess.Popen(
                [sys.executable, "-c", RUN], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while run.poll() is None and self.rows("SELECT count(*) FROM drain") == before:
            check(time.monotonic() < deadline, "a run does not begin")
            time.sleep(0.02)
        return run

    def run(self) -> None:
        """A run from its beginning to its end."""
        self.due()
        run = self.begun()
        check(run.wait(900) == 0, f"a run has failed, see {self.place.root / 'runs.log'}")

    def run_killed(self, after: float) -> bool:
        """A run that is killed on the way; whether it was."""
        self.due()
        run = self.begun()
        time.sleep(after)
        alive = run.poll() is None
        if alive:
            os.kill(run.pid, signal.SIGKILL)
        run.wait(30)
        return alive

    def settle(self, most: float = 240.0) -> int:
        """Run until nothing is heard of any more and nothing waits; how many runs that took."""
        before: object = None
        deadline = time.monotonic() + most
        for number in itertools.count(1):
            check(
                time.monotonic() < deadline, f"after {most:.0f} s something still changes or waits: {before}"
            )
            self.run()
            now = self.rows("SELECT (SELECT count(*) FROM sync_entry), (SELECT count(*) FROM work)")[0]
            if now == before and now[1] == 0:
                return number
            before = now
        raise AssertionError("unreachable: the counting does not end")

    def outcomes(self) -> dict[str, int]:
        """How many records the last look left in which outcome."""
        return dict(self.rows("SELECT outcome, count(*) FROM sync_record GROUP BY 1"))


@contextmanager
def hospitals(links: str | None = None, names: tuple[str, ...] = tuple(CHILDREN)) -> Iterator[Hospitals]:
    """Three servers, empty, joined by two links unless said otherwise."""
    with made(state_of(ROOT) / "drills") as place, sandbox(place) as url:
        told = links or "".join(
            LINK.format(name=name, url=url, child=child, towns=json.dumps(list(TOWNS[name])))
            for name, child in CHILDREN.items()
        )
        found = Hospitals(place, url, told.replace("{url}", url), list(names))
        for server in SERVERS:
            found.lever(server, "settings", publish_delay_seconds=0)
        try:
            yield found
        finally:
            found.http.close()


# -- three days ------------------------------------------------------------------------------------------------


class People:
    """What is done at the servers, hour by hour, by people who do not know of each other."""

    def __init__(self, at: Hospitals, seed: int) -> None:
        self._at, self._chance = at, random.Random(seed)
        self.done: Counter[str] = Counter()
        self._voided: dict[str, list[str]] = {server: [] for server in SERVERS}

    def hour(self, number: int, hours: int, changes: int) -> None:
        """An hour at each of the three; their clocks say so."""
        for server in SERVERS:
            self._at.lever(server, "settings", clock_offset_seconds=(number - hours) * 3600)
            records = self._at.records(server)
            for _ in range(changes):
                self._change(server, records)

    def _change(self, server: str, records: dict[str, Record]) -> None:
        chance = self._chance
        if chance.random() < 0.05 or not records:
            town = chance.choice(["Kananga", "Tshikapa", "Kampala"])
            self._at.lever(server, "sample", patients=1, city=town)
            self.done["admitted"] += 1
            return
        if self._voided[server] and chance.random() < 0.02:
            self._at.remove(server, chance.choice(self._voided[server]), unvoid="1")
            self.done["unvoided"] += 1
            return
        key = chance.choice(list(records))
        match records[key]["resourceType"]:
            case "Patient":
                self._patient(server, key, records)
            case "Observation":
                self._observation(server, key, records)
            case "Encounter":
                day = chance.randrange(1, 28)
                self._save(
                    server, key, records, "encounter", period={"start": f"2026-03-{day:02d}T08:01:00+00:00"}
                )

    def _patient(self, server: str, key: str, records: dict[str, Record]) -> None:
        chance, record = self._chance, records[key]
        match chance.randrange(20):
            case 0:
                del records[key]
                self._void(server, key)
            case 1 if server == PARENT:
                town = chance.choice(["Kananga", "Tshikapa", "Kampala", "Luiza"])
                self._home(server, key, records, "moved", city=town)
            case 2 | 3 | 4 | 5 | 6:
                self._save(
                    server,
                    key,
                    records,
                    "gender",
                    gender=chance.choice(["male", "female", "other", "unknown"]),
                )
            case 7 | 8 | 9 | 10:
                self._home(server, key, records, "address", postalCode=str(chance.randrange(1000, 9999)))
            case 11 | 12 | 13:
                told = {
                    **record["name"][0],
                    "given": [chance.choice(["Ada", "Ben", "Chidi", "Dina", "Emeka"])],
                }
                self._save(server, key, records, "name", name=[told, *record["name"][1:]])
            case _:
                born = f"19{chance.randrange(10, 99)}-01-{chance.randrange(1, 28):02d}"
                self._save(server, key, records, "birth date", birthDate=born)

    def _home(self, server: str, key: str, records: dict[str, Record], what: str, **changed: str) -> None:
        homes = records[key].get("address") or [{"use": "home"}]
        self._save(server, key, records, what, address=[{**homes[0], **changed}, *homes[1:]])

    def _observation(self, server: str, key: str, records: dict[str, Record]) -> None:
        if self._chance.random() < 0.15:
            del records[key]
            self._void(server, key)
        else:
            weight = {"value": self._chance.randrange(40, 95)}
            self._save(server, key, records, "weight", valueQuantity=weight)

    def _save(self, server: str, key: str, records: dict[str, Record], what: str, **changed: Any) -> None:
        records[key] = {**records[key], **changed}
        self._at.save(server, records[key])
        self.done[what] += 1

    def _void(self, server: str, key: str) -> None:
        self._at.remove(server, key)
        self._voided[server].append(key)
        self.done["voided"] += 1
