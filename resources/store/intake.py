"""What the doors do: keep an arrival once, give it its place in its queue, and wake whoever drains.

One statement does it all, so the sequence of a queue is the order of commits and there is nothing to
reconcile. What piled up while the last statement committed is the next one (no timer): one commit and one
NOTIFY serve many senders.
"""

import asyncio
import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from resources.store.connect import AsyncConnection, Away, connect_async, process_number
from resources.store.ids import Ids
from resources.store.seal import Sealer


class Verdict(enum.Enum):
    """What became of one arrival at the door."""

    RECEIVED = "received"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Busy(Exception):
    """More is waiting to be stored than we want to hold in memory: the sender should come again shortly."""


class StoreAway(Exception):
    """The database does not answer; nothing of the request was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """The event a correction follows: its blind name, and the lineage it would have as the first of one."""

    name: bytes
    lineage: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One thing of the agreed shape, ready to be stored.

    ``name`` is the blind name of the sender's own id, ``lineage`` the blind index of the queue it belongs to
    (in a lane of lineages: the one named by its own id), ``digest`` that of the normalised content.
    ``destinations`` are added to the lineage to give each destination a queue of its own; most lanes have one.
    """

    lane: int
    name: bytes
    kind: str
    lineage: int
    digest: int
    body: bytes
    patient: int | None = None
    reference: int | None = None
    prior: Prior | None = None
    rooted: bool = False
    destinations: tuple[int, ...] = (0,)


@dataclass(slots=True)
class _Request:
    incoming: Sequence[Incoming]
    answer: "asyncio.Future[list[Verdict]]"


_PLACE = """
WITH a AS MATERIALIZED (
    SELECT * FROM unnest(%b::bigint[], %b::smallint[], %b::bytea[], %b::bigint[], %b::bigint[], %b::text[],
                         %b::bigint[], %b::bigint[], %b::bytea[])
             WITH ORDINALITY AS t(id, lane, name, lineage, digest, kind, patient, reference, body, ord)),
p AS MATERIALIZED (
    SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::smallint[], %b::boolean[], %b::float8[])
             AS t(arrival, queue, part, root, wait)),
s AS (INSERT INTO seen (lane, name, arrival, lineage, digest)
      SELECT lane, name, id, lineage, digest FROM a ON CONFLICT DO NOTHING RETURNING arrival),
n AS MATERIALIZED (
    SELECT p.*, a.lane + 10 * part AS track,
           sum(CASE WHEN root THEN 0 ELSE 1 END) OVER (PARTITION BY queue ORDER BY a.ord) AS nth
      FROM p JOIN s USING (arrival) JOIN a ON a.id = p.arrival),
c AS MATERIALIZED (
    SELECT queue, track, count(*) FILTER (WHERE NOT root) AS k, bool_or(root) AS rooted, min(wait) AS wait
      FROM n GROUP BY queue, track),
u AS (INSERT INTO queue (key, lane, last_seq, ready_at)
      SELECT queue, track, k, now() + wait * interval '1 s' FROM c ORDER BY queue
      ON CONFLICT (key) DO UPDATE SET
        -- the first of a lineage that comes after its correction takes number 0; the number it leaves unused
        -- tells a run that holds the queue just now that there is more
        last_seq = queue.last_seq + EXCLUDED.last_seq + (SELECT c.rooted::int FROM c WHERE c.queue = EXCLUDED.key),
        ready_at = CASE WHEN queue.lease IS NULL AND queue.hold IS NULL
                         AND (queue.ready_at = 'infinity' OR (SELECT c.rooted FROM c WHERE c.queue = EXCLUDED.key))
                        THEN EXCLUDED.ready_at ELSE queue.ready_at END
      RETURNING key, last_seq),
i AS (INSERT INTO inbox (id, lane, kind, patient, reference, body)
      SELECT a.id, a.lane, a.kind, a.patient, a.reference, a.body FROM a JOIN s ON s.arrival = a.id),
w AS (INSERT INTO work (queue, seq, part, lane, arrival, flag)
      SELECT n.queue, CASE WHEN n.root THEN 0 ELSE u.last_seq - c.k + n.nth END, n.part, n.track, n.arrival,
             CASE WHEN n.wait > 0 THEN 'its original had not been seen when it came' END
        FROM n JOIN u ON u.key = n.queue JOIN c ON c.queue = n.queue)
SELECT (SELECT array_agg(arrival) FROM s),
       (SELECT count(pg_notify('work', lane::text)) FROM (SELECT DISTINCT track %% 10 AS lane FROM n) AS lanes)
"""


class Intake:
    """One writer a door process; ``put`` returns when the arrivals are committed."""

    #: More rows than this waiting for the writer, and the door says 503.
    FULL = 20_000
    #: Rows of one statement: several requests share it, a large request has one of its own.
    TOGETHER = 512
    #: Seconds after which a statement is given up: a server that hangs must not hold the senders for ever.
    PATIENCE = 15.0

    def __init__(self, url: str, sealer: Sealer, *, original_wait: float = 3600.0) -> None:
        self._url = url
        self._sealer = sealer
        self._original_wait = original_wait
        self._requests: list[_Request] = []
        self._rows = 0
        self._wake = asyncio.Event()
        self._db: AsyncConnection | None = None
        self._ids: Ids | None = None
        self._writer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the writer; the connection is made when first needed and again after it broke."""
        self._writer = asyncio.create_task(self._write_forever(), name="intake writer")

    async def stop(self) -> None:
        """End the writer after what it has in hand."""
        if self._requests:
            await asyncio.wait([request.answer for request in self._requests], timeout=10)
        if self._writer:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        if self._db:
            await self._db.close()

    async def put(self, incoming: Sequence[Incoming]) -> list[Verdict]:
        """Store the arrivals of one request, all or nothing, in their order.

        Raises Busy when too much is waiting already, StoreAway when the database does not answer.
        """
        if self._rows > self.FULL:
            raise Busy
        request = _Request(incoming, asyncio.get_running_loop().create_future())
        self._requests.append(request)
        self._rows += len(incoming)
        self._wake.set()
        return await request.answer

    async def _write_forever(self) -> None:
        while True:
            await self._wake.wait()
            requests = self._take()
            if not requests:
                self._wake.clear()
                continue
            try:
                async with asyncio.timeout(self.PATIENCE):
                    answers = await self._write(requests)
            except (*Away, TimeoutError) as error:
                await self._lose_connection()
                _fail(requests, StoreAway(type(error).__name__))
            except Exception as error:  # the writer outlives whatever one request brings
                await self._lose_connection()
                _fail(requests, error)
            else:
                for request, verdicts in zip(requests, answers, strict=True):
                    if not request.answer.done():
                        request.answer.set_result(verdicts)

    def _take(self) -> list[_Request]:
        taken: list[_Request] = []
        rows = 0
        while self._requests and (not taken or rows + len(self._requests[0].incoming) <= self.TOGETHER):
            request = self._requests.pop(0)
            rows += len(request.incoming)
            taken.append(request)
        self._rows -= rows
        return taken

    async def _lose_connection(self) -> None:
        if self._db is not None:
            db, self._db = self._db, None
            await db.close()

    async def _connection(self) -> tuple[AsyncConnection, Ids]:
        if self._db is None or self._ids is None:
            self._db = await connect_async(self._url, "handoff door")
            self._ids = Ids(await process_number(self._db))
        return self._db, self._ids

    async def _write(self, requests: list[_Request]) -> list[list[Verdict]]:
        db, ids = await self._connection()
        everything = [one for request in requests for one in request.incoming]
        arrivals = [ids() for _ in everything]
        first: dict[tuple[int, bytes], int] = {}
        for index, one in enumerate(everything):
            first.setdefault((one.lane, one.name), index)
        fresh = [index for index, one in enumerate(everything) if first[one.lane, one.name] == index]
        placed = await self._lineages(db, [everything[index] for index in fresh])
        stored = await self._place(db, placed, [arrivals[index] for index in fresh])
        verdicts = [Verdict.RECEIVED if arrival in stored else Verdict.DUPLICATE for arrival in arrivals]
        repeats = [index for index, verdict in enumerate(verdicts) if verdict is Verdict.DUPLICATE]
        if repeats:
            for index in await self._conflicts(db, everything, arrivals, repeats):
                verdicts[index] = Verdict.CONFLICT
        answers, start = [], 0
        for request in requests:
            answers.append(verdicts[start : start + len(request.incoming)])
            start += len(request.incoming)
        return answers

    async def _place(
        self, db: AsyncConnection, incoming: list[tuple[Incoming, float]], arrivals: list[int]
    ) -> set[int]:
        rows = []
        places = []
        for (one, wait), arrival in zip(incoming, arrivals, strict=True):
            body = self._sealer.seal(one.body, b"inbox", arrival)
            rows.append(
                (
                    arrival,
                    one.lane,
                    one.name,
                    one.lineage,
                    one.digest,
                    one.kind,
                    one.patient,
                    one.reference,
                    body,
                )
            )
            for part, destination in enumerate(one.destinations):
                places.append((arrival, one.lineage ^ destination, part, one.rooted, wait))
        columns = [list(column) for column in zip(*rows, strict=True)]
        columns += [list(column) for column in zip(*places, strict=True)]
        cursor = await db.execute(_PLACE, columns)
        row = await cursor.fetchone()
        return set(row[0] or ()) if row else set()

    async def _lineages(self, db: AsyncConnection, incoming: list[Incoming]) -> list[tuple[Incoming, float]]:
        """Where corrections belong: to the queue their own id names, else with their prior event.

        A correction whose original has not been seen waits for it: the original may be on its way.
        """
        corrections = [one for one in incoming if one.prior]
        if not corrections:
            return [(one, 0.0) for one in incoming]
        named = await self._named(db, corrections)
        known = await self._known(db, corrections)
        placed = []
        for one in incoming:
            wait = 0.0
            if one.prior and one.lineage not in named:
                lineage = known.get((one.lane, one.prior.name))
                if lineage is None:
                    lineage, wait = one.prior.lineage, self._original_wait
                one = replace(one, lineage=lineage, rooted=False)
            known.setdefault((one.lane, one.name), one.lineage)
            named.add(one.lineage)
            placed.append((one, wait))
        return placed

    async def _named(self, db: AsyncConnection, corrections: list[Incoming]) -> set[int]:
        cursor = await db.execute(
            "SELECT key FROM queue WHERE key = ANY(%b::bigint[])",
            [[one.lineage ^ one.destinations[0] for one in corrections]],
        )
        keys = {row[0] for row in await cursor.fetchall()}
        return {one.lineage for one in corrections if one.lineage ^ one.destinations[0] in keys}

    async def _known(self, db: AsyncConnection, corrections: list[Incoming]) -> dict[tuple[int, bytes], int]:
        cursor = await db.execute(
            """
            SELECT s.lane, s.name, s.lineage
              FROM unnest(%b::smallint[], %b::bytea[]) AS t(lane, name) JOIN seen AS s USING (lane, name)
            """,
            [[one.lane for one in corrections], [one.prior.name for one in corrections if one.prior]],
        )
        return {(lane, bytes(name)): lineage for lane, name, lineage in await cursor.fetchall()}

    async def _conflicts(
        self, db: AsyncConnection, everything: list[Incoming], arrivals: list[int], repeats: list[int]
    ) -> list[int]:
        """The repeats whose content differs from what we have; each other content is kept once."""
        cursor = await db.execute(
            """
            SELECT s.lane, s.name, s.arrival, s.digest
              FROM unnest(%b::smallint[], %b::bytea[]) AS t(lane, name) JOIN seen AS s USING (lane, name)
            """,
            [[everything[index].lane for index in repeats], [everything[index].name for index in repeats]],
        )
        have = {
            (lane, bytes(name)): (arrival, digest) for lane, name, arrival, digest in await cursor.fetchall()
        }
        other = []
        for index in repeats:
            one = everything[index]
            arrival, digest = have[one.lane, one.name]
            if digest != one.digest:
                other.append(index)
                await db.execute(
                    "INSERT INTO conflict (id, lane, arrival, digest, body) VALUES (%s, %s, %s, %s, %b)"
                    " ON CONFLICT DO NOTHING",
                    [
                        arrivals[index],
                        one.lane,
                        arrival,
                        one.digest,
                        self._sealer.seal(one.body, b"conflict", arrivals[index]),
                    ],
                )
        return other


def _fail(requests: list[_Request], error: Exception) -> None:
    for request in requests:
        if not request.answer.done():
            request.answer.set_exception(error)
