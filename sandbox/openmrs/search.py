"""FHIR2's searches: ten a page, and a memory of one hundred searches, first in, first out.

A ``next`` link dies when its search is forgotten, so a reader must be able to start again.
"""

from __future__ import annotations

import itertools
from urllib.parse import parse_qsl

import orjson

from sandbox.core import Reply, Request

from .database import Database, Row
from .taking import Wrong, as_list
from .words import FHIR_JSON, shown, stamp

MEMORY = 100


class Searches:
    """The searches of one server."""

    def __init__(self, database: Database) -> None:
        self.data = database
        self.searches: dict[str, list[str]] = {}
        self._count = itertools.count(1)

    def start(self, request: Request, kind: str) -> Reply:
        found = [key for key in self._candidates(request, kind) if self._fits(request, self.data.rows[key])]
        search = f"s{next(self._count)}"
        self.searches[search] = sorted(found, key=lambda key: (self.data.rows[key].changed, key))
        while len(self.searches) > MEMORY:
            self.searches.pop(next(iter(self.searches)))
        return self._bundle(search, 0, count_of(request))

    def _candidates(self, request: Request, kind: str) -> list[str]:
        patient = request.query.get("patient") or request.query.get("subject")
        keys = self.data.of_patient(patient.rpartition("/")[2]) if patient else self.data.rows
        return [key for key in keys if key.startswith(f"{kind}/") and not self.data.rows[key].voided]

    def _fits(self, request: Request, row: Row) -> bool:
        wanted = request.query
        record = row.resource
        if "_id" in wanted and record["id"] not in wanted["_id"].split(","):
            return False
        if "identifier" in wanted:
            value = wanted["identifier"].rpartition("|")[2]
            if all(each.get("value") != value for each in as_list(record.get("identifier"))):
                return False
        if "_tag" in wanted:
            code = wanted["_tag"].rpartition("|")[2]
            if all(tag.get("code") != code for tag in (record.get("meta") or {}).get("tag") or []):
                return False
        if "encounter" in wanted:
            own = str((record.get("encounter") or {}).get("reference", "")).rpartition("/")[2]
            if own != wanted["encounter"].rpartition("/")[2]:
                return False
        return changed_within(row, request.query_string)

    def next_page(self, request: Request) -> Reply:
        search = request.query["_getpages"]
        if search not in self.searches:
            raise Wrong(410, f"HAPI-0418: Search ID {search} does not exist and may have expired")
        return self._bundle(search, int(request.query.get("_getpagesoffset", "0")), count_of(request))

    def _bundle(self, search: str, offset: int, count: int) -> Reply:
        found = self.searches[search]
        links = []
        if offset + count < len(found):
            url = (
                f"http://openmrs:8080/openmrs/ws/fhir2/R4?_getpages={search}"
                f"&_getpagesoffset={offset + count}&_count={count}"
            )
            links.append({"relation": "next", "url": url})
        rows = [self.data.rows[key] for key in found[offset : offset + count] if key in self.data.rows]
        body = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "link": links,
            "entry": [{"resource": shown(row)} for row in rows],
        }
        return Reply(200, orjson.dumps(body), FHIR_JSON)


def count_of(request: Request) -> int:
    """Default 10, at most 100."""
    asked = request.query.get("_count", "10")
    return max(1, min(100, int(asked) if asked.isdigit() else 10))


def changed_within(row: Row, query: str) -> bool:
    """``_lastUpdated=ge...`` and ``le...``, each as often as it is given."""
    moment = stamp(row.changed)[:19]
    for name, value in parse_qsl(query):
        if name != "_lastUpdated":
            continue
        bound = value[2:21] if value[:2].isalpha() else value[:19]
        fits = {"ge": moment >= bound, "gt": moment > bound, "le": moment <= bound, "lt": moment < bound}
        if not fits.get(value[:2], moment == bound):
            return False
    return True
