"""Orders as HL7 v2 sends them: ORM^O01 (NW, XO, CA), and ADT^A03 for the end of a visit.

``judge`` gives the acknowledgement's verdict; whoever listens gives it only after the message is stored.
Sources: HL7 v2.5.1 chapter 4.2 (order messages), 3.3.3 (discharge), tables 0119 and 0357.
"""

from collections.abc import Collection
from datetime import date

from assets.formats.hl7_ack import Verdict
from assets.formats.hl7_read import NULL, Hl7Error, ParsedMessage, ParsedSegment, decode, parse
from assets.hcoint.events import (
    Code,
    Happened,
    Identifier,
    NotAnOrder,
    Order,
    Patient,
    Provider,
    Visit,
    VisitEnded,
)

#: ORC-1 (table 0119): replacing and changing are the same to us, as are cancelling and discontinuing.
_HAPPENED = {
    **dict.fromkeys(("NW", "SN", "PA", "CH"), Happened.PLACED),
    **dict.fromkeys(("XO", "XX", "RP", "RO", "SC", "SS"), Happened.CHANGED),
    **dict.fromkeys(("CA", "DC", "OC", "OD"), Happened.CANCELLED),
}


def sender(message: ParsedMessage) -> str:
    """The sending application and facility, as ``hcoint.toml`` names them: ``NORTHLAB|NORTH``."""
    msh = message.segments[0]
    return f"{msh.text(3)}|{msh.text(4)}"


def delivery_id(message: ParsedMessage) -> str:
    """What marks a repeated delivery: the sender and its control id."""
    return f"{sender(message)}|{message.segments[0].text(10)}"


def judge(octets: bytes, senders: Collection[str]) -> tuple[ParsedMessage | None, Verdict]:
    """The message, as far as it can be read, and what to answer once it is stored."""
    message = None
    try:
        message = parse(decode(octets))
        if sender(message) not in senders:
            return message, Verdict("AR", "this sender is not configured here", "MSH-3", "207")
        if not message.segments[0].text(10):
            return message, Verdict("AE", "give a control id", "MSH-10", "101")
        read(message)
    except Hl7Error as error:
        return message, Verdict("AR", str(error), error.place, "102")
    except NotAnOrder as error:
        refusal = ("AE", "101") if error.known else ("AR", "200")
        return message, Verdict(refusal[0], error.text, error.place, refusal[1])
    return message, Verdict("AA")


def read(message: ParsedMessage) -> tuple[Order | VisitEnded, ...]:
    """What the message says: one order a pair of ORC and OBR, or the end of a visit."""
    msh = message.segments[0]
    kind = msh.text(9), msh.text(9, 2)
    if kind == ("ADT", "A03"):
        return (_visit_ended(message),)
    if kind != ("ORM", "O01"):
        raise NotAnOrder("MSH-9", "only ORM^O01 and ADT^A03 are used", known=False)
    groups = _groups(message)
    if not groups:
        raise NotAnOrder("ORC", "give at least one order")
    return tuple([_order(message, orc, obr) for orc, obr in groups])


def _groups(message: ParsedMessage) -> list[tuple[ParsedSegment, ParsedSegment]]:
    """Each ORC with the OBR that follows it, which a cancellation may leave out."""
    found: list[tuple[ParsedSegment, ParsedSegment]] = []
    for segment in message.segments:
        if segment.name == "ORC":
            found.append((segment, ParsedSegment("OBR", ())))
        elif segment.name == "OBR" and found and not found[-1][1].fields:
            found[-1] = (found[-1][0], segment)
    return found


def _order(message: ParsedMessage, orc: ParsedSegment, obr: ParsedSegment) -> Order:
    msh = message.segments[0]
    happened = _HAPPENED.get(orc.text(1))
    if happened is None:
        raise NotAnOrder("ORC-1", "only a new order, a change or a cancellation is used (NW, XO, CA)")
    number = (orc, 2) if orc.text(2) else (obr, 2)
    return Order(
        happened=happened,
        sender=sender(message),
        facility=_text(msh, 4),
        order_id=_required(number[0], number[1], "ORC-2"),
        authority=_authority(number[0].repetitions(number[1]), 1, flat=True),
        test=msh.text(11) != "P",
        at=iso(msh.text(7)),
        ordered_at=iso(obr.text(7) or orc.text(9) or msh.text(7)),
        patient=_patient(message.first("PID")),
        visit=_visit(message.first("PV1")),
        procedure=Code(code=_text(obr, 4), description=_text(obr, 4, 2), system=_text(obr, 4, 3)),
        provider=_provider((orc, 12) if orc.raw(12) else (obr, 16)),
        priority=orc.text(7, 6) or obr.text(5),
        comments="\n".join([note.text(3) for note in message.all("NTE") if note.text(3)]),
    )


def _patient(pid: ParsedSegment) -> Patient:
    identifiers = [
        Identifier(id=parts[0][0], kind=_part(parts, 4), authority=_authority([parts], 3))
        for parts in pid.repetitions(3)
        if parts[0][0] not in ("", NULL)
    ]
    if not identifiers:
        raise NotAnOrder("PID-3", "give at least one identifier of the patient")
    return Patient(
        identifiers=tuple(identifiers),
        last_name=_text(pid, 5),
        first_name=_text(pid, 5, 2),
        middle_name=_text(pid, 5, 3),
        birth_date=_birth_date(_text(pid, 7)),
        sex=_text(pid, 8),
    )


def _birth_date(text: str) -> str:
    """The day; a year or a month alone is no day, and is left out like an unknown one."""
    if len(text) in (4, 6):
        return ""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])).isoformat() if text else ""
    except ValueError:
        raise NotAnOrder("PID-7", "give the date of birth as YYYYMMDD") from None


def _visit(pv1: ParsedSegment) -> Visit:
    return Visit(
        number=_text(pv1, 19),
        authority=_authority(pv1.repetitions(19), 3),
        patient_class=_text(pv1, 2),
        ended_at=iso(_text(pv1, 45)),
    )


def _visit_ended(message: ParsedMessage) -> VisitEnded:
    msh, pv1 = message.segments[0], message.first("PV1")
    return VisitEnded(
        sender=sender(message),
        facility=_text(msh, 4),
        visit_number=_required(pv1, 19, "PV1-19"),
        ended_at=iso(_text(pv1, 45) or message.first("EVN").text(2) or msh.text(7)),
        test=msh.text(11) != "P",
    )


def _provider(where: tuple[ParsedSegment, int]) -> Provider:
    segment, field = where
    number, kind = _text(segment, field), _text(segment, field, 13) or _text(segment, field, 9)
    degree = _text(segment, field, 7)
    return Provider(
        id=number,
        kind=kind,
        npi=number if kind == "NPI" else "",
        last_name=_text(segment, field, 2),
        first_name=_text(segment, field, 3),
        credentials=(degree,) if degree else (),
    )


def iso(moment: str) -> str:
    """An HL7 moment as ISO 8601, as precise as it came; empty where it is none.

    >>> iso("202602031804-0800")
    '2026-02-03T18:04-08:00'
    """
    digits, zone = (moment[:-5], moment[-5:]) if moment[-5:-4] in ("+", "-") else (moment, "")
    digits = digits.partition(".")[0]
    if not digits.isdigit() or len(digits) < 8 or len(digits) % 2:
        return ""
    clock = ":".join([digits[at : at + 2] for at in range(8, len(digits), 2)])
    day = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"
    return f"{day}T{clock}{zone[:3]}:{zone[3:]}" if clock and zone else f"{day}T{clock}" if clock else day


def _text(segment: ParsedSegment, field: int, component: int = 1) -> str:
    text = segment.text(field, component)
    return "" if text == NULL else text


def _required(segment: ParsedSegment, field: int, place: str) -> str:
    if text := _text(segment, field).strip():
        return text
    raise NotAnOrder(place, "must be given")


def _part(parts: list[list[str]], index: int) -> str:
    return parts[index][0] if index < len(parts) else ""


def _authority(values: list[list[list[str]]], index: int, *, flat: bool = False) -> tuple[str, ...]:
    """Whose number it is: sub-components of one component (CX), or the components that follow (EI)."""
    if not values or index >= len(values[0]):
        return ()
    found = [part[0] for part in values[0][index:]] if flat else values[0][index]
    return tuple(found) if any(found) else ()
