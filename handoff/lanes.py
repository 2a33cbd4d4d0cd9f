"""What the commands must know of each lane: which kinds carry the whole state, what today's mapping makes.

Asked for by name and imported when asked, so that a command starts without five lanes.
"""

from collections.abc import Iterator, Sequence

#: Messages of one statement: long enough to be quick, short enough to hold no queue for long.
CHUNK = 5_000


def chunks(messages: Sequence[int]) -> Iterator[Sequence[int]]:
    """The messages, so many at a time."""
    for start in range(0, len(messages), CHUNK):
        yield messages[start : start + CHUNK]


def full_state(lane: str) -> tuple[str, ...]:
    """The kinds of a lane that carry the whole state: the newest of a queue makes the older ones needless."""
    if lane == "elation":
        from assets.elation.calls import FULL_STATE

        return tuple(FULL_STATE)
    return ()
