"""A scenario folder served by a simulated parent: ``feed/``, ``resources/``, ``events.json``.

Feed documents are served as they are until the first new event of their category; links in them name
another host on purpose. Locations and practitioners that the records point to, and that the folder does
not hold, were installed on every server from the start.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from .database import Database, Resource, key_of
from .dictionary import objects
from .feed import Event

ENTRY = re.compile(r"  <entry>.*?</entry>\r?\n", re.DOTALL)
ENTRY_ID = re.compile(r"<id>([^<]*)</id>")
GONE = {"VOIDED", "RETIRED"}


class Scenario:
    """A folder, read once. ``feed`` names the folder of documents: another one shows an earlier day."""

    def __init__(self, folder: Path, feed: str = "feed") -> None:
        self.documents: dict[tuple[str, str], tuple[int, str]] = {}
        self.sizes: dict[str, int] = {}
        for path in sorted((folder / feed).glob("*/*")):
            self._document(path)
        entries = {found for _, text in self.documents.values() for found in ENTRY_ID.findall(text)}
        listed = json.loads((folder / "events.json").read_text(encoding="utf-8"))
        self.events = [event for event in listed if event["entry_id"] in entries] or listed
        self.whole = len(self.events) == len(listed)
        self.last = max(seconds(event["at"]) for event in self.events)
        expected = folder / "expected.json"
        self.expected = json.loads(expected.read_text(encoding="utf-8")) if expected.is_file() else {}
        self.records = self._records(folder / "resources")

    def load(self, data: Database) -> None:
        """Puts the records and the documents' events into a server that is empty."""
        told = {event["resource"] for event in self.events}
        gone = self._gone()
        for key, record in self.records.items():
            if key in told and key not in gone["404"]:
                data.install(record, updated(record), voided=key in gone["410"], metadata=False)
        for category in sorted({category for category, _ in self.documents}):
            data.feed.events[category] = list(self._events(category))
        for (category, page), (status, _) in self.documents.items():
            if status != 200 and page.isdigit() and int(page) < data.feed.pages(category):
                data.feed.poisoned.add((category, int(page)))

    def install_metadata(self, data: Database) -> None:
        """What a server of the programme has before the first patient."""
        for record in self.records.values():
            data.dictionary.learn(record)
        for record in list(self.records.values()):
            for part in objects(record):
                kind, _, record_id = str(part.get("reference", "")).rpartition("/")
                if kind in ("Location", "Practitioner") and f"{kind}/{record_id}" not in self.records:
                    data.install(stub(kind, record_id, str(part.get("display", kind))), 0)

    def answer(self, category: str, page: str) -> tuple[int, str] | None:
        """The document of a page, or None when the folder has none."""
        return self.documents.get((category, page))

    def _document(self, path: Path) -> None:
        name, _, kind = path.name.partition(".")
        text = path.read_bytes().decode()  # line ends as they are
        status = 200 if kind == "xml" else int(re.sub(r"\D", "", kind) or 500)
        self.documents[path.parent.name, name] = (status, text)
        self.sizes[path.parent.name] = max(self.sizes.get(path.parent.name, 0), len(ENTRY.findall(text)))

    def _events(self, category: str) -> list[Event]:
        """The entries of a category in page order; a page that cannot be read is filled with its events."""
        pages = sorted(int(page) for name, page in self.documents if name == category and page.isdigit())
        found: list[Event] = []
        for page in pages:
            status, text = self.documents[category, str(page)]
            for raw in ENTRY.findall(text) if status == 200 else []:
                found.append(Event(ENTRY_ID.findall(raw)[0], category, "", "", self.last, raw))
            if status != 200 and page < pages[-1]:
                found.extend(Event("", category, category, "", self.last) for _ in range(5))
        return found

    def _records(self, folder: Path) -> dict[str, Resource]:
        """The newest version of each record as of the last event told."""
        newest: dict[str, Resource] = {}
        for path in sorted(folder.glob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            before = newest.get(key_of(record))
            if updated(record) <= self.last and (before is None or updated(before) <= updated(record)):
                newest[key_of(record)] = record
        return newest

    def _gone(self) -> dict[str, set[str]]:
        last = {event["resource"]: event["action"] for event in self.events}
        gone = {
            "410": {key for key, action in last.items() if action in GONE},
            "404": {key for key, action in last.items() if action == "DELETED"},
        }
        if self.whole:
            for answer, keys in self.expected.get("fhir_reads", {}).items():
                for status in ("410", "404"):
                    if answer.startswith(status) and isinstance(keys, list):
                        gone[status] |= set(keys)
        return gone


def updated(record: dict[str, Any]) -> float:
    """When the server last changed a record."""
    return seconds(str((record.get("meta") or {}).get("lastUpdated", "1970-01-01T00:00:00+00:00")))


def seconds(moment: str) -> float:
    """A time in seconds since 1970."""
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def stub(kind: str, record_id: str, name: str) -> Resource:
    """A location or practitioner of which only the name is known."""
    if kind == "Location":
        return {"resourceType": kind, "id": record_id, "status": "active", "name": name}
    return {"resourceType": kind, "id": record_id, "active": True, "name": [{"text": name, "family": name}]}
