"""A report as HL7 v2.5.1 ORU^R01, sent direct (APHL AIMS): what SimpleReport has sent since ReportStream closed.

Where the default profile differs from what was published:

* answers, comment, correction reason, test kit and device are kept (published: dropped);
* results are CWE with SNOMED CT's HL7 name SCT and their text (published: CE, SNM, code only);
* an abnormal flag is sent only for a result that says one;
* MSH-10 is the message's own id, so that a retry is the same message (published: random at every build);
* OBR-22 is when the result was released (published: the time the message was made);
* counties go by code where we know it, beside the name; a phone of another form goes as it is;
* every order group has its specimen (published: the last only); groups stand in the order of the results.

Coded elements keep to HL7 2.5.1: three components where it knows no more, OBX-8 as a code, no OBX-29.
"""

from collections.abc import Iterator
from typing import Final

from assets.formats import hl7
from assets.formats.hl7 import Field, Segment, Value
from assets.reportstream import report as of
from assets.reportstream.devices import county_code
from assets.reportstream.fhir import Sending
from assets.reportstream.oru_fields import (
    CLIA,
    ORU_R01,
    REMARK,
    at,
    clinician,
    coded,
    day,
    telecom,
    written,
)
from assets.reportstream.profile import Profile
from assets.reportstream.report import NULL_FLAVOR, Coded, Facility, Report, Result

#: SimpleReport's own name and object identifier, as AIMS knows them.
_OID: Final = "2.16.840.1.113883.3.8589.4.2.134"
SENDERS: Final = {
    "P": ("SIMPLEREPORT.PROD", f"{_OID}.1", "ISO"),
    "T": ("SIMPLEREPORT.STAG", f"{_OID}.2", "ISO"),
    "D": ("SIMPLEREPORT.STAG", f"{_OID}.2", "ISO"),
}
APHL: Final = ("APHL", "2.16.840.1.113883.3.8589", "ISO")

#: The aggregator's stand-in for a CLIA number.
AGGREGATOR: Final = ("CDC.SimpleReport", "00Z0000064", "CLIA")

_PROFILE: Final = ("PHLabReport-NoAck", "phLabResultsELRv251", "2.16.840.1.113883.9.11", "ISO")

_SEXES: Final = {"male": "M", "female": "F", "other": "O"}
_RESULT_STATUS: Final = {"final": "F", "corrected": "C", "removed": "D"}
_ORDER_STATUS: Final = {"final": "F", "corrected": "C", "removed": "C"}

_COUNTRIES: Final = {
    "US": "USA",
    "UNITED STATES": "USA",
    "UNITED STATES OF AMERICA": "USA",
    "CA": "CAN",
    "CANADA": "CAN",
    "MX": "MEX",
    "MEXICO": "MEX",
}

#: SNOMED CT edition the published specimens name.
_EDITION: Final = "June 2025"


def message(report: Report, sending: Sending, *, profile: Profile = Profile.DEFAULT) -> str:
    """The message of a report; ``ValueError`` for a processing mode HL7 does not have."""
    if sending.mode(report) not in SENDERS:
        raise ValueError("the processing mode must be P, T or D")
    return hl7.encode(_Message(report, sending, profile).segments())


class _Message:
    """One message: its segments are written from the report and nothing else."""

    def __init__(self, report: Report, sending: Sending, profile: Profile) -> None:
        self.report, self.sending = report, sending
        self.published = profile is Profile.AS_PUBLISHED
        self.mode = sending.mode(report)
        self.us = SENDERS[self.mode]
        self.lab = report.lab
        self.collected = at(report.specimen.collected_at)
        self.order_id = written((report.order_id, *self.us))
        self.provider = written(clinician(report.provider.number, *report.provider.name))
        self.provider_phone = written(telecom(report.provider.phone, "", "WPN"))
        self.observed = self._observed()

    def segments(self) -> Iterator[Segment]:
        yield self._msh()
        yield self._sft()
        yield self._pid()
        groups = self._groups()
        for number, (ordered, results) in enumerate(groups, start=1):
            if number == 1:
                yield self._orc()
            yield self._obr(number, ordered)
            yield from self._observations(number, results)
            if number == len(groups) or not self.published:
                yield self._spm()

    def _groups(self) -> list[tuple[Coded, list[Result]]]:
        """The results by the order code they belong to, in the order they came."""
        groups: dict[Coded, list[Result]] = {}
        for result in self.report.results:
            groups.setdefault(result.ordered, []).append(result)
        return list(groups.items())

    def _msh(self) -> Segment:
        fields: dict[int, Field] = {
            3: self.us,
            4: AGGREGATOR,
            5: APHL,
            6: APHL,
            7: at(self.sending.made_at),
            9: ORU_R01,
            10: self.report.message_id,
            11: self.mode,
            12: "2.5.1",
            17: "USA",
            21: _PROFILE,
        }
        if not self.published:
            fields |= {15: "NE", 16: "NE", 18: "UNICODE UTF-8"}
        return Segment("MSH", fields)

    def _sft(self) -> Segment:
        version = self.sending.version
        installed = at(self.sending.installed_at)
        return Segment("SFT", {1: "SimpleReport", 2: version, 3: "SimpleReport", 4: version, 6: installed})

    def _pid(self) -> Segment:
        patient = self.report.patient
        name, language = patient.name, patient.language
        plain = (name.last, name.first, name.middle, name.suffix)
        sex = _SEXES.get(patient.sex, "U")
        fields: dict[int, Field] = {
            1: "1",
            3: self._patient_ids(),
            5: plain if self.published else (*plain, "", "", "L"),
            7: day(patient.birth_date),
            8: "U" if self.published and sex == "O" else sex,
            10: "" if patient.race.system == NULL_FLAVOR else coded(patient.race),
            11: self._address(patient.address),
            13: telecom(patient.phone, patient.email, "PRN", "CP" if self._is_mobile() else "PH"),
            22: coded(patient.ethnicity),
            39: [(*self._tribe(tribe), *[""] * 6, tribe.text) for tribe in patient.tribes],
        }
        if language and not self.published:
            fields[15] = (language.code, language.text, "ISO6392")
        return Segment("PID", fields)

    def _tribe(self, tribe: Coded) -> tuple[str, str]:
        """A tribe by code where that is what came; published: by name only."""
        return ("", "") if self.published or tribe.text else (tribe.code, "")

    def _is_mobile(self) -> bool:
        return self.report.patient.phone_use == "mobile" and not self.published

    def _patient_ids(self) -> list[Value]:
        """Ours; or, for a patient of a lab's own records, the lab's."""
        patient = self.report.patient
        if patient.is_the_labs:
            authority = (self.lab.name, self.lab.clia, "CLIA")
            return [(patient.id, "", "", authority, "PI", authority)]
        return [(patient.id, "", "", self.us, "PI", self.us)]

    def _address(self, address: of.Address) -> Value:
        """The county's name stands in the eighth component, since nobody checked it; its code in the ninth."""
        code = "" if self.published else county_code(address.state, address.county)
        country = _COUNTRIES.get(address.country.upper(), address.country)
        if len(country) != 3:  # the field takes the three letters of ISO 3166 and nothing else
            country = ""
        return (*address[:3], address.state, address.zip_code, country, "", address.county, code)

    def _orc(self) -> Segment:
        report, facility = self.report, self.report.ordering_facility
        fields: dict[int, Field] = {
            1: "RE",
            3: self.order_id,
            12: self.provider,
            14: self.provider_phone,
            21: (facility.name, "L"),
            22: self._address(facility.address),
            23: telecom(self._facility_phone(facility), facility.email, "WPN"),
            24: self._address(report.provider.address),
        }
        if not self.published:
            fields[15] = at(report.ordered_at)
        return Segment("ORC", fields)

    def _facility_phone(self, facility: Facility) -> str:
        """The facility's, else the lab's, else the provider's: a health department must reach somebody."""
        return facility.phone or self.lab.phone or self.report.provider.phone

    def _obr(self, number: int, ordered: Coded) -> Segment:
        report = self.report
        return Segment(
            "OBR",
            {
                1: str(number),
                3: self.order_id,
                4: coded(ordered),
                7: self.collected,
                8: self.collected,
                16: self.provider,
                17: self.provider_phone,
                22: at(self.sending.made_at if self.published else report.released_at),
                25: _ORDER_STATUS[report.status],
            },
        )

    def _observations(self, number: int, results: list[Result]) -> Iterator[Segment]:
        """The notes of an order, its results, and after the first order's the answers."""
        report = self.report
        if report.comment and number == 1 and not self.published:
            yield _note(report.comment)
        place = 0
        for place, result in enumerate(results, start=1):
            yield self._result(place, result)
            if report.correction_reason and not self.published:
                yield _note(f"Corrected Result: {report.correction_reason}")
        if number == 1 and not self.published:
            for answered in report.answers:
                place += 1
                yield self._answer(place, answered)

    def _result(self, place: int, result: Result) -> Segment:
        value: Value = (result.value.code, "", "SNM") if self.published else coded(result.value)
        fields: dict[int, Field] = {
            2: "CE" if self.published else "CWE",
            3: coded(self._named(result)),
            5: value,
            8: result.flag,
            11: _RESULT_STATUS[self.report.status],
        }
        if not self.published:
            device = self.report.device
            equipment = result.equipment or device.equipment
            kind = device.equipment_type if equipment == device.equipment else ""
            fields |= {
                17: (result.kit, device.model, "99ELR"),
                18: (equipment, "", kind) if equipment else "",
            }
        return self._obx(place, fields)

    def _named(self, result: Result) -> Coded:
        """The test, by its disease where we do not know LOINC's name: a person has to read it."""
        if result.performed.text or self.published:
            return result.performed
        return result.performed._replace(text=result.disease)

    def _answer(self, place: int, answered: of.Answer) -> Segment:
        fields: dict[int, Field] = {
            2: "DT" if answered.day else "CWE",
            3: coded(answered.question),
            5: day(answered.day) if answered.day else [coded(value) for value in answered.values],
            11: "F",
        }
        return self._obx(place, fields)

    def _observed(self) -> dict[int, Field]:
        """What every observation says: when, and by which lab."""
        lab = self.lab
        return {
            14: self.collected,
            15: written((lab.clia, lab.name, "CLIA")),
            19: at(self.report.resulted_at),
            23: written((lab.name, "", "", "", "", ("", CLIA, "ISO"), "FI", "", "", lab.clia)),
            24: written(self._address(lab.address)),
        }

    def _obx(self, place: int, fields: dict[int, Field]) -> Segment:
        return Segment("OBX", {1: str(place), **self.observed, **fields})

    def _spm(self) -> Segment:
        specimen = self.report.specimen
        one = (specimen.id, *self.us)
        site = specimen.site
        return Segment(
            "SPM",
            {
                1: "1",
                2: (one, one),
                4: self._specimen_code(specimen.type),
                8: self._specimen_code(site) if site.code and site.text else "",
                17: (self.collected, self.collected),
                18: at(specimen.received_at),
            },
        )

    def _specimen_code(self, code: Coded) -> Value:
        if self.published:
            return (code.code, code.text, "SNM", "", "", "", _EDITION)
        return coded(code)


def _note(text: str) -> Segment:
    return Segment("NTE", {1: "1", 3: text, 4: REMARK})
