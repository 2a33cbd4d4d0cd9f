"""``fhir_build``: FHIR bundles a second from a test event's report to bytes; CPU time.

Ours includes the mapping. fhir.resources (R4B) gets the same bundle ready as a dictionary, and does what it is for:
judge it and write it. Both must write the same document, but for the way they write a moment's zone; else nothing is
compared.
"""

import json
import re
from collections.abc import Iterator, Sequence

from fhir.resources.R4B.bundle import Bundle

from assets.formats import fhir as fhir_format
from assets.reportstream.fhir import bundle
from assets.reportstream.report import Report
from benchmarks.hl7_messages import SENDING, rate, reports
from benchmarks.lines import Line
from benchmarks.place import Place


def measure(place: Place) -> Iterator[Line]:
    """Against the one rival."""
    return compared(reports(1_000 if place.full else 100))


def compared(of: Sequence[Report]) -> Iterator[Line]:
    """Raises when the documents differ."""
    documents = [json.loads(ours(report)) for report in of]
    if json.loads(_zones(theirs(documents[0]))) != json.loads(_zones(ours(of[0]).decode())):
        raise AssertionError("fhir.resources writes another document: there is nothing to compare")
    yield Line(
        bench="fhir_build",
        value=rate(ours, of),
        unit="bundles/s",
        of="fhir.resources",
        compared=rate(theirs, documents),
        also={"bytes": len(ours(of[0]))},
    )


def ours(report: Report) -> bytes:
    """As the lane makes it."""
    return fhir_format.encode(bundle(report, SENDING))


def theirs(document: dict[str, object]) -> str:
    """Judged and written."""
    text: str = Bundle.model_validate(document).model_dump_json()
    return text


def _zones(document: str) -> str:
    return re.sub(r"(T\d\d:\d\d:\d\d)(?:\.000)?(?:\+00:00|Z)\"", r'\1Z"', document)
