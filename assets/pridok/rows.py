"""Between the lane's values and the rows of the store. Plain functions, no I/O."""

from collections.abc import Iterable

import msgspec

from assets.pridok.consultation import Channel, Consultation, Reason, State
from assets.pridok.orders import Deal, LineItem, Order
from assets.pridok.patients import KnownNumber, Patient
from assets.pridok.referral import Contact
from resources.store import consultations, patients, pridok_orders

_contact = msgspec.json.Decoder(Contact).decode


def row_of(one: Consultation) -> consultations.Row:
    """A consultation as it is kept."""
    return consultations.Row(
        id=one.id,
        version=one.version,
        state=one.state.value,
        patients=one.patients,
        referral=one.referral,
        order_id=one.order,
        organisation=one.organisation,
        category=one.category,
        primary_channel=one.primary_channel.value,
        enabled_channels=sorted(channel.value for channel in one.enabled_channels),
        providers=one.providers,
        planned_at=one.planned_at,
        created_at=one.created_at,
        screened_at=one.screened_at,
        assigned_at=one.assigned_at,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        reported_at=one.reported_at,
        cancelled_at=one.cancelled_at,
        cancelled_for=one.cancelled_for.value if one.cancelled_for else None,
        rebooked_from=one.rebooked_from,
    )


def consultation_of(row: consultations.Row) -> Consultation:
    """A consultation as the lane knows it."""
    return Consultation(
        id=row.id,
        version=row.version,
        state=State(row.state),
        patients=tuple(row.patients),
        referral=row.referral,
        order=row.order_id,
        organisation=row.organisation,
        category=row.category,
        primary_channel=Channel(row.primary_channel),
        enabled_channels=frozenset(Channel(name) for name in row.enabled_channels),
        providers=tuple(row.providers),
        planned_at=row.planned_at,
        created_at=row.created_at,
        screened_at=row.screened_at,
        assigned_at=row.assigned_at,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        reported_at=row.reported_at,
        cancelled_at=row.cancelled_at,
        cancelled_for=Reason(row.cancelled_for) if row.cancelled_for else None,
        rebooked_from=row.rebooked_from,
    )


def contact_of(row: patients.Row) -> Contact:
    """How a patient is called and reached."""
    return _contact(row.body)


def patient_of(row: patients.Row, numbers: Iterable[KnownNumber] = ()) -> Patient:
    """A patient as the lane knows one, with the numbers that are asked for apart."""
    return Patient(
        id=row.id,
        contact=contact_of(row),
        numbers=tuple(numbers),
        tags=frozenset(row.tags),
        marketing_allowed=row.marketing_allowed,
        merged_into=row.merged_into,
    )


def patient_row(one: Patient) -> patients.Row:
    """A patient as kept."""
    return patients.Row(
        id=one.id,
        tags=sorted(one.tags),
        marketing_allowed=one.marketing_allowed,
        merged_into=one.merged_into,
        body=msgspec.json.encode(one.contact),
    )


def order_row(one: Order) -> pridok_orders.Row:
    """An order with its one line."""
    line, terms = one.lines[0], one.terms
    return pridok_orders.Row(
        id=one.id,
        consultation=line.consultation,
        customer=one.customer,
        deal=terms.id,
        price=line.price,
        discount=line.discount,
        no_show_share=terms.no_show_share,
        late_cancel_share=terms.late_cancel_share,
        share=line.share,
        category=line.category,
        total=one.total,
    )


def order_of(row: pridok_orders.Row) -> Order:
    """The order with the terms it was made on."""
    terms = Deal(
        id=row.deal,
        organisation=row.customer,
        price=row.price,
        discount=row.discount,
        no_show_share=row.no_show_share,
        late_cancel_share=row.late_cancel_share,
    )
    line = LineItem(
        consultation=row.consultation,
        price=row.price,
        discount=row.discount,
        share=row.share,
        category=row.category,
    )
    return Order(id=row.id, customer=row.customer, terms=terms, lines=(line,))
