"""Which side changed a record last: only said where both clocks were measured and agree well enough (R14)."""

from datetime import datetime

from assets.openmrs.events import Side
from assets.openmrs.states import Alive, Reading
from assets.openmrs.tree import text

#: Servers keep whole seconds: what is nearer than this has no order.
SECONDS_APART = 2


def newer(
    parent: Reading, child: Reading, ahead: tuple[float | None, float | None], limit: float
) -> Side | None:
    """The side whose change is later, ``ahead`` being each server's clock against ours; None: not known."""
    if any(each is None or abs(each) > limit for each in ahead):
        return None
    there, here = _changed_at(parent), _changed_at(child)
    if there is None or here is None:
        return None
    apart = (there - here).total_seconds() - (ahead[0] or 0) + (ahead[1] or 0)
    if abs(apart) < SECONDS_APART:
        return None
    return Side.PARENT if apart > 0 else Side.CHILD


def _changed_at(reading: Reading) -> datetime | None:
    if not isinstance(reading, Alive):
        return None
    try:
        return datetime.fromisoformat(text(reading.record, "meta", "lastUpdated"))
    except ValueError:
        return None
