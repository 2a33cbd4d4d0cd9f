"""A report after it was taken: what the reply, the history and the list of submissions say about it."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .intake import Remark, Submission
from .quality import Filtered


def stamp(at: float) -> str:
    """A moment as the hub writes it: milliseconds and Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Receiver:
    """One health department's share of a report."""

    state: str
    offered: int
    filtered: tuple[Filtered, ...]

    @property
    def name(self) -> str:
        """The organisation and its service."""
        return f"{self.organization}.elr"

    @property
    def organization(self) -> str:
        """The organisation's short name."""
        return f"{self.state.lower() or 'xx'}-phd"

    @property
    def items(self) -> int:
        """How many items pass the quality filter."""
        return self.offered - len({one.place for one in self.filtered})


@dataclass(slots=True)
class Report:
    """One submission, also one that was refused."""

    submission_id: int
    sender: str
    topic: str
    external_name: str | None
    at: float
    count: int
    http_status: int
    errors: list[Remark]
    warnings: list[Remark]
    receivers: list[Receiver]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def refused(self) -> bool:
        """Whether nothing of it was taken."""
        return self.http_status >= 300

    def routed_after(self, delivers_after: float) -> float:
        """When routing is done: half of the time to delivery."""
        return self.at + delivers_after / 2

    def sent_at(self, place: int, delivers_after: float) -> float:
        """When one receiver gets its share; with several, the first is served earlier than the others."""
        early = place == 0 and len(self.receivers) > 1
        return self.at + delivers_after * (0.75 if early else 1.0)

    def status(self, now: float, delivers_after: float, routed: bool = False) -> str:
        """Where the report is at a moment; ``routed`` for a synchronous reply, which is routed at once."""
        if self.refused:
            return "Error"
        if not routed and now < self.routed_after(delivers_after):
            return "Received"
        due = [self.sent_at(place, delivers_after) for place, one in enumerate(self.receivers) if one.items]
        if not due:
            return "Not Delivering"
        sent = sum(moment <= now for moment in due)
        if sent == len(due):
            return "Delivered"
        return "Partially Delivered" if sent else "Waiting to Deliver"

    def shown(self, now: float, delivers_after: float, routed: bool = False) -> dict[str, object]:
        """The reply and the history, which share one shape."""
        status = self.status(now, delivers_after, routed)
        known = [] if status in ("Received", "Error") else list(enumerate(self.receivers))
        last = self.at + delivers_after
        return {
            **({} if self.refused else {"id": self.id}),
            "submissionId": self.submission_id,
            "overallStatus": status,
            "timestamp": stamp(self.at),
            "plannedCompletionAt": stamp(last) if known else None,
            "actualCompletionAt": stamp(last) if status == "Delivered" else None,
            "sender": self.sender,
            "reportItemCount": self.count,
            "errorCount": len(self.errors),
            "warningCount": len(self.warnings),
            "httpStatus": self.http_status,
            "destinations": [self.destination(place, one, now, delivers_after) for place, one in known],
            "errors": [remark.shown() for remark in self.errors],
            "warnings": [remark.shown() for remark in self.warnings],
            "topic": self.topic,
            "externalName": self.external_name,
            "destinationCount": sum(one.items > 0 for _, one in known),
        }

    def destination(self, place: int, one: Receiver, now: float, delivers_after: float) -> dict[str, object]:
        """One entry of ``destinations``."""
        at = self.sent_at(place, delivers_after)
        sent = {
            "reportId": str(uuid.uuid5(uuid.UUID(self.id), one.name)),
            "externalName": f"{one.organization}-{self.submission_id}.hl7",
            "createdAt": stamp(at),
            "itemCount": one.items,
        }
        return {
            "organization": f"{one.state or 'Unknown'} Public Health Department",
            "organization_id": one.organization,
            "service": "elr",
            "itemCount": one.items,
            "itemCountBeforeQualityFiltering": one.offered,
            **({"sending_at": stamp(at)} if one.items else {}),
            "filteredReportRows": [item.message(one.name) for item in one.filtered],
            "filteredReportItems": [item.shown(one.name) for item in one.filtered],
            "sentReports": [sent] if one.items and at <= now else [],
            "downloadedReports": [],
        }

    def listed(self) -> dict[str, object]:
        """The entry in the organisation's list of submissions."""
        return {
            "submissionId": self.submission_id,
            "timestamp": stamp(self.at),
            "sender": self.sender,
            "httpStatus": self.http_status,
            "id": None if self.refused else self.id,
            "topic": self.topic,
            "reportItemCount": self.count,
            "externalName": self.external_name,
        }


def receivers(submission: Submission) -> list[Receiver]:
    """Each state's share, in order of size."""
    by_state: dict[str, list[Filtered]] = {}
    for one in submission.filtered:
        by_state.setdefault(submission.states[one.place], []).append(one)
    states = Counter(submission.states) or Counter({"": submission.counted})  # only counted: one for all
    offered = states.most_common()
    return [Receiver(state, count, tuple(by_state.get(state, ()))) for state, count in offered]
