"""A row of the bulk upload as a ``Report``, so that rows go the same way as test events.

A row is one result: one report with one observation. Where the default profile differs from what SimpleReport
published for its bulk upload:

* the message's own id follows from the row's content (published: the accession number, so that two results of
  one order, and every correction, had the same);
* the ordering facility's address is taken as a whole or, if blank, from the testing lab as a whole (published:
  field by field, which mixes two addresses);
* a result that says nothing has no abnormal flag; race and sex are coded, the words are the code's;
* the report is true of the moment the specimen was taken (published: of the moment of the result).
"""

from datetime import datetime, tzinfo
from typing import Final

from assets.formats.decode import ShapeError
from assets.reportstream import bulk_dates, bulk_rules
from assets.reportstream.bulk_row import BulkRow, result_id, row_id
from assets.reportstream.bulk_times import Times, times
from assets.reportstream.devices import Devices, Entry
from assets.reportstream.event_report import (
    ETHNICITY,
    LANGUAGE,
    RACE,
    answer,
    specimen_site,
    specimen_type,
    value_of,
)
from assets.reportstream.identity import derived_id
from assets.reportstream.mapping import language_code
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
)
from assets.reportstream.tables import questions, snomed
from assets.reportstream.tables.people import RACES
from assets.reportstream.tables.specimens import TOPOGRAPHY_UNKNOWN, specimen_named

_RACE_NAMES: Final = {name.lower(): code for code, name in RACES.values()} | {
    "ask, but unknown": "ASKU",
    "asku": "ASKU",
    "unk": "UNK",
}
_RACE_TEXTS: Final = dict(RACES.values())
_ETHNICITIES: Final = {
    **dict.fromkeys(("hispanic or latino", "2135-2"), Coded("H", "Hispanic or Latino", ETHNICITY)),
    **dict.fromkeys(("not hispanic or latino", "2186-5"), Coded("N", "Not Hispanic or Latino", ETHNICITY)),
}
_UNKNOWN_ETHNICITY: Final = Coded("U", "unknown", ETHNICITY)
_SEXES: Final = {"m": "male", "male": "male", "f": "female", "female": "female"}
_YES_NO: Final = {"y": True, "yes": True, "n": False, "no": False}
_PREGNANT: Final = {
    True: Coded(*snomed.PREGNANT, SNOMED),
    False: Coded(*snomed.NOT_PREGNANT, SNOMED),
    None: Coded(*snomed.PREGNANCY_UNKNOWN, SNOMED),
}

#: SimpleReport's own name of a specimen that ReportStream's table names otherwise.
_PUBLISHED_SPECIMENS: Final = {"445297001": "Nasal swab"}


def report_of_row(
    row: BulkRow,
    *,
    devices: Devices,
    profile: Profile = Profile.DEFAULT,
    uploaded_at: datetime | None = None,
    zone: tzinfo | None = None,
) -> Report:
    """The report a row makes; ``zone`` overrules the clock of the ordering provider's address.

    ``uploaded_at`` is when our intake took the row: a day without an hour is not told as later.
    """
    published = profile is Profile.AS_PUBLISHED
    clock = zone or bulk_dates.address_zone(row.ordering_provider_state, row.ordering_provider_zip_code)
    when = times(row, clock, uploaded_at=uploaded_at, orderly=not published)
    lab = _lab(row)
    entry = devices.entry(row.equipment_model_name, row.test_performed_code)
    result = _result(row, entry, devices, profile)
    corrected = row.test_result_status.lower() == "c"
    return Report(
        message_id=row.accession_number if published else row_id(row),
        order_id=row.accession_number,
        status="corrected" if corrected else "final",
        corrects=result_id(row) if corrected else "",
        patient=_patient(row, profile),
        lab=lab,
        ordering_facility=_ordering_facility(row, lab, profile),
        provider=_provider(row),
        device=_device(row, entry),
        specimen=_specimen(row, when, profile),
        results=(result,),
        ordered=result.ordered,
        ordered_at=when.ordered,
        effective_at=when.resulted if published else when.collected,
        resulted_at=when.resulted,
        released_at=when.released,
        answers=tuple(_answers(row)),
        comment=row.comment,
        processing_mode=row.processing_mode_code.upper() or "P",
    )


def _patient(row: BulkRow, profile: Profile) -> Patient:
    born = bulk_dates.day(row.patient_dob)
    if born is None:
        raise ShapeError("patient_dob", "is not a date that exists; write M/D/YYYY")
    person = (row.testing_lab_clia, row.patient_last_name, row.patient_first_name, row.patient_dob)
    language = row.patient_preferred_language
    return Patient(
        id=row.patient_id or derived_id("patient", *person),
        name=Name(row.patient_last_name, row.patient_first_name, row.patient_middle_name),
        birth_date=born.isoformat(),
        sex=_SEXES.get((row.patient_sex or row.patient_gender).lower(), "unknown"),
        race=_race(row.patient_race, profile),
        ethnicity=_ETHNICITIES.get(row.patient_ethnicity.lower(), _UNKNOWN_ETHNICITY),
        address=Address(
            row.patient_street,
            row.patient_street2,
            row.patient_city,
            row.patient_county,
            row.patient_state.upper(),
            row.patient_zip_code,
        ),
        phone=row.patient_phone_number,
        email=row.patient_email,
        language=Coded(language_code(language), language, LANGUAGE) if language else None,
        is_the_labs=bool(row.patient_id),
    )


def _race(text: str, profile: Profile) -> Coded:
    code = _RACE_NAMES.get(text.lower(), text.upper())
    system = NULL_FLAVOR if code in ("UNK", "ASKU") else RACE
    return Coded(code, text if profile is Profile.AS_PUBLISHED else _RACE_TEXTS.get(code, text), system)


def _lab(row: BulkRow) -> Facility:
    return Facility(
        id=derived_id("facility", row.testing_lab_clia, row.testing_lab_name),
        name=row.testing_lab_name,
        clia=row.testing_lab_clia,
        address=Address(
            row.testing_lab_street,
            row.testing_lab_street2,
            row.testing_lab_city,
            "",
            row.testing_lab_state.upper(),
            row.testing_lab_zip_code,
        ),
        phone=row.testing_lab_phone_number,
    )


def _ordering_facility(row: BulkRow, lab: Facility, profile: Profile) -> Facility:
    given = Address(
        row.ordering_facility_street,
        row.ordering_facility_street2,
        row.ordering_facility_city,
        "",
        row.ordering_facility_state.upper(),
        row.ordering_facility_zip_code,
    )
    name, phone = row.ordering_facility_name, row.ordering_facility_phone_number
    if not (name or phone or any(given[:-1])):
        return lab
    if profile is Profile.AS_PUBLISHED:
        address = Address(*(own or theirs for own, theirs in zip(given, lab.address, strict=True)))
    else:
        address = given if given.street or given.city else lab.address
    return Facility(
        id=derived_id("ordering facility", row.testing_lab_clia, name, *address),
        name=name or lab.name,
        clia=lab.clia,
        address=address,
        phone=phone or lab.phone,
    )


def _provider(row: BulkRow) -> Provider:
    number = row.ordering_provider_id
    return Provider(
        id=number or derived_id("provider", row.ordering_provider_last_name),
        number=number,
        name=Name(
            row.ordering_provider_last_name,
            row.ordering_provider_first_name,
            row.ordering_provider_middle_name,
        ),
        address=Address(
            row.ordering_provider_street,
            row.ordering_provider_street2,
            row.ordering_provider_city,
            "",
            row.ordering_provider_state.upper(),
            row.ordering_provider_zip_code,
        ),
        phone=row.ordering_provider_phone_number,
    )


def _device(row: BulkRow, entry: Entry | None) -> Device:
    return Device(
        id=derived_id("device", row.equipment_model_name.lower()),
        model=row.equipment_model_name,
        manufacturer=entry.manufacturer if entry else "",
        equipment=row.equipment_model_id or (entry.equipment if entry else ""),
        equipment_type=entry.equipment_type if entry and not row.equipment_model_id else "",
    )


def _result(row: BulkRow, entry: Entry | None, devices: Devices, profile: Profile) -> Result:
    performed = row.test_performed_code
    ordered = row.test_ordered_code or (entry.ordered if entry else "") or performed
    value, flag = value_of(bulk_rules.result_code(row.test_result), profile)
    return Result(
        id=derived_id(result_id(row), "result"),
        disease=devices.disease(performed),
        performed=Coded(performed, (entry and entry.performed_name) or devices.name(performed), LOINC),
        ordered=Coded(ordered, (entry and entry.ordered_name) or devices.name(ordered), LOINC),
        value=value,
        flag=flag,
        kit=row.test_kit_name_id or (entry.kit if entry else ""),
        equipment=row.equipment_model_id or (entry.equipment if entry else ""),
    )


def specimen_code(text: str) -> str:
    """The SNOMED CT code of a specimen written as a name or as its code."""
    name = text.strip()
    return snomed.SPECIMEN_NAMES.get(name.lower()) or specimen_named(name) or name


def _specimen(row: BulkRow, when: Times, profile: Profile) -> Specimen:
    kind = specimen_type(specimen_code(row.specimen_type))
    if profile is Profile.AS_PUBLISHED:
        kind = kind._replace(text=_PUBLISHED_SPECIMENS.get(kind.code, kind.text))
    return Specimen(
        id=derived_id(result_id(row), "specimen"),
        type=kind,
        site=specimen_site(TOPOGRAPHY_UNKNOWN),
        collected_at=when.collected,
        received_at=when.received,
    )


def _answers(row: BulkRow) -> list[Answer]:
    """Answers in SimpleReport's order; what was left blank was not asked."""
    found: list[Answer] = []
    symptomatic = row.symptomatic_for_disease
    if symptomatic:
        found.append(_yes_no(questions.SYMPTOMATIC, symptomatic))
    onset = bulk_dates.day(row.illness_onset_date)
    if onset and _YES_NO.get(symptomatic.lower()):
        found.append(Answer(question=questions.ONSET, day=onset.isoformat()))
    if row.pregnant:
        pregnant = _PREGNANT[_YES_NO.get(row.pregnant.lower())]
        found.append(Answer(question=questions.PREGNANT, values=(pregnant,)))
    for question, text in (
        (questions.EMPLOYED, row.employed_in_healthcare),
        (questions.HOSPITALIZED, row.hospitalized),
        (questions.ICU, row.icu),
        (questions.CONGREGATE, row.resident_congregate_setting),
    ):
        if text:
            found.append(_yes_no(question, text))
    return found + _coded_answers(row)


def _coded_answers(row: BulkRow) -> list[Answer]:
    found: list[Answer] = []
    if row.residence_type and _YES_NO.get(row.resident_congregate_setting.lower()):
        found.append(Answer(question=questions.RESIDENCE, values=(_residence(row.residence_type),)))
    if row.patient_gender_identity:
        identity = _gender(row.patient_gender_identity)
        found.append(Answer(question=questions.GENDER_IDENTITY, values=(identity,)))
    if row.genders_of_sexual_partners:
        partners = dict.fromkeys(_gender(part) for part in row.genders_of_sexual_partners.split(","))
        found.append(Answer(question=questions.SEXUAL_PARTNERS, values=tuple(partners)))
    if row.syphilis_history:
        found.append(_yes_no(questions.SYPHILIS_HISTORY, row.syphilis_history))
    return found


def _yes_no(question: Coded, text: str) -> Answer:
    return answer(question, _YES_NO.get(text.strip().lower()))


def _gender(text: str) -> Coded:
    return questions.GENDERS.get(text.strip().lower(), questions.UNKNOWN)


def _residence(text: str) -> Coded:
    code = snomed.RESIDENCE_NAMES.get(text.lower(), text)
    if code == snomed.MISPRINTED_PENAL_INSTITUTION:
        code = snomed.RESIDENCE_NAMES["penal institution"]
    return Coded(code, snomed.RESIDENCES.get(code, ""), SNOMED)
