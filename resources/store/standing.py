"""What stands at a partner by what was last delivered, so that a message that says the same needs no call.

Written in the transaction of the outcome and fenced by the lease as it is. Whatever leaves a doubt (a try that
was not confirmed, a person who skips or sends again) forgets the state: an unneeded call is harmless, a missing one
is not. Which message was the newest is not forgotten: an older state that is sent again must never go over it.
"""

from collections.abc import Sequence

import msgspec

from resources.store.arrays import Int8, Text
from resources.store.connect import AsyncConnection, Connection

#: Every aspect of a queue.
ALL = ""


class Stands(msgspec.Struct, frozen=True, gc=False):
    """What a message has left behind; without ``digest`` it is not certain any more what stands of this aspect."""

    queue: int
    aspect: str
    digest: int | None
    message: int


_NOTE = """
WITH d AS MATERIALIZED (
    SELECT * FROM unnest(%b::bigint[], %b::text[], %b::bigint[], %b::bigint[]) AS t(queue, aspect, digest, message)),
ok AS MATERIALIZED (SELECT d.* FROM d JOIN queue AS q ON q.key = d.queue AND q.lease = %s),
doubt AS (UPDATE standing AS s SET digest = NULL FROM ok
           WHERE s.queue = ok.queue AND ok.digest IS NULL AND ok.aspect IN ('', s.aspect))
INSERT INTO standing AS s (queue, aspect, digest, message)
SELECT queue, aspect, digest, message FROM ok WHERE digest IS NOT NULL ORDER BY queue, aspect
    ON CONFLICT (queue, aspect) DO UPDATE SET digest = EXCLUDED.digest, message = EXCLUDED.message
"""


async def note(db: AsyncConnection, lease: int, left: Sequence[Stands]) -> None:
    """Remember what was left behind in queues that are ours."""
    columns = [
        Int8([one.queue for one in left]),
        Text([one.aspect for one in left]),
        Int8([one.digest for one in left]),
        Int8([one.message for one in left]),
    ]
    await db.execute(_NOTE, [*columns, lease])


async def of(db: AsyncConnection, queues: Sequence[int]) -> dict[tuple[int, str], tuple[int | None, int]]:
    """By queue and aspect: the digest, if it is certain, and the newest message that was delivered."""
    async with db.cursor(binary=True) as cursor:
        await cursor.execute(
            "SELECT queue, aspect, digest, message FROM standing WHERE queue = ANY(%b::bigint[])",
            [list(queues)],
        )
        return {(queue, aspect): (digest, by) for queue, aspect, digest, by in await cursor.fetchall()}


def forget(db: Connection, messages: Sequence[int]) -> None:
    """A person has put these in doubt: what stands in their queues is no longer certain."""
    db.execute(
        """
        UPDATE standing SET digest = NULL WHERE queue IN (
            SELECT queue FROM ended AS e JOIN unnest(%(messages)s::bigint[]) AS m ON e.arrival = m & -8
            UNION SELECT queue FROM work AS w JOIN unnest(%(messages)s::bigint[]) AS m ON w.arrival = m & -8)
        """,
        {"messages": list(messages)},
    )


def forget_lane(db: Connection, lane: int) -> None:
    """The store was restored from a backup: what was delivered since is not in it."""
    db.execute(
        "UPDATE standing SET digest = NULL WHERE queue IN (SELECT key FROM queue WHERE lane %% 10 = %s)",
        [lane],
    )
