"""Patients as Elation tells of them, and when one of them is the patient of a chart.

Values and comparisons only; ``elation`` asks and sends. Facts about the API: help.elationhealth.com, Patients.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

_NOT_DIGITS = re.compile(r"[^0-9]+")
_PATIENT_LINK = re.compile(r"(?:.*/patients/)?([0-9]+)/?")


class Metadata(msgspec.Struct):
    """What we hang on a patient; ``object_id`` is the chart's id."""

    object_id: str | None = None


class Insurance(msgspec.Struct):
    """An insurance as the patient shows it; Elation writes it from the policies."""

    member_id: str | None = None


class Phone(msgspec.Struct):
    """A number of the patient."""

    phone: str | None = None


class Address(msgspec.Struct):
    """Where the patient lives."""

    address_line1: str | None = None
    zip: str | None = None


class Found(msgspec.Struct):
    """A patient in Elation, with the facts that tell one from another."""

    id: int
    first_name: str | None = None
    last_name: str | None = None
    dob: str | None = None
    address: Address | None = None
    phones: list[Phone] | None = None
    insurances: list[Insurance] | None = None
    metadata: Metadata | None = None
    deleted_date: str | None = None
    merged_into_chart: int | str | None = None

    @property
    def chart(self) -> str | None:
        """The chart it is linked to, if any."""
        return (self.metadata.object_id if self.metadata else None) or None


class Wanted(msgspec.Struct):
    """The facts in a body of ours that a found patient is held against."""

    first_name: str = ""
    last_name: str = ""
    dob: str = ""
    address: Address | None = None
    phones: list[Phone] = []


read_found = msgspec.json.Decoder(Found).decode
read_wanted = msgspec.json.Decoder(Wanted).decode


class _Duplicate(msgspec.Struct):
    redirect: int | str | None = None


_read_duplicate = msgspec.json.Decoder(_Duplicate).decode


def duplicate_of(answer: bytes) -> str:
    """The patient a 409 points to, told as an id or as an address; empty if it points to none.

    >>> duplicate_of(b'{"redirect": 142857632874497}'), duplicate_of(b'{"redirect": "/api/2.0/patients/1234"}')
    ('142857632874497', '1234')
    """
    try:
        redirect = _read_duplicate(answer).redirect
    except msgspec.MsgspecError:
        return ""
    link = _PATIENT_LINK.fullmatch(str(redirect))
    return link[1] if link else ""


def same_person(found: Found, wanted: Wanted, member_ids: set[str]) -> bool:
    """The names and the birth date agree, and one more fact: a phone, the address or a member id.

    Two people can share a name and a birth date; Elation's own match looks no further.
    """
    named = [(found.first_name, wanted.first_name), (found.last_name, wanted.last_name)]
    if found.dob != wanted.dob or any(_plain(theirs) != _plain(ours) for theirs, ours in named):
        return False
    numbers = _numbers(found.phones or []) & _numbers(wanted.phones)
    insured = {i.member_id for i in found.insurances or [] if i.member_id} & member_ids
    return bool(numbers or insured or _same_address(found.address, wanted.address))


def holds(theirs: Any, ours: Any) -> bool:
    """Everything in ``ours`` stands in ``theirs``, which may say more; empty text and null are alike.

    >>> holds({"id": 7, "middle_name": None, "zip": "10451"}, {"middle_name": "", "zip": "10451"})
    True
    """
    if isinstance(ours, Mapping):
        return isinstance(theirs, Mapping) and all(holds(theirs.get(k), v) for k, v in ours.items())
    if isinstance(ours, list):
        theirs = theirs or []
        return len(theirs) == len(ours) and all(map(holds, theirs, ours))
    return ("" if theirs is None else theirs) == ("" if ours is None else ours)


def _plain(text: str | None) -> str:
    return " ".join((text or "").casefold().split())


def _numbers(phones: list[Phone]) -> set[str]:
    """The last ten digits of each number."""
    found = {_NOT_DIGITS.sub("", phone.phone or "")[-10:] for phone in phones}
    return {number for number in found if len(number) == 10}


def _same_address(theirs: Address | None, ours: Address | None) -> bool:
    if not theirs or not ours or not ours.address_line1 or not ours.zip:
        return False
    return (_plain(theirs.address_line1), (theirs.zip or "")[:5]) == (
        _plain(ours.address_line1),
        ours.zip[:5],
    )
