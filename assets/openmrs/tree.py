"""A FHIR record as a tree of JSON: what passes through the lane unchanged must not be modelled away.

A parent's record may hold any element and extension its site uses, so a record stays a tree; what the
lane understands of it is asked by the functions here. Not a place for rules about any one element.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from assets.formats.decode import ShapeError, decoder

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Tree: TypeAlias = dict[str, "Json"]

#: OpenMRS answers a patient with a long history in well under a tenth of this.
MAX_BYTES = 4_000_000
MAX_DEPTH = 40

_encoder = msgspec.json.Encoder(order="sorted")
_decode: Callable[[bytes], object] = decoder(object)


def decode(raw: bytes) -> Tree:
    """Read one JSON object, bounded in size and depth."""
    if len(raw) > MAX_BYTES:
        raise ShapeError("", f"has {len(raw)} bytes; at most {MAX_BYTES} are read")
    found = _decode(raw)
    if not isinstance(found, dict):
        raise ShapeError("", "is not a JSON object")
    if _depth(found) > MAX_DEPTH:
        raise ShapeError("", "is nested too deeply")
    return found


def encode(tree: Json) -> bytes:
    """Write JSON with sorted members, so that equal trees are equal bytes."""
    return _encoder.encode(tree)


def digest(tree: Json) -> str:
    """The fingerprint of a tree: equal trees have equal digests, whatever order their members came in."""
    return hashlib.sha256(encode(tree)).hexdigest()


def text(value: Json, *path: str | int) -> str:
    """The text found along ``path``, or an empty text when any step of it is absent."""
    found = get(value, *path)
    return found if isinstance(found, str) else ""


def get(value: Json, *path: str | int) -> Json:
    """What is found along ``path``, or None when any step of it is absent."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def items(value: Json, *path: str | int) -> list[Tree]:
    """The objects of the array along ``path``; a single object counts as an array of one.

    FHIR2's lenient parser takes ``"identifier": {...}``, and its own fixtures contain it.
    """
    found = get(value, *path)
    if isinstance(found, dict):
        return [found]
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def objects(value: Json, place: str = "") -> Iterator[tuple[str, Tree]]:
    """Every object of a tree with its place, outermost first."""
    if isinstance(value, dict):
        yield place, value
        for name, member in value.items():
            yield from objects(member, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from objects(member, f"{place}[{at}]")


def pruned(value: Json) -> Json:
    """Without empty texts, arrays, objects and nulls, which FHIR forbids and some servers answer."""
    if isinstance(value, dict):
        kept = {name: pruned(member) for name, member in value.items()}
        return {name: member for name, member in kept.items() if not empty(member)}
    if isinstance(value, list):
        return [member for member in map(pruned, value) if not empty(member)]
    return value


def empty(value: Json) -> bool:
    """Whether a value says nothing: null, or nothing inside it."""
    return value is None or (isinstance(value, str | list | dict) and not value)


def _depth(value: Json) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        if deepest > MAX_DEPTH:
            return deepest
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
    return deepest
