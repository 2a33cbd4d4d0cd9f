"""``/sync``: how far each link of openmrs is, what waits for a person, and a conflict's two sides next to each other.

Operators see where things stand and send again; what a record says is shown to administrators, with a reason that
stands in the access log first. A decision is carried out by the lane, which reads both sides anew before it writes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from assets.openmrs import hints, remembering
from assets.openmrs.events import CARRIED, Key, Side, record_id
from assets.openmrs.links import Link
from assets.openmrs.sending import lacking
from resources.settings import Settings
from resources.store import sync_feeds, sync_hints, sync_records
from resources.store.connect import Connection, connect_async, process_number
from resources.store.ids import Ids
from resources.store.lanes import NUMBERS
from resources.store.operators import NotPossible, Who, note
from resources.store.seal import Sealer
from resources.store.sync_feeds import Feed, FeedNow, LinkNow
from resources.store.sync_hints import Hint
from resources.store.sync_records import Kept, Name
from web.staff import (
    ADMINISTRATOR,
    OPERATOR,
    Page,
    PageRequest,
    Person,
    Problem,
    Response,
    Todo,
    flash,
    log_access,
    page,
    redirect,
    render,
)
from web.sync_conflict import decision_of, elements, others

ROLES = {OPERATOR, ADMINISTRATOR}
LANE = NUMBERS[hints.LANE]

#: What a person must look at, and what sorts itself out when something else does.
FOR_PEOPLE = ("conflict", "refused", "set_aside", "not_kept")
WAITING = ("parked",)

NO_SUCH = Problem(404, "There is no such record.", "This link has never heard of it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A record in a list: no content."""

    key: Key
    kept: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkShown:
    """One link of the first page."""

    link: Link
    lacking: str
    now: LinkNow
    feeds: Sequence[FeedNow]
    counts: Mapping[str, int]
    records: Sequence[Shown]
    pace: float

    @property
    def behind(self) -> Sequence[FeedNow]:
        """Feeds whose newest page is not read yet."""
        return [feed for feed in self.feeds if feed.pages_left and not feed.stopped]

    @property
    def pages_read(self) -> int:
        """Of the feeds that are behind."""
        return sum(feed.page for feed in self.behind)

    @property
    def pages_known(self) -> int:
        """All pages of the feeds that are behind."""
        return sum(feed.last_page for feed in self.behind)

    @property
    def known_until(self) -> datetime | None:
        """The publisher's time up to which the feed that is furthest behind is known."""
        times = [moment for feed in self.behind if (moment := _moment(feed.heard_until))]
        return min(times, default=None)

    @property
    def settled(self) -> int:
        """Records that nobody has to look at."""
        return sum(self.counts.values()) - sum(self.counts.get(name, 0) for name in (*FOR_PEOPLE, *WAITING))

    @property
    def entries_left(self) -> int:
        """Entries not read yet, as far as is known."""
        return sum(feed.pages_left for feed in self.feeds) * self.link.page_size

    @property
    def seconds_left(self) -> float:
        """How long the reading still takes at its pace."""
        return sum(feed.seconds_left for feed in self.feeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What waits to be brought to agreement, of all links, and how fast that goes."""

    records: int
    pace: float

    @property
    def seconds_left(self) -> float:
        """An estimate by the pace of the last two minutes; 0 where there is none."""
        return self.records / self.pace if self.pace else 0.0


def pages(links: Sequence[Link], settings: Settings) -> list[Page]:
    """The pages of these links."""
    known = {link.name: link for link in links}

    @page("/sync", roles=ROLES, title="Sync", nav="Sync")
    def sync(request: PageRequest) -> Response:
        """Every link: lag, last contact, what waits."""
        with request.house.store() as db:
            shown = [_link(db, request.house.sealer, link, settings) for link in links]
            waits = sync_records.waiting(db)
        work = Work(records=waits, pace=sum(one.pace for one in shown))
        return render(request, "sync/links.html", links=shown, work=work)

    @page("/sync/{link}/feeds/{side}/{feed}/confirm", roles=ROLES, method="POST")
    def confirm(request: PageRequest) -> Response:
        """Read a stopped feed anew from its first page."""
        link, side, feed = (request.path_params[name] for name in ("link", "side", "feed"))
        who = Who(request.person.name, request.field("reason", "a reason; it goes into the audit"))
        with request.house.store() as db, db.transaction():
            if link not in known or not sync_feeds.confirm(db, Feed(link, side, feed)):
                raise NotPossible("this feed is not stopped")
            note(db, who, "read a feed anew", lane=LANE, target=f"{link} {side} {feed}"[:100])
        flash(request, "The feed is read from its first page; entries that are known lead to nothing.")
        return redirect(request, "/sync")

    @page("/sync/{link}/records/{type}/{id}", roles=ROLES, title="Record")
    def record(request: PageRequest) -> Response:
        """What became of a record, without what it says."""
        found = _asked(request, known)
        with request.house.store() as db:
            messages = sync_records.messages_of(db, found.kept)
            history = sync_records.history(db, found.kept.id)
        state, conflict = remembering.unpacked(found.kept.body)
        return render(
            request,
            "sync/record.html",
            link=found.kept.link,
            key=found.key,
            kept=found.kept,
            messages=messages,
            history=history,
            ids=[("At the parent", state.parent.id), ("At the child", state.child.id)],
            former=list(dict.fromkeys(old for _, old in state.former)),
            conflict=conflict is not None,
            readable=request.person.role == ADMINISTRATOR,
        )

    @page("/sync/{link}/records/{type}/{id}/look", roles=ROLES, method="POST")
    def look(request: PageRequest) -> Response:
        """Have the lane look at both sides again."""
        found = _asked(request, known)
        who = Who(request.person.name, request.field("reason", "a reason; it goes into the audit"))
        with request.house.store() as db:
            note(db, who, "look again", lane=LANE, target=str(found.kept.message or found.kept.id))
        _hint(request, found)
        flash(request, "Both sides are read again.")
        return redirect(request, _address(found))

    @page("/sync/{link}/records/{type}/{id}/versions", roles={ADMINISTRATOR}, method="POST")
    def versions(request: PageRequest) -> Response:
        """Both sides next to each other, once the access log has it."""
        found = _asked(request, known)
        why = request.field("reason", "a reason; it goes into the access log")
        key, house = found.key, request.house
        log_access(request, "both versions of a record", _subject(house.sealer, found), why)
        state, conflict = remembering.unpacked(found.kept.body)
        if conflict is None:
            raise Problem(409, "This record is in no conflict any more.", "Look at it again.")
        return render(
            request,
            "sync/conflict.html",
            link=found.kept.link,
            key=key,
            quarrel=conflict.quarrel.value,
            elements=elements(conflict),
            parent=others(state, conflict, Side.PARENT),
            child=others(state, conflict, Side.CHILD),
        )

    @page("/sync/{link}/records/{type}/{id}/resolve", roles={ADMINISTRATOR}, method="POST")
    def resolve(request: PageRequest) -> Response:
        """Keep what the person decided, and have the lane carry it out."""
        found = _asked(request, known)
        who = Who(request.person.name, request.field("reason", "a reason; it goes into the audit"))
        _, conflict = remembering.unpacked(found.kept.body)
        if conflict is None:
            raise NotPossible("this record is in no conflict any more")
        decision = remembering.decided(decision_of(conflict, request.fields))
        with request.house.store() as db, db.transaction():
            sync_records.decide(db, request.house.sealer, found.kept, decision, who)
        _hint(request, found)
        flash(request, "The decision is kept; both sides are read again before it is carried out.")
        return redirect(request, _address(found))

    return [sync, confirm, record, look, versions, resolve]


def todos(db: Connection, person: Person) -> list[Todo]:
    """Conflicts that wait for somebody who may see both sides."""
    if person.role != ADMINISTRATOR:
        return []
    row = db.execute("SELECT count(*) FROM sync_record WHERE outcome = 'conflict'").fetchone()
    return [Todo(int(row[0]) if row else 0, "records on which two hospitals disagree", "/sync")]


def _link(db: Connection, sealer: Sealer, link: Link, settings: Settings) -> LinkShown:
    records = sync_records.listed(db, sealer, link.name, [*FOR_PEOPLE, *WAITING])
    return LinkShown(
        link=link,
        lacking=lacking(link, settings),
        now=sync_feeds.link_now(db, link.name),
        feeds=sync_feeds.feeds_now(db, link.name),
        counts=sync_records.counts(db, link.name),
        pace=sync_records.pace(db, link.name),
        records=[Shown(key=_key(kept), kept=kept) for kept in records],
    )


def _moment(said: str) -> datetime | None:
    """A publisher's own time, shown only: nothing is decided by another machine's clock."""
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _key(kept: Kept) -> Key:
    state, _ = remembering.unpacked(kept.body)
    return Key(state.type, state.parent.id)


def _asked(request: PageRequest, known: Mapping[str, Link]) -> Shown:
    """The record of the address, by its id on either side."""
    link, kind, identifier = (request.path_params[name] for name in ("link", "type", "id"))
    if link not in known or kind not in CARRIED or not record_id(identifier):
        raise NO_SUCH
    sealer, key = request.house.sealer, Key(kind, identifier)
    name = hints.name_of(sealer, link, key)
    with request.house.store() as db:
        kept = sync_records.one(db, sealer, link, [Name(side.value, name) for side in Side])
    if kept is None:
        raise NO_SUCH
    return Shown(key=_key(kept), kept=kept)


def _address(found: Shown) -> str:
    return f"/sync/{found.kept.link}/records/{found.key}"


def _subject(sealer: Sealer, found: Shown) -> int:
    return hints.patient_of(sealer, found.key) or found.kept.message or found.kept.id


def _hint(request: PageRequest, found: Shown) -> None:
    """A message of the lane; this page runs in a thread, so the loop is its own."""
    sealer = request.house.sealer
    hint = hints.hint(sealer, found.kept.link, Side.PARENT, found.key)
    asyncio.run(_add(request.house.settings.database_url, sealer, hint))


async def _add(url: str, sealer: Sealer, hint: Hint) -> None:
    db = await connect_async(url, "handoff web")
    try:
        ids = Ids(await process_number(db))
        async with db.transaction():
            await sync_hints.add(db, sealer, ids, [hint])
    finally:
        await db.close()
