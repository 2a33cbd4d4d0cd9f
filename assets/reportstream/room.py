"""Which texts of a test event HL7 v2.5.1 has no room for, by their places in the contract.

A receiver cuts such a text, or refuses the message for it: the event is set aside and a person shortens it. The rows
of an upload were judged by the same lengths when they came (``bulk_rules``). FHIR and CSV know no lengths.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from assets.reportstream.events import TestEvent

#: A text component of the ELR guide, and what is shorter or longer: parts of an address, a note.
_MOST: Final = 199
_OTHERS: Final = {"city": 50, "state": 50, "zip_code": 12, "correction_reason": 65_000}
_LONG = re.compile(rb'"[^"]{51}')


def too_long(event: TestEvent, raw: bytes) -> Sequence[str]:
    """A sentence for each of them; no value is repeated. ``raw`` is the event as it came.

    Looking at every text costs more than the message itself, so only events with a long one are looked through.
    """
    if not _LONG.search(raw) and not _has_long_postal_code(event):
        return ()
    return list(_walk("", msgspec.to_builtins(event), _MOST))


def _has_long_postal_code(event: TestEvent) -> bool:
    places = (event.patient, event.facility, event.ordering_provider)
    return any(len(place.zip_code or "") > _OTHERS["zip_code"] for place in places)


def _walk(place: str, node: Any, most: int) -> Iterator[str]:
    if isinstance(node, str):
        if len(node) > most:
            yield f"{place}: is longer than the {most} characters HL7 has room for"
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _walk(f"{place}.{name}" if place else name, value, _OTHERS.get(name, _MOST))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _walk(f"{place}[{index}]", value, most)
