"""What people do to messages, queues and lanes from a page: the same store functions as ``handoff messages``.

Who may: the pages' guards and ``web.staff.roles``. Every act has a name and a reason and stands in the audit.
"""

from collections.abc import Callable, Mapping

from assets.full_state import full_state
from resources.store import lookup, operators
from resources.store.connect import Connection
from resources.store.lanes import NAMES, NUMBERS
from resources.store.operators import NotPossible, Who
from resources.store.values import State

#: An arrival of a lane that sends many at a time, or a queue: as many as one statement takes well.
CHUNK = 5_000


# -- one message -------------------------------------------------------------------------------------------------


def _retry(db: Connection, message: int, who: Who) -> str:
    life = lookup.life(db, message)
    kinds = full_state(life.found.lane) if life else ()
    operators.retry_now(db, message, who, full_state=kinds)
    return "The message goes again."


def _skip(db: Connection, message: int, who: Who) -> str:
    operators.skip(db, message, who)
    return "The message is skipped; what stood behind it goes on."


def _hold(db: Connection, message: int, who: Who) -> str:
    return hold_queue(db, operators.queue_of(db, message), who)


def _release(db: Connection, message: int, who: Who) -> str:
    return release_queue(db, operators.queue_of(db, message), who)


ON_MESSAGE: Mapping[str, Callable[[Connection, int, Who], str]] = {
    "retry": _retry,
    "skip": _skip,
    "hold": _hold,
    "release": _release,
}

# -- a queue -----------------------------------------------------------------------------------------------------


def queue_shown(db: Connection, digits: str) -> int:
    """The one queue that is shown with these digits."""
    found = operators.queues_shown(db, digits)
    if len(found) != 1:
        raise NotPossible("no queue is shown with these digits" if not found else "several queues begin so")
    return found[0]


def hold_queue(db: Connection, queue: int, who: Who) -> str:
    """Nothing more of it goes."""
    operators.hold_queue(db, queue, who)
    return "The queue is held: nothing more of it goes until it is released."


def release_queue(db: Connection, queue: int, who: Who) -> str:
    """It goes on."""
    operators.release_queue(db, queue, who)
    return "The queue goes on."


def retry_queue(db: Connection, queue: int, who: Who) -> str:
    """What has failed in it goes again, what waits for its next try goes now."""
    return _retry_all(db, operators.lane_of_queue(db, queue), queue, who)


ON_QUEUE: Mapping[str, Callable[[Connection, int, Who], str]] = {
    "retry": retry_queue,
    "hold": hold_queue,
    "release": release_queue,
}

# -- a lane ------------------------------------------------------------------------------------------------------


def _hold_lane(db: Connection, lane: int, who: Who) -> str:
    operators.hold_lane(db, lane, who)
    return f"{NAMES[lane]} is held: nothing more is claimed. What is on its way is finished."


def _release_lane(db: Connection, lane: int, who: Who) -> str:
    operators.release_lane(db, lane, who)
    return f"{NAMES[lane]} goes on."


ON_LANE: Mapping[str, Callable[[Connection, int, Who], str]] = {
    "retry": lambda db, lane, who: _retry_all(db, lane, None, who),
    "hold": _hold_lane,
    "release": _release_lane,
}


def lane_number(name: str) -> int:
    """A lane by its name."""
    if name not in NUMBERS:
        raise NotPossible("there is no such lane")
    return NUMBERS[name]


def _retry_all(db: Connection, lane: int, queue: int | None, who: Who) -> str:
    failed = operators.ended_in(db, (State.FAILED, State.SET_ASIDE), lane=lane, queue=queue)
    again = superseded = 0
    for start in range(0, len(failed), CHUNK):
        some = failed[start : start + CHUNK]
        done = operators.reopen(db, some, who, full_state=full_state(NAMES[lane]), what="retry")
        again, superseded = again + done.waiting, superseded + done.superseded
    hurried = operators.hurry(db, who, lane=lane, queue=queue)
    newer = f" {superseded} were closed: a newer state of the same has gone." if superseded else ""
    return f"Messages that go again: {again}.{newer} Queues that try at once instead of waiting: {hurried}."
