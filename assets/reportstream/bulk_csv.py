"""Rows of a bulk upload as the CSV that ReportStream's covid pipeline takes from SimpleReport's uploader.

Only results for COVID-19 go this way, in the columns of the upload itself: names of specimens become codes,
times get their offset, an ordering facility that is left out is the testing lab. Rows of other diseases, and
all rows where the lane sends FHIR or HL7, go by ``bulk_report``. A test event has other columns (``mapping``):
the two are never in one request.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final

from assets.reportstream import bulk_dates
from assets.reportstream.bulk_report import specimen_code
from assets.reportstream.bulk_row import BulkRow
from assets.reportstream.devices import Devices

#: ReportStream's schema for uploads does not know these.
_LEFT_OUT: Final = ("genders_of_sexual_partners", "syphilis_history")
_MODE: Final = "processing_mode_code"

_FACILITY: Final = ("name", "street", "street2", "city", "state", "zip_code", "phone_number")

#: A moment that was left blank is that of another column.
_MOMENTS: Final[dict[str, str]] = {
    "order_test_date": "",
    "specimen_collection_date": "order_test_date",
    "testing_lab_specimen_received_date": "order_test_date",
    "test_result_date": "",
    "date_result_released": "test_result_date",
}


def is_covid(row: BulkRow, devices: Devices) -> bool:
    """Whether the row's result is one for COVID-19."""
    return devices.disease(row.test_performed_code) == "COVID-19"


def columns(given: Sequence[str], processing_mode: str = "P") -> tuple[str, ...]:
    """The columns sent for an upload that had these; a mode other than P is said in a column of its own."""
    kept = tuple(name for name in given if name not in _LEFT_OUT)
    return kept if processing_mode == "P" or _MODE in kept else (*kept, _MODE)


def cells(row: BulkRow, *, processing_mode: str = "P", zone: tzinfo | None = None) -> dict[str, str]:
    """The row's values by column; ``zone`` overrules the clock of the ordering provider's address."""
    clock = zone or bulk_dates.address_zone(row.ordering_provider_state, row.ordering_provider_zip_code)
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    for name, otherwise in _MOMENTS.items():
        text = values[name] or (getattr(row, otherwise) if otherwise else "")
        values[name] = _with_offset(bulk_dates.moment(text, clock)) if text else ""
    values["specimen_type"] = specimen_code(row.specimen_type)
    if not any(values[f"ordering_facility_{part}"] for part in _FACILITY):
        for part in _FACILITY:
            values[f"ordering_facility_{part}"] = values[f"testing_lab_{part}"]
    if processing_mode != "P":
        values[_MODE] = processing_mode
    return values


def text(names: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """The file: a header and rows, every cell in quotation marks."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return out.getvalue()


def _with_offset(moment: datetime) -> str:
    """To the minute, with the offset; UTC as Z."""
    return moment.isoformat(timespec="minutes").replace("+00:00", "Z")
