"""The chart event as Arc sends it: its shape and nothing more.

Each event carries the whole chart as it was at that moment. What is missing or too long for Elation is judged
after storing, by ``mapping``: null and absent are alike here, and members we do not know are left alone.

To add an event type, see docs/partners/elation.md.
"""

from typing import Annotated, cast

import msgspec

from assets.formats.decode import decoder

#: An id decides what is a repeat and which queue an event belongs to: an empty one decides nothing.
Id = Annotated[str, msgspec.Meta(min_length=1)]


class Part(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An object of the event."""


class Phone(Part, frozen=True, kw_only=True):
    """A number, and whether it is the chart's first and the patient's own."""

    number: str | None = None
    type: str | None = None
    primary: bool | None = None
    owned: bool | None = None


class Address(Part, frozen=True, kw_only=True):
    """Where the patient lives."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None


class Chart(Part, frozen=True, kw_only=True):
    """A patient's chart in Arc."""

    id: Id
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    dob: str | None = None
    sex: str | None = None
    language: str | None = None
    address: Address | None = None
    phones: tuple[Phone, ...] | None = None
    payer_name: str | None = None
    member_id: str | None = None
    medicaid_id: str | None = None


class Data(Part, frozen=True, kw_only=True):
    """What the event is about."""

    chart: Chart


class ChartEvent(Part, frozen=True, kw_only=True, tag_field="event_type"):
    """Something happened to a chart. ``resource_id`` is the chart's id and names the queue."""

    event_id: Id
    resource_id: Id
    data: Data
    source: str | None = "arc"
    occurred_at: str | None = None


class ChartCreated(ChartEvent, frozen=True, tag="chart_created"):
    """A chart was opened; Elation may not have the patient yet."""


class ProfileChanged(ChartEvent, frozen=True, tag="profile_changed"):
    """A name, the birth date, the sex or the language changed."""


class ContactChanged(ChartEvent, frozen=True, tag="contact_changed"):
    """The address or a phone number changed."""


class InsuranceChanged(ChartEvent, frozen=True, tag="insurance_changed"):
    """The payer, the member id or the Medicaid id changed."""


Event = ChartCreated | ProfileChanged | ContactChanged | InsuranceChanged

#: Bytes to ``Event``, or a ``ShapeError`` that names the place and repeats no value.
decode = decoder(cast(type[Event], Event))
