"""The comparable form of a record, and the elements it is compared by (R9, R10).

Two records are the same when their canonical forms are: without metadata, narrative, display texts and
what FHIR2 computes, with empty text, null and absent alike. Merging is ``merge``'s business.
"""

import re
from datetime import datetime

from assets.openmrs.tree import Json, Tree, digest, empty, get, items, text

#: FHIR2 always answers status ``unknown`` for encounters and derives class from the location; what is sent
#: is ignored. ``issued`` of an observation and ``active`` of a patient follow the row, not the clinician.
COMPUTED = {
    "Encounter": frozenset({"status", "class"}),
    "Observation": frozenset({"issued"}),
    "Patient": frozenset({"active"}),
}

_DROPPED = frozenset({"meta", "text", "contained", "implicitRules"})


def canonical(record: Tree) -> Tree:
    """The comparable form of a record. The visit or encounter tag is kept: it says what the record is."""
    computed = COMPUTED.get(text(record, "resourceType"), frozenset())
    kept: Tree = {
        name: _plain(name, value)
        for name, value in record.items()
        if name not in _DROPPED and name not in computed
    }
    kept = {name: value for name, value in kept.items() if not empty(value)}
    if kept.get("deceasedBoolean") is False:
        del kept["deceasedBoolean"]
    tag = encounter_tag(record)
    if tag:
        kept["meta"] = {"tag": tag}
    return kept


def fingerprint(record: Tree) -> str:
    """The hash by which our own write is recognised when it comes back as an event (R9)."""
    return digest(canonical(record))


def encounter_tag(record: Tree) -> str:
    """``visit`` or ``encounter`` for FHIR2's two kinds of Encounter, else empty."""
    codes = {text(tag, "code") for tag in items(record, "meta", "tag")} & {"visit", "encounter"}
    if not codes and isinstance(found := get(record, "meta", "tag"), str):
        return found
    return codes.pop() if len(codes) == 1 else ""


def same(left: Json, right: Json) -> bool:
    """Whether two canonical values say the same.

    An estimated birth date is sent as year or year and month depending on the age *today*, and comes back
    as the first day of it, so a date equals its own shortening (R10).

    >>> same("1990", "1990-01-01"), same("2021-03", "2021-03-01"), same("1990", "1990-05-17")
    (True, True, False)
    """
    if left == right:
        return True
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, str) and isinstance(right, str):
        return _whole_date(left) == _whole_date(right) or _shortened(left, right) or _same_moment(left, right)
    return False


def _whole_date(value: str) -> str:
    missing = {4: "-01-01", 7: "-01"}.get(len(value), "")
    return value + missing if re.fullmatch(r"\d{4}(-\d\d)?(-\d\d)?", value) else value


def _shortened(left: str, right: str) -> bool:
    """``2021`` and ``2021-03``: one estimated date, shown with the precision of two different days."""
    short, long = sorted((left, right), key=len)
    return bool(re.fullmatch(r"\d{4}", short) and re.fullmatch(short + r"-\d\d", long))


def _same_moment(left: str, right: str) -> bool:
    """One instant in two servers' zones; offsets are written ``Z``, ``+0000`` or ``+00:00`` (R14)."""
    if "T" not in left or "T" not in right:
        return False
    try:
        first, second = datetime.fromisoformat(left), datetime.fromisoformat(right)
    except ValueError:
        return False
    return (first.tzinfo is None) == (second.tzinfo is None) and first == second


def elements(record: Tree) -> dict[str, Json]:
    """A record's comparable elements by name: members, and the items of its arrays by their own key.

    The record's own id is none: the other server may have given another. An item is one element: half of
    one address and half of another make a place nobody lives at.

    >>> list(elements({"gender": "female", "address": [{"id": "85e9", "city": "Kampala"}]}))
    ['gender', 'address[85e9]']
    """
    found: dict[str, Json] = {}
    for name, value in canonical(record).items():
        if name in ("id", "resourceType"):
            continue
        if isinstance(value, list):
            found |= {f"{name}[{item_key(item)}]": item for item in value}
        else:
            found[name] = value
    return found


def as_written(record: Tree, element: str) -> Json:
    """An element as the record itself has it, display texts included: older FHIR2 finds types by them."""
    name, _, key = element.partition("[")
    value = record.get(name)
    if not key:
        return value
    for item in value if isinstance(value, list) else [value]:
        if item_key(_plain(name, item)) == key[:-1]:
            return item
    return None


def item_key(item: Json) -> str:
    """What names an item of an array: its uuid, an extension's address and type, else its content."""
    if isinstance(item, dict):
        if found := text(item, "id"):
            return found
        if url := text(item, "url"):
            kinds = [text(part, "valueString") for part in items(item, "extension")]
            typed = [
                kind for part, kind in zip(items(item, "extension"), kinds, strict=True) if _is_type(part)
            ]
            return f"{url}|{typed[0]}" if typed else url
    return digest(without_id(item))[:16]


def without_id(item: Json) -> Json:
    """An item's content without its own uuid, which the other server may have chosen anew."""
    return {name: value for name, value in item.items() if name != "id"} if isinstance(item, dict) else item


def _is_type(part: Tree) -> bool:
    return text(part, "url").endswith("-type")


def _plain(name: str, value: Json) -> Json:
    if isinstance(value, dict):
        return _plain_object(name, value)
    if isinstance(value, list):
        plain = [_plain(name, item) for item in value]
        return [item for item in plain if not empty(item)]
    return value


def _plain_object(name: str, value: Tree) -> Tree:
    """Without display texts; ``text`` beside a coding or a name only repeats it in words."""
    repeated = {"display"}
    if name == "name" or value.get("coding"):
        repeated.add("text")
    if name != "extension" and "reference" in value:
        repeated.add("type")
    plain: Tree = {k: _plain(k, v) for k, v in value.items() if k not in repeated}
    return {k: v for k, v in plain.items() if not empty(v)}
