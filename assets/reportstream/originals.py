"""Which event a correction goes back to, so that its order has one id however often it is corrected.

A correction names the event before it only. Pure: who knows the events (the store, a file) is the caller's;
``lineage`` asks the store.
"""

from collections.abc import Generator, Mapping


def originals(
    priors: Mapping[str, str],
) -> Generator[set[str], Mapping[str, str | None], dict[str, str]]:
    """The original of each of these corrections: the first event, or the oldest that anybody knows of.

    Asks for events by id, and is sent the prior of those that are known: None for an original.

    >>> walk = originals({"c": "b"})
    >>> next(walk), walk.send({"b": "a"})
    ({'b'}, {'a'})
    """
    known: dict[str, str | None] = dict(priors)
    while wanted := {prior for prior in known.values() if prior is not None} - known.keys():
        told = yield wanted
        known |= {name: told.get(name) for name in wanted}
    return {name: _original(name, known) for name in priors}


def original_among(event_id: str, prior: str, events: Mapping[str, str | None]) -> str:
    """The original of one correction where these events and their priors are all there is to know.

    >>> original_among("c", "b", {"c": "b", "b": "a"})
    'a'
    """
    walk = originals({event_id: prior})
    try:
        wanted = next(walk)
        while True:
            wanted = walk.send({name: events[name] for name in wanted if name in events})
    except StopIteration as end:
        return str(end.value[event_id])


def _original(name: str, priors: Mapping[str, str | None]) -> str:
    seen = [name]
    while (prior := priors[seen[-1]]) is not None:
        if prior in seen:  # they name each other: any is as good, as long as it is always the same one
            return min(seen[seen.index(prior) :])
        seen.append(prior)
    return seen[-1]
