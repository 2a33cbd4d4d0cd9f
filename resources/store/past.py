"""What has ended, read again for a replay: who it was, how it ended, what came and what was sent. Read only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from resources.store.connect import Connection
from resources.store.ids import arrival_and_part, moment
from resources.store.seal import Sealer
from resources.store.values import Arrival, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An ended message; ``outcome`` is that of its last try, ``batch`` the one that carried it last."""

    message: int
    state: State
    kind: str
    batch: int | None
    outcome: int | None

    @property
    def arrival(self) -> int:
        """What it was made of."""
        return arrival_and_part(self.message)[0]


_PAST = """
SELECT e.arrival + e.part, e.state, coalesce(o.kind, i.kind), b.id,
       (SELECT a.outcome FROM attempt AS a WHERE a.message = coalesce(b.id, e.arrival + e.part)
         ORDER BY a.at DESC LIMIT 1)
  FROM ended AS e JOIN inbox AS i ON i.id = e.arrival
  LEFT JOIN outbox AS o ON o.id = e.arrival + e.part AND o.version = e.version
  LEFT JOIN batch AS b ON b.id = e.by_id
 WHERE e.lane = %(lane)s AND e.arrival >= %(low)s AND e.arrival < %(high)s
   AND (e.arrival, e.part) > (%(arrival)s, %(part)s) AND e.state = ANY(%(states)s::smallint[])
 ORDER BY e.arrival, e.part LIMIT %(most)s
"""


def past(
    db: Connection, lane: int, low: int, high: int, states: Sequence[State], *, most: int = 5_000
) -> Iterator[list[Past]]:
    """The messages of a range of arrivals that ended in one of these states, so many at a time, in order."""
    values: dict[str, Any] = {
        "lane": lane,
        "low": low,
        "high": high,
        "most": most,
        "arrival": low,
        "part": -1,
    }
    values["states"] = [state.value for state in states]
    while True:
        rows: list[Any] = db.execute(_PAST, values).fetchall()
        if rows:
            yield [
                Past(message=message, state=State(state), kind=kind, batch=batch, outcome=outcome)
                for message, state, kind, batch, outcome in rows
            ]
        if len(rows) < most:
            return
        values["arrival"], values["part"] = arrival_and_part(rows[-1][0])


def arrivals(db: Connection, sealer: Sealer, wanted: Sequence[int]) -> dict[int, Arrival]:
    """What came, opened, by id."""
    rows = db.execute(
        "SELECT id, kind, body FROM inbox WHERE id = ANY(%s::bigint[])", [list(wanted)]
    ).fetchall()
    return opened(sealer, rows)


def opened(sealer: Sealer, rows: Sequence[Any]) -> dict[int, Arrival]:
    """Rows of the inbox (id, kind, body) as arrivals, by id."""
    return {
        identifier: Arrival(
            id=identifier,
            kind=kind,
            body=sealer.open(bytes(body), b"inbox", identifier),
            received_at=moment(identifier),
        )
        for identifier, kind, body in rows
    }


def last_sent(db: Connection, sealer: Sealer, messages: Sequence[int]) -> dict[int, bytes]:
    """The newest bytes the outbox holds of each message, opened, packed with their address."""
    rows = db.execute(
        "SELECT DISTINCT ON (id) id, body FROM outbox WHERE id = ANY(%s::bigint[]) ORDER BY id, version DESC",
        [list(messages)],
    ).fetchall()
    return {identifier: sealer.open(bytes(body), b"outbox", identifier) for identifier, body in rows}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a lane has not done: messages, those of them that stand in a batch, and the batches."""

    messages: int
    in_batches: int
    batches: int


def waiting(db: Connection, lane: int) -> Waiting:
    """Count what waits in a lane."""
    row: Any = db.execute(
        """
        SELECT count(*) FILTER (WHERE w.lane < 100), count(*) FILTER (WHERE w.lane < 100 AND b.id IS NOT NULL),
               count(*) FILTER (WHERE w.lane >= 100)
          FROM work AS w JOIN queue AS q ON q.key = w.queue
          LEFT JOIN batch AS b ON b.lease = q.lease AND b.state = 0
         WHERE w.lane %% 10 = %s
        """,
        [lane],
    ).fetchone()
    return Waiting(*row)
