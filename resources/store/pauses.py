"""Whether a lane may claim: a person's hold, and the breaker of a partner that is away.

The breaker pauses claims without eating attempts; while it is open the oldest due message goes as a probe
after 5, 10, 30, then every 60 seconds, from one run only. A breaker stands under the number of its lane, or,
where one of a lane's several destinations has its own, under that destination's track; a lane whose own is open
pauses all of them, and whichever is answered first closes it.
"""

from dataclasses import dataclass
from typing import Any

from resources.store.connect import AsyncConnection
from resources.store.lanes import lane_of

PROBES = (5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Gate:
    """``open``: claim as you like; ``probe``: claim one message; else come back in ``wait`` seconds."""

    open: bool
    probe: bool = False
    wait: float | None = None
    away: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a lane pauses: ``held`` by a person, or its partner away and the next probe due in ``seconds``."""

    held: bool
    seconds: float


#: The row of ``destination`` is there only while that destination is away; a lane's own breaker has none.
PAUSE = """
SELECT l.hold IS NOT NULL, l.away_since IS NOT NULL OR d.track IS NOT NULL,
       extract(epoch FROM greatest(l.away_until, d.away_until) - now())::float8
  FROM lane AS l LEFT JOIN destination AS d ON d.track = %(breaker)s
 WHERE l.number = %(lane)s
"""


def _who(breaker: int) -> dict[str, int]:
    return {"breaker": breaker, "lane": lane_of(breaker)}


async def look(db: AsyncConnection, breaker: int) -> Pause | None:
    """Whether the lane or this destination of it pauses; takes no probe."""
    row: Any = await (await db.execute(PAUSE, _who(breaker))).fetchone()
    held, away, seconds = row
    return Pause(held, max(seconds or 0.0, 0.0)) if held or away else None


_PROBE = """
WITH l AS (UPDATE lane SET away_until = now() + interval '60 s'
            WHERE number = %(lane)s AND away_until <= now() RETURNING 1),
d AS (UPDATE destination SET away_until = now() + interval '60 s'
       WHERE track = %(breaker)s AND away_until <= now() RETURNING 1)
SELECT EXISTS (SELECT 1 FROM l) OR EXISTS (SELECT 1 FROM d)
"""


async def gate(db: AsyncConnection, breaker: int) -> Gate:
    """Ask before a claim. Whoever is told to probe is the only one for the next minute."""
    row: Any = await (await db.execute(PAUSE, _who(breaker))).fetchone()
    held, away, seconds = row
    if held:
        return Gate(open=False)
    if not away:
        return Gate(open=True)
    if seconds > 0:
        return Gate(open=False, wait=seconds, away=True)
    probe: Any = await (await db.execute(_PROBE, _who(breaker))).fetchone()
    return Gate(open=False, probe=probe[0], wait=PROBES[-1], away=True)


_LANE_AWAY = """
WITH before AS (SELECT away_since FROM lane WHERE number = %(lane)s FOR UPDATE)
UPDATE lane SET away_since = coalesce(lane.away_since, now()), away_reason = %(reason)s,
       away_step = CASE WHEN lane.away_since IS NULL THEN 0 ELSE least(lane.away_step + 1, 3) END,
       away_until = now() + interval '1 s' * (%(probes)s::float8[])[
           CASE WHEN lane.away_since IS NULL THEN 1 ELSE least(lane.away_step + 2, 4) END]
  FROM before WHERE number = %(lane)s RETURNING before.away_since IS NULL
"""

_DESTINATION_AWAY = """
INSERT INTO destination (track, away_until, away_reason)
VALUES (%(breaker)s, now() + interval '1 s' * (%(probes)s::float8[])[1], %(reason)s)
ON CONFLICT (track) DO UPDATE SET
    away_reason = EXCLUDED.away_reason, away_step = least(destination.away_step + 1, 3),
    away_until = now() + interval '1 s' * (%(probes)s::float8[])[least(destination.away_step + 2, 4)]
RETURNING away_step = 0
"""


async def away(db: AsyncConnection, breaker: int, reason: str) -> bool:
    """The partner is away: open the breaker, or wait longer for the next probe; True when it was not open."""
    statement = _LANE_AWAY if lane_of(breaker) == breaker else _DESTINATION_AWAY
    values = {**_who(breaker), "reason": reason, "probes": list(PROBES)}
    row: Any = await (await db.execute(statement, values)).fetchone()
    return bool(row[0])


async def no_probe(db: AsyncConnection, breaker: int) -> None:
    """There was nothing to probe with: whatever is due next may be the probe."""
    await db.execute(
        """
        WITH l AS (UPDATE lane SET away_until = now() + %(wait)s * interval '1 s'
                    WHERE number = %(lane)s AND away_since IS NOT NULL)
        UPDATE destination SET away_until = now() + %(wait)s * interval '1 s' WHERE track = %(breaker)s
        """,
        {**_who(breaker), "wait": PROBES[0]},
    )


async def back(db: AsyncConnection, breaker: int) -> None:
    """The partner answers again."""
    await db.execute(
        """
        WITH d AS (DELETE FROM destination WHERE track = %(breaker)s)
        UPDATE lane SET away_since = NULL, away_until = NULL, away_reason = NULL, away_step = 0
         WHERE number = %(lane)s AND away_since IS NOT NULL
        """,
        _who(breaker),
    )


async def hold(db: AsyncConnection, lane: int, why: str) -> None:
    """Stop the lane until a person releases it."""
    await db.execute("UPDATE lane SET hold = coalesce(hold, %s) WHERE number = %s", [why, lane])
