"""The five lanes as the store numbers them, and their tracks.

A lane with several destinations has a track for each, so that one that is away does not stop the others; a
lane that sends in batches has, beside each track of events, one on which its batches queue.
"""

from typing import Final

from resources.store.ids import PARTS

NUMBERS: Final = {"reportstream": 1, "elation": 2, "hcoint": 3, "pridok": 4, "openmrs": 5}
NAMES: Final = {number: name for name, number in NUMBERS.items()}


def track(lane: int, destination: int = 0) -> int:
    """The number under which the queues of a lane's destination stand.

    >>> track(1), track(1, 2)
    (1, 21)
    """
    return lane + 10 * destination


def told(lane: int) -> int:
    """The track of what a lane tells somebody beside its destinations, of which it has at most eight.

    >>> told(1)
    81
    """
    return track(lane, PARTS)


def batches(events: int) -> int:
    """The track of the batches made of a track of events."""
    return events + 100


def lane_of(any_track: int) -> int:
    """The lane a track belongs to.

    >>> lane_of(batches(track(1, 2)))
    1
    """
    return any_track % 10
