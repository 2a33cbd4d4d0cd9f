"""One simulated OpenMRS: a feed without login, FHIR2 and REST behind HTTP Basic, and levers for the operator.

Under ``/_sandbox/<system>``:

* ``POST /settings`` ``{"publish_delay_seconds", "page_size", "chunks", "offline", "bahmni", "upsert",
  "user", "password", "clock_offset_seconds"}``; a ``page_size`` counts from the next row on,
* ``PUT`` and ``DELETE /records/<Type>/<uuid>`` act as a clinician at that server does (``?purge=1``,
  ``?unvoid=1``), ``POST /merge`` ``{"winner", "loser"}``,
* ``POST /purge`` ``{"category", "entries"}`` deletes the oldest feed rows, ``POST /poison``
  ``{"category", "page"}`` makes a page answer 500 for ever,
* ``POST /sample`` ``{"patients", "city"}`` makes a morning's work, told in the feed like any other,
* ``POST /backlog`` ``{"pages", "patients"}`` makes a long feed, ``POST /scenario`` ``{"folder", "feed"}``
  loads one, ``POST /replace`` makes it another server under the same address,
* ``GET /feed/<category>`` counts its pages and rows.
"""

from __future__ import annotations

import base64
import binascii
import random
import time
from pathlib import Path
from typing import Any

from sandbox.core import Reply, Request, System, as_json

from .backlog import fill, see
from .database import Database, new_uuid
from .dictionary import Dictionary
from .feed import Feed
from .fhir import UPSERT, Fhir
from .rest import Rest
from .scenario import Scenario
from .words import shown

LOGIN_PAGE = b"<html><head><title>HTTP Status 401</title></head><body><h1>Unauthorized</h1></body></html>"


class OpenMrs(System):
    """A parent or a child; ``seed`` makes its chance repeatable."""

    def __init__(self, name: str, dictionary: Dictionary, seed: int = 5) -> None:
        self.name = name
        self.dictionary = dictionary
        self.seed = seed
        self.publish_delay = 2.0
        self.clock_offset = 0.0
        self.account: tuple[str, str] | None = None
        self._empty()

    def _empty(self) -> None:
        self.offline = False
        self.scenario: Scenario | None = None
        feed = Feed(self.publish_delay, random.Random(self.seed))
        self.data = Database(feed, self.dictionary, self.clock)
        self.fhir = Fhir(self.data)
        self.rest = Rest(self.data)
        self._told: dict[str, int] = {}

    def clock(self) -> float:
        """The server's own clock, which may be wrong."""
        return time.time() + self.clock_offset

    def answer(self, request: Request) -> Reply:
        if self.offline:
            return Reply(0, drop=True)
        steps = request.path.strip("/").split("/")
        match steps:
            case ["openmrs", "ws", "atomfeed", category, page]:
                return self._page(request, category, page)
            case ["openmrs", "ws", "fhir2", "R4", *rest]:
                reply = (
                    self.fhir.answer(request, rest)
                    if self._signed_in(request) or rest == ["metadata"]
                    else None
                )
            case ["openmrs", "ws", "rest", "v1", *rest]:
                reply = self.rest.answer(request, rest) if self._signed_in(request) else None
            case _:
                return Reply(404, b"<html><body><h1>HTTP Status 404</h1></body></html>", "text/html")
        answer = reply or Reply(401, LOGIN_PAGE, "text/html;charset=utf-8")
        answer.headers = {**(answer.headers or {}), "date": http_date(self.clock())}
        return answer

    def _signed_in(self, request: Request) -> bool:
        """HTTP Basic, sent without being asked for; the password ends at its first colon."""
        kind, _, encoded = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            parts = base64.b64decode(encoded, validate=True).decode().split(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        if len(parts) < 2 or not parts[0]:
            return False
        return self.account is None or (parts[0], parts[1]) == self.account

    def _page(self, request: Request, category: str, page: str) -> Reply:
        self.data.feed.publish(self.clock())
        documents = self.scenario
        if documents is not None and self._told.get(category, 0) == self._rows(category):
            document = documents.answer(category, page)
            if document is not None:
                return feed_reply(*document)
        scheme = request.headers.get("x-forwarded-proto", "http")
        origin = f"{scheme}://{request.headers.get('host', 'openmrs:8080')}"
        return feed_reply(*self.data.feed.page(category, page, origin))

    def _rows(self, category: str) -> int:
        return len(self.data.feed.events.get(category, []))

    def load(self, folder: Path, feed: str = "feed") -> None:
        """Becomes the server of a scenario folder, keeping the records written to it so far."""
        self.scenario = Scenario(folder, feed)
        self.scenario.install_metadata(self.data)
        self.scenario.load(self.data)
        self._told = {category: self._rows(category) for category in self.data.feed.events}

    def scenario_metadata(self, parent: OpenMrs) -> None:
        """Has the locations and practitioners of the parent's scenario, as every server of it does."""
        if parent.scenario is not None:
            parent.scenario.install_metadata(self.data)

    def records(self) -> object:
        """What is alive and was not there from the start."""
        rows = self.data.rows.items()
        return {key: shown(row) for key, row in rows if not row.voided and not row.installed}

    def forget(self, everything: bool) -> None:
        if everything:
            self._empty()

    def control(self, request: Request) -> Reply | None:
        steps = request.path.strip("/").split("/")
        match request.method, steps:
            case "PUT", ["records", kind, record_id]:
                return self._edited(kind, record_id, request.json())
            case "DELETE", ["records", kind, record_id]:
                return self._removed(f"{kind}/{record_id}", request.query)
            case "GET", ["feed", category]:
                self.data.feed.publish(self.clock())
                pages = self.data.feed.pages(category)
                return as_json(200, {"pages": pages, "rows": self._rows(category)})
            case "POST", [lever] if lever in LEVERS:
                given: dict[str, Any] = request.json() if request.body else {}
                self.data.feed.publish(self.clock())
                return LEVERS[lever](self, given)
        return None

    def _edited(self, kind: str, record_id: str, record: dict[str, Any]) -> Reply:
        key = f"{kind}/{record_id}"
        there = self.data.find(key) is not None
        (self.data.update if there else self.data.create)({**record, "resourceType": kind, "id": record_id})
        return as_json(200 if there else 201, shown(self.data.rows[key]))

    def _removed(self, key: str, query: dict[str, str]) -> Reply:
        if self.data.find(key) is None:
            return as_json(404, {"detail": "There is no such record."})
        if "purge" in query:
            self.data.purge(key)
        elif "unvoid" in query:
            self.data.unvoid(key)
        else:
            self.data.void(key)
        return Reply(204)

    def set(self, given: dict[str, Any]) -> Reply:
        """Changes how the server behaves; what is not named stays."""
        feed = self.data.feed
        self.publish_delay = feed.delay = float(given.get("publish_delay_seconds", feed.delay))
        self.clock_offset = float(given.get("clock_offset_seconds", self.clock_offset))
        self.offline = bool(given.get("offline", self.offline))
        feed.bahmni = bool(given.get("bahmni", feed.bahmni))
        if "page_size" in given:
            rows = max((len(events) for events in feed.events.values()), default=0)
            feed.chunks.append((int(given["page_size"]), rows + 1))
        if "chunks" in given:
            feed.chunks = [(int(length), int(start)) for length, start in given["chunks"]]
        if "upsert" in given:
            self.fhir.upsert = UPSERT if given["upsert"] else frozenset()
        if "password" in given:
            self.account = (str(given.get("user", "admin")), str(given["password"]))
        return as_json(200, {"offline": self.offline, "chunks": feed.chunks, "delay": feed.delay})

    def purge(self, given: dict[str, Any]) -> Reply:
        """Deletes the oldest rows of a feed."""
        self.data.feed.purge(str(given["category"]), int(given["entries"]))
        return as_json(200, {"rows": self._rows(str(given["category"]))})

    def poison(self, given: dict[str, Any]) -> Reply:
        """Makes a page unreadable for ever."""
        self.data.feed.poisoned.add((str(given["category"]), int(given["page"])))
        return as_json(200, given)

    def merge(self, given: dict[str, Any]) -> Reply:
        """Merges two patients."""
        self.data.merge(str(given["winner"]), str(given["loser"]))
        return as_json(200, given)

    def make_backlog(self, given: dict[str, Any]) -> Reply:
        """Fills the server with invented patients and a long feed about them."""
        made = fill(self.data, pages=int(given["pages"]), patients=int(given.get("patients", 10_000)))
        return as_json(200, made)

    def make_sample(self, given: dict[str, Any]) -> Reply:
        """New patients are seen."""
        return as_json(
            201, {"records": see(self.data, int(given.get("patients", 1)), str(given.get("city", "")))}
        )

    def take_scenario(self, given: dict[str, Any]) -> Reply:
        """Loads a scenario folder."""
        self.load(Path(str(given["folder"])), str(given.get("feed", "feed")))
        return as_json(200, {"records": len(self.data.rows)})

    def replace(self, given: dict[str, Any]) -> Reply:
        """Another server answers under this address: other records, another feed of the same length."""
        rows = {category: len(events) for category, events in self.data.feed.events.items()}
        self.seed += 1
        self._empty()
        fill(self.data, pages=0, patients=0, rows=rows, name=new_uuid())
        return as_json(200, {"rows": rows})


LEVERS = {
    "settings": OpenMrs.set,
    "purge": OpenMrs.purge,
    "poison": OpenMrs.poison,
    "merge": OpenMrs.merge,
    "backlog": OpenMrs.make_backlog,
    "sample": OpenMrs.make_sample,
    "scenario": OpenMrs.take_scenario,
    "replace": OpenMrs.replace,
}


def feed_reply(status: int, body: str) -> Reply:
    """A feed's answer: no ETag, no Last-Modified."""
    kind = "application/atom+xml;charset=UTF-8" if status == 200 else "text/plain;charset=UTF-8"
    return Reply(status, body.encode(), kind)


def http_date(at: float) -> str:
    """The ``Date`` header, by which a reader sees how wrong the server's clock is."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(at))
