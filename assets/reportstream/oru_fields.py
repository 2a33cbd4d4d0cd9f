"""The fields of an ORU^R01 that both of our outputs share: names, phones, addresses, times, codes.

Plain values for ``assets.formats.hl7``: a tuple is a field's components, a tuple in a tuple their parts.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from assets.formats import hl7
from assets.formats.hl7 import Field, Raw, Segment, Value
from assets.reportstream.report import NULL_FLAVOR, SNOMED, YES_NO, Coded, area_and_local
from assets.reportstream.rules import is_npi

NPI: Final = "2.16.840.1.113883.4.6"
CLIA: Final = "2.16.840.1.113883.4.7"
ORU_R01: Final = ("ORU", "R01", "ORU_R01")
REMARK: Final = ("RE", "Remark", "HL70364")

#: How HL7 calls the code systems of FHIR. The yes/no address is the one SimpleReport sends, of a value set.
SYSTEMS: Final[dict[str, str]] = {
    SNOMED: "SCT",
    YES_NO: "HL70136",
    NULL_FLAVOR: "NULLFL",
    "http://terminology.hl7.org/CodeSystem/v2-0136": "HL70136",
    "http://loinc.org": "LN",
    "http://terminology.hl7.org/CodeSystem/v3-Race": "HL70005",
    "http://terminology.hl7.org/CodeSystem/v2-0189": "HL70189",
    "http://terminology.hl7.org/CodeSystem/data-absent-reason": "99ABSENT",
    "http://simplereport.gov/": "99SR",
}


def written(field: Field) -> Raw:
    r"""A field in the form of the wire: written once, used in many segments.

    >>> written(("12", "A&B", "ISO"))
    '12^A\\T\\B^ISO'
    """
    return Raw(hl7.encode([Segment("ZZZ", {1: field})])[4:-1])


@lru_cache(maxsize=4096)
def coded(code: Coded) -> Raw:
    """A code of our tables with its name and its system; what is remembered is no patient's."""
    return written((code.code, code.text, SYSTEMS.get(code.system, "L")))


def at(moment: datetime) -> str:
    """A moment in UTC with its offset; HL7 receivers compare times as text."""
    return hl7.timestamp(moment.astimezone(UTC))


def day(text: str) -> str:
    """A FHIR date as HL7 writes it.

    >>> day("1961-07-04")
    '19610704'
    """
    return text.replace("-", "")


def phone(number: str, use: str, kind: str = "PH") -> Value:
    """A phone by area code and number; what is not a US number goes as it is, unformatted.

    >>> phone("(718) 555-0142", "PRN")
    ('', 'PRN', 'PH', '', '', '718', '5550142')
    """
    area, local = area_and_local(number)
    if area:
        return ("", use, kind, "", "", area, local)
    return ("", use, kind, *[""] * 8, number)


def email(address: str) -> Value:
    """An e-mail address."""
    return ("", "NET", "Internet", address)


def telecom(number: str, address: str, use: str, kind: str = "PH") -> list[Value]:
    """A phone and an e-mail address, those that are known."""
    points = [phone(number, use, kind)] if number else []
    return [*points, email(address)] if address else points


def clinician(number: str, last: str, first: str, middle: str = "", suffix: str = "") -> Value:
    """Who ordered: the authority and the type NPI only for a number whose check digit says it is one."""
    if is_npi(number):
        return (number, last, first, middle, suffix, "", "", "", ("NPI", NPI, "ISO"), "L", "", "", "NPI")
    return (number, last, first, middle, suffix, "", "", "", "", "L", "", "", "PRN" if number else "")


def organization(name: str, clia: str) -> Value:
    """A lab or a facility by its CLIA number."""
    return (name, "L", "", "", "", ("CLIA", CLIA, "ISO"), "XX", "", "", clia)
