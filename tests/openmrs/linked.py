"""A parent and its clinic joined by the whole lane: feeds read into a store, a run that settles, servers over HTTP."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from assets.openmrs import lane
from assets.openmrs.events import Side
from resources.settings import Settings
from resources.store.lookup import states
from sandbox.openmrs import servers
from sandbox.running import sandbox_thread
from tests.conftest import Database

KAMPALA = {"kind": "address", "parts": ["cityVillage"], "values": ["Kampala"]}
FEEDS = ["location", "patient", "visit", "encounter", "observation"]
SYSTEMS = {Side.PARENT: "openmrs-parent", Side.CHILD: "openmrs-child"}

#: As quick as a test wants it.
QUICK = {"HANDOFF_RETRY_PLAN": "0.1,0.2", "HANDOFF_LINGER_SECONDS": "0.4", "OPENMRS_SETTLE_SECONDS": "0.3"}


@dataclass
class Linked:
    """One link on a store, drained by runs as Dagster starts them."""

    database: Database
    http: httpx.Client
    settings: Settings
    runs: Iterator[int] = field(default_factory=itertools.count)

    def drain(self, *, reads: bool = True) -> None:
        """One run; by default every link is due."""
        if reads:
            with self.database.connect() as db:
                db.execute("UPDATE sync_link SET due_at = '-infinity'")
        lane.run(self.settings, f"run-{next(self.runs)}", None)

    def states(self) -> dict[str, int]:
        """How many messages are in which state."""
        with self.database.connect() as db:
            return dict(states(db).get("openmrs", {}))

    def outcomes(self) -> dict[str, int]:
        """How many records the last look left in which outcome."""
        return dict(self.database.rows("SELECT outcome, count(*)::int FROM sync_record GROUP BY 1"))

    def lever(self, side: Side, name: str, **given: Any) -> Any:
        answer = self.http.post(f"/_sandbox/{SYSTEMS[side]}/{name}", json=given)
        answer.raise_for_status()
        return answer.json()

    def fault(self, side: Side, **fault: Any) -> None:
        self.http.post(f"/_sandbox/{SYSTEMS[side]}/faults", json=fault).raise_for_status()

    def no_faults(self) -> None:
        for side in Side:
            self.http.delete(f"/_sandbox/{SYSTEMS[side]}").raise_for_status()

    def later(self) -> None:
        """What waits for a later try goes now."""
        with self.database.connect() as db:
            db.execute("UPDATE queue SET ready_at = now() WHERE ready_at < 'infinity'")

    def edit(self, side: Side, record: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """A person at that server saves a record."""
        saved = {**record, **changed}
        path = f"/_sandbox/{SYSTEMS[side]}/records/{saved['resourceType']}/{saved['id']}"
        answer = self.http.put(path, json=saved)
        answer.raise_for_status()
        return dict(answer.json())

    def remove(self, side: Side, key: str, how: str = "") -> None:
        path = f"/_sandbox/{SYSTEMS[side]}/records/{key}"
        self.http.delete(path, params={how: "1"} if how else None).raise_for_status()

    def records(self, side: Side) -> dict[str, Any]:
        return dict(self.http.get(f"/_sandbox/{SYSTEMS[side]}/records").json())

    def received(self, side: Side) -> list[dict[str, Any]]:
        return list(self.http.get(f"/_sandbox/{SYSTEMS[side]}/received").json())

    def writes(self, side: Side) -> list[str]:
        return [f"{each['method']} {each['path']}" for each in self.received(side) if each["method"] != "GET"]


@contextmanager
def linked(
    database: Database,
    folder: Path,
    systems: tuple[Any, ...] | None = None,
    **link: Any,
) -> Iterator[Linked]:
    """A link between two servers in miniature, until the end of the block.

    ``links`` are more links of the parent, by name; ``above`` makes the parent's address of the sandbox's.
    """
    made = systems or servers()
    for system in made:
        system.set({"publish_delay_seconds": 0})
    with sandbox_thread(made) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
        path = folder / "openmrs.toml"
        if "above" in link:
            link["above"] = link["above"](url)
        path.write_text(toml(url, **link), encoding="utf-8")
        accounts = {
            f"OPENMRS_CLINIC_{letter}_{side}_{what}": "sync"
            for letter in "AB"
            for side in ("PARENT", "CHILD")
            for what in ("USER", "PASSWORD")
        }
        settings = database.with_(**QUICK, **accounts, OPENMRS_LINKS=path)
        yield Linked(database, http, settings)


def toml(url: str, **given: Any) -> str:
    """The links' file."""
    told: dict[str, Any] = {"filter": KAMPALA, "feeds": FEEDS, "rate": 100_000, "every_seconds": 3600} | given
    filters = ", ".join(f"{name} = {value!r}" for name, value in told.pop("filter").items())
    children = {"clinic-a": SYSTEMS[Side.CHILD], **told.pop("links", {})}
    above = told.pop("above", url)
    lines = []
    for name, child in children.items():
        lines += [f"[link.{name}]", f"filter = {{ {filters} }}"]
        lines += [f'parent = "{above}/{SYSTEMS[Side.PARENT]}/openmrs"', f'child = "{url}/{child}/openmrs"']
        lines += [
            f"{setting.replace('conflict_', 'conflict.')} = {value!r}" for setting, value in told.items()
        ]
    return "\n".join(lines) + "\n"
