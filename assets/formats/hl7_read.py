"""Reading HL7 v2 (ER7) into plain values, by the delimiters and the character set the message announces.

Fields are cut further only when asked for, so that a message of nine segments costs a few microseconds and
a document of 30 MB is not copied. What is wrong with a message is for ``hl7_checks`` to say: this reads
whatever has an MSH segment.
"""

import re
from typing import NamedTuple


class Hl7Error(ValueError):
    """This is not HL7 v2 that can be read; ``place`` names the segment or field, the text never its value."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place = place


class Delimiters(NamedTuple):
    """The five characters a message announces in MSH-1 and MSH-2."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


OURS = Delimiters()
#: The segments that announce the delimiters: their field 1 is the field delimiter itself.
HEADERS = ("MSH", "FHS", "BHS")
#: HL7's explicit "delete what you have", as opposed to an empty field, "nothing said".
NULL = '""'


class ParsedSegment(NamedTuple):
    """One segment as it was sent; ``fields[5]`` is the whole of field 5, still escaped."""

    name: str
    fields: tuple[str, ...]
    delimiters: Delimiters = OURS

    def raw(self, field: int) -> str:
        """A field as sent, with all repetitions; empty where there is none."""
        return self.fields[field] if field < len(self.fields) else ""

    def text(self, field: int, component: int = 1, sub: int = 1, repetition: int = 1) -> str:
        """One sub-component in plain text; numbers count from one, what is missing is empty."""
        part = _nth(self.raw(field), self.delimiters.repetition, repetition)
        part = _nth(part, self.delimiters.component, component)
        return unescape(_nth(part, self.delimiters.subcomponent, sub), self.delimiters)

    def repetitions(self, field: int) -> list[list[list[str]]]:
        """Every repetition, its components, their sub-components, in plain text; none for an empty field."""
        raw, marks = self.raw(field), self.delimiters
        if not raw:
            return []
        return [
            [
                [unescape(leaf, marks) for leaf in part.split(marks.subcomponent)]
                for part in value.split(marks.component)
            ]
            for value in raw.split(marks.repetition)
        ]


class ParsedMessage(NamedTuple):
    """A message read: its segments in the order sent, the first of them MSH."""

    segments: tuple[ParsedSegment, ...]

    def all(self, name: str) -> list[ParsedSegment]:
        """The segments of that name."""
        return [segment for segment in self.segments if segment.name == name]

    def first(self, name: str) -> ParsedSegment:
        """The first segment of that name, or an empty one."""
        return next((segment for segment in self.segments if segment.name == name), ParsedSegment(name, ()))


def _nth(text: str, delimiter: str, number: int) -> str:
    if delimiter not in text:
        return text if number == 1 else ""
    parts = text.split(delimiter, number)
    return parts[number - 1] if number <= len(parts) else ""


def parse(text: str) -> ParsedMessage:
    """The message by the delimiters its own MSH announces; fields are split further when asked for."""
    if text[:3] != "MSH" or len(text) < 8:
        raise Hl7Error("MSH", "the message does not begin with an MSH segment")
    marks = _delimiters(text)
    return ParsedMessage(tuple([_parsed(line, marks) for line in _lines(text) if line]))


def _parsed(line: str, marks: Delimiters) -> ParsedSegment:
    parts = line.split(marks.field)
    if parts[0] in HEADERS:
        parts.insert(1, marks.field)
    return ParsedSegment(parts[0], tuple(parts), marks)


def _delimiters(text: str) -> Delimiters:
    field = text[3]
    announced = re.split(f"[{re.escape(field)}\r\n]", text[4:12], maxsplit=1)[0]
    marks = Delimiters(field, *announced[:4])  # a fifth, of 2.7 and later, marks what was cut off
    if (
        not announced
        or len(set(marks)) < 5
        or not all(mark.isprintable() and not mark.isalnum() for mark in marks)
    ):
        raise Hl7Error("MSH-2", "five different delimiters are needed, normally |^~\\&")
    return marks


def _lines(text: str) -> list[str]:
    """The segments. CR ends them; files edited by people have CRLF, or LF alone, and are read too."""
    if "\n" in text:
        text = text.replace("\r\n", "\r") if "\r" in text else text.replace("\n", "\r")
    return text.split("\r")


_SEQUENCE = re.compile(r"\\([^\\]*)\\")


def unescape(text: str, delimiters: Delimiters = OURS) -> str:
    r"""The plain text: ``\F\ \S\ \T\ \R\ \E\``, hexadecimal, line breaks; highlighting is dropped.

    What is no escape sequence stays as it is.
    """
    if delimiters.escape not in text:
        return text
    mark = re.escape(delimiters.escape)
    sequence = _SEQUENCE if delimiters.escape == "\\" else re.compile(f"{mark}([^{mark}]*){mark}")
    return sequence.sub(lambda found: _plain(found[0], found[1], delimiters), text)


def _plain(whole: str, code: str, marks: Delimiters) -> str:
    known = {"F": marks.field, "S": marks.component, "T": marks.subcomponent, "R": marks.repetition}
    known |= {"E": marks.escape, "H": "", "N": "", ".br": "\n"}
    if code in known:
        return known[code]
    if code[:1] == "X" and re.fullmatch("(?:[0-9A-Fa-f]{2})+", code[1:]):
        octets = bytes.fromhex(code[1:])
        try:
            return octets.decode()
        except UnicodeDecodeError:
            return octets.decode("latin-1")
    return whole


#: MSH-18 to Python's names (HL7 table 0211). Nothing said is read as UTF-8, and as Western European where
#: that fails: HL7's default is ASCII, and senders that break it without saying so mean ISO 8859-1.
CHARACTER_SETS = {"ASCII": "ascii", "UNICODE UTF-8": "utf-8", "UNICODE": "utf-8", "UTF-8": "utf-8"}
CHARACTER_SETS |= {f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)}


def decode(octets: bytes) -> str:
    """The message's text by the character set it announces in MSH-18."""
    octets = octets.removeprefix(b"\xef\xbb\xbf")
    header = octets[:4096].replace(b"\n", b"\r").split(b"\r", 1)[0].decode("latin-1")
    fields = header.split(header[3]) if len(header) > 3 else []
    announced = fields[17].split("~")[0].strip().upper() if len(fields) > 17 else ""
    try:
        return octets.decode(CHARACTER_SETS[announced] if announced else "utf-8")
    except KeyError:
        raise Hl7Error("MSH-18", "this character set is not one of HL7 table 0211 that we read") from None
    except UnicodeDecodeError:
        if announced:
            raise Hl7Error("MSH-18", "the message is not in the character set it announces") from None
        return octets.decode("latin-1")


def unbatch(text: str) -> list[str]:
    """The messages of a batch file, or the one message where there is no envelope."""
    found: list[list[str]] = []
    for line in _lines(text):
        if line.startswith("MSH"):
            found.append([])
        if line and found and line[:3] not in ("BTS", "FTS", "FHS", "BHS"):
            found[-1].append(line)
    return ["".join([f"{line}\r" for line in lines]) for lines in found]
