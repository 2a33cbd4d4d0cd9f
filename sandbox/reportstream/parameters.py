"""What a submission says about itself before its body is read: who sends it, and what it is."""

from __future__ import annotations

from sandbox.core import Request

from .intake import Remark

CSV = "text/csv"
FHIR = "application/fhir+ndjson"
HL7 = "application/hl7-v2"

#: The senders the hub knows, with the content types each may send.
SENDERS = {
    "simple_report": (CSV,),
    "simple_report.default": (CSV,),
    "simple_report.csvuploader": (CSV,),
    "simple_report.fullelr": (FHIR, HL7),
    "simple_report.fullelr-bulkuploader": (FHIR, HL7),
    "simple_report.hl7": (HL7,),
}


def client(request: Request) -> str:
    """The sender's name, from the header or the query."""
    return request.headers.get("client") or request.query.get("client", "")


def content_type(request: Request) -> str:
    """The content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def misfit(sender: str, kind: str, body: bytes) -> Remark | None:
    """Why the hub does not read a body at all: an unknown sender, the wrong content type, nothing there."""
    if not sender:
        return Remark("parameter", "Expected a 'client' query parameter")
    if sender not in SENDERS:
        return Remark("parameter", f"'client:{sender}': unknown sender")
    if not kind:
        return Remark("parameter", "Missing Content-Type header")
    if kind not in SENDERS[sender]:
        return Remark("parameter", f"Resubmit as '{SENDERS[sender][0]}'")
    return None if body else Remark("parameter", "Blank message(s) found within file")
