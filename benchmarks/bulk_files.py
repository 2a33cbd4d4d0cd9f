"""``bulk_validate``: rows a second of an uploaded file of results, every rule asked; CPU time.

Each row is another patient's; 625 bytes a row, 60 columns.
"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime

from assets.reportstream import bulk
from assets.reportstream.devices import known_devices
from benchmarks.drills_bulk import largest
from benchmarks.hl7_messages import rate
from benchmarks.lines import Line
from benchmarks.place import Place

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def measure(place: Place) -> Iterator[Line]:
    """Of the largest file there may be, or one of 4,000 rows."""
    return judged(largest(50_000_000 if place.full else 2_500_000))


def judged(file: bytes) -> Iterator[Line]:
    """Raises when anything is wrong with the file."""
    rows = bulk.check(io.BytesIO(file), devices=known_devices(), now=NOW)
    if rows.problems:
        raise AssertionError("the file to measure with has mistakes")
    files = rate(lambda data: bulk.check(io.BytesIO(data), devices=known_devices(), now=NOW), [file])
    yield Line(bench="bulk_validate", value=files * rows.rows, unit="rows/s", also={"rows": rows.rows})
