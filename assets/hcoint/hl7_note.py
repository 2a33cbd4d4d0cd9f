"""HL7 v2.5.1 ORU^R01 and MDM^T02 (a correction: T10), with the document in OBX-5 as type ED.

Sources: HL7 v2.5.1 chapters 7.3.1 (ORU), 9.6 (MDM), 2A.24 (ED). Receivers differ in the components before
the word Base64: the partner's ``ed_form`` says which are written.
"""

from base64 import b64encode
from datetime import datetime

from assets.formats.hl7 import Field, Raw, Segment, Value, encode, timestamp
from assets.hcoint.documents import KINDS
from assets.hcoint.events import Identifier, Order, Provider
from assets.hcoint.note import OURSELVES, Note, our_note_id
from assets.hcoint.partners import Partner
from assets.hcoint.tables.sexes import HL7_SEX


def oru(order: Order, note: Note, partner: Partner, *, now: datetime) -> bytes:
    """ORU^R01 with the document in OBX-5; a correction says C in OBR-25 and OBX-11."""
    at, status = timestamp(now), "C" if note.replaces else "F"
    code, provider = _ordered(order, partner), _provider(order.provider)
    placer, filler = _placer(order), (order.our_id, OURSELVES)
    orc: dict[int, Field] = {1: "RE", 2: placer, 3: filler, 5: "CM", 9: at, 12: provider}
    obr: dict[int, Field] = {1: "1", 2: placer, 3: filler, 4: code, 7: _moment(order.ordered_at) or at}
    segments = [
        _msh(order, note, partner, ("ORU", "R01", "ORU_R01"), at),
        *_patient(order, partner),
        Segment("ORC", orc),
        Segment("OBR", {**obr, 16: provider, 22: at, 25: status}),
        _obx(partner, note, status, at),
    ]
    return _with_document(segments, note)


def mdm(order: Order, note: Note, partner: Partner, *, now: datetime) -> bytes:
    """MDM^T02 with the document in OBX-5; a correction is MDM^T10 and names the document it replaces."""
    at, event = timestamp(now), "T10" if note.replaces else "T02"
    provider = _provider(order.provider)
    txa: dict[int, Field] = {
        1: "1",
        2: partner.document_type,
        3: "TEXT" if note.document.kind == "txt" else "AP",
        4: at,
        5: provider,
        6: at,
        12: (our_note_id(order, note.number), OURSELVES),
        14: [_placer(order)],
        15: (order.our_id, OURSELVES),
        17: "AU",
        19: "AV",
    }
    if note.replaces:
        txa[13] = (our_note_id(order, note.replaces), OURSELVES)
    segments = [
        _msh(order, note, partner, ("MDM", event, "MDM_T02"), at),
        Segment("EVN", {1: event, 2: at}),
        *_patient(order, partner),
        Segment("TXA", txa),
        _obx(partner, note, "C" if note.replaces else "F", at),
    ]
    return _with_document(segments, note)


def _msh(order: Order, note: Note, partner: Partner, kind: tuple[str, ...], at: str) -> Segment:
    application, _, facility = partner.mllp_sender.partition("|")
    header: dict[int, Field] = {
        3: OURSELVES,
        4: OURSELVES,
        5: application,
        6: facility or partner.facility,
        7: at,
        9: kind,
        10: our_note_id(order, note.number),
        11: "T" if order.test else "P",
        12: "2.5.1",
        15: "AL",
        16: "NE",
        18: "UNICODE UTF-8",
    }
    return Segment("MSH", header)


def _patient(order: Order, partner: Partner) -> list[Segment]:
    patient, visit = order.patient, order.visit
    identifiers: list[Value] = [_identifier(given, partner) for given in patient.identifiers]
    sex = HL7_SEX.get(patient.sex, patient.sex if patient.sex in HL7_SEX.values() else "U")
    pid: dict[int, Field] = {
        1: "1",
        3: identifiers,
        5: [(patient.last_name, patient.first_name, patient.middle_name, "", "", "", "L")],
        7: patient.birth_date.replace("-", ""),
        8: sex if patient.sex else "",
    }
    number = (visit.number, "", "", visit.authority or partner.facility, "VN") if visit.number else ""
    classes = visit.patient_class if len(visit.patient_class) == 1 else _CLASSES.get(visit.patient_class, "O")
    return [Segment("PID", pid), Segment("PV1", {1: "1", 2: classes, 19: number})]


#: Redox's words for table 0004.
_CLASSES = {"Inpatient": "I", "Outpatient": "O", "Emergency": "E", "Preadmit": "P", "Observation": "O"}


def _identifier(given: Identifier, partner: Partner) -> Value:
    return (given.id, "", "", given.authority or partner.facility, given.kind)


def _placer(order: Order) -> Value:
    return (order.order_id, *order.authority)


def _ordered(order: Order, partner: Partner) -> Value:
    """OBR-4: what was ordered, or what we send where the order did not say."""
    ordered = order.procedure
    if not ordered.code:
        return (partner.result_code, partner.result_description, partner.system)
    return (ordered.code, ordered.description, ordered.system)


def _provider(provider: Provider) -> Field:
    if not provider.id and not provider.last_name:
        return ""
    degree = " ".join(provider.credentials)
    name = (provider.id, provider.last_name, provider.first_name, "", "", "", degree)
    return [(*name, "", provider.kind, "", "", "", provider.kind)]


def _moment(iso: str) -> str:
    """An ISO moment as DTM, to the second; empty where it is none."""
    try:
        found = datetime.fromisoformat(iso)
    except ValueError:
        return ""
    return timestamp(found) if found.tzinfo else found.strftime("%Y%m%d%H%M%S")


#: Where the document will stand; no text can contain it, for it would be escaped.
_HOLE = Raw("\0")


def _obx(partner: Partner, note: Note, status: str, at: str) -> Segment:
    major, minor = KINDS[note.document.kind].mime
    short = KINDS[note.document.kind].redox
    before: tuple[str, ...] = {
        "mime": (OURSELVES, major, minor),
        "ap": ("", "AP", short),
        "text": ("", "TEXT", short),
        "bare": ("", "", short),
    }[partner.ed_form]
    result = (partner.result_code, partner.result_description, partner.system)
    fields: dict[int, Field] = {1: "1", 2: "ED", 3: result, 4: "1", 5: (*before, "Base64", _HOLE)}
    return Segment("OBX", {**fields, 11: status, 14: at})


def _with_document(segments: list[Segment], note: Note) -> bytes:
    """The message as bytes. The document is put in last: as text, 30 MB would be copied at every step."""
    before, _, after = encode(segments).encode().partition(b"\0")
    return b"".join([before, b64encode(note.document.data), after])
