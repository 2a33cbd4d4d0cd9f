"""What is filtered out after a 201: the hub's default quality filter for covid results.

The sender's HTTP answer stays a success; only ``filteredReportItems`` in the history tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CLIA = re.compile(r"[A-Za-z0-9]{10}")

#: Columns that must have a value, each with the element the filter names.
NEEDED = {
    "Result_ID": "message_id",
    "Device_ID": "equipment_model_name",
    "Specimen_type_code": "specimen_type",
    "Test_result_code": "test_result",
    "Patient_last_name": "patient_last_name",
    "Patient_first_name": "patient_first_name",
    "Patient_DOB": "patient_dob",
}
#: Groups of which one column at least must have a value.
ONE_OF = (
    {
        "Patient_street": "patient_street",
        "Patient_zip_code": "patient_zip_code",
        "Patient_phone_number": "patient_phone_number",
        "Patient_email": "patient_email",
    },
    {
        "Order_test_date": "order_test_date",
        "Specimen_collection_date_time": "specimen_collection_date_time",
        "Test_date": "test_result_date",
    },
)


@dataclass(frozen=True, slots=True)
class Filtered:
    """One item a receiver does not get, and the filter that stopped it."""

    place: int
    tracking_id: str
    name: str
    arguments: tuple[str, ...]

    def shown(self, receiver: str) -> dict[str, object]:
        """The entry of ``filteredReportItems``."""
        return {
            "filterType": "QUALITY_FILTER",
            "filterName": self.name,
            "filteredTrackingElement": self.tracking_id,
            "filterArgs": list(self.arguments),
            "message": self.message(receiver),
        }

    def message(self, receiver: str) -> str:
        """The entry of ``filteredReportRows``."""
        arguments = ", ".join(self.arguments)
        return f"For {receiver}, filter {self.name}[{arguments}] filtered out item {self.tracking_id}"


def filtered(table: dict[str, list[str]]) -> list[Filtered]:
    """Every item of a table that fails a filter, once for each filter."""
    ids = table.get("Result_ID", [])
    blank = [""] * len(ids)
    found: list[Filtered] = []
    for header, element in NEEDED.items():
        column = table.get(header, blank)
        if "" in column:
            found += stopped(ids, "hasValidDataFor", (element,), [not value for value in column])
    for group in ONE_OF:
        present = [table[header] for header in group if header in table]
        if all("" in column for column in present):
            empty = (
                [not any(values) for values in zip(*present, strict=True)] if present else [True] * len(ids)
            )
            found += stopped(ids, "hasAtLeastOneOf", tuple(group.values()), empty)
    clias = table.get("Testing_lab_CLIA", blank)
    bad = {clia for clia in set(clias) if not _CLIA.fullmatch(clia)}
    if bad:
        labs = ("testing_lab_clia", "reporting_facility_clia")
        found += stopped(ids, "isValidCLIA", labs, [clia in bad for clia in clias])
    modes = table.get("Processing_mode_code", blank)
    if not {"T", "D"}.isdisjoint(modes):
        tests = ("processing_mode_code", "T", "D")
        found += stopped(ids, "doesNotMatch", tests, [mode in ("T", "D") for mode in modes])
    return found


def stopped(ids: list[str], name: str, arguments: tuple[str, ...], hits: list[bool]) -> list[Filtered]:
    """The items a filter hits."""
    return [Filtered(place, ids[place], name, arguments) for place, hit in enumerate(hits) if hit]
