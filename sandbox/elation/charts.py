"""The charts a practice holds: patients by id and by name, their policies by rank."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from .members import BLANK_PATIENT, READ_ONLY

#: Real ids are beyond 32 bits; a client that keeps them in an int4 finds out here.
FIRST_ID = 142_857_632_874_497
#: The old list of insurances in the patient follows the policies after a while only.
INSURANCE_LAG_SECONDS = 2.0
RANKS = {1: "primary", 2: "secondary", 3: "tertiary"}

Name = tuple[str, str, str]


@lru_cache(maxsize=4_096)
def instant(second: int) -> str:
    """A moment as the API writes it."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Chart:
    """One patient: what was given, and what the practice added."""

    id: int
    given: dict[str, Any]
    created: float
    modified: float
    policies: list[dict[str, Any]] = field(default_factory=list)
    policies_changed: float = 0.0
    deleted: bool = False
    merged_into: int | None = None

    @property
    def name(self) -> Name:
        """What a new patient is matched by."""
        return named(self.given)

    def shown(self) -> dict[str, Any]:
        """The patient as the API answers."""
        fresh = time.time() - self.policies_changed < INSURANCE_LAG_SECONDS
        own = {
            "id": self.id,
            "created_date": instant(int(self.created)),
            "last_modified": instant(int(self.modified)),
            "merged_into_chart": self.merged_into,
            "insurances": [] if fresh or not self.policies else self.insurances(),
        }
        return BLANK_PATIENT | self.given | own

    def insurances(self) -> list[dict[str, Any]]:
        """The active policies in the words of the old list."""
        active = (one for one in self.policies if one["rank"] is not None)
        return [
            {
                "rank": RANKS[one["rank"]],
                "carrier": one.get("carrier"),
                "member_id": one.get("member_id"),
                "payment_program": one.get("payment_program"),
            }
            for one in sorted(active, key=lambda one: int(one["rank"]))
        ]


def named(document: Mapping[str, Any]) -> Name:
    """Last name, first name and date of birth, letters alike."""
    return (
        str(document.get("last_name", "")).strip().casefold(),
        str(document.get("first_name", "")).strip().casefold(),
        str(document.get("dob", "")),
    )


class Charts:
    """All charts."""

    def __init__(self) -> None:
        self._by_id: dict[int, Chart] = {}
        self._by_name: dict[Name, int] = {}
        self._by_last_name: dict[str, dict[int, None]] = {}
        self._ids = itertools.count(FIRST_ID, 65_536)
        self._policy_ids = itertools.count(FIRST_ID + 1, 65_536)

    def __getitem__(self, chart_id: int) -> Chart:
        return self._by_id[chart_id]

    def get(self, chart_id: int) -> Chart | None:
        """The chart with this id."""
        return self._by_id.get(chart_id)

    def all(self) -> Iterable[Chart]:
        """Every chart, oldest first."""
        return self._by_id.values()

    def clear(self) -> None:
        """Forgets every chart."""
        self._by_id.clear()
        self._by_name.clear()
        self._by_last_name.clear()

    def twin(self, document: Mapping[str, Any]) -> Chart | None:
        """The chart a new patient would be taken for."""
        found = self._by_name.get(named(document))
        return None if found is None else self._by_id[found]

    def with_last_name(self, last_name: str) -> Iterable[Chart]:
        """The charts of everybody with this last name."""
        ids = self._by_last_name.get(last_name.strip().casefold(), {})
        return [self._by_id[chart_id] for chart_id in ids]

    def create(self, document: dict[str, Any]) -> Chart:
        """A new chart."""
        now = time.time()
        chart = Chart(next(self._ids), writable(document), now, now)
        self._by_id[chart.id] = chart
        self._index(chart)
        return chart

    def change(self, chart: Chart, document: dict[str, Any], replace: bool) -> None:
        """Changes what is given; ``replace`` drops everything else. Lists are replaced whole."""
        before = chart.name
        chart.given = writable(document) if replace else chart.given | writable(document)
        chart.modified = time.time()
        if chart.name != before:
            self._by_name.pop(before, None)
            self._by_last_name[before[0]].pop(chart.id, None)
            self._index(chart)

    def remove(self, chart: Chart) -> None:
        """Deletes a chart: its name is free again, its id is gone."""
        chart.deleted = True
        self._by_name.pop(chart.name, None)

    def _index(self, chart: Chart) -> None:
        self._by_name[chart.name] = chart.id
        self._by_last_name.setdefault(chart.name[0], {})[chart.id] = None

    # Policies

    def add_policy(self, chart: Chart, document: Mapping[str, Any]) -> dict[str, Any]:
        """A new policy; one that was active on its rank is pushed out without a word."""
        policy = {"rank": None} | dict(document) | {"id": next(self._policy_ids), "version": 1}
        self.free_rank(chart, policy["rank"])
        chart.policies.append(policy)
        chart.policies_changed = time.time()
        return policy

    def change_policy(self, chart: Chart, policy: dict[str, Any], document: Mapping[str, Any]) -> None:
        """Edits a policy in place; its version counts up."""
        if document.get("rank") != policy["rank"]:
            self.free_rank(chart, document.get("rank"))
        version = policy["version"] + 1
        kept = {"id": policy["id"], "version": version}
        policy.clear()
        policy.update({"rank": None} | dict(document) | kept)
        chart.policies_changed = time.time()

    def free_rank(self, chart: Chart, rank: object) -> None:
        """Makes room on a rank: a policy without rank is inactive."""
        for policy in chart.policies:
            if rank is not None and policy["rank"] == rank:
                policy["rank"] = None


def writable(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document without its read-only members."""
    return {name: value for name, value in document.items() if name not in READ_ONLY}
