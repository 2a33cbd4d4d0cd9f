"""A link between a simulated parent and its clinics over real HTTP, for tests of one record after another.

What is remembered between runs is a dictionary here: these tests are about what is read, decided and
written. That PostgreSQL keeps it, and keeps it through a crash, is tested where the lane is wired.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from assets.openmrs import links
from assets.openmrs.events import Entry, Key, Side
from assets.openmrs.links import Link
from assets.openmrs.ports import Outcome, Settled
from assets.openmrs.pull import Progress, close_gap, read_feed
from assets.openmrs.reconcile import Decision
from assets.openmrs.records import Hinted, coalesce
from assets.openmrs.states import RecordState
from assets.openmrs.sync import Sync
from assets.openmrs.tree import Tree, decode, text
from assets.openmrs.walk import Finding, Gap, Position, Stage, Step
from resources import partner_http
from resources.openmrs import OpenMrs

KAMPALA = {"kind": "address", "parts": ["cityVillage"], "values": ["Kampala"]}


class Remembered:
    """The states of one link."""

    def __init__(self) -> None:
        self.states_of: list[RecordState] = []
        self.owed: list[tuple[Side, str, bytes]] = []

    async def states(self, side: Side, keys: Iterable[Key]) -> Mapping[Key, RecordState]:
        found = {}
        for state in self.states_of:
            found[Key(state.type, state.on(side).id)] = state
            found |= {Key(state.type, old): state for where, old in state.former if where is side}
        return {key: found[key] for key in keys if key in found}

    async def owe(self, state: RecordState, side: Side, kind: str, message: bytes) -> None:
        self.remember(state)
        self.owed.append((side, kind, message))

    async def refused(self, state: RecordState) -> None:
        self.remember(state)

    async def begun(self, kind: str) -> list[RecordState]:
        return [state for state in self.states_of if state.type == kind and state.intended]

    async def ids_there(self, side: Side, key: Key) -> list[str]:
        return []

    async def begun_there(self, side: Side, kind: str) -> list[Tree]:
        return []

    async def keep(self, done: Settled) -> None:
        self.remember(done.state)

    def remember(self, state: RecordState) -> None:
        """A record is one row, whatever ids it had and has."""
        ids = {state.parent.id, state.child.id}
        self.states_of = [
            other
            for other in self.states_of
            if other.type != state.type or not ids & {other.parent.id, other.child.id}
        ]
        self.states_of.append(state)


class Clinic:
    """One link, pulled and pushed by hand."""

    def __init__(
        self,
        url: str,
        runner: asyncio.Runner,
        *,
        parent: str = "openmrs-parent",
        child: str = "openmrs-child",
        **link: Any,
    ) -> None:
        self.systems = {Side.PARENT: parent, Side.CHILD: child}
        self.runner = runner
        self.http = httpx.Client(base_url=url, timeout=30)
        self.link = link_of(url, parent, child, **link)
        self.over = partner_http.transport(connections=4)
        self.ends = {side: self._end(side) for side in Side}
        self.shelf = Remembered()
        self.positions: dict[tuple[Side, str], Position] = {}
        self.entries: set[tuple[Side, str]] = set()
        self.findings: list[Finding] = []
        self.gaps: list[tuple[Side, str, Gap]] = []
        self.parked: dict[tuple[Side, Key], tuple[Key, ...]] = {}
        self.conflicts: dict[Key, Settled] = {}

    def _end(self, side: Side) -> OpenMrs:
        return OpenMrs(self.over, self.link.on(side).url, user="sync", password="secret", rate=100_000)

    def close(self) -> None:
        self.http.close()
        self.runner.run(self.over.aclose())

    # What a run does.

    def pull(self) -> list[Settled]:
        return self.runner.run(self._run(Side.PARENT))

    def push(self) -> list[Settled]:
        return self.runner.run(self._run(Side.CHILD))

    def cycle(self) -> list[Settled]:
        return self.pull() + self.push()

    async def _run(self, side: Side) -> list[Settled]:
        entries = [entry for feed in self.link.feeds for entry in await self.read(side, feed)]
        hints = coalesce(entries)
        waiting = [bare(key) for key in self._released(side)]
        sync = Sync(self.link, self.ends, self.shelf, self.link.catchment)
        return [await self.settle(sync, side, hint) for hint in [*hints, *waiting]]

    def _released(self, side: Side) -> list[Key]:
        """Records that wait, unless what they wait for waits for a person."""
        free = [
            key
            for (where, key), waits_for in self.parked.items()
            if where is side and not any(each in self.conflicts for each in waits_for)
        ]
        for key in free:
            del self.parked[side, key]
        return sorted(free)

    async def read(self, side: Side, feed: str) -> list[Entry]:
        """The entries of a feed nobody has read yet."""
        fresh: list[Entry] = []

        async def take(step: Step, progress: Progress) -> None:
            fresh.extend(e for e in step.entries if (side, e.id) not in self.entries)
            self.entries.update((side, entry.id) for entry in step.entries)
            self.findings += step.findings
            self.gaps += [(side, feed, gap) for gap in step.gaps]
            self.positions[side, feed] = step.walk.position

        before = self.positions.get((side, feed), Position())
        walk = await read_feed(self.ends[side], feed, before, take)
        if walk.stage is Stage.STOPPED:
            self.positions[side, feed] = before
        return fresh

    async def settle(self, sync: Sync, side: Side, hint: Hinted) -> Settled:
        done = await sync.settle(side, hint.key, hint.actions)
        if done.outcome is Outcome.PARKED:
            self.parked[side, hint.key] = done.waits_for
        elif done.outcome is Outcome.CONFLICT:
            self.conflicts[hint.key] = done
        else:
            self.shelf.remember(done.state)
        if done.wants_history:
            for body in await self.ends[Side.PARENT].history_of(hint.key.id):
                record = decode(body)
                key = Key(text(record, "resourceType"), text(record, "id"))
                self.shelf.remember((await sync.settle(Side.PARENT, key)).state)
        return done

    def hand_in(self, record: Tree) -> Settled:
        """Scenario B: the clinic hands its record in."""
        sync = Sync(self.link, self.ends, self.shelf, self.link.catchment)
        key = Key(text(record, "resourceType"), text(record, "id"))
        done = self.runner.run(sync.settle(Side.CHILD, key, handed_in=record))
        self.shelf.remember(done.state)
        return done

    def decide(self, record: Tree, decision: Decision) -> Settled:
        """A person resolves the record's conflict."""
        sync = Sync(self.link, self.ends, self.shelf, self.link.catchment)
        key = Key(text(record, "resourceType"), text(record, "id"))
        done = self.runner.run(sync.settle(Side.PARENT, key, decision=decision))
        self.shelf.remember(done.state)
        return done

    def close_gaps(self) -> list[Settled]:
        """What the passed-over pages held."""
        return self.runner.run(self._close_gaps())

    async def _close_gaps(self) -> list[Settled]:
        done = []
        sync = Sync(self.link, self.ends, self.shelf, self.link.catchment)
        for side, feed, gap in self.gaps:
            entries, keys = await close_gap(self.ends[side], feed, gap)
            hints = [
                *coalesce(entries),
                *map(bare, keys),
            ]
            done += [await self.settle(sync, side, hint) for hint in hints]
        self.gaps.clear()
        return done

    # What people and servers do.

    def lever(self, side: Side, name: str, **given: Any) -> Any:
        answer = self.http.post(f"/_sandbox/{self.system(side)}/{name}", json=given)
        answer.raise_for_status()
        return answer.json()

    def fault(self, side: Side, **fault: Any) -> None:
        self.http.post(f"/_sandbox/{self.system(side)}/faults", json=fault).raise_for_status()

    def edit(self, side: Side, record: Tree, **changed: Any) -> Tree:
        """A person at that server saves a record."""
        saved = {**record, **changed}
        path = f"/_sandbox/{self.system(side)}/records/{saved['resourceType']}/{saved['id']}"
        answer = self.http.put(path, json=saved)
        answer.raise_for_status()
        return dict(answer.json())

    def remove(self, side: Side, key: str, how: str = "") -> None:
        path = f"/_sandbox/{self.system(side)}/records/{key}"
        self.http.delete(path, params={how: "1"} if how else None).raise_for_status()

    def records(self, side: Side) -> dict[str, Any]:
        return dict(self.http.get(f"/_sandbox/{self.system(side)}/records").json())

    def received(self, side: Side) -> list[dict[str, Any]]:
        return list(self.http.get(f"/_sandbox/{self.system(side)}/received").json())

    def forget(self) -> None:
        for side in Side:
            self.http.delete(f"/_sandbox/{self.system(side)}").raise_for_status()

    def writes(self, side: Side) -> list[str]:
        return [f"{r['method']} {r['path']}" for r in self.received(side) if r["method"] != "GET"]

    def system(self, side: Side) -> str:
        return self.systems[side]


def bare(key: Key) -> Hinted:
    """A record to settle without an entry about it."""
    return Hinted(key=key, rank=9, entries=(), actions=frozenset())


def link_of(url: str, parent: str = "openmrs-parent", child: str = "openmrs-child", **given: Any) -> Link:
    """A link as the file would say it."""
    told = {"filter": KAMPALA, "feeds": ["location", "patient", "visit", "encounter", "observation"]} | given
    filters = ", ".join(f"{name} = {value!r}" for name, value in told.pop("filter").items())
    lines = [f"filter = {{ {filters} }}"]
    lines += [f'parent = "{url}/{parent}/openmrs"', f'child = "{url}/{child}/openmrs"', "rate = 100000"]
    for name, value in told.items():
        lines.append(f"{name.replace('conflict_', 'conflict.')} = {value!r}")
    return links.read("[link.clinic-a]\n" + "\n".join(lines))[0]
