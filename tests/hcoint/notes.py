"""Orders, notes, a partner and a moment for the tests of this lane."""

import io
from datetime import UTC, datetime

import msgspec
from pypdf import PdfWriter

from assets.formats.hl7_read import parse
from assets.hcoint.documents import KINDS, Document, examine
from assets.hcoint.events import Order
from assets.hcoint.hl7_order import read as read_hl7
from assets.hcoint.partners import Partner
from assets.hcoint.redox_order import read
from tests.hcoint.cases import SAMPLES

NOW = datetime(2026, 2, 3, 19, 0, tzinfo=UTC)


def pdf(*, password: str = "", pages: int = 1) -> bytes:
    """A small PDF."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(72, 72)
    if password:
        writer.encrypt(password)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def document(data: bytes | None = None, *, name: str = "note") -> Document:
    """A document that any partner may get."""
    return examine(pdf() if data is None else data, name=name, kinds=KINDS)


def partner(**settings: object) -> Partner:
    """A partner that takes everything, with these settings."""
    given: dict[str, object] = {
        "name": "multicare",
        "orders": "redox",
        "redox_source_id": "source",
        "results": "redox",
        "destinations": ["af394f14-b34a-464f-8d24-895f370af4c9"],
        "facility": "MULTICARE",
        "result_code": "11488-4",
        "result_description": "Consult note",
        "kinds": list(KINDS),
    }
    return msgspec.convert(given | settings, Partner)


def orders() -> list[Order]:
    redox = read((SAMPLES / "partners/redox/composed_order_update.json").read_bytes())
    wire = read_hl7(parse((SAMPLES / "partners/hl7/composed_orm_o01_new.hl7").read_text("utf-8")))
    return [order for order in (*redox, *wire) if isinstance(order, Order)]


REDOX, HL7 = orders()
