"""One row of the bulk upload: every column as the text that stood in the file, blank where there was none.

A row that passed ``bulk.check`` is stored in this form and mapped later, like any other arrival of the lane;
``bulk_report`` says what it means.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from assets.formats.decode import decoder
from assets.reportstream.identity import derived_id
from assets.reportstream.report import plain
from assets.reportstream.tables.snomed import SPECIMEN_NAMES


class BulkRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The columns in the order of the template."""

    patient_id: str = ""
    patient_last_name: str = ""
    patient_first_name: str = ""
    patient_middle_name: str = ""
    patient_street: str = ""
    patient_street2: str = ""
    patient_city: str = ""
    patient_state: str = ""
    patient_zip_code: str = ""
    patient_county: str = ""
    patient_phone_number: str = ""
    patient_dob: str = ""
    patient_gender: str = ""
    patient_sex: str = ""
    patient_race: str = ""
    patient_ethnicity: str = ""
    patient_preferred_language: str = ""
    patient_email: str = ""
    patient_gender_identity: str = ""
    accession_number: str = ""
    equipment_model_name: str = ""
    test_performed_code: str = ""
    test_ordered_code: str = ""
    test_result: str = ""
    test_result_status: str = ""
    order_test_date: str = ""
    specimen_collection_date: str = ""
    testing_lab_specimen_received_date: str = ""
    test_result_date: str = ""
    date_result_released: str = ""
    specimen_type: str = ""
    ordering_provider_id: str = ""
    ordering_provider_last_name: str = ""
    ordering_provider_first_name: str = ""
    ordering_provider_middle_name: str = ""
    ordering_provider_street: str = ""
    ordering_provider_street2: str = ""
    ordering_provider_city: str = ""
    ordering_provider_state: str = ""
    ordering_provider_zip_code: str = ""
    ordering_provider_phone_number: str = ""
    testing_lab_clia: str = ""
    testing_lab_name: str = ""
    testing_lab_street: str = ""
    testing_lab_street2: str = ""
    testing_lab_city: str = ""
    testing_lab_state: str = ""
    testing_lab_zip_code: str = ""
    testing_lab_phone_number: str = ""
    ordering_facility_name: str = ""
    ordering_facility_street: str = ""
    ordering_facility_street2: str = ""
    ordering_facility_city: str = ""
    ordering_facility_state: str = ""
    ordering_facility_zip_code: str = ""
    ordering_facility_phone_number: str = ""
    pregnant: str = ""
    employed_in_healthcare: str = ""
    symptomatic_for_disease: str = ""
    illness_onset_date: str = ""
    resident_congregate_setting: str = ""
    residence_type: str = ""
    hospitalized: str = ""
    icu: str = ""
    genders_of_sexual_partners: str = ""
    syphilis_history: str = ""
    comment: str = ""
    test_kit_name_id: str = ""
    equipment_model_id: str = ""
    processing_mode_code: str = ""


COLUMNS = BulkRow.__struct_fields__

decode = decoder(BulkRow)
encode = msgspec.json.Encoder().encode

#: What makes a result this result, beside its specimen: another value in one of these is another result.
_IDENTITY: Final = (
    "testing_lab_clia",
    "accession_number",
    "patient_id",
    "patient_last_name",
    "patient_first_name",
    "patient_dob",
    "equipment_model_name",
    "test_performed_code",
    "order_test_date",
    "specimen_collection_date",
)


def row(cells: Mapping[str, str]) -> BulkRow:
    """The row of these cells, without the blanks around values; columns of no meaning to us are left out."""
    return BulkRow(**{name: text for name in COLUMNS if (text := plain(cells.get(name, "")))})


def result_id(row: BulkRow) -> str:
    """The id of the result a row speaks of: the same for its correction, and for a second upload of it."""
    written = [getattr(row, name).strip().lower() for name in _IDENTITY]
    specimen = row.specimen_type.strip().lower()
    return derived_id("result", *written, SPECIMEN_NAMES.get(specimen, specimen))


def row_id(row: BulkRow) -> str:
    """The id a row arrives under: the result's own, or for a correction one of its content.

    The same result uploaded twice is so a duplicate; with another value and no C beside it, a conflict.
    """
    if row.test_result_status.strip().lower() != "c":
        return result_id(row)
    return derived_id("correction", result_id(row), encode(row).decode())
