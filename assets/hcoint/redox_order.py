"""Orders as Redox sends them: the data model Order (New, Update, Cancel, GroupedOrders) and the end of a visit.

Redox adds members without notice and any of them may be null, so only what we use is read and everything
else is left alone. Sources: docs.redoxengine.com, "Order" and "PatientAdmin" data models, and the published
development samples.
"""

import hashlib
from datetime import date

import msgspec

from assets.formats.decode import ShapeError, decoder
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

_CAPITALS = {"id": "ID", "dob": "DOB", "npi": "NPI"}


def _member(name: str) -> str:
    return "".join([_CAPITALS.get(part, part.title()) for part in name.split("_")])


class _Redox(msgspec.Struct, frozen=True, rename=_member):
    """Members in Redox's spelling: ``id_type`` is ``IDType``. Unknown ones are ignored."""


#: Ids are text today and were numbers once; a float would round them.
Id = str | int | None
Text = str | None


class _Named(_Redox, frozen=True):
    id: Id = None


class _Meta(_Redox, frozen=True):
    data_model: Text = None
    event_type: Text = None
    event_date_time: Text = None
    test: bool | None = None
    source: _Named | None = None
    logs: list[_Named] | None = None
    message: _Named | None = None
    transmission: _Named | None = None
    facility_code: Text = None


class _Identifier(_Redox, frozen=True):
    id: Id = None
    id_type: Text = None


class _Demographics(_Redox, frozen=True):
    first_name: Text = None
    middle_name: Text = None
    last_name: Text = None
    dob: Text = None
    sex: Text = None


class _Patient(_Redox, frozen=True):
    identifiers: list[_Identifier] | None = None
    demographics: _Demographics | None = None


class _Visit(_Redox, frozen=True):
    visit_number: Id = None
    patient_class: Text = None
    discharge_date_time: Text = None


class _Procedure(_Redox, frozen=True):
    code: Id = None
    codeset: Text = None
    description: Text = None


class _Provider(_Redox, frozen=True):
    npi: Id = None
    id: Id = None
    id_type: Text = None
    first_name: Text = None
    last_name: Text = None
    credentials: list[Text] | None = None


class _Order(_Redox, frozen=True):
    id: Id = None
    status: Text = None
    transaction_date_time: Text = None
    procedure: _Procedure | None = None
    provider: _Provider | None = None
    priority: Text = None
    comments: Text = None


class _Message(_Redox, frozen=True):
    meta: _Meta
    patient: _Patient | None = None
    visit: _Visit | None = None
    order: _Order | None = None
    orders: list[_Order] | None = None


class _Envelope(_Redox, frozen=True):
    meta: _Meta | None = None


_message = decoder(_Message)
_envelope = decoder(_Envelope)


def delivery_id(raw: bytes) -> str:
    """What marks a repeated delivery: the first log id, else message and transmission id, else the bytes.

    A retry of Redox has a new attempt id and the same log id. Bytes alone are proof for a day only.
    """
    try:
        meta = _envelope(raw).meta or _Meta()
    except ShapeError:
        meta = _Meta()
    if meta.logs and (log := _text(meta.logs[0].id)):
        return f"log:{log}"
    message = _text(meta.message.id) if meta.message else ""
    transmission = _text(meta.transmission.id) if meta.transmission else ""
    if message and transmission:
        return f"message:{message}:{transmission}"
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def read(raw: bytes) -> tuple[Order | VisitEnded, ...]:
    """What the message says: one order, or several for GroupedOrders, or the end of a visit."""
    try:
        message = _message(raw)
    except ShapeError as error:
        raise NotAnOrder(error.place or "body", error.text) from None
    model, event = message.meta.data_model or "", message.meta.event_type or ""
    if (model, event) == ("PatientAdmin", "Discharge"):
        return (_visit_ended(message),)
    if model != "Order" or event not in _HAPPENED:
        raise NotAnOrder(
            "Meta.EventType", "only Order New, Update, Cancel and GroupedOrders are used", known=False
        )
    if event == "GroupedOrders":
        orders = [(f"Orders[{index}]", order) for index, order in enumerate(message.orders or ())]
    else:
        orders = [("Order", message.order or _Order())]
    if not orders:
        raise NotAnOrder("Orders", "give at least one order")
    return tuple([_order(message, order, place) for place, order in orders])


_HAPPENED = {
    "New": Happened.PLACED,
    "GroupedOrders": Happened.PLACED,
    "Update": Happened.CHANGED,
    "Cancel": Happened.CANCELLED,
}


def _order(message: _Message, order: _Order, place: str) -> Order:
    meta, visit = message.meta, message.visit or _Visit()
    order_id = _required(order.id, f"{place}.ID")
    happened = _HAPPENED[meta.event_type or ""]
    if meta.event_type == "GroupedOrders":
        happened = _HAPPENED.get(order.status or "New", Happened.PLACED)
    return Order(
        happened=happened,
        sender=_source(meta),
        facility=_text(meta.facility_code),
        order_id=order_id,
        test=bool(meta.test),
        at=_text(meta.event_date_time),
        ordered_at=_text(order.transaction_date_time),
        patient=_patient(message.patient or _Patient()),
        visit=Visit(
            number=_text(visit.visit_number),
            patient_class=_text(visit.patient_class),
            ended_at=_text(visit.discharge_date_time),
        ),
        procedure=_procedure(order.procedure or _Procedure()),
        provider=_provider(order.provider or _Provider()),
        priority=_text(order.priority),
        comments=_text(order.comments),
    )


def _patient(patient: _Patient) -> Patient:
    identifiers = [
        Identifier(id=_text(given.id), kind=_text(given.id_type))
        for given in patient.identifiers or ()
        if _text(given.id)
    ]
    if not identifiers:
        raise NotAnOrder("Patient.Identifiers", "give at least one identifier of the patient")
    known = patient.demographics or _Demographics()
    return Patient(
        identifiers=tuple(identifiers),
        last_name=_text(known.last_name),
        first_name=_text(known.first_name),
        middle_name=_text(known.middle_name),
        birth_date=_birth_date(_text(known.dob)),
        sex=_text(known.sex),
    )


def _birth_date(text: str) -> str:
    """The day, also where a time of day was put behind it."""
    day = text[:10] if text[10:11] in ("", "T") else text
    try:
        return date.fromisoformat(day).isoformat() if day else ""
    except ValueError:
        raise NotAnOrder("Patient.Demographics.DOB", "give the date of birth as YYYY-MM-DD") from None


def _procedure(given: _Procedure) -> Code:
    return Code(code=_text(given.code), system=_text(given.codeset), description=_text(given.description))


def _provider(given: _Provider) -> Provider:
    return Provider(
        id=_text(given.id),
        kind=_text(given.id_type),
        npi=_text(given.npi),
        last_name=_text(given.last_name),
        first_name=_text(given.first_name),
        credentials=tuple([text for text in given.credentials or () if text]),
    )


def _visit_ended(message: _Message) -> VisitEnded:
    visit = message.visit or _Visit()
    return VisitEnded(
        sender=_source(message.meta),
        facility=_text(message.meta.facility_code),
        visit_number=_required(visit.visit_number, "Visit.VisitNumber"),
        ended_at=_text(visit.discharge_date_time) or _text(message.meta.event_date_time),
        test=bool(message.meta.test),
    )


def _source(meta: _Meta) -> str:
    return _required(meta.source.id if meta.source else None, "Meta.Source.ID")


def _required(value: Id, place: str) -> str:
    if text := _text(value).strip():
        return text
    raise NotAnOrder(place, "must be given")


def _text(value: Id) -> str:
    return "" if value is None else str(value)
