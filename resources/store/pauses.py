"""Whether a lane may claim: a person's hold, and the breaker of a partner that is away.

The breaker pauses claims without eating attempts; while it is open the oldest due message goes as a probe
after 5, 10, 30, then every 60 seconds, from one run only.
"""

from dataclasses import dataclass
from typing import Any

from resources.store.connect import AsyncConnection

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


async def look(db: AsyncConnection, lane: int) -> Pause | None:
    """Whether the lane pauses; takes no probe."""
    row: Any = await (
        await db.execute(
            """
            SELECT hold IS NOT NULL, away_since IS NOT NULL,
                   greatest(extract(epoch FROM away_until - now()), 0)::float8
              FROM lane WHERE number = %s
            """,
            [lane],
        )
    ).fetchone()
    held, away, seconds = row
    return Pause(held, seconds or 0.0) if held or away else None


async def gate(db: AsyncConnection, lane: int) -> Gate:
    """Ask before a claim. Whoever is told to probe is the only one for the next minute."""
    row: Any = await (
        await db.execute(
            "SELECT hold IS NOT NULL, away_since IS NOT NULL, extract(epoch FROM away_until - now())::float8"
            " FROM lane WHERE number = %s",
            [lane],
        )
    ).fetchone()
    held, away, seconds = row
    if held:
        return Gate(open=False)
    if not away:
        return Gate(open=True)
    if seconds > 0:
        return Gate(open=False, wait=seconds, away=True)
    cursor = await db.execute(
        "UPDATE lane SET away_until = now() + interval '60 s' WHERE number = %s AND away_until <= now()",
        [lane],
    )
    return Gate(open=False, probe=cursor.rowcount == 1, wait=PROBES[-1], away=True)


async def away(db: AsyncConnection, lane: int, reason: str) -> bool:
    """The partner is away: open the breaker, or wait longer for the next probe; True when it was not open."""
    row: Any = await (
        await db.execute(
            """
            WITH before AS (SELECT away_since FROM lane WHERE number = %(lane)s FOR UPDATE)
            UPDATE lane SET away_since = coalesce(lane.away_since, now()), away_reason = %(reason)s,
                   away_step = CASE WHEN lane.away_since IS NULL THEN 0 ELSE least(lane.away_step + 1, 3) END,
                   away_until = now() + interval '1 s' * (%(probes)s::float8[])[
                       CASE WHEN lane.away_since IS NULL THEN 1 ELSE least(lane.away_step + 2, 4) END]
              FROM before WHERE number = %(lane)s RETURNING before.away_since IS NULL
            """,
            {"lane": lane, "reason": reason, "probes": list(PROBES)},
        )
    ).fetchone()
    return bool(row[0])


async def no_probe(db: AsyncConnection, lane: int) -> None:
    """There was nothing to probe with: whatever is due next may be the probe."""
    await db.execute(
        "UPDATE lane SET away_until = now() + %s * interval '1 s' WHERE number = %s AND away_since IS NOT NULL",
        [PROBES[0], lane],
    )


async def back(db: AsyncConnection, lane: int) -> None:
    """The partner answers again."""
    await db.execute(
        "UPDATE lane SET away_since = NULL, away_until = NULL, away_reason = NULL, away_step = 0"
        " WHERE number = %s AND away_since IS NOT NULL",
        [lane],
    )


async def hold(db: AsyncConnection, lane: int, why: str) -> None:
    """Stop the lane until a person releases it."""
    await db.execute("UPDATE lane SET hold = coalesce(hold, %s) WHERE number = %s", [why, lane])
