"""Reading one page of an Atom feed as the ICT4H library publishes it.

The feed is foreign XML, often without a login before it: no DTD, no entities, bounded in size, depth and
number of entries (R17). Links are never followed; only the page number is taken from them, and the caller
puts it on the configured address (the publisher builds links from request headers, so they often name an
internal host). A bad entry never spoils its page (R6).
"""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from assets.openmrs.events import Action, Entry, Key, key_of_path

#: Five entries make about 5 kB; a site with pages of 500 entries stays below half of this.
MAX_BYTES = 2_000_000
MAX_ENTRIES = 5_000
MAX_DEPTH = 12
MAX_CONTENT = 64_000

_ATOM = "{http://www.w3.org/2005/Atom}"
_ENTRY_ID = re.compile(r"[\x21-\x7e]{1,200}")


class UnreadablePage(ValueError):
    """The bytes are not a feed page; the text says why and repeats nothing of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a feed: entries oldest first. ``number`` is 0 for a feed that has no entry yet."""

    number: int
    has_next: bool
    entries: tuple[Entry, ...]


class _Bounded(TreeBuilder):
    """Builds the tree and refuses depth: the C builder would follow a million nested elements."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnreadablePage("the page is nested too deeply")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self.depth -= 1
        return super().end(tag)


def read_page(raw: bytes, category: str) -> Page:
    """Read a page of the feed ``category``; its number is the one its ``via`` link names."""
    root = _parse(raw)
    if root.tag != f"{_ATOM}feed":
        raise UnreadablePage("the document is not an Atom feed")
    links = {link.get("rel", ""): link.get("href", "") for link in root.findall(f"{_ATOM}link")}
    found = root.findall(f"{_ATOM}entry")
    if len(found) > MAX_ENTRIES:
        raise UnreadablePage(f"the page has more than {MAX_ENTRIES} entries")
    return Page(
        number=_page_number(links.get("via") or links.get("self", "")),
        has_next="next-archive" in links,
        entries=tuple(_entry(each, category) for each in found),
    )


def _parse(raw: bytes) -> Element:
    if len(raw) > MAX_BYTES:
        raise UnreadablePage(f"the page has {len(raw)} bytes; at most {MAX_BYTES} are read")
    parser = DefusedXMLParser(target=_Bounded(), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(raw)
        root = parser.close()
    except DefusedXmlException:
        raise UnreadablePage("the page declares a DTD or entities, which are refused") from None
    except (ParseError, ValueError) as problem:
        known = isinstance(problem, UnreadablePage)
        raise UnreadablePage(str(problem) if known else "the page is not well-formed XML") from None
    if not isinstance(root, Element):
        raise UnreadablePage("the page is empty")
    return root


def _page_number(href: str) -> int:
    last = href.partition("?")[0].rstrip("/").rpartition("/")[2]
    if not re.fullmatch(r"[0-9]{1,9}", last):
        raise UnreadablePage("the page's via link names no page number")
    return int(last)


def _entry(found: Element, category: str) -> Entry:
    """An entry in our words. Tags come in random order, and a comma in one cuts it in two (R6)."""
    content = _text(found, "content").removeprefix("<![CDATA[").removesuffix("]]>").strip()
    key, problem = _record(content)
    entry_id = _text(found, "id")
    if not _ENTRY_ID.fullmatch(entry_id):
        entry_id, key, problem = "", None, "the entry has no usable id"
    return Entry(
        id=entry_id,
        category=category,
        updated=_text(found, "updated") or _text(found, "published"),
        action=_action(found),
        key=key,
        content=content[:MAX_CONTENT],
        problem=problem,
    )


def _text(found: Element, name: str) -> str:
    element = found.find(f"{_ATOM}{name}")
    return (element.text or "").strip() if element is not None else ""


def _action(found: Element) -> Action:
    terms = {each.get("term", "").strip() for each in found.findall(f"{_ATOM}category")}
    said = [action for action in Action if action is not Action.UNSAID and action.value in terms]
    return said[-1] if said else Action.UNSAID


def _record(content: str) -> tuple[Key | None, str]:
    """The record a content names: Sync 2.0 writes JSON with two paths, Bahmni one path."""
    if not content:
        return None, "the entry has no content"
    if len(content) > MAX_CONTENT:
        return None, "the entry's content is too long"
    paths = _paths(content)
    keys = [key for path in paths if (key := key_of_path(path))]
    if keys:
        return keys[0], ""
    return None, "the entry's content names no record of a known path"


def _paths(content: str) -> list[str]:
    if not content.startswith("{"):
        return [content]
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return []
    named = [found.get("fhir"), found.get("rest")] if isinstance(found, dict) else []
    return [path for path in named if isinstance(path, str)]


class NoSuchPage:
    """The server's way of saying that a page is not there: HTTP 500 with a text of its own, never 404."""


@dataclass(frozen=True, slots=True)
class BadPage:
    """A page that could not be read this time: a poisoned entry makes it so for ever (R5)."""

    reason: str


Answer = Page | NoSuchPage | BadPage

_ABSENT = (b"feed does not exist", b"feedId must not be null")


def answered(status: int, body: bytes, category: str) -> Answer:
    """What a feed server's answer means; its 500 has three meanings, told apart by the text only."""
    if status == 500:
        absent = any(said in body for said in _ABSENT)
        return NoSuchPage() if absent else BadPage("the server answered 500 for this page")
    if status != 200:
        return BadPage(f"the server answered {status} for this page")
    try:
        return read_page(body, category)
    except UnreadablePage as problem:
        return BadPage(str(problem))
