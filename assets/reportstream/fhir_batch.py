"""Bundles as NDJSON requests: one a line, cut by bytes and by number before anything is sent.

ReportStream refuses a request above 50,000,000 bytes; SimpleReport's own limit was twice that and left out the
newlines, so it never protected anything. A request is answered for itself: ``Batch.places`` says which bundles
it carries, so that an answer touches no other.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

#: Largest request ReportStream's front door takes.
MOST_BYTES: Final = 50_000_000

#: Most bundles in a request; 1,500 once ran into ReportStream's own time limit.
MOST_BUNDLES: Final = 500

CONTENT_TYPE: Final = "application/fhir+ndjson"


class Batch(NamedTuple):
    """One request: its bytes and the places of its bundles in what was asked for."""

    body: bytes
    places: tuple[int, ...]


def batches(
    bundles: Iterable[bytes], *, most_bytes: int = MOST_BYTES, most_bundles: int = MOST_BUNDLES
) -> Iterator[Batch]:
    """The requests for these bundles, in order. A bundle too large for any request goes in one of its own."""
    lines: list[bytes] = []
    first, size = 0, 0
    for place, bundle in enumerate(bundles):
        if lines and (size + 1 + len(bundle) > most_bytes or len(lines) == most_bundles):
            yield Batch(b"\n".join(lines), tuple(range(first, place)))
            lines, first, size = [], place, 0
        size += len(bundle) + (1 if lines else 0)
        lines.append(bundle)
    if lines:
        yield Batch(b"\n".join(lines), tuple(range(first, first + len(lines))))
