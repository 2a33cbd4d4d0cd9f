"""FHIR2's R4 endpoint in miniature: what it takes, what it loses without a word, and what it refuses.

It drops the id of a POST, ignores If-None-Exist and If-Match, knows no bundles, adds where a PUT of a
patient should replace, and answers an edited observation with another uuid.
"""

from __future__ import annotations

import orjson

from sandbox.core import Reply, Request, as_json

from .database import Database, Resource, Row, key_of, new_uuid
from .search import Searches
from .taking import Wrong, added, taken
from .words import FHIR_JSON, etag, outcome, shown

TYPES = ("Patient", "Encounter", "Observation", "Location", "Practitioner", "Group")
#: With the property ``fhir2.upsert.supported.resources`` these may be created by PUT.
UPSERT = frozenset({"Location", "Practitioner"})


class Fhir:
    """``/ws/fhir2/R4`` of one server."""

    def __init__(self, database: Database) -> None:
        self.data = database
        self.upsert: frozenset[str] = frozenset()
        self.searches = Searches(database)

    def answer(self, request: Request, steps: list[str]) -> Reply:
        """The answer to one FHIR request; ``steps`` is the path behind ``R4``."""
        try:
            return self._answer(request, steps)
        except Wrong as wrong:
            return outcome(wrong.status, str(wrong))

    def _answer(self, request: Request, steps: list[str]) -> Reply:
        if steps == ["metadata"]:
            return as_json(200, {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"})
        if not steps and "_getpages" in request.query:
            return self.searches.next_page(request)
        if not steps or steps[0] not in TYPES:
            raise Wrong(404, "Unknown resource type or operation")
        match request.method, len(steps):
            case "GET", 1:
                return self.searches.start(request, steps[0])
            case "GET", 2:
                return self._read(request, "/".join(steps))
            case "POST", 1:
                return self._create(body_of(request, steps[0]))
            case "PUT", 2:
                return self._update(body_of(request, steps[0]), "/".join(steps))
            case "DELETE", 2:
                return self._delete("/".join(steps))
        raise Wrong(400, "Invalid request: this operation is not supported")

    def _read(self, request: Request, key: str) -> Reply:
        row = self._row(key)
        tag = etag(row)
        if request.headers.get("if-none-match") == tag:
            return Reply(304, headers={"etag": tag})
        return Reply(
            200,
            orjson.dumps(shown(row)),
            FHIR_JSON,
            {"etag": tag, "cache-control": "no-store"},
        )

    def _row(self, key: str) -> Row:
        row = self.data.find(key)
        if row is None:
            raise Wrong(404, "HAPI-2001: Resource is not known")
        if row.voided:
            raise Wrong(410, "HAPI-0838: Resource has been deleted")
        return row

    def _create(self, body: Resource) -> Reply:
        record = taken(self.data, body, new_uuid())
        self.data.create(record)
        return self._written(201, record)

    def _update(self, body: Resource, key: str) -> Reply:
        if body.get("id") != key.partition("/")[2]:
            raise Wrong(400, "HAPI-0419: Can not update resource, the id is missing or another one")
        if self.data.find(key) is None and body["resourceType"] in self.upsert:
            record = taken(self.data, body, str(body["id"]))
            return self._written(201, self.data.create(record))
        row = self._row(key)
        kind = body["resourceType"]
        if kind == "Patient":
            return self._written(
                200, self.data.update(added(row.resource, taken(self.data, body, row.resource["id"])))
            )
        if kind == "Observation":
            record = taken(self.data, body, new_uuid())
            self.data.void(key)
            return self._written(200, self.data.create(record))
        return self._written(200, self.data.update(taken(self.data, body, row.resource["id"])))

    def _delete(self, key: str) -> Reply:
        if self.data.find(key) is None:
            raise Wrong(404, "HAPI-2001: Resource is not known")
        self.data.void(key)
        done = outcome(200, "Resource has been deleted", "information")
        done.effect = True
        return done

    def _written(self, status: int, record: Resource) -> Reply:
        row = self.data.rows[key_of(record)]
        return Reply(
            status,
            orjson.dumps(shown(row)),
            FHIR_JSON,
            {"location": f"http://openmrs:8080/openmrs/ws/fhir2/R4/{key_of(record)}", "etag": etag(row)},
            effect=True,
        )


def body_of(request: Request, kind: str) -> Resource:
    """The resource of a request."""
    try:
        body = request.json()
    except ValueError:
        raise Wrong(400, "HAPI-0450: Failed to parse request body as JSON resource") from None
    if not isinstance(body, dict) or body.get("resourceType") != kind:
        raise Wrong(400, "HAPI-0450: Failed to parse request body: wrong resource type")
    return body
