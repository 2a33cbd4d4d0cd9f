"""``mapping_csv``: rows a second from an event's JSON to its line of ReportStream's 75 columns.

Against the two ways a script would go: dictionaries through ``csv.DictWriter``, and a pandas frame. Both get the
simplest mapping that makes the same bytes of these events; only ours checks shapes, dates and codes.
"""

import csv
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas

from assets.formats.csv import line
from assets.reportstream.events import decode
from assets.reportstream.mapping import COLUMNS, row
from assets.reportstream.tables.languages import LANGUAGES
from assets.reportstream.tables.people import ETHNICITIES, GENDERS, RACES, YES_NO
from assets.reportstream.tables.results import RESULTS, STATUSES
from assets.reportstream.tables.specimens import TOPOGRAPHY_UNKNOWN
from benchmarks.events import Events
from benchmarks.lines import Line
from benchmarks.place import Place

RECEIVED = datetime(2026, 4, 1, 12, tzinfo=UTC)
ROUNDS = 5

Make = Callable[[Sequence[bytes]], bytes]


def measure(place: Place) -> Iterator[Line]:
    """Both comparisons, each on the same events."""
    return compared(Events(1).some(20_000 if place.full else 2_000))


def compared(events: Sequence[bytes]) -> Iterator[Line]:
    """Raises when a rival's bytes are not ours: then nothing is compared."""
    rivals = {"csv.DictWriter": by_dict_writer, "pandas": by_pandas}
    if any(make(events) != ours(events) for make in rivals.values()):
        raise AssertionError("the ways of making CSV differ: there is nothing to compare")
    rates = {name: _rate(make, events) for name, make in {"ours": ours, **rivals}.items()}
    for name in rivals:
        yield Line(bench="mapping_csv", value=rates["ours"], unit="rows/s", of=name, compared=rates[name])


def _rate(make: Make, events: Sequence[bytes]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        make(events)
        seconds.append(time.process_time() - began)
    return len(events) / statistics.median(seconds)


def ours(events: Sequence[bytes]) -> bytes:
    """As the lane makes it."""
    width = len(COLUMNS)
    rows = (row(decode(raw), received_at=RECEIVED, processing_mode="P") for raw in events)
    return "".join([line(COLUMNS, width), *(line(one, width) for one in rows)]).encode()


def by_dict_writer(events: Sequence[bytes]) -> bytes:
    """A dictionary a row."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain(json.loads(raw)) for raw in events)
    return out.getvalue().encode()


def by_pandas(events: Sequence[bytes]) -> bytes:
    """A frame of the same dictionaries."""
    frame = pandas.DataFrame([plain(json.loads(raw)) for raw in events], columns=list(COLUMNS))
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode()


def plain(event: dict[str, Any]) -> dict[str, str]:
    """The simplest mapping of an original COVID-19 result whose values are all in order."""
    tested = datetime.fromisoformat(event["date_tested"])
    collected = tested - timedelta(minutes=event["device"]["test_length_minutes"])
    covid = event["device"]["tests"][0]
    status = STATUSES[event["correction_status"]]
    result = next(one["result"] for one in event["results"] if one["disease"] == "COVID-19")
    return {
        **_person(event["patient"]),
        "Result_ID": event["event_id"],
        "Corrected_result_ID": "",
        "Test_correction_reason": "",
        "Test_result_status": status.test,
        "Order_result_status": status.order,
        "Observation_result_status": status.observation,
        "Test_result_code": RESULTS[result].code,
        "Specimen_collection_date_time": _stamp(collected),
        **_survey(event),
        **_place("Testing_lab", event["facility"]),
        "Testing_lab_CLIA": event["facility"]["clia_number"],
        "Processing_mode_code": "P",
        **_place("Ordering_facility", event["facility"]),
        "Ordering_facility_email": event["facility"]["email"],
        "Organization_name": event["organization"]["name"],
        **_provider(event["ordering_provider"]),
        "Ordered_test_code": covid["test_performed_code"],
        "Specimen_source_site_code": event["specimen"]["source_site_code"] or TOPOGRAPHY_UNKNOWN,
        "Specimen_type_code": event["specimen"]["type_code"],
        "Instrument_ID": event["device"]["internal_id"],
        "Device_ID": event["device"]["model"],
        "Test_Kit_Name_ID": covid["test_kit_name_id"],
        "Equipment_Model_ID": covid["equipment_uid"],
        "Test_date": _stamp(tested),
        "Date_result_released": _stamp(RECEIVED),
        "Order_test_date": _stamp(tested),
        "Site_of_care": event["organization"]["type"],
    }


def _person(patient: dict[str, Any]) -> dict[str, str]:
    copied = {
        "Patient_last_name": "last_name",
        "Patient_first_name": "first_name",
        "Patient_middle_name": "middle_name",
        "Patient_suffix": "suffix",
        "Patient_street": "street",
        "Patient_street_2": "street_2",
        "Patient_city": "city",
        "Patient_county": "county",
        "Patient_state": "state",
        "Patient_zip_code": "zip_code",
        "Patient_country": "country",
        "Patient_phone_number": "phone_number",
        "Patient_email": "email",
        "Patient_ID": "internal_id",
        "Patient_role": "role",
    }
    return {column: patient[name] or "" for column, name in copied.items()} | {
        "Patient_race": RACES[patient["race"]].code,
        "Patient_DOB": patient["birth_date"].replace("-", ""),
        "Patient_gender": GENDERS[patient["gender"]].code,
        "Patient_ethnicity": ETHNICITIES[patient["ethnicity"]].code,
        "Patient_tribal_affiliation": "",
        "Patient_preferred_language": LANGUAGES[patient["preferred_language"]],
        "Employed_in_healthcare": YES_NO[patient["employed_in_healthcare"]].code,
        "Resident_congregate_setting": YES_NO[patient["resident_congregate_setting"]].code,
    }


def _survey(event: dict[str, Any]) -> dict[str, str]:
    prior, well = event["patient_has_prior_tests"], event["survey"]["no_symptoms"]
    return {
        "Ordering_provider_ID": event["ordering_provider"]["npi"],
        "First_test": YES_NO[None if prior is None else not prior].code,
        "Symptomatic_for_disease": YES_NO[None if well is None else not well].code,
        "Illness_onset_date": event["survey"]["symptom_onset_date"].replace("-", ""),
    }


def _place(whose: str, facility: dict[str, Any]) -> dict[str, str]:
    names = {"phone_number": "phone"} | {
        name: name for name in ("name", "street", "street_2", "city", "county", "state", "zip_code")
    }
    return {f"{whose}_{column}": facility[name] or "" for column, name in names.items()}


def _provider(provider: dict[str, Any]) -> dict[str, str]:
    names = ("last_name", "first_name", "street", "street_2", "city", "state", "zip_code", "county")
    columns = {f"Ordering_provider_{name}": provider[name] or "" for name in names}
    return columns | {"Ordering_provider_phone_number": provider["phone"]}


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y%m%d%H%M%S")
