"""The Atom feed as the ICT4H library publishes it: pages are computed, never kept.

Page n of a category is a slice of its rows by the chunk history, so adding a chunk row or deleting old rows
moves entries under every reader. A page that is not there answers 500, never 404.
"""

from __future__ import annotations

import json
import random
import uuid
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape, quoteattr

ABSENT = "org.ict4h.atomfeed.server.exceptions.AtomFeedRuntimeException: feed does not exist"
NOT_A_PAGE = (
    "org.ict4h.atomfeed.server.exceptions.AtomFeedRuntimeException: "
    "feedId must not be null and must be greater than 0"
)
POISONED = "java.lang.RuntimeException: Error serializing feed."
#: The tags column: longer values are cut, in the middle of the filter's XML if need be.
TAGS = 255
REST = {
    "Patient": "patient",
    "Encounter": "encounter",
    "Observation": "obs",
    "Location": "location",
    "Practitioner": "provider",
    "Group": "cohort",
}


class Event:
    """One row of ``event_records``; ``raw`` is an entry taken over from a document."""

    __slots__ = ("at", "content", "entry_id", "raw", "tags", "title")

    def __init__(
        self, entry_id: str, title: str, tags: str, content: str, at: float, raw: str | None = None
    ) -> None:
        self.entry_id = entry_id
        self.title = title
        self.tags = tags
        self.content = content
        self.at = at
        self.raw = raw


class Feed:
    """The events of one server. What is queued shows after ``delay`` seconds."""

    def __init__(self, delay: float = 2.0, chance: random.Random | None = None) -> None:
        self.delay = delay
        self.chance = chance or random.Random(5)
        self.chunks: list[tuple[int, int]] = [(5, 1)]
        self.events: dict[str, list[Event]] = {}
        self.poisoned: set[tuple[str, int]] = set()
        self.bahmni = False
        self._queue: list[tuple[float, str, Event]] = []

    def queue(
        self, *, category: str, action: str, key: str, address: dict[str, Any] | None, at: float
    ) -> None:
        """A row in the queue table, as a clinical transaction writes it."""
        event = Event(
            f"tag:atomfeed.ict4h.org:{uuid.UUID(int=self.chance.getrandbits(128), version=4)}",
            category.capitalize(),
            tags_of(category, action, address),
            content_of(key, self.bahmni),
            at,
        )
        self._queue.append((at + self.delay, category, event))

    def publish(self, now: float) -> None:
        """The scheduled task: what has waited long enough becomes visible."""
        if not self._queue or self._queue[0][0] > now:
            return
        due = [row for row in self._queue if row[0] <= now]
        self._queue = [row for row in self._queue if row[0] > now]
        for _, category, event in due:
            self.events.setdefault(category, []).append(event)

    def purge(self, category: str, count: int) -> None:
        """Deletes the oldest rows, as a clean-up of the table does."""
        del self.events.get(category, [])[:count]

    def page(self, category: str, asked: str, origin: str) -> tuple[int, str]:
        """Status and body for ``recent`` or a page number."""
        last = self.pages(category)
        if asked != "recent" and not asked.lstrip("-").isdigit():
            return 500, NOT_A_PAGE
        number = last if asked == "recent" else int(asked)
        if asked != "recent" and number < 1:
            return 500, NOT_A_PAGE
        if number > last:
            return 500, ABSENT
        if (category, number) in self.poisoned:
            return 500, POISONED
        return 200, self._document(category, number, last, asked, origin)

    def pages(self, category: str) -> int:
        """How many pages the category has now."""
        count = len(self.events.get(category, []))
        pages = 0
        for at, (length, start) in enumerate(self.chunks):
            end = self.chunks[at + 1][1] - 1 if at + 1 < len(self.chunks) else count
            rows = max(0, min(count, end) - start + 1)
            pages += -(-rows // length)
        return pages

    def rows(self, category: str, number: int) -> list[Event]:
        """The rows of a page: an old chunk's last page takes what is left of it."""
        events = self.events.get(category, [])
        before = 0
        for at, (length, start) in enumerate(self.chunks):
            end = self.chunks[at + 1][1] - 1 if at + 1 < len(self.chunks) else len(events)
            rows = max(0, min(len(events), end) - start + 1)
            pages = -(-rows // length)
            if number <= before + pages:
                first = start - 1 + (number - before - 1) * length
                return events[first : min(first + length, start - 1 + rows)]
            before += pages
        return []

    def _document(self, category: str, number: int, last: int, asked: str, origin: str) -> str:
        rows = self.rows(category, number) if number else []
        address = f"{origin}/openmrs/ws/atomfeed/{category}"
        links = [link("self", f"{address}/{asked}"), link("via", f"{address}/{number}")]
        if number < last:
            links.append(link("next-archive", f"{address}/{number + 1}"))
        if number > 1:
            links.append(link("prev-archive", f"{address}/{number - 1}"))
        updated = rows[-1].at if rows else midnight()
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
            "  <title>OpenMRS Feed Publisher for Sync2.0</title>\n" + "".join(links) + "  <author>\n"
            "    <name>SolDevelo</name>\n  </author>\n"
            f"  <id>a2ad93fd-8a7f-405f-bbc1-da4535e6d05c+{number}</id>\n"
            '  <generator uri="https://github.com/ICT4H/atomfeed">OpenMRS Feed Publisher</generator>\n'
            f"  <updated>{stamp(updated)}</updated>\n"
            + "".join(self._entry(row) for row in rows)
            + "</feed>\n"
        )

    def _entry(self, event: Event) -> str:
        """Tags come out of a hash set: their order is chance, and equal ones are one."""
        if event.raw is not None:
            return event.raw
        tags = list(dict.fromkeys(event.tags.split(",")))
        self.chance.shuffle(tags)
        terms = "".join(f"    <category term={quoteattr(tag)} />\n" for tag in tags)
        content = f"<![CDATA[{event.content}]]>" if event.content else ""
        return (
            f"  <entry>\n    <title>{escape(event.title)}</title>\n{terms}    <id>{event.entry_id}</id>\n"
            f"    <updated>{stamp(event.at)}</updated>\n    <published>{stamp(event.at)}</published>\n"
            f'    <content type="application/vnd.atomfeed+xml">{content}</content>\n  </entry>\n'
        )


def link(rel: str, href: str) -> str:
    """A link of a feed document."""
    return f'  <link rel="{rel}" type="application/atom+xml" href={quoteattr(href)} />\n'


def tags_of(category: str, action: str, address: dict[str, Any] | None) -> str:
    """The tags column: joined with commas, so that a comma in an address cuts the filter in two."""
    tags = [category, action]
    if address is not None:
        parts = [
            address.get(name) or "null" for name in ("country", "state", "district", "city", "postalCode")
        ]
        tags.append(
            '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><feedFilter>'
            "<beanName>atomfeed.locationFeedFilterStrategy</beanName>"
            f"<filter>{escape('%'.join(parts))}</filter></feedFilter>"
        )
    return ",".join(tags)[:TAGS]


def content_of(key: str, bahmni: bool = False) -> str:
    """Where the record is: two paths as Sync 2.0 writes them, or Bahmni's one."""
    kind, _, record_id = key.partition("/")
    rest = f"/ws/rest/v1/{REST.get(kind, kind.lower())}/{record_id}?v=full"
    if bahmni:
        return f"/openmrs{rest}"
    return json.dumps({"rest": rest, "fhir": f"/ws/fhir2/R4/{key}"}, separators=(",", ":"))


def stamp(at: float) -> str:
    """Seconds, UTC: the library shows no fractions."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def midnight() -> float:
    """An empty feed says it was updated today at midnight."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
