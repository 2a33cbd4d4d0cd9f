"""Reads one submission as the hub does: how many items, which ids, what is wrong, which state gets what."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import operator
import re
from collections.abc import Iterator

import orjson
import zstandard

from . import columns
from .quality import Filtered, filtered

MOST_ROWS = 10_000

_pack = zstandard.ZstdCompressor(level=1).compress
_unpack = zstandard.ZstdDecompressor().decompress


@dataclasses.dataclass(slots=True)
class Remark:
    """An error or warning as the reply lists it; the same words about several items are one remark."""

    scope: str
    message: str
    field: str | None = None
    indices: list[int] = dataclasses.field(default_factory=list)
    tracking_ids: list[str] = dataclasses.field(default_factory=list)

    def shown(self) -> dict[str, object]:
        """The remark in the reply's words."""
        if self.scope != "item":
            return {"scope": self.scope, "message": self.message, "errorCode": "UNKNOWN"}
        return {
            "scope": "item",
            "indices": self.indices,
            "trackingIds": self.tracking_ids,
            "field": self.field,
            "message": self.message,
            "errorCode": "UNKNOWN",
        }


@dataclasses.dataclass(slots=True)
class Submission:
    """What was read from one body."""

    ids: list[str] = dataclasses.field(default_factory=list)
    states: list[str] = dataclasses.field(default_factory=list)
    errors: list[Remark] = dataclasses.field(default_factory=list)
    warnings: list[Remark] = dataclasses.field(default_factory=list)
    filtered: list[Filtered] = dataclasses.field(default_factory=list)
    row_hashes: list[str] = dataclasses.field(default_factory=list)
    #: Where only the rows were counted: how many, and the compressed body the ids can still be read from.
    counted: int = 0
    unread: bytes | None = None

    @property
    def count(self) -> int:
        """How many items there are."""
        return len(self.ids) or self.counted


def report(message: str) -> Remark:
    """A remark about the whole submission."""
    return Remark("report", message)


def read(kind: str, body: bytes, with_hashes: bool = False) -> Submission:
    """Reads a body of the given content type."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return Submission(errors=[report("The content is not UTF-8.")])
    if kind == "text/csv":
        return read_csv(text, with_hashes)
    return read_fhir(text) if kind.startswith("application/fhir") else read_hl7(text)


# CSV


def read_csv(text: str, with_hashes: bool = False) -> Submission:
    """Reads SimpleReport's CSV; one unreadable row or one item error refuses the whole."""
    rows = cells(text)
    if not rows:
        return Submission(warnings=[report("No reports were found in CSV content")])
    head, rows = columns.header(tuple(rows[0])), rows[1:]
    submission = Submission(
        errors=[report(message) for message in head.errors],
        warnings=[report(message) for message in head.warnings],
    )
    if not rows:
        submission.warnings.append(report("No reports were found in CSV content"))
    if len(rows) > MOST_ROWS:
        submission.errors.append(report(f"Your file exceeds the row limit of {MOST_ROWS}."))
    submission.errors += [
        report(f"CSV file has an inconsistent number of columns on row: {number}")
        for number, row in enumerate(rows, 1)
        if len(row) != head.width
    ]
    if submission.errors:
        return submission
    judge(submission, table(rows, head.places))
    if with_hashes:
        submission.row_hashes = [hashlib.sha256("".join(row).encode()).hexdigest().upper() for row in rows]
    return submission


def count_csv(body: bytes) -> Submission:
    """Judges the header and counts the rows, no more: what a benchmark wants to pay for."""
    first, _, rest = body.partition(b"\n")
    head = columns.header(tuple(first.decode("utf-8", "replace").strip().split(",")))
    outside_quotes = rest.split(b'"')[::2]
    rows = sum(part.count(b"\n") for part in outside_quotes) + (rest[-1:] not in (b"\n", b""))
    return Submission(
        errors=[report(message) for message in head.errors],
        warnings=[report(message) for message in head.warnings],
        counted=rows,
        unread=_pack(body),
    )


def ids_in(packed: bytes) -> list[str]:
    """The ids of a body that had only been counted."""
    text = _unpack(packed).decode("utf-8", "replace")
    place = columns.header(tuple(text.partition("\n")[0].strip().split(","))).places["Result_ID"]
    if '"' in text:
        return [row[place] for row in cells(text)[1:]]
    return [line.split(",", place + 1)[place] for line in text.split("\n")[1:] if line]


def cells(text: str) -> list[list[str]]:
    """The rows of a CSV; the plain split is ten times cheaper and right where nothing is quoted."""
    if "\u2028" in text or "\u2029" in text:
        text = text.replace("\u2028", "\n").replace("\u2029", "\n")
    if '"' in text:
        return [row for row in csv.reader(io.StringIO(text)) if row]
    return [line.split(",") for line in text.replace("\r\n", "\n").split("\n") if line]


def table(rows: list[list[str]], places: dict[str, int]) -> dict[str, list[str]]:
    """The columns the hub looks at, by header."""
    names = [name for name in columns.LOOKED_AT if name in places]
    picked = zip(*map(operator.itemgetter(*(places[name] for name in names)), rows), strict=True)
    return {name: list(column) for name, column in zip(names, picked, strict=False)} or {
        name: [] for name in names
    }


def judge(submission: Submission, cells: dict[str, list[str]]) -> None:
    """Checks column by column; what the hub would drop is blank afterwards."""
    ids = submission.ids = cells.get("Result_ID", [])
    submission.states = cells.get("Patient_state", [])
    for name in columns.REQUIRED:
        if "" in cells[name]:
            message = f"Blank value for element {columns.field(name)}"
            submission.errors.append(named(name, message, ids, [not value for value in cells[name]]))
    for name in columns.CHECKS.keys() & cells.keys():
        for value, message in columns.wrong(name, cells[name]).items():
            hits = [cell == value for cell in cells[name]]
            submission.warnings.append(named(name, message, ids, hits))
            cells[name] = ["" if hit else cell for hit, cell in zip(hits, cells[name], strict=True)]
    submission.filtered = filtered(cells)


def named(name: str, message: str, ids: list[str], hits: list[bool]) -> Remark:
    """A remark that names the items it is about; items count from 1."""
    indices = [number for number, hit in enumerate(hits, 1) if hit]
    return Remark("item", message, columns.field(name), indices, [ids[number - 1] for number in indices])


# FHIR and HL7


def read_fhir(text: str) -> Submission:
    """Reads bundles, one a line; the tracking id is the bundle's identifier."""
    submission = Submission()
    for number, line in enumerate((line for line in text.split("\n") if line.strip()), 1):
        bundle = as_object(line)
        if bundle is None or bundle.get("resourceType") != "Bundle":
            message = "Bundle could not be read as FHIR."
            submission.errors.append(Remark("item", message, "Bundle", [number], []))
            continue
        submission.ids.append(bundle_id(bundle))
        submission.states.append(next(patient_states(bundle), ""))
    if not submission.ids and not submission.errors:
        submission.errors.append(report("No reports were found in FHIR content"))
    return submission


def as_object(line: str) -> dict[str, object] | None:
    """One JSON object, or None where the line is not one."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def resources(bundle: dict[str, object]) -> Iterator[dict[str, object]]:
    """The resources of a bundle's entries."""
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else []:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            yield resource


def bundle_id(bundle: dict[str, object]) -> str:
    """The bundle's identifier, else its id, else the id of its report."""
    identifier = bundle.get("identifier")
    if isinstance(identifier, dict) and identifier.get("value"):
        return str(identifier["value"])
    if bundle.get("id"):
        return str(bundle["id"])
    reports = (found for found in resources(bundle) if found.get("resourceType") == "DiagnosticReport")
    return str(next(reports, {}).get("id", ""))


def patient_states(bundle: dict[str, object]) -> Iterator[str]:
    """The states in the addresses of the bundle's patients."""
    for resource in resources(bundle):
        addresses = resource.get("address") if resource.get("resourceType") == "Patient" else None
        for address in addresses if isinstance(addresses, list) else []:
            if isinstance(address, dict) and address.get("state"):
                yield str(address["state"])


_MESSAGE = re.compile(r"^MSH\|.*?(?=^MSH\||^BTS\||^FTS\||\Z)", re.MULTILINE | re.DOTALL)


def read_hl7(text: str) -> Submission:
    """Reads HL7 v2 messages, alone or in a batch; the tracking id is MSH-10."""
    submission = Submission()
    for number, message in enumerate(_MESSAGE.findall(re.sub(r"\r\n?", "\n", text)), 1):
        control_id = part(message, "MSH", 9)
        if not control_id:
            submission.errors.append(Remark("item", "Blank value for MSH-10", "MSH-10", [number], []))
        submission.ids.append(control_id)
        submission.states.append((part(message, "PID", 11).split("^") + [""] * 4)[3])
    if not submission.ids:
        submission.errors.append(report("No reports were found in HL7 content"))
    return submission


def part(message: str, segment: str, place: int) -> str:
    """A field of the first such segment, by its place between bars."""
    for line in message.split("\n"):
        if line.startswith(f"{segment}|"):
            fields = line.split("|")
            return fields[place] if place < len(fields) else ""
    return ""
