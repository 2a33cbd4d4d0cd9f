"""What a test said, as SNOMED CT, and what became of the event, as HL7 status letters.

Origin: SimpleReport's export to ReportStream and ReportStream's table test_result (CC0 1.0). The CSV names an
undetermined result "Inconclusive"; statuses are of HL7 tables 0085 (observation) and 0123 (order).
"""

from typing import NamedTuple

from assets.reportstream.tables import Code

RESULTS = {
    "POSITIVE": Code("260373001", "Detected"),
    "NEGATIVE": Code("260415000", "Not detected"),
    "UNDETERMINED": Code("419984006", "Inconclusive"),
}


class Status(NamedTuple):
    """The status letters of the test, of its order and of the single observation."""

    test: str
    order: str
    observation: str


#: A removal corrects the order and withdraws the observation: orders have no letter for "removed".
STATUSES = {
    "ORIGINAL": Status("F", "F", "F"),
    "CORRECTED": Status("C", "C", "C"),
    "REMOVED": Status("W", "C", "W"),
}
