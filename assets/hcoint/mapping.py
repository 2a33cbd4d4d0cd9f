"""What a hospital is sent when its order is answered: Redox Results, or HL7 v2 ORU^R01 or MDM^T02.

Pure: an order, a note, a partner and a moment give the exact bytes. The same order and note give the same
ids, so that a message sent again can be recognised over there. A corrected note is a message of its own
with the same order and the status Corrected.
"""

from datetime import datetime

from assets.hcoint.events import Order
from assets.hcoint.hl7_note import mdm, oru
from assets.hcoint.note import Note, Outgoing
from assets.hcoint.partners import Partner
from assets.hcoint.redox_results import results


def outgoing(order: Order, note: Note, partner: Partner, *, now: datetime) -> Outgoing:
    """The message this partner is owed for the note."""
    if partner.results == "redox":
        return results(order, note, partner, now=now)
    make = oru if partner.results == "oru" else mdm
    return Outgoing(partner.results, make(order, note, partner, now=now), {"partner": partner.name})
