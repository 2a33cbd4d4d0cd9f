"""Redox Results New: the note as the result of the order, embedded or uploaded first.

Source: docs.redoxengine.com, data model "Results" and "Sending files"; a correction is another Results New
with the status Corrected, because the model has no other event.
"""

from datetime import UTC, datetime

import msgspec

from assets.hcoint.documents import KINDS
from assets.hcoint.events import Order
from assets.hcoint.note import Note, Outgoing, file_name
from assets.hcoint.partners import Partner
from assets.hcoint.tables.sexes import REDOX_SEX


def results(order: Order, note: Note, partner: Partner, *, now: datetime) -> Outgoing:
    """Redox Results New with the file in it, or to be uploaded first where it is larger than the setting."""
    data = note.document.data
    address = {"partner": partner.name, "order": order.order_id, "file": file_name(order, note)}
    if len(data) <= partner.upload_above_bytes:
        return Outgoing("redox", results_new(order, note, partner, value=data, now=now), address)
    body = results_new(order, note, partner, value="", now=now) + b"\n" + data
    return Outgoing("redox", body, address | {"upload": "/".join(KINDS[note.document.kind].mime)})


def results_new(order: Order, note: Note, partner: Partner, *, value: bytes | str, now: datetime) -> bytes:
    """The Results document; ``value`` is the file itself or the address it was uploaded to."""
    at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    meta = {
        "DataModel": "Results",
        "EventType": "New",
        "EventDateTime": at,
        "Test": order.test,
        **({"Source": {"ID": partner.source_id}} if partner.source_id else {}),
        "Destinations": [{"ID": destination} for destination in partner.destinations],
    }
    document = {
        "Meta": meta,
        "Patient": _redox_patient(order),
        **({"Visit": {"VisitNumber": order.visit.number}} if order.visit.number else {}),
        "Orders": [_redox_order(order, note, partner, value, at)],
    }
    return msgspec.json.encode(document)


def _redox_patient(order: Order) -> dict[str, object]:
    patient = order.patient
    return {
        "Identifiers": [{"ID": given.id, "IDType": given.kind} for given in patient.identifiers],
        "Demographics": {
            "FirstName": patient.first_name or None,
            "MiddleName": patient.middle_name or None,
            "LastName": patient.last_name or None,
            "DOB": patient.birth_date or None,
            "Sex": REDOX_SEX.get(patient.sex, patient.sex) or None,
        },
    }


def _redox_order(
    order: Order, note: Note, partner: Partner, value: bytes | str, at: str
) -> dict[str, object]:
    provider, procedure = order.provider, order.procedure
    status = "Corrected" if note.replaces else "Final"
    return {
        "ID": order.order_id,
        "ApplicationOrderID": order.our_id,
        "TransactionDateTime": at,
        "CompletionDateTime": at,
        "Notes": [],
        "ResultsStatus": status,
        "Status": "Resulted",
        "ResponseFlag": "Associated Segments",
        "Procedure": {
            "Code": procedure.code or None,
            "Codeset": procedure.system or None,
            "Description": procedure.description or None,
        },
        "Provider": {
            "NPI": provider.npi or None,
            "ID": provider.id or None,
            "IDType": provider.kind or None,
            "FirstName": provider.first_name or None,
            "LastName": provider.last_name or None,
            "Credentials": list(provider.credentials),
        },
        "Results": [_redox_result(note, partner, value, status)],
    }


def _redox_result(note: Note, partner: Partner, value: bytes | str, status: str) -> dict[str, object]:
    return {
        "Code": partner.result_code,
        "Codeset": "LOINC" if partner.system == "LN" else partner.result_system or None,
        "Description": partner.result_description,
        "Value": value,
        "ValueType": "Encapsulated Data",
        "FileType": KINDS[note.document.kind].redox,
        "Units": None,
        "Notes": [],
        "AbnormalFlag": None,
        "Status": status,
    }
