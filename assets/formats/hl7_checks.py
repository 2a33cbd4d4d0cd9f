"""What is wrong with an HL7 v2.5.1 message, field by field, beside what the oracle (``hl7_oracle``) finds.

Dates, set ids, numbers, lengths, table values, OBX-2 against OBX-5, encapsulated documents, escape
sequences, control characters, the order of segments. A problem names the place and never the value.
Segments that are not in ``hl7_fields`` are judged by their escapes only; Z segments may stand anywhere.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import NamedTuple

from assets.formats.hl7_fields import LENGTHS, SEGMENTS, STRUCTURES, TYPES, Rule, components, fields, values
from assets.formats.hl7_read import NULL, Delimiters, ParsedMessage, ParsedSegment, unescape


class Problem(NamedTuple):
    """One thing that is wrong: ``OBX[2]-11: ...``."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def problems(message: ParsedMessage) -> list[Problem]:
    """Everything wrong with the message, in the order of its segments; an empty list for a good one."""
    found = [*_structure(message), *_character_set(message)]
    often = Counter(segment.name for segment in message.segments)
    seen: Counter[str] = Counter()
    for index, segment in enumerate(message.segments, 1):
        seen[segment.name] += 1
        where = f"{segment.name}[{seen[segment.name]}]" if often[segment.name] > 1 else segment.name
        if not _NAME.fullmatch(segment.name):  # it may be a piece of text: what stands there is not repeated
            found.append(
                Problem(f"segment {index}", "no such segment; a line end inside a value makes these")
            )
        else:
            found += [Problem(where + place, text) for place, text in _segment(segment)]
    return found


#: The names a message of ours may have, and the sites' own.
_NAME = re.compile(
    "|".join([*SEGMENTS, *re.findall("[A-Z][A-Z0-9]{2}", " ".join(STRUCTURES.values())), "Z[A-Z0-9]{2}"])
)


def _structure(message: ParsedMessage) -> Iterator[Problem]:
    msh = message.segments[0]
    kind, event, structure = msh.text(9), msh.text(9, 2), msh.text(9, 3)
    expected = STRUCTURES.get(structure or ("ACK" if kind == "ACK" else f"{kind}_{event}"))
    names = "".join([f"{segment.name} " for segment in message.segments if segment.name[:1] != "Z"])
    if expected is None:
        yield Problem("MSH-9", "this message structure is none of ours: ORU_R01, MDM_T02, ORM_O01 or ACK")
    elif not re.fullmatch(expected, names):
        yield Problem("MSH", f"the segments are not in the order of {structure or kind}")


def _character_set(message: ParsedMessage) -> Iterator[Problem]:
    announced = message.segments[0].text(18)
    if announced in ("", "ASCII") and not all(
        "".join(segment.fields).isascii() for segment in message.segments
    ):
        yield Problem("MSH-18", "the message has characters beyond ASCII and does not say in which set")


def _segment(segment: ParsedSegment) -> Iterator[tuple[str, str]]:
    rules = fields(segment.name)
    first = 3 if segment.name == "MSH" else 1
    for number in range(first, len(segment.fields)):
        if raw := segment.fields[number]:
            if told := _written(raw, segment.delimiters.escape):
                yield f"-{number}", told
            if rule := rules.get(number):
                yield from _field(segment, number, rule)
            elif rules:
                yield f"-{number}", f"{segment.name} has no such field in HL7 2.5.1"
    for number, rule in rules.items():
        if rule.required and not segment.raw(number):
            yield f"-{number}", "this field is required"
    if segment.name == "OBX" and segment.raw(5) and not segment.raw(2):
        yield "-2", "say the type of the value in OBX-5"


_control = re.compile("[\x00-\x1f\x7f]").search
_SEQUENCES = (
    r"[FSTREHN]|X(?:[0-9A-Fa-f]{2})+|[CM][0-9A-F]{4,6}|Z\w*"
    r"|\.(?:br|nf|fi|ce|sp\d*|in[+-]?\d+|ti[+-]?\d+|sk\d+)"
)


def _written(raw: str, escape: str) -> str:
    """What is wrong with the way a field is written; empty for nothing, as in all that follow."""
    if _control(raw):
        return "a control character or line end must be sent as an escape sequence"
    if escape in raw:
        mark = re.escape(escape)
        if escape in re.sub(f"{mark}(?:{_SEQUENCES}){mark}", "", raw):
            return "there is an escape character that begins no escape sequence"
    return ""


def _field(segment: ParsedSegment, number: int, rule: Rule) -> Iterator[tuple[str, str]]:
    marks = segment.delimiters
    repeated = segment.fields[number].split(marks.repetition)
    if len(repeated) > 1 and not rule.repeats:
        yield f"-{number}", "this field does not repeat"
    if rule.kind == "OBX5":
        rule = _typed(segment.text(2))
    if rule.kind == "ANY":
        return
    for index, value in enumerate(repeated, 1):
        if value and value != NULL:
            place = f"-{number}({index})" if len(repeated) > 1 else f"-{number}"
            yield from [(place + inner, told) for inner, told in _value(value, rule, marks)]


def _typed(kind: str) -> Rule:
    """The rule for OBX-5 by OBX-2; CE is read as CWE. What we do not know is left alone."""
    kind = {"CE": "CWE", "CNE": "CWE", "CF": "CWE"}.get(kind, kind)
    return Rule(kind if kind in LENGTHS or kind in TYPES else "ANY", LENGTHS.get(kind, 0))


def _value(value: str, rule: Rule, marks: Delimiters) -> Iterator[tuple[str, str]]:
    parts = components(rule.kind)
    if not parts:
        if told := _leaf(value, rule, marks):
            yield "", told
        return
    given = value.split(marks.component)
    if rule.kind == "ED":
        yield from _document(given)
        return
    if len(given) > len(parts):
        yield f".{len(parts) + 1}", f"a {rule.kind} has {len(parts)} components"
    for index, (text, part) in enumerate(zip(given, parts, strict=False), 1):
        if text and text != NULL:
            yield from [(f".{index}{inner}", told) for inner, told in _component(text, part, marks)]
    if rule.table:
        system = unescape(given[2], marks) if len(given) > 2 else ""
        codes = values(rule.table, system)
        if codes and unescape(given[0], marks) not in codes:
            yield ".1", f"the code is not in HL7 table {rule.table}"


def _component(text: str, rule: Rule, marks: Delimiters) -> Iterable[tuple[str, str]]:
    parts = components(rule.kind)
    if not parts:
        told = _leaf(text, rule, marks)
        return [("", told)] if told else ()
    given = text.split(marks.subcomponent)
    found = (
        [(f".{len(parts) + 1}", f"a {rule.kind} has {len(parts)} parts")] if len(given) > len(parts) else []
    )
    for index, (leaf, part) in enumerate(zip(given, parts, strict=False), 1):
        if leaf and not components(part.kind) and (told := _leaf(leaf, part, marks)):
            found.append((f".{index}", told))
    return found


def _leaf(raw: str, rule: Rule, marks: Delimiters) -> str:
    if marks.component in raw or marks.subcomponent in raw:
        return f"a {rule.kind} has no components"
    kind, length, _, _, table = rule
    text = unescape(raw, marks)
    if length and len(text) > length:
        return f"at most {length} characters"
    fits = PATTERNS.get(kind)
    if fits and not fits(text):
        return SAID[kind]
    if table and (codes := values(table)) and text not in codes:
        return f"the code is not in HL7 table {table}"
    return ""


def _document(parts: list[str]) -> Iterator[tuple[str, str]]:
    """An encapsulated document: the data follow their encoding, wherever the sender puts the two."""
    if "Base64" not in parts:
        if not set(parts[:-1]) & {"A", "Hex"}:
            yield "", "an encapsulated document says how it is encoded: Base64, Hex or A"
        return
    at = parts.index("Base64")
    if len(parts) <= at + 1 or not parts[at + 1]:
        yield f".{at + 2}", "the document is missing"
    elif len(parts[at + 1]) % 4 or not _BASE64.fullmatch(parts[at + 1]):
        yield f".{at + 2}", "this is not base64"
    elif parts[:at] != [""] * at and at == 3 and parts[1] and parts[1] not in values("0191"):
        yield ".2", "the code is not in HL7 table 0191"


_BASE64 = re.compile("[A-Za-z0-9+/]+={0,2}")
_DTM = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:([01]\d|2[0-3])(?:([0-5]\d)(?:([0-5]\d)(?:\.\d{1,4})?)?)?)?)?)?"
    r"(?:[+-](?:0\d|1[0-4])[0-5]\d)?",
    re.ASCII,
)
_TM = re.compile(
    r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,4})?)?)?(?:[+-](?:0\d|1[0-4])[0-5]\d)?", re.ASCII
)


def _moment(text: str) -> bool:
    found = _DTM.fullmatch(text)
    if not found:
        return False
    try:
        date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError:
        return False
    return True


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


PATTERNS: dict[str, Callable[[str], bool]] = {
    "SI": _matches(r"[1-9]\d{0,3}"),
    "NM": _matches(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"),
    "DT": lambda text: len(text) in (4, 6, 8) and _moment(text),
    "DTM": _moment,
    "TM": lambda text: _TM.fullmatch(text) is not None,
}
SAID = {
    "SI": "a set id is a number from 1 to 9999",
    "NM": "this is not a number",
    "DT": "this is not a date: YYYYMMDD, or the year with or without the month",
    "DTM": "this is not a moment: YYYYMMDDHHMMSS+ZZZZ, or the beginning of one",
    "TM": "this is not a time of day: HHMMSS, or the beginning of one",
}
