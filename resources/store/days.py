"""What became of a day's arrivals, counted: the ledger, and the last day at a glance. Numbers only."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from resources.store.connect import Connection
from resources.store.ids import first_id
from resources.store.values import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The messages owed for what arrived on one day (UTC), by where they are."""

    arrived: int
    waiting: int
    accepted: int
    delivered: int
    failed: int
    set_aside: int
    skipped: int
    superseded: int
    cancelled: int

    @property
    def open(self) -> int:
        """Owed and not ended."""
        return self.waiting + self.accepted

    @property
    def settled(self) -> bool:
        """Everything owed has reached its end, and a good one."""
        return not (self.open or self.failed or self.set_aside)

    def counts(self) -> dict[str, int]:
        """Every number by its name."""
        return {name: getattr(self, name) for name in Day.__dataclass_fields__}


def ids_of(day: date) -> tuple[int, int]:
    """The ids of a day: from the first, up to the first of the next."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return first_id(start), first_id(start + timedelta(days=1))


def day_of(db: Connection, lane: int, day: date) -> Day:
    """Count one lane's day."""
    low, high = ids_of(day)
    arrived: Any = db.execute(
        "SELECT count(*) FROM inbox WHERE lane = %s AND id >= %s AND id < %s", [lane, low, high]
    ).fetchone()
    waiting: Any = db.execute(
        # the last digit is the lane; from 100 on it is its batches, which are not messages
        "SELECT count(*) FROM work WHERE lane < 100 AND lane %% 10 = %s AND arrival >= %s AND arrival < %s",
        [lane, low, high],
    ).fetchone()
    ended: dict[int, int] = dict(
        db.execute(
            "SELECT state, count(*) FROM ended WHERE lane = %s AND arrival >= %s AND arrival < %s GROUP BY state",
            [lane, low, high],
        ).fetchall()
    )
    return Day(
        arrived=arrived[0],
        waiting=waiting[0],
        accepted=ended.get(State.ACCEPTED, 0),
        delivered=ended.get(State.DELIVERED, 0),
        failed=ended.get(State.FAILED, 0),
        set_aside=ended.get(State.SET_ASIDE, 0),
        skipped=ended.get(State.SKIPPED, 0),
        superseded=ended.get(State.SUPERSEDED, 0),
        cancelled=ended.get(State.CANCELLED, 0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """A lane at this moment: what waits, since when, and what stands still."""

    waiting: int
    oldest_seconds: float
    held: int
    failed_today: int
    hold: str | None
    away: str | None


def now_of(db: Connection, lane: int) -> Now:
    """Look at one lane."""
    row: Any = db.execute(
        """
        SELECT (SELECT count(*) FROM work WHERE lane < 100 AND lane %% 10 = %(lane)s),
               coalesce(extract(epoch FROM now()) - (SELECT min(arrival) >> 20 FROM work
                         WHERE lane < 100 AND lane %% 10 = %(lane)s) / 1000.0, 0)::float8,
               (SELECT count(*) FROM queue WHERE hold IS NOT NULL AND lane %% 10 = %(lane)s),
               (SELECT count(*) FROM ended WHERE lane = %(lane)s AND state IN (3, 7) AND arrival >= %(today)s),
               hold, coalesce(away_reason, (SELECT away_reason FROM destination
                                             WHERE track %% 10 = %(lane)s ORDER BY away_since LIMIT 1))
          FROM lane WHERE number = %(lane)s
        """,
        {"lane": lane, "today": ids_of(datetime.now(UTC).date())[0]},
    ).fetchone()
    return Now(
        waiting=row[0],
        oldest_seconds=max(0.0, row[1]),
        held=row[2],
        failed_today=row[3],
        hold=row[4],
        away=row[5],
    )


def by_hour(db: Connection, lane: int, hours: int = 24) -> list[tuple[datetime, int, int, int]]:
    """The last hours of a lane: (hour, arrived, delivered or accepted, failed or set aside)."""
    since = first_id(
        datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    )
    rows: list[Any] = db.execute(
        """
        SELECT to_timestamp(((arrival >> 20) / 3600000) * 3600), count(*),
               count(*) FILTER (WHERE state IN (1, 2)), count(*) FILTER (WHERE state IN (3, 7))
          FROM (SELECT arrival, state FROM ended WHERE lane = %(lane)s AND arrival >= %(since)s
                UNION ALL SELECT arrival, 0 FROM work
                 WHERE lane < 100 AND lane %% 10 = %(lane)s AND arrival >= %(since)s) AS owed
         GROUP BY 1 ORDER BY 1
        """,
        {"lane": lane, "since": since},
    ).fetchall()
    return [(hour, arrived, sent, failed) for hour, arrived, sent, failed in rows]
