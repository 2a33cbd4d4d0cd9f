"""A report as the FHIR R4 message bundle that ReportStream's universal pipeline takes.

One bundle a report; every id follows from the report, so that the same report gives the same bytes. Where the
default profile differs from what SimpleReport published:

* the bundle's identifier, which becomes MSH-10, is the message's own (published: the order's, so that a
  correction had the control id of its original);
* ``Provenance.target`` names the report, as FHIR requires (published: missing);
* a device has one identifier with value and type (published: one of each);
* a provider's number that is no NPI is sent as a provider number (published: lost);
* observations say when they were true, codes have their names, a patient's language is sent.

References are ``Type/id``, and so are ``fullUrl``s: ReportStream resolves them in this form.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assets.formats import fhir
from assets.formats.fhir import CodeableConcept, Coding, Extension, Identifier, ref
from assets.reportstream.fhir_answers import observations
from assets.reportstream.fhir_parties import (
    REPORTSTREAM,
    V2,
    code,
    concept,
    device,
    organization,
    patient,
    practitioner,
    usable_id,
)
from assets.reportstream.identity import derived_id
from assets.reportstream.profile import Profile
from assets.reportstream.report import Report, Result
from assets.reportstream.software import RELEASED_AT, VERSION

_EVENT: Final = Coding(
    system=V2 + "0003", code="R01", display="ORU/ACK - Unsolicited transmission of an observation message"
)
_MODES: Final = {"P": "Production", "D": "Debugging", "T": "Training"}
_STATUSES: Final = {"final": "final", "corrected": "corrected", "removed": "entered-in-error"}
_FLAGS: Final = {"A": "Abnormal", "N": "Normal"}

#: The organization whose software reports, under the id ReportStream knows it by.
_VENDOR: Final = fhir.Organization(id="07640c5d-87cd-488b-9343-a226c5166539", name="SimpleReport")
_DESTINATION: Final = fhir.Destination(
    name="PRIME ReportStream", endpoint="https://prime.cdc.gov/api/reports?option=SkipInvalidItems"
)
_REMARK: Final = Extension(
    url=REPORTSTREAM + "note-type",
    value_codeable_concept=CodeableConcept(
        coding=(
            Coding(
                extension=(Extension(url=REPORTSTREAM + "code-index-name", value_string="identifier"),),
                system="HL70364",
                version="2.5.1",
                code="RE",
                display="Remark",
            ),
        )
    ),
)
_ORDER_CONTROL: Final = Extension(
    url=REPORTSTREAM + "order-control",
    value_codeable_concept=CodeableConcept(coding=(Coding(system=V2 + "0119", code="RE"),)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What a message says of itself: when it was made, whether it counts, and by which software.

    ``made_at`` is when our intake accepted the report, so that a message made twice has the same bytes.
    """

    made_at: datetime
    processing_mode: str = "P"
    version: str = VERSION
    installed_at: datetime = RELEASED_AT

    def mode(self, report: Report) -> str:
        """P only if lane and report both say so: a test is never told as a real result."""
        return report.processing_mode if self.processing_mode == "P" else self.processing_mode


def bundle(report: Report, sending: Sending, *, profile: Profile = Profile.DEFAULT) -> fhir.Bundle:
    """The message: header, provenance, report, what they speak of, results, answers."""
    return _Message(report, sending, profile).bundle()


class _Message:
    """The resources of one message, made in the order in which they refer to each other."""

    def __init__(self, report: Report, sending: Sending, profile: Profile) -> None:
        self.report, self.sending, self.profile = report, sending, profile
        self.published = profile is Profile.AS_PUBLISHED
        self.status = _STATUSES[report.status]
        self.lab = organization(report.lab)
        self.patient = patient(report.patient, self.lab, published=self.published)
        self.device = device(report.device, published=self.published)
        self.specimen = self._specimen()
        self.results = [self._result(result) for result in report.results]
        self.answers = observations(report, ref(self.patient))

    def bundle(self) -> fhir.Bundle:
        facility = organization(self.report.ordering_facility)
        clinician = practitioner(self.report.provider, published=self.published)
        role = fhir.PractitionerRole(
            id=derived_id(self.report.order_id, "role", clinician.id or ""),
            practitioner=ref(clinician),
            organization=ref(facility),
        )
        order = self._order(role)
        diagnostic = self._diagnostic(order)
        provenance = self._provenance(diagnostic)
        resources: list[fhir.AnyResource] = [
            self._header(provenance, diagnostic),
            provenance,
            diagnostic,
            self.patient,
            self.lab,
            *([] if facility.id == self.lab.id else [facility]),
            clinician,
            self.specimen,
            order,
            self.device,
            role,
            _VENDOR,
            *self.results,
            *self.answers,
        ]
        identifier = self.report.order_id if self.published else self.report.message_id
        return fhir.Bundle(
            identifier=Identifier(value=identifier),
            type="message",
            timestamp=fhir.instant(self.sending.made_at),
            entry=tuple([fhir.entry(resource) for resource in resources]),
        )

    def _header(self, provenance: fhir.Provenance, diagnostic: fhir.DiagnosticReport) -> fhir.MessageHeader:
        sending = self.sending
        mode = sending.mode(self.report)
        tag = Coding(system=V2 + "0103", code=mode, display=_MODES.get(mode))
        installed = fhir.instant(sending.installed_at).replace(".000Z", "Z")
        return fhir.MessageHeader(
            id=derived_id(self.report.message_id, "header"),
            meta=fhir.Meta(tag=(tag,)),
            event_coding=_EVENT,
            destination=(_DESTINATION,),
            sender=ref(self.lab),
            source=fhir.Source(
                extension=(
                    Extension(url=REPORTSTREAM + "software-binary-id", value_string=sending.version),
                    Extension(url=REPORTSTREAM + "software-install-date", value_instant=installed),
                    Extension(url=REPORTSTREAM + "software-vendor-org", value_reference=ref(_VENDOR)),
                ),
                software="PRIME SimpleReport",
                version=sending.version,
                endpoint="https://simplereport.gov",
            ),
            focus=(ref(provenance), ref(diagnostic)),
        )

    def _provenance(self, diagnostic: fhir.DiagnosticReport) -> fhir.Provenance:
        return fhir.Provenance(
            id=derived_id(self.report.message_id, "provenance"),
            target=() if self.published else (ref(diagnostic),),
            recorded=fhir.instant(self.sending.made_at),
            activity=CodeableConcept(coding=(_EVENT,)),
            agent=(fhir.Agent(who=ref(self.lab)),),
        )

    def _diagnostic(self, order: fhir.ServiceRequest) -> fhir.DiagnosticReport:
        report = self.report
        return fhir.DiagnosticReport(
            id=usable_id(report.order_id, "report", report.order_id),
            identifier=(Identifier(value=report.order_id),),
            based_on=(ref(order),),
            status=self.status,
            code=concept(report.ordered),
            subject=ref(self.patient),
            effective_date_time=fhir.date_time(report.effective_at),
            issued=fhir.date_time(report.released_at),
            specimen=(ref(self.specimen),),
            result=tuple([ref(result) for result in self.results]),
        )

    def _specimen(self) -> fhir.Specimen:
        specimen = self.report.specimen
        return fhir.Specimen(
            id=specimen.id,
            identifier=(Identifier(value=specimen.id),),
            type=concept(specimen.type, display=False, text=specimen.type.text or None),
            subject=ref(self.patient),
            received_time=fhir.date_time(specimen.received_at),
            collection=fhir.Collection(
                collected_date_time=fhir.date_time(specimen.collected_at),
                body_site=concept(specimen.site, display=False, text=specimen.site.text or None),
            ),
        )

    def _order(self, role: fhir.PractitionerRole) -> fhir.ServiceRequest:
        report = self.report
        ordered_at = Extension(
            url=REPORTSTREAM + "order-effective-date", value_date_time=fhir.date_time(report.ordered_at)
        )
        note = fhir.Annotation(extension=(_REMARK,), text=report.comment)
        return fhir.ServiceRequest(
            id=derived_id(report.order_id, "order", report.specimen.id),
            extension=(_ORDER_CONTROL, ordered_at),
            status="completed",
            intent="order",
            code=concept(report.ordered, display=not self.published),
            subject=ref(self.patient),
            requester=ref(role),
            performer=(ref(self.lab),),
            supporting_info=tuple([ref(answer) for answer in self.answers]),
            note=(note,) if report.comment else (),
        )

    def _result(self, result: Result) -> fhir.Observation:
        report = self.report
        note = fhir.Annotation(text=f"Corrected Result: {report.correction_reason}")
        effective = None if self.published else fhir.date_time(report.effective_at)
        return fhir.Observation(
            id=result.id,
            status=self.status,
            code=concept(result.performed, text=result.disease or None),
            subject=ref(self.patient),
            effective_date_time=effective,
            issued=fhir.instant(report.resulted_at),
            performer=(ref(self.lab),),
            value_codeable_concept=concept(result.value),
            interpretation=_interpretation(result.flag),
            note=(note,) if report.correction_reason else (),
            method=_method(report.device.model, result.kit),
            specimen=ref(self.specimen),
            device=ref(self.device),
        )


def _interpretation(flag: str) -> tuple[CodeableConcept, ...]:
    if not flag:
        return ()
    coding = Coding(system=V2 + "0078", code=flag, display=_FLAGS[flag])
    return (CodeableConcept(coding=(coding,)),)


def _method(model: str, kit: str) -> fhir.Method:
    named = Extension(url=REPORTSTREAM + "testkit-name-id", value_coding=Coding(code=code(kit)))
    return fhir.Method(extension=(named,) if kit else (), coding=(Coding(display=model),))
