"""What a hospital tells us: an order for a note, its change, its cancellation, the end of a visit.

One value for both wires; ``redox_order`` and ``hl7_order`` make it. Texts are kept as they came, because
identifiers, visit and order numbers go back unchanged; only dates are brought to ISO 8601.
"""

import enum
import hashlib
from base64 import b32encode
from dataclasses import dataclass


class NotAnOrder(ValueError):
    """The message cannot be used; ``place`` says where, ``text`` what to do, and neither repeats a value.

    ``known`` is false for a kind of message that is none of ours, which is no mistake of the order's.
    """

    def __init__(self, place: str, text: str, *, known: bool = True) -> None:
        super().__init__(f"{place}: {text}")
        self.place = place
        self.text = text
        self.known = known


class Happened(enum.StrEnum):
    """What the hospital did."""

    PLACED = "new"
    CHANGED = "update"
    CANCELLED = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """One of a patient's numbers, and whose number it is (a namespace, or name, id and kind of id)."""

    id: str
    kind: str = ""
    authority: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who the order is for; ``birth_date`` is ISO or empty."""

    identifiers: tuple[Identifier, ...]
    last_name: str = ""
    first_name: str = ""
    middle_name: str = ""
    birth_date: str = ""
    sex: str = ""

    def number(self, kind: str) -> str:
        """The identifier of that kind (the MRN's kind is a setting), or empty."""
        return next((found.id for found in self.identifiers if found.kind == kind), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What was ordered, in the hospital's words."""

    code: str = ""
    system: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who ordered."""

    id: str = ""
    kind: str = ""
    npi: str = ""
    last_name: str = ""
    first_name: str = ""
    credentials: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The stay the order belongs to; ``ended_at`` is empty until the hospital says that it has ended."""

    number: str = ""
    authority: tuple[str, ...] = ()
    patient_class: str = ""
    ended_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order as one message tells it.

    ``sender`` is the Redox source id, or application and facility of MSH-3 and MSH-4 with a bar between.
    ``authority`` is the namespace of the placer's number in HL7.
    """

    happened: Happened
    sender: str
    facility: str
    order_id: str
    authority: tuple[str, ...] = ()
    test: bool = False
    at: str = ""
    ordered_at: str = ""
    patient: Patient
    visit: Visit = Visit()
    procedure: Code = Code()
    provider: Provider = Provider()
    priority: str = ""
    comments: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two messages speak of the same order."""
        return self.sender, self.facility, self.order_id

    @property
    def business_key(self) -> str:
        """The same order event told twice under two delivery ids has the same one."""
        return _joined(*self.key, self.happened.value)

    @property
    def our_id(self) -> str:
        """Our number for the order, the same whenever it is asked for: 13 letters and digits."""
        digest = hashlib.sha256(_joined(*self.key).encode()).digest()
        return "HO" + b32encode(digest[:7]).decode()[:11]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitEnded:
    """The patient was discharged: partners that want notes only afterwards can have them now."""

    sender: str
    facility: str
    visit_number: str
    ended_at: str
    test: bool = False


def _joined(*parts: str) -> str:
    """The parts so that no two different lists give the same text."""
    return "".join([f"{len(part)}:{part}," for part in parts])
