"""JSON at the edge: bytes become typed values, or a ``ShapeError`` that names the place and repeats no value.

msgspec does the decoding; its own messages may repeat a value or a member's name as the sender wrote it, so
the text is built anew from the place and the kind of fault. What the values mean is judged elsewhere.
"""

import json
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

#: A sender's own member name is repeated only when it can hardly be anything but a name.
MEMBER_NAME = re.compile(r"[A-Za-z_]{1,40}")

#: How msgspec ends a message, and what it says before that.
_ENDS = re.compile(r"(?P<said>.*) - at `\$(?P<place>(?:\.[A-Za-z_]\w*|\[(?:\d+|\.\.\.)\])*)`", re.DOTALL)
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(?:\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_TYPES = re.compile(r"Expected `([a-z |]+)`, got `([a-z]+)`")
_BOUND = re.compile(r"Expected `([a-z]+)` (of length )?([<>=]+) (-?[\d.]+)")
_BYTE = re.compile(r"\(byte (\d+)\)$")

_NAMED = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "an array",
    "object": "an object",
}
_COMPARED = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than", "==": "exactly"}


class ShapeError(ValueError):
    """The document has not the shape that was agreed.

    ``place`` is where (``patient.birth_date``, ``results[0].result``; empty for the whole document),
    ``text`` what is wrong there. Neither holds a value of the document: both are safe to log and to answer.
    """

    safe = True

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}" if place else text)
        self.place = place
        self.text = text


def decoder(shape: type[T]) -> Callable[[bytes], T]:
    """A function that makes one ``shape`` of bytes or raises ``ShapeError``."""
    read = msgspec.json.Decoder(shape).decode

    def decode(raw: bytes) -> T:
        try:
            return read(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise shape_error(error, shape) from None

    return decode


_read_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


def elements(raw: bytes) -> list[bytes]:
    """The elements of a JSON array, each as its own bytes; any other document is its own only element.

    They are told apart here and judged one by one later, so that a fault can carry its index.
    """
    if not raw.lstrip(b" \t\r\n").startswith(b"["):
        return [raw]
    try:
        return [bytes(element) for element in _read_elements(raw)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise shape_error(error, list) from None


def refuse_repeated_members(raw: bytes) -> None:
    """Raise ``ShapeError`` if an object of a JSON document names a member twice: one of them would be lost."""
    try:
        json.loads(raw, object_pairs_hook=_members)
    except RecursionError as error:
        raise shape_error(error, dict) from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    names = [name for name, _ in pairs]
    twice = next(name for name in names if names.count(name) > 1)
    named = f"the member {twice}" if MEMBER_NAME.fullmatch(twice) else "a member"
    raise ShapeError("", f"{named} stands more than once in the same object; send it once")


def shape_error(error: Exception, shape: Any) -> ShapeError:
    """What msgspec had to say about bytes that should be ``shape``, in words that hold no value."""
    if isinstance(error, RecursionError):
        return ShapeError("", "is nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return ShapeError("", "is not UTF-8")
    if isinstance(error, msgspec.ValidationError):
        return _misshapen(str(error), _schema(shape))
    if "truncated" in str(error):
        return ShapeError("", "is not JSON: it ends too early")
    at = _BYTE.search(str(error))
    return ShapeError("", f"is not JSON: see byte {at[1]}" if at else "is not JSON")


def _schema(shape: Any) -> dict[str, Any]:
    try:
        return msgspec.json.schema(shape)
    except TypeError:  # a type of the lane's own that JSON Schema has no word for
        return {}


def _misshapen(text: str, schema: dict[str, Any]) -> ShapeError:
    ended = _ENDS.fullmatch(text)
    said, place = (ended["said"], ended["place"]) if ended else (text, "")
    nodes = _nodes(place, schema)
    if unknown := _UNKNOWN.fullmatch(said):
        # A member's name may itself look like the end of a message: only a place that exists is believed.
        return _unknown_member(unknown[1] if nodes else "", place if nodes else "")
    if missing := _MISSING.fullmatch(said):
        return ShapeError(f"{place}.{missing[1]}".lstrip("."), "is required")
    return ShapeError(place.lstrip("."), _fault(said, nodes))


def _unknown_member(name: str, place: str) -> ShapeError:
    named = f" {name}" if MEMBER_NAME.fullmatch(name) else ""
    return ShapeError(place.lstrip("."), f"has a member{named} that is not part of the contract")


def _fault(said: str, nodes: list[dict[str, Any]]) -> str:
    if types := _TYPES.fullmatch(said):
        wanted = " or ".join(_NAMED.get(name, name) for name in types[1].split(" | "))
        return f"must be {wanted}, not {_NAMED.get(types[2], types[2])}"
    if bound := _BOUND.fullmatch(said):
        length = "have a length of" if bound[2] else "be"
        return f"must {length} {_COMPARED.get(bound[3], bound[3])} {bound[4]}"
    listed = [str(value) for node in nodes for value in node.get("enum", ())]
    if said.startswith(("Invalid enum value", "Invalid value")) and listed:
        return f"must be one of {', '.join(listed)}"
    return "has a value the contract does not allow"


def _nodes(place: str, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a JSON Schema that describe ``place``; none if there is no such place."""
    defs = schema.get("$defs", {})
    nodes = _alternatives(schema, defs)
    for step in _STEP.finditer(place):
        inner = [_inside(node, step[1]) for node in nodes]
        nodes = [alternative for node in inner if node for alternative in _alternatives(node, defs)]
    return nodes


def _inside(node: dict[str, Any], member: str | None) -> dict[str, Any]:
    below = node.get("properties", {}).get(member) if member else None
    if member is None:
        below = node.get("items") or node.get("additionalProperties")
    return below if isinstance(below, dict) else {}


def _alternatives(node: dict[str, Any], defs: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in node:
        return _alternatives(defs[node["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in node:
        return [found for choice in node["anyOf"] for found in _alternatives(choice, defs)]
    return [node] if node else []


_MOMENT = re.compile(r"\d{4}-?\d\d-?\d\dT\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
#: Nothing we carry happened before; a smaller year is a slip, and arithmetic at the year 1 overflows.
_FIRST_YEAR = 1850


def moment(place: str, text: str) -> datetime:
    """An ISO 8601 date and time with its offset; ``ShapeError`` at ``place`` if ``text`` is none.

    >>> moment("date_tested", "2026-03-02T15:04:05+00:00").isoformat()
    '2026-03-02T15:04:05+00:00'
    """
    try:
        found = datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or found.year < _FIRST_YEAR:
        raise ShapeError(place, "is not a date and time with an offset, such as 2026-03-02T15:04:05+00:00")
    return found


def day(place: str, text: str) -> date:
    """A date as ``YYYY-MM-DD``; ``ShapeError`` at ``place`` if ``text`` is none."""
    try:
        found = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or found.year < _FIRST_YEAR:
        raise ShapeError(place, "is not a date of the form YYYY-MM-DD")
    return found
