"""``store_bytes``: what the database grows by for one test event of 1.9 KB, in and delivered, indexes included."""

from collections.abc import Iterator

from assets.drain.run import drain_batches
from assets.reportstream import sending
from benchmarks.events import Events
from benchmarks.lines import Line
from benchmarks.place import Place
from resources.settings import Settings


def measure(place: Place) -> Iterator[Line]:
    """Of many events, received as the door does and drained as a run does, with nothing tidied up in between."""
    return grown(place, 100_000 if place.full else 20_000)


def grown(place: Place, number: int) -> Iterator[Line]:
    """With so many events."""
    before = _bytes(place)
    place.receive(Events(2), number)
    settings = Settings({**place.values, "REPORTSTREAM_TRANSPORT": "none", "HANDOFF_LINGER_SECONDS": "0.1"})
    figures, _ = drain_batches(settings, [sending.lane(settings)], run_id="store_bytes")
    if figures.sent != number:
        raise RuntimeError(f"{figures.sent} of {number} events were delivered")
    sizes = {name: size - before[name] for name, size in _bytes(place).items()}
    also = {f"{name}_bytes": round(size / number) for name, size in sizes.items() if size / number >= 1}
    yield Line(bench="store_bytes", value=sum(sizes.values()) / number, unit="bytes", also=also)


def _bytes(place: Place) -> dict[str, int]:
    """Bytes of each table with all that belongs to it; partitions count for their table."""
    with place.connect() as db:
        rows = db.execute(
            """
            SELECT coalesce(p.relname, c.relname), sum(pg_total_relation_size(c.oid))::bigint
              FROM pg_class AS c
              LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid LEFT JOIN pg_class AS p ON p.oid = i.inhparent
             WHERE c.relnamespace = 'handoff'::regnamespace AND c.relkind = 'r' GROUP BY 1
            """
        ).fetchall()
    return dict(rows)
