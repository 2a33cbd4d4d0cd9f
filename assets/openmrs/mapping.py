"""From a decision about a record to the calls that carry it out on one side.

Three kinds of far end: OpenMRS where REST keeps uuids, OpenMRS where FHIR2 gives new ones, and a server that
follows FHIR R4. What a server cannot hold is listed as ``left``, never dropped in silence.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from assets.openmrs import rest
from assets.openmrs.canonical import as_written
from assets.openmrs.merge import Change
from assets.openmrs.reconcile import Create, Edit, Void, Write
from assets.openmrs.tree import Json, Tree, encode, items, pruned, text

FHIR = "/ws/fhir2/R4"
REST = "/ws/rest/v1"


class FarKind(enum.Enum):
    """How a far end takes a new record."""

    OPENMRS_REST = "rest-uuid"  # REST keeps the uuid
    OPENMRS_FHIR = "fhir-map"  # FHIR2 gives a new one, and the link remembers which is which
    R4 = "fhir-r4"  # any FHIR R4 server: conditional create, If-Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, its address below the server's base as template and values.

    ``condition`` is sent as If-None-Exist with a POST and as If-Match with a PUT; FHIR2 ignores both.
    """

    method: str
    template: str
    path: Mapping[str, str] = field(default_factory=dict)
    body: Tree | None = field(default=None, repr=False)
    condition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """The calls for one write, and the elements the server has no place for."""

    calls: tuple[Call, ...]
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The record at the far end a write is for.

    ``record`` is the record as known there or here (its type and tag choose the address), ``origin`` the
    server it comes from, ``version`` the one just read, ``telephone`` the attribute type of phone numbers.
    """

    kind: FarKind
    id: str
    record: Tree = field(repr=False)
    origin: str
    version: str = ""
    telephone: str = ""


def calls(write: Write, target: Target) -> Mapped:
    """The calls that carry out a write."""
    if isinstance(write, Create):
        return Mapped(calls=(_created(write.record, target),))
    if isinstance(write, Edit):
        return _edited(write, target)
    if isinstance(write, Void):
        return Mapped(calls=(_fhir_call("DELETE", target),))
    return Mapped(calls=(_revived(target),))


def origin_identifier(system: str, record_id: str) -> Tree:
    """The identifier by which a record is found again on a server that gave it another id (R2)."""
    return {"use": "secondary", "type": {"text": "Origin"}, "system": system, "value": record_id}


def prepared(record: Tree) -> Tree:
    """A record as it is sent: without the other server's versions, narrative and empty members.

    FHIR2's parser takes one identifier that is not in an array; no other does, so it is put into one.
    """
    tags = items(record, "meta", "tag")
    sent: Tree = {name: value for name, value in record.items() if name not in ("meta", "text")}
    if tags:
        sent["meta"] = {"tag": [*tags]}
    for name in ("identifier", "name", "address", "telecom"):
        if isinstance(sent.get(name), dict) and text(record, "resourceType") in ("Patient", "Practitioner"):
            sent[name] = [sent[name]]
    kept = pruned(sent)
    return kept if isinstance(kept, dict) else {}


def _created(record: Tree, target: Target) -> Call:
    if target.kind is FarKind.OPENMRS_REST:
        path = {"resource": rest.resource_of(record)}
        body = rest.created(record, target.telephone)
        return Call(method="POST", template=f"{REST}/{{resource}}", path=path, body=body)
    record_id = text(record, "id")
    body = {name: value for name, value in prepared(record).items() if name != "id"}
    if record_id and (target.kind is FarKind.R4 or text(record, "resourceType") == "Patient"):
        body["identifier"] = [*items(body, "identifier"), origin_identifier(target.origin, record_id)]
    template = "/{type}" if target.kind is FarKind.R4 else f"{FHIR}/{{type}}"
    condition = f"identifier={target.origin}|{record_id}" if record_id and target.kind is FarKind.R4 else ""
    path = {"type": text(record, "resourceType")}
    return Call(method="POST", template=template, path=path, body=body, condition=condition)


def _revived(target: Target) -> Call:
    """REST undeletes by this one member; a FHIR server takes the record again."""
    if target.kind is FarKind.R4:
        return _fhir_call("PUT", target, {**prepared(target.record), "id": target.id})
    path = {"resource": rest.resource_of(target.record), "id": target.id}
    return Call(method="POST", template=f"{REST}/{{resource}}/{{id}}", path=path, body={"deleted": "false"})


def _edited(write: Edit, target: Target) -> Mapped:
    if target.kind is not FarKind.R4 and text(write.after, "resourceType") == "Patient":
        return _edited_person(write, target)
    return Mapped(calls=(_fhir_call("PUT", target, {**prepared(write.after), "id": target.id}),))


def _edited_person(write: Edit, target: Target) -> Mapped:
    """A patient's changes, part by part: FHIR2's PUT would add a second address beside the wrong one."""
    made: list[Call] = []
    left: list[str] = []
    own = [name for change in write.changes for name in rest.OWN_VALUES.get(change.element, ())]
    if own:
        body = {name: value for name, value in rest.person(write.after).items() if name in own}
        made.append(Call(method="POST", template=f"{REST}/person/{{id}}", path={"id": target.id}, body=body))
    for change in write.changes:
        if change.element in rest.OWN_VALUES:
            continue
        call = _part_call(change, as_written(write.before, change.element), target)
        if call is None:
            left.append(change.element)
        else:
            made.append(call)
    return Mapped(calls=tuple(made), left=tuple(left))


def _part_call(change: Change, present: Json, target: Target) -> Call | None:
    """The call about one part; what it has there now (``present``) and is to lose must be emptied by name.

    Whether it is there already is asked of the target: two records that have just met have no base to ask.
    """
    gone = change.after is None
    found = rest.part(change.element, change.before if gone else change.written, target.telephone)
    if found is None:
        return None
    name, body = found
    owner = "patient" if name == "identifier" else "person"
    path = {"owner": owner, "id": target.id, "part": name, "uuid": text(body, "uuid")}
    known = f"{REST}/{{owner}}/{{id}}/{{part}}/{{uuid}}"
    if gone:
        return Call(method="DELETE", template=known, path=path) if path["uuid"] else None
    if present is not None and not path["uuid"]:
        return None  # nothing names the part to correct, and a second one beside it would be wrong
    if present is not None:
        _, held = rest.part(change.element, present, target.telephone) or ("", {})
        emptied: Tree = {key: None for key in held if key not in body}
        rest_of_it = {key: value for key, value in body.items() if key != "uuid"}
        return Call(method="POST", template=known, path=path, body=rest_of_it | emptied)
    del path["uuid"]
    return Call(method="POST", template=f"{REST}/{{owner}}/{{id}}/{{part}}", path=path, body=body)


def _fhir_call(method: str, target: Target, body: Tree | None = None) -> Call:
    template = "/{type}/{id}" if target.kind is FarKind.R4 else f"{FHIR}/{{type}}/{{id}}"
    path = {"type": text(target.record, "resourceType"), "id": target.id}
    version = target.version if target.kind is FarKind.R4 and method == "PUT" else ""
    return Call(method=method, template=template, path=path, body=body, condition=version)


def outgoing(made: tuple[Call, ...]) -> bytes:
    """Calls as the bytes the outbox keeps: exactly what is sent, in order."""
    return encode({"calls": [_as_json(call) for call in made]})


def shown(call: Call) -> Tree:
    """A call for people: its path filled in, below the server's address."""
    told: Tree = {"method": call.method, "path": call.template.format_map(call.path)}
    if call.body is not None:
        told["body"] = call.body
    if call.condition:
        told["condition"] = call.condition
    return told


def _as_json(call: Call) -> Json:
    told: Tree = {"method": call.method, "template": call.template, "path": dict(call.path)}
    if call.body is not None:
        told["body"] = call.body
    if call.condition:
        told["condition"] = call.condition
    return told


#: What a queue does when a message of this kind has finally failed: creations and deletions hold it.
KINDS = {Create: "record_create", Edit: "record_update", Void: "record_void"}


def message_kind(write: Write) -> str:
    """The kind under which the outbox keeps a write."""
    return KINDS.get(type(write), "record_revive")
