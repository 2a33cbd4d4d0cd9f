"""The watch: what nobody would say when the Dagster daemon is dead. It needs the store and nothing of Dagster.

Every half minute it looks, writes what is wrong into the store's incidents and speaks once of each: opened, still
open after hours, over.
"""

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit

from resources.notices import Notices
from resources.store.connect import Away, Borrowed, Connection
from resources.store.incidents import Incident, current
from resources.store.lanes import NUMBERS
from resources.store.partitions import TABLES, month_after
from web.logs import place_of
from web.opening import Opening
from web.sight import Sight, see

log = logging.getLogger("handoff.watch")

LOOK_SECONDS = 30.0

#: Of the disk under the embedded server: below the first people are told, below the second the doors close,
#: because a server that cannot write its log ends.
NEARLY_FULL = (2_000_000_000, 0.10)
FULL = (200_000_000, 0.02)

#: Whose incidents these are: what is not wrong any more is over.
SCOPES = ("watch:", "failed:", "told:")
#: What has happened and is no state: it is told, and never over.
HAPPENED = "told:"

#: What a lane of its own would have people told: incidents whose keys begin with ``watch:`` or ``told:``.
Look = Callable[[Connection], Sequence[Incident]]

ROOT = Path(__file__).resolve().parent.parent


def embedded_data(database_url: str, root: Path = ROOT) -> Path | None:
    """The folder of the embedded server, if that is the store; another server's disk is not ours to see."""
    folder = root / ".handoff" / "pg"
    return folder if urlsplit(database_url).hostname == "127.0.0.1" and folder.is_dir() else None


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the store."""

    total: int
    free: int

    def below(self, limit: tuple[int, float]) -> bool:
        """Whether less is free than so many bytes, or on a small disk than this share of it."""
        number, share = limit
        return self.free < min(number, share * self.total)


def of_lane(sight: Sight) -> list[Incident]:
    """What is wrong with a lane."""
    lane = sight.lane
    found = {}
    if sight.held:
        found["watch:held"] = (
            f"a person holds the lane; `handoff messages release --lane {lane}` lets it go on"
        )
    if sight.away_seconds is not None:
        found["watch:away"] = (
            "the lane pauses, messages wait and pay no attempt for it: "
            f"{sight.away_reason or 'the partner does not answer'}"
        )
    if sight.stalled:
        found["watch:stalled"] = (
            f"work has waited for {sight.idle_seconds / 60:.0f} minutes and no run does it: is the Dagster daemon"
            f" alive, does its location load? `handoff messages list --lane {lane} --state waiting` shows what waits"
        )
    if sight.queues_held:
        found["watch:queues"] = (
            f"{sight.queues_held} queues are held after a final failure;"
            f" `handoff messages list --lane {lane} --state failed` shows them"
        )
    if sight.failed or sight.set_aside:
        found["failed"] = (
            f"in the last day {sight.failed} messages have failed and {sight.set_aside} arrivals were set aside;"
            f" {_newest(sight)}`handoff messages list --lane {lane} --state failed` (or set_aside) shows them"
        )
    return [Incident(f"{what}:{lane}", lane, text) for what, text in found.items()]


def _newest(sight: Sight) -> str:
    """The newest failure by id, kind and outcome; how to look at it."""
    if sight.newest is None:
        return ""
    one = sight.newest
    return f"the newest: message {one.message} ({one.kind}), {one.reason}; see `handoff messages show {one.message}`; "


def of_disk(disk: Disk | None) -> list[Incident]:
    """What is wrong with the disk."""
    if disk is None or not disk.below(NEARLY_FULL):
        return []
    text = f"the disk of the store has {disk.free // 1_000_000:,} MB left; the doors close when it is full"
    return [Incident("watch:disk", None, text)]


def of_partitions(db: Connection, today: date) -> list[Incident]:
    """What is wrong with the months of the big tables; ``handoff migrate`` makes them."""
    months = [f"{month_after(today, ahead):%Y_%m}" for ahead in (0, 1)]
    missing = db.execute(
        "SELECT t || '_' || m FROM unnest(%s::text[]) AS t, unnest(%s::text[]) AS m"
        " WHERE to_regclass(t || '_' || m) IS NULL ORDER BY 1",
        [list(TABLES), months],
    ).fetchall()
    # The application may not read a partition by its own name; its size it may know.
    strays = db.execute(
        "SELECT t FROM unnest(%s::text[]) AS t WHERE pg_relation_size(to_regclass(t || '_default')) > 0 ORDER BY 1",
        [list(TABLES)],
    ).fetchall()
    found = []
    if missing:
        names = ", ".join(row[0] for row in missing)
        found.append(
            Incident("watch:partitions", None, f"partitions are missing: {names}; run `handoff migrate`")
        )
    if strays:
        names = ", ".join(row[0] for row in strays)
        found.append(
            Incident("watch:strays", None, f"rows lie outside the months of {names}; see docs/runbook.md")
        )
    return found


class Watch:
    """Looks, speaks, and remembers the last look for ``/health``."""

    def __init__(
        self,
        store: Borrowed,
        notices: Notices,
        opening: Opening,
        *,
        windows: Mapping[str, float],
        data: Path | None,
        also: Sequence[Look] = (),
    ) -> None:
        self._store, self._notices, self._opening = store, notices, opening
        self._windows, self._data, self._also = windows, data, also
        self._store_away = False
        self.lanes: dict[str, str] = {}
        self.troubles: list[str] = []

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.look)
            except Exception as error:
                log.error("the watch could not look (%s)", place_of(error))
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Look once and speak of what has changed."""
        disk = self._disk()
        self._opening.disk(full=disk is not None and disk.below(FULL))
        try:
            with self._store() as db:
                sights = [see(db, lane, window=self._windows.get(lane, 0.0)) for lane in NUMBERS]
                wrong = [*of_disk(disk), *of_partitions(db, datetime.now(UTC).date())]
                own = [incident for look in self._also for incident in look(db)]
                self._remember(sights, wrong)
                changes = [current(db, _within(scope, sights, [*wrong, *own]), scope) for scope in SCOPES]
        except Away:
            self._say_store(away=True)
            return
        self._say_store(away=False)
        for opened, recovered in changes:
            self._notices.say(opened, [one for one in recovered if not one.key.startswith(HAPPENED)])

    def _disk(self) -> Disk | None:
        if self._data is None:
            return None
        usage = shutil.disk_usage(self._data)
        return Disk(usage.total, usage.free)

    def _remember(self, sights: Iterable[Sight], wrong: Iterable[Incident]) -> None:
        self.lanes = {sight.lane: sight.word for sight in sights}
        self.troubles = [incident.key.removeprefix("watch:") for incident in wrong]

    def _say_store(self, *, away: bool) -> None:
        """An incident the store cannot keep; this process remembers it."""
        if away == self._store_away:
            return
        self._store_away = away
        incident = Incident("watch:store", None, "the store does not answer; the doors say 503")
        self._notices.say([incident] if away else [], [] if away else [incident])


def _within(scope: str, sights: Iterable[Sight], wrong: Iterable[Incident]) -> list[Incident]:
    found = [*(incident for sight in sights for incident in of_lane(sight)), *wrong]
    return [incident for incident in found if incident.key.startswith(scope)]
