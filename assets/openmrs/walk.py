"""Which page of a feed is asked next, and which of its entries are new: decisions, no requests.

``begin`` makes a walk, ``asks`` says which page it wants, ``step`` takes the answer and gives the walk's
next state with the new entries and what was found out. The caller fetches, and stores each step in one
transaction: entries into the ledger, ``position`` beside them (R3).

Page numbers are computed here and never read from a link, so a feed that loops or points elsewhere leads
nowhere. Time stamps are never compared: within one second they are equal, and clocks move.
"""

import enum
from dataclasses import dataclass, replace

from assets.openmrs.events import Entry
from assets.openmrs.feed import Answer, BadPage, NoSuchPage, Page

#: Asks for the alias of the last page. Page 0 itself does not exist: asking for it is an error over there.
RECENT = 0
#: A page that fails this often in one walk is passed over as a gap; a one-off 500 among good answers is not.
TRIES = 3
#: More bad pages in a row than this are no poisoned entries: something else answers in the feed's place.
BAD_PAGES = 3
#: How far back a lost marker is searched before the feed is read again from its first page.
SEARCHED_PAGES = 2_000
#: Where one run stops reading: a feed that never ends must not keep it for ever.
PAGES_A_RUN = 50_000


class Stage(enum.Enum):
    """Where a walk is.

    ``STARTING`` asks for the working page; ``READING`` goes forward; ``BEYOND`` looks past a bad page;
    ``PROVING`` asks for page 1 because the marker is not where it was; ``SEARCHING`` goes back for it;
    ``CLOSING`` asks for page 1 after a walk of several pages: rows purged meanwhile moved entries past it.
    """

    STARTING = "starting"
    READING = "reading"
    BEYOND = "beyond"
    PROVING = "proving"
    SEARCHING = "searching"
    CLOSING = "closing"
    DONE = "done"
    STOPPED = "stopped"


class Finding(enum.Enum):
    """What a walk finds out beside entries; each is written down, ``REBUILT`` and ``LOOPS`` stop the feed."""

    GAP = "a page that cannot be read was passed over"
    STUCK = "the newest page cannot be read; it is asked again with the next run"
    MARKER_MOVED = "the last entry read is on another page now: the page size changed or rows were purged"
    MARKER_LOST = "the last entry read is gone from the feed; it is read again from its first page"
    PURGED = "the oldest entries are gone from the feed"
    REBUILT = "the feed was rebuilt or the address leads to another server; a person must confirm it"
    LOOPS = "the feed repeats a page under another number; reading stopped"
    TOO_LONG = "the run reached its limit of pages; the next run goes on from here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The last entry whose outcome is stored, and the page it stood on (R3)."""

    entry_id: str
    page: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is stored of a feed between runs.

    ``fingerprint`` is the id of the first entry of page 1: the feed's own id is a constant of the module
    and the same in every hospital, so it recognises nothing (R4).
    """

    marker: Marker | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A page that was passed over, bounded by the publisher's own times for a search by ``_lastUpdated``."""

    page: int
    since: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A walk through one feed.

    ``previous`` are the entry ids of the page before, ``bad`` is the first page being passed over, ``since`` the
    publisher's time of the last entry read, ``first`` the first entry of page 1 as just seen.
    """

    stage: Stage
    page: int
    position: Position
    tries: int = 0
    pages: int = 0
    searched: int = 0
    first: str = ""
    bad: int = 0
    since: str = ""
    previous: frozenset[str] = frozenset()

    @property
    def proven(self) -> bool:
        """Whether page 1 still begins with the entry it began with when the feed was first read."""
        return bool(self.first) and self.first == self.position.fingerprint

    @property
    def asks(self) -> int | None:
        """The page wanted next (``RECENT`` is one), or None when the walk is over."""
        return None if self.stage in (Stage.DONE, Stage.STOPPED) else self.page


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one answer led to."""

    walk: Walk
    entries: tuple[Entry, ...] = ()
    findings: tuple[Finding, ...] = ()
    gaps: tuple[Gap, ...] = ()


def begin(position: Position) -> Walk:
    """A walk from where the last one ended: with a marker its page is read again, for it may have grown."""
    if position.marker is None:
        return Walk(stage=Stage.STARTING, page=RECENT, position=position)
    return Walk(stage=Stage.READING, page=position.marker.page, position=position)


def step(walk: Walk, answer: Answer) -> Step:
    """Take the answer for the page the walk asked for."""
    walk = replace(walk, pages=walk.pages + 1)
    if walk.pages > PAGES_A_RUN:
        return _end(walk, Finding.TOO_LONG)
    if isinstance(answer, Page) and walk.page not in (RECENT, answer.number):
        answer = BadPage("the answer is another page than the one asked for")
    if isinstance(answer, BadPage) and walk.tries + 1 < TRIES:
        return Step(walk=replace(walk, tries=walk.tries + 1))
    walk = replace(walk, tries=0)
    return _STEPS[walk.stage](walk, answer)


def _starting(walk: Walk, answer: Answer) -> Step:
    """The first sight of a feed: page 1 comes first, whatever the working page is."""
    if isinstance(answer, NoSuchPage) or (isinstance(answer, Page) and answer.number == 0):
        return _end(walk)
    if isinstance(answer, Page) and answer.number == 1:
        return _take(replace(walk, page=1), answer)
    return _ask(walk, Stage.READING, 1)


def _reading(walk: Walk, answer: Answer) -> Step:
    if isinstance(answer, Page):
        return _take(walk, answer)
    marker = walk.position.marker
    if isinstance(answer, BadPage):
        return _ask(replace(walk, bad=walk.page), Stage.BEYOND, walk.page + 1)
    if marker is not None and marker.page == walk.page:
        return _ask(walk, Stage.PROVING, 1)
    return _end(walk)


def _beyond(walk: Walk, answer: Answer) -> Step:
    """Past bad pages: only when a good one follows are they gaps; until then they are waited for."""
    if isinstance(answer, BadPage) and walk.page - walk.bad < BAD_PAGES:
        return _ask(walk, Stage.BEYOND, walk.page + 1)
    if not isinstance(answer, Page):
        return _end(walk, Finding.STUCK)
    until = answer.entries[0].updated if answer.entries else ""
    passed = range(walk.bad, walk.page)
    taken = _take(walk, answer)
    return replace(
        taken,
        findings=(Finding.GAP, *taken.findings),
        gaps=tuple(Gap(page=page, since=walk.since, until=until) for page in passed),
    )


def _proving(walk: Walk, answer: Answer) -> Step:
    """Page 1 tells whether this is the same feed; its first entry changes by a purge as well."""
    if isinstance(answer, BadPage):
        return _ask(walk, Stage.SEARCHING, RECENT)
    if not isinstance(answer, Page) or not answer.entries:
        return _end(walk, Finding.REBUILT, stage=Stage.STOPPED)
    return _ask(replace(walk, first=answer.entries[0].id), Stage.SEARCHING, RECENT)


def _searching(walk: Walk, answer: Answer) -> Step:
    """Back from the newest page until the marker's entry turns up (R4)."""
    walk = replace(walk, searched=walk.searched + 1)
    if walk.page == RECENT and not isinstance(answer, Page):
        return _end(walk, Finding.STUCK)
    page = answer.number if isinstance(answer, Page) else walk.page
    marker = walk.position.marker
    if isinstance(answer, Page) and marker and any(e.id == marker.entry_id for e in answer.entries):
        return _found(walk, answer, marker)
    if page > 1 and walk.searched < SEARCHED_PAGES:
        return _ask(walk, Stage.SEARCHING, page - 1)
    if not walk.proven:
        return _end(walk, Finding.REBUILT, stage=Stage.STOPPED)
    fresh = replace(walk, position=replace(walk.position, marker=None), previous=frozenset())
    return replace(_ask(fresh, Stage.READING, 1), findings=(Finding.MARKER_LOST,))


def _found(walk: Walk, answer: Page, marker: Marker) -> Step:
    position = replace(walk.position, marker=replace(marker, page=answer.number))
    purged = bool(walk.first) and not walk.proven
    if purged:
        position = replace(position, fingerprint=walk.first)
    taken = _take(replace(walk, page=answer.number, position=position), answer)
    moved = (Finding.MARKER_MOVED, Finding.PURGED) if purged else (Finding.MARKER_MOVED,)
    return replace(taken, findings=(*moved, *taken.findings))


def _closing(walk: Walk, answer: Answer) -> Step:
    """If the first entry changed while pages were read, some were jumped over: read all again, ledger in hand."""
    first = answer.entries[0].id if isinstance(answer, Page) and answer.entries else walk.position.fingerprint
    if first == walk.position.fingerprint:
        return _end(walk)
    fresh = replace(walk, position=Position(fingerprint=first), previous=frozenset())
    return replace(_ask(fresh, Stage.READING, 1), findings=(Finding.PURGED,))


def _take(walk: Walk, page: Page) -> Step:
    """The new entries of a page going forward, and where the walk goes from it."""
    ids = [entry.id for entry in page.entries]
    marker = walk.position.marker
    if marker is not None and marker.page == page.number and marker.entry_id not in ids:
        return _ask(walk, Stage.PROVING, 1)
    if ids and walk.previous.issuperset(ids):
        return _end(walk, Finding.LOOPS, stage=Stage.STOPPED)
    read_before = marker is not None and marker.entry_id in ids
    new = page.entries[ids.index(marker.entry_id) + 1 :] if marker and read_before else page.entries
    onward = replace(
        walk,
        position=_position(walk.position, page, new),
        previous=frozenset(ids),
        since=page.entries[-1].updated if page.entries else walk.since,
    )
    if page.has_next:
        return Step(walk=replace(onward, stage=Stage.READING, page=page.number + 1), entries=new)
    if walk.previous and page.number > 1 and onward.position.fingerprint:
        return Step(walk=replace(onward, stage=Stage.CLOSING, page=1), entries=new)
    return Step(walk=replace(onward, stage=Stage.DONE), entries=new)


def _position(position: Position, page: Page, new: tuple[Entry, ...]) -> Position:
    named = [entry.id for entry in new if entry.id]
    if named:
        position = replace(position, marker=Marker(entry_id=named[-1], page=page.number))
    if page.number == 1 and page.entries and not position.fingerprint:
        position = replace(position, fingerprint=page.entries[0].id)
    return position


def _ask(walk: Walk, stage: Stage, page: int) -> Step:
    return Step(walk=replace(walk, stage=stage, page=page))


def _end(walk: Walk, *findings: Finding, stage: Stage = Stage.DONE) -> Step:
    return Step(walk=replace(walk, stage=stage), findings=findings)


_STEPS = {
    Stage.STARTING: _starting,
    Stage.READING: _reading,
    Stage.BEYOND: _beyond,
    Stage.PROVING: _proving,
    Stage.SEARCHING: _searching,
    Stage.CLOSING: _closing,
}
