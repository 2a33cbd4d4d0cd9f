"""OpenMRS' own REST API in miniature: the one way to create a record under a uuid of the caller's choice.

It speaks of persons, visits and observations in OpenMRS' words; here they are kept as the FHIR resource that
FHIR2 would show of them.
"""

from __future__ import annotations

from sandbox.core import Reply, Request, as_json

from .database import Database, Resource, new_uuid
from .feed import REST
from .rest_shapes import MAKERS, PARTS, PRESENT, TELEPHONE, scalars
from .taking import Wrong, refuse_taken

TYPES = {name: kind for kind, name in REST.items()} | {"visit": "Encounter"}


class Rest:
    """``/ws/rest/v1`` of one server."""

    def __init__(self, database: Database) -> None:
        self.data = database

    def answer(self, request: Request, steps: list[str]) -> Reply:
        """The answer to one REST request; ``steps`` is the path behind ``v1``."""
        try:
            return self._answer(request, steps)
        except Wrong as wrong:
            return as_json(wrong.status, {"error": {"message": str(wrong), "code": "", "detail": ""}})

    def _answer(self, request: Request, steps: list[str]) -> Reply:
        match request.method, steps:
            case "POST", [name] if name in TYPES:
                return self._create(name, given(request))
            case "GET", [name, record_id] if name in TYPES:
                return self._read(f"{TYPES[name]}/{record_id}", record_id)
            case "DELETE", [name, record_id] if name in TYPES:
                return self._delete(f"{TYPES[name]}/{record_id}", request.query.get("purge") == "true")
            case "POST", [name, record_id] if given(request) == {"deleted": "false"} and name in TYPES:
                return self._unvoid(f"{TYPES[name]}/{record_id}")
            case "POST", ["person", person]:
                return self._person(person, given(request))
            case (("POST" | "DELETE"), [("person" | "patient"), person, part, *rest]):
                return self._part(request, person, part, rest[0] if rest else "")
        raise Wrong(404, "Unknown resource")

    def _create(self, name: str, body: Resource) -> Reply:
        record_id = str(body.get("uuid") or new_uuid())
        if self.data.find(f"{TYPES[name]}/{record_id}") is not None:
            raise Wrong(500, "could not execute statement: Duplicate entry for key 'uuid'")
        record = MAKERS[name](self.data, body, record_id)
        kept = {key: value for key, value in record.items() if value not in (None, "", [], {})}
        self.data.create(self.data.dictionary.dressed(kept))
        return as_json(201, {"uuid": record_id, "display": "", "voided": False}, effect=True)

    def _read(self, key: str, record_id: str) -> Reply:
        """A voided record is answered 200, unlike by FHIR."""
        row = self.data.find(key)
        if row is None:
            raise Wrong(404, "Object with given uuid doesn't exist")
        return as_json(200, {"uuid": record_id, "voided": row.voided, "auditInfo": {}})

    def _delete(self, key: str, purge: bool) -> Reply:
        if self.data.find(key) is None:
            raise Wrong(404, "Object with given uuid doesn't exist")
        if purge:
            self.data.purge(key)
        else:
            self.data.void(key)
        return Reply(204, effect=True)

    def _unvoid(self, key: str) -> Reply:
        if self.data.find(key) is None:
            raise Wrong(404, "Object with given uuid doesn't exist")
        self.data.unvoid(key)
        return as_json(200, {"uuid": key.partition("/")[2], "voided": False}, effect=True)

    def _alive(self, person: str) -> Resource:
        record = self.data.alive(f"Patient/{person}")
        if record is None:
            raise Wrong(404, "Object with given uuid doesn't exist")
        return record

    def _person(self, person: str, body: Resource) -> Reply:
        record = {**self._alive(person), **scalars(body)}
        if body.get("dead") is False:
            record.pop("deceasedDateTime", None)
        elif "deceasedDateTime" in record:
            record.pop("deceasedBoolean", None)
        self.data.update(record)
        return as_json(200, {"uuid": person}, effect=True)

    def _part(self, request: Request, person: str, part: str, item_id: str) -> Reply:
        if part not in PARTS:
            raise Wrong(404, "Unknown resource")
        member, maker = PARTS[part]
        record = self._alive(person)
        body = given(request)
        if part == "attribute" and (
            body.get("attributeType") == TELEPHONE or has(record, "telecom", item_id)
        ):
            member, body = "telecom", {"attributeType": TELEPHONE, **body}
        items = list(record.get(member) or [])
        at = next((n for n, item in enumerate(items) if item_id and item_of(item) == item_id), None)
        if item_id and at is None:
            raise Wrong(404, "Object with given uuid doesn't exist")
        if request.method == "DELETE":
            items.pop(at if at is not None else -1)
            self.data.update({**record, member: items})
            return Reply(204, effect=True)
        present = PRESENT[part](items[at]) if at is not None and part in PRESENT else {}
        item = maker({"uuid": item_id or new_uuid(), **present, **body})
        if part == "identifier":
            refuse_taken(self.data, item, person)
        if at is None:
            items.append(item)
        else:
            items[at] = item if present else items[at] | item
        self.data.update({**record, member: items})
        return as_json(200 if item_id else 201, {"uuid": item_of(item)}, effect=True)


def has(record: Resource, member: str, item_id: str) -> bool:
    """Whether a member holds an item of this uuid."""
    return any(item_of(item) == item_id for item in record.get(member) or [])


def given(request: Request) -> Resource:
    """The body, which must be a JSON object."""
    try:
        body = request.json() if request.body else {}
    except ValueError:
        raise Wrong(400, "Invalid JSON") from None
    return body if isinstance(body, dict) else {}


def item_of(item: Resource) -> str:
    """The uuid of a part of a person; an attribute's stands in its extension."""
    return str(item.get("id", ""))
