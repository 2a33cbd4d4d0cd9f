"""Corrections followed through the store to their originals: by ``recall`` in a run, by ``recalled`` in a command."""

from collections.abc import Generator, Sequence

import msgspec
from msgspec.structs import replace

from assets.formats.decode import ShapeError, decoder
from assets.reportstream.originals import originals
from resources.store import lineage
from resources.store.connect import AsyncConnection, Connection
from resources.store.lanes import NUMBERS
from resources.store.lineage import Came
from resources.store.seal import Sealer
from resources.store.values import Arrival

LANE = "reportstream"


class _Version(msgspec.Struct):
    """What an event says of the one before it; a row of a bulk upload says nothing."""

    event_id: str = ""
    correction_status: str = "ORIGINAL"
    prior_event_id: str | None = None


_read = decoder(_Version)


async def recall(db: AsyncConnection, sealer: Sealer, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    """The arrivals, the corrections among them with the original they go back to."""
    walk = _walk(sealer, arrivals)
    try:
        names = next(walk)
        while True:
            names = walk.send(await lineage.came_async(db, NUMBERS[LANE], names))
    except StopIteration as end:
        found: Sequence[Arrival] = end.value
        return found


def recalled(db: Connection, sealer: Sealer, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    """The same for a thread."""
    walk = _walk(sealer, arrivals)
    try:
        names = next(walk)
        while True:
            names = walk.send(lineage.came(db, NUMBERS[LANE], names))
    except StopIteration as end:
        found: Sequence[Arrival] = end.value
        return found


def _walk(
    sealer: Sealer, arrivals: Sequence[Arrival]
) -> Generator[list[bytes], Sequence[Came], Sequence[Arrival]]:
    """Asks the store by blind names; what it gives is opened here."""
    versions = {
        arrival.id: version for arrival in arrivals if (version := _version(arrival.body)) is not None
    }
    if not versions:
        return arrivals
    walk = originals({one.event_id: prior for one in versions.values() if (prior := one.prior_event_id)})
    told: dict[str, str | None] | None = None
    while True:
        try:
            wanted = next(walk) if told is None else walk.send(told)
        except StopIteration as end:
            found: dict[str, str] = end.value
            break
        names = {sealer.name(LANE, name): name for name in wanted}
        told = {names[came.name]: _prior(sealer, came) for came in (yield list(names))}
    return [
        replace(arrival, original=found[versions[arrival.id].event_id]) if arrival.id in versions else arrival
        for arrival in arrivals
    ]


def _version(body: bytes) -> _Version | None:
    """The version if it is a correction; what is no event at all is for the mapping to say."""
    try:
        version = _read(body)
    except ShapeError:
        return None
    return version if version.correction_status != "ORIGINAL" and version.prior_event_id else None


def _prior(sealer: Sealer, came: Came) -> str | None:
    version = _version(sealer.open(came.body, b"inbox", came.arrival))
    return version.prior_event_id if version else None
