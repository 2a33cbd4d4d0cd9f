"""How FHIR2 words what it holds: versions, times, ETags and OperationOutcomes."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from sandbox.core import Reply

from .database import Resource, Row

FHIR_JSON = "application/fhir+json;charset=UTF-8"


def outcome(status: int, text: str, severity: str = "error") -> Reply:
    """An OperationOutcome, as everything inside HAPI answers."""
    issue = {"severity": severity, "code": "processing", "diagnostics": text}
    body = orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
    return Reply(status, body, FHIR_JSON)


def shown(row: Row) -> Resource:
    """A record as it is read: the version is the second of its last change, in milliseconds."""
    meta = {
        "versionId": str(row.changed * 1000),
        "lastUpdated": stamp(row.changed),
        **{k: v for k, v in (row.resource.get("meta") or {}).items() if k == "tag"},
    }
    return {**row.resource, "meta": meta}


def stamp(seconds: float) -> str:
    """A time as FHIR2 writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+00:00")


def etag(row: Row) -> str:
    """Two edits within a second have one ETag."""
    return f'W/"{row.changed * 1000}"'
