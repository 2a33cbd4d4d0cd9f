"""Arrivals to begin with: small, of any lane."""

from resources.store.intake import Incoming, Prior
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer


def arrival(
    sealer: Sealer,
    name: str,
    *,
    queue: str = "",
    body: bytes = b"{}",
    lane: str = "elation",
    kind: str = "changed",
) -> Incoming:
    """One arrival of a lane of queues; ``queue`` is its subject, by default its own name."""
    return Incoming(
        lane=NUMBERS[lane],
        name=sealer.name(lane, name),
        kind=kind,
        lineage=sealer.blind("queue", lane, queue or name),
        digest=sealer.digest(body),
        body=body,
    )


def event(sealer: Sealer, name: str, *, prior: str | None = None, body: bytes = b"{}") -> Incoming:
    """One arrival of the lane of lineages; ``prior`` is the event it corrects."""
    lane = "reportstream"
    return Incoming(
        lane=NUMBERS[lane],
        name=sealer.name(lane, name),
        kind="test_event",
        lineage=sealer.blind("queue", lane, name),
        digest=sealer.digest(body),
        body=body,
        rooted=True,
        prior=Prior(name=sealer.name(lane, prior), lineage=sealer.blind("queue", lane, prior))
        if prior
        else None,
    )
