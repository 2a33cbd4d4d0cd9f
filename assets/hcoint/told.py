"""What a hospital's message is to us: which delivery, which content, which events, or why it cannot be used.

The same for both wires. Pure: bytes give a value; who keeps it is ``book``.
"""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from assets.formats.hl7_ack import Verdict
from assets.hcoint import hl7_order, redox_order
from assets.hcoint.events import Happened, NotAnOrder, Order, VisitEnded

#: What the inbox calls each message.
KINDS = {
    Happened.PLACED: "order_new",
    Happened.CHANGED: "order_update",
    Happened.CANCELLED: "order_cancel",
}
UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One message. ``content`` is what must be equal for a repetition; ``problem`` is safe to show.

    ``by_bytes``: nothing in it tells a repetition but its bytes, which prove it for a day only.
    """

    delivery_id: str
    content: bytes
    body: bytes
    events: tuple[Order | VisitEnded, ...] = ()
    problem: str = ""
    by_bytes: bool = False

    @property
    def kind(self) -> str:
        """What the inbox calls it."""
        if not self.events:
            return UNUSABLE
        first = self.events[0]
        return KINDS[first.happened] if isinstance(first, Order) else "visit_ended"


def by_redox(raw: bytes) -> Told:
    """A message of Redox. A retry has another attempt id and the same log id."""
    delivery_id = redox_order.delivery_id(raw)
    by_bytes = delivery_id.startswith("sha256:")
    try:
        events, problem = redox_order.read(raw), ""
    except NotAnOrder as error:
        events, problem = (), str(error)
    return Told(
        delivery_id=delivery_id.removeprefix("log:"),
        content=_without_envelope(raw),
        body=raw,
        events=events,
        problem=problem,
        by_bytes=by_bytes,
    )


def by_hl7(octets: bytes, senders: Collection[str]) -> tuple[Told, Verdict]:
    """A message over MLLP, and what to acknowledge once it is kept."""
    message, verdict = hl7_order.judge(octets, senders)
    usable = message is not None and verdict.code == "AA"
    known = message is not None and bool(message.segments[0].text(10))
    told = Told(
        # of bytes that are no JSON the delivery is their digest
        delivery_id=hl7_order.delivery_id(message)
        if message is not None and known
        else redox_order.delivery_id(octets),
        content=octets,
        body=octets,
        events=hl7_order.read(message) if message is not None and usable else (),
        problem="" if usable else f"{verdict.place or 'message'}: {verdict.text}",
        by_bytes=not known,
    )
    return told, verdict


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="sorted").encode


def _without_envelope(raw: bytes) -> bytes:
    """The content without what Redox makes anew for each attempt; bytes that are no document as they are."""
    try:
        document = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return raw
    if isinstance(document, dict) and isinstance(document.get("Meta"), dict):
        made_anew = ("Logs", "Message", "Transmission")
        kept = {name: value for name, value in document["Meta"].items() if name not in made_anew}
        document = document | {"Meta": kept}
    return _encode(document)
