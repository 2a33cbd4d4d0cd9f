r"""Writing HL7 v2 (ER7) from plain values.

It knows delimiters, escapes and batches, and nothing of any segment's meaning: what a partner is owed
belongs in the lanes, what makes a message wrong in ``hl7_checks``; ``hl7_read`` is the way back.

A field is written as a plain value: a text; a tuple of components; a tuple inside a tuple for
sub-components; a list for repetitions. Text is escaped, trailing empty parts are left out.

>>> encode([Segment("PID", {1: "1", 3: [("7", "", "", ("Lab", "1.2"), "MR")], 5: ("O^Neil", "Ann", "")})])
'PID|1||7^^^Lab&1.2^MR||O\\S\\Neil^Ann\r'
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple, TypeAlias, cast


class Raw(str):
    """Text that is already in the form of the wire, such as base64: neither escaped nor checked."""

    __slots__ = ()


class Slot(NamedTuple):
    """A place in a template that a value fills later; ``raw`` ones are not escaped."""

    name: str
    raw: bool = False


Leaf: TypeAlias = str | Slot
Component: TypeAlias = Leaf | tuple[Leaf, ...]
Value: TypeAlias = Leaf | tuple[Component, ...]
Field: TypeAlias = Value | list[Value]


class Segment(NamedTuple):
    """One segment to be written; fields by their HL7 number. MSH, FHS and BHS begin with field 3."""

    name: str
    fields: Mapping[int, Field]


_HEADERS = ("MSH", "FHS", "BHS")

_ESCAPES: dict[int, str] = {code: f"\\X{code:02X}\\" for code in (*range(32), 127)}
_ESCAPES |= {ord("|"): "\\F\\", ord("^"): "\\S\\", ord("&"): "\\T\\", ord("~"): "\\R\\", ord("\\"): "\\E\\"}
_ESCAPES |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")  # half a character cannot be sent in UTF-8
_special = re.compile("[|^~&\\\\\x00-\x1f\x7f\ud800-\udfff]").search


def escape(text: str) -> str:
    """The text with delimiters, line ends and other control characters as escape sequences.

    >>> escape("a|b" + chr(13) + chr(10))
    'a\\\\F\\\\b\\\\X0D\\\\\\\\X0A\\\\'
    """
    return text.translate(_ESCAPES) if _special(text) else text


def _leaf(leaf: Leaf) -> str:
    if isinstance(leaf, Slot):
        raise TypeError(f"slot {leaf.name} is empty: only a Template fills slots")
    return leaf if isinstance(leaf, Raw) else escape(leaf)


def _component(component: Component) -> str:
    if isinstance(component, str | Slot):
        return _leaf(component)
    return "&".join([_leaf(leaf) for leaf in component]).rstrip("&")


def _value(value: Value) -> str:
    if isinstance(value, str | Slot):
        return _leaf(value)
    return "^".join([_component(part) for part in value]).rstrip("^")


def _field(field: Field) -> str:
    if isinstance(field, list):
        return "~".join([_value(value) for value in field]).rstrip("~")
    return _value(field)


def _segment(segment: Segment) -> str:
    name, fields = segment
    first, start = (3, f"{name}|^~\\&|") if name in _HEADERS else (1, f"{name}|")
    numbers = range(first, max(fields, default=0) + 1)
    return (start + "|".join([_field(fields.get(number, "")) for number in numbers])).rstrip("|")


def encode(segments: Iterable[Segment]) -> str:
    """The segments as text, each ended by CR."""
    return "".join([f"{_segment(segment)}\r" for segment in segments])


class Template:
    """Segments compiled once, filled often: about 25 microseconds for a message of nine segments.

    Values go by slot name. For every set of slots that are empty the text is laid out once, without
    trailing delimiters, and kept; filling is then one formatting of a string.
    """

    #: Layouts kept a template; real traffic has a few dozen, hostile traffic must not fill the memory.
    LAYOUTS = 1024

    def __init__(self, *segments: Segment) -> None:
        self.segments = segments
        self.slots = tuple(slot for segment in segments for slot in _slots(segment))
        self._raw = tuple(slot.raw for slot in self.slots)
        self._all = _picker([slot.name for slot in self.slots])
        self._plain = _picker([slot.name for slot in self.slots if not slot.raw])
        self._layouts: dict[bytes, str] = {}

    def fill(self, values: Mapping[str, str]) -> str:
        """The message with these values; every slot must have one, perhaps empty."""
        texts = self._all(values)
        if _special("".join(self._plain(values))):
            texts = tuple([text if raw else escape(text) for text, raw in zip(texts, self._raw, strict=True)])
        shape = bytes(map(bool, texts))
        layout = self._layouts.get(shape) or self._lay_out(shape)
        return layout % tuple(filter(None, texts))

    def _lay_out(self, shape: bytes) -> str:
        marks = iter([Raw("\0" if filled else "") for filled in shape])
        bound = [
            Segment(name, {n: _bind(f, marks) for n, f in fields.items()}) for name, fields in self.segments
        ]
        if len(self._layouts) >= self.LAYOUTS:
            self._layouts.clear()
        self._layouts[shape] = layout = encode(bound).replace("%", "%%").replace("\0", "%s")
        return layout


def _slots(part: object) -> Iterator[Slot]:
    if isinstance(part, Slot):
        yield part
    elif isinstance(part, Segment):
        for field in part.fields.values():
            yield from _slots(field)
    elif isinstance(part, tuple | list):
        for inner in part:
            yield from _slots(inner)


def _bind(part: Field, marks: Iterator[Raw]) -> Field:
    """The field with each slot, in the order of ``_slots``, replaced by its mark."""
    if isinstance(part, Slot):
        return next(marks)
    if isinstance(part, str):
        return part
    bound = [_bind(cast(Field, inner), marks) for inner in part]
    return cast(Field, bound if isinstance(part, list) else tuple(bound))


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, str]], tuple[str, ...]]:
    if len(names) > 1:
        return cast(Callable[[Mapping[str, str]], tuple[str, ...]], itemgetter(*names))
    return lambda values: tuple([values[name] for name in names])


def batch(messages: Sequence[str], header: Mapping[int, Field], *, between: str = "") -> str:
    """The messages in one file: FHS and BHS with the same fields, then the messages, BTS and FTS.

    ``between`` is put after each line of the envelope and after each message, for receivers that want a
    line feed there.
    """
    head = [encode([Segment(name, header)]) for name in ("FHS", "BHS")]
    tail = [encode([Segment("BTS", {1: str(len(messages))})]), encode([Segment("FTS", {1: "1"})])]
    return between.join([*head, *messages, *tail])


def timestamp(moment: datetime) -> str:
    """A moment to the second with its offset from UTC, as DTM: ``20260203190000+0000``."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be sent: say which zone it is in")
    return moment.strftime("%Y%m%d%H%M%S%z")[:19]
