"""Judges what is posted to ``/endpoint``: enough of each data model to notice a wrong document."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

#: Redox takes 40 MB in one request and 30 MB in one file (docs.redoxengine.com, "Sending files").
MOST_REQUEST_BYTES = 40_000_000
MOST_FILE_BYTES = 30_000_000

VALUE_TYPES = ("Numeric", "String", "Date", "Time", "DateTime", "Coded Entry", "Encapsulated Data")
RESULTS_STATUSES = ("Final", "Preliminary", "In Process", "Corrected", "Canceled", "Other")
EVENTS = {"Results": ("New",), "Notes": ("New", "Replace"), "Media": ("New", "Replace")}


def files(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The order or document id and the value of each file a document carries."""
    for order in objects(document.get("Orders")):
        for result in objects(order.get("Results")):
            if result.get("ValueType") == "Encapsulated Data":
                yield str(order.get("ID")), str(result.get("Value"))
    for name, member in (("Note", "DocumentID"), ("Media", "DocumentID")):
        part = document.get(name)
        if isinstance(part, Mapping) and part.get("FileContents"):
            yield str(part.get(member)), str(part["FileContents"])


def objects(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list; nothing where there is no list."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def decoded(value: str) -> bytes | None:
    """The file in a base64 value, or None."""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def digest(content: bytes) -> str:
    """What a file is compared by."""
    return hashlib.sha256(content).hexdigest()


def wrong(document: object, uploads: Mapping[str, bytes]) -> Iterator[str]:
    """Everything wrong with a document, in sentences."""
    if not isinstance(document, Mapping) or not isinstance(document.get("Meta"), Mapping):
        yield "Meta is required"
        return
    model, event = document["Meta"].get("DataModel"), document["Meta"].get("EventType")
    if model not in EVENTS:
        yield "Meta.DataModel is not one this destination takes"
    elif event not in EVENTS[model]:
        yield f"Meta.EventType is not one of {model}"
    elif model == "Results":
        yield from _wrong_results(document)
    else:
        yield from _wrong_note(document, model)
    for _, value in files(document):
        yield from _wrong_file(value, uploads)


def _wrong_results(document: Mapping[str, Any]) -> Iterator[str]:
    patient = document.get("Patient")
    if not isinstance(patient, Mapping) or not objects(patient.get("Identifiers")):
        yield "Patient.Identifiers is required"
    orders = objects(document.get("Orders"))
    if not orders:
        yield "Orders must hold at least one order"
    for order in orders:
        yield from (f"Orders[].{name} is required" for name in ("ID", "Status") if not order.get(name))
        if order.get("ResultsStatus") not in (None, *RESULTS_STATUSES):
            yield "Orders[].ResultsStatus is not in the list"
        if not objects(order.get("Results")):
            yield "Orders[].Results must hold at least one result"
        for result in objects(order.get("Results")):
            missing = [name for name in ("Code", "Value", "ValueType") if not result.get(name)]
            yield from (f"Orders[].Results[].{name} is required" for name in missing)
            if result.get("ValueType") not in (None, *VALUE_TYPES):
                yield "Orders[].Results[].ValueType is not in the list"


def _wrong_note(document: Mapping[str, Any], model: str) -> Iterator[str]:
    name = {"Notes": "Note", "Media": "Media"}[model]
    part = document.get(name)
    if not isinstance(part, Mapping):
        yield f"{name} is required"
        return
    yield from (
        f"{name}.{member} is required" for member in ("DocumentType", "DocumentID") if not part.get(member)
    )


def _wrong_file(value: str, uploads: Mapping[str, bytes]) -> Iterator[str]:
    if value.startswith("https://"):
        if value not in uploads:
            yield "The file behind the URI was not uploaded by this source"
        return
    content = decoded(value)
    if content is None:
        yield "The file is not base64"
    elif len(content) > MOST_FILE_BYTES:
        yield "The file is larger than 30 MB"


def parts(body: bytes, content_type: str) -> Iterator[tuple[str, str, bytes]]:
    """Name, file name and content of each part of a multipart body."""
    _, _, boundary = content_type.partition("boundary=")
    fence = b"--" + boundary.strip('" ').encode()
    for piece in body.split(fence)[1:-1] if boundary else []:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        yield _attribute(head, "name"), _attribute(head, "filename"), content.removesuffix(b"\r\n")


def _attribute(head: bytes, name: str) -> str:
    """A quoted attribute of the Content-Disposition header."""
    _, _, rest = head.decode("utf-8", "replace").partition(f' {name}="')
    return rest.partition('"')[0]
