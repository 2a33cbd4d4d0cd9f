"""A message bundle as HL7 v2.5.1 ORU^R01: what ReportStream's universal pipeline makes of it.

The base mapping, without any receiver's own changes. In the profile as-published it is ReportStream's, letter
by letter; there, coded elements have components and observations have a field (OBX-29, QST for answers) that
HL7 2.5.1 does not know. The default profile keeps to 2.5.1: three components, OBX-8 as a code, no OBX-29; an
answer is known by its question's code.

It reads what ``assets.formats.fhir`` reads; a bundle without what a message needs raises a ``ShapeError``.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from assets.formats import fhir, hl7
from assets.formats.decode import ShapeError
from assets.formats.fhir import CodeableConcept, Coding, Extension
from assets.formats.hl7 import Field, Segment, Value
from assets.reportstream.devices import Devices
from assets.reportstream.oru_bundle import (
    Bundle,
    address,
    clia,
    code_from,
    code_of,
    extension,
    first,
    moment,
    name_parts,
    point,
    points,
)
from assets.reportstream.oru_fields import NPI, ORU_R01, SYSTEMS, day, organization, written
from assets.reportstream.profile import Profile
from assets.reportstream.tables.questions import LOINC_VERSIONS

_SENDER: Final = ("CDC PRIME - Atlanta", "2.16.840.1.114222.4.1.237821", "ISO")
_PROFILE: Final = ("PHLabReport-NoAck", "ELR_Receiver", "2.16.840.1.113883.9.11", "ISO")
_SEXES: Final = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_REPORT_STATUS: Final = {"final": "F", "corrected": "C", "entered-in-error": "C"}
_RESULT_STATUS: Final = {"final": "F", "corrected": "C", "entered-in-error": "W"}

#: Versions ReportStream names beside its code tables.
_ETHNICITY_VERSION: Final = "2.9"
_FLAG_VERSION: Final = "2.7"
_SPECIMEN_VERSION: Final = "2.67"
_REMARK: Final = ("RE", "Remark", "HL70364", "", "", "", "2.5.1")


def message(
    bundle: fhir.Bundle,
    *,
    devices: Devices,
    version: str = "unknown",
    profile: Profile = Profile.DEFAULT,
) -> str:
    """The message a bundle makes; names of LOINC codes that the bundle leaves out come from ``devices``."""
    return hl7.encode(_Message(bundle, devices, version, profile).segments())


class _Message:
    """One message, field by field of section "HL7" of ReportStream's FHIR to HL7 v2.5.1 inventory."""

    def __init__(self, bundle: fhir.Bundle, devices: Devices, version: str, profile: Profile) -> None:
        self.bundle, self.devices, self.version = bundle, devices, version
        self.published = profile is Profile.AS_PUBLISHED
        held = Bundle(bundle)
        self.header = held.first(fhir.MessageHeader)
        self.report = held.first(fhir.DiagnosticReport)
        self.sender = held.at(self.header.sender, fhir.Organization, "MessageHeader.sender")
        self.patient = held.at(self.report.subject, fhir.Patient, "DiagnosticReport.subject")
        self.specimen = held.at(first(self.report.specimen), fhir.Specimen, "DiagnosticReport.specimen")
        self.order = held.at(first(self.report.based_on), fhir.ServiceRequest, "DiagnosticReport.basedOn")
        role = held.at(self.order.requester, fhir.PractitionerRole, "ServiceRequest.requester")
        self.provider = held.at(role.practitioner, fhir.Practitioner, "PractitionerRole.practitioner")
        self.facility = held.at(role.organization, fhir.Organization, "PractitionerRole.organization")
        self.lab = held.at(first(self.order.performer), fhir.Organization, "ServiceRequest.performer")
        self.results = [
            held.at(one, fhir.Observation, "DiagnosticReport.result") for one in self.report.result
        ]
        self.answers = [
            held.at(one, fhir.Observation, "ServiceRequest.supportingInfo")
            for one in self.order.supporting_info
        ]
        self.held = held
        number = first(self.report.identifier)
        self.number = (number.value if number else self.report.id) or ""
        self.order_id = written((self.number, *self._authority()))
        self.clinician = written(self._clinician())
        self.phones = written(points(self.provider.telecom))
        self.observed = self._observed()

    def segments(self) -> Iterator[Segment]:
        yield self._msh()
        yield self._sft()
        yield self._pid()
        yield self._orc()
        yield self._obr()
        yield from self._notes(self.order.note)
        for place, result in enumerate(self.results, start=1):
            yield self._result(place, result)
            yield from self._notes(result.note)
        for place, answered in enumerate(self.answers, start=len(self.results) + 1):
            yield self._answer(place, answered)
        yield self._spm()

    def _msh(self) -> Segment:
        identifier = self.bundle.identifier
        if identifier is None or not identifier.value or not self.bundle.timestamp:
            raise ShapeError("Bundle", "needs identifier.value and timestamp: they are MSH-10 and MSH-7")
        mode = code_from(self.header.meta.tag if self.header.meta else (), "v2-0103")
        return Segment(
            "MSH",
            {
                3: _SENDER,
                4: self._authority(),
                7: moment(self.bundle.timestamp),
                9: ORU_R01,
                10: identifier.value,
                11: mode or "P",
                12: "2.5.1",
                15: "NE",
                16: "NE",
                17: "USA",
                18: "UNICODE UTF-8",
                19: ("ENG", "English", "ISO"),
                21: _PROFILE,
            },
        )

    def _authority(self) -> tuple[str, str, str]:
        return (self.sender.name or "", clia(self.sender), "CLIA")

    def _sft(self) -> Segment:
        installed = extension(self.header.source.extension, "software-install-date")
        return Segment(
            "SFT",
            {
                1: "Centers for Disease Control and Prevention",
                2: self.version,
                3: "PRIME ReportStream",
                4: self.version,
                6: moment(installed.value_instant) if installed and installed.value_instant else "",
            },
        )

    def _pid(self) -> Segment:
        patient = self.patient
        name = first(patient.name) or fhir.HumanName()
        number = first(patient.identifier)
        race = extension(patient.extension, "local-race-cd")
        ethnicity = extension(patient.extension, "ethnic-group")
        authority = self._authority()
        return Segment(
            "PID",
            {
                1: "1",
                3: [((number.value if number else "") or "", "", "", authority, "PI", authority)],
                5: (*name_parts(name), "", "", "L"),
                7: day(patient.birth_date or ""),
                8: _SEXES.get(patient.gender or "", "U"),
                10: self._described(race, "2.5.1"),
                11: address(patient.address),
                13: [point(one, mobile="PRS", other="PRN") for one in patient.telecom],
                22: self._described(ethnicity, _ETHNICITY_VERSION),
                30: "N",
            },
        )

    def _described(self, extension: Extension | None, version: str) -> Value:
        """A code with the words that came with it. Races have no display: the words stand for both."""
        concept = extension.value_codeable_concept if extension else None
        if concept is None or not concept.coding:
            return ""
        coding = concept.coding[0]
        named = (
            coding if coding.display else Coding(system=coding.system, code=coding.code, display=concept.text)
        )
        return self._coded(named, version, concept.text)

    def _coded(self, coding: Coding, version: str = "", original: str | None = None) -> Value:
        """Code, name, system; as published also the table's version and the words that came."""
        system = SYSTEMS.get(coding.system or "", coding.system or "")
        plain = (coding.code or "", coding.display or "", system)
        return (*plain, "", "", "", version, "", original or "") if self.published else plain

    def _orc(self) -> Segment:
        control = extension(self.order.extension, "order-control")
        ordered = extension(self.order.extension, "order-effective-date")
        concept = control.value_codeable_concept if control else None
        return Segment(
            "ORC",
            {
                1: (concept.coding[0].code if concept and concept.coding else "") or "RE",
                2: self.order_id,
                3: self.order_id,
                12: self.clinician,
                14: self.phones,
                15: moment(ordered.value_date_time) if ordered and ordered.value_date_time else "",
                21: organization(self.facility.name or "", clia(self.facility)),
                22: address(self.facility.address),
                23: points(self.facility.telecom),
                24: address(self.provider.address),
            },
        )

    def _clinician(self) -> Value:
        provider = self.provider
        name = name_parts(first(provider.name) or fhir.HumanName())
        number = next(
            (one.value for one in provider.identifier if (one.system or "").endswith("us-npi")), None
        )
        if number:
            return (number, *name, "", "", "", ("NPI", NPI, "ISO"), "L", "", "", "NPI")
        return ("", *name, "", "", "", "", "L")

    def _obr(self) -> Segment:
        report = self.report
        code = first(self.order.code.coding if self.order.code else ()) or Coding()
        return Segment(
            "OBR",
            {
                1: "1",
                2: self.order_id,
                3: self.order_id,
                4: (code.code or "", code.display or self.devices.name(code.code or ""), "LN"),
                7: moment(report.effective_date_time),
                16: self.clinician,
                17: self.phones,
                22: moment(report.issued),
                25: _REPORT_STATUS.get(report.status, "F"),
            },
        )

    def _notes(self, notes: Iterable[fhir.Annotation]) -> Iterator[Segment]:
        kind: Field = _REMARK if self.published else _REMARK[:3]
        for place, note in enumerate(notes, start=1):
            yield Segment("NTE", {1: str(place), 3: note.text, 4: kind})

    def _result(self, place: int, result: fhir.Observation) -> Segment:
        code = first(result.code.coding) or Coding()
        name = code.display or self.devices.name(code.code or "")
        if not self.published and not name:
            name = result.code.text or ""
        flag = first(result.interpretation[0].coding) if result.interpretation else None
        fields = {
            3: self._coded(
                Coding(system=code.system, code=code.code, display=name), original=result.code.text
            ),
            8: self._flag(flag) if flag else "",
            11: _RESULT_STATUS.get(result.status, "F"),
            **self._device(result),
        }
        return self._obx(place, result, fields)

    def _flag(self, flag: Coding) -> Value:
        """The standard's own field is a code from a table; ReportStream describes it."""
        if not self.published:
            return flag.code or ""
        return (flag.code or "", flag.display or "", "HL70078", "", "", "", _FLAG_VERSION)

    def _device(self, result: fhir.Observation) -> dict[int, Field]:
        """The kit and the device a result was found with."""
        fields: dict[int, Field] = {}
        if result.method:
            kit = extension(result.method.extension, "testkit-name-id")
            number = (kit.value_coding.code if kit and kit.value_coding else "") or ""
            model = (first(result.method.coding) or Coding()).display or ""
            fields[17] = (
                (number, model, *[""] * 6, number or "") if self.published else (number, model, "99ELR")
            )
        if result.device:
            device = self.held.at(result.device, fhir.Device, "Observation.device")
            value = next((one.value for one in device.identifier if one.value), "")
            kind = next((code_of(one.type) for one in device.identifier if one.type), "")
            if value or kind:
                fields[18] = (value, "", kind)
        return fields

    def _answer(self, place: int, answered: fhir.Observation) -> Segment:
        code = first(answered.code.coding) or Coding()
        fields: dict[int, Field] = {
            3: self._coded(code, LOINC_VERSIONS.get(code.code or "", ""), answered.code.text),
            11: _RESULT_STATUS.get(answered.status, "F"),
        }
        if self.published:
            fields[29] = "QST"
        return self._obx(place, answered, fields)

    def _obx(self, place: int, observed: fhir.Observation, fields: dict[int, Field]) -> Segment:
        """An observation: its value, beside what all of them say."""
        value = first(observed.value_codeable_concept.coding) if observed.value_codeable_concept else None
        found: Value = ""
        if value:
            found = (
                value.code or "",
                value.display or "",
                SYSTEMS.get(value.system or "", value.system or ""),
            )
        elif observed.value_date_time:
            found = day(observed.value_date_time[:10])
        return Segment(
            "OBX",
            {
                1: str(place),
                2: "DT" if observed.value_date_time else "CWE",
                5: found,
                19: moment(observed.issued or (self.results[0].issued if self.results else None)),
                **self.observed,
                **fields,
            },
        )

    def _observed(self) -> dict[int, Field]:
        """When the specimen was taken, and which lab saw what it saw."""
        collection = self.specimen.collection
        return {
            14: moment(collection.collected_date_time if collection else None),
            15: written((clia(self.lab), self.lab.name or "", "CLIA")),
            23: written(organization(self.lab.name or "", clia(self.lab))),
            24: written(address(self.lab.address)),
        }

    def _spm(self) -> Segment:
        specimen, collection = self.specimen, self.specimen.collection
        site = collection.body_site if collection else None
        number = (self.number, *self._authority())
        return Segment(
            "SPM",
            {
                1: "1",
                2: (number, number),
                4: self._specimen_code(specimen.type, _SPECIMEN_VERSION),
                8: self._specimen_code(site, ""),
                17: moment(collection.collected_date_time if collection else None),
                18: moment(specimen.received_time),
            },
        )

    def _specimen_code(self, concept: CodeableConcept | None, version: str) -> Value:
        if concept is None or not concept.coding:
            return ""
        coding = concept.coding[0]
        named = Coding(system=coding.system, code=coding.code, display=coding.display or concept.text)
        return self._coded(named, version, concept.text)
