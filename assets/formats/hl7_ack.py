"""The acknowledgement we give for an HL7 v2 message (original mode, HL7 2.5.1 section 2.9.2)."""

from datetime import datetime
from typing import Final, NamedTuple

from assets.formats.hl7 import Field, Segment, encode, timestamp
from assets.formats.hl7_read import ParsedMessage, ParsedSegment

#: HL7 table 0357, as far as we say it.
ERRORS: Final = {
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "207": "Application internal error",
}


class Verdict(NamedTuple):
    """What we answer to a message: ``AA`` we have it, ``AE`` it cannot be used, ``AR`` not ours or not now.

    ``text`` says why, ``place`` where (``PID-3``), ``error`` is a key of ``ERRORS``.
    """

    code: str
    text: str = ""
    place: str = ""
    error: str = "207"


def acknowledgement(
    message: ParsedMessage | None, verdict: Verdict, *, control_id: str, now: datetime
) -> str:
    """The ACK for a message, addressed back to its sender; ``None``: the bytes could not be read."""
    msh = message.first("MSH") if message else ParsedSegment("MSH", ())
    header: dict[int, Field] = {
        **{ours: _copied(msh, theirs) for ours, theirs in ((3, 5), (4, 6), (5, 3), (6, 4))},
        7: timestamp(now),
        9: ("ACK", msh.text(9, 2), "ACK"),
        10: control_id,
        11: msh.text(11) or "P",
        12: msh.text(12) or "2.5.1",
        18: "UNICODE UTF-8",
    }
    segments = [
        Segment("MSH", header),
        Segment("MSA", {1: verdict.code, 2: msh.text(10), 3: verdict.text[:80]}),
    ]
    if verdict.code != "AA":
        segments.append(_error(verdict))
    return encode(segments)


def _copied(segment: ParsedSegment, field: int) -> Field:
    return [tuple([tuple(part) for part in value]) for value in segment.repetitions(field)]


def _error(verdict: Verdict) -> Segment:
    segment, _, field = verdict.place.partition("-")
    return Segment(
        "ERR",
        {
            2: (segment, "1" if segment else "", field),
            3: (verdict.error, ERRORS[verdict.error], "HL70357"),
            4: "E",
            8: verdict.text,
        },
    )
