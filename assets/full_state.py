"""Which kinds of a lane's messages carry the whole state: the newest of a queue makes the older ones needless.

For those who send again by hand; a run asks its lane. Imported when asked for, so that a command starts without
five lanes.
"""

from collections.abc import Sequence
from importlib import import_module

_WHERE = {"elation": "assets.elation.calls", "openmrs": "assets.openmrs.hints"}


def full_state(lane: str) -> Sequence[str]:
    """The kinds, in order; none for a lane whose messages each say something of their own."""
    return sorted(import_module(_WHERE[lane]).FULL_STATE) if lane in _WHERE else ()
