"""What one simulated OpenMRS holds: its records, voided or not, and what its feed tells of them.

The rules of FHIR2 and REST about what they take stand in ``fhir`` and ``rest``; here a record is kept as
given, and every write makes its events.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from .dictionary import Dictionary
from .feed import Feed

Resource = dict[str, Any]

CATEGORIES = {
    "Patient": "patient",
    "Encounter": "encounter",
    "Observation": "observation",
    "Location": "location",
    "Practitioner": "practitioner",
    "Group": "cohort",
}


class Row:
    """One record; ``installed`` records were there before anything happened, like a hospital's locations."""

    __slots__ = ("changed", "installed", "resource", "voided")

    def __init__(self, resource: Resource, changed: int, *, installed: bool = False) -> None:
        self.resource = resource
        self.changed = changed  # seconds: MySQL keeps no fractions
        self.voided = False
        self.installed = installed


class Database:
    """The records of one server, and its feed. ``now`` is the server's own clock."""

    def __init__(
        self, feed: Feed, dictionary: Dictionary | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self.feed = feed
        self.dictionary = dictionary or Dictionary()
        self.now = now
        self.rows: dict[str, Row] = {}
        self.by_patient: dict[str, set[str]] = {}
        self.by_identifier: dict[str, set[str]] = {}

    def install(
        self, resource: Resource, changed: float, *, voided: bool = False, metadata: bool = True
    ) -> None:
        """Puts a record there without an event."""
        row = Row(resource, int(changed), installed=metadata)
        row.voided = voided
        self._keep(resource, row)

    def find(self, key: str) -> Row | None:
        """The row of ``Type/uuid``, voided ones included."""
        return self.rows.get(key)

    def alive(self, key: str) -> Resource | None:
        """The record of ``Type/uuid`` if it is there and not voided."""
        row = self.rows.get(key)
        return None if row is None or row.voided else row.resource

    def create(self, resource: Resource) -> Resource:
        """A new row and its CREATED event."""
        self._keep(resource, Row(resource, int(self.now())))
        self._tell(resource, "CREATED")
        return resource

    def update(self, resource: Resource) -> Resource:
        """A changed row and its UPDATED event."""
        row = self.rows[key_of(resource)]
        self._keep(resource, row)
        row.changed = int(self.now())
        self._tell(resource, "UPDATED")
        return resource

    def void(self, key: str) -> None:
        """A void is told as UPDATED and VOIDED; voiding again tells nothing."""
        row = self.rows[key]
        if not row.voided:
            row.voided, row.changed = True, int(self.now())
            self._tell(row.resource, "UPDATED")
            self._tell(row.resource, "VOIDED")

    def unvoid(self, key: str) -> None:
        """The row is alive again."""
        row = self.rows[key]
        if row.voided:
            row.voided, row.changed = False, int(self.now())
            self._tell(row.resource, "UPDATED")
            self._tell(row.resource, "UNVOIDED")

    def purge(self, key: str) -> None:
        """The row is gone for good."""
        row = self.rows.pop(key)
        self.by_patient.get(patient_of(row.resource), set()).discard(key)
        self._tell(row.resource, "DELETED")

    def merge(self, winner: str, loser: str) -> None:
        """Two patients become one: the loser's records get a new subject, and the loser is voided (R13)."""
        for key in sorted(self.by_patient.get(loser, set()) - {f"Patient/{loser}"}):
            row = self.rows[key]
            if not row.voided:
                subject = {**row.resource["subject"], "reference": f"Patient/{winner}"}
                self.update({**row.resource, "subject": subject})
        self.void(f"Patient/{loser}")

    def of_patient(self, patient: str) -> Iterable[str]:
        """The keys of a patient's records."""
        return self.by_patient.get(patient, set())

    def patients_with(self, identifier: str) -> Iterable[str]:
        """The keys of patients who have, or once had, this identifier."""
        return self.by_identifier.get(identifier, set())

    def preferred_address(self, resource: Resource) -> dict[str, Any]:
        """The address the feed's filter tag is made of: the patient's own, at the time of the event."""
        patient = self.rows.get(f"Patient/{patient_of(resource)}")
        addresses = patient.resource.get("address", []) if patient is not None else []
        home = [each for each in addresses if each.get("use") == "home"]
        return dict(next(iter(home or addresses), {}))

    def _keep(self, resource: Resource, row: Row) -> None:
        key = key_of(resource)
        row.resource = resource
        before = self.rows.get(key)
        if before is not None and before is not row:
            self.by_patient.get(patient_of(before.resource), set()).discard(key)
        self.rows[key] = row
        if patient := patient_of(resource):
            self.by_patient.setdefault(patient, set()).add(key)
        for identifier in resource.get("identifier") or [] if key.startswith("Patient/") else []:
            self.by_identifier.setdefault(str(identifier.get("value")), set()).add(key)

    def _tell(self, resource: Resource, action: str) -> None:
        self.feed.queue(
            category=category_of(resource),
            action=action,
            key=key_of(resource),
            address=self.preferred_address(resource) if patient_of(resource) else None,
            at=self.now(),
        )


def key_of(resource: Resource) -> str:
    """``Type/uuid`` of a record."""
    return f"{resource['resourceType']}/{resource['id']}"


def patient_of(resource: Resource) -> str:
    """The uuid of the patient a record belongs to, or an empty text."""
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    reference = (resource.get("subject") or {}).get("reference", "")
    return str(reference).rpartition("/")[2] if str(reference).startswith("Patient/") else ""


def is_visit(resource: Resource) -> bool:
    """Whether an Encounter is OpenMRS' visit."""
    tags = (resource.get("meta") or {}).get("tag") or []
    return any(tag.get("code") == "visit" for tag in tags)


def category_of(resource: Resource) -> str:
    """The feed a record is told of in."""
    kind = str(resource["resourceType"])
    return "visit" if kind == "Encounter" and is_visit(resource) else CATEGORIES.get(kind, kind.lower())


def new_uuid() -> str:
    """A uuid as the server makes one."""
    return str(uuid.uuid4())
