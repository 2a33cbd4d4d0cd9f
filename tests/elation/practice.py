"""The whole lane in a test: events go in as through a door, a run drains them, Elation in miniature answers."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from assets.drain.run import Ended, drain_singles
from assets.elation import sending
from resources.settings import Settings
from resources.store.values import Arrival, Owed
from sandbox.elation import Elation
from sandbox.running import sandbox_thread
from tests.conftest import Database
from tests.elation.charts import ANA
from web.elation import reading

#: As quick as a test wants it: tries after 0.1 and 0.2 seconds, a "no" is believed after half a second.
QUICK = {
    "HANDOFF_RETRY_PLAN": "0.1,0.2",
    "HANDOFF_LINGER_SECONDS": "0.05",
    "HANDOFF_BREAKER_AFTER": "0",
    "ELATION_SETTLE_SECONDS": "1",
    "ELATION_CONCURRENCY": "8",
    "ELATION_CLIENT_ID": "us",
    "ELATION_CLIENT_SECRET": "secret",
    "ELATION_CAREGIVER_PRACTICE": "65540",
}

Row = dict[str, Any]
Map = Callable[[Arrival], Sequence[Owed]]


def chart(number: int, **changes: object) -> Row:
    """One of many charts; no two have the same name."""
    return (
        ANA | {"id": f"chart-{number}", "last_name": f"Rivera {number}", "member_id": f"HF{number}"} | changes
    )


def event(name: str, kind: str = "profile_changed", of: Row | None = None) -> bytes:
    """An event about a chart, by default Ana's."""
    about = ANA if of is None else of
    told = {"event_id": name, "event_type": kind, "resource_id": about["id"], "data": {"chart": about}}
    return json.dumps(told).encode()


@dataclass
class Practice:
    """One lane between a store and an Elation in miniature."""

    database: Database
    http: httpx.Client
    settings: Settings

    def receive(self, *events: bytes) -> None:
        """What the door does with them, in this order."""
        read = reading(self.database.sealer)
        self.database.receive([read(raw) for raw in events])

    def drain(self, *, only: int | None = None, mapped: Map | None = None, **changed: object) -> Ended:
        """One run, with some settings changed, or with another mapping than today's."""
        settings = Settings({**self.settings.values, **{name: str(value) for name, value in changed.items()}})
        lane = sending.lane(settings)
        return drain_singles(
            settings, replace(lane, map=mapped) if mapped else lane, run_id="test-run", only=only
        )

    def fault(self, match: str, **what: object) -> None:
        """What the next matching requests get."""
        fault = {"times": 1, "take": False, "match": match, **what}
        assert self.http.post("/_sandbox/elation/faults", json=fault).is_success

    def received(self, *methods: str) -> list[Row]:
        """The requests Elation got, sign-ins and look-ups of the practice left out."""
        rows = self.http.get("/_sandbox/elation/received").json()
        mine = [row for row in rows if "/patients" in row["path"]]
        return [row for row in mine if not methods or row["method"] in methods]

    def writes(self) -> list[str]:
        """Method and last part of the path of every write, in order."""
        named = [
            row["path"].rstrip("/").split("/")[3:] for row in self.received("POST", "PATCH", "PUT", "DELETE")
        ]
        methods = [row["method"] for row in self.received("POST", "PATCH", "PUT", "DELETE")]
        return [
            f"{method} {'policies' if 'policies' in path else 'patients'}"
            for method, path in zip(methods, named, strict=True)
        ]

    def patients(self) -> list[Row]:
        """All patients Elation has."""
        return list(self._all("/elation/api/2.0/patients/"))

    def policies(self, patient: int) -> list[Row]:
        """Its policies that count."""
        return [row for row in self._all(f"/elation/api/2.0/patients/{patient}/policies/") if row["rank"]]

    def _all(self, path: str) -> Iterator[Row]:
        form = {"grant_type": "client_credentials", "client_id": "us", "client_secret": "secret"}
        token = self.http.post("/elation/api/2.0/oauth2/token/", data=form).json()["access_token"]
        link: str | None = path + "?limit=100"
        while link:
            page = self.http.get(link, headers={"authorization": f"Bearer {token}"}).json()
            yield from page["results"]
            link = page["next"]

    def states(self) -> dict[str, int]:
        """How many messages are in which state."""
        from resources.store.lookup import states

        with self.database.connect() as db:
            return dict(states(db).get("elation", {}))


@contextmanager
def practising(database: Database, **changed: object) -> Iterator[Practice]:
    """A lane and its far end, until the end of the block."""
    with sandbox_thread((Elation(),)) as url, httpx.Client(base_url=url, timeout=10, trust_env=False) as http:
        settings = database.with_(**QUICK | {"ELATION_URL": f"{url}/elation/api/2.0"} | changed)
        yield Practice(database, http, settings)
