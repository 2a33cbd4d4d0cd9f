"""A test event as a ``Report``: identities, times, codes and answers.

The event was decoded by ``events`` and judged by ``rules``. A ``ShapeError`` here names what keeps it from
becoming a FHIR bundle or an HL7 message. Where the default profile differs from what SimpleReport published:

* an undetermined result is "Inconclusive", the code the CSV carries, in every format (published: "Invalid
  result" in FHIR and HL7 only), and has no abnormal flag (published: normal);
* "first test" is among the answers; whoever knows whether the patient had tests before says so;
* other and refused genders are told apart from unknown where the format can.
"""

import re
from collections import Counter
from datetime import datetime
from typing import Any, Final

import msgspec

from assets.formats.decode import ShapeError, day, moment
from assets.reportstream.devices import Devices
from assets.reportstream.events import Device as EventDevice
from assets.reportstream.events import DeviceTest, Disease, TestEvent
from assets.reportstream.events import Facility as EventFacility
from assets.reportstream.events import Patient as EventPatient
from assets.reportstream.events import Provider as EventProvider
from assets.reportstream.events import Result as EventResult
from assets.reportstream.identity import derived_id
from assets.reportstream.mapping import agreed, given, has_unknown_street, language_code, test_length
from assets.reportstream.profile import Profile
from assets.reportstream.report import (
    LOINC,
    NULL_FLAVOR,
    SNOMED,
    Address,
    Answer,
    Coded,
    Device,
    Facility,
    Name,
    Patient,
    Provider,
    Report,
    Result,
    Specimen,
    Status,
    plain,
)
from assets.reportstream.tables import questions, snomed
from assets.reportstream.tables.people import ETHNICITIES, RACES
from assets.reportstream.tables.results import RESULTS
from assets.reportstream.tables.specimens import SOURCE_SITES, SPECIMENS, TOPOGRAPHY_UNKNOWN

RACE: Final = "http://terminology.hl7.org/CodeSystem/v3-Race"
ETHNICITY: Final = "http://terminology.hl7.org/CodeSystem/v2-0189"
TRIBE: Final = "http://terminology.hl7.org/CodeSystem/v3-TribalEntityUS"
LANGUAGE: Final = "urn:iso:std:iso:639:-2"

_STATUSES: Final[dict[str, Status]] = {"ORIGINAL": "final", "CORRECTED": "corrected", "REMOVED": "removed"}
_SEXES: Final = {"male": "male", "female": "female", "other": "other"}
_INVALID: Final = "455371000124106"


def report_of_event(
    event: TestEvent,
    *,
    received_at: datetime,
    devices: Devices,
    original_id: str | None = None,
    profile: Profile = Profile.DEFAULT,
) -> Report:
    """The report an event makes; ``original_id`` is the first event of its lineage, where the caller knows it.

    Without it the event that is corrected stands for the original, which is right for a first correction.
    """
    event = _sendable(event)
    tested = moment("date_tested", event.date_tested)
    order_id = original_id or event.prior or event.event_id
    results = tuple(_result(event, one, order_id, devices, profile) for one in event.results)
    facility = _facility(event.facility)
    specimen = _specimen(event, order_id, tested)
    return Report(
        message_id=event.event_id,
        order_id=order_id,
        status=_STATUSES[event.correction_status],
        correction_reason="" if event.correction_status == "ORIGINAL" else event.correction_reason or "",
        patient=_patient(event.patient, event.facility, profile),
        lab=facility,
        ordering_facility=facility,
        provider=_provider(event.ordering_provider),
        device=_device(event.device, results, devices),
        specimen=specimen,
        results=results,
        ordered=most_common([result.ordered for result in results]),
        ordered_at=tested,
        effective_at=specimen.collected_at,
        resulted_at=tested,
        released_at=max(received_at, tested),  # the sender's clock may be a little ahead of ours
        answers=tuple(_answers(event, profile)),
    )


def _sendable(event: TestEvent) -> TestEvent:
    """The event without control characters and blanks around values; nearly every one is returned as it is."""
    if not _UNSENDABLE.search(msgspec.json.encode(event)):
        return event
    return msgspec.convert(_cleaned(msgspec.to_builtins(event)), TestEvent)


def _cleaned(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _cleaned(value) for name, value in node.items()}
    if isinstance(node, list | tuple):
        return [_cleaned(value) for value in node]
    return plain(node) if isinstance(node, str) else node


#: How what ``plain`` replaces looks in JSON.
_UNSENDABLE = re.compile(
    rb"\\[bfnrt]|\\u00|\x7f|\xc2[\x80-\xa0]|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80|\xe1\x9a\x80"
    rb'|[:,\[]" | "[,}\]]'
)


def most_common(codes: list[Coded]) -> Coded:
    """The order code most results name; the first of them if several do."""
    return Counter(codes).most_common(1)[0][0]


def value_of(code: str, profile: Profile) -> tuple[Coded, str]:
    """A result's code with its name, and its abnormal flag."""
    text, flag = snomed.RESULTS.get(code, ("", ""))
    if profile is Profile.AS_PUBLISHED and not flag:
        flag = "N"  # they called whatever is not positive normal, also "invalid" and "not done"
    return Coded(code, text, SNOMED), flag


def _result(event: TestEvent, one: EventResult, order_id: str, devices: Devices, profile: Profile) -> Result:
    test = _test(event.device, one.disease, alone=len(event.results) == 1)
    if test is None or not test.test_performed_code:
        test = _table_test(event.device, one.disease, devices)
    if test is None or not test.test_performed_code:
        raise ShapeError(
            "device.tests", f"has no test_performed_code for {one.disease}; add it to the device"
        )
    performed, ordered = test.test_performed_code, test.test_ordered_code or test.test_performed_code
    code = RESULTS[one.result].code
    if profile is Profile.AS_PUBLISHED and one.result == "UNDETERMINED":
        code = _INVALID
    value, flag = value_of(code, profile)
    return Result(
        id=derived_id(order_id, "result", one.disease),
        disease=one.disease,
        performed=Coded(performed, devices.name(performed), LOINC),
        ordered=Coded(ordered, devices.name(ordered), LOINC),
        value=value,
        flag=flag,
        kit=test.test_kit_name_id or "",
        equipment=test.equipment_uid or "",
    )


def _test(device: EventDevice, disease: str, *, alone: bool) -> DeviceTest | None:
    """The entry a result belongs to. Where a device has several for a disease, a result that stands alone is
    of the order least used on the device, one of a multiplex of the most used (SimpleReport's rule).
    """
    entries = [test for test in device.tests if test.disease == disease]
    used = Counter(test.test_ordered_code for test in device.tests)
    sign = 1 if alone else -1
    return min(entries, key=lambda test: sign * used[test.test_ordered_code], default=None)


def _table_test(device: EventDevice, disease: Disease, devices: Devices) -> DeviceTest | None:
    """What CDC's table says the device performs, where the event does not say it."""
    entry = devices.performing(device.model, disease)
    return entry and DeviceTest(
        disease=disease,
        test_performed_code=entry.performed,
        test_ordered_code=entry.ordered,
        test_kit_name_id=entry.kit,
        equipment_uid=entry.equipment,
    )


def _patient(patient: EventPatient, facility: EventFacility, profile: Profile) -> Patient:
    place = facility if has_unknown_street(patient) else patient
    phone = given(patient.phone_number)
    tribes = patient.tribal_affiliation or ()
    language = patient.preferred_language
    return Patient(
        id=patient.internal_id,
        name=Name(patient.last_name, patient.first_name, patient.middle_name or "", patient.suffix or ""),
        birth_date=day("patient.birth_date", patient.birth_date).isoformat(),
        sex=_SEXES.get(patient.gender, "unknown"),
        race=_race(patient, profile),
        ethnicity=_ethnicity(patient),
        address=Address(
            patient.street,
            patient.street_2 or "",
            place.city or "",
            place.county or "",
            place.state,
            place.zip_code or "",
            given(patient.country) or "USA",
        ),
        phone=phone or facility.phone,
        phone_use="home",
        email=given(patient.email),
        tribes=tuple(
            [Coded(tribe, "" if tribe.isdigit() else tribe, TRIBE) for tribe in tribes if given(tribe)]
        ),
        language=Coded(language_code(language), language, LANGUAGE) if language else None,
    )


def _race(patient: EventPatient, profile: Profile) -> Coded:
    code, text = RACES[patient.race]
    system = NULL_FLAVOR if patient.race in ("unknown", "refused") else RACE
    return Coded(code, patient.race if profile is Profile.AS_PUBLISHED else text, system)


def _ethnicity(patient: EventPatient) -> Coded:
    code, text = ETHNICITIES[patient.ethnicity]
    return Coded(code, {"N": "Not Hispanic or Latino", "U": "unknown"}.get(code, text), ETHNICITY)


def _facility(facility: EventFacility) -> Facility:
    return Facility(
        id=derived_id("facility", facility.clia_number, facility.name),
        name=facility.name,
        clia=facility.clia_number,
        address=Address(
            facility.street,
            facility.street_2 or "",
            facility.city,
            facility.county or "",
            facility.state,
            facility.zip_code,
        ),
        phone=facility.phone,
        email=given(facility.email),
    )


def _provider(provider: EventProvider) -> Provider:
    return Provider(
        id=derived_id("provider", provider.npi, provider.last_name, provider.first_name),
        number=provider.npi,
        name=Name(provider.last_name, provider.first_name),
        address=Address(
            provider.street or "",
            provider.street_2 or "",
            provider.city or "",
            provider.county or "",
            provider.state or "",
            provider.zip_code or "",
        ),
        phone=given(provider.phone),
    )


def _device(device: EventDevice, results: tuple[Result, ...], devices: Devices) -> Device:
    entry = devices.entry(device.model, results[0].performed.code)
    equipment = agreed(result.equipment for result in results)
    return Device(
        id=device.internal_id,
        model=device.model,
        manufacturer=device.manufacturer or (entry.manufacturer if entry else ""),
        equipment=equipment,
        equipment_type=entry.equipment_type if entry and entry.equipment == equipment else "",
    )


def _specimen(event: TestEvent, order_id: str, tested: datetime) -> Specimen:
    collected = tested - test_length(event.device)
    return Specimen(
        id=derived_id(order_id, "specimen"),
        type=specimen_type(event.specimen.type_code),
        site=specimen_site(event.specimen.source_site_code or TOPOGRAPHY_UNKNOWN),
        collected_at=collected,
        received_at=collected,
    )


def specimen_type(code: str) -> Coded:
    """A specimen's code with its name."""
    return Coded(code, SPECIMENS.get(code, ""), SNOMED)


def specimen_site(code: str) -> Coded:
    """The code of the place a specimen was taken from, with its name."""
    name = SOURCE_SITES.get(code, "")
    return Coded(code, f"{name} (body structure)" if name else "", SNOMED)


def _answers(event: TestEvent, profile: Profile) -> list[Answer]:
    survey, patient = event.survey, event.patient
    no_symptoms = survey.no_symptoms if survey else None
    onset = survey.symptom_onset_date if survey else None
    answers = [answer(questions.SYMPTOMATIC, None if no_symptoms is None else not no_symptoms)]
    if onset and no_symptoms is False:
        text = day("survey.symptom_onset_date", onset).isoformat()
        answers.append(Answer(question=questions.ONSET, day=text))
    if event.patient_has_prior_tests is not None and profile is Profile.DEFAULT:
        answers.append(answer(questions.FIRST_TEST, not event.patient_has_prior_tests))
    if patient.employed_in_healthcare is not None:
        answers.append(answer(questions.EMPLOYED, patient.employed_in_healthcare))
    if patient.resident_congregate_setting is not None:
        answers.append(answer(questions.CONGREGATE, patient.resident_congregate_setting))
    return answers


def answer(question: Coded, said: bool | None) -> Answer:
    """A question answered by yes, no or nobody knows."""
    return Answer(question=question, values=(questions.yes_no(said),))
