"""What can be seen of a lane from the store alone: does it stand still, and why. Numbers only, cheap at any size."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from resources.store import drains
from resources.store.connect import Connection
from resources.store.ids import first_id
from resources.store.lanes import NUMBERS, batches, track

#: Work that could be done and is not done for so long: nobody is there to do it.
STALLED_SECONDS = 300.0
#: What failed is counted for a day; its arrival may be older.
FAILED_HOURS = 24
FAILED_DAYS = 14
#: Destinations a lane may have.
DESTINATIONS = 10


@dataclass(frozen=True, slots=True)
class Failure:
    """The newest message that failed or was set aside; ``reason`` holds no value and nothing a partner said."""

    message: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A lane at this moment. ``idle_seconds``: how long work has been there that nobody does."""

    lane: str
    live: bool
    held: bool
    away_seconds: float | None
    ready_seconds: float
    idle_seconds: float
    queues_held: int
    failed: int
    set_aside: int
    newest: Failure | None = None
    away_reason: str = ""

    @property
    def stalled(self) -> bool:
        """There is work, nothing forbids it, and no run does it."""
        return not self.held and self.away_seconds is None and self.idle_seconds > STALLED_SECONDS

    @property
    def word(self) -> str:
        """The lane in one word, the worst first."""
        if self.held:
            return "held"
        if self.away_seconds is not None:
            return "away"
        if self.stalled:
            return "stalled"
        return "failed" if self.failed or self.set_aside else "ok"


_SEE = f"""
SELECT l.hold IS NOT NULL,
       extract(epoch FROM now() - coalesce(l.away_since, far.away_since))::float8,
       extract(epoch FROM now() - (SELECT min(first.at) FROM unnest(%(tracks)s::smallint[]) AS one (track),
            LATERAL (SELECT min(ready_at) AS at FROM queue
                      WHERE queue.lane = one.track AND lease IS NULL AND ready_at < 'infinity') AS first))::float8,
       -- leases of a run that died are out of the ready index until another run takes them over
       extract(epoch FROM now() - (SELECT min(d.beat_at) FROM drain AS d
            WHERE d.lane = l.number AND d.ended_at IS NULL AND EXISTS (
                  SELECT 1 FROM queue WHERE lease >= d.lease AND lease < d.lease + {drains.LEASES})))::float8,
       extract(epoch FROM now() - (SELECT min(poll_at) FROM batch
            WHERE lane = ANY(%(tracks)s::smallint[]) AND poll_at IS NOT NULL))::float8,
       (SELECT count(*) FROM queue WHERE hold IS NOT NULL AND lane = ANY(%(tracks)s::smallint[])),
       failed.failed, failed.set_aside, coalesce(l.away_reason, far.away_reason)
  FROM lane AS l
  -- one of several destinations that is away while the others go on
  LEFT JOIN LATERAL (SELECT away_since, away_reason FROM destination
                      WHERE track %% 10 = l.number ORDER BY away_since LIMIT 1) AS far ON true, LATERAL (
       SELECT count(*) FILTER (WHERE state = 3) AS failed, count(*) FILTER (WHERE state = 7) AS set_aside
         FROM ended WHERE ended.lane = l.number AND state IN (3, 7) AND arrival >= %(since)s
          AND at > now() - interval '{FAILED_HOURS} hours') AS failed
 WHERE l.number = %(lane)s
"""


def see(db: Connection, lane: str, *, window: float = 0.0, now: datetime | None = None) -> Sight:
    """Look at one lane; ``window`` is how long it may wait for more before it sends."""
    number = NUMBERS[lane]
    events = [track(number, destination) for destination in range(DESTINATIONS)]
    since = first_id((now or datetime.now(UTC)) - timedelta(days=FAILED_DAYS))
    row: Any = db.execute(
        _SEE, {"lane": number, "tracks": events + [batches(one) for one in events], "since": since}
    ).fetchone()
    held, away, ready, dead, poll, queues_held, failed, set_aside, away_reason = row
    live = drains.lives(db, number)
    waits = (0.0, (ready or 0.0) - window, dead or 0.0, poll or 0.0)
    return Sight(
        lane=lane,
        live=live,
        held=held,
        away_seconds=away,
        ready_seconds=max(0.0, ready or 0.0),
        idle_seconds=0.0 if live else max(waits),
        queues_held=queues_held,
        failed=failed,
        set_aside=set_aside,
        newest=_newest(db, number, since) if failed or set_aside else None,
        away_reason=away_reason or "",
    )


def _newest(db: Connection, lane: int, since: int) -> Failure | None:
    row: Any = db.execute(
        """
        SELECT e.arrival + e.part,
               coalesce((SELECT kind FROM outbox AS o WHERE o.id = e.arrival + e.part AND o.version = e.version),
                        (SELECT kind FROM inbox AS i WHERE i.id = e.arrival), ''),
               coalesce(e.reason, '')
          FROM ended AS e
         WHERE e.lane = %s AND e.state IN (3, 7) AND e.arrival >= %s ORDER BY e.at DESC, e.arrival DESC LIMIT 1
        """,
        [lane, since],
    ).fetchone()
    return Failure(*row) if row else None
